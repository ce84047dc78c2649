"""Sizes of a run, chosen by parameters only: `class` is the notebook's own defaults, profiles.yml holds the others.

smoke:
  02_baseline:
    STEPS: 20
full:
  02_baseline:
    STEPS: 4000
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pancreas_ssl.data.yaml_errors import empty_is_no_keys, read_yaml, validate, where
from pancreas_ssl.errors import InputError

__all__ = ["CLASS", "find_notebooks", "load_profiles", "notebook_folder", "profile_parameters", "resolve_notebook"]

CLASS = "class"
Profiles = dict[str, Annotated[dict[str, Annotated[dict[str, Any], empty_is_no_keys]], empty_is_no_keys]]


def notebook_folder() -> Path:
    """The course's notebooks: beside the package (a clone), else `notebooks` in the current folder."""
    for folder in (Path(__file__).resolve().parents[2] / "notebooks", Path("notebooks").resolve()):
        if any(folder.glob("*.ipynb")):
            return folder
    raise InputError(
        "expected notebooks beside the package or in ./notebooks, found none; run this from a clone of the repository"
    )


def find_notebooks(folder: str | Path | None = None) -> list[Path]:
    """All notebooks of a folder in order of their names."""
    folder = notebook_folder() if folder is None else Path(folder)
    found = sorted(folder.glob("*.ipynb"))
    if not found:
        raise InputError(f"expected notebooks (*.ipynb) in {folder}, found none; name the folder that holds them")
    return found


def resolve_notebook(name: str | Path) -> Path:
    """A notebook's path from a path, or from the name or number of one of the course's (`02`, `02_baseline`)."""
    path = Path(name)
    if path.is_file():
        return path
    if path.parent != Path("."):
        raise InputError(f"there is no notebook {path}; check the path")
    stem = path.name.removesuffix(".ipynb")
    try:
        course = {p.stem: p for p in find_notebooks()}
    except InputError:
        course = {}
    matches = [p for key, p in course.items() if key == stem or key.split("_")[0] == stem]
    if len(matches) == 1:
        return matches[0]
    close = get_close_matches(stem, list(course), n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise InputError(f"there is no notebook {name}; {hint}give a path or one of: {', '.join(course) or 'none at hand'}")


def load_profiles(folder: str | Path) -> dict[str, dict[str, dict[str, Any]]]:
    """`profiles.yml` of a folder of notebooks: profile -> notebook -> parameter -> value. Empty without the file.

    Raises:
        InputError: another form, or an entry for a notebook that is not there.
    """
    path = Path(folder) / "profiles.yml"
    if not path.is_file():
        return {}
    values, lines = read_yaml(path, "profiles")
    profiles = validate(Profiles, values, lines, path)
    names = {p.stem for p in Path(folder).glob("*.ipynb")}
    for profile, notebooks in profiles.items():
        for notebook in notebooks:
            if notebook not in names:
                raise InputError(f"{where((profile, notebook), lines, path)}: there is no such notebook; correct it")
    return profiles


def profile_parameters(profile: str, notebook: Path) -> dict[str, Any]:
    """Parameters that a profile sets for a notebook; the profile must be `class` or one of profiles.yml.

    Example:
        >>> profile_parameters("class", Path("notebooks/02_baseline.ipynb"))
        {}
    """
    if profile == CLASS:
        return {}
    profiles = load_profiles(notebook.parent)
    if profile not in profiles:
        known = ", ".join([CLASS, *profiles])
        raise InputError(f"there is no profile {profile} for {notebook.name}; choose one of: {known}")
    return profiles[profile].get(notebook.stem, {})
