"""The network on one page, scans with one change, and the same patients under several conditions."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from pancreas_ssl import figures
from pancreas_ssl.errors import InputError
from pancreas_ssl.method.network import SegmentationNetwork


def prepared(shape=(40, 36, 20)):
    rng = np.random.default_rng(0)
    label = np.zeros((1, *shape), np.uint8)
    label[0, 20:30, 12:20, 8:14] = 1
    image = (label * 0.5 + rng.normal(0, 0.1, label.shape)).astype(np.float32)
    return SimpleNamespace(image=image, label=label, affine=np.diag([3.0, 3, 3, 1]), window=(-150.0, 250.0))


def test_the_page_shows_every_step_of_the_networks_own_pass():
    network = SegmentationNetwork((4, 6, 8)).train()
    drawn = figures.network_page(network, prepared(), (32, 32, 16))
    table = drawn.table
    assert table["part"].tolist() == [
        "image",
        "encoder",
        "encoder",
        "bottleneck",
        "decoder",
        "decoder",
        "logits",
        "softmax",
    ]
    assert table["channels"].tolist() == [1, 4, 6, 8, 6, 4, 2, 1]
    assert table["grid"][[0, 3, 6]].tolist() == ["32 x 32 x 16", "4 x 4 x 2", "32 x 32 x 16"]
    assert table["weights"].sum() == sum(p.numel() for p in network.parameters())
    assert network.training and not any(m._forward_hooks for m in network.modules()), "left as it was"
    box = prepared().image[:, 8:40, 0:32, 2:18]
    with torch.no_grad():
        probability = network.eval()(torch.from_numpy(np.ascontiguousarray(box))[None]).softmax(1)[0, 1]
    assert table["highest value"].iloc[-1] == pytest.approx(float(probability.max()), abs=1e-5)
    assert drawn.png()[:4] == b"\x89PNG" and "skips" in drawn.alt.lower()
    assert figures.network_page(network, prepared((20, 20, 9)), (32, 32, 16)).table["grid"][0] == "16 x 16 x 8"
    for bad, what in ((SegmentationNetwork((4, 6), in_channels=2), prepared()), (network, prepared((32, 20, 5)))):
        with pytest.raises(InputError, match=r"expected a (network|case)"):
            figures.network_page(bad, what)


def test_a_change_is_shown_as_a_difference_on_the_unchanged_grid():
    hu = np.arange(30 * 24 * 10, dtype=np.int16).reshape(30, 24, 10) % 97
    label = np.zeros(hu.shape, np.uint8)
    label[12:18, 10:14, 4:7] = 1
    base = SimpleNamespace(array=hu, label=label, affine=np.diag([2.0, 2, 2, 1]))
    brighter = SimpleNamespace(array=hu + 20, affine=base.affine)
    moved = base.affine.copy()
    moved[0, 3] = 20.0  # ten voxels are missing on one side
    shorter = SimpleNamespace(array=hu[10:], affine=moved)
    drawn = figures.change_sheet(base, {"calibration": brighter, "view": shorter}, margin_mm=100)
    table = drawn.table.set_index("changed")
    assert table.loc["calibration", "mean difference, HU"] == 20
    assert table.loc["view", "mean size of the difference, HU"] == pytest.approx(0, abs=1e-3)
    assert drawn.png()[:4] == b"\x89PNG" and "calibration 20.0 HU" in drawn.alt
    with pytest.raises(InputError, match="labelled"):
        figures.change_sheet(brighter, {"x": base})
    with pytest.raises(InputError, match="at least one changed"):
        figures.change_sheet(base, {})


def test_few_patients_get_lines_and_no_interval():
    rows = pd.DataFrame(
        {"case": ["1", "2"] * 2, "changed": ["nothing"] * 2 + ["noise"] * 2, "dice": [0.8, 0.6, 0.7, 0.6]}
    )
    drawn = figures.patient_lines(rows, by="changed")
    assert drawn.table["changed"].tolist() == ["nothing", "noise"] and drawn.table["mean"].tolist() == pytest.approx(
        [0.7, 0.65]
    )
    assert "interval" not in drawn.alt and drawn.table["2"].tolist() == [0.6, 0.6]
    table = figures.dice_dots(rows, by="changed").table
    assert table["95 % from"].isna().all(), "an interval of two patients"


def test_lines_take_words_for_readers():
    table = pd.DataFrame({"t": [0, 1], "held_out_dice": [0.1, 0.5], "who": ["a", "a"]})
    words = {"t": "step", "held_out_dice": "Dice on held-out patients", "a": "plain"}
    drawn = figures.line_chart(table, "t", "held_out_dice", by="who", labels=words)
    (axis,) = drawn.figure.axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("step", "Dice on held-out patients")
    assert "plain from 0.1 to 0.5" in drawn.alt and "held_out" not in drawn.alt
