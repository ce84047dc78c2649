"""Random fields of a CT: noise with its power spectrum, texture, streaks, and how thickness adds noise."""

from functools import lru_cache
from itertools import product

import numpy as np
from jaxtyping import Float, UInt8
from scipy import fft
from scipy.ndimage import correlate1d

from pancreas_ssl.phantom.optics import box, modulation
from pancreas_ssl.phantom.tissues import Tissue

__all__ = ["noise_field", "noise_spectrum", "streak_field", "texture_field", "thickness_factor"]


@lru_cache(maxsize=64)
def noise_spectrum(kernel: str, shape: tuple[int, int], spacing: tuple[float, float]) -> Float[np.ndarray, "X Yhalf"]:
    """Noise power of filtered backprojection, sampled on a grid, unit variance.

    N(f) = sum over aliases of |f| MTF(f)^2, with f in 1/mm: the ramp filter squared over the angular sampling
    density leaves |f|, the kernel's MTF ends it (Riederer, Pelc and Chesler, Phys Med Biol 1978). Aliases are what
    lies above the grid's Nyquist frequency and folds back; a floor of 2 % stands for the electronics. The power is that
    of the half plane of `rfft2`; its mean over the full plane is 1.
    """
    fx, fy = fft.fftfreq(shape[0], spacing[0]), fft.rfftfreq(shape[1], spacing[1])
    power = np.zeros((shape[0], len(fy)))
    for i, j in product(range(-2, 3), repeat=2):
        f = np.hypot(fx[:, None] + i / spacing[0], fy[None] + j / spacing[1])
        power += f * modulation(kernel, f) ** 2
    power += 0.02 * power.max()
    weight = np.full(len(fy), 2.0)
    weight[0] = 1.0
    if shape[1] % 2 == 0:
        weight[-1] = 1.0
    power /= (power * weight).sum() / (shape[0] * shape[1])
    power.setflags(write=False)
    return power


def noise_field(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    kernel: str,
    slice_thickness: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "X Y Z"]:
    """Noise of unit standard deviation with the kernel's power spectrum in plane.

    Slices thicker than their distance share photons: neighbours are then correlated. Spacing and thickness in mm;
    kernel: a name among `KERNELS`.
    """
    amplitude = np.sqrt(noise_spectrum(kernel, tuple(shape[:2]), tuple(spacing[:2]))).astype(np.float32)
    white = rng.standard_normal((shape[2], shape[0], shape[1]), dtype=np.float32)
    if slice_thickness > 1.05 * spacing[2]:
        overlap = box(slice_thickness / spacing[2])
        white = correlate1d(white, overlap / np.linalg.norm(overlap), axis=0, mode="wrap")
    spectrum = fft.rfft2(white, axes=(1, 2))
    spectrum *= amplitude
    field = fft.irfft2(spectrum, s=shape[:2], axes=(1, 2), overwrite_x=True)
    return np.ascontiguousarray(field.transpose(1, 2, 0), dtype=np.float32)


def texture_field(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], length: float, rng: np.random.Generator
) -> Float[np.ndarray, "X Y Z"]:
    """Random field with a grain of about `length` mm, unit sd everywhere: linear between random nodes."""
    nodes = [max(2, int(np.ceil(n * s / length)) + 2) for n, s in zip(shape, spacing, strict=True)]
    field = rng.standard_normal(nodes, dtype=np.float32)
    for axis in (0, 1, 2):
        position = (np.arange(shape[axis]) * spacing[axis] / length + rng.uniform()).astype(np.float32)
        below = np.minimum(position.astype(int), nodes[axis] - 2)
        w = (position - below).reshape([-1 if a == axis else 1 for a in range(3)])
        w = w / np.sqrt(w**2 + (1 - w) ** 2), (1 - w) / np.sqrt(w**2 + (1 - w) ** 2)
        field = field.take(below + 1, axis) * w[0] + field.take(below, axis) * w[1]
    return field


_DENSE = {
    Tissue.CORTICAL_BONE: 1,
    Tissue.BOWEL_CONTRAST: 0.8,
    Tissue.GAS: 0.5,
    Tissue.MARROW: 0.25,
    Tissue.TABLE: 0.1,
    Tissue.METAL: 3,
}
_OPACITY = np.array([_DENSE.get(value, 0) for value in range(256)], np.float32)


def streak_field(
    tissue: UInt8[np.ndarray, "X Y Z"], spacing: tuple[float, float, float], rng: np.random.Generator, angles: int = 7
) -> Float[np.ndarray, "X Y Z"]:
    """Straight streaks through bone, gas and oral contrast, of about unit size behind 20 mm of cortical bone.

    Along each of a few directions theta every ray s = x cos theta + y sin theta gets one random value,
    scaled by sqrt(L / 20 mm) with L the length of dense matter it crosses; the values are laid back along the rays.
    Zero on average, different in each slice.
    """
    nx, ny, nz = tissue.shape
    x, y = (np.arange(n) * s for n, s in ((nx, spacing[0]), (ny, spacing[1])))
    dense = _OPACITY[tissue].reshape(nx * ny, nz)
    hits = np.flatnonzero(dense.any(axis=1))
    out = np.zeros((nx * ny, nz), dtype=np.float32)
    if not len(hits):
        return out.reshape(tissue.shape)
    dense = dense[hits] * np.float32(spacing[0])
    step = float(min(spacing[:2]))
    for theta in np.concatenate([[0.0, np.pi / 2], rng.uniform(0, np.pi, angles - 2)]) + rng.normal(0, 0.05, angles):
        s = x[:, None] * np.cos(theta) + y[None] * np.sin(theta)
        ray = np.rint((s - s.min()) / step).astype(np.intp).ravel()
        order = np.argsort(ray[hits], kind="stable")
        first = np.flatnonzero(np.diff(ray[hits][order], prepend=-1))
        length = np.zeros((ray.max() + 1, nz), dtype=np.float32)
        length[ray[hits][order][first]] = np.add.reduceat(dense[order], first, axis=0)
        value = rng.standard_normal(length.shape, dtype=np.float32) * np.sqrt(length / np.float32(20.0))
        out += (value - value.mean(axis=0))[ray]
    return (out / np.float32(angles**0.5)).reshape(tissue.shape)


def thickness_factor(
    hu: Float[np.ndarray, "X Y Z"], spacing: tuple[float, float, float], strength: float = 0.35
) -> tuple[Float[np.ndarray, "X Y Z"], Float[np.ndarray, "X Y Z"]]:
    """How noise grows with the matter that rays cross, relative to its mean in the body, and the body's mask.

    For rays along x and along y the water path is P = integral of max(0, 1 + HU/1000) dl; the noise variance
    of a voxel is the mean over both of exp(strength mu P), mu = 0.02 / mm. A strength of 1 would be an unmodulated
    beam without bow tie; tube current modulation and filters leave about a third. The factor is that of the standard
    deviation and 1 on average inside the body.
    """
    density = np.maximum(hu * np.float32(0.001) + np.float32(1), np.float32(0))
    along_x = density.sum(axis=0, dtype=np.float32) * np.float32(spacing[0])
    along_y = density.sum(axis=1, dtype=np.float32) * np.float32(spacing[1])
    rate = np.float32(0.02 * strength)
    variance = np.exp(rate * along_x)[None] + np.exp(rate * along_y)[:, None]
    factor = np.sqrt(variance, out=variance)
    body = density > 0.5
    mean = factor[body].mean() if body.any() else factor.mean()
    factor /= mean
    return factor, body
