"""Fingerprints: the numbers of a known case, distances beside chance, cases that cannot be read, the command."""

import numpy as np
import pandas as pd
import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.data.fingerprint import Fingerprint, describe, fingerprints
from tests.safety.helpers import abdomen, data_set, pancreas, save

ANY = {"sources": "{a: {role: any, title: A}}", "splits": "{}"}


def test_numbers_of_known_cases(tmp_path):
    card = data_set(tmp_path, ("p0", "p1", "p2"), **ANY)
    (tmp_path / "data" / "p2_label.nii.gz").unlink()
    one, _, unlabelled = fingerprints(str(card))
    assert one.spacing == (3, 3, 3) and one.shape == (40, 40, 24)
    assert one.volume_ml == pytest.approx(pancreas().sum() * 0.027)
    assert one.inside[1] == pytest.approx(90, abs=1) and one.sample.size == min(2000, pancreas().sum())
    assert unlabelled.sample is None and unlabelled.body[1] == pytest.approx(one.body[1], abs=20)
    table = describe({"a": [one, unlabelled]})
    assert table["labelled"].tolist() == [1] and np.isnan(table["hu_chance"][0])


def _drawn(rng, mean: float, ml: float, n: int = 12) -> list[Fingerprint]:
    return [
        Fingerprint(
            (1, 1, 2),
            (9, 9, 9),
            np.zeros(3),
            np.array([mean - 9, mean, mean + 9]),
            rng.normal(ml, 8),
            rng.normal(mean + rng.normal(0, 3), 10, 500),
            100.0,
        )
        for _ in range(n)
    ]


def test_distances_stand_beside_those_of_random_halves():
    rng = np.random.default_rng(0)
    table = describe({"home": _drawn(rng, 90, 80), "same": _drawn(rng, 90, 80), "away": _drawn(rng, 130, 110)})
    home, same, away = table.to_dict("records")
    assert home["hu_distance"] == 0 and 0 < home["hu_chance"] < 6 and 0 < home["ml_chance"] < 8
    assert same["hu_distance"] < 6 and away["hu_distance"] == pytest.approx(40, abs=5)
    assert away["ml_distance"] == pytest.approx(30, abs=8)
    assert [row["phase"] for row in (home, away)] == ["portal venous", "arterial"]


def test_the_command_writes_table_and_figure_and_tells_what_it_left_out(tmp_path, capsys):
    one = data_set(tmp_path / "one", ("p0", "p1", "p2", "p3", "p4"), **ANY)
    other = data_set(tmp_path / "other", ("q0", "q1"), **ANY)
    save(tmp_path / "one" / "data" / "p4_image.nii.gz", abdomen() / 1000)
    arguments = ["data", "describe", str(one), str(other), "--out", str(tmp_path / "t.csv")]
    assert main([*arguments, "--figures", str(tmp_path / "figures")]) == 0
    shown = capsys.readouterr()
    assert "1 of 5 cases of" in shown.err and "looks scaled" in shown.err
    assert (
        "hu_chance" in shown.out
        and "mine (2)" in shown.out
        and str(tmp_path / "one") not in shown.out.split("figures")[0]
    )
    stored = pd.read_csv(tmp_path / "t.csv")
    assert stored["cases"].tolist() == [4, 2] and stored["spacing_mm"][0] == "3 x 3 x 3"
    assert (tmp_path / "figures" / "pancreas_hu.png").is_file()
    assert main(["data", "describe", str(other)]) == 0 and "n/a" in capsys.readouterr().out
    assert main(["data", "describe", str(one), str(one)]) == 2
