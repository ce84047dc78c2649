"""A short name for the data of a run: two runs with the same digest read the same cards and the same cases."""

import hashlib

__all__ = ["data_digest"]


def data_digest() -> str | None:
    """SHA-256 over what is recorded of the data at hand; None when nothing is recorded."""
    digest = hashlib.sha256()
    return digest.hexdigest()
