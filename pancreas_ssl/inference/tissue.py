"""Fat is no pancreas: what a network trained on phantoms marks too much of in a real scan, and a rule against it.

A phantom's label is a smooth organ with the fat between its lobules in it. Labels of real scans may follow the tissue:
in the two that were looked at, networks from phantoms drew too wide an outline. So a voxel of the network's grid is
kept only where at least half of it can be tissue. On the scan with contrast that helped every network, on a fatty
pancreas without contrast it cost some of them up to three points of Dice (`assets/study/NOTES.md`, look 12).
"""

import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from pancreas_ssl.data.preprocessing import Prepared, to_volume_grid
from pancreas_ssl.data.volume import Volume
from pancreas_ssl.method.structure import bounding_box

__all__ = ["TISSUE_ABOVE", "is_tissue", "without_fat"]

TISSUE_ABOVE = -30.0
"""HU. The usual upper bound of fat, and midway between fat (-100) and an unenhanced pancreas (40)."""


def is_tissue(prepared: Prepared, above: float = TISSUE_ABOVE) -> Bool[np.ndarray, "X Y Z"]:
    """Voxels of the network's grid of at least `above` HU; all of them where that lies below the window.

    Example:
        >>> import numpy as np
        >>> image = np.float32([[[[-0.8, 0.2]]]])    # -110 and 90 HU
        >>> is_tissue(Prepared("1", "demo", image, None, (3.0,) * 3, np.eye(4), (-150.0, 250.0))).tolist()
        [[[False, True]]]
    """
    return prepared.image[0] >= _level(prepared, above)


def without_fat(
    mask: Shaped[np.ndarray, "X Y Z"], prepared: Prepared, volume: Volume, above: float = TISSUE_ABOVE
) -> UInt8[np.ndarray, "X Y Z"]:
    """A mask on the scan's own grid without its fat, found in the scan as the network saw it.

    On the network's grid noise has been averaged; a threshold on a scan's thin voxels would leave a sponge. The rule
    comes after the largest component was chosen: fat that parts a lean organ in two takes neither part away.

    Args:
        mask: on the grid of `volume`, which was prepared as `prepared`.
        above: HU; at the window's low end or below it nothing changes.

    Example:
        >>> without_fat(prediction.mask, prediction.prepared, prediction.volume)    # doctest: +SKIP
    """
    mask = np.asarray(mask) > 0
    box = bounding_box(mask)
    if box is None or above <= prepared.window[0]:
        return mask.astype(np.uint8)
    seen = to_volume_grid(prepared.image[0], prepared, volume.part(box))
    kept = np.zeros(mask.shape, np.uint8)
    kept[box] = mask[box] & (seen >= _level(prepared, above))
    return kept


def _level(prepared: Prepared, hu: float) -> float:
    """HU on the scale of the prepared image."""
    low, high = prepared.window
    return 2 * (hu - low) / (high - low) - 1
