"""Sets brought from their homes: an archive checked by md5, TCIA through idc-index, the Hub through huggingface_hub.

Where none of these reaches a set (registration, terms to be accepted), `how_to_get` says what a person has to do and
how the folder has to look. Nothing half-written stays in the user's folder; an archive that was cut off waits in the
cache and goes on from there.
"""

import logging
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from pancreas_ssl.data.access_methods import ArchiveDownload, HubDownload, IdcDownload
from pancreas_ssl.data.cards import Card
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import atomic_path, claim, free_bytes, make_folder, nearest, sweep, workspace
from pancreas_ssl.progress import Progress

__all__ = ["download", "how_to_get"]

CHUNK = 1 << 20
SECONDS = 60.0  # without an answer
ROOM = "free some, or name another --root or PANCREAS_SSL_CACHE"
EXTRA = "run `pip install 'pancreas-ssl[fetch]'`"


def how_to_get(card: Card, folder: Path) -> str:
    """What a person has to do to have a card's files, and how the folder has to look then; ends without a newline."""
    place = card.homepage or (f"https://doi.org/{card.doi}" if card.doi else card.licence.verify_at)
    lines = [f"{card.title}", f"  Where:    {place}", f"  Licence:  {card.licence.statement}"]
    if card.access.by_hand:
        lines.append(f"  To do:    {card.access.by_hand}")
    joined = [patterns[0] for patterns in card.layout.joined.values()]
    lines += [f"  Then {folder} has to hold", *(f"    {pattern}" for pattern in card.layout.image[:1])]
    lines += [f"    {pattern}" for pattern in (*card.layout.label[:1], *joined)]
    return "\n".join([*lines, f"  Check it with `pancreas-ssl data check {card.name} --root {folder}`."])


def download(card: Card, folder: Path, cache: Path, *, progress: bool = True) -> None:
    """Bring the files of a card with `access.download` into a folder.

    Args:
        cache: where an archive that is not complete yet waits.

    Raises:
        InputError: files of somebody else's where the set goes; RunError: no network, too little room, a damaged
            archive, terms that were not accepted, or a missing package (with the command that installs it).
    """
    what = card.access.download
    way: Callable = {"archive": _archive, "idc": _idc, "huggingface": _hub}[what.via]
    try:
        way(card, what, folder, cache, progress)
    finally:
        with suppress(OSError):
            folder.rmdir()  # if it is empty


def _room(places: dict[Path, float], remedy: str) -> None:
    """Refuse where the disk has not the gigabytes that are needed; places on one disk add up."""
    needed: dict[int, list] = {}
    for place, gigabytes in places.items():
        there = nearest(place)
        entry = needed.setdefault(there.stat().st_dev, [there, 0.0])
        entry[1] += gigabytes
    for there, gigabytes in needed.values():
        free = free_bytes(there) / 1e9
        if free < gigabytes:
            found = f"{free:.1f} GB are free at {there}"
            raise RunError(f"expected {gigabytes:.1f} GB of room, {found}; {remedy}")


def _archive(card: Card, what: ArchiveDownload, folder: Path, cache: Path, progress: bool) -> None:
    from monai.apps import download_and_extract
    from monai.apps.utils import HashCheckError

    name = what.url.rsplit("/", 1)[1]
    goal, again = folder / name.split(".")[0], f"run `pancreas-ssl data fetch {card.name}` again"
    claim([goal], overwrite=None)
    packed = make_folder(cache / "downloads") / what.md5 / name
    have = sum(one.stat().st_size for one in packed.parent.glob("*")) / 1e9 if packed.parent.is_dir() else 0
    room = {cache: what.gigabytes - have, folder: 1.1 * what.gigabytes}
    _room(room, ROOM)
    if not packed.is_file():
        _stream(what.url, make_folder(packed.parent) / f"{name}.part", packed, again, progress)
    sweep(folder)
    logging.getLogger("monai.apps").setLevel(logging.CRITICAL)  # it writes to standard output; errors come as sentences
    try:
        with atomic_path(goal) as temporary:
            about = {"hash_val": what.md5, "hash_type": "md5", "progress": False}
            download_and_extract(what.url, packed, temporary.parent, **about)
            if not temporary.is_dir():
                raise tarfile.TarError(f"no folder {goal.name} in it")
    except (InputError, RunError):
        raise
    except (HashCheckError, RuntimeError, ValueError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        shutil.rmtree(packed.parent)
        reason = "its md5 is another" if isinstance(error, HashCheckError) else _reason(error)
        raise RunError(f"{name} came damaged or altered ({reason}), nothing was kept; {again}") from error
    shutil.rmtree(packed.parent)


def _stream(url: str, part: Path, packed: Path, again: str, progress: bool) -> None:
    """A file by HTTP, from where an earlier attempt was cut off; renamed when all of it is there."""
    have = part.stat().st_size if part.is_file() else 0
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urlopen(request, timeout=SECONDS) as answer:
            have = have if answer.status == 206 else 0
            length = answer.headers.get("Content-Length")
            total = have + int(length) if length else 0
            with (
                open(part, "ab" if have else "wb") as file,
                Progress(max(total >> 20, 1), have >> 20, progress, part.stem, "MB", stream=sys.stderr) as shown,
            ):
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
                    have += len(chunk)
                    shown.update(min(have >> 20, max(total >> 20, 1)))
    except HTTPError as error:
        if error.code != 416:  # 416: all of it is there
            raise RunError(f"{url} cannot be had (HTTP {error.code}); look at its home page, then {again}") from error
        total = have
    except OSError as error:
        raise RunError(f"the download of {url} broke off after {have / 1e6:.0f} MB ({error}); {again}") from error
    if have < total:
        raise RunError(f"the download of {url} broke off after {have / 1e6:.0f} of {total / 1e6:.0f} MB; {again}")
    part.rename(packed)


def _idc(card: Card, what: IdcDownload, folder: Path, cache: Path, progress: bool) -> None:
    try:
        from idc_index import IDCClient
    except ImportError as error:
        raise RunError(f"expected idc-index to fetch {card.name} with, it is not installed; {EXTRA}") from error
    _room({cache: what.gigabytes, folder: what.gigabytes}, ROOM)
    packed = make_folder(cache / "downloads" / what.collection)
    layout = "%collection_id/%PatientID/%StudyInstanceUID/%SeriesInstanceUID"
    try:
        how = {"downloadDir": str(packed), "dirTemplate": layout, "use_s5cmd_sync": True}  # goes on where it was
        how |= {"analysis_results": "exclude", "show_progress_bar": progress}
        IDCClient().download_from_selection(collection_id=what.collection, **how)
    except Exception as error:
        again = f"check the network, then run `pancreas-ssl data fetch {card.name}` again"
        raise RunError(f"idc-index could not fetch {what.collection} ({_reason(error)}); {again}") from error
    _move_in(packed, folder)


def _hub(card: Card, what: HubDownload, folder: Path, cache: Path, progress: bool) -> None:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise RunError(f"expected huggingface_hub to fetch {card.name} with, it is not installed; {EXTRA}") from error
    _room({cache: what.gigabytes / 2, folder: what.gigabytes / 2}, ROOM)
    packed = make_folder(cache / "downloads" / what.repository.replace("/", "--"))
    try:
        snapshot_download(what.repository, repo_type="dataset", local_dir=packed)
    except Exception as error:
        remedy = f"accept the terms at {card.licence.verify_at}, set HF_TOKEN, then fetch again"
        raise RunError(f"the Hub did not give {what.repository} ({_reason(error)}); {remedy}") from error
    _move_in(packed, folder)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _move_in(packed: Path, folder: Path) -> None:
    """All of a finished download into its goal, archives unpacked, each entry by one renaming; nothing gives way."""
    sweep(make_folder(folder))
    with workspace(folder) as holder:
        for path in sorted(one for one in packed.iterdir() if not one.name.startswith(".")):
            if not path.name.endswith((".tar", ".tar.gz")):
                shutil.copytree(path, holder / path.name) if path.is_dir() else shutil.copy(path, holder)
                continue
            try:
                with tarfile.open(path) as archive:
                    archive.extractall(holder, filter="data")
            except (tarfile.TarError, EOFError) as error:
                path.unlink()
                raise RunError(f"{path.name} came damaged ({error}) and was removed; fetch again") from error
        if not (entries := sorted(holder.iterdir())):
            raise RunError("expected files from the set's home, none came; look at its home page")
        claim([folder / one.name for one in entries], overwrite=None)
        for one in entries:
            with atomic_path(folder / one.name) as temporary:
                one.rename(temporary)
    shutil.rmtree(packed)
