"""Which packages this project needs, in which versions, and which are installed.

The ranges are read from the installed project's own metadata and the tested versions from constraints.txt, so that
nothing is written down twice.
"""

import functools
import hashlib
import importlib.metadata
from pathlib import Path

__all__ = ["PACKAGE", "code_digest", "installed_versions", "requirements", "tested_versions"]

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


@functools.cache
def code_digest(*rooms: str) -> str:
    """Sixteen hex digits over the source (.py files, byte by byte) of these parts of the package.

    A result that keeps them can tell whether the code that made it is still the code that would make it now.

    Args:
        rooms: folders or files below the package, such as "method" or "evaluation/components.py".

    Example:
        >>> len(code_digest("method", "files.py"))
        16
    """
    root, digest = Path(__file__).resolve().parent, hashlib.sha256()
    for path in sorted({file for room in rooms for file in [root / room, *(root / room).rglob("*.py")]}):
        if path.is_file():
            digest.update(f"{path.relative_to(root).as_posix()} {path.stat().st_size} ".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
