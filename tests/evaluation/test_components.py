"""Bounding boxes and the largest component."""

import numpy as np
from scipy import ndimage

from pancreas_ssl.evaluation import largest_component
from pancreas_ssl.method.structure import bounding_box


def test_largest_component_agrees_with_scipy():
    mask = np.random.default_rng(0).random((30, 31, 32)) < 0.08
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    kept = largest_component(mask)
    assert kept.dtype == np.uint8 and kept.sum() == sizes.max()
    assert np.array_equal(kept.astype(bool), labels == sizes.argmax() + 1) or (sizes == sizes.max()).sum() > 1


def test_corner_neighbours_hang_together_and_empty_stays_empty():
    mask = np.zeros((5, 5, 5), np.uint8)
    mask[1, 1, 1] = mask[2, 2, 2] = mask[4, 4, 0] = 1
    assert largest_component(mask).sum() == 2
    assert largest_component(np.zeros((4, 4, 4), bool)).sum() == 0
    assert mask.sum() == 3  # the input is left alone


def test_bounding_box_and_margin():
    mask = np.zeros((10, 10, 10), bool)
    mask[0:2, 3:5, 9] = True
    assert bounding_box(mask) == (slice(0, 2), slice(3, 5), slice(9, 10))
    assert bounding_box(mask, margin=2) == (slice(0, 4), slice(1, 7), slice(7, 10))
    assert bounding_box(np.zeros((3, 3, 3), bool)) is None
