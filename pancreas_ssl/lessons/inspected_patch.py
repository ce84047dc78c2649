"""One patch around the pancreas, looked at closely: where it may be corrupted, and what the network makes of it.

A reader can place boxes in it, turn the corruption up and down and restore it again and again.

With a label, the maps are those of the training: U = 1 - (1 - U_s)(1 - a U_m), and the regions from it. **That needs
the label**: it is inspection of what training does, never prediction. Without a label (a new patient) only the model's
own uncertainty is left: U = U_m, and the uncertain region is where U_m reaches tau.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from pancreas_ssl.augmentation.patch import AIR
from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.errors import require
from pancreas_ssl.evaluation.components import largest_component
from pancreas_ssl.inference.restore import restore_image
from pancreas_ssl.inference.sliding import predict_prepared
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.method.corruptions import DEFAULT_FAMILIES, draw_corruption
from pancreas_ssl.method.placement import COVERAGE, PLACEMENTS, Placement, apply_placement, place
from pancreas_ssl.method.regions import Region, body_mask, uncertain_region
from pancreas_ssl.method.structure import bounding_box, label_regions, signed_distance
from pancreas_ssl.method.uncertainty import entropy

__all__ = ["InspectedPatch", "RestorationResult", "inspect_patch", "place_boxes", "redraw_corruptions", "restore_patch"]


@dataclass(frozen=True)
class InspectedPatch:
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
        return uncertain_region(self.regions)


@dataclass(frozen=True)
class RestorationResult:
    """A patch corrupted and restored. `restored` differs from the image within `placement.mask` only."""

    placement: Placement
    corrupted: Float32[Tensor, "1 x y z"]
    restored: Float32[Tensor, "1 x y z"]


def inspect_patch(
    model: Model,
    case: Prepared,
    *,
    use_label: bool = True,
    s_mm: float = 1.5,
    tau: float = 0.5,
    a: float = 1.0,
    device: str = "auto",
    precision: str = "auto",
) -> InspectedPatch:
    """The patch of the model's size around the pancreas, with uncertainty and regions.

    Args:
        model: its prediction gives U_m, and the place of the patch where no label is used.
        case: prepared.
        use_label: as in training. False: the maps are made from the image alone, for a new patient; a label, if any,
            stays with the patch to be drawn.
        s_mm, tau, a: as in `structural_map`, `regions` and `training_map`; by default as at the end of a training.
        device, precision: as in `predict_prepared`.

    Raises:
        InputError: a label is to be used and there is none, or nothing is predicted where it is not used.

    Example:
        >>> patch = inspect_patch(load_weights("restoration"), case)    # doctest: +SKIP
        >>> patch.uncertain.sum()    # doctest: +SKIP
    """
    how = {"overlap": 0.25, "device": device, "precision": precision}
    if use_label:
        guide = case.label[0] != 0 if case.label is not None else np.zeros(case.image.shape[1:], bool)
        lacking = "a labelled pancreas", "use_label=False takes the model's own uncertainty"
    else:
        guide = largest_component(predict_prepared(model, case.image, **how)[1] > 0.5) != 0
        lacking = "some predicted pancreas", "without it there is no place to look at"
    require(bool(guide.any()), f"{lacking[0]} in case {case.id}", "none", lacking[1])
    fits = tuple(case.spacing) == tuple(model.spacing)
    require(fits, f"a case of {model.spacing} mm", case.spacing, "prepare it for this model")
    start = _start(guide, model.patch)
    patch = _cut(case, start, model.patch)
    probability = torch.from_numpy(predict_prepared(model, patch.image, crop=False, **how)[1])
    predicted, own = probability > 0.5, entropy(probability[None])
    if use_label:  # the distance is that of the whole label: the patch may cut it
        distance = _window(signed_distance(guide, case.spacing), start, model.patch, 1e3)
        maps = patch.label[0], patch.image[0], case.spacing, own, distance
        codes, uncertainty = label_regions(*maps, s_mm=s_mm, a=a, tau=tau, predicted=predicted)
    else:
        body, uncertainty = body_mask(torch.from_numpy(patch.image))[0], own
        codes = torch.where(predicted, int(Region.CORE), int(Region.FAR))
        rim = torch.where(predicted, int(Region.RIM_IN), int(Region.RIM_OUT))
        codes = torch.where(own >= tau, rim, codes).masked_fill(~body, int(Region.OUTSIDE))
    return InspectedPatch(patch, uncertainty.float(), codes, use_label)


def place_boxes(
    patch: InspectedPatch,
    seed: int = 0,
    kind: str = "guided",
    family: str | None = None,
    strength: float | None = None,
    coverage: tuple[float, float] = COVERAGE,
) -> Placement:
    """Draw a placement on a patch. The same seed gives the same boxes, whatever family and strength.

    Args:
        kind: one of `PLACEMENTS`.
        family: of all boxes; None: each box draws one of the default families, as in training.
        strength: 0 to 1; None draws it for each box.
        coverage: range of the share of R that is corrupted.

    Raises:
        InputError: see `place` and `draw_corruption`.

    Example:
        >>> place_boxes(patch, 3, "random", "noise", 0.8).mask.sum()    # doctest: +SKIP
    """
    require(kind in PLACEMENTS, f"a kind out of {', '.join(PLACEMENTS)}", kind, "name one of these")
    spacing = {} if kind == "everywhere" else {"spacing_mm": patch.case.spacing, "coverage": coverage}
    placement = place(patch.uncertainty, patch.regions, np.random.default_rng([seed, 5]), kind, **spacing)
    return redraw_corruptions(placement, family, strength, seed)


def redraw_corruptions(placement: Placement, family: str | None, strength: float | None, seed: int = 0) -> Placement:
    """The same boxes, each with a corruption drawn anew, from a generator of its own.

    A box keeps its other draws while the strength changes, so that only the strength changes.
    """
    families = DEFAULT_FAMILIES if family is None else (family,)
    boxes = [
        replace(box, corruption=draw_corruption(np.random.default_rng([seed, 7, k]), families, strength))
        for k, box in enumerate(placement.boxes)
    ]
    return Placement(tuple(boxes), placement.mask)


def restore_patch(
    model: Model, patch: InspectedPatch, placement: Placement, *, device: str = "auto", precision: str = "auto"
) -> RestorationResult:
    """Corrupt a patch and let the model restore it: one pass of the network.

    The head reconstructs every voxel; its answer is put into the corrupted voxels alone.

    Raises:
        InputError: a model without restoration head, or a placement of another size.
    """
    corrupted = apply_placement(patch.image, placement)
    reconstructed = restore_image(model, corrupted, overlap=0.0, device=device, precision=precision)
    return RestorationResult(placement, corrupted, torch.where(placement.mask, reconstructed, corrupted))


def _start(guide: Bool[np.ndarray, "X Y Z"], size: tuple[int, ...]) -> np.ndarray:
    """First voxel of the patch that has the guide in its middle, kept inside the image where it fits."""
    middle = np.array([(part.start + part.stop) // 2 for part in bounding_box(guide)])
    spare = np.array(guide.shape) - size
    return np.clip(middle - np.array(size) // 2, np.minimum(0, spare), np.maximum(0, spare))


def _cut(case: Prepared, start: np.ndarray, size: tuple[int, ...]) -> Prepared:
    """The part of a case from the voxel `start` on; beyond the image there is air."""
    affine = case.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start
    arrays = {"image": (case.image, AIR), "label": (case.label, 0), "organs": (case.organs, 0)}
    parts = {k: _window(array[0], start, size, fill)[None] for k, (array, fill) in arrays.items() if array is not None}
    return replace(case, affine=affine, **parts)


def _window(array: np.ndarray, start: np.ndarray, size: tuple[int, ...], fill: float) -> np.ndarray:
    out = np.full(size, fill, array.dtype)
    low, high = np.maximum(start, 0), np.minimum(start + size, array.shape)
    inner = tuple(map(slice, low - start, high - start))
    out[inner] = array[tuple(map(slice, low, high))]
    return out
