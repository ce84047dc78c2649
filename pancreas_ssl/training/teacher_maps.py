"""What guides the two modules in a training patch: the label's structure, and where a teacher is uncertain.

Per training case three maps on its grid: the signed distance to the pancreas's surface (mm), its medial skeleton, and
the teacher's probability of pancreas. The first two follow from the label and never change. The teacher is the moving
average of the weights; it predicts all cases once every `recipe.teacher_every` steps and only where it matters, in a
box around the pancreas. That costs a few seconds each time, where a teacher's pass in every step would cost a third of
a step each time. The maps are cut together with the image, so regions follow every turn of a patch. They are kept
where they say anything, in a box of `LIMIT` mm around the pancreas: at 1 mm a ninth of an abdomen.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from pancreas_ssl.data.prepared_cache import Mapped
from pancreas_ssl.data.preprocessing import Prepared, labelled_voxels
from pancreas_ssl.inference.sliding import predict_prepared
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.method.dual import BAND_MM
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.method.structure import medial_skeleton, signed_distance
from pancreas_ssl.training.streaming import BoxedMaps, scratch

__all__ = ["OUTSIDE", "TeacherMaps", "map_bytes"]

LIMIT = 30.0  # mm at which the signed distance is cut off
OUTSIDE = (LIMIT, 0.0, 0.0)  # distance, skeleton and probability beyond the volume
LEVELS = 255  # the teacher's probabilities are kept in steps of 1/255


def map_bytes(cases: Sequence[Prepared]) -> int:
    """Bytes of the maps of these cases."""
    return sum(int(np.prod([3, 2, *_sizes(_box(case, _reach(case)))])) for case in cases)


def _reach(case: Prepared) -> list[int]:
    """Voxels around the label beyond which the distance is `LIMIT`."""
    return [int(np.ceil(LIMIT / side)) + 2 for side in case.spacing]


def _box(case: Prepared, reach: Sequence[int]) -> tuple[slice, slice, slice] | None:
    inside = labelled_voxels(case) if isinstance(case.label, Mapped) else np.argwhere(case.label[0] == 1)
    if not len(inside):
        return None
    low, high = inside.min(0).astype(int) - reach, inside.max(0).astype(int) + 1 + reach
    return tuple(slice(max(int(a), 0), min(int(b), n)) for a, b, n in zip(low, high, case.image.shape[1:], strict=True))


def _sizes(box: tuple[slice, slice, slice] | None) -> tuple[int, ...]:
    return (0, 0, 0) if box is None else tuple(part.stop - part.start for part in box)


class TeacherMaps:
    """The maps of all training cases.

    Example:
        >>> teacher = TeacherMaps(train, Recipe())    # doctest: +SKIP
        >>> teacher.refresh(ema)    # doctest: +SKIP
        >>> teacher.maps[0].whole().shape    # distance, skeleton, probability    # doctest: +SKIP
        torch.Size([3, 96, 80, 70])
    """

    def __init__(
        self,
        cases: Sequence[Prepared],
        recipe: Recipe,
        device: torch.device | str = "cpu",
        folder: str | Path | None = None,
    ):
        """Distances and skeletons now; the teacher's probability is 0 until `refresh`.

        Args:
            folder: for a file that holds the maps, where the memory cannot.
        """
        self.recipe = recipe
        self.images = [case.image for case in cases]
        margin = int(np.ceil((BAND_MM + LIMIT) / 2 / recipe.spacing))
        self.boxes = [_box(case, [margin] * 3) for case in cases]
        places = [_box(case, _reach(case)) for case in cases]
        shapes = [(3, *_sizes(place)) for place in places]
        kept = scratch(shapes, Path(folder) / "maps") if folder is not None else None
        self.maps: list[BoxedMaps] = []
        for k, (case, place) in enumerate(zip(cases, places, strict=True)):
            values = torch.zeros(shapes[k], dtype=torch.float16, device="cpu" if kept else device)
            if place is not None:
                label = np.asarray(case.label[(slice(None), *place)])[0] == 1
                values[0] = torch.from_numpy(signed_distance(label, case.spacing, limit_mm=LIMIT)).half()
                values[1] = torch.from_numpy(medial_skeleton(label))
            if kept:
                kept[k][:] = values
            stored = kept[k] if kept else values
            place = place or (slice(0, 0),) * 3
            self.maps.append(BoxedMaps(stored, place, case.image.shape[1:], OUTSIDE, device))

    def due(self, step: int) -> bool:
        """Whether the teacher predicts all cases again before this step."""
        since = step - self.recipe.first_module_step
        return since >= 0 and since % self.recipe.teacher_every == 0

    def refresh(self, teacher: nn.Module, device: torch.device | str = "cpu", precision: str = "fp32") -> None:
        """Let the teacher predict all cases around their pancreas."""
        recipe = self.recipe
        model = Model(copy.deepcopy(teacher), (recipe.spacing,) * 3, recipe.window, recipe.patch)
        for maps, image, box in zip(self.maps, self.images, self.boxes, strict=True):
            if box is None:  # no pancreas in the case
                continue
            inside = predict_prepared(
                model, image[(slice(None), *box)], crop=False, overlap=0.25, device=device, precision=precision
            )
            _answer(maps, box, torch.from_numpy(np.rint(inside[1] * LEVELS).astype(np.uint8)))

    def state(self) -> list[UInt8[Tensor, "a b c"]]:
        """The teacher's last answers, for a checkpoint."""
        empty = torch.zeros(0, 0, 0, dtype=torch.uint8)
        return [
            empty if box is None else torch.round(maps[(slice(None), *box)][2].float() * LEVELS).to("cpu", torch.uint8)
            for maps, box in zip(self.maps, self.boxes, strict=True)
        ]

    def load_state(self, answers: Sequence[UInt8[Tensor, "a b c"]]) -> None:
        """Put answers back that `state` gave."""
        for maps, box, answer in zip(self.maps, self.boxes, answers, strict=True):
            if box is not None:
                _answer(maps, box, answer)


def _answer(maps: BoxedMaps, box: tuple[slice, slice, slice], answer: UInt8[Tensor, "a b c"]) -> None:
    maps.put(2, box, (answer.float() / LEVELS).half())
