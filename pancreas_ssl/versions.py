"""Which packages this project needs, in which versions, and which are installed.

The ranges are read from the installed project's own metadata and the tested versions from constraints.txt, so that
nothing is written down twice.
"""

import importlib.metadata
from pathlib import Path

__all__ = ["PACKAGE", "installed_versions", "requirements", "tested_versions"]

PACKAGE = "pancreas-ssl"


def requirements(extra: str = "") -> list:
    """Requirements of this project (`packaging` objects), as its metadata state them: the core's, or those that an
    extra adds."""
    from packaging.requirements import Requirement

    found = [Requirement(text) for text in importlib.metadata.requires(PACKAGE) or []]
    core = [r for r in found if r.marker is None or r.marker.evaluate({"extra": ""})]
    return [r for r in found if r not in core and r.marker.evaluate({"extra": extra})] if extra else core


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
    lines = (line.split("#")[0].split(";")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.split("==", 1) for line in lines if "==" in line)
    return {canonicalize_name(name.strip()): version.strip() for name, version in pairs}
