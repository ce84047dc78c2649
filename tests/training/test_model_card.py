"""The model card says what weights are for, and how far they may be trusted, whatever they were trained on."""

import pytest

from pancreas_ssl.training import Recipe
from pancreas_ssl.training.model_card import model_card


def facts(source: str, dice=(0.7, 0.9)) -> dict:
    ids = [f"p{k}" for k in range(len(dice))]
    return {
        "arm": "dual", "source": source, "command": "pancreas-ssl train --arm dual", "recipe": Recipe().to_dict(),
        "step": 10, "seconds": 3.2, "peak_memory": 2**30, "device": "cpu", "precision": "fp32", "parameters": 1234567,
        "train": {"ids": ["a", "b"], "digest": "d" * 64},
        "held_out": {"ids": ids, "digest": "e" * 64 if ids else "", "dice": list(dice)},
        "version": "0.1.0", "torch": "2", "date": "2026-01-01",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("phantom/A", "trained on synthetic phantoms alone"),
        ("random_phantoms/R", "trained on synthetic phantoms alone"),
        ("my_card/mine", "expect it to fail on scans of other hospitals"),
    ],
)
def test_limits_follow_from_what_it_was_trained_on(source, words):
    card = model_card("mine", facts(source), 2 * 2**20)
    assert card.startswith("# mine\n") and words in card and "not for clinical use" in card
    assert "1,234,567 parameters, 2.0 MiB" in card and "    pancreas-ssl train --arm dual" in card
    assert "mean 0.800, lowest 0.700, highest 0.900 (2 patients" in card and "| p1 | 0.900 |" in card


def test_without_held_out_patients_it_says_so():
    assert "There were none." in model_card("mine", facts("phantom/A", ()), 1000)
