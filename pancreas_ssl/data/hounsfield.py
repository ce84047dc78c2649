"""Do the voxels look like HU? Scaled images, MR, and CT without its offset are told apart by a few numbers."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Num

from pancreas_ssl.data.volume import Volume
from pancreas_ssl.errors import InputError

__all__ = ["PADDING", "HUFacts", "check_image", "hu_facts"]

PADDING = -1024.0  # at or below: scanners write -1024, -2048, -3024 where they measured nothing; air is near -1000


@dataclass(frozen=True)
class HUFacts:
    """Numbers about an image, padding left out of all but the first.

    `padding`: share of voxels at or below -1024. `low`, `high`: the range of the others. `soft`: the share of them
    with HU of fat to bright vessels (-200 to 300). `air`: their median below -900 HU (NaN without any).
    `clipped`: share of them that sits exactly on `low` or `high`.
    """

    padding: float
    low: float
    high: float
    soft: float
    air: float
    clipped: float


def hu_facts(array: Num[np.ndarray, "X Y Z"]) -> HUFacts:
    """Measured on every second voxel along each axis where the scan is larger than two million voxels."""
    seen = array[::2, ::2, ::2] if array.size > 2_000_000 else array
    measured = seen[seen > PADDING]
    if measured.size == 0:
        return HUFacts(1.0, float(seen.max()), float(seen.max()), 0.0, float("nan"), 1.0)
    low, high = float(measured.min()), float(measured.max())
    air = measured[measured < -900]
    soft = float(np.mean((measured > -200) & (measured < 300)))
    clipped = float(np.mean((measured == low) | (measured == high)))
    median = float(np.median(air)) if air.size else float("nan")
    return HUFacts(1 - measured.size / seen.size, low, high, soft, median, clipped)


def check_image(volume: Volume) -> HUFacts:
    """Raise where the voxels cannot be HU: constant, scaled, MR-like, or a CT whose offset was lost or applied twice.

    Returns what was measured. Padding (-1024 and below) is not taken for air.

    Raises:
        InputError: with the range found and the likely cause.

    Example:
        >>> air_and_water = np.linspace(-1000, 400, 1000, dtype=np.float32).reshape(10, 10, 10)
        >>> round(check_image(Volume(air_and_water, np.eye(4))).soft, 1)
        0.4
    """
    name = volume.original.path if volume.original and volume.original.path else "the image"
    facts = hu_facts(volume.array)
    span = f"its values lie from {facts.low:g} to {facts.high:g}"
    if facts.high == facts.low:
        raise InputError(f"expected a CT in HU, {name} has the same value {facts.low:g} everywhere; export it again")
    if facts.high - facts.low < 300:
        usual = "HU (air -1000, soft tissue 0 to 100, bone above 300)"
        raise InputError(f"expected {usual}, {name} looks scaled: {span}; convert it back to HU")
    if facts.low > -50:
        likely, remedy = "MR, or like CT without its offset", "use a CT, or add the rescale intercept (often -1024)"
        raise InputError(f"expected HU with fat and air below -50, {name} looks like {likely}: {span}; {remedy}")
    if facts.soft < 0.01:
        share = f"next to none ({facts.soft:.1%} of its voxels), {span}"
        remedy = "the rescale intercept may have been applied twice"
        raise InputError(f"expected soft tissue between -200 and 300 HU, {name} has {share}; {remedy}")
    return facts
