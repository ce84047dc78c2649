"""The line per finished job and its time left."""

from dataclasses import dataclass

from pancreas_ssl.study.job_progress import JobProgress


@dataclass
class Fake:
    arm: str
    seed: int
    recipe: dict


def test_time_left_follows_the_steps_that_are_left():
    jobs = [Fake("plain", seed, {"steps": 100}) for seed in range(3)] + [Fake("long", 0, {"steps": 300})]
    now, said = [0.0], []
    progress = JobProgress(jobs, jobs[1:], 1, said.append, clock=lambda: now[0])
    now[0] = 50.0
    progress.finished(jobs[1], {"rows": 4, "seconds": 48.0})
    assert said[-1] == "cell 2 of 4 done: plain, seed 1, 4 rows, trained in 48 s; about 3 min 20 s left"
    now[0] = 90.0
    progress.finished(jobs[2], {"rows": 4, "seconds": 38.0})
    progress.finished(jobs[3], {"rows": 4, "seconds": 100.0})
    assert progress.done == 4 and said[-1].endswith("cell 4 of 4 done: long, seed 0, 4 rows, trained in 1 min 40 s")


def test_several_workers_have_begun_more_than_is_done():
    jobs = [Fake("plain", seed, {"steps": 100}) for seed in range(8)]
    now, alone, together = [100.0], [], []
    for workers, said in ((1, alone), (4, together)):
        progress = JobProgress(jobs, jobs, workers, said.append, clock=lambda: now[0])
        progress.start = 0.0
        progress.finished(jobs[0], {"rows": 1, "seconds": 1.0})
    assert "11 min" in alone[0] and "3 min" in together[0]
