"""From a feature to a point on the unit sphere, where the contrast compares directions.

    z = W2 relu(LayerNorm(W1 f + b1)) + b2,   then z / |z|

There is no ReLU at the end: with one, all coordinates would be positive, every cosine would lie between 0 and 1, and
nothing could ever be pushed further away than at a right angle.
"""

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Projection", "project_map"]


class Projection(nn.Module):
    """Two linear layers with LayerNorm and ReLU between them, then the L2 norm; applied to the last axis.

    On a map of features it is the same as two 1x1x1 convolutions.

    Args:
        inputs: width of the features.
        hidden: width in between; by default twice the inputs.
        outputs: dimensions of the sphere's space.
        seed: of the first weights (Kaiming normal), drawn from a generator of their own.

    Example:
        >>> Projection(16)(torch.zeros(5, 16)).shape
        torch.Size([5, 32])
    """

    def __init__(self, inputs: int, hidden: int | None = None, outputs: int = 32, seed: int = 0):
        super().__init__()
        hidden = hidden or 2 * inputs
        self.first, self.norm = nn.Linear(inputs, hidden), nn.LayerNorm(hidden)
        self.second = nn.Linear(hidden, outputs)
        generator = torch.Generator().manual_seed(seed)
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight, generator=generator)
            nn.init.normal_(layer.bias, std=0.01, generator=generator)

    def forward(self, features: Float[Tensor, "... F"]) -> Float32[Tensor, "... D"]:
        """Unit vectors in float32; a feature of zeros has a direction too (that of the biases)."""
        hidden = F.relu(self.norm(self.first(features)))
        return F.normalize(self.second(hidden).float(), dim=-1, eps=1e-6)


def project_map(projection: Projection, features: Float[Tensor, "B F X Y Z"]) -> Float32[Tensor, "B D X Y Z"]:
    """The projection at every place of a map of features."""
    return projection(features.movedim(1, -1)).movedim(-1, 1)
