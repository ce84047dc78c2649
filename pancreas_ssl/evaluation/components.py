"""The largest connected component of a binary mask."""

import numpy as np
import torch
from jaxtyping import Shaped, UInt8

from pancreas_ssl.method.structure import bounding_box

__all__ = ["largest_component"]


def largest_component(mask: Shaped[np.ndarray, "X Y Z"]) -> UInt8[np.ndarray, "X Y Z"]:
    """Keep the largest 26-connected component (most voxels) of a binary mask; non-zero counts as inside.

    The pancreas is one organ, so smaller islands are taken for mistakes. Neighbours by a corner count as connected,
    because a thin neck often hangs together only diagonally. An empty mask stays empty.

    Example:
        >>> mask = np.zeros((6, 3, 3), np.uint8); mask[0:3, 1, 1] = 1; mask[5, 1, 1] = 1
        >>> int(largest_component(mask).sum())
        3
    """
    from monai.transforms import KeepLargestConnectedComponent

    mask = np.asarray(mask) != 0
    kept = np.zeros(mask.shape, np.uint8)
    box = bounding_box(mask)
    if box is not None:
        keep = KeepLargestConnectedComponent(applied_labels=[1], is_onehot=False, connectivity=3)
        inside = torch.from_numpy(np.ascontiguousarray(mask[box], dtype=np.uint8))[None]
        kept[box] = np.asarray(keep(inside))[0]
    return kept
