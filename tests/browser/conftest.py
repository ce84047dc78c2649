"""A JupyterLab with a home of its own, a folder of it for each test, and a Chromium that reaches nothing outside."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlparse

import pytest

from pancreas_ssl.runs.notebook_profiles import load_profiles

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]  # fmt: skip  WebGL in software: ipyniivue needs it, so never --disable-gpu
SETTINGS = {
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
}


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium():
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        pytest.skip("no Chromium on the PATH; install it (Debian: apt install chromium) to run the browser tests")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Lab:
    """A running JupyterLab: its address, its token, the folder that it shows, and of that the part of one test."""

    address: str
    token: str
    root: Path
    part: str = ""

    @property
    def folder(self) -> Path:
        return self.root / self.part

    def address_of(self, name: str, workspace: str = "") -> str:
        """Where a notebook of this test opens, with no other test's beside it."""
        where = "/".join(filter(None, ("lab/workspaces", self.part + workspace, "tree", self.part, name)))
        return f"{self.address}/{where}?token={self.token}"

    def asked(self, path: str, method: str = "GET") -> bytes:
        """What the server's interface answers."""
        told = {"Authorization": f"token {self.token}"}
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.address}/api/{path}", method=method, headers=told), timeout=20
        ) as answer:
            return answer.read()


@contextmanager
def jupyterlab(base: Path, cache: str) -> Iterator[Lab]:
    """JupyterLab on a free port; settings, kernels' home and cache are temporary."""
    home, folder, settings = base / "home", base / "lab", base / "settings"
    for path in (home, folder):
        path.mkdir(exist_ok=True)
    for name, values in SETTINGS.items():
        (settings / name).parent.mkdir(parents=True, exist_ok=True)
        (settings / name).write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lab = Lab(f"http://127.0.0.1:{port}", secrets.token_hex(16), folder)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "JPY_", "PANCREAS_SSL_"))}
    environment = kept | {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PANCREAS_SSL_CACHE": cache,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    with open(base / "lab.log", "w") as log:
        server = subprocess.Popen(
            [
                sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
                "--ServerApp.port_retries=0", f"--IdentityProvider.token={lab.token}",
                f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True",
            ],
            env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=folder,
        )  # fmt: skip
    try:
        _wait_for(lab, server, base / "lab.log")
        yield lab
    finally:
        try:
            lab.asked("shutdown", "POST")  # it ends its kernels first
            server.wait(20)
        except Exception:
            server.kill()
            server.wait(20)


def _wait_for(lab: Lab, server: subprocess.Popen, log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        try:
            lab.asked("status")
            return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def server(tmp_path_factory, course_cache):
    """One JupyterLab for the tests of this process, as a reader's stays open: a start takes longer than some tests."""
    with jupyterlab(tmp_path_factory.mktemp("jupyter"), course_cache) as lab:
        yield lab


@pytest.fixture
def lab(server, tmp_path):
    """A folder and a workspace of the test's own in that JupyterLab; its kernels end with it."""
    lab = replace(server, part=tmp_path.name)
    lab.folder.mkdir()
    yield lab
    for session in json.loads(lab.asked("sessions")):
        lab.asked(f"sessions/{session['id']}", "DELETE")


@dataclass
class Desk:
    """A page in that JupyterLab, and what it complained of or asked the outside for."""

    page: object
    lab: Lab
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def open(self, name: str) -> None:
        """Open a notebook and wait until its kernel is ready."""
        self.page.goto(self.lab.address_of(name))
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=60_000,
        )

    def run_all(self) -> None:
        """Run all cells; returns when the last one has ended, whether well or not."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def run_through(self, words: str) -> None:
        """Run the cells down to the first that holds these words; what follows is run without a browser elsewhere."""
        self.page.evaluate(
            """async words => {
                const content = window.jupyterapp.shell.currentWidget.content;
                const at = content.widgets.findIndex(
                    cell => cell.model.type === 'code' && cell.model.sharedModel.source.includes(words)
                );
                for (const command of ['run-all-above', 'run-cell']) {
                    content.activeCellIndex = at;
                    await window.jupyterapp.commands.execute('notebook:' + command);
                }
            }""",
            words,
        )

    def cells(self) -> list[dict]:
        """Code cells as the front end holds them: source, execution count, outputs."""
        return self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.context.model.toJSON().cells"
            ".filter(cell => cell.cell_type === 'code')"
        )


@pytest.fixture
def desk(chromium, lab):
    """A page; requests that would leave this machine are stopped and noted."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1100})
    page = context.new_page()
    this = Desk(page, lab)

    def gate(route):
        if urlparse(route.request.url).hostname in ("127.0.0.1", "localhost", None):
            route.continue_()
        else:
            this.outside.append(route.request.url)
            route.abort()

    def heard(message):
        where = urlparse(message.location.get("url", "")).hostname
        if message.type == "error" and where in (None, "", "127.0.0.1", "localhost"):
            this.errors.append(message.text)

    context.route("**/*", gate)
    page.on("console", heard)
    page.on("pageerror", lambda error: this.errors.append(str(error)))
    yield this
    context.close()


@pytest.fixture
def place(lab):
    """Copy a course notebook into the lab's folder with other parameters."""

    def copy(name: str, **parameters) -> str:
        import nbformat

        path = NOTEBOOKS / f"{name}.ipynb"
        values = load_profiles(NOTEBOOKS)["smoke"].get(name, {}) | parameters
        notebook = nbformat.read(path, as_version=4)
        (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
        cell.source += "".join(f"\n{key} = {value!r}" for key, value in values.items())
        nbformat.write(notebook, lab.folder / path.name)
        return path.name

    return copy
