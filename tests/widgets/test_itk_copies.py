"""The copies of itkwidgets' scripts: which answers what, and nothing that was not tried is kept."""

import json
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.manifest import MANIFEST
from pancreas_ssl.widgets import itk_copies as copies
from pancreas_ssl.widgets.itk_server import enable_server


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Copies with made-up content, taken for the ones that were tried."""
    for name, package in copies.PACKAGES.items():
        root = tmp_path / "npm" / f"{name}@{package.version}"
        (root / "dist").mkdir(parents=True)
        for file in ("package.json", "dist/index.html", "dist/imjoy-rpc.min.js"):
            (root / file).write_text(f"{name} {file}")
        changed = package._replace(content=copies.content_of(root))
        monkeypatch.setitem(copies.PACKAGES, name, changed)
    return tmp_path / "npm"


def test_addresses_find_their_copies(folder):
    viewer = next(address for address in copies.ADDRESSES if "ipfs" in address)
    assert copies.copy_of(viewer, folder).read_text() == "itk-vtk-viewer dist/index.html"
    rpc = "https://cdn.jsdelivr.net/npm/imjoy-rpc@0.5.9/dist/imjoy-rpc.min.js"
    assert copies.copy_of(rpc, folder).read_text() == "imjoy-core dist/imjoy-rpc.min.js"
    assert copies.copy_of("imjoy-core@latest/dist/imjoy-rpc.min.js?x=1", folder).name == "imjoy-rpc.min.js"
    assert b"VueWindow" in copies.copy_of("@oeway/vue-window@2.4.1-a/lib/index.js", folder)
    for asked in ("vue@2/../../../npm/vue@2.6.10/package.jso", "vue@2/../secret", "other@1/index.js", "vue", "", "@"):
        assert copies.copy_of(asked, folder) is None, asked
    (folder / "secret").write_text("not a copy")
    assert copies.copy_of("vue@2/../secret", folder) is None


def test_what_is_served_asks_the_server_for_the_rest():
    text = "https://cdn.jsdelivr.net/npm/vue@2.6.10/dist/vue.min.js https://lib.imjoy.io/imjoy-loader.js"
    there = "/npm/vue@2.6.10/dist/vue.min.js /npm/imjoy-core@0/dist/imjoy-loader.js"
    assert copies.redirected(text, "/npm/") == there


def test_copies_are_handed_on_whole_or_not_at_all(folder, tmp_path):
    assert copies.itk_copies(copies.copy_packages(folder, tmp_path / "stick"))[1] == copies.itk_copies(folder)[1]
    (folder / "vue@2.6.10/dist/index.html").write_text("altered")
    with pytest.raises(InputError, match=r"vue@2\.6\.10 in .* is not what was tried"):
        copies.copy_packages(folder, tmp_path / "other")
    assert "vue@2.6.10" not in {path.name for path in (tmp_path / "other").iterdir()}
    with pytest.raises(InputError, match="there are none"):
        copies.copy_packages(tmp_path / "nowhere", tmp_path / "other")


def test_the_kernel_uses_them_only_if_all_are_there_and_served(folder, monkeypatch):
    monkeypatch.setenv("PANCREAS_SSL_CACHE", str(folder.parent))
    monkeypatch.delenv(copies.SERVED, raising=False)
    assert copies.served() is None
    monkeypatch.setenv(copies.SERVED, "/pancreas-ssl/npm/")
    assert copies.served() == "/pancreas-ssl/npm/"
    shutil.rmtree(folder / "vue@2.6.10")
    assert copies.served() is None


@pytest.mark.parametrize(
    "npm, archive, sentence",
    [(None, b"", "npm, which fetches"), ("npm", b"strange", "damaged or altered"), ("npm", None, "no such network")],
)
def test_a_fetch_that_fails_leaves_nothing(tmp_path, monkeypatch, npm, archive, sentence):
    def run(command, cwd, **_options):
        if archive is not None:
            (cwd / "some-1.0.tgz").write_bytes(archive)
        return SimpleNamespace(returncode=int(archive is None), stderr="npm error no such network\nnpm error a log\n")

    monkeypatch.setattr(shutil, "which", lambda name: npm)
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(RunError, match=sentence):
        copies.fetch_packages(tmp_path / "npm", progress=False)
    assert [path.name for path in (tmp_path / "npm").iterdir()] == []


def test_jupyter_is_told_and_nothing_foreign_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    path = enable_server()
    assert enable_server() == path, "a second time changes nothing"
    assert json.loads(path.read_text())["ServerApp"]["jpserver_extensions"] == {"pancreas_ssl.widgets.itk_server": True}
    assert {one.name for one in path.parent.iterdir()} == {path.name, MANIFEST}
    path.write_text("{}")
    with pytest.raises(InputError):
        enable_server()
    assert path.read_text() == "{}"
