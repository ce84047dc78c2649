"""The project's picture: one patient from each of the seven simulated sources, the pancreas outlined.

python -m pancreas_ssl.figures.cover [FILE]     default: pancreas_ssl/assets/cover.png
"""

import sys
from pathlib import Path

from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.source_sheet import source_sheet
from pancreas_ssl.files import atomic_path, claim

__all__ = ["cover"]

COVER = Path(__file__).parents[1] / "assets" / "cover.png"


def cover(patient: int = 1) -> Described:
    """All seven sources side by side, each with its own patient of this number.

    Example:
        >>> cover().alt.startswith("One network")    # doctest: +SKIP
        True
    """
    from pancreas_ssl.phantom.cohort import SOURCES, make_case

    volumes, subtitles = {}, {}
    for name, source in SOURCES.items():
        panel = f"{name} ({source.role})"
        volumes[panel] = make_case(source, patient)[0]
        subtitles[panel] = source.title
    return source_sheet(
        volumes, subtitles=subtitles, title="One network, trained on A alone, has to find them all", name="cover"
    )


if __name__ == "__main__":
    goal = Path(sys.argv[1]) if len(sys.argv) > 1 else COVER
    claim([goal], overwrite=True)
    with atomic_path(goal) as temporary:
        temporary.write_bytes(cover().png())
    print(f"written: {goal}")
