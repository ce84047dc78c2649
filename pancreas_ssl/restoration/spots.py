"""One patch around the pancreas, looked at closely: where it may be corrupted, and what the network makes of it.

In training the patches come from a stream, with their maps. Here a single patch is taken from a prepared case, so that
a reader can place boxes in it, turn the corruption up and down and restore it again and again.

With a label, the maps are those of the training: U = 1 - (1 - U_s)(1 - a U_m), and the regions from it. **That needs
the label**: it is inspection of what training does, never prediction. Without a label (a new patient) only the model's
own doubt is left: U = U_m, and the uncertain region is where U_m reaches tau.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from pancreas_ssl.augmentation.patch import AIR, require
from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.errors import InputError
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.restoration.batch import KINDS, place
from pancreas_ssl.restoration.corruptions import DEFAULT_FAMILIES, draw_corruption
from pancreas_ssl.restoration.placement import COVERAGE, Box, Placement, apply_placement
from pancreas_ssl.restoration.restore import restore_image

__all__ = ["Attempt", "Spot", "attempt", "place_on", "recast", "spot_of"]


@dataclass(frozen=True)
class Spot:
    """A patch as a small case of its own, with its maps.

    case: image `(1, x, y, z)`, label or None, affine moved along. uncertainty: U. regions: codes of `Region`.
    labelled: whether the label went into the maps.
    """

    case: Prepared
    uncertainty: Float32[Tensor, "x y z"]
    regions: Int64[Tensor, "x y z"]
    labelled: bool

    @property
    def image(self) -> Float32[Tensor, "1 x y z"]:
        """The patch before any corruption."""
        return torch.from_numpy(self.case.image)

    @property
    def uncertain(self) -> Bool[Tensor, "x y z"]:
        """R: rim_in and rim_out."""
        from pancreas_ssl.uncertainty import Region

        return (self.regions == Region.RIM_IN) | (self.regions == Region.RIM_OUT)


@dataclass(frozen=True)
class Attempt:
    """A patch corrupted and restored. `restored` differs from the image within `placement.mask` only."""

    placement: Placement
    corrupted: Float32[Tensor, "1 x y z"]
    restored: Float32[Tensor, "1 x y z"]


def spot_of(
    model: Model,
    case: Prepared,
    *,
    use_label: bool = True,
    s_mm: float = 1.5,
    tau: float = 0.5,
    a: float = 1.0,
    device: str = "auto",
    precision: str = "auto",
) -> Spot:
    """The patch of the model's size around the pancreas, with uncertainty and regions.

    Args:
        model: its prediction gives U_m, and the place of the patch where no label is used.
        case: prepared.
        use_label: as in training. False: the maps are made from the image alone, for a new patient; a label, if any,
            stays with the patch to be drawn.
        s_mm, tau, a: as in `structural_map`, `regions` and `training_map`; by default as in the last steps of a
            training.
        device, precision: as in `predict_prepared`.

    Raises:
        InputError: a label is to be used and there is none, or nothing is predicted where it is not used.

    Example:
        >>> spot = spot_of(load_weights("restoration"), case)    # doctest: +SKIP
        >>> spot.uncertain.sum()    # doctest: +SKIP
    """
    from pancreas_ssl.evaluation.components import largest_component
    from pancreas_ssl.inference import predict_prepared
    from pancreas_ssl.uncertainty import (
        Region,
        body_mask,
        entropy,
        medial_skeleton,
        signed_distance,
        training_regions,
    )

    how = {"overlap": 0.25, "device": device, "precision": precision}
    if use_label:
        guide = case.label[0] != 0 if case.label is not None else np.zeros(case.image.shape[1:], bool)
        lacking = "a labelled pancreas", "use_label=False takes the model's own doubt"
    else:
        guide = largest_component(predict_prepared(model, case.image, **how)[1] > 0.5) != 0
        lacking = "some predicted pancreas", "without it there is no place to look at"
    require(bool(guide.any()), f"{lacking[0]} in case {case.id}", "none", lacking[1])
    start = _origin(guide, model, case)
    patch = _cut(case, start, model)
    probability = torch.from_numpy(predict_prepared(model, patch.image, crop=False, **how)[1])
    doubt, body = entropy(probability[None]), body_mask(torch.from_numpy(patch.image))[0]
    if use_label:
        label = torch.from_numpy(patch.label[0] != 0)
        whole = signed_distance(guide, case.spacing)  # of the whole label: the patch may cut it
        codes, uncertainty = training_regions(
            label,
            torch.from_numpy(_window(whole, start, model.patch, 1e3)),
            doubt,
            body,
            s_mm=s_mm,
            a=a,
            tau=tau,
            medial=torch.from_numpy(medial_skeleton(label.numpy())),
            predicted=probability > 0.5,
        )
    else:
        uncertainty, codes = doubt, torch.full(doubt.shape, int(Region.FAR))
        codes[~body] = Region.OUTSIDE
        codes[(probability > 0.5) & body] = Region.CORE
        codes[(doubt >= tau) & body] = Region.RIM_OUT
        codes[(doubt >= tau) & body & (probability > 0.5)] = Region.RIM_IN
    return Spot(patch, uncertainty.float(), codes, use_label)


def place_on(
    spot: Spot,
    seed: int = 0,
    kind: str = "guided",
    family: str | None = None,
    strength: float | None = None,
    coverage: tuple[float, float] = COVERAGE,
) -> Placement:
    """Draw a placement on a spot. The same seed gives the same boxes, whatever family and strength.

    Args:
        kind: one of `KINDS`.
        family: of all boxes; None: each box draws one of the default families, as in training.
        strength: 0 to 1; None draws it for each box.
        coverage: range of the share of R that is corrupted.

    Raises:
        InputError: see `place` and `draw_corruption`.

    Example:
        >>> place_on(spot, 3, "random", "noise", 0.8).mask.sum()    # doctest: +SKIP
    """
    require(kind in KINDS, f"a kind out of {', '.join(KINDS)}", kind, "name one of these")
    spacing = {} if kind == "everywhere" else {"spacing_mm": spot.case.spacing, "coverage": coverage}
    drawn = place(spot.uncertainty, spot.regions, np.random.default_rng([seed, 5]), kind, **spacing)
    return recast(drawn, family, strength, seed)


def recast(placement: Placement, family: str | None, strength: float | None, seed: int = 0) -> Placement:
    """The same boxes, each with a corruption drawn anew, from a generator of its own.

    A box keeps its other draws while the strength changes, so that only the strength changes.
    """
    families = DEFAULT_FAMILIES if family is None else (family,)
    boxes = [
        Box(
            box.low,
            box.high,
            draw_corruption(np.random.default_rng([seed, 7, k]), families, strength),
            box.piece,
        )
        for k, box in enumerate(placement.boxes)
    ]
    return Placement(tuple(boxes), placement.mask)


def attempt(
    model: Model, spot: Spot, placement: Placement, *, device: str = "auto", precision: str = "auto"
) -> Attempt:
    """Corrupt a spot and let the model restore it: one pass of the network on one patch.

    The head paints every voxel; its answer is put into the corrupted voxels alone.

    Raises:
        InputError: a model without restoration head, or a placement of another size.
    """
    corrupted = apply_placement(spot.image, placement)
    painted = restore_image(model, corrupted, overlap=0.0, device=device, precision=precision)
    return Attempt(placement, corrupted, torch.where(placement.mask, painted, corrupted))


def _cut(case: Prepared, start: np.ndarray, model: Model) -> Prepared:
    """The part of a case in the model's patch from the voxel `start` on; beyond the image there is air."""
    if tuple(case.spacing) != tuple(model.spacing):
        raise InputError(
            f"expected a case of {model.spacing} mm, got {case.spacing}; prepare it for this model"
        )
    affine = case.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start
    parts = {"image": _window(case.image[0], start, model.patch, AIR)[None]}
    for name in ("label", "organs"):
        if getattr(case, name) is not None:
            parts[name] = _window(getattr(case, name)[0], start, model.patch, 0)[None]
    return replace(case, affine=affine, **parts)


def _origin(guide: Bool[np.ndarray, "X Y Z"], model: Model, case: Prepared) -> np.ndarray:
    from pancreas_ssl.evaluation.components import bounding_box

    middle = np.array([(part.start + part.stop) // 2 for part in bounding_box(guide)])
    size, shape = np.array(model.patch), np.array(case.image.shape[1:])
    return np.clip(middle - size // 2, np.minimum(0, shape - size), np.maximum(0, shape - size))


def _window(array: np.ndarray, start: np.ndarray, size: tuple[int, ...], fill: float) -> np.ndarray:
    out = np.full(size, fill, array.dtype)
    low, high = np.maximum(start, 0), np.minimum(start + size, array.shape)
    inner = tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))
    out[inner] = array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return out
