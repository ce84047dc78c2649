"""What a sweep runs: a notebook with every combination of some parameters' values, all checked before anything starts.

The values come from a file, from `-p NAME VALUES` on the command line, or from both:

    notebook: "02"             # name, number or path, as `pancreas-ssl run` takes it
    profile: smoke             # optional, as `parameters`, `seeds` and `figures`
    parameters: {DEVICE: cpu}  # the same in all runs
    grid: {STEPS: [50, 100, 200]}
    seeds: 5                   # or a list of them: the notebook's parameter SEED
    figures: [dice_by_source]  # shown in the report
"""

import ast
import contextlib
import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from pancreas_ssl.data.yaml_errors import read_yaml, validate
from pancreas_ssl.errors import require
from pancreas_ssl.manifest import key_of
from pancreas_ssl.runs.notebook import notebook_parameters
from pancreas_ssl.runs.notebook_profiles import CLASS, resolve_notebook
from pancreas_ssl.runs.parameters import Parameter, check_parameters, read_value

__all__ = ["SEED", "SweepPlan", "grid_values", "plan_sweep"]

SEED = "SEED"  # the parameter over which means are taken
MOST = 10_000  # runs
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**32)]


class SweepFile(BaseModel):
    """The keys of a sweep's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    notebook: str | Annotated[int, Field(ge=0)]
    profile: str | None = None
    parameters: dict[str, Any] = {}
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    seeds: Annotated[int, Field(strict=True, ge=1, le=MOST)] | Annotated[list[Seed], Field(min_length=1)] | None = None
    figures: list[str] = []


@dataclass(frozen=True)
class SweepPlan:
    """All runs of a sweep.

    Attributes:
        notebook: its path.
        profile: whose parameters are set first.
        fixed: what the sweep sets alike in all runs.
        grid: name -> values, of what varies; the seed last, so that it varies fastest.
        runs: folder's name -> the values that are set in this run, profile and grid included.
        defaults: the notebook's own values.
        figures: names of those that the report shows.
    """

    notebook: Path
    profile: str
    fixed: dict[str, Any]
    grid: dict[str, list[Any]]
    runs: dict[str, dict[str, Any]]
    defaults: dict[str, Any] = field(default_factory=dict)
    figures: tuple[str, ...] = ()

    def varied(self, name: str) -> dict[str, Any]:
        """The values of a run that are not the same in all of them."""
        return {key: self.runs[name][key] for key in self.grid}


def plan_sweep(
    what: str | Path,
    values: Mapping[str, str | Sequence[Any]] | None = None,
    *,
    profile: str | None = None,
    figures: Sequence[str] = (),
) -> SweepPlan:
    """Read a sweep's file, or take a notebook, and check everything that its runs will be given.

    Args:
        what: a YAML file, or a notebook as `pancreas-ssl run` takes it.
        values: name -> values, as text of the command line or a list; they replace what a file says of that name.
        profile, figures: in place of the file's.

    Raises:
        InputError: a key, name, value, range or profile that does not fit, a value twice, more than 10,000 runs.

    Example:
        >>> plan_sweep("02", {"STEPS": "50,100", "SEED": "0:2"}).varied("STEPS-100_SEED-1")
        {'STEPS': 100, 'SEED': 1}
    """
    if Path(what).suffix in (".yml", ".yaml"):
        file = validate(SweepFile, *read_yaml(Path(what), "a sweep"), Path(what))
        name = f"{file.notebook:02d}" if isinstance(file.notebook, int) else file.notebook
        beside = Path(what).parent / name
        notebook = beside if beside.is_file() else resolve_notebook(name)
    else:
        file, notebook = SweepFile(notebook=str(what)), resolve_notebook(what)
    profile, title = profile or file.profile or CLASS, notebook.name
    given: dict[str, Any] = {name: text for name, text in (values or {}).items()}
    both = [name for name in file.parameters if name in file.grid]
    require(not both, "each name in parameters or in grid", f"{', '.join(both)} in both in {what}", "keep one")
    taken = file.seeds is not None and SEED in {**file.grid, **file.parameters}
    require(not taken, f"seeds or {SEED}", f"both in {what}", "keep one")
    seeds = {} if file.seeds is None else {SEED: list(range(s)) if isinstance(s := file.seeds, int) else s}
    parameters = {name: value for name, value in file.parameters.items() if name not in given}
    declared, base = notebook_parameters(notebook, profile, parameters)
    wanted = {**file.grid, **seeds, **given}
    check_parameters({name: None for name in wanted if name not in declared}, declared, title)
    wanted = {name: wanted[name] for name in sorted(wanted, key=lambda name: name == SEED)}
    grid = {name: grid_values(given, declared[name], title) for name, given in wanted.items()}
    count = 1
    for listed in grid.values():
        count *= len(listed)
    require(count <= MOST, f"at most {MOST:,} runs", f"{count:,}", "give fewer values, or sweep in several parts")
    fixed = check_parameters(parameters, declared, title) | {name: v[0] for name, v in grid.items() if len(v) == 1}
    varied = {name: listed for name, listed in grid.items() if len(listed) > 1}
    settings = [dict(zip(varied, chosen, strict=True)) for chosen in itertools.product(*varied.values())]
    runs = {name: base | fixed | one for name, one in zip(_names(settings), settings, strict=True)}
    defaults = {name: parameter.default for name, parameter in declared.items()}
    return SweepPlan(notebook.resolve(), profile, fixed, varied, runs, defaults, tuple(figures) or tuple(file.figures))


def grid_values(given: str | Sequence[Any], parameter: Parameter, title: str = "the notebook") -> list[Any]:
    """The values of one parameter, checked: a list of them, or text with commas between them.

    `A:B` and `A:B:STEP` are Python's ranges of whole numbers (B does not belong to them). Commas inside brackets or
    quotes do not part values, so `[1,2],[3,4]` are two lists.

    Example:
        >>> grid_values("0:3, 7", Parameter("SEED", 0))
        [0, 1, 2, 7]
        >>> grid_values("[1,2],[3,4]", Parameter("PATCH", [8, 8]))
        [[1, 2], [3, 4]]
    """
    name, values = parameter.name, []
    pieces = _pieces(given) if isinstance(given, str) else list(given)
    fine = bool(pieces) and (not isinstance(given, str) or all(pieces))
    require(fine, f"values of {name} with commas between them", repr(given)[:60], "write for instance 50,100 or 0:5")
    for piece in pieces:
        match = re.fullmatch(r"(-?\d{1,18}):(-?\d{1,18})(?::(-?\d{1,18}))?", piece) if isinstance(given, str) else None
        if match and isinstance(parameter.default, int | float | None):
            start, stop, step = (int(part) if part else 1 for part in match.groups())
            require(step != 0, f"a range of {name} with a step", piece, "write START:STOP or START:STOP:STEP")
            numbers = range(start, stop, step)
            require(1 <= len(numbers) <= MOST, f"1 to {MOST:,} values of {name}", f"{piece} with none or more",
                    "START belongs to the range, STOP does not")  # fmt: skip
            values += numbers
        else:
            values.append(_unquoted(piece) if isinstance(given, str) and isinstance(parameter.default, str) else piece)
    values = [read_value(value, parameter, title) for value in values]
    often = [value for value, count in Counter(map(repr, values)).items() if count > 1]
    require(not often, f"different values of {name}", f"{', '.join(often)[:60]} twice", "give each once")
    return values


def _pieces(text: str) -> list[str]:
    """The text between its commas, those in brackets and quotes aside."""
    pieces, depth, quote = [""], 0, ""
    for letter in text:
        quote = ("" if letter == quote else quote) if quote else letter if letter in "'\"" else ""
        depth += 0 if quote else (letter in "[({") - (letter in "])}")
        if letter == "," and depth <= 0 and not quote:
            pieces.append("")
        else:
            pieces[-1] += letter
    return [piece.strip() for piece in pieces]


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        with contextlib.suppress(ValueError, SyntaxError):
            return ast.literal_eval(text)
    return text


def _names(settings: list[dict[str, Any]]) -> list[str]:
    """A folder's name for each run: short, readable, the same whenever these values come, none twice."""
    names = []
    for setting in settings:
        texts = {name: re.sub(r"^-(?=\d)", "minus-", str(value)) for name, value in setting.items()}
        words = [f"{name}-{re.sub('[^A-Za-z0-9.]+', '-', text).strip('-.')}" for name, text in texts.items()]
        names.append("_".join(words) or "run")
    often = Counter(name.lower() for name in names)
    return [
        name if len(name) <= 80 and often[name.lower()] == 1 else f"{name[:70]}-{key_of(setting)[:8]}"
        for name, setting in zip(names, settings, strict=True)
    ]
