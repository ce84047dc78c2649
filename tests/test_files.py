"""Files appear whole or not at all."""

import errno
import os

import pytest

from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import (
    PARTIAL,
    atomic_path,
    claim,
    inside,
    make_folder,
    open_to_append,
    record_of,
    sha256_of,
    sweep,
    write_text,
)
from pancreas_ssl.manifest import MANIFEST


def test_the_file_appears_whole(tmp_path):
    with atomic_path(tmp_path / "new" / "a.txt") as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "new" / "a.txt").exists()
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"a.txt", MANIFEST}


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(KeyError), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise KeyError
    assert (tmp_path / "a.txt").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", MANIFEST}


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="disk is full.*nothing partial"), atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("half")
    assert not list(tmp_path.iterdir())


def test_an_output_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        make_folder(tmp_path / "file" / "below")
    with pytest.raises(InputError, match="is a folder"), atomic_path(tmp_path):
        pass


def test_sha256_of_known_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc").startswith("ba7816bf8f01cfea")


def test_only_what_this_tool_wrote_is_replaced(tmp_path):
    mine = tmp_path / "mine.csv"
    mine.write_text("mine")
    with pytest.raises(InputError, match="mine.csv was not written by pancreas-ssl.*--overwrite"):
        write_text(mine, "theirs")
    claim([mine], overwrite=True)
    write_text(mine, "theirs")
    write_text(mine, "again")
    mine.write_text("corrected by hand")
    with pytest.raises(InputError, match="mine.csv was changed since pancreas-ssl wrote it"):
        write_text(mine, "lost")
    assert mine.read_text() == "corrected by hand"


def test_a_file_that_came_while_we_worked_is_kept(tmp_path):
    with pytest.raises(InputError, match="not written by"), atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("ours")
        (tmp_path / "a").write_text("mine")
    assert (tmp_path / "a").read_text() == "mine"


def test_links_and_folders_are_never_replaced(tmp_path):
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "folder").mkdir()
    for name, overwrite in (("link", False), ("link", True), ("folder", True)):
        with pytest.raises(InputError, match="is a (link|folder)"):
            claim([tmp_path / name], overwrite=overwrite)
    assert (tmp_path / "kept").read_text() == "kept"


def test_the_manifest_knows_what_was_written_from_what(tmp_path):
    path = tmp_path / "mask"
    write_text(path, "one", {"weights": "abc"})
    assert record_of(path)["weights"] == "abc"
    write_text(path, "two", {"weights": "def"})
    assert record_of(path)["weights"] == "def"
    path.write_text("three")
    assert record_of(path) is None and record_of(tmp_path / "other") is None
    (tmp_path / MANIFEST).write_bytes(b"torn {\n[1]\n" + (tmp_path / MANIFEST).read_bytes()[:-9])
    path.write_text("one")
    assert record_of(path)["weights"] == "abc"
    write_text(path, "four")
    assert path.read_text() == "four" and record_of(path)


def test_state_may_be_damaged_and_a_growing_file_keeps_growing(tmp_path):
    with atomic_path(tmp_path / "checkpoint", state=True) as temporary:
        temporary.write_text("1")
    (tmp_path / "checkpoint").write_text("damaged")
    with atomic_path(tmp_path / "checkpoint", state=True) as temporary:
        temporary.write_text("2")
    for line in "ab":
        with open_to_append(tmp_path / "log") as handle:
            handle.write(line)
    assert (tmp_path / "log").read_text() == "ab" and (tmp_path / "checkpoint").read_text() == "2"
    (tmp_path / "theirs").write_text("x")
    with pytest.raises(InputError, match="not written by pancreas-ssl"):
        open_to_append(tmp_path / "theirs")


def test_leftovers_of_dead_processes_alone_are_swept(tmp_path):
    stranger = tmp_path / f"{PARTIAL}stranger"
    with atomic_path(tmp_path / "a") as temporary:
        host, pid, started, _ = temporary.parent.name.removeprefix(PARTIAL).split("-")
        dead = [tmp_path / f"{PARTIAL}{host}-{pid}-{int(started) - 9}-x", tmp_path / f"{PARTIAL}{host}-99999999-1-y"]
        away = tmp_path / f"{PARTIAL}elsewhere-{pid}-{started}-z"
        for folder in (*dead, stranger, away):
            folder.mkdir()
            (folder / "half").write_text("half")
        sweep(tmp_path)
        assert temporary.parent.is_dir() and stranger.is_dir() and away.is_dir()
        assert not any(folder.exists() for folder in dead)
        temporary.write_text("whole")
    os.utime(away, (1, 1))
    sweep(tmp_path)
    assert (tmp_path / "a").read_text() == "whole" and stranger.is_dir() and not away.exists()


@pytest.mark.parametrize("name", ["x" * 300, "null\0", "deep/" + "y" * 300 + "/z"])
def test_impossible_names_are_told_in_a_sentence(tmp_path, name):
    with pytest.raises(InputError, match="expected"), atomic_path(tmp_path / name) as temporary:
        temporary.write_text("a")


def test_what_is_written_stays_inside(tmp_path):
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "link").symlink_to(elsewhere)
    assert inside(folder, folder / "a" / "b") == folder / "a" / "b"
    for path in (folder, folder / ".." / "elsewhere", folder / "link" / "a", elsewhere):
        with pytest.raises(InputError, match="expected a place below"):
            inside(folder, path)


def test_an_input_is_never_an_output(tmp_path):
    scan, series = tmp_path / "scan.nii", tmp_path / "series"
    scan.write_text("scan")
    series.mkdir()
    os.link(scan, tmp_path / "hard")
    (tmp_path / "soft").symlink_to(scan)
    (tmp_path / "here").symlink_to(tmp_path)
    for name in ("scan.nii", "hard", "soft", "here/scan.nii", "series/../scan.nii", "series/mask", "here/series/mask"):
        with pytest.raises(InputError, match="expected another place for the output"):
            claim([tmp_path / name], overwrite=True, inputs=[scan, series])
    claim([tmp_path / "mask"], inputs=[scan, series, tmp_path / "gone"])
    with pytest.raises(InputError, match="a file of its own for each output, got .*here/mask for two|mask for two"):
        claim([tmp_path / "mask", tmp_path / "here/mask"])
    assert scan.read_text() == "scan" and not (tmp_path / MANIFEST).exists()


def test_nothing_is_written_through_a_linked_manifest(tmp_path):
    diary = tmp_path / "diary.txt"
    diary.write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MANIFEST).symlink_to(diary)
    with pytest.raises(InputError, match="expected a place that can be read and written"):
        write_text(tmp_path / "out" / "a.txt", "a")
    assert diary.read_text() == "mine" and [p.name for p in (tmp_path / "out").iterdir()] == [MANIFEST]
