"""A kit on a stick: all that a laptop without a network needs, from the wheels to the cases and the teacher's pages.

Run again, it goes on: what is there and unchanged stays. `install.py` in the kit does the rest on the laptop.
"""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from pancreas_ssl import __version__
from pancreas_ssl.errors import RunError, require
from pancreas_ssl.files import claim, copy_whole, make_folder, record_of, sha256_of, workspace, write_text
from pancreas_ssl.manifest import MANIFEST
from pancreas_ssl.runs.formatting import megabytes

__all__ = ["PARTS", "kit", "told"]

HOME = Path(__file__).resolve().parents[2]
PARTS = ("source", "wheels", "cache", "pages")
SOURCE = ("pancreas_ssl", "notebooks", "data_cards", "README.md", "LICENSE", "CITATION.cff", "pyproject.toml",
          "constraints.txt")  # fmt: skip
FACTS, SUMS = "kit.json", "SHA256SUMS"
STARTERS = {"install.sh": '#!/bin/sh\nexec "${PYTHON:-python3}" "$(dirname "$0")/install.py" "$@"\n',
            "install.bat": '@py -3 "%~dp0install.py" %*\r\n'}  # fmt: skip
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def kit(out: str | Path, python: str = HERE, system: str = "", parts: Iterable[str] = PARTS) -> dict[str, int]:
    """Make the kit, or go on with it; returns the bytes of each part.

    Args:
        out: a new or empty folder, or a kit begun before.
        python: version of the laptops' Python, such as 3.12.
        system: pip's name of the laptops' platform, such as win_amd64 or macosx_14_0_arm64; by default this one.
        parts: of `PARTS`.

    Raises:
        InputError: a foreign folder, or no clone of the repository to take the source from.
        RunError: wheels could not be had. What is there stays; run it again.

    Example:
        >>> kit("kit")    # doctest: +SKIP
    """
    out, parts = Path(out), list(parts)
    unknown = set(parts) - set(PARTS)
    require(not unknown, f"parts of {', '.join(PARTS)}", ", ".join(unknown), "choose among them")
    require(
        (HOME / "pyproject.toml").is_file(), "a clone of the repository", "an installed package", "run it in a clone"
    )
    here = python == HERE and not system
    elsewhere = "one of Windows or macOS (--platform win_amd64, macosx_14_0_arm64)"
    require(here or system.startswith(("win", "mac")), f"this machine's Python and platform, or {elsewhere}",
            f"Python {python} {system}".strip(), "for another Linux make it there")  # fmt: skip
    foreign = out.exists() and (not out.is_dir() or (any(out.iterdir()) and record_of(out / FACTS) is None))
    require(not foreign, "a new folder or a kit begun before", f"{out} with other files", "name another folder")
    facts = {"version": __version__, "python": python, "system": system or platform.system(), "parts": parts,
             "extras": "dicom"}  # fmt: skip
    if out.is_dir() and (out / FACTS).is_file():
        before = json.loads((out / FACTS).read_text(encoding="utf-8"))
        same = all(before[name] == facts[name] for name in ("python", "system"))
        require(
            same,
            "a kit for the same Python and platform",
            f"{before['python']}, {before['system']}",
            "name another folder",
        )
    claim([out / FACTS])
    write_text(out / FACTS, json.dumps(facts, indent=1) + "\n")
    copy_whole(Path(__file__).with_name("install.py"), out / "install.py")
    for name, text in STARTERS.items():
        write_text(out / name, text)
    os.chmod(out / "install.sh", 0o755)
    for part in parts:
        {"source": _source, "wheels": _wheels, "cache": _cache, "pages": _pages}[part](out, facts)
    files = [path for path in sorted(out.rglob("*")) if path.is_file() and path.name not in (MANIFEST, SUMS)]
    sums = [f"{sha256_of(path)}  {path.relative_to(out).as_posix()}" for path in files]
    write_text(out / SUMS, "\n".join(sums) + "\n")
    return {part: sum(p.stat().st_size for p in (out / part).rglob("*") if p.is_file()) for part in parts}


def _source(out: Path, facts: dict) -> None:
    for name in SOURCE:
        _tree(HOME / name, out / "source" / name)


def _wheels(out: Path, facts: dict) -> None:
    """The wheels of all requirements, as the constraints have them; setuptools installs the project from its source."""
    goal = make_folder(out / "wheels")
    needs = ["-c", str(HOME / "constraints.txt"), "--find-links", str(goal), "--quiet", "--disable-pip-version-check"]
    wanted = ["setuptools>=77", *_requirements(facts["extras"])]
    with workspace(goal) as holder:
        command = [sys.executable, "-m", "pip"]
        if facts["python"] == HERE and facts["system"] == platform.system():
            command += ["wheel", *needs, "--wheel-dir", str(holder), *wanted]
        else:
            there = ["--python-version", facts["python"], "--implementation", "cp"]
            there += [word for tag in _tags(facts["system"]) for word in ("--platform", tag)]
            command += ["download", *needs, "--no-deps", "--only-binary=:all:", *there, "--dest", str(holder)]
            command += _all_for(wanted, facts)
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no message"]
            raise RunError(f"pip could not bring all wheels ({said[-1]}); check the network and run it again")
        for wheel in sorted(holder.iterdir()):
            copy_whole(wheel, goal / wheel.name)


def _requirements(extra: str) -> list[str]:
    import tomllib

    project = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *project["optional-dependencies"].get(extra, [])]


def _tags(system: str) -> list[str]:
    """A platform's names of wheels: what was built for an older macOS runs, too."""
    if found := re.fullmatch(r"macosx_(\d+)_\d+_(\w+)", system):
        return [f"macosx_{n}_0_{chip}" for n in range(int(found[1]), 10, -1) for chip in (found[2], "universal2")]
    return [system]


def _all_for(wanted: list[str], facts: dict) -> list[str]:
    """All packages that another platform needs: pip itself would read conditions as those of this machine."""
    from packaging.markers import default_environment
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    systems = {"win": ("Windows", "win32", "nt"), "mac": ("Darwin", "darwin", "posix")}
    names = systems.get(facts["system"][:3], ("Linux", "linux", "posix"))
    there = dict(zip(("platform_system", "sys_platform", "os_name"), names, strict=True))
    there |= {"python_version": facts["python"], "python_full_version": f"{facts['python']}.0"}
    found, todo = {}, [Requirement(text) for text in wanted]
    while todo:
        one = todo.pop()
        key = (canonicalize_name(one.name), tuple(sorted(one.extras)))
        if key in found or (one.marker and not one.marker.evaluate(default_environment() | there)):
            continue
        found[key] = f"{one.name}{one.specifier}"
        with suppress(PackageNotFoundError):
            for needed in map(Requirement, requires(one.name) or []):
                environments = [default_environment() | there | {"extra": extra} for extra in ("", *one.extras)]
                if not needed.marker or any(needed.marker.evaluate(each) for each in environments):
                    needed.marker = None
                    todo.append(needed)
    return list({name: text for (name, _), text in found.items()}.values())


def _cache(out: Path, facts: dict) -> None:
    """The cohort and the real CT, made or fetched first where they are missing; and npm's copies, if there are any."""
    from pancreas_ssl.data.access import cache_dir, fetch

    for card in ("phantom", "lidc_idri_0001"):
        folder = fetch(card)
        _tree(folder, out / "cache" / folder.name)
    if (cache_dir() / "npm").is_dir():
        _tree(cache_dir() / "npm", out / "cache" / "npm")


def _pages(out: Path, facts: dict) -> None:
    """What teachers read: the guides, all schedules, and the newest tour's report and slides, if there was a tour."""
    from pancreas_ssl.teaching.schedule import FORMATS, page
    from pancreas_ssl.teaching.slides import slides

    for guide in sorted((HOME / "pancreas_ssl" / "assets" / "teaching").glob("*.md")):
        copy_whole(guide, out / "pages" / guide.name)
    for name in FORMATS:
        write_text(out / "pages" / f"schedule_{name}.md", page(name))
    reports = sorted(Path("runs").glob("*/report.json"), key=lambda path: path.stat().st_mtime)
    tours = [path.parent for path in reports if len(list(path.parent.glob("*.ipynb"))) > 1]
    if tours:
        copy_whole(tours[-1] / "report.html", out / "pages" / "tour" / "report.html")
        _tree(tours[-1] / "figures", out / "pages" / "tour" / "figures")
        slides(tours[-1], out / "pages" / "slides")
    book = Path("runs/book")
    if (book / "index.html").is_file():
        _tree(book, out / "pages" / "book")


def _tree(source: Path, goal: Path) -> None:
    """Copy a file, or a folder with all that belongs to it."""
    if source.is_file():
        return copy_whole(source, goal)
    for path in sorted(source.rglob("*")):
        own = not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts) and path.name != MANIFEST
        if own and path.is_file() and not path.is_symlink():
            copy_whole(path, goal / path.relative_to(source))


def told(sizes: dict[str, int], out: str | Path) -> str:
    """What a kit holds, and what to do with it."""
    rows = [f"{part:8} {megabytes(size)}" for part, size in (sizes | {"together": sum(sizes.values())}).items()]
    start = f"On each laptop: {Path(out).name}/install.sh (Windows: install.bat); it needs Python and no network."
    return "\n".join([*rows, start])
