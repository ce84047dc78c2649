"""Copies of the scripts that itkwidgets loads from the internet, so that it draws without one.

`python -m pancreas_ssl.widgets.itk_server` fetches them once, through npm, into the folder `npm` of the cache, and has
Jupyter's server hand them to the browser from there. No file of itkwidgets is changed: what its scripts ask for is
redirected as they are served.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from pancreas_ssl.data.access import cache_dir
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import atomic_path, make_folder, sha256_of, sweep, workspace

__all__ = [
    "ADDRESSES",
    "COMMAND",
    "SERVED",
    "complete",
    "copy_of",
    "copy_packages",
    "fetch_packages",
    "itk_copies",
    "redirected",
    "served",
]

SERVED = "PANCREAS_SSL_ITK"  # set by the server for its kernels: the address below which the copies are
COMMAND = "python -m pancreas_ssl.widgets.itk_server"
VIEWER = "bafybeieiqiiwvdq66e2bndws5nwojbe4wwerbxyua6u37axxivi2rwf7wy"  # itk-vtk-viewer, by its content


class Package(NamedTuple):
    """An npm package: version, the sha512 of its archive as npm writes it, what is kept, and the sha256 of that."""

    version: str
    integrity: str
    kept: tuple[str, ...]
    content: str


PACKAGES = {
    "imjoy-core": Package(
        "0.14.5",
        "sha512-G0ybhLq57vOSM+4DhJ7A/3WSjJdbzk+WoEqg4+c5clkRhLOYY5VfI6oJ4MI664ZsVVgIinswsEJWbHAWQOBxFg==",
        ("dist/imjoy-core.min.js", "dist/imjoy-loader.js", "dist/imjoy-rpc.min.js"),
        "417463cce29195ee4c9ebcd6584b75b52edc3fcbd046b8a054b55b3250d6bd67",
    ),
    "itk-viewer-bootstrap-ui": Package(
        "0.30.0",
        "sha512-JfXAeCEgllRblolFwB4HaPQp+AyPzUt8s3g74LVnWLkvOyng4p24aO2Sjsk6ZIkWyZjdfZWAtvrdScKh/RPkKw==",
        ("dist/bootstrapUIMachineOptions.js.es.js",),
        "8db87290398f3b5c5afc05e476ba40fc3810eab1ce01017a4dfd37115d1376ae",
    ),
    "itk-vtk-viewer": Package(
        "14.51.0",
        "sha512-i1H0PfekLdCfL45lZ96aWCoh4thzxeexiGJ3NYC9euF1WefXW0P1JijBLIJfrDBvp5fhjncj/EEnIW1auBh+zw==",
        (
            "dist/index.html",
            "dist/favicon-32x32.png",
            "dist/*itkVtkViewer.js*",
            "dist/itk/web-workers/min-bundles/*",
            "dist/itk/pipeline/*.umd.js",
            "dist/itk/pipeline/*[!d].wasm",
        ),
        "c2a42a65a84397ddb021bfdc48c6d3a25f3f484c3fb323ae036c4ca5b9dae8f7",
    ),
    "vue": Package(
        "2.6.10",
        "sha512-ImThpeNU9HbdZL3utgMCq0oiMzAkt1mcgy3/E6zWC/G6AaQoeuFdsl9nDhTDU3X1R6FK7nsIUuRACVcjI+A2GQ==",
        ("dist/vue.min.js",),
        "4118deac0fe165171fae0fa43011665de57e51d21000fc179383396dbb9afe3d",
    ),
    "vue-js-modal": Package(
        "2.0.1",
        "sha512-5FUwsH2zoxRKX4a7wkFAqX0eITCcIMunJDEfIxzHs2bHw9o20+Iqm+uQvBcg1jkzyo1+tVgThR/7NGU8djbD8Q==",
        ("dist/index.js", "dist/styles.css"),
        "30882303d1781a94170d07dc7aa07c71eab0abd7b425a651c269695302359cc6",
    ),
}
ALWAYS = ("LICENSE*", "Copyright.txt", "package.json")

# What itkwidgets 1.0a55 and its parts ask for, and which copy answers. The first holds all packages as NAME@VERSION.
ADDRESSES = {
    "https://cdn.jsdelivr.net/npm/": "",
    "https://imjoy-team.github.io/vue-js-modal/": "vue-js-modal@2/dist/",
    "https://lib.imjoy.io/": "imjoy-core@0/dist/",
    "https://imjoy.io/static/img/imjoy-logo-black.svg": "itk-vtk-viewer@14/dist/favicon-32x32.png",
    f"https://{VIEWER}.ipfs.dweb.link/": "itk-vtk-viewer@14/dist/",
}
INSIDE = {"imjoy-rpc": "imjoy-core"}  # its script is in the other's package
STUBS = {"@oeway/vue-window": b"window.VueWindow = {install() {}};"}  # floating windows, which JupyterLab never opens


def itk_copies(folder: str | Path | None = None) -> tuple[Path, list[str]]:
    """The folder of the copies (by default `npm` in the cache) and the packages that are there, as NAME@VERSION.

    Example:
        >>> itk_copies("nowhere")[1]
        []
    """
    folder = Path(folder) if folder else cache_dir() / "npm"
    return folder, [name for name in map(_name, PACKAGES) if (folder / name / "package.json").is_file()]


def complete() -> bool:
    """Whether all packages are in the cache."""
    return len(itk_copies()[1]) == len(PACKAGES)


def served() -> str | None:
    """The address of the copies on the server that started this kernel; None if it serves none or some are missing."""
    address = os.environ.get(SERVED)
    return address if address and complete() else None


def copy_of(asked: str, folder: str | Path | None = None) -> Path | bytes | None:
    """The copy that answers an address: its path, or the content of a stub; None if there is none.

    Args:
        asked: an address on the internet, or its end on the server (NAME@VERSION/PATH). Versions are not compared.
    """
    asked = asked.partition("?")[0]
    for address, start in ADDRESSES.items():
        if asked.startswith(address):
            asked = start + asked.removeprefix(address)
            break
    scope = "@" if asked.startswith("@") else ""
    name, _, rest = asked.removeprefix("@").partition("@")
    name, path = scope + name, rest.partition("/")[2] or ""
    if name in STUBS:
        return STUBS[name]
    name = INSIDE.get(name, name)
    if name not in PACKAGES:
        return None
    root = (itk_copies(folder)[0] / _name(name)).resolve()
    found = root / (path + "index.html" if path.endswith("dist/") else path)
    return found if found.is_file() and found.resolve().is_relative_to(root) else None


def redirected(text: str, base: str) -> str:
    """A script or page whose addresses on the internet lead to the copies below `base` instead."""
    for address, start in ADDRESSES.items():
        text = text.replace(address, base + start)
    return text.replace('"startup":true', '"startup":false')  # two plug-ins from the internet that are not needed


def fetch_packages(folder: str | Path | None = None, *, progress: bool = True) -> Path:
    """Bring the missing copies into the folder (by default `npm` in the cache), through npm, and return it.

    Raises:
        RunError: no npm, no network, an archive that is not the one that was tried. Nothing partial is left.
    """
    folder, there = itk_copies(folder)
    for name, package in PACKAGES.items():
        if _name(name) not in there:
            if progress:
                print(f"Fetching {name} {package.version} through npm ...", file=sys.stderr, flush=True)
            sweep(make_folder(folder))
            with workspace(folder) as place:
                _unpack(_packed(name, place), name, place / "unpacked")
                _take(place / "unpacked", name, folder)
    return folder


def copy_packages(source: str | Path | None = None, to: str | Path | None = None) -> Path:
    """Copy whole packages from one folder of copies to another (each by default the cache's) and return the latter.

    Raises:
        InputError: no package in `source`, or one with other content than was tried.
    """
    (source, names), (to, there) = itk_copies(source), itk_copies(to)
    if not names:
        raise InputError(f"expected copies of itkwidgets' scripts in {source}, there are none; run `{COMMAND}` first")
    for name in PACKAGES:
        if _name(name) in names and _name(name) not in there:
            _take(source / _name(name), name, to)
    return to


def _name(name: str) -> str:
    return f"{name}@{PACKAGES[name].version}"


def _packed(name: str, place: Path) -> Path:
    npm, again = shutil.which("npm"), f"then run `{COMMAND}` again"
    if npm is None:
        raise RunError(f"npm, which fetches the scripts of itkwidgets, is not installed; install Node.js, {again}")
    command = [npm, "pack", "--silent", "--ignore-scripts", _name(name)]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    archives = list(place.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        reason = (done.stderr.strip() or f"npm ended with {done.returncode}").splitlines()[0]
        raise RunError(f"could not fetch {_name(name)} through npm ({reason}); check the network, {again}")
    digest = base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
    if f"sha512-{digest}" != PACKAGES[name].integrity:
        raise RunError(f"{_name(name)} came damaged or altered (another sha512), nothing was kept; {again}")
    return archives[0]


def _unpack(archive: Path, name: str, to: Path) -> None:
    kept = (*PACKAGES[name].kept, *ALWAYS)
    with tarfile.open(archive) as packed:
        for member in packed:
            path = member.name.partition("/")[2]
            if member.isfile() and any(fnmatch(path, one) and path.count("/") == one.count("/") for one in kept):
                make_folder((to / path).parent)
                (to / path).write_bytes(packed.extractfile(member).read())


def _take(source: Path, name: str, folder: Path) -> None:
    """Copy a package's folder, whole or not at all, if its content is the one that was tried."""
    with atomic_path(folder / _name(name)) as temporary:
        shutil.copytree(source, temporary)
        if content_of(temporary) != PACKAGES[name].content:
            raise InputError(f"{_name(name)} in {source} is not what was tried, nothing was kept; fetch it anew")


def content_of(folder: Path) -> str:
    """One sha256 for the names and contents of all files of a folder."""
    files = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256("".join(f"{name} {sha256_of(path)}\n" for name, path in files).encode()).hexdigest()
