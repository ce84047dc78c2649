"""The field's competitors for single-source generalisation, as functions on tensors: draw first, apply after."""

from pancreas_ssl.augmentation.blending import BlendDraw, blend, blend_field, draw_blend
from pancreas_ssl.augmentation.gin import GinDraw, apply_gin, draw_gin
from pancreas_ssl.augmentation.intensity import StrongDraw, apply_strong, draw_strong
from pancreas_ssl.augmentation.labels import LabelDraw, apply_labels, draw_labels
from pancreas_ssl.augmentation.mixstyle import MixStyleDraw, apply_mixstyle, draw_mixstyle
from pancreas_ssl.augmentation.randconv import RandConvDraw, apply_randconv, draw_randconv

__all__ = [
    "BlendDraw",
    "GinDraw",
    "LabelDraw",
    "MixStyleDraw",
    "RandConvDraw",
    "StrongDraw",
    "apply_gin",
    "apply_labels",
    "apply_mixstyle",
    "apply_randconv",
    "apply_strong",
    "blend",
    "blend_field",
    "draw_blend",
    "draw_gin",
    "draw_labels",
    "draw_mixstyle",
    "draw_randconv",
    "draw_strong",
]
