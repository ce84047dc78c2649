"""How long the course takes: measured by tours on both kinds of processor, and scaled to this machine.

    pancreas-ssl tour --out runs/tour
    python -m pancreas_ssl.runs.minutes runs/tour/report.json

keeps the seconds of a tour on this machine in `assets/minutes.json`, beside the time of one reference pass, and writes
them into the first cells of the notebooks. `doctor` measures the same pass on a reader's machine and scales.
"""

import json
import re
import sys
from pathlib import Path

from pancreas_ssl.devices import plan, processor_name, seconds_of_pass
from pancreas_ssl.errors import InputError
from pancreas_ssl.files import claim, write_text
from pancreas_ssl.runs.notebook_profiles import CLASS, find_notebooks

__all__ = ["expected_seconds", "keep_tour", "known_tours", "reference_seconds", "sentence", "tour_of"]

FILE = Path(__file__).resolve().parents[1] / "assets" / "minutes.json"
KINDS = {"bf16": "with bfloat16 units", "fp32": "without them"}
PASS, PASSES = (2, 1, 64, 64, 48), 4  # a training step's patches; how often, the shortest counts
TIME = re.compile(r"the cells run in about [^*]*\*")


def known_tours() -> dict[str, dict]:
    """Precision -> `processor`, `reference_seconds` and `notebooks` (name -> seconds), of the tours kept."""
    return json.loads(FILE.read_text(encoding="utf-8"))["tours"] if FILE.is_file() else {}


def tour_of(precision: str) -> dict:
    """The tour kept for this kind of processor, else another one; at least one must be kept."""
    tours = known_tours()
    return tours.get(precision) or next(iter(tours.values()))


def reference_seconds() -> tuple[str, float]:
    """The processor's precision, and its seconds for one forward and backward pass of the course's network.

    The measure takes about a second; the shortest of four passes counts, after one that is not timed.

    Example:
        >>> reference_seconds()    # doctest: +SKIP
        ('fp32', 0.131)
    """
    import torch

    from pancreas_ssl.method.network import SegmentationNetwork

    chosen = plan("cpu")
    layout = torch.channels_last_3d if chosen.channels_last else torch.contiguous_format
    network = SegmentationNetwork().to(memory_format=layout)
    x = torch.rand(PASS, generator=torch.Generator().manual_seed(0))
    times = [seconds_of_pass(network, x, chosen.precision == "bf16") for _ in range(1 + PASSES)]
    return chosen.precision, min(times[1:])


def expected_seconds() -> dict[str, float]:
    """Seconds that each notebook should take on this machine, in the profile `class`; {} where no tour is kept.

    The seconds of the tour on a processor of this kind, times this machine's reference pass over that one's: an
    estimate, since reading files and drawing do not scale like passes of a network.

    Example:
        >>> expected_seconds()["02_baseline"]    # doctest: +SKIP
        131.0
    """
    if not known_tours():
        return {}
    precision, here = reference_seconds()
    tour = tour_of(precision)
    return {name: spent * here / tour["reference_seconds"] for name, spent in tour["notebooks"].items()}


def sentence(name: str, tours: dict[str, dict] | None = None) -> str:
    """What a notebook's first cell says of its minutes."""
    tours = known_tours() if tours is None else tours
    seconds = {k: tours[k]["notebooks"].get(name) for k in KINDS if k in tours}
    spent = " and ".join(f"{_minutes(value)} {KINDS[k]}" for k, value in seconds.items() if value is not None)
    if "bfloat16" not in spent:  # measured on one kind alone
        spent = spent.replace("them", "bfloat16 units")
    return f"the cells run in about {spent} (measured on processors of two cores).*"


def keep_tour(report: str | Path, notebooks: str | Path | None = None) -> Path:
    """Keep the minutes of a finished tour of this machine, and write all that are kept into the notebooks.

    Raises:
        InputError: no report of a whole tour in the profile `class`.
    """
    paths = find_notebooks(notebooks)
    try:
        found = json.loads(Path(report).read_text(encoding="utf-8"))
        spent = {entry["name"]: entry["seconds"] for entry in found["notebooks"]}
        whole = found["status"] == "ok" and found["profile"] == CLASS and set(spent) == {p.stem for p in paths}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"expected the report.json of a tour, got {report} ({error}); name one") from error
    if not whole:
        raise InputError(f"expected a tour of all notebooks that ended well, got {report}; run it again")
    precision, reference = reference_seconds()
    entry = {
        "processor": processor_name(),
        "commit": found["environment"].get("commit"),
        "reference_seconds": round(reference, 4),
        "notebooks": spent,
    }
    tours = known_tours() | {precision: entry}
    claim([FILE, *paths], overwrite=True)
    command = "pancreas-ssl tour --out RUN && python -m pancreas_ssl.runs.minutes RUN/report.json"
    write_text(FILE, json.dumps({"command": command, "tours": tours}, indent=1) + "\n")
    for path in paths:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        first = notebook["cells"][0]
        first["source"] = TIME.sub(sentence(path.stem, tours), "".join(first["source"])).splitlines(keepends=True)
        write_text(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return FILE


def _minutes(seconds: float) -> str:
    """For a reader: 'half a minute', '1 minute', '2 minutes'."""
    count = max(round(seconds / 60), 1)
    return "half a minute" if seconds < 45 else f"{count} minute{'s' * (count > 1)}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m pancreas_ssl.runs.minutes RUN/report.json")
    print(f"written to {keep_tour(sys.argv[1])} and into the notebooks")
