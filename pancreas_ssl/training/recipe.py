"""The recipe: every number that decides a training, in one commented, frozen dataclass."""

import math
from dataclasses import asdict, dataclass, fields

from pancreas_ssl.errors import InputError
from pancreas_ssl.uncertainty import ramp

__all__ = ["AUGMENTATIONS", "KINDS", "Recipe"]

AUGMENTATIONS = ("none", "mild", "strong", "randconv", "gin", "labels")
"""What may vary the appearance of a patch: nothing; gain, shift and noise alone; or, before these, one of the families
of `pancreas_ssl.augmentation` ('labels' needs the organ maps of the card)."""

KINDS = {"contrast": ("guided", "plain", "random"), "restoration": ("guided", "random", "everywhere")}
"""How each self-supervised module chooses its voxels; 'random' is its control: as many voxels, anywhere."""

SHARES = ("foreground", "affine", "mixstyle", "corrupted_share", "doubt", "tau")


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
    spacing: float = 3.0  # mm, isotropic: the grid that volumes are resampled to
    window: tuple[float, float] = (-150.0, 250.0)  # HU mapped to [-1, 1], values outside are clipped
    patch: tuple[int, int, int] = (64, 64, 48)  # voxels; multiples of the network's stride
    batch: int = 2  # patches per step and process

    # --- The network
    channels: tuple[int, ...] = (16, 32, 64, 96)  # widths at stride 2, 4, 8, 16
    n_classes: int = 2  # background and pancreas
    dropout: float = 0.0  # share of channels dropped while training

    # --- How it learns
    steps: int = 1700  # optimiser steps
    learning_rate: float = 5e-3  # AdamW, peak
    warmup: int = 40  # steps of linear rise before the cosine falls to 0
    weight_decay: float = 1e-4
    clip: float = 5.0  # largest norm of the gradient
    dice_weight: float = 1.0  # share of the soft Dice loss
    cross_entropy_weight: float = 2.0  # share of the cross-entropy
    phases: int = 8  # of 8 sub-voxel positions, how many the loss looks at in a step; 8 = all voxels
    ema_decay: float = 0.99  # moving average of the weights, which is what is used and shipped

    # --- Which patches, and how they are varied
    foreground: float = 0.7  # share of patches centred on a pancreas voxel
    affine: float = 0.7  # share of patches that are rotated and scaled
    rotation: float = 0.12  # rad, standard deviation about each axis
    scaling: float = 0.08  # standard deviation of the logarithm of each axis' scale
    gain: float = 0.07  # intensities are multiplied by 1 +- this (uniform)
    shift: float = 0.04  # standard deviation of an offset, in units of the [-1, 1] scale
    noise: float = 0.04  # largest standard deviation of white noise, same units

    # --- Arms: what is added to plain supervised learning
    augmentation: str = "mild"  # appearance of a patch beyond the mild variation above; see AUGMENTATIONS
    views: int = 1  # appearances of each patch in a step; every one of them is segmented
    consistency_weight: float = 0.0  # holds the views' predictions together; needs at least two views
    mixstyle: float = 0.0  # probability that a step mixes the feature statistics of its patches
    organs_weight: float = 0.0  # an auxiliary head names all organs of the card, at half resolution
    unlabelled_weight: float = 0.0  # consistency on patches of cases whose labels are not used
    nonsense_weight: float = 0.0  # a control: an auxiliary head predicts noise that no image tells of

    # --- When it predicts
    tissue_above: float = -1000.0  # HU; darker voxels are never marked (fat). No training sees it

    # --- The two self-supervised modules: after a while of segmentation alone, they are faded in
    contrast_weight: float = 0.0  # share of the global-feature contrast
    contrast: str = "guided"  # which voxels it compares; see pancreas_ssl.contrast.KINDS
    temperature: float = 0.1  # of its softmax over cosines
    prototype_weight: float = 0.0  # of its prototypes' vote when a study predicts; no training sees it
    restoration_weight: float = 0.0  # share of the local-image restoration
    restoration: str = "guided"  # where the image is corrupted; see pancreas_ssl.restoration.KINDS
    corrupted_share: float = 0.0  # share of the patches that are corrupted, and segmented in that state
    box: tuple[float, float] = (15.0, 60.0)  # mm, range of the sides of a corrupted box
    coverage: tuple[float, float] = (0.5, 0.9)  # range of the share of the uncertain region that is corrupted
    module_start: float = 0.2  # share of the steps before the modules begin
    module_ramp: float = 0.2  # share of the steps over which they rise to their full weights
    teacher_every: int = 400  # steps between two looks of the moving average at all training cases
    rim: float = 1.5  # mm, standard deviation of the structural uncertainty about the label's surface
    doubt: float = 1.0  # share a of the teacher's entropy in U = 1 - (1 - U_s)(1 - a U_m), in the end
    tau: float = 0.5  # uncertainty from which a voxel belongs to the rim

    # --- Bookkeeping that the weights depend on
    seed: int = 0  # initial weights and every draw
    precision: str = "auto"  # 'fp32', 'bf16', or what a short probe finds faster
    evaluate_every: int = 0  # steps between looks at held-out cases; 0 = at the end only

    def __post_init__(self):
        for name in ("window", "patch", "channels", "box", "coverage"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        stride = 2 ** len(self.channels)
        _require(len(self.patch) == 3, "patch with three sizes", self.patch)
        _require(
            all(size > 0 and size % stride == 0 for size in self.patch),
            f"patch with sizes that are multiples of {stride} (2 to the number of levels)",
            self.patch,
        )
        _require(
            len(self.window) == 2 and self.window[0] < self.window[1], "window (low, high) in HU", self.window
        )
        _require(self.spacing > 0, "spacing above 0 mm", self.spacing)
        _require(self.batch >= 1, "batch of at least 1", self.batch)
        _require(self.n_classes >= 2, "n_classes of at least 2 (background is one)", self.n_classes)
        _require(self.steps >= 1, "number of steps of at least 1", self.steps)
        _require(self.warmup >= 0, "warmup of at least 0 steps", self.warmup)
        _require(self.learning_rate > 0, "learning_rate above 0", self.learning_rate)
        _require(1 <= self.phases <= 8, "phases between 1 and 8", self.phases)
        _require(0 <= self.ema_decay < 1, "ema_decay in [0, 1)", self.ema_decay)
        _require(
            self.augmentation in AUGMENTATIONS,
            f"augmentation out of {', '.join(AUGMENTATIONS)}",
            self.augmentation,
        )
        _require(self.views >= 1, "number of views of at least 1", self.views)
        for name in ("consistency_weight", "unlabelled_weight"):
            fine = self.views >= 2 or getattr(self, name) == 0
            _require(fine, f"recipe with views of at least 2 where {name} is above 0", f"views {self.views}")
        for name in ("contrast", "restoration"):
            _require(
                getattr(self, name) in KINDS[name],
                f"{name} out of {', '.join(KINDS[name])}",
                getattr(self, name),
            )
        fine = self.contrast_weight > 0 or self.prototype_weight == 0
        _require(fine, "recipe with a contrast_weight above 0 where prototype_weight is above 0", "none")
        fine = self.corrupted_share > 0 or self.restoration_weight == 0
        _require(fine, "recipe with a corrupted_share above 0 where restoration_weight is above 0", "none")
        for name, most in (("box", math.inf), ("coverage", 1)):
            ends = getattr(self, name)
            fine = len(ends) == 2 and 0 < ends[0] <= ends[1] <= most
            _require(fine, f"{name} (low, high) above 0", ends)
        _require(self.temperature > 0, "temperature above 0", self.temperature)
        _require(self.rim > 0, "rim above 0 mm", self.rim)
        _require(self.teacher_every >= 1, "teacher_every of at least 1 step", self.teacher_every)
        for name in (*SHARES, "module_start", "module_ramp"):
            _require(0 <= getattr(self, name) <= 1, f"{name} between 0 and 1", getattr(self, name))
        for name in (
            "rotation",
            "scaling",
            "gain",
            "shift",
            "noise",
            "weight_decay",
            "consistency_weight",
            "organs_weight",
            "unlabelled_weight",
            "nonsense_weight",
            "contrast_weight",
            "prototype_weight",
            "restoration_weight",
            "seed",
            "evaluate_every",
        ):
            _require(getattr(self, name) >= 0, f"{name} of at least 0", getattr(self, name))
        _require(
            self.precision in ("auto", "fp32", "bf16"), "precision 'auto', 'fp32' or 'bf16'", self.precision
        )

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

    def module_ramp_at(self, step: int) -> float:
        """0 while segmentation is alone, then a linear rise to 1: the factor of the modules' weights."""
        return ramp(step + 1, self.first_module_step, max(1.0, self.module_ramp * self.steps))

    @property
    def first_module_step(self) -> int:
        """The step with which the modules begin."""
        return round(self.module_start * self.steps)

    def network_config(self) -> dict:
        """Arguments of `SegmentationNetwork` that this recipe asks for."""
        return {
            "channels": self.channels,
            "n_classes": self.n_classes,
            "dropout": self.dropout,
            "restores": self.restoration_weight > 0,
        }

    def to_dict(self) -> dict:
        """Plain values (tuples as lists), ready for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict) -> "Recipe":
        """The recipe with these values; missing ones take their defaults, unknown names are an `InputError`."""
        known = {field.name: field for field in fields(cls)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise InputError(
                f"expected recipe fields out of {', '.join(known)}, got {', '.join(unknown)}; correct the name"
            )
        clean = {}
        for name, value in values.items():
            default = known[name].default
            clean[name] = _converted(name, value, default)
        return cls(**clean)


def _converted(name: str, value, default):
    """`value` in the type of the field's default: a 1.0 may be an int field's 1, a '1' may not."""
    if isinstance(default, tuple):
        if isinstance(value, (list, tuple)) and all(_is_number(v) for v in value):
            return tuple(type(default[0])(v) for v in value)
    elif isinstance(default, str):
        if isinstance(value, str):
            return value
    elif _is_number(value) and (isinstance(default, float) or float(value).is_integer()):
        return type(default)(value)
    raise InputError(
        f"expected the recipe's {name} to look like {default!r}, got {value!r}; correct the value"
    )


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _require(fine: bool, expected: str, got) -> None:
    if not fine:
        raise InputError(f"expected a {expected}, got {got}; correct the recipe")
