"""What a network answers by the rules of its own weights: the one way by which scans are predicted and studies measure.

    scan -> moved to the source's intensities (`match_weight`) -> mean over slightly changed views (`test_views`)
         -> `predict_prepared`, each -> probabilities -> mask (`decision`)

The rules stand in the recipe of the weights, and `with_rules` changes them; with their defaults this is
`predict_prepared`. The views are those of test-time augmentation in `sample_predictions`: gain, offset, gamma, noise
and shifts by a voxel, no flips; the first is the scan itself.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from pancreas_ssl.errors import require
from pancreas_ssl.inference.decision import decided
from pancreas_ssl.inference.matching import matched
from pancreas_ssl.inference.sample_predictions import apply_view, draw_view
from pancreas_ssl.inference.sliding import predict_prepared
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.method.recipe import Recipe

__all__ = ["RULES", "ask", "decide", "told_rules", "with_rules"]

RULES = ("tissue_above", "match_weight", "test_views", "decision", "thresholds")
"""Fields of the recipe that say how to predict; no training sees them."""


def ask(model: Model, image: Float[np.ndarray, "1 X Y Z"], **how: Any) -> Float32[np.ndarray, "C X Y Z"]:
    """Class probabilities of an image on the model's grid, by the rules of the weights.

    Args:
        model: from `load_weights`, from training, or from `with_rules`.
        image: prepared, in [-1, 1], air = -1.
        how: as in `predict_prepared`, for every view.

    Raises:
        InputError: as `predict_prepared`; weights that are to match and do not know their source's intensities.

    Example:
        >>> probabilities = ask(with_rules(model, test_views=4), prepared.image)    # doctest: +SKIP
    """
    weight, views = model.rule("match_weight"), model.rule("test_views")
    image = matched(image, model, weight) if weight > 0 else image
    answer = predict_prepared(model, image, **how)
    for k in range(1, views):
        view = draw_view(np.random.default_rng((0, k)))
        x, y, z = view.shift
        answer += predict_prepared(model, apply_view(np.asarray(image), view), **how)[:, x:, y:, z:]
    return answer / np.float32(views) if views > 1 else answer


def decide(
    model: Model, probabilities: Float32[np.ndarray, "C X Y Z"], largest: bool = True
) -> Float32[np.ndarray, "X Y Z"]:
    """`decided` by the rules of the weights."""
    return decided(probabilities, model.rule("decision"), model.rule("thresholds"), largest)


def with_rules(model: Model, **rules: Any) -> Model:
    """The model with other rules for predicting; its network stays as it is.

    Args:
        rules: out of `RULES`, as in `Recipe`.

    Raises:
        InputError: another field, or a value that does not fit.

    Example:
        >>> from torch import nn
        >>> with_rules(Model(nn.Identity()), decision="expected-dice").rule("decision")
        'expected-dice'
    """
    if not rules:
        return model
    strange = ", ".join(sorted(set(rules) - set(RULES)))
    require(not strange, f"rules out of {', '.join(RULES)}", strange, "other fields need a training of their own")
    known = {name: model.rule(name) for name in RULES} | rules
    checked = Recipe.from_dict(known).to_dict()
    recipe = model.metadata.get("recipe", {}) | {name: checked[name] for name in RULES}
    return replace(model, metadata=model.metadata | {"recipe": recipe})


def told_rules(model: Model, names: Sequence[str] = RULES) -> dict[str, Any]:
    """The rules that differ from the defaults, ready for a table or a record: numbers and text.

    Example:
        >>> from torch import nn
        >>> told_rules(with_rules(Model(nn.Identity()), thresholds=(0.1, 0.5)))
        {'thresholds': '0.1 0.5'}
    """
    usual = Recipe().to_dict()
    found = {name: model.rule(name) for name in names}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
    return {
        name: " ".join(f"{one:g}" for one in value) if isinstance(value, list) else value
        for name, value in plain.items()
        if value != usual[name]
    }
