"""Frozen features of shapes: a small network that never saw a patient tells where edges are, whatever their contrast.

    image -> fold -> (8, X/2, Y/2, Z/2) -> three 3x3x3 convolutions -> 8 features of length 1 at each place (stride 2)

It was trained by contrast on random shapes, rendered twice in random greys (`training.shape_pretraining`): features of
one place should agree between the renderings and differ from those of other places. The segmentation network takes them
beside the folded image; while it trains, each of these nine inputs is left out of a patch at random (the recipe's
`shape_drop`), so that it cannot rely on intensities alone. A prediction sees all of them.

Source: DropGen (MaskGen), Diaz et al. 2026, arXiv 2604.02564. Its features come from a much larger network (anatomix),
trained on synthetic images of real organs' shapes; ours has 14,000 weights and sees three places of half resolution to
each side, 18 mm on a grid of 3 mm, so it is a test of the idea, not of the paper.
"""

from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.convolutions import Conv3d
from pancreas_ssl.method.segmentation import PHASES

__all__ = ["FEATURES", "ShapeFeatures", "frozen_features", "shown"]

FEATURES = 8
WEIGHTS = Path(__file__).resolve().parents[1] / "assets" / "shapes" / "features.safetensors"
WIDTH = 16


class ShapeFeatures(nn.Module):
    """The network itself, to be trained; `frozen_features` gives the one that was.

    Example:
        >>> ShapeFeatures()(torch.zeros(1, 8, 16, 16, 8)).shape
        torch.Size([1, 8, 16, 16, 8])
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (PHASES, WIDTH, WIDTH, FEATURES)
        layers: list[nn.Module] = []
        for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
            layers += [Conv3d(inputs, outputs, 3, 1, 1, bias=False), nn.GroupNorm(outputs, outputs, affine=False)]
            layers += [nn.LeakyReLU(0.1)]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, folded: Float[Tensor, "B 8 x y z"]) -> Float[Tensor, "B 8 x y z"]:
        """Features of a folded image (`space_to_depth`), a vector of length 1 at each place."""
        return F.normalize(self.layers(folded), dim=1)


def frozen_features() -> ShapeFeatures:
    """The trained network; its weights are buffers, which no optimiser touches and every file of weights keeps.

    Raises:
        InputError: the package lacks its file.

    Example:
        >>> len(list(frozen_features().parameters())), len(list(frozen_features().buffers()))
        (0, 3)
    """
    from safetensors.torch import load_file

    network = ShapeFeatures()
    if not next(network.parameters()).is_meta:  # a forecast of memory has shapes alone
        if not WEIGHTS.is_file():
            raise InputError(f"expected the features of shapes in {WEIGHTS}, there is no such file; install again")
        network.load_state_dict({name: tensor.float() for name, tensor in load_file(WEIGHTS).items()})
    for module in list(network.modules()):
        for name, weight in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, weight.detach())
    return network.eval()


def shown(dropped: Bool[Tensor, "B 9"]) -> Float[Tensor, "B 16 1 1 1"]:
    """Factors of the inputs of the first convolution: 0 for what is left out, the image (its 8 phases) or a feature.

    A patch that would lose everything keeps its image.

    Example:
        >>> shown(torch.tensor([[True] + 8 * [False], 9 * [True]])).sum((1, 2, 3, 4)).tolist()
        [8.0, 8.0]
    """
    kept = ~dropped
    kept[:, 0] |= dropped.all(1)
    return torch.cat([kept[:, :1].expand(-1, PHASES), kept[:, 1:]], 1).float()[..., None, None, None]
