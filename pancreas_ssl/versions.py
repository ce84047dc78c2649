"""Which packages this project needs, in which versions, and which are installed.

The ranges are read from the installed project's own metadata and the tested versions from constraints.txt, so that
nothing is written down twice.
"""

import importlib.metadata
from pathlib import Path

__all__ = ["PACKAGE", "installed_versions", "requirements", "tested_versions", "verdict"]

PACKAGE = "pancreas-ssl"
REMEDY = "pip install -c constraints.txt -e ."


def requirements(extra: str | None = None) -> list:
    """Requirements of this project (`packaging` objects), as its metadata state them: the core's, or an extra's."""
    from packaging.requirements import Requirement

    found = [Requirement(text) for text in importlib.metadata.requires(PACKAGE) or []]
    if extra is None:
        return [r for r in found if r.marker is None or r.marker.evaluate({"extra": ""})]
    return [
        r
        for r in found
        if r.marker and r.marker.evaluate({"extra": extra}) and not r.marker.evaluate({"extra": ""})
    ]


def installed_versions() -> dict[str, str]:
    """Version by name of each core requirement, and of those of the extras that are installed."""
    versions = {}
    for requirement in [*requirements(), *requirements("itk")]:
        try:
            versions[requirement.name] = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return dict(sorted(versions.items(), key=lambda item: item[0].lower()))


def tested_versions(path: Path | None = None) -> dict[str, str]:
    """`name==version` lines of constraints.txt beside the package, by canonical name; empty outside a clone."""
    from packaging.utils import canonicalize_name

    path = path or Path(__file__).resolve().parents[1] / "constraints.txt"
    if not path.is_file():
        return {}
    lines = (
        line.split("#")[0].split(";")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()
    )
    pairs = (line.split("==", 1) for line in lines if "==" in line)
    return {canonicalize_name(name.strip()): version.strip() for name, version in pairs}


def verdict(requirement, tested: dict[str, str], optional: str = "") -> tuple[bool, str, str]:
    """Whether the installed version suits a requirement, the version in words, and a note.

    Args:
        requirement: of `requirements`.
        tested: of `tested_versions`.
        optional: name of the extra it belongs to; it may then be missing.
    """
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        if optional:
            return True, "not installed", f"optional: pip install -e '.[{optional}]'"
        return False, "not installed", f"needs {requirement.specifier}: {REMEDY}"
    if not requirement.specifier.contains(version, prereleases=True):
        return False, version, f"needs {requirement.specifier}: {REMEDY}"
    known = tested.get(canonicalize_name(requirement.name))
    if known is None or Version(version).public == Version(known).public:
        return True, version, "the tested version" if known else ""
    return True, version, f"in range; tested with {known}"
