"""What fits where, peaks that are measured, and trainings started from a notebook."""

from dataclasses import replace

import pytest

from pancreas_ssl.errors import RunError
from pancreas_ssl.training import Recipe
from pancreas_ssl.training.arms import with_arm
from pancreas_ssl.training.local_launch import launch, launch_command, usual_processes
from pancreas_ssl.training.memory import forecast
from pancreas_ssl.training.sizing import MOST, largest_batch, measured_peaks

DUAL = with_arm(Recipe(precision="fp32"), "dual")


@pytest.mark.parametrize("gib", [1, 8])
def test_the_largest_batch_fits_and_one_more_does_not(gib):
    batch = largest_batch(DUAL, gib * 2**30)
    assert batch > 1
    assert forecast(replace(DUAL, batch=batch)).total <= 0.9 * gib * 2**30
    assert forecast(replace(DUAL, batch=batch + 2)).total > 0.9 * gib * 2**30
    assert largest_batch(DUAL, gib * 2**30, "bf16") > batch


def test_where_nothing_fits_and_where_everything_does():
    assert largest_batch(DUAL, 2**20) == 0
    assert largest_batch(replace(DUAL, patch=(16, 16, 16)), 2**45) == MOST


def test_measured_peaks_come_in_the_order_of_the_recipes():
    small = replace(DUAL, patch=(32, 32, 32), channels=(8, 16), batch=1)
    large = replace(DUAL, patch=(96, 80, 64), batch=2)
    peaks = measured_peaks([large, small], "cpu")
    assert peaks[0] > 2 * peaks[1] > 0
    assert forecast(large).total / 2 < peaks[0] < 2 * forecast(large).total
    with pytest.raises(RunError, match="to be measured failed"):
        measured_peaks([small], "cuda:99")


def test_a_command_is_started_and_heard_and_its_failure_is_a_sentence():
    heard = []
    launch(["version"], show=heard.append)
    assert len(heard) == 1 and heard[0][0].isdigit()
    with pytest.raises(RunError, match="expected an arm out of"):
        launch(["train", "--arm", "sideways", "--out", "nowhere"], show=None)
    assert usual_processes() >= 2
    assert launch_command(["version"], 3)[-4:] == ["3", "-m", "pancreas_ssl", "version"]
