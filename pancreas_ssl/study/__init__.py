"""Arms x seeds x sources from one file to tables with intervals; resumable, with guarded roles.

`run_study` does it all, `load_study` reads the file, `check_role` and `open_cases` guard the sources, `shipped_study`
reads the tables of a study that comes with the package, `verdicts` says what its comparisons decided, `paper` writes
its tables and figures as a paper needs them, and `shipped_measured` reads what was measured of trained networks. On
synthetic phantoms every result is a check of mechanism, never a clinical one.
"""

from pancreas_ssl.data.roles import check_role, open_cases
from pancreas_ssl.study.config import Study, load_study
from pancreas_ssl.study.measurements import patient_metrics, patient_row
from pancreas_ssl.study.paper import paper
from pancreas_ssl.study.power import smallest_difference
from pancreas_ssl.study.run import run_study
from pancreas_ssl.study.shipped import ShippedStudy, looked_at, shipped_measured, shipped_study
from pancreas_ssl.study.verdicts import differs_in, verdicts

__all__ = [
    "ShippedStudy",
    "Study",
    "check_role",
    "differs_in",
    "load_study",
    "looked_at",
    "open_cases",
    "paper",
    "patient_metrics",
    "patient_row",
    "run_study",
    "shipped_measured",
    "shipped_study",
    "smallest_difference",
    "verdicts",
]
