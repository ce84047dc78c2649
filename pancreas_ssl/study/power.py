"""What a comparison could show at best, stated before anything runs."""

from collections.abc import Sequence

import numpy as np

from pancreas_ssl.data.roles import full_name
from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation.statistics import OVERALL
from pancreas_ssl.study.config import Comparison, Power, Study

__all__ = ["power_lines", "smallest_difference"]

DRAWS = 200_000


def smallest_difference(
    patients: Sequence[int],
    seeds: int,
    *,
    sds: Power | None = None,
    comparisons: int = 1,
    level: float = 0.05,
    power: float = 0.8,
) -> float:
    r"""The smallest true difference that the mean of the sources would show in `power` of all studies.

    With P_k patients on source k of K and S seeds, the two parts of the mean's variance are

        seeds: sd_seed^2 / S        patients: sum_k (sd_patient^2 + sd_residual^2 / S) / (P_k K^2)

    and the difference is q + z_power sqrt(seeds + patients). q is the half-width of the interval at the level that
    Holm asks of the smallest p, `level` / `comparisons`: the quantile 1 - level / (2 comparisons) of
    t_{S-1} sqrt(seeds) + z sqrt(patients), as in `evaluation.crossed`. With one seed nobody knows the seeds' part: it
    is then left out of q, as it is out of the interval.

    Args:
        patients: per source.
        sds: assumed standard deviations of a paired difference.
        comparisons: how many Holm corrects for.

    Raises:
        InputError: no patient or no seed.

    Example:
        >>> few, more = smallest_difference([16], 3), smallest_difference([24, 24, 24], 5)
        >>> bool(few > more > 0)
        True
    """
    from scipy import stats

    if not patients or min(patients) < 1 or seeds < 1:
        raise InputError(f"expected patients and seeds, got {list(patients)} and {seeds}; name at least one of each")
    sds = sds or Power()
    by_seed = sds.seed_sd**2 / seeds
    by_patient = sum((sds.patient_sd**2 + sds.residual_sd**2 / seeds) / n for n in patients) / len(patients) ** 2
    generator = np.random.default_rng(0)
    drawn = generator.normal(0, np.sqrt(by_patient), DRAWS)
    if seeds > 1:
        drawn += np.sqrt(by_seed) * generator.standard_t(seeds - 1, DRAWS)
    half_width = np.quantile(np.abs(drawn), 1 - level / comparisons)
    return float(half_width + stats.norm.ppf(power) * np.sqrt(by_seed + by_patient))


def power_lines(study: Study, patients: dict[str, int]) -> list[str]:
    """One sentence per comparison, and one that names the assumption.

    Args:
        patients: how many a source has, by its full name.
    """
    if not study.comparisons:
        return ["No comparison is named: the study describes, it decides nothing."]
    sds, count = study.power, len(study.comparisons)
    lines = [_line(study, comparison, patients, count) for comparison in study.comparisons]
    given = "as the configuration says" if "power" in study.model_fields_set else "an assumption, not measured"
    return [
        *lines,
        f"Standard deviations of a paired difference behind this: {sds.patient_sd:g} between patients, "
        f"{sds.seed_sd:g} between seeds, {sds.residual_sd:g} for the rest ({given}).",
    ]


def _line(study: Study, comparison: Comparison, patients: dict[str, int], count: int) -> str:
    numbers = [patients[full_name(source)] for source in study.compared(comparison)]
    least = smallest_difference(numbers, len(study.seeds), sds=study.power, comparisons=count)
    where = OVERALL if len(numbers) > 1 else full_name(study.compared(comparison)[0])
    holm = f", after Holm over {count} comparisons" if count > 1 else ""
    lone = "; with one seed the spread between trainings stays unknown" if len(study.seeds) == 1 else ""
    return (
        f"{comparison.name} ({comparison.arm} against {comparison.against}, {where}): {sum(numbers)} patients and "
        f"{len(study.seeds)} seed{'s' * (len(study.seeds) > 1)} can show a difference of {least:.3f} in 4 of 5 "
        f"studies{holm}{lone}."
    )
