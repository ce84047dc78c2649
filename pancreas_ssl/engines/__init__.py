"""Many jobs on whatever there is: local processes, a Dask cluster, Slurm, or an executor that the caller hands in.

A job is a function of a module with one plain argument. What it makes it writes itself, whole or not at all, into a
folder that all workers see; what it returns is small. So it may be run again at any time: a job whose worker was killed
is, and a finished one finds its result.
"""

from pancreas_ssl.engines.engine import Engine, Planned
from pancreas_ssl.engines.jobs import Outcome, completed
from pancreas_ssl.engines.worker import Stopped, alone, stopping

__all__ = ["Engine", "Outcome", "Planned", "Stopped", "alone", "completed", "stopping"]
