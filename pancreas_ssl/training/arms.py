"""Training variants by name: each is nothing but fields of the recipe that differ from plain supervised training."""

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

ARMS["real"] = Arm(
    "the recipe that two real scans chose: strong intensities, all organs named, four times the steps, no fat marked",
    {
        "augmentation": "strong",
        "organs_weight": 0.3,
        "steps": 7000,
        "warmup": 200,
        "ema_decay": 0.999,
        "tissue_above": -30.0,
    },
)


def with_arm(recipe: Recipe, arm: str) -> Recipe:
    """The recipe with the arm's fields.

    Raises:
        InputError: an unknown arm.

    Example:
        >>> with_arm(Recipe(), "nonsense").nonsense_weight
        0.1
    """
    if arm not in ARMS:
        raise InputError(f"expected an arm out of {', '.join(ARMS)}, got '{arm}'; name one of these")
    return replace(recipe, **ARMS[arm].fields)
