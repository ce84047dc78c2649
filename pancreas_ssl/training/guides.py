"""What guides the two modules in a training patch: the label's structure, and where a teacher doubts.

Per training case three maps on its grid: the signed distance to the pancreas's surface (mm), its medial skeleton, and
the teacher's probability of pancreas. The first two follow from the label and never change. The teacher is the moving
average of the weights; it looks at all cases once every `recipe.teacher_every` steps and only where it matters, in a
box around the pancreas. That costs a few seconds a look, where a teacher's pass in every step would cost a third of
a step each time. The maps are cut together with the image, so regions follow every turn of a patch.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float16, Float32, Int64, UInt8
from torch import Tensor, nn

from pancreas_ssl.data.preprocessing import Prepared
from pancreas_ssl.training.patches import Batch
from pancreas_ssl.training.recipe import Recipe

__all__ = ["OUTSIDE", "Guide", "Guides", "guide_of"]

LIMIT = 30.0  # mm at which the signed distance is cut off
OUTSIDE = (LIMIT, 0.0, 0.0)  # distance, skeleton and probability beyond the volume
BAND = 15.0  # mm around the pancreas: beyond it nothing depends on the teacher
LEVELS = 255  # the teacher's probabilities are kept in steps of 1/255


@dataclass(frozen=True)
class Guide:
    """Regions and uncertainty of a batch of patches."""

    regions: Int64[Tensor, "B x y z"]
    uncertainty: Float32[Tensor, "B x y z"]  # training map, 0 to 1: structure and teacher together
    probability: Float32[Tensor, "B x y z"]  # the teacher's
    label: Int64[Tensor, "B x y z"]


def guide_of(batch: Batch, recipe: Recipe, step: int) -> Guide:
    """Regions of the batch's patches: U = 1 - (1 - U_s)(1 - a U_m), where a is faded in with the modules."""
    from pancreas_ssl.uncertainty import body_mask, entropy, training_regions

    distance, medial, probability = batch.maps.unbind(1)
    label = (batch.labels[:, 0] == 1).long()
    probability = probability.clamp(0, 1)
    named, uncertainty = training_regions(
        label > 0,
        distance,
        entropy(probability[None]),
        body_mask(batch.clean)[:, 0],
        s_mm=recipe.rim,
        a=recipe.doubt * recipe.module_ramp_at(step),
        medial=medial > 0.5,
        predicted=probability > 0.5,
        tau=recipe.tau,
        band_mm=BAND,
    )
    return Guide(named, uncertainty, probability, label)


class Guides:
    """The maps of all training cases.

    Example:
        >>> guides = Guides(train, Recipe())    # doctest: +SKIP
        >>> guides.refresh(ema)    # doctest: +SKIP
        >>> guides.maps[0].shape    # distance, skeleton, probability    # doctest: +SKIP
        torch.Size([3, 96, 80, 70])
    """

    def __init__(self, cases: Sequence[Prepared], recipe: Recipe, device: torch.device | str = "cpu"):
        """Distances and skeletons now; the teacher's probability is 0 until `refresh`."""
        from pancreas_ssl.evaluation.components import bounding_box
        from pancreas_ssl.uncertainty import medial_skeleton, signed_distance

        self.recipe = recipe
        self.images = [case.image for case in cases]
        self.maps: list[Float16[Tensor, "3 X Y Z"]] = []
        self.boxes = []
        for case in cases:
            label = case.label[0] == 1
            structure = [signed_distance(label, case.spacing, limit_mm=LIMIT), medial_skeleton(label)]
            both = np.stack([*structure, np.zeros(label.shape)]).astype(np.float16)
            self.maps.append(torch.from_numpy(both).to(device))
            self.boxes.append(bounding_box(label, margin=int(np.ceil((BAND + LIMIT) / 2 / recipe.spacing))))

    def due(self, step: int) -> bool:
        """Whether the teacher looks anew before this step."""
        since = step - self.recipe.first_module_step
        return since >= 0 and since % self.recipe.teacher_every == 0

    def refresh(
        self, teacher: nn.Module, device: torch.device | str = "cpu", precision: str = "fp32"
    ) -> None:
        """Let the teacher predict all cases around their pancreas."""
        from pancreas_ssl.inference import Model, predict_prepared

        recipe = self.recipe
        model = Model(copy.deepcopy(teacher), (recipe.spacing,) * 3, recipe.window, recipe.patch)
        answers = []
        for image, box in zip(self.images, self.boxes, strict=True):
            if box is None:  # no pancreas in the case
                answers.append(torch.zeros(0, 0, 0, dtype=torch.uint8))
                continue
            inside = predict_prepared(
                model,
                image[(slice(None), *box)],
                crop=False,
                overlap=0.25,
                device=device,
                precision=precision,
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
