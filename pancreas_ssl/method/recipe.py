"""The recipe: every number that decides a training, in one commented, frozen dataclass that checks itself."""

import math
from dataclasses import asdict, fields
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from pancreas_ssl.errors import InputError, complaint
from pancreas_ssl.method.contrast import CONTRASTS
from pancreas_ssl.method.placement import PLACEMENTS

__all__ = ["AUGMENTATIONS", "DECISIONS", "MOST_VIEWS", "Recipe", "ramp"]

AUGMENTATIONS = ("none", "mild", "strong", "randconv", "gin", "labels", "labelconv")
"""What may vary the appearance of a patch: nothing; gain, shift and noise alone; or, before these, one of the families
of `pancreas_ssl.augmentation` ('labels' needs the organ maps of the card, 'labelconv' the label alone)."""

DECISIONS = ("argmax", "expected-dice", "hysteresis")
"""How the probabilities of a scan become a mask; see `inference.decision`."""

MOST_VIEWS = 64
"""Views of a scan that a prediction may take."""


def _number(value: Any) -> Any:
    """A float such as 1.0 may stand for an integer; text and booleans may not."""
    if isinstance(value, (str, bool)):
        raise ValueError("should be a number")
    return value


Number = BeforeValidator(_number)
Real = Annotated[float, Number, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
Positive = Annotated[float, Number, Field(gt=0, le=1e9, allow_inf_nan=False)]
Weight = Annotated[float, Number, Field(ge=0, le=1e9, allow_inf_nan=False)]
Share = Annotated[float, Number, Field(ge=0, le=1)]
Count = Annotated[int, Number, Field(ge=1, le=10**9)]
Whole = Annotated[int, Number, Field(ge=0, le=10**9)]
VOXELS = 2**24  # of the largest patch


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, apart from the data and the machine's arithmetic.

    The defaults are what reached the best held-out Dice on source A of the phantom within three minutes on two cores.
    Two trainings with equal recipes, data, precision and thread count give equal weights.

    Example:
        >>> recipe = Recipe(steps=200)
        >>> Recipe.from_dict(recipe.to_dict()) == recipe
        True
    """

    # --- What the network sees
    spacing: Positive = 3.0  # mm, isotropic: the grid that volumes are resampled to
    window: tuple[Real, Real] = (-150.0, 250.0)  # HU mapped to [-1, 1], values outside are clipped
    patch: tuple[int, int, int] = (64, 64, 48)  # voxels; multiples of the network's stride
    batch: Count = 2  # patches per step and process

    # --- The network
    channels: tuple[Annotated[int, Number, Field(ge=1, le=4096)], ...] = (
        16,
        32,
        64,
        96,
    )  # widths at stride 2, 4, 8, 16
    n_classes: Annotated[int, Number, Field(ge=2, le=256)] = 2  # background and pancreas
    dropout: Share = 0.0  # share of channels dropped while training
    shapes: Literal["none", "frozen"] = "none"  # features of shapes beside the image (`method.shape_features`)
    shape_drop: Share = 0.5  # share of them, and of images, that a patch loses while training

    # --- How it learns
    steps: Count = 1700  # optimiser steps
    learning_rate: Positive = 5e-3  # AdamW, peak
    warmup: Whole = 40  # steps of linear rise before the cosine falls to 0
    weight_decay: Weight = 1e-4
    clip: Positive = 5.0  # largest norm of the gradient
    dice_weight: Weight = 1.0  # weight of the soft Dice loss
    cross_entropy_weight: Weight = 2.0  # weight of the cross-entropy
    ema_decay: Annotated[float, Number, Field(ge=0, lt=1)] = (
        0.99  # moving average of the weights, which is what is used and shipped
    )

    # --- Which patches, and how they are varied
    foreground: Share = 0.7  # share of patches centred on a pancreas voxel
    affine: Share = 0.7  # share of patches that are rotated and scaled
    rotation: Weight = 0.12  # rad, standard deviation about each axis
    scaling: Weight = 0.08  # standard deviation of the logarithm of each axis' scale
    gain: Weight = 0.07  # intensities are multiplied by 1 +- this (uniform)
    shift: Weight = 0.04  # standard deviation of an offset, in units of the [-1, 1] scale
    noise: Weight = 0.04  # largest standard deviation of white noise, same units

    # --- Arms: what is added to plain supervised learning
    augmentation: Literal[AUGMENTATIONS] = (
        "mild"  # appearance of a patch beyond the mild variation above; see AUGMENTATIONS
    )
    views: Count = 1  # appearances of each patch in a step; every one of them is segmented
    consistency_weight: Weight = 0.0  # holds the views' predictions together; needs at least two views
    mixstyle: Share = 0.0  # probability that a step mixes the feature statistics of its patches
    organs_weight: Weight = 0.0  # an auxiliary head names all organs of the card, at half resolution
    unlabelled_weight: Weight = 0.0  # consistency on patches of cases whose labels are not used
    nonsense_weight: Weight = 0.0  # a control: an auxiliary head predicts noise that is unrelated to the image

    # --- When it predicts
    tissue_above: Real = -1000.0  # HU; darker voxels are never marked (fat). No training sees this group
    match_weight: Share = 0.0  # how far a scan's intensities are first moved to those of the training cases
    test_views: Annotated[int, Number, Field(ge=1, le=MOST_VIEWS)] = 1  # slightly changed looks, averaged
    decision: Literal[DECISIONS] = "argmax"  # how probabilities become a mask; one of DECISIONS
    thresholds: tuple[Share, Share] = (0.2, 0.8)  # probability up to which 'hysteresis' grows, and of its seeds

    # --- The two self-supervised modules: after a while of segmentation alone, they are faded in
    contrast_weight: Weight = 0.0  # weight w_c of the global-feature contrast
    contrast: Literal[CONTRASTS] = "guided"  # which voxels it compares; one of CONTRASTS
    temperature: Positive = 0.1  # of its softmax over cosines
    contrast_views: Annotated[int, Number, Field(ge=1, le=2)] = 1  # 2: one more appearance, which it alone sees
    contrast_strides: tuple[Annotated[int, Number], ...] = (2,)  # of the decoder's features that it reads, together
    lookalikes: Share = 0.0  # share of its negatives near and far that look like the pancreas
    contrast_queue: Whole = 0  # background features of earlier steps that are negatives too
    contrast_start: Share | None = None  # share of the steps before it begins; None: as module_start
    contrast_share: Share = 0.0  # its gradient's share of the segmentation's, held by its weight; 0: w_c as it is
    prototype_weight: Weight = 0.0  # of its prototypes' vote when a study predicts; no training sees it
    restoration_weight: Weight = 0.0  # weight w_r of the local-image restoration
    restoration: Literal[PLACEMENTS] = "guided"  # where the image is corrupted; one of PLACEMENTS
    corrupted_share: Share = 0.0  # share of the patches that are corrupted, and segmented in that state
    box: tuple[Positive, Positive] = (15.0, 60.0)  # mm, range of the sides of a corrupted box
    coverage: tuple[Positive, Share] = (0.5, 0.9)  # range of the share of the uncertain region that is corrupted
    module_start: Share = 0.2  # share of the steps before the modules begin
    module_ramp: Share = 0.2  # share of the steps over which they rise to their full weights
    teacher_every: Count = 400  # steps between two looks of the moving average at all training cases
    rim: Positive = 1.5  # mm, s in U_s: standard deviation of the structural uncertainty about the label's surface
    doubt: Share = 1.0  # share a of the teacher's entropy in U = 1 - (1 - U_s)(1 - a U_m), in the end
    tau: Share = 0.5  # uncertainty from which a voxel belongs to the rim

    # --- Bookkeeping that the weights depend on
    seed: Annotated[int, Number, Field(ge=0, lt=2**32)] = 0  # initial weights and every draw
    precision: Literal["auto", "fp32", "bf16"] = "auto"  # 'fp32', 'bf16', or what a short probe finds faster
    evaluate_every: Whole = 0  # steps between looks at held-out cases; 0 = at the end only

    @model_validator(mode="after")
    def _fits_together(self) -> "Recipe":
        if not 2 <= len(self.channels) <= 8:
            raise ValueError("channels needs two to eight levels")
        stride = 2 ** len(self.channels)
        if math.prod(self.patch) > VOXELS:
            raise ValueError(f"patch needs at most {VOXELS:,} voxels")
        if not all(size > 0 and size % stride == 0 for size in self.patch):
            raise ValueError(f"patch needs sizes that are multiples of {stride} (2 to the number of levels)")
        for name in ("window", "box", "coverage", "thresholds"):
            low, high = getattr(self, name)
            if not (low < high or (low == high and name != "window")):
                raise ValueError(f"{name} needs a low and a high end, in this order")
        strides = tuple(2**level for level in range(1, len(self.channels) + 1))
        if self.contrast_strides not in (tuple(s for s in strides if s in self.contrast_strides) or None,):
            raise ValueError(f"contrast_strides needs some of {', '.join(map(str, strides))}, in this order")
        for name, needed, there in (
            ("consistency_weight", "views of 2", self.views >= 2),
            ("unlabelled_weight", "views of 2", self.views >= 2),
            ("prototype_weight", "contrast_weight above 0", self.contrast_weight > 0),
            ("prototype_weight", "contrast_strides of 2 alone", self.contrast_strides == (2,)),
            ("lookalikes", "regions, contrast guided or random", self.contrast != "plain"),
            ("contrast_queue", "prototypes, contrast guided or random", self.contrast != "plain"),
            ("restoration_weight", "corrupted_share above 0", self.corrupted_share > 0),
        ):
            if getattr(self, name) > 0 and not there:
                raise ValueError(f"{name} above 0 needs {needed}")
        return self

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of step 0, 1, ...: linear warm-up, then half a cosine down to 0 after the last step."""
        warmup = min(self.warmup, self.steps // 2)
        if step < warmup:
            return self.learning_rate * (step + 1) / (warmup + 1)
        progress = (step - warmup) / max(1, self.steps - warmup)
        return 0.5 * self.learning_rate * (1 + math.cos(math.pi * min(1.0, progress)))

    @property
    def needs_organs(self) -> bool:
        """Whether the training cases need organ maps (`prepare_cases(..., organs=True)`)."""
        return self.augmentation == "labels" or self.organs_weight > 0

    @property
    def corrupts(self) -> bool:
        """Whether some patches are corrupted before the network sees them."""
        return self.corrupted_share > 0

    def corrupted_at(self, step: int, sample: int) -> bool:
        """Whether it is this sample's turn to be corrupted in this step: evenly spread, whatever the batch.

        Example:
            >>> half = Recipe(corrupted_share=0.5)
            >>> [half.corrupted_at(0, sample) for sample in range(4)], half.corrupted_at(1, 0)
            ([False, True, False, True], True)
        """
        turn = step + sample
        return math.floor((turn + 1) * self.corrupted_share) > math.floor(turn * self.corrupted_share)

    @property
    def guided(self) -> bool:
        """Whether a module needs regions and uncertainty."""
        return self.contrast_weight > 0 or self.corrupts

    def module_ramp_at(self, step: int, start: int | None = None) -> float:
        """0 while segmentation is alone, then a linear rise to 1: the factor of the modules' weights.

        Args:
            start: the step with which the rise begins; by default that of the first module.
        """
        start = self.first_module_step if start is None else start
        return ramp(step + 1, start, max(1.0, self.module_ramp * self.steps))

    @property
    def contrast_step(self) -> int:
        """The step with which the contrast begins."""
        return round((self.module_start if self.contrast_start is None else self.contrast_start) * self.steps)

    def contrast_begun(self, step: int) -> bool:
        """Whether this step has a contrast."""
        return self.contrast_weight > 0 and step >= self.contrast_step

    @property
    def corruption_step(self) -> int:
        """The step with which the corruption of patches and their restoration begin."""
        return round(self.module_start * self.steps)

    @property
    def first_module_step(self) -> int:
        """The step with which the modules begin."""
        contrasts, corrupts = self.contrast_weight > 0, self.corrupts
        steps = [self.contrast_step] * contrasts + [self.corruption_step] * (corrupts or not contrasts)
        return min(steps)

    def network_config(self) -> dict:
        """Arguments of `SegmentationNetwork` that this recipe asks for."""
        return {
            "channels": self.channels,
            "n_classes": self.n_classes,
            "dropout": self.dropout,
            "restores": self.restoration_weight > 0,
            "shapes": self.shapes != "none",
        }

    def to_dict(self) -> dict:
        """Plain values (tuples as lists), ready for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict) -> "Recipe":
        """The recipe with these values; missing ones take their defaults, unknown names are an `InputError`.

        Files of earlier versions may hold `phases`, which has been 8 in every recipe.
        """
        values = {name: value for name, value in values.items() if (name, value) != ("phases", 8)}
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise InputError(
                f"expected recipe fields out of {', '.join(known)}, got {', '.join(unknown)}; correct the name"
            )
        return cls(**values)


_validated = Recipe.__init__


def _init(self, *args, **fields) -> None:
    """A value that does not fit is an `InputError` with one sentence."""
    try:
        _validated(self, *args, **fields)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        name = problem["loc"][0] if problem["loc"] else ""
        wanted = f"another {name} in the recipe" if name else "a recipe that fits together"
        raise InputError(f"expected {wanted} ({complaint(problem)}); correct the recipe") from error


Recipe.__init__ = _init


def ramp(step: int, start: int, length: float) -> float:
    """0 up to step `start`, 1 from `start + length`, straight in between; length 0 is a jump.

    Example:
        >>> [ramp(step, start=100, length=200) for step in (0, 100, 150, 300, 400)]
        [0.0, 0.0, 0.25, 1.0, 1.0]
    """
    if length < 0:
        raise InputError(f"expected a ramp of 0 steps or more, got {length}; 0 is a jump")
    if length == 0:
        return float(step >= start)
    return min(max((step - start) / length, 0.0), 1.0)
