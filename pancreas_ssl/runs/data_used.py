"""A short name for the data of a run: two runs with the same digest could read the same cases and no others."""

import hashlib

__all__ = ["data_digest"]


def data_digest() -> str:
    """Sixteen hex digits over every data card and the phantom's generator.

    A card fixes splits and the digests of what is downloaded, the generator fixes the voxels of each generated case.
    A user's own folder is known by its card only: a notebook that reads one records the digest of its files as
    `record(data_digest=pancreas_ssl.data.access.data_digest(cases))`, which the report then shows instead.
    """
    from pancreas_ssl.data.cards import list_cards, load_card
    from pancreas_ssl.data.generate import generator_version

    digest = hashlib.sha256(generator_version().encode())
    for name in sorted(list_cards()):
        digest.update(name.encode() + b"\0" + load_card(name).path.read_bytes())
    return digest.hexdigest()[:16]
