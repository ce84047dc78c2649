"""Notebooks run by papermill, and the report of a run.

In a notebook, `record(...)` keeps its key results for the report:

    >>> from pancreas_ssl.runs import record
    >>> record(dice=0.83, cases=8)      # doctest: +SKIP
"""

from pancreas_ssl.runs.results import record

__all__ = ["record"]
