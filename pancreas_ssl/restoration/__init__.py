"""Local-image restoration: appearance is corrupted where the model doubts, and recovered from the anatomy around.

Of the method (Li et al. 2023, arXiv:2505.07165) only the abstract is at hand. It says that randomly corrupted
appearance patterns in high-uncertainty regions are recovered from informative anatomical context. How the patterns are
corrupted, where the boxes lie, the loss and the control are choices of this toolkit. The regions come from the training
source's labels: this is label-guided auxiliary self-supervision.

    corruptions   six ways to spoil a box, drawn and applied apart
    placement     boxes in the uncertain region, in proportion to the uncertainty
    control       the same boxes at random places: equal volume, no guidance
    batch         the training step's entry
    loss          robust error of values and differences inside the mask
    quality       PSNR, SSIM and MAE inside the mask, against two solutions that need no learning
    restore       whole images through the restoration head
    spots         one patch around the pancreas, to place boxes in and to restore again and again
    compare       many patches judged, the largest errors, segmentation of corrupted patches
"""

from pancreas_ssl.restoration.batch import KINDS, corrupt_batch, place
from pancreas_ssl.restoration.compare import (
    ORIGINAL,
    RESTORED,
    RIVALS,
    compare_restorations,
    compare_segmentations,
    errors_of,
    verdict,
)
from pancreas_ssl.restoration.control import place_random
from pancreas_ssl.restoration.corruptions import (
    DEFAULT_FAMILIES,
    FAMILIES,
    Corruption,
    bezier,
    corrupt,
    draw_corruption,
)
from pancreas_ssl.restoration.loss import charbonnier, restoration_loss
from pancreas_ssl.restoration.placement import (
    Box,
    Placement,
    apply_placement,
    place_everywhere,
    place_guided,
)
from pancreas_ssl.restoration.quality import (
    against_trivial,
    beats_trivial,
    copy_of,
    hu_per_unit,
    local_mean,
    psnr,
    ssim,
)
from pancreas_ssl.restoration.restore import restore_image
from pancreas_ssl.restoration.spots import Attempt, Spot, attempt, place_on, recast, spot_of

__all__ = [
    "DEFAULT_FAMILIES",
    "FAMILIES",
    "KINDS",
    "ORIGINAL",
    "RESTORED",
    "RIVALS",
    "Attempt",
    "Box",
    "Corruption",
    "Placement",
    "Spot",
    "against_trivial",
    "apply_placement",
    "attempt",
    "beats_trivial",
    "bezier",
    "charbonnier",
    "compare_restorations",
    "compare_segmentations",
    "copy_of",
    "corrupt",
    "corrupt_batch",
    "draw_corruption",
    "errors_of",
    "hu_per_unit",
    "local_mean",
    "place",
    "place_on",
    "place_everywhere",
    "place_guided",
    "place_random",
    "psnr",
    "recast",
    "restoration_loss",
    "restore_image",
    "spot_of",
    "ssim",
    "verdict",
]
