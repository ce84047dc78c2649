"""Sets brought from their homes: a local server, and stand-ins for idc-index and the Hub; never the network."""

import hashlib
import http.server
import sys
import tarfile
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.data.access import cases, fetch
from pancreas_ssl.data.cards import load_card
from pancreas_ssl.errors import InputError, RunError
from tests.data.conftest import abdomen, save
from tests.data.test_dicom import write_series

HERE = "layout:\n  image: 'Mini/images/{id}.nii.gz'\n  label: 'Mini/labels/{id}.nii.gz'"


@pytest.fixture
def home():
    """A server of one tar file that can be told to break off or to refuse; it understands ranges."""
    state = SimpleNamespace(content=b"", breaks_after=None, asked=[], code=None)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            first = int((self.headers.get("Range") or "bytes=0-")[6:-1])
            state.asked.append(first)
            if state.code or first >= len(state.content):
                self.send_error(state.code or 416)
                return
            self.send_response(206 if first else 200)
            self.send_header("Content-Length", str(len(state.content) - first))
            self.end_headers()
            self.wfile.write(state.content[first : state.breaks_after])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}/Mini.tar"
    yield state
    server.shutdown()


@pytest.fixture
def card(home, tmp_path, card_file):
    """A card whose set is that tar file: two labelled cases."""
    hu, label = abdomen()
    for name in "ab":
        save(tmp_path / f"made/Mini/images/{name}.nii.gz", hu)
        save(tmp_path / f"made/Mini/labels/{name}.nii.gz", label)
    with tarfile.open(tmp_path / "Mini.tar", "w") as archive:
        archive.add(tmp_path / "made/Mini", "Mini")
    home.content = (tmp_path / "Mini.tar").read_bytes()
    return _card(card_file, home, hashlib.md5(home.content).hexdigest())


def _card(card_file, home, md5: str, gigabytes: float = 0.001) -> Path:
    way = f"{{via: archive, url: '{home.url}', md5: '{md5}', gigabytes: {gigabytes}}}"
    return card_file(access=f"access:\n  method: folder\n  download: {way}", layout=HERE)


def _left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


def test_an_archive_is_fetched_once_and_unpacked(card, home, cache, tmp_path):
    root = tmp_path / "root"
    assert fetch(card, root=root, progress=False) == root
    assert [case.label is not None for case in cases(card, root=root)] == [True, True]
    fetch(card, root=root, progress=False)
    assert home.asked == [0] and _left(cache) == []


def test_a_download_that_broke_off_goes_on_where_it_was(card, home, cache, tmp_path):
    home.breaks_after = 4000
    with pytest.raises(RunError, match="broke off after 0 of 0 MB; run `pancreas-ssl data fetch mine` again"):
        fetch(card, root=tmp_path / "root", progress=False)
    assert not (tmp_path / "root").exists() and [path.stat().st_size for path in _left(cache)] == [4000]
    home.breaks_after = None
    fetch(card, root=tmp_path / "root", progress=False)
    assert home.asked == [0, 4000] and len(cases(card, root=tmp_path / "root")) == 2


def test_a_complete_archive_is_not_asked_for_again(card, home, cache, tmp_path):
    part = cache / "downloads" / load_card(card).access.download.md5 / "Mini.tar.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(home.content)
    fetch(card, root=tmp_path / "root", progress=False)
    assert home.asked == [len(home.content)] and len(cases(card, root=tmp_path / "root")) == 2


def test_the_folder_of_the_data_is_used_without_a_root(card, cache, monkeypatch, tmp_path):
    monkeypatch.setenv("PANCREAS_SSL_DATA", str(tmp_path / "data"))
    assert fetch(card, progress=False) == tmp_path / "data/mine"
    assert len(cases(card)) == 2


def _sentence(card, root, kind=RunError) -> str:
    with pytest.raises(kind) as caught:
        fetch(card, root=root, progress=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_goes_wrong_is_one_sentence_and_leaves_nothing(card, home, cache, card_file, tmp_path):
    root, good = tmp_path / "root", home.content
    home.content = good[:-1000] + b"x" * 1000
    assert "came damaged or altered (its md5 is another), nothing was kept" in _sentence(card, root)
    home.content, home.code = good, 404
    assert "cannot be had (HTTP 404); look at its home page" in _sentence(card, root)
    home.code = None
    assert "GB of room" in _sentence(_card(card_file, home, "0" * 32, 900_000), root)
    assert not root.exists() and _left(cache) == []
    home.content = b"no tar at all" * 1000
    bad = _card(card_file, home, hashlib.md5(home.content).hexdigest())
    assert "came damaged or altered" in _sentence(bad, root) and _left(root) == []
    home.url = "http://127.0.0.1:9/Mini.tar"
    assert "broke off after 0 MB" in _sentence(_card(card_file, home, "0" * 32), root)


def test_nobodys_files_give_way(card, cache, tmp_path):
    (tmp_path / "root/Mini").mkdir(parents=True)
    (tmp_path / "root/Mini/mine.txt").write_text("mine")
    assert "Mini is a folder" in _sentence(card, tmp_path / "root", InputError)
    assert (tmp_path / "root/Mini/mine.txt").read_text() == "mine"


def test_the_decathlons_archive_is_monais():
    from monai.apps import DecathlonDataset

    way, task = load_card("msd").access.download, "Task07_Pancreas"
    assert (way.url, way.md5) == (DecathlonDataset.resource[task], DecathlonDataset.md5[task])


# ---- through other packages


def test_the_image_archive_through_idc_index(cache, monkeypatch, tmp_path, capsys):
    asked = []

    class Client:
        def download_from_selection(self, collection_id, downloadDir, dirTemplate, **how):
            asked.append(collection_id)
            assert dirTemplate.startswith("%collection_id/%PatientID/") and how["use_s5cmd_sync"]
            write_series(Path(downloadDir) / "pancreas_ct/PANCREAS_0001/1.2/1.3", abdomen()[0])

    monkeypatch.setitem(sys.modules, "idc_index", SimpleNamespace(IDCClient=Client))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1e13))
    assert main(["data", "fetch", "nih", "--root", str(tmp_path / "nih")]) == 0
    said = capsys.readouterr().out
    assert asked == ["pancreas_ct"] and "TCIA_pancreas_labels-02-05-2017.zip" in said and _left(cache) == []
    assert (tmp_path / "nih/pancreas_ct/PANCREAS_0001/1.2/1.3/000.dcm").is_file()


def test_the_hub_through_huggingface_hub(cache, monkeypatch, tmp_path):
    def snapshot_download(repository, repo_type, local_dir):
        assert (repository, repo_type) == ("AbdomenAtlas/_AbdomenAtlas1.1Mini", "dataset")
        hu, label = abdomen()
        save(tmp_path / "made/BDMAP_00000001/ct.nii.gz", hu)
        save(tmp_path / "made/BDMAP_00000001/segmentations/pancreas.nii.gz", label)
        with tarfile.open(local_dir / "AbdomenAtlas1.1Mini_BDMAP_00000001_00000500.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / "made/BDMAP_00000001", "BDMAP_00000001")
        (local_dir / ".cache").mkdir()

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1e13))
    fetch("abdomenatlas", root=tmp_path / "atlas", progress=False)
    assert cases("abdomenatlas", root=tmp_path / "atlas")[0].label is not None and _left(cache) == []


def test_a_missing_package_and_terms_not_accepted_are_told(cache, monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1e13))
    monkeypatch.setitem(sys.modules, "idc_index", None)
    assert "run `pip install 'pancreas-ssl[fetch]'`" in _sentence("nih", tmp_path / "nih")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "run `pip install 'pancreas-ssl[fetch]'`" in _sentence("abdomenatlas", tmp_path / "atlas")

    def refuse(*_, **__):
        raise OSError("401 Client Error.\n\nAccess to this dataset is restricted")

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=refuse))
    assert "accept the terms at https://huggingface.co/datasets/" in _sentence("abdomenatlas", tmp_path / "atlas")
    assert not (tmp_path / "atlas").exists() and not (tmp_path / "nih").exists()


def test_a_set_behind_a_door_is_described(cache, tmp_path, capsys):
    assert main(["data", "fetch", "btcv", "--root", str(tmp_path / "btcv")]) == 0
    said = capsys.readouterr().out
    for words in ("Register at Synapse", "syn3193805", "RawData/Training/img/img{id}.nii.gz", "data check btcv"):
        assert words in said
    assert not (tmp_path / "btcv").exists()
