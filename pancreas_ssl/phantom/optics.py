"""What the scanner does to geometry: the point spread of a kernel, slices of some thickness, another grid."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import correlate1d
from scipy.special import erf

from pancreas_ssl.errors import require

__all__ = ["KERNELS", "average_axis", "blur", "box", "kernel_of", "majority_axis", "modulation", "output_axis"]

KERNELS: Mapping[str, tuple[float, float]] = {"smooth": (1.45, 0.0), "medium": (0.95, 0.0), "sharp": (0.6, 0.35)}
"""Reconstruction kernels: Gaussian width sigma in mm, share of edge enhancement. Their MTF falls to one half at 0.13,
0.20 and (with the enhancement) 0.38 line pairs per mm."""

_WIDER = 2.2  # the blurred copy that edge enhancement subtracts is this much wider


def kernel_of(name: str) -> tuple[float, float]:
    """(sigma, enhancement) of the kernel of that name; an unknown one is an `InputError`."""
    require(name in KERNELS, f"a kernel among {', '.join(KERNELS)}", repr(name), "choose one of them")
    return KERNELS[name]


def modulation(name: str, f: Float[np.ndarray, "*grid"]) -> Float[np.ndarray, "*grid"]:
    """Modulation transfer of a kernel at frequency f (1/mm): (1 + e) g(sigma) - e g(2.2 sigma), g a Gaussian's."""
    sigma, e = kernel_of(name)
    near = np.exp(-2 * np.pi**2 * sigma**2 * f**2)
    return (1 + e) * near - e * np.exp(-2 * np.pi**2 * (_WIDER * sigma) ** 2 * f**2)


@lru_cache(maxsize=256)
def gaussian(sigma: float) -> Float[np.ndarray, "K"]:
    """Weights of a Gaussian integrated over voxels, sigma in voxels, odd length, sum 1."""
    reach = max(1, int(np.ceil(3 * sigma)))
    edges = (np.arange(-reach, reach + 2) - 0.5) / max(sigma, 1e-6) / 2**0.5
    weights = np.diff(erf(edges))
    weights = (weights / weights.sum()).astype(np.float32)
    weights.setflags(write=False)
    return weights


@lru_cache(maxsize=256)
def box(width: float) -> Float[np.ndarray, "K"]:
    """Weights of a centred box, width in voxels, fractional ends, sum 1."""
    reach = max(1, int(np.ceil((width - 1) / 2)))
    left = np.arange(-reach, reach + 1) - 0.5
    weights = np.clip(np.minimum(left + 1, width / 2) - np.maximum(left, -width / 2), 0, None)
    weights = (weights / weights.sum()).astype(np.float32)
    weights.setflags(write=False)
    return weights


@lru_cache(maxsize=64)
def point_spread(kernel: str, spacing: float) -> Float[np.ndarray, "K"]:
    """In-plane weights of kernel and voxel together: variances add, a voxel's is spacing^2 / 12."""
    sigma, e = kernel_of(kernel)
    voxel = spacing**2 / 12
    near, far = (gaussian((s**2 + voxel) ** 0.5 / spacing) for s in (sigma, _WIDER * sigma))
    weights = -e * far
    pad = (len(far) - len(near)) // 2
    weights[pad : len(far) - pad] += (1 + e) * near
    if not e:
        weights = near
    return weights.astype(np.float32)


def blur(
    hu: Float[np.ndarray, "X Y Z"], spacing: tuple[float, float, float], kernel: str, slice_thickness: float = 0.0
) -> Float[np.ndarray, "X Y Z"]:
    """Point spread on the same grid: the kernel in plane, the slice's thickness along z, the voxel in all three.

    Spacing and thickness in mm; a thickness below the spacing adds nothing. `kernel` is a name among `KERNELS`.
    """
    for axis in (0, 1):
        hu = correlate1d(hu, point_spread(kernel, float(spacing[axis])), axis=axis, mode="nearest")
    width = max(slice_thickness / spacing[2], 1.0)
    along = gaussian(12**-0.5) if width < 1.05 else np.convolve(box(width), gaussian(12**-0.5))
    return correlate1d(hu, along, axis=2, mode="nearest")


def output_axis(
    n: int, spacing: float, out_spacing: float, thickness: float = 0.0
) -> tuple[int, float, list[tuple[slice, np.ndarray]]]:
    """Where the voxels of another grid draw from, along one axis of the same extent.

    Args:
        n, spacing, out_spacing: voxels of the input; their side and that of the output's voxels, mm.
        thickness: what an output voxel averages over, mm; never less than its spacing.

    Returns:
        count of output voxels, position of the first one's centre from the first input centre (mm), and for
        each output voxel a range of input voxels with weights (sum 1).
    """
    count = max(1, int(np.floor(n * spacing / out_spacing + 1e-6)))
    start = (n * spacing - count * out_spacing) / 2
    width = max(thickness, out_spacing)
    taps = []
    for k in range(count):
        centre = start + (k + 0.5) * out_spacing
        low, high = max(centre - width / 2, 0.0), min(centre + width / 2, n * spacing)
        first = int(np.floor(low / spacing + 1e-6))
        last = min(n, int(np.ceil(high / spacing - 1e-6)))
        left = np.arange(first, last) * spacing
        weights = np.minimum(left + spacing, high) - np.maximum(left, low)
        taps.append((slice(first, last), (weights / weights.sum()).astype(np.float32)))
    return count, start + out_spacing / 2 - spacing / 2, taps


def average_axis(hu: Float[np.ndarray, "X Y Z"], axis: int, taps) -> Float[np.ndarray, "..."]:
    """Weighted means along one axis, as `output_axis` lays them out."""
    moved = np.ascontiguousarray(np.moveaxis(hu, axis, 0))
    out = np.zeros((len(taps), *moved.shape[1:]), dtype=np.float32)
    for row, (span, weights) in zip(out, taps, strict=True):
        for j, w in zip(range(span.start, span.stop), weights, strict=True):
            row += w * moved[j]
    return np.moveaxis(out, 0, axis)


def majority_axis(labels: UInt8[np.ndarray, "X Y Z"], axis: int, taps) -> UInt8[np.ndarray, "..."]:
    """The label that covers most of each output voxel's width; of equals, the first along the axis."""
    moved = np.ascontiguousarray(np.moveaxis(labels, axis, 0))
    out = np.empty((len(taps), *moved.shape[1:]), dtype=labels.dtype)
    for row, (span, weights) in zip(out, taps, strict=True):
        candidates = [moved[j] for j in range(span.start, span.stop)]
        row[...] = candidates[0]
        best = sum(w * (other == candidates[0]) for w, other in zip(weights, candidates, strict=True))
        for mine in candidates[1:]:
            votes = sum(w * (other == mine) for w, other in zip(weights, candidates, strict=True))
            better = votes > best + 1e-6
            row[better] = mine[better]
            best = np.maximum(best, votes)
    return np.moveaxis(out, 0, axis)
