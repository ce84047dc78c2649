"""The leakage guard: a case that trained a network says nothing of new patients, so it is not measured with it.

Weights carry the digests of the scans that trained them (`data.image_checks.voxel_hash`), so that a case is known again
under whatever card, name and file. Weights of earlier versions carry none; of them the ids are compared.
"""

from collections.abc import Iterable
from typing import Any

from pancreas_ssl.data.image_checks import find_scan
from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.errors import InputError, warn
from pancreas_ssl.inference.weights import Model

__all__ = ["has_trained", "refuse_leaks"]

SIDES = ("train", "unlabelled")


def has_trained(metadata: dict[str, Any], case: Any) -> bool:
    """Whether a case (with `voxels`, `id` and `source`) trained the weights that carry this metadata."""
    sides = [metadata.get(side) or {} for side in SIDES]
    if any("voxels" in side for side in sides):
        return any(find_scan(case.voxels, side.get("voxels", ())) for side in sides)
    return case.source == metadata.get("source") and any(case.id in side.get("ids", ()) for side in sides)


def refuse_leaks(model: Model, cases: Iterable[Prepared], *, allow_leak: bool = False) -> list[str]:
    """Refuse to measure a network on cases that trained it.

    Args:
        model: of `load_weights`.
        cases: prepared from files; several, or one at a time.
        allow_leak: warn instead.

    Returns:
        The ids of the cases that trained it: none, unless they are allowed.

    Raises:
        InputError: a case has the voxels of one that trained the network, under whatever name.

    Example:
        >>> refuse_leaks(load_weights("baseline"), prepare_cases(open_cases("phantom/V", "measure")))  # doctest: +SKIP
        []
    """
    cases = [(case.id, case.source, has_trained(model.metadata, case)) for case in cases]
    leaked = [(one, source) for one, source, trained in cases if trained]
    if not leaked:
        return []
    name = model.name or "this network"
    found = (
        f"{leaked[0][0]} of {leaked[0][1]} has the same voxels as one that did ({len(leaked)} of {len(cases)} cases)"
    )
    if not allow_leak:
        raise InputError(
            f"expected cases that did not train {name}, {found}; leave them out, or overrule with --allow-leak "
            f"(allow_leak=True), which the report will say"
        )
    warn(
        f"{len(leaked)} of {len(cases)} cases trained {name}, {leaked[0][0]} of {leaked[0][1]} first; leaks are allowed"
    )
    return [one for one, _ in leaked]
