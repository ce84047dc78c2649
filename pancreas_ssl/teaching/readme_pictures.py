"""Two pictures of the README: where a network is uncertain, and how the arms of the study fare away from home.

python -m pancreas_ssl.teaching.readme_pictures [FOLDER]     default: pancreas_ssl/assets
"""

import sys
from pathlib import Path

from pancreas_ssl.figures import Described, arms_chart, map_panel
from pancreas_ssl.files import atomic_path, claim

__all__ = ["arms_away_from_home", "doubts_and_errors"]

ARMS = ("supervised", "contrast", "restoration", "dual", "labelconv", "labelconv+dual", "oracle")


def doubts_and_errors(source: str = "phantom/V", patient: int = 0) -> Described:
    """Maps of one patient from a source that the network never met, and the voxels in which it is wrong.

    Args:
        source: a development source.
        patient: its number there, from 0.
    """
    from pancreas_ssl.data.preprocessing import prepare_cases
    from pancreas_ssl.data.roles import open_cases
    from pancreas_ssl.evaluation import largest_component
    from pancreas_ssl.inference import load_weights
    from pancreas_ssl.inference.uncertainty_maps import uncertainty_maps

    model, others = load_weights("baseline"), [load_weights(name) for name in ("strong", "contrast")]
    (case,) = prepare_cases(open_cases(source, "measure", most=patient + 1)[patient:])
    doubts = uncertainty_maps(model, case.image, case.spacing, others=others, n=4, seed=0)
    mask = largest_component(doubts["one pass: entropy"].probability > 0.5) != 0
    kept = ("one pass: entropy", "ensemble: entropy")
    maps = {name: doubts[name].values for name in kept}
    maps["wrong voxels"] = (mask != (case.label[0] != 0)).astype("float32")
    return map_panel(
        case,
        maps,
        unit="bits (errors: 0 or 1)",
        title="Where a network is uncertain, and where it is wrong",
        name="doubts",
    )


def arms_away_from_home() -> Described:
    """Arms of the registered study at home (A2) and on the test sources E, F and G."""
    from pancreas_ssl.data.roles import role_of
    from pancreas_ssl.evaluation import crossed_means
    from pancreas_ssl.study import shipped_study

    study = shipped_study("study2")
    rows = study.rows.assign(arm=study.rows["arm"].str.replace("oracle/.*", "oracle", regex=True))
    tests = [source for source in study.config.measure if role_of(source) == "test"]
    shown = rows["arm"].isin(ARMS) & rows["source"].isin([study.config.train, *tests])
    means = crossed_means(rows[shown], overall=tests)
    means = means.assign(source=means["source"].replace("mean of sources", "mean of E, F, G"))
    return arms_chart(
        means, "At home, and on scanners never seen", baseline="supervised", highlight="dual", name="away"
    )


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "assets"
    drawn = [doubts_and_errors(), arms_away_from_home()]
    claim([folder / f"{one.name}.png" for one in drawn], overwrite=True)
    for one in drawn:
        with atomic_path(folder / f"{one.name}.png") as temporary:
            temporary.write_bytes(one.png())
        print(f"written: {folder / one.name}.png")
