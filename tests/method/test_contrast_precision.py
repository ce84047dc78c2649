"""In a bfloat16 training the cosines stay float32, and the first step's voxels are taken in once."""

import numpy as np
import pytest
import torch

from pancreas_ssl.method.contrast import GlobalContrast
from tests.method.test_sampling import world
from tests.method.voxels import guided


def test_autocast_rounds_no_cosine_and_the_first_step_counts_once():
    regions, doubt, predicted = world()
    label = ((regions == 1) | (regions == 2)).long()
    contrast = GlobalContrast("guided", 6)
    features = torch.randn(2, 6, 16, 16, 12, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        terms = contrast(features, regions, doubt, label, regions > 0, predicted, np.random.default_rng(0))
    again = guided(terms.z, terms.sample, contrast.prototypes)
    assert terms.loss.item() == pytest.approx(again.loss.item(), abs=1e-6)
    assert int(contrast.prototypes.updates) == 1
    known = contrast.prototypes.queue[: int(contrast.prototypes.queue_filled)]
    assert len(known) == len(known.unique(dim=0)) == int((terms.sample.regions >= 4).sum())
