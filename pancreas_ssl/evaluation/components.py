"""Binary masks: their bounding box and their largest connected component."""

import numpy as np
from jaxtyping import Bool, Shaped, UInt8

__all__ = ["bounding_box", "largest_component"]


def bounding_box(mask: Bool[np.ndarray, "X Y Z"], margin: int = 0) -> tuple[slice, slice, slice] | None:
    """Smallest box around the True voxels, grown by `margin` voxels within the array; None for an empty mask.

    Example:
        >>> mask = np.zeros((5, 5, 5), bool); mask[1:3, 2, 4] = True
        >>> bounding_box(mask)
        (slice(1, 3, None), slice(2, 3, None), slice(4, 5, None))
    """
    plane = mask.any(axis=2)
    profiles = [plane.any(axis=1), plane.any(axis=0)]
    if not profiles[0].any():
        return None
    inside = tuple(_span(profile, margin) for profile in profiles)
    return (*inside, _span(mask[inside].any(axis=(0, 1)), margin))


def _span(profile: Bool[np.ndarray, " N"], margin: int) -> slice:
    hits = np.flatnonzero(profile)
    return slice(max(int(hits[0]) - margin, 0), min(int(hits[-1]) + 1 + margin, len(profile)))


def largest_component(mask: Shaped[np.ndarray, "X Y Z"]) -> UInt8[np.ndarray, "X Y Z"]:
    """Keep the largest 26-connected component (most voxels) of a binary mask; non-zero counts as inside.

    The pancreas is one organ, so smaller islands are taken for mistakes. Neighbours by a corner count as
    connected, because a thin neck often hangs together only diagonally. An empty mask stays empty. Labelled by
    MONAI's `KeepLargestConnectedComponent` within the bounding box, so that full scans stay fast.

    Example:
        >>> mask = np.zeros((6, 3, 3), np.uint8); mask[0:3, 1, 1] = 1; mask[5, 1, 1] = 1
        >>> int(largest_component(mask).sum())
        3
    """
    import torch
    from monai.transforms import KeepLargestConnectedComponent

    mask = np.asarray(mask) != 0
    kept = np.zeros(mask.shape, np.uint8)
    box = bounding_box(mask)
    if box is not None:
        keep = KeepLargestConnectedComponent(applied_labels=[1], is_onehot=False, connectivity=3)
        inside = torch.from_numpy(np.ascontiguousarray(mask[box], dtype=np.uint8))[None]
        kept[box] = np.asarray(keep(inside))[0]
    return kept
