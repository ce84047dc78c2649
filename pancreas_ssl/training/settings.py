"""Recipe fields from a command line: `--set NAME=VALUE`."""

import json
from collections.abc import Sequence

from pancreas_ssl.errors import InputError

__all__ = ["settings"]


def settings(pairs: Sequence[str]) -> dict:
    """Recipe fields out of 'name=value', values in JSON (bare words are text).

    Raises:
        InputError: no such pair.

    Example:
        >>> settings(["batch=1", "patch=[32, 32, 32]", "precision=fp32"])
        {'batch': 1, 'patch': [32, 32, 32], 'precision': 'fp32'}
    """
    values = {}
    for pair in pairs:
        name, mark, value = pair.partition("=")
        try:
            values[name] = json.loads(value)
        except json.JSONDecodeError as error:
            if not mark or value[:1] in '[{"':
                raise InputError(f"expected --set NAME=VALUE with a value in JSON, got '{pair}'") from error
            values[name] = value
    return values
