"""Training variants by name: each is nothing but fields of the recipe that differ from plain supervised training.

Names joined by `+` are one variant with the fields of all: `randconv+dual` is RandConv with both modules. Two that set
one field to different values do not go together, but for `corrupted_share`, where the smallest holds; beside `labels`
it is at most an eighth, as more corruption cost Dice there (`assets/study/NOTES.md`).
"""

from dataclasses import dataclass, field, replace
from typing import Any

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.recipe import Recipe

__all__ = ["ARMS", "Arm", "with_arm"]


@dataclass(frozen=True)
class Arm:
    """One variant: a sentence for tables, and the recipe's fields that it sets."""

    what: str
    fields: dict[str, Any] = field(default_factory=dict)


ARMS: dict[str, Arm] = {
    "supervised": Arm("labels, and mild differences of gain, shift and noise"),
    "strong": Arm(
        "strong random intensities: sharpness, blur, noise, brightness, contrast, gamma", {"augmentation": "strong"}
    ),
    "randconv": Arm(
        "two views through random convolutions, held together",
        {"augmentation": "randconv", "views": 2, "consistency_weight": 1.0},
    ),
    "gin": Arm(
        "two views through random networks, blended and held together",
        {"augmentation": "gin", "views": 2, "consistency_weight": 1.0},
    ),
    "mixstyle": Arm("feature statistics mixed between patches", {"mixstyle": 0.5}),
    "labels": Arm("every organ's intensities redrawn, by the organ map", {"augmentation": "labels"}),
    "organs": Arm("an auxiliary head that names all organs", {"organs_weight": 0.3}),
    "unlabelled": Arm(
        "two strong views of further patients without labels, held together",
        {"augmentation": "strong", "views": 2, "unlabelled_weight": 1.0},
    ),
    "nonsense": Arm("a control: an auxiliary head that predicts noise", {"nonsense_weight": 0.1}),
}


_CONTRAST = {"contrast_weight": 0.05, "prototype_weight": 1.0}
_CORRUPTION = {"corrupted_share": 0.5}
_RESTORATION = {"restoration_weight": 0.3} | _CORRUPTION
ARMS |= {
    "contrast": Arm("global-feature contrast, guided by the pancreas's structure", _CONTRAST),
    "restoration": Arm("local restoration of what is corrupted where the model is uncertain", _RESTORATION),
    "dual": Arm("both modules", _CONTRAST | _RESTORATION),
    "corruption": Arm("a control: corrupted patches are segmented, and nothing is restored", _CORRUPTION),
    "contrast-random": Arm("a control: contrast on random voxels", _CONTRAST | {"contrast": "random"}),
    "contrast-plain": Arm(
        "pixel contrast without guidance or prototypes", {"contrast_weight": 0.05, "contrast": "plain"}
    ),
    "restoration-random": Arm(
        "a control: restoration in random boxes of equal volume", _RESTORATION | {"restoration": "random"}
    ),
    "restoration-everywhere": Arm("restoration of the whole image", _RESTORATION | {"restoration": "everywhere"}),
    "dual-random": Arm(
        "a control: both modules at random places",
        _CONTRAST | _RESTORATION | {"contrast": "random", "restoration": "random"},
    ),
}

_LABELCONV = {"augmentation": "labelconv", "views": 2, "consistency_weight": 1.0}
_MATCHING = {"match_weight": 1.0}
ARMS |= {
    "labelconv": Arm("two views with pancreas and rest each through random convolutions, held together", _LABELCONV),
    "matching": Arm("the intensities of each scan moved to the source's before it is predicted", _MATCHING),
    "srcsm": Arm("labelconv in training, matching when predicting", _LABELCONV | _MATCHING),
    "expected-dice": Arm("each scan's mask is the one of the best expected Dice", {"decision": "expected-dice"}),
    "hysteresis": Arm("masks grow from certain voxels into faint ones", {"decision": "hysteresis"}),
    "test-views": Arm("each prediction is the mean over four slightly changed views", {"test_views": 4}),
    "shapes": Arm(
        "frozen features of shapes beside the image, of which each patch loses some in training", {"shapes": "frozen"}
    ),
}
BESIDE_LABELS = 0.125  # corrupted_share

_REAL = {"augmentation": "strong", "organs_weight": 0.3, "steps": 7000, "warmup": 200, "ema_decay": 0.999}
ARMS |= {
    "real": Arm(
        "the recipe that two real scans chose: strong intensities, all organs named, four times the steps, no fat",
        _REAL | {"tissue_above": -30.0},
    ),
    "real-2": Arm(
        "the recipe that seven simulated worlds chose: as real, but masks grow into faint voxels, fat among them",
        _REAL | {"decision": "hysteresis"},
    ),
}


def with_arm(recipe: Recipe, arm: str) -> Recipe:
    """The recipe with the fields of an arm, or of several joined by `+`.

    Raises:
        InputError: an unknown arm, or arms that do not go together.

    Example:
        >>> with_arm(Recipe(), "nonsense").nonsense_weight
        0.1
        >>> both = with_arm(Recipe(), "randconv+dual")
        >>> both.augmentation, both.restoration_weight
        ('randconv', 0.3)
    """
    fields: dict[str, Any] = {}
    names = arm.split("+")
    for name in names:
        if name not in ARMS:
            raise InputError(
                f"expected an arm out of {', '.join(ARMS)}, or several joined by +, got '{name}'; name one of these"
            )
        for key, value in ARMS[name].fields.items():
            there = fields.setdefault(key, value)
            if key == "corrupted_share":
                fields[key] = min(there, value)
            elif there != value:
                raise InputError(
                    f"expected arms that go together, {arm} sets {key} to {there} and to {value}; leave one out"
                )
    if "labels" in names and "corrupted_share" in fields:
        fields["corrupted_share"] = min(BESIDE_LABELS, fields["corrupted_share"])
    return replace(recipe, **fields)
