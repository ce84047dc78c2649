"""What guides the two modules in a training patch: the label's structure, and where a teacher is uncertain.

Per training case three maps on its grid: the signed distance to the pancreas's surface (mm), its medial skeleton, and
the teacher's probability of pancreas. The first two follow from the label and never change. The teacher is the moving
average of the weights; it predicts all cases once every `recipe.teacher_every` steps and only where it matters, in a
box around the pancreas. That costs a few seconds each time, where a teacher's pass in every step would cost a third of
a step each time. The maps are cut together with the image, so regions follow every turn of a patch.
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float16, UInt8
from torch import Tensor, nn

from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.inference.sliding import predict_prepared
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.method.dual import BAND_MM
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.method.structure import bounding_box, medial_skeleton, signed_distance

__all__ = ["OUTSIDE", "TeacherMaps"]

LIMIT = 30.0  # mm at which the signed distance is cut off
OUTSIDE = (LIMIT, 0.0, 0.0)  # distance, skeleton and probability beyond the volume
LEVELS = 255  # the teacher's probabilities are kept in steps of 1/255


class TeacherMaps:
    """The maps of all training cases.

    Example:
        >>> teacher = TeacherMaps(train, Recipe())    # doctest: +SKIP
        >>> teacher.refresh(ema)    # doctest: +SKIP
        >>> teacher.maps[0].shape    # distance, skeleton, probability    # doctest: +SKIP
        torch.Size([3, 96, 80, 70])
    """

    def __init__(self, cases: Sequence[Prepared], recipe: Recipe, device: torch.device | str = "cpu"):
        """Distances and skeletons now; the teacher's probability is 0 until `refresh`."""
        self.recipe = recipe
        self.images = [case.image for case in cases]
        self.maps: list[Float16[Tensor, "3 X Y Z"]] = []
        self.boxes = []
        for case in cases:
            label = case.label[0] == 1
            structure = [signed_distance(label, case.spacing, limit_mm=LIMIT), medial_skeleton(label)]
            both = np.stack([*structure, np.zeros(label.shape)]).astype(np.float16)
            self.maps.append(torch.from_numpy(both).to(device))
            self.boxes.append(bounding_box(label, margin=int(np.ceil((BAND_MM + LIMIT) / 2 / recipe.spacing))))

    def due(self, step: int) -> bool:
        """Whether the teacher predicts all cases again before this step."""
        since = step - self.recipe.first_module_step
        return since >= 0 and since % self.recipe.teacher_every == 0

    def refresh(self, teacher: nn.Module, device: torch.device | str = "cpu", precision: str = "fp32") -> None:
        """Let the teacher predict all cases around their pancreas."""
        recipe = self.recipe
        model = Model(copy.deepcopy(teacher), (recipe.spacing,) * 3, recipe.window, recipe.patch)
        answers = []
        for image, box in zip(self.images, self.boxes, strict=True):
            if box is None:  # no pancreas in the case
                answers.append(torch.zeros(0, 0, 0, dtype=torch.uint8))
                continue
            inside = predict_prepared(
                model, image[(slice(None), *box)], crop=False, overlap=0.25, device=device, precision=precision
            )
            answers.append(torch.from_numpy(np.rint(inside[1] * LEVELS).astype(np.uint8)))
        self.load_state(answers)

    def state(self) -> list[UInt8[Tensor, "a b c"]]:
        """The teacher's last answers, for a checkpoint."""
        empty = torch.zeros(0, 0, 0, dtype=torch.uint8)
        return [
            empty if box is None else torch.round(maps[(2, *box)].float() * LEVELS).to("cpu", torch.uint8)
            for maps, box in zip(self.maps, self.boxes, strict=True)
        ]

    def load_state(self, answers: Sequence[UInt8[Tensor, "a b c"]]) -> None:
        """Put answers back that `state` gave."""
        for maps, box, answer in zip(self.maps, self.boxes, answers, strict=True):
            if box is not None:
                maps[(2, *box)] = (answer.float() / LEVELS).to(maps)
