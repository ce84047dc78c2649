"""The networks that are compared: ours, and MONAI's two usual ones."""

import torch
from monai.networks.nets import BasicUNet, UNet

from pancreas_ssl.network import SegmentationNetwork

PATCH, BATCH = (64, 64, 48), 2


def ours() -> torch.nn.Module:
    return SegmentationNetwork()


def basic_unet() -> torch.nn.Module:
    """MONAI's BasicUNet as it comes."""
    return BasicUNet(spatial_dims=3, in_channels=1, out_channels=2)


def unet() -> torch.nn.Module:
    """MONAI's UNet with the channels of ours."""
    return UNet(3, 1, 2, channels=(16, 32, 64, 96), strides=(2, 2, 2), num_res_units=2)


def spleen_unet() -> torch.nn.Module:
    """The network of MONAI's spleen segmentation tutorial."""
    return UNet(3, 1, 2, channels=(16, 32, 64, 128, 256), strides=(2, 2, 2, 2), num_res_units=2, norm="batch")


NETWORKS = {"ours": ours, "MONAI BasicUNet": basic_unet, "MONAI UNet 16-32-64-96": unet}
