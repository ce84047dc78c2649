"""A small 3D U-Net that is fast on an ordinary processor, with taps for the course and the losses to look into.

The image is first folded, 2 x 2 x 2 voxels into 8 channels (*space to depth*), so that every convolution works at half
resolution or below; the heads unfold their channels again (*depth to space*) and still answer for every voxel. Eight
neighbouring voxels share their features and differ only in the head: these eight positions are called *phases*.

    image (1, X, Y, Z) -> fold -> (8, X/2, Y/2, Z/2) -> encoder -> bottleneck
    bottleneck -> decoder = features (stride 2) -> 1x1x1 convolution -> unfold -> logits (classes, X, Y, Z)

The normalisation is InstanceNorm: each channel of each sample is brought to mean 0 and variance 1, which absorbs
much of an intensity shift between scanners. It is written as GroupNorm with one channel per group, the same formula,
because torch runs that one natively on channels-last tensors (0.17 against 0.23 s a training step on two cores).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.convolutions import Conv3d, conv_upsampled
from pancreas_ssl.method.segmentation import PHASES, depth_to_space, space_to_depth
from pancreas_ssl.method.shape_features import FEATURES, ShapeFeatures, frozen_features

__all__ = ["SegmentationNetwork", "Taps", "depth_to_space", "space_to_depth"]


@dataclass(frozen=True)
class Taps:
    """What can be looked at in one pass: `network.taps(x)`."""

    logits: Float[Tensor, "B classes X Y Z"]
    features: Float[Tensor, "B F X2 Y2 Z2"]  # decoder output, stride 2: what the head sees
    bottleneck: Float[Tensor, "B G Xs Ys Zs"]  # deepest encoder output, stride `network.stride`
    restored: Float[Tensor, "B 1 X Y Z"] | None = None  # image in [-1, 1], when there is a restoration head


class Block(nn.Sequential):
    """Convolution 3x3x3 without bias, InstanceNorm, LeakyReLU (slope 0.01)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__(
            Conv3d(inputs, outputs, 3, stride, 1, bias=False),
            nn.GroupNorm(outputs, outputs),
            nn.LeakyReLU(0.01, inplace=True),
        )


class Decoder(nn.Module):
    """Back up to half resolution: upsample by 2 (nearest), join the encoder's output, one block per level.

    On the finest level, which costs as much as all others, upsampling and convolution are one (`conv_upsampled`).
    """

    def __init__(self, channels: Sequence[int]):
        super().__init__()
        levels = range(len(channels) - 2, -1, -1)
        self.blocks = nn.ModuleList(Block(channels[k + 1] + channels[k], channels[k]) for k in levels)

    def forward(self, outputs: list[Tensor], passed: list[Tensor] | None = None) -> Tensor:
        """Features of the finest level; those of the levels below are put into `passed`, the bottleneck first."""
        x, *skips = reversed(outputs)
        passed = [] if passed is None else passed
        passed.append(x)
        for block, skip in zip(self.blocks[:-1], skips[:-1], strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2), skip], 1))
            passed.append(x)
        convolution, *rest = self.blocks[-1]
        return nn.Sequential(*rest)(conv_upsampled(convolution, x, skips[-1]))


class SegmentationNetwork(nn.Module):
    """3D U-Net on folded input, 3D in, one logit per class and voxel out.

    Args:
        channels: widths of the levels at stride 2, 4, 8, ...; their number sets `stride = 2 ** len(channels)`,
            of which every image size must be a multiple (16 for the default).
        n_classes: background included; 2 = background and pancreas.
        in_channels: image channels, 1 for CT.
        dropout: share of channels set to 0 at the bottleneck and before the head while training (or for
            Monte Carlo dropout); 0 switches it off.
        shapes: frozen features of shapes stand beside the folded image (`shape_features`).
        seed: of the initial weights (Kaiming normal), drawn from a generator of their own.

    `config` holds what is needed to build the same network again: `SegmentationNetwork(**network.config)`.

    Example:
        >>> network = SegmentationNetwork()
        >>> network(torch.zeros(1, 1, 32, 32, 16)).shape
        torch.Size([1, 2, 32, 32, 16])
    """

    def __init__(
        self,
        channels: Sequence[int] = (16, 32, 64, 96),
        n_classes: int = 2,
        in_channels: int = 1,
        dropout: float = 0.0,
        restores: bool = False,
        seed: int = 0,
        shapes: bool = False,
    ):
        super().__init__()
        if len(channels) < 2 or min(channels) < 1 or n_classes < 1 or in_channels < 1 or not 0 <= dropout < 1:
            raise InputError(
                f"expected at least two positive channel widths, one class, one input channel and a dropout below 1, "
                f"got channels={tuple(channels)}, n_classes={n_classes}, in_channels={in_channels}, "
                f"dropout={dropout}; correct the network's configuration"
            )
        self.channels, self.n_classes, self.in_channels = tuple(channels), n_classes, in_channels
        self.stride = 2 ** len(channels)
        widths = [in_channels * PHASES + (FEATURES if shapes else 0), *channels]
        self.encoder = nn.ModuleList(
            nn.Sequential(Block(a, b, stride=2 if level else 1), Block(b, b))
            for level, (a, b) in enumerate(zip(widths[:-1], widths[1:], strict=True))
        )
        self.decoder = Decoder(channels)
        self.head = Conv3d(channels[0], n_classes * PHASES, 1)
        self.dropout = nn.Dropout3d(dropout)
        self.restorer: nn.ModuleList | None = None
        _initialise(self, seed)
        _share_phases(self.head)
        self.shapes: ShapeFeatures | None = frozen_features() if shapes else None
        if restores:
            self.add_restoration(seed)

    @property
    def config(self) -> dict:
        """Keyword arguments that build the same architecture again (weights apart)."""
        return {
            "channels": list(self.channels),
            "n_classes": self.n_classes,
            "in_channels": self.in_channels,
            "dropout": self.dropout.p,
            "restores": self.restorer is not None,
            **({"shapes": True} if self.shapes is not None else {}),
        }

    def add_restoration(self, seed: int = 0) -> "SegmentationNetwork":
        """Add a second decoder that reconstructs the image (tap `restored`); all other weights stay as they are.

        It has all skips, the finest too. Copying through it is no shortcut: only corrupted voxels are judged, and
        there the copy is wrong. Without the finest skip its images were so blurred that smoothing the corrupted patch
        came nearer to the truth than it did (PSNR within the mask, source A).
        """
        if self.restorer is None:
            decoder = Decoder(self.channels)
            restorer = nn.ModuleList([decoder, Conv3d(self.channels[0], self.in_channels * PHASES, 1)])
            _initialise(restorer, seed + 1)
            _share_phases(restorer[1])
            self.restorer = restorer.to(next(self.parameters()).device)
        return self

    def encode(
        self, x: Float[Tensor, "B C X Y Z"], between: Callable[[Tensor, int], Tensor] | None = None
    ) -> list[Tensor]:
        """Encoder outputs, finest (stride 2) first, bottleneck last.

        Args:
            between: called with each level's output and its number (0 = finest); what it returns replaces that output:
                a place for MixStyle. With features of shapes, number -1 is the input: the folded image and they.
        """
        if x.ndim != 5 or x.shape[1] != self.in_channels or any(size % self.stride for size in x.shape[2:]):
            raise InputError(
                f"expected an image batch (B, {self.in_channels}, X, Y, Z) with sizes that are multiples of "
                f"{self.stride}, got {tuple(x.shape)}; pad the image or use sliding windows"
            )
        outputs, x = [], space_to_depth(x)
        if self.shapes is not None:
            with torch.no_grad():
                x = torch.cat([x, self.shapes(x).to(x.dtype)], 1)
            x = between(x, -1) if between is not None else x
        for number, level in enumerate(self.encoder):
            x = level(x)
            if between is not None:
                x = between(x, number)
            outputs.append(x)
        return outputs

    def forward(self, x: Float[Tensor, "B C X Y Z"]) -> Float[Tensor, "B classes X Y Z"]:
        return self.segment(self.decode(self.encode(x)))

    def taps(self, x: Float[Tensor, "B C X Y Z"]) -> Taps:
        """One pass with all intermediate results; `taps(x).logits` equals `network(x)`."""
        outputs = self.encode(x)
        features = self.decode(outputs)
        restored = self.restore(outputs) if self.restorer is not None else None
        return Taps(self.segment(features), features, outputs[-1], restored)

    def restore(self, outputs: list[Tensor]) -> Float[Tensor, "B C X Y Z"]:
        """The image reconstructed from the encoder's outputs; needs `add_restoration`."""
        if self.restorer is None:
            raise InputError(
                "expected a network with a restoration head, this one has none; add_restoration() adds one to train, "
                "or load weights of an arm with restoration"
            )
        decoder, head = self.restorer
        return depth_to_space(head(decoder(outputs)))

    def decode(self, outputs: list[Tensor], passed: list[Tensor] | None = None) -> Float[Tensor, "B F X2 Y2 Z2"]:
        """Decoder features (stride 2) from the encoder's outputs.

        Args:
            passed: a list that takes what the decoder had at each level below: bottleneck, ..., stride 4.
        """
        return self.dropout(self.decoder([*outputs[:-1], self.dropout(outputs[-1])], passed))

    def last_weights(self, stride: int) -> nn.Parameter:
        """Weights of the last convolution before the decoder's features at a stride.

        Example:
            >>> [len(SegmentationNetwork().last_weights(stride)) for stride in (2, 4, 8, 16)]
            [16, 32, 64, 96]
        """
        below = [self.encoder[-1][-1], *self.decoder.blocks]
        return below[-(stride.bit_length() - 1)][0].weight

    def segment(self, features: Float[Tensor, "B F X2 Y2 Z2"]) -> Float[Tensor, "B classes X Y Z"]:
        """Logits from decoder features."""
        return depth_to_space(self.head(features))

    def segment_folded(self, features: Float[Tensor, "B F X2 Y2 Z2"]) -> Float[Tensor, "B classes 8 X2 Y2 Z2"]:
        """The same logits before they are unfolded, for a loss that is a mean over voxels: `segmentation.folded`."""
        return self.head(features).unflatten(1, (self.n_classes, PHASES))


def _initialise(module: nn.Module, seed: int) -> None:
    """Kaiming-normal convolutions from a generator of their own, zero biases, unit norms."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.Conv3d):
            nn.init.kaiming_normal_(part.weight, a=0.01, generator=generator)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def _share_phases(head: nn.Conv3d) -> None:
    """Let the 8 phases of a head start alike: first learn where the organ is, then its sub-voxel outline.

    Without it a head starts with a checkerboard, and early learning is about half as fast.
    """
    with torch.no_grad():
        phases = head.weight.view(-1, PHASES, *head.weight.shape[1:])
        phases.copy_(phases[:, :1].expand_as(phases).clone())
