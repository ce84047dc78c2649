"""One source's CT of an anatomy: tissues become HU, HU become what this scanner would have shown."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int16, Int64, UInt8

from pancreas_ssl.phantom.anatomy import Anatomy
from pancreas_ssl.phantom.fields import noise_field, streak_field, texture_field, thickness_factor
from pancreas_ssl.phantom.optics import average_axis, blur, majority_axis, output_axis
from pancreas_ssl.phantom.phases import COARSE, FINE, TEXTURE
from pancreas_ssl.phantom.profiles import find_source
from pancreas_ssl.phantom.sources import Source, draw_profile
from pancreas_ssl.phantom.tissues import Organ, Tissue

__all__ = ["Scan", "render", "scan"]

CLEARANCE = 12.0  # mm of tissue kept above and below the pancreas by a crop
LOWEST, HIGHEST = -1024, 3071  # what 12-bit CT can store


@dataclass(frozen=True)
class Scan:
    """A CT with its reference labels.

    image: HU, RAS. organ: `Organ` values. label: 1 = pancreas. affine: voxel to RAS mm. profile: the HU drawn for each
    tissue of this patient, before calibration. calibration: (gain, offset) drawn: image = gain HU + offset above
    -200 HU; air keeps its -1000. source: its name. tissue: `Tissue` values on the image's grid.
    """

    image: Int16[np.ndarray, "X Y Z"]
    organ: UInt8[np.ndarray, "X Y Z"]
    label: UInt8[np.ndarray, "X Y Z"]
    affine: Float[np.ndarray, "4 4"]
    profile: Mapping[Tissue, float]
    calibration: tuple[float, float] = (1.0, 0.0)
    source: str = ""
    tissue: UInt8[np.ndarray, "X Y Z"] | None = None

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm."""
        return tuple(float(s) for s in np.linalg.norm(self.affine[:3, :3], axis=0))


def _streams(rng: np.random.Generator, names: str) -> dict[str, np.random.Generator]:
    """A generator per part of the chain, so that a change of one part leaves the others' draws alone."""
    parts = names.split()
    return dict(zip(parts, map(np.random.default_rng, rng.integers(0, 2**63, len(parts))), strict=True))


def _paint(tissue, profile, source: Source, spacing, rng) -> Float32[np.ndarray, "X Y Z"]:
    """HU per voxel: the tissue's drawn mean plus its fine and coarse texture."""
    mean, fine, coarse = (np.zeros(256, dtype=np.float32) for _ in range(3))
    for t in Tissue:
        mean[t] = profile[t]
        near, far = TEXTURE[t]
        fine[t], coarse[t] = source.texture * near, source.texture * source.coarse_texture.get(t, far)
    grain = texture_field(tissue.shape, spacing, FINE, rng) * fine[tissue]
    cloud = texture_field(tissue.shape, spacing, COARSE, rng) * coarse[tissue]
    hu = mean[tissue]
    hu += grain
    hu += cloud
    hu -= _drift(tissue, cloud, grain)[tissue]
    return hu


def _drift(tissue, *fields) -> Float32[np.ndarray, "256"]:
    """Mean of the textures in each tissue's interior, so that what is measured there is what was drawn.

    Every second voxel is looked at; interior are those whose six neighbours (two voxels away) are of the same
    tissue. A tissue with fewer than 30 of them is averaged whole.
    """
    part = (slice(None, None, 2),) * 3
    where = tissue[part]
    core = np.ones(where.shape, dtype=bool)
    for axis in range(3):
        same = np.diff(where.view(np.int8), axis=axis) == 0
        line = np.moveaxis(core, axis, 0)
        line[:-1] &= np.moveaxis(same, axis, 0)
        line[1:] &= np.moveaxis(same, axis, 0)
    value = sum(f[part] for f in fields)
    total, count = np.bincount(where.ravel(), value.ravel(), 256), np.bincount(where.ravel(), minlength=256)
    inner = where[core]
    inner_total, inner_count = np.bincount(inner, value[core], 256), np.bincount(inner, minlength=256)
    enough = inner_count >= 30
    mean = np.where(enough, inner_total, total) / np.maximum(np.where(enough, inner_count, count), 1)
    return mean.astype(np.float32)


def _calibrate(hu, source: Source, rng) -> tuple[Float32[np.ndarray, "X Y Z"], tuple[float, float]]:
    """Add (gain - 1) HU + offset, fading out from -200 to -1000 HU: the scanner's air calibration holds there."""
    normal = np.clip(rng.standard_normal(2), -2, 2)
    gain = source.calibration[0] + source.calibration_sd[0] * float(normal[0])
    offset = source.calibration[1] + source.calibration_sd[1] * float(normal[1])
    shift = hu * np.float32(gain - 1)
    shift += np.float32(offset)
    shift *= np.clip(hu * np.float32(1 / 800) + np.float32(1000 / 800), 0, 1)
    hu += shift
    return hu, (gain, offset)


def render(
    tissue: UInt8[np.ndarray, "X Y Z"],
    source: str | Source,
    rng: np.random.Generator,
    spacing: tuple[float, float, float] = (3.0, 3.0, 3.0),
) -> Float32[np.ndarray, "X Y Z"]:
    """HU (-1024 to 3071) of a tissue map, or of a patch of one, on the same grid: to draw each patch anew in training.

    Profile, texture, streaks, point spread and slice thickness, noise and calibration; no other grid, no crop,
    no padding, and noise that does not depend on the body around the patch. `source` is a name or a `Source`.

    Example:
        >>> patch = np.full((16, 16, 16), Tissue.LIVER, dtype=np.uint8)
        >>> float(render(patch, "A", np.random.default_rng(0)).mean()) > 80
        True
    """
    source = find_source(source)
    parts = _streams(rng, "profile texture streaks noise calibration")
    hu = _paint(tissue, draw_profile(source, parts["profile"]), source, spacing, parts["texture"])
    if source.streaks > 0:
        hu += np.float32(source.streaks) * streak_field(tissue, spacing, parts["streaks"])
    hu = blur(hu, spacing, source.kernel, source.slice_thickness)
    hu += _noise(hu.shape, spacing, source, parts["noise"])
    hu, _ = _calibrate(hu, source, parts["calibration"])
    return np.clip(hu, LOWEST, HIGHEST, out=hu)


def _noise(shape, spacing, source: Source, rng) -> Float32[np.ndarray, "X Y Z"]:
    """Noise of the patient's level: the source's, times a log-normal factor."""
    level = source.noise_sd * float(np.exp(source.noise_jitter * np.clip(rng.standard_normal(), -2, 2)))
    field = noise_field(shape, spacing, source.kernel, source.slice_thickness, rng)
    field *= np.float32(level)
    return field


def _window(organ, source: Source, spacing: tuple[float, float, float], rng) -> tuple[Int64[np.ndarray, "N"], tuple]:
    """Which slices the scan covers (a breath makes it skip some, or see them twice), and which part of x and y."""
    uniform = rng.uniform(size=7)
    slices = np.arange(organ.shape[2])[_crop(organ, source, spacing[2], *uniform[:3])]
    if uniform[3] < source.breathing and len(slices) > 8:
        low, high = source.breathing_mm
        jump = max(1, round((low + (high - low) * uniform[4]) / spacing[2])) * (1 if uniform[5] < 0.5 else -1)
        at = len(slices) // 4 + int(uniform[6] * len(slices) / 2)
        slices = np.concatenate([slices[:at], slices[at + jump :]])
    shape, plane = organ.shape[:2], np.array(organ.shape[:2])
    if source.reconstructed is not None:
        low, high = source.reconstructed
        plane = np.minimum(plane, np.rint((low + (high - low) * rng.uniform()) / np.array(spacing[:2])).astype(int))
    first = (shape - plane) // 2
    return slices, tuple(map(slice, first.tolist(), (first + plane).tolist()))


def _crop(organ, source: Source, spacing: float, happens: float, below: float, above: float) -> slice:
    """Which slices a scan without a breath covers."""
    n = organ.shape[2]
    if happens >= source.crop:
        return slice(0, n)
    low, high = source.crop_range
    first = round(n * (low + (high - low) * below))
    last = n - round(n * (low + (high - low) * above))
    inside = np.flatnonzero((organ == Organ.PANCREAS).any(axis=(0, 1)))
    if source.spare_pancreas and len(inside):
        keep = int(np.ceil(CLEARANCE / spacing))
        first, last = min(first, max(inside[0] - keep, 0)), max(last, min(inside[-1] + 1 + keep, n))
    return slice(first, max(last, first + 1))


def _outside_circle(shape, spacing) -> Bool[np.ndarray, "X Y"]:
    """Pixels beyond the round field of view, as wide as the longer side of the picture."""
    x, y = ((np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape[:2], spacing[:2], strict=True))
    radius = max(shape[0] * spacing[0], shape[1] * spacing[1]) / 2
    return np.hypot(x[:, None], y[None]) > radius


def scan(anatomy: Anatomy, source: str | Source, seed: int) -> Scan:
    """Scan an anatomy.

    The chain: crop, HU with texture, streaks, kernel, slices on the source's own grid, noise that grows with the
    matter crossed, cupping, calibration, round field of view, int16. The organ maps follow by majority.
    Each part draws from a stream of its own: two sources that differ in one field give, with one seed, two scans
    that differ in that respect alone. In the interior of an organ the mean of (image - offset) / gain is the drawn
    profile, mixed over the tissues found there, within 8 HU. `source` is a name or a `Source`.

    Example:
        >>> scan(make_anatomy(seed=1), "A", seed=2).image.dtype    # doctest: +SKIP
        dtype('int16')
    """
    source = find_source(source)
    parts = _streams(np.random.default_rng(seed), "crop profile texture streaks noise calibration")
    spacing = tuple(float(s) for s in np.linalg.norm(anatomy.affine[:3, :3], axis=0))
    slices, plane = _window(anatomy.organ, source, spacing, parts["crop"])
    tissue, organ = (volume[*plane][:, :, slices] for volume in (anatomy.tissue, anatomy.organ))
    origin = np.array([*(part.start for part in plane), slices[0]]) * spacing

    profile = draw_profile(source, parts["profile"])
    hu = _paint(tissue, profile, source, spacing, parts["texture"])
    if source.streaks > 0:
        hu += np.float32(source.streaks) * streak_field(tissue, spacing, parts["streaks"])
    hu = blur(hu, spacing, source.kernel)

    for axis in range(3):
        thickness = source.slice_thickness if axis == 2 else 0.0
        if np.isclose(source.spacing[axis], spacing[axis]) and thickness <= 1.05 * spacing[axis]:
            continue
        _, start, taps = output_axis(hu.shape[axis], spacing[axis], source.spacing[axis], thickness)
        origin[axis] += start
        hu = average_axis(hu, axis, taps)
        tissue, organ = majority_axis(tissue, axis, taps), majority_axis(organ, axis, taps)
    hu = np.ascontiguousarray(hu)

    factor, body = thickness_factor(hu, source.spacing)
    noise = _noise(hu.shape, source.spacing, source, parts["noise"])
    noise *= factor
    hu += noise
    if source.cupping and body.any():
        factor -= 1
        factor *= np.float32(source.cupping / max(2 * float(factor[body].std()), 1e-3))
        hu -= np.where(body, factor, np.float32(0))
    hu, calibration = _calibrate(hu, source, parts["calibration"])
    image = np.rint(np.clip(hu, LOWEST, HIGHEST, out=hu), out=hu).astype(np.int16)
    if source.padding is not None:
        image[_outside_circle(image.shape, source.spacing)] = source.padding

    affine = np.array(anatomy.affine, dtype=float)
    direction = affine[:3, :3] / np.asarray(spacing)
    affine[:3, 3] += direction @ origin
    affine[:3, :3] = direction * np.asarray(source.spacing)
    organ = np.ascontiguousarray(organ)
    label = (organ == Organ.PANCREAS).astype(np.uint8)
    return Scan(image, organ, label, affine, profile, calibration, source.name, np.ascontiguousarray(tissue))
