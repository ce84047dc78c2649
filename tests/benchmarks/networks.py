"""The networks that are compared: ours, MONAI's usual ones, and what was tried to make ours better."""

from collections.abc import Sequence
from functools import partial

import torch
from monai.networks.nets import BasicUNet, DynUNet, UNet
from torch import nn
from torch.nn import functional as F

from pancreas_ssl.method.network import Block, SegmentationNetwork, depth_to_space

PATCH, BATCH = (64, 64, 48), 2


class NarrowDecoder(nn.Module):
    """Each level narrows the coarser one first (1x1x1), upsamples, adds the skip: a third of the multiplications."""

    def __init__(self, channels: Sequence[int]):
        super().__init__()
        levels = range(len(channels) - 2, -1, -1)
        self.narrow = nn.ModuleList(nn.Conv3d(channels[k + 1], channels[k], 1, bias=False) for k in levels)
        self.blocks = nn.ModuleList(Block(channels[k], channels[k]) for k in levels)

    def forward(self, outputs: list[torch.Tensor]) -> torch.Tensor:
        x = outputs[-1]
        for narrow, block, skip in zip(self.narrow, self.blocks, reversed(outputs[:-1]), strict=True):
            x = block(F.interpolate(narrow(x), scale_factor=2) + skip)
        return x


class Variant(SegmentationNetwork):
    """Ours with a narrow decoder, or with an end at full resolution, or both.

    The end: `unfolded` channels of the decoder beside the image (`stem` = 1) or a convolution of it to `stem` channels,
    one convolution of `size` to `width` channels, and a 1x1x1 convolution to the classes.
    """

    def __init__(self, channels=(16, 32, 64, 96), narrow=False, unfolded=0, stem=1, width=8, size=3, norm=True, seed=0):
        super().__init__(channels, seed=seed)
        torch.manual_seed(seed)
        if narrow:
            self.decoder = NarrowDecoder(channels)
        self.end: nn.Module | None = None
        if unfolded:
            self.up = nn.Conv3d(channels[0], unfolded * 8, 1)
            self.stem = nn.Identity() if stem == 1 else Block(1, stem)
            convolution = nn.Conv3d(unfolded + stem, width, size, padding=size // 2)
            normed = nn.GroupNorm(width, width) if norm else nn.Identity()
            self.end = nn.Sequential(convolution, normed, nn.LeakyReLU(0.01), nn.Conv3d(width, 2, 1))
        for part in self.modules():
            if isinstance(part, nn.Conv3d):
                nn.init.kaiming_normal_(part.weight, a=0.01)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.decode(self.encode(x))
        if self.end is None:
            return self.segment(features)
        return self.end(torch.cat([depth_to_space(self.up(features)), self.stem(x)], 1))


def unet(seed: int = 0) -> nn.Module:
    """MONAI's UNet with the channels of ours."""
    torch.manual_seed(seed)
    return UNet(3, 1, 2, channels=(16, 32, 64, 96), strides=(2, 2, 2), num_res_units=2)


def dynunet(seed: int = 0) -> nn.Module:
    """nnU-Net's network as MONAI has it, with the channels of ours."""
    torch.manual_seed(seed)
    how = {"strides": [1, 2, 2, 2], "upsample_kernel_size": [2] * 3, "norm_name": "instance"}
    return DynUNet(3, 1, 2, kernel_size=[3] * 4, filters=[16, 32, 64, 96], **how)


def basic_unet(seed: int = 0) -> nn.Module:
    """MONAI's BasicUNet as it comes."""
    torch.manual_seed(seed)
    return BasicUNet(spatial_dims=3, in_channels=1, out_channels=2)


def spleen_unet() -> nn.Module:
    """The network of MONAI's spleen segmentation tutorial."""
    return UNet(3, 1, 2, channels=(16, 32, 64, 128, 256), strides=(2, 2, 2, 2), num_res_units=2, norm="batch")


NETWORKS = {"ours": SegmentationNetwork, "MONAI BasicUNet": basic_unet, "MONAI UNet 16-32-64-96": unet}

# name in assets/networks -> network
CANDIDATES = {
    "ours": SegmentationNetwork,
    "wider": partial(Variant, channels=(24, 32, 64, 96)),
    "narrow decoder": partial(Variant, narrow=True),
    "narrow decoder, 24-32-64-96": partial(Variant, channels=(24, 32, 64, 96), narrow=True),
    "narrow decoder, 32-48-64-96": partial(Variant, channels=(32, 48, 64, 96), narrow=True),
    "full-resolution end": partial(Variant, unfolded=4),
    "full-resolution stem and end": partial(Variant, unfolded=8, stem=8),
    "narrow, thin end": partial(Variant, narrow=True, unfolded=3, width=4, norm=False),
    "narrow, thin end, normed": partial(Variant, narrow=True, unfolded=3, width=4),
    "narrow, thinnest end": partial(Variant, narrow=True, unfolded=1, width=2),
    "narrow, full-resolution end": partial(Variant, narrow=True, unfolded=4),
    "narrow, wide end": partial(Variant, narrow=True, unfolded=7, norm=False),
    "narrow, pointwise end": partial(Variant, narrow=True, unfolded=7, size=1, norm=False),
    "MONAI UNet": unet,
    "MONAI DynUNet": dynunet,
}
