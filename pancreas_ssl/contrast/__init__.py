"""The global-feature contrast: pancreatic features pulled together, other tissue pushed away.

Of the method (Li et al. 2023, arXiv:2505.07165) only the abstract is at hand. It asks for a contrastive module guided
by the spatial structure of the pancreas, for cohesion within and separation from other tissue; which voxels are
compared, with what, and by which formula are choices of this toolkit. The regions come from the source's labels.

    sampling      which voxels: guided by regions, plain, or random (the control); their features
    projection    from features to the unit sphere
    prototypes    one of the pancreas, a few of the background
    loss          the guided contrast, and plain pixel contrast
    module        all of it, once per training step
    diagnostics   cohesion, separation, collapse
"""

from pancreas_ssl.contrast.diagnostics import (
    cohesion,
    collapsed,
    effective_rank,
    polarity,
    region_table,
    report,
    rim_auc,
    separation,
)
from pancreas_ssl.contrast.loss import ContrastTerms, contrast_loss, pixel_contrast_loss
from pancreas_ssl.contrast.module import KINDS, GlobalContrast
from pancreas_ssl.contrast.projection import Projection, project_map
from pancreas_ssl.contrast.prototypes import Prototypes, spherical_k_means
from pancreas_ssl.contrast.sampling import (
    COUNTS,
    Draw,
    draw_guided,
    draw_plain,
    draw_random,
    sample_features,
)

__all__ = [
    "COUNTS",
    "KINDS",
    "ContrastTerms",
    "Draw",
    "GlobalContrast",
    "Projection",
    "Prototypes",
    "cohesion",
    "collapsed",
    "contrast_loss",
    "draw_guided",
    "draw_plain",
    "draw_random",
    "effective_rank",
    "pixel_contrast_loss",
    "polarity",
    "project_map",
    "region_table",
    "report",
    "rim_auc",
    "sample_features",
    "separation",
    "spherical_k_means",
]
