"""Several maps of doubt on the same patients, judged alike: which one finds the errors, and at what price.

    judge         one patient's maps against the label
    compare_maps  the maps of many patients (`answer_all`), judged, and tables of the whole

All maps are judged by the *same* errors: those of the mask of a single pass. A map of other predictions that is judged
by errors of its own would win by making other errors. Only the calibration (ECE) is that of each way's own probability.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pancreas_ssl.errors import InputError
from pancreas_ssl.uncertainty.answers import Doubt, answer_all
from pancreas_ssl.uncertainty.worth import (
    area_under_risk_coverage,
    band,
    case_uncertainty,
    error_auroc,
    expected_calibration_error,
    reliability,
    risk_coverage,
)

if TYPE_CHECKING:
    import pandas

    from pancreas_ssl.data.preprocessing import Prepared
    from pancreas_ssl.inference import Model

__all__ = ["Comparison", "compare_maps", "judge", "region_errors"]


def judge(doubts: Mapping[str, Doubt], case: "Prepared", bins: int = 10) -> tuple[list[dict], list[dict]]:
    """One patient's maps against the label: rows of numbers, one per map, and rows of the reliability table.

    Numbers, all in the band of 15 mm but the last two: `auroc` of the map for the voxels where the mask of the single
    pass is wrong, `wrong` such voxels, `ece` of the way's probability (NaN for a floor); `score`, the map's mean over
    the mask, and `risk`, 1 - Dice of the mask. The mask is the largest part above 1/2.

    Raises:
        InputError: a case without a label.
    """
    from pancreas_ssl.evaluation import largest_component

    if case.label is None or not case.label.any():
        raise InputError(f"expected a labelled pancreas in case {case.id}, got none; judge labelled cases")
    label = case.label[0] != 0
    near = band(label, case.spacing)
    mask = largest_component(next(iter(doubts.values())).probability > 0.5) != 0
    wrong = mask != label
    risk = 1 - 2 * int((mask & label).sum()) / int(mask.sum() + label.sum())
    about = {"source": case.source.split("/")[-1], "case": case.id}
    rows, promised = [], []
    for name, doubt in doubts.items():
        auroc, ece = error_auroc(doubt.values, wrong, near), None
        if doubt.probability is not None:
            table = reliability(doubt.probability, label, near, bins)
            ece = expected_calibration_error(table)
            way = name.split(":")[0]
            promised += [about | {"way": way} | row for row in table.to_dict("records")]
        rows.append(
            about
            | {"map": name, "auroc": np.nan if auroc is None else auroc, "ece": np.nan if ece is None else ece}
            | {"score": case_uncertainty(doubt.values, mask), "risk": risk, "wrong": int(wrong[near].sum())}
            | {"seconds": doubt.seconds, "passes": doubt.passes}
        )  # fmt: skip
    return rows, promised


@dataclass(frozen=True)
class Comparison:
    """Maps judged on patients. rows: one per patient and map (`judge`); bins: reliability per patient, way and bin."""

    rows: "pandas.DataFrame"
    bins: "pandas.DataFrame"

    def summary(self, by: str | None = "source") -> "pandas.DataFrame":
        """One row per map and source (`by`; None: one per map): patients, mean AUROC and ECE, AURC, median seconds.

        `aurc` is of these patients; `aurc_perfect` that of scores which know the risk, `aurc_none` that of scores which
        know nothing.
        """
        import pandas

        keys = [by, "map"] if by else ["map"]
        rows = []
        for names, part in self.rows.groupby(keys, sort=False):
            scores, risks = part["score"], part["risk"]
            rows.append(
                dict(zip(keys, names, strict=True))
                | {"patients": len(part), "auroc": part["auroc"].mean(), "ece": part["ece"].mean()}
                | {"aurc": area_under_risk_coverage(scores, risks)}
                | {"aurc_perfect": area_under_risk_coverage(risks, risks), "aurc_none": float(risks.mean())}
                | {"seconds": part["seconds"].median(), "passes": int(part["passes"].max())}
            )
        return pandas.DataFrame(rows)

    def reliability(self, ways: Sequence[str] | None = None) -> "pandas.DataFrame":
        """Pooled over the patients of each source: source, way, bin, probability, share, voxels."""
        table = self.bins if ways is None else self.bins[self.bins["way"].isin(ways)]
        table = table[table["voxels"] > 0]
        weighed = table.assign(
            probability=table["probability"] * table["voxels"], share=table["share"] * table["voxels"]
        )
        pooled = weighed.groupby(["source", "way", "bin"], sort=False)[
            ["probability", "share", "voxels"]
        ].sum()
        pooled[["probability", "share"]] = pooled[["probability", "share"]].div(pooled["voxels"], axis=0)
        return pooled.reset_index()

    def risk_coverage(self, maps: Sequence[str]) -> "pandas.DataFrame":
        """Curves over all patients, one for each of these maps, and "perfect": map, coverage, risk."""
        import pandas

        curves = []
        for name in maps:
            part = self.rows[self.rows["map"] == name]
            curves.append(risk_coverage(part["score"], part["risk"]).assign(map=name))
        curves.append(risk_coverage(part["risk"], part["risk"]).assign(map="perfect"))
        return pandas.concat(curves, ignore_index=True)

    def __add__(self, other: "Comparison") -> "Comparison":
        import pandas

        rows, bins = (
            pandas.concat(two, ignore_index=True)
            for two in ((self.rows, other.rows), (self.bins, other.bins))
        )
        return Comparison(rows, bins)


def compare_maps(
    model: "Model",
    cases: Iterable["Prepared"],
    *,
    others: Sequence["Model"] = (),
    made: Mapping[str, Mapping[str, Doubt]] | None = None,
    bins: int = 10,
    **how: Any,
) -> Comparison:
    """Make the maps of each case without its label (`answer_all`), then judge them with it (`judge`).

    Args:
        model, others: as in `answer_all`.
        cases: prepared and labelled.
        made: answers that are at hand already, by case id; they are not made again.
        how: n, seed, overlap, device, precision of `answer_all`.

    Raises:
        InputError: no case, or one without a label.

    Example:
        >>> compare_maps(load_weights("baseline"), held_out, n=4).summary()    # doctest: +SKIP
    """
    import pandas

    rows, promised = [], []
    for case in cases:
        doubts = (made or {}).get(case.id) or answer_all(
            model, case.image, case.spacing, others=others, **how
        )
        one, table = judge(doubts, case, bins)
        rows += one
        promised += table
    if not rows:
        raise InputError("expected at least one case to compare maps on, got none; pass prepared cases")
    return Comparison(pandas.DataFrame(rows), pandas.DataFrame(promised))


def region_errors(codes: Any, wrong: Any) -> "pandas.DataFrame":
    """Where the wrong voxels lie: one row per region but the outside.

    Args:
        codes: of `Region`, from `regions`.
        wrong: True where prediction and label differ.

    Returns:
        `region`, `voxels`, `wrong` voxels, `share_wrong` of the region's voxels, `share_of_errors` of all wrong voxels
        in the body (NaN where a share is of nothing).

    Example:
        >>> table = region_errors(np.array([1, 1, 2, 2, 5]), np.array([0, 0, 1, 0, 0]))
        >>> table[["region", "voxels", "share_wrong", "share_of_errors"]].values.tolist()[:2]
        [['core', 2, 0.0, 0.0], ['rim_in', 2, 0.5, 1.0]]
    """
    import pandas

    from pancreas_ssl.uncertainty.regions import Region

    codes, wrong = np.asarray(codes), np.asarray(wrong) != 0
    if codes.shape != wrong.shape:
        raise InputError(
            f"expected codes and errors of one shape, got {codes.shape} and {wrong.shape}; cut both alike"
        )
    total = int(wrong[codes != Region.OUTSIDE].sum())
    rows = []
    for region in list(Region)[1:]:
        inside = codes == region
        voxels, bad = int(inside.sum()), int(wrong[inside].sum())
        shares = {
            "share_wrong": bad / voxels if voxels else np.nan,
            "share_of_errors": bad / total if total else np.nan,
        }
        rows.append({"region": region.name.lower(), "voxels": voxels, "wrong": bad} | shares)
    return pandas.DataFrame(rows)
