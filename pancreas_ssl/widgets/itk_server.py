"""A Jupyter server extension: hands the copies of itkwidgets' scripts to the browser where they were fetched.

`python -m pancreas_ssl.widgets.itk_server` fetches them and has Jupyter load this extension; followed by a folder of
copies, it takes them from there. While copies are missing, everything is served as it always was. The scripts run in
JupyterLab's own page, as most of those from the internet would.
"""

import json
import os
import sys
from pathlib import Path

from jupyter_core.paths import ENV_CONFIG_PATH, jupyter_config_dir, jupyter_path, prefer_environment_over_user
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import write_text
from pancreas_ssl.widgets.itk_copies import SERVED, complete, copy_of, copy_packages, fetch_packages, redirected

__all__ = ["enable_server"]

EXTENSION = "imjoy-jupyterlab-extension"  # the part of itkwidgets that runs in JupyterLab
TYPES = {
    ".js": "text/javascript; charset=UTF-8",
    ".html": "text/html; charset=UTF-8",
    ".css": "text/css",
    ".png": "image/png",
    ".wasm": "application/wasm",
}


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app) -> None:
    base = url_path_join(app.base_url, "pancreas-ssl", "npm/")
    extension = url_path_join(app.base_url, "lab", "extensions", EXTENSION, "(static/.+)")
    app.web_app.add_handlers(
        ".*$", [(f"{base}(.+)", Copy, {"base": base}), (extension, PartOfExtension, {"base": base})]
    )
    rules = app.web_app.default_router.rules  # JupyterLab's own, for all extensions, may stand before: ours is narrower
    rules.insert(0, rules.pop(-2))
    os.environ[SERVED] = base


class Copy(JupyterHandler):
    """One file of the copies, its addresses redirected to the others."""

    def initialize(self, base: str) -> None:
        self.base = base

    @web.authenticated
    async def get(self, asked: str) -> None:
        self.hand(copy_of(asked), redirect=True)

    def hand(self, found: Path | bytes | None, redirect: bool) -> None:
        if found is None:
            raise web.HTTPError(404)
        suffix, content = (".js", found) if isinstance(found, bytes) else (found.suffix, found.read_bytes())
        if redirect and suffix in (".js", ".html"):
            content = redirected(content.decode("utf-8"), self.base).encode("utf-8")
        self.set_header("Content-Type", TYPES.get(suffix, "application/octet-stream"))
        self.set_header("Cache-Control", "no-cache")
        self.finish(content)


class PartOfExtension(Copy):
    """One file of the JupyterLab extension: redirected if all copies are there, else as it is."""

    @web.authenticated
    async def get(self, asked: str) -> None:
        for folder in (Path(one) / EXTENSION for one in jupyter_path("labextensions")):
            found = (folder / asked).resolve()
            if found.is_file() and found.is_relative_to((folder / "static").resolve()):
                return self.hand(found, redirect=complete())
        raise web.HTTPError(404)


def enable_server() -> Path:
    """Write the setting that has Jupyter load `pancreas_ssl.widgets.itk_server` when it next starts; returns its file.

    Raises:
        InputError: the folder of Jupyter's settings cannot be written, or somebody changed that file.
    """
    settings = Path(ENV_CONFIG_PATH[0] if prefer_environment_over_user() else jupyter_config_dir())
    path = settings / "jupyter_server_config.d" / "pancreas_ssl.json"
    extensions = {"ServerApp": {"jpserver_extensions": {"pancreas_ssl.widgets.itk_server": True}}}
    write_text(path, json.dumps(extensions, indent=2) + "\n")
    return path


def main(arguments: list[str]) -> None:
    """Fetch the copies, or take them from a folder of copies, and have Jupyter serve them."""
    folder = copy_packages(arguments[0]) if arguments else fetch_packages()
    print(f"{folder}\n{enable_server()}")
    print('Start JupyterLab again: viewer="itk" now needs no internet. To undo this, remove the two.')


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (InputError, RunError) as error:
        print(f"pancreas-ssl: {error}", file=sys.stderr)
        raise SystemExit(2 if isinstance(error, InputError) else 1) from None
