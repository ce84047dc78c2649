"""Labels without fat: what annotators of real scans leave out, and a simulated label holds.

A phantom's label is the whole organ, with the fat between its lobules. Those who draw pancreases in real CT follow the
tissue. A network that learned the first from phantoms draws too wide an outline in a real scan: most of what it marks
wrongly there is fat.
"""

from dataclasses import replace

import numpy as np

from pancreas_ssl.data.preprocessing import Prepared

__all__ = ["lean"]

PANCREAS = 1


def lean(case: Prepared, above: float = -30.0) -> Prepared:
    """The case with darker voxels of its pancreas label turned into background, in the organ map too.

    Args:
        case: prepared, with a label.
        above: HU. -30 lies midway between fat (-100) and water-like tissue (40) and is the usual upper bound of fat.
            At the window's low end or below it nothing changes.

    The rule looks at single voxels of the network's grid, on which noise has been averaged; it holds for the image as
    it was scanned, before any appearance is varied.

    Example:
        >>> image, label = np.float32([[[[-0.8, 0.2]]]]), np.uint8([[[[1, 1]]]])
        >>> case = Prepared("1", "demo", image, label, (3.0,) * 3, np.eye(4), (-150.0, 250.0))
        >>> lean(case).label.tolist()    # -110 and 70 HU
        [[[[0, 1]]]]
    """
    low, high = case.window
    if case.label is None or above <= low:
        return case
    fat = (case.label == PANCREAS) & (case.image < 2 * (above - low) / (high - low) - 1)
    label = np.where(fat, 0, case.label).astype(case.label.dtype)
    organs = None if case.organs is None else np.where(fat, 0, case.organs).astype(case.organs.dtype)
    return replace(case, label=label, organs=organs)
