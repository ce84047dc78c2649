"""Two trainings with one thread each, side by side, against two with both threads, one after the other."""

import json
import os
import subprocess
import sys
from time import perf_counter

STEPS = 60  # after ten that do not count


def run() -> list[dict]:
    rows = []
    for way, threads, together in (
        ("one process, two threads", 2, 1),
        ("two processes, one thread each", 1, 2),
    ):
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
        command = [sys.executable, "-m", "tests.benchmarks.processes", str(threads)]
        children = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(together)
        ]
        found = [json.loads(child.communicate()[0].splitlines()[-1]) for child in children]
        if any(child.returncode for child in children):
            rows.append({"way": way, "failed": "a training ended with an error"})
            continue
        rate = sum(one["steps/s"] for one in found)
        rows.append(
            {
                "way": way,
                "steps/s, all together": rate,
                "processes": together,
                "steps timed": STEPS * together,
            }
        )
    return rows


def work(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    from dataclasses import replace

    from pancreas_ssl.data.access import cases
    from pancreas_ssl.data.preprocessing import prepare_cases
    from pancreas_ssl.training import Recipe, fit

    seconds = {}
    fit(
        replace(Recipe(), steps=STEPS + 10),
        prepare_cases(cases("phantom/A", split="train")[:4]),
        device="cpu",
        progress=False,
        callback=lambda row: seconds.setdefault(row["step"], perf_counter()),
    )
    print(json.dumps({"steps/s": STEPS / (seconds[STEPS + 10] - seconds[10])}))


if __name__ == "__main__":
    work(int(sys.argv[1]))
