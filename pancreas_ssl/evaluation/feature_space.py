"""Is the feature space what it should be? Numbers to log and to look at; nothing is ever optimised for them."""

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pancreas_ssl.evaluation.uncertainty_quality import error_auroc
from pancreas_ssl.method.prototypes import Prototypes
from pancreas_ssl.method.regions import Region, uncertain_region
from pancreas_ssl.method.sampling import VoxelSample

__all__ = ["cohesion", "collapsed", "effective_rank", "polarity", "region_table", "report", "rim_auc", "separation"]

OTHERS = (Region.RIM_OUT, Region.NEAR, Region.FAR)


def cohesion(z: Float[Tensor, "N D"], regions: Int[Tensor, " N"], prototype: Float[Tensor, " D"]) -> float:
    """Mean cosine of the core's voxels with the pancreas prototype; NaN without a core."""
    return float((z[regions == Region.CORE].float() @ prototype.float()).mean())


def separation(z: Float[Tensor, "N D"], regions: Int[Tensor, " N"], prototype: Float[Tensor, " D"]) -> float:
    """Cohesion minus the mean cosine of everything that is not pancreas; 0 means that nothing is separated."""
    others = torch.isin(regions, torch.tensor(OTHERS, device=regions.device))
    return cohesion(z, regions, prototype) - float((z[others].float() @ prototype.float()).mean())


def rim_auc(z: Float[Tensor, "N D"], regions: Int[Tensor, " N"], prototype: Float[Tensor, " D"]) -> float | None:
    """AUC of the cosine with the prototype between rim_in and rim_out: 0.5 is chance; None without both."""
    rim = uncertain_region(regions)
    cosine = (z[rim].float() @ prototype.float()).detach().cpu().numpy()
    return error_auroc(cosine, (regions[rim] == Region.RIM_IN).cpu().numpy())


def effective_rank(z: Float[Tensor, "N D"]) -> float:
    r"""exp of the entropy of the singular values, sum to 1: about how many directions are in use, 1 to D.

    Source: Roy and Vetterli 2007, EUSIPCO, "The effective rank: a measure of effective dimensionality".
    """
    values = torch.linalg.svdvals(z.float())
    share = values / values.sum().clamp_min(1e-12)
    return float(torch.exp(-(share * share.clamp_min(1e-12).log()).sum()))


def collapsed(z: Float[Tensor, "N D"], *, rank: float = 1.5, cosine: float = 0.98) -> str:
    """Why the features are of no use, in words, or "" if they are fine.

    A collapse to (nearly) one direction is an effective rank below `rank`, or a mean cosine between different voxels
    above `cosine`.
    """
    if len(z) < 2:
        return ""
    n, centre = len(z), torch.nn.functional.normalize(z.float(), dim=1, eps=1e-6).sum(0)
    mean = float((centre @ centre - n) / max(n * (n - 1), 1))
    if mean > cosine:
        return f"all voxels point the same way: mean cosine {mean:.3f}"
    found = effective_rank(z)
    return f"the features use {found:.2f} directions only" if found < rank else ""


def polarity(z: Float[Tensor, "N D"], regions: Int[Tensor, " N"], prototype: Float[Tensor, " D"]) -> str:
    """A sentence where the core is less like its prototype than the background is (a sign is wrong), else ""."""
    inside, apart = cohesion(z, regions, prototype), separation(z, regions, prototype)
    if not apart < 0:
        return ""
    cosines = f"(cosine {inside:.2f}) than the background is ({inside - apart:.2f})"
    return f"the core is less like the pancreas prototype {cosines}: positives and negatives seem to be swapped"


def region_table(z: Float[Tensor, "N D"], regions: Int[Tensor, " N"], prototype: Float[Tensor, " D"]) -> pd.DataFrame:
    """Voxels and cosine with the prototype (mean, sd) per region."""
    rows = []
    for region in list(Region)[1:]:
        cosine = z[regions == region].float() @ prototype.float()
        if len(cosine):
            row = {"region": region.name.lower(), "voxels": len(cosine), "mean cosine": float(cosine.mean())}
            rows.append(row | {"sd": float(cosine.std(unbiased=False))})
    return pd.DataFrame(rows)


def report(z: Float[Tensor, "N D"], draw: VoxelSample, prototypes: Prototypes) -> dict[str, float | str | None]:
    """All diagnostics of one draw by name."""
    how = z, draw.regions, prototypes.pancreas.to(z)
    return {
        "cohesion": cohesion(*how),
        "separation": separation(*how),
        "rim_auc": rim_auc(*how),
        "effective_rank": effective_rank(z),
        "collapsed": collapsed(z),
        "polarity": polarity(*how),
    }
