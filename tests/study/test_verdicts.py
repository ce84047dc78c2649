"""What the comparisons decided, in words: met and shown are told apart."""

import pandas as pd
import pytest

from pancreas_ssl.study import differs_in, load_study, verdicts

LINE = {"comparison": "both", "arm": "dual", "against": "plain", "metric": "dice", "decides": True,
        "seeds": 2, "difference": 0.041, "low": -0.01, "high": 0.09, "holm_p": 0.03, "target": 0.03}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"met": True, "shown": True}, "target at least +0.030: met and shown (Holm p 0.030)."),
        ({"met": True, "shown": False, "holm_p": 0.2}, "met, but not shown (Holm p 0.200)."),
        ({"met": False, "shown": False, "difference": -0.02, "target": 0.0}, "= -0.020 dice (-0.010 to +0.090), "
                                                                           "target above 0: not met"),
        ({"met": True, "shown": True, "holm_p": 0.0001}, "(Holm p < 0.001)."),
        ({"met": None, "shown": None, "holm_p": float("nan")}, "+0.030: open, as seeds are missing (2 there)."),
    ],
)  # fmt: skip
def test_met_and_shown_are_told_apart(change, words):
    (said,) = verdicts(pd.DataFrame([LINE | change]))
    assert said.startswith("both: dual - plain = ") and words in said


def test_lines_that_do_not_decide_are_left_out():
    lines = [LINE | {"decides": False, "met": None, "shown": None}, LINE | {"met": True, "shown": True}]
    assert len(verdicts(pd.DataFrame(lines))) == 1


def test_what_an_arm_differs_in(config, card):
    arms = {"plain": {}, "noisy": {"noise": 0.3, "steps": 7}, "few": {"labelled": 1}}
    words = differs_in(load_study(config(arms=arms, comparisons=[])))
    assert words == {"plain": "nothing", "noisy": "steps: 7, noise: 0.3", "few": "labelled: 1"}
