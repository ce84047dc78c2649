"""A patch like a CT's, comparisons of drawings, and what every augmentation of one patch promises."""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import torch

SHAPE = (16, 12, 10)


def patch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Air, fat, muscle and three organs (labels 1, 2, 5) with texture: image `(1, x, y, z)` and labels in uint8."""
    organs = torch.zeros(1, *SHAPE, dtype=torch.uint8)
    organs[:, 5:9, 2:10], organs[:, 9:12, 2:10], organs[:, 12:15, 2:10, 2:8] = 1, 2, 5
    image = torch.full((1, *SHAPE), -0.75)
    image[:, :2] = -1.0
    image[:, 3:5] = 0.05
    for label, grey in ((1, 0.28), (2, 0.31), (5, 0.5)):
        image[organs == label] = grey
    noise = 0.04 * torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    return torch.where(image > -1, image + noise, image).clamp_(-1, 1), organs


def same(first, second) -> bool:
    """Whether two drawings hold equal values."""
    return type(first) is type(second) and all(
        _equal(getattr(first, field.name), getattr(second, field.name)) for field in fields(first)
    )


def _equal(a, b) -> bool:
    if isinstance(a, tuple) and len(a) and isinstance(a[0], np.ndarray):
        return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    numbers = isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
    return np.array_equal(a, b, equal_nan=numbers)


def keeps_the_promises(draw: Callable, apply: Callable, seeds: int = 12) -> None:
    """Drawings depend on the seed alone, applying on image and drawing alone; the patch keeps its kind.

    Args:
        draw: generator -> drawing.
        apply: (image, drawing) -> image.
    """
    image, _ = patch()
    before, changed = image.clone(), 0
    for seed in range(seeds):
        drawing = draw(np.random.default_rng(seed))
        assert same(drawing, draw(np.random.default_rng(seed)))
        torch.manual_seed(seed), np.random.seed(seed)  # noqa: NPY002  the global state must not matter
        out = apply(image, drawing)
        torch.manual_seed(seed + 1), np.random.seed(seed + 1)  # noqa: NPY002
        assert torch.equal(out, apply(image, drawing))
        assert out.shape == image.shape and out.dtype == torch.float32 and out.device == image.device
        assert out.isfinite().all() and out.min() >= -1 and out.max() <= 1
        assert torch.equal(image, before) and out.data_ptr() != image.data_ptr()
        assert not apply(image.clone().requires_grad_(), drawing).requires_grad
        changed += not torch.equal(out, image)
    assert changed >= seeds / 2
    assert not same(draw(np.random.default_rng(0)), draw(np.random.default_rng(1)))
