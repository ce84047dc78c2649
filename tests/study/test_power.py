"""The power that is printed: by closed form, in the right order, and true in simulated studies."""

import numpy as np
import pytest
from scipy import stats

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation.crossed import crossed_draws, draw_weights
from pancreas_ssl.study.config import Power, load_study
from pancreas_ssl.study.power import power_lines, smallest_difference


def test_one_seed_is_the_textbooks_formula():
    sds = Power(patient_sd=0.04, seed_sd=0.0, residual_sd=0.03)
    expected = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * np.sqrt((0.04**2 + 0.03**2) / 25)
    assert smallest_difference([25], 1, sds=sds) == pytest.approx(expected, rel=0.01)


def test_seeds_alone_is_students():
    sds = Power(patient_sd=0.0, seed_sd=0.02, residual_sd=0.0)
    expected = (stats.t(4).ppf(0.975) + stats.norm.ppf(0.8)) * 0.02 / np.sqrt(5)
    assert smallest_difference([10], 5, sds=sds) == pytest.approx(expected, rel=0.02)


def test_more_of_anything_helps_and_more_comparisons_cost():
    few = smallest_difference([16], 3)
    assert smallest_difference([24], 3) < few and smallest_difference([16], 5) < few
    assert smallest_difference([16, 16], 3) < few < smallest_difference([16], 3, comparisons=4)
    with pytest.raises(InputError, match="at least one of each"):
        smallest_difference([], 3)


@pytest.mark.parametrize(("seeds", "patients"), [(5, 24), (3, 16)])
def test_that_difference_is_found_in_four_of_five_studies(seeds, patients):
    generator, found, studies = np.random.default_rng(1), 0, 400
    true = smallest_difference([patients] * 3, seeds)
    weights = draw_weights(generator, seeds, [patients] * 3, 1000)
    for _ in range(studies):
        data = true + generator.normal(0, 0.01, (1, seeds, 1)) + generator.normal(0, 0.03, (3, 1, patients))
        data = data + generator.normal(0, 0.02, (3, seeds, patients))
        found += np.quantile(crossed_draws(list(data), weights), 0.025) > 0
    assert 0.72 <= found / studies <= 0.9, found / studies


def test_the_lines_name_comparison_number_and_assumption(config):
    patients = {"tiny/A": 16, "tiny/V": 16}
    lines = power_lines(load_study(config()), patients)
    assert len(lines) == 2 and lines[0].startswith("noise helps (noisy against supervised, mean of sources): 32")
    assert f"{smallest_difference([16, 16], 2):.3f}" in lines[0] and "an assumption, not measured" in lines[1]
    stated = power_lines(load_study(config(power={"seed_sd": 0.02})), patients)
    assert "as the configuration says" in stated[1] and "0.02 between seeds" in stated[1]
    assert "decides nothing" in power_lines(load_study(config(comparisons=[])), patients)[0]
    assert "stays unknown" in power_lines(load_study(config(seeds=[0])), patients)[0]
