"""Several uncertainty maps of the same patients, judged alike: which one finds the errors, and at what price.

    judge         one patient's maps against the label
    compare_maps  the maps of many patients (`uncertainty_maps`), judged, and tables of the whole

All maps are judged by the *same* errors, those of the mask of a single pass: judged by errors of its own, a map of
other predictions would win by making other errors. Only the calibration (ECE) is that of each way's own probability.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.errors import require
from pancreas_ssl.evaluation.calibration import band, expected_calibration_error, reliability
from pancreas_ssl.evaluation.components import largest_component
from pancreas_ssl.evaluation.metrics import dice_coefficient
from pancreas_ssl.evaluation.uncertainty_quality import (
    area_under_risk_coverage,
    case_uncertainty,
    error_auroc,
    risk_coverage,
)
from pancreas_ssl.inference.uncertainty_maps import UncertaintyMap, uncertainty_maps
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.method.regions import Region

__all__ = ["Comparison", "compare_maps", "judge", "region_errors"]


def judge(
    maps: Mapping[str, UncertaintyMap], case: Prepared, bins: int = 10
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """One patient's maps against the label: rows of numbers, one per map, and rows of the reliability table.

    Numbers, all in the band of 15 mm but the last two: `auroc` of the map for the voxels where the mask of the single
    pass is wrong, `wrong` such voxels, `ece` of the way's probability (NaN for a floor); `score`, the map's mean over
    the mask, and `risk`, 1 - Dice of the mask. The mask is the largest part above 1/2.

    Raises:
        InputError: a case without a label.
    """
    labelled = case.label is not None and bool(case.label.any())
    require(labelled, f"a labelled pancreas in case {case.id}", "none", "judge labelled cases")
    label = case.label[0] != 0
    near = band(label, case.spacing)
    mask = largest_component(next(iter(maps.values())).probability > 0.5) != 0
    wrong = mask != label
    about = {"source": case.source, "case": case.id}
    shared = {"risk": 1 - dice_coefficient(mask, label), "wrong": int(wrong[near].sum())}
    rows, promised = [], []
    for name, one in maps.items():
        auroc, ece = error_auroc(one.values, wrong, near), np.nan
        if one.probability is not None:
            table = reliability(one.probability, label, near, bins)
            ece = expected_calibration_error(table)
            promised += [about | {"way": name.split(":")[0]} | row for row in table.to_dict("records")]
        judged = {"map": name, "auroc": np.nan if auroc is None else auroc, "ece": ece}
        judged |= {"score": case_uncertainty(one.values, mask)} | shared
        rows.append(about | judged | {"seconds": one.seconds, "passes": one.passes})
    return rows, promised


@dataclass(frozen=True)
class Comparison:
    """Maps judged on patients. rows: one per patient and map (`judge`); bins: reliability per patient, way and bin."""

    rows: pd.DataFrame
    bins: pd.DataFrame

    def summary(self, by: str | None = "source") -> pd.DataFrame:
        """One row per map and source (`by`; None: one per map): patients, mean AUROC and ECE, AURC, median seconds.

        `aurc` is of these patients; `aurc_perfect` that of scores which know the risk, `aurc_none` that of scores which
        know nothing.
        """
        keys = [by, "map"] if by else ["map"]
        rows = []
        for names, part in self.rows.groupby(keys, sort=False):
            risks, row = part["risk"], dict(zip(keys, names, strict=True))
            row |= {"patients": len(part), "auroc": part["auroc"].mean(), "ece": part["ece"].mean()}
            row |= {"aurc": area_under_risk_coverage(part["score"], risks)}
            row |= {"aurc_perfect": area_under_risk_coverage(risks, risks), "aurc_none": float(risks.mean())}
            rows.append(row | {"seconds": part["seconds"].median(), "passes": int(part["passes"].max())})
        return pd.DataFrame(rows)

    def reliability(self, ways: Sequence[str] | None = None) -> pd.DataFrame:
        """Pooled over the patients of each source: source, way, bin, probability, share, voxels."""
        table = self.bins if ways is None else self.bins[self.bins["way"].isin(ways)]
        means, table = ["probability", "share"], table[table["voxels"] > 0].copy()
        table[means] = table[means].mul(table["voxels"], axis=0)
        pooled = table.groupby(["source", "way", "bin"], sort=False)[[*means, "voxels"]].sum()
        pooled[means] = pooled[means].div(pooled["voxels"], axis=0)
        return pooled.reset_index()

    def risk_coverage(self, maps: Sequence[str]) -> pd.DataFrame:
        """Curves over all patients, one for each of these maps, and "perfect": map, coverage, risk."""
        parts = {name: self.rows[self.rows["map"] == name] for name in maps}
        curves = [risk_coverage(part["score"], part["risk"]).assign(map=name) for name, part in parts.items()]
        risks = parts[maps[-1]]["risk"]
        return pd.concat([*curves, risk_coverage(risks, risks).assign(map="perfect")], ignore_index=True)

    def __add__(self, other: "Comparison") -> "Comparison":
        pairs = (self.rows, other.rows), (self.bins, other.bins)
        return Comparison(*(pd.concat(pair, ignore_index=True) for pair in pairs))


def compare_maps(
    model: Model,
    cases: Iterable[Prepared],
    *,
    others: Sequence[Model] = (),
    made: Mapping[tuple[str, str], Mapping[str, UncertaintyMap]] | None = None,
    bins: int = 10,
    **how: Any,
) -> Comparison:
    """Make the maps of each case without its label (`uncertainty_maps`), then judge them with it (`judge`).

    Args:
        model, others: as in `uncertainty_maps`.
        cases: prepared and labelled.
        made: maps that are at hand already, by source and case id; they are not made again.
        how: n, seed, overlap, device, precision of `uncertainty_maps`.

    Raises:
        InputError: no case, or one without a label.

    Example:
        >>> compare_maps(load_weights("baseline"), held_out, n=4).summary()    # doctest: +SKIP
    """
    rows, promised = [], []
    for case in cases:
        maps = (made or {}).get((case.source, case.id))
        maps = maps or uncertainty_maps(model, case.image, case.spacing, others=others, **how)
        judged, table = judge(maps, case, bins)
        rows += judged
        promised += table
    require(bool(rows), "at least one case to compare maps on", "none", "pass prepared cases")
    return Comparison(pd.DataFrame(rows), pd.DataFrame(promised))


def region_errors(codes: Any, wrong: Any) -> pd.DataFrame:
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
    codes, wrong = np.asarray(codes), np.asarray(wrong) != 0
    shapes = f"{codes.shape} and {wrong.shape}"
    require(codes.shape == wrong.shape, "codes and errors of one shape", shapes, "cut both alike")
    regions = list(Region)[1:]
    rows = [(one.name.lower(), np.count_nonzero(codes == one), int(wrong[codes == one].sum())) for one in regions]
    table = pd.DataFrame(rows, columns=["region", "voxels", "wrong"])
    return table.assign(
        share_wrong=table["wrong"] / table["voxels"], share_of_errors=table["wrong"] / table["wrong"].sum()
    )
