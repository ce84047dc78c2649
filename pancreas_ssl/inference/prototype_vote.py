r"""Prototypes at test time: every voxel also votes for the prototype that its features resemble.

The network's head gives a voxel the logit l = log p(pancreas) - log p(background). The prototypes of the contrast have
an opinion of their own, the log-odds of the softmax that they were trained with (temperature T):

    v = cos(z, m_P) / T - log \sum_b exp(cos(z, m_b) / T)        z the voxel's projected feature, b over the background
    l' = l + w v

With w = 1 two opinions are multiplied as if they were independent (a product of experts); w = 0 is the head alone. The
vote sees the image only, no label. Where a scanner changed how tissue looks, a head that was fitted to one source may
refuse a voxel whose features still lie on the pancreas's side.

Sources: a product of experts after Hinton 2002, Neural Computation, doi 10.1162/089976602760128018. That the method's
prototypes vote at test time is a choice of this toolkit.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from pancreas_ssl.errors import InputError
from pancreas_ssl.inference.weights import Model
from pancreas_ssl.method.contrast import GlobalContrast
from pancreas_ssl.method.segmentation import PANCREAS

__all__ = ["prototype_vote", "trained_contrast", "with_prototypes"]


def trained_contrast(model: Model) -> GlobalContrast:
    """The projection and the prototypes that were trained beside a network, ready to look with.

    Raises:
        InputError: weights of an arm without contrast.

    Example:
        >>> trained_contrast(load_weights("contrast")).prototypes.pancreas.shape    # doctest: +SKIP
        torch.Size([32])
    """
    state = model.parts.get("contrast")
    if state is None:
        raise InputError(
            "expected weights that were trained with contrast, these have no projection; use load_weights('contrast')"
        )
    recipe = model.metadata.get("recipe", {})
    try:
        outputs, inputs = state["projection.second.weight"].shape[0], state["projection.first.weight"].shape[1]
        kind, temperature = recipe.get("contrast", "guided"), float(recipe.get("temperature", 0.1))
        contrast = GlobalContrast(kind, inputs, outputs, temperature=temperature)
        missing, unknown = contrast.load_state_dict(state, strict=False)
        lost = [name for name in missing if "queue" not in name]
    except (KeyError, IndexError, RuntimeError):
        lost, unknown = ["a tensor with a missing name or another shape"], []
    if lost or unknown:
        raise InputError(
            f"expected a projection and prototypes, {', '.join([*lost, *unknown])} does not fit; use weights of this "
            f"version"
        )
    return contrast.eval().requires_grad_(False)


def prototype_vote(features: Float[Tensor, "B F x y z"], contrast: GlobalContrast) -> Float[Tensor, "B 1 x y z"]:
    """The prototypes' log-odds of pancreas at every place of a feature map, `v` above.

    Args:
        features: of the decoder.
        contrast: projection and prototypes, from `trained_contrast`.

    Raises:
        InputError: prototypes that never saw a pancreas or a background.
    """
    pancreas, background = contrast.prototypes.known
    if pancreas is None or background is None:
        raise InputError(
            "expected prototypes of pancreas and background, these were never filled; train for more steps with "
            "contrast"
        )
    with torch.autocast(features.device.type, enabled=False):  # bfloat16 would round the cosines
        z = contrast.projection(features.float().movedim(1, -1).flatten(0, -2))
        cosines = z @ torch.cat([pancreas[None], background]).T / contrast.temperature
        odds = cosines[:, 0] - torch.logsumexp(cosines[:, 1:], 1)
    return odds.view(len(features), 1, *features.shape[2:])


def with_prototypes(model: Model, weight: float = 1.0) -> Model:
    """The model with its prototypes voting in every prediction; its network itself stays as it is.

    Args:
        model: weights of an arm with contrast.
        weight: w above; 0 gives the model back.

    Raises:
        InputError: weights without contrast, a negative weight.

    Example:
        >>> voting = with_prototypes(load_weights("dual"))    # doctest: +SKIP
        >>> predict_volume(voting, volume).volume_ml    # doctest: +SKIP
    """
    if weight < 0:
        raise InputError(f"expected a weight of at least 0, got {weight}; 1 is the default, 0 asks the head alone")
    if weight == 0:
        return model
    return replace(model, network=_Voting(model.network, trained_contrast(model), weight))


class _Voting(nn.Module):
    """A network whose pancreas logit has the prototypes' vote added."""

    def __init__(self, network: nn.Module, contrast: GlobalContrast, weight: float):
        super().__init__()
        self.network, self.contrast, self.weight = network, contrast, weight
        self.config, self.stride = network.config, network.stride

    def forward(self, x: Float[Tensor, "B C X Y Z"]) -> Float[Tensor, "B classes X Y Z"]:
        features = self.network.decode(self.network.encode(x))
        logits = self.network.segment(features).float()
        vote = prototype_vote(features, self.contrast)
        vote = F.interpolate(vote, scale_factor=2, mode="trilinear", align_corners=False)
        added = torch.zeros_like(logits)
        added[:, PANCREAS] = self.weight * vote[:, 0]
        return logits + added
