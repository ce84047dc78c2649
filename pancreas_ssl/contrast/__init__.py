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
    feature_maps  features and cosines of a whole scan, from the image alone
    inspect       features of voxels named by region, trained prototypes, principal axes
    alone         a projection trained on features that stay as they are, in seconds
    voting        the prototypes have a say in a prediction
    circle        the same loss on twenty points in two dimensions, to be seen
"""

from pancreas_ssl.contrast.alone import compare_spaces, train_projection
from pancreas_ssl.contrast.circle import Circle, Group, on_circle, push_shares
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
from pancreas_ssl.contrast.feature_maps import cosine_map, feature_map
from pancreas_ssl.contrast.inspect import (
    Sampled,
    core_prototype,
    features_of,
    label_regions,
    principal_axes,
    trained_contrast,
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
from pancreas_ssl.contrast.voting import prototype_vote, with_prototypes

__all__ = [
    "COUNTS",
    "KINDS",
    "Circle",
    "ContrastTerms",
    "Draw",
    "GlobalContrast",
    "Group",
    "Projection",
    "Prototypes",
    "Sampled",
    "cohesion",
    "collapsed",
    "compare_spaces",
    "contrast_loss",
    "core_prototype",
    "cosine_map",
    "draw_guided",
    "draw_plain",
    "draw_random",
    "effective_rank",
    "feature_map",
    "features_of",
    "label_regions",
    "on_circle",
    "pixel_contrast_loss",
    "polarity",
    "principal_axes",
    "project_map",
    "prototype_vote",
    "push_shares",
    "region_table",
    "report",
    "rim_auc",
    "sample_features",
    "separation",
    "spherical_k_means",
    "train_projection",
    "trained_contrast",
    "with_prototypes",
]
