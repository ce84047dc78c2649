"""Two trainings side by side against one after the other; and one training shared out among two processes."""

import json
import os
import socket
import subprocess
import sys
from time import perf_counter

STEPS = 60  # after ten that do not count
BATCH = 2  # patches a step of the training that is shared out, over all its processes


def run() -> list[dict]:
    return side_by_side() + shared_out()


def side_by_side() -> list[dict]:
    """Trainings that know nothing of each other."""
    rows = []
    for way, threads, together in (("one process, two threads", 2, 1), ("two processes, one thread each", 1, 2)):
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
        command = [sys.executable, "-m", "tests.benchmarks.processes", str(threads)]
        children = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(together)]
        found = [json.loads(child.communicate()[0].splitlines()[-1]) for child in children]
        if any(child.returncode for child in children):
            rows.append({"way": way, "failed": "a training ended with an error"})
            continue
        rate = sum(one["steps/s"] for one in found)
        rows.append({"way": way, "steps/s, all together": rate, "processes": together, "steps timed": STEPS * together})
    return rows


def shared_out() -> list[dict]:
    """One training, the same batch a step, by one process and by two that meet over gloo."""
    rows = []
    for way, processes, threads in (
        ("one training, one process, one thread", 1, 1),
        ("one training, one process, two threads", 1, 2),
        ("one training, two processes, one thread each", 2, 1),
    ):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        children = []
        for k in range(processes):
            meet = {"RANK": str(k), "LOCAL_RANK": str(k), "WORLD_SIZE": str(processes)} if processes > 1 else {}
            meet |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": str(threads)}
            meet |= {"TORCH_CPP_LOG_LEVEL": "ERROR"}  # torch would warn of what is meant so
            command = [sys.executable, "-m", "tests.benchmarks.processes", str(threads), str(BATCH // processes)]
            children.append(subprocess.Popen(command, env=os.environ | meet, stdout=subprocess.PIPE))
        found = [child.communicate()[0] for child in children]
        if any(child.returncode for child in children):
            rows.append({"way": way, "failed": "a process ended with an error"})
            continue
        rate = json.loads(found[0].splitlines()[-1])["steps/s"]
        row = {"way": way, "steps/s, all together": rate, "processes": processes, "steps timed": STEPS}
        rows.append(row | {"times one process": rate / (rows[0].get("steps/s, all together", rate) if rows else rate)})
    return rows


def work(threads: int, batch: int | None = None) -> None:
    """Train and print the rate; with a batch, the dual arm's, as one of several processes where told so."""
    import torch

    torch.set_num_threads(threads)
    from dataclasses import replace

    from pancreas_ssl.data.access import cases
    from pancreas_ssl.data.preprocessing import prepare_cases
    from pancreas_ssl.training import Recipe, fit
    from pancreas_ssl.training.arms import with_arm

    recipe, seconds = replace(Recipe(), steps=STEPS + 10), {}
    if batch is not None:
        recipe = replace(with_arm(recipe, "dual"), batch=batch, module_start=0.0, teacher_every=STEPS + 10)
    fit(
        recipe,
        prepare_cases(cases("phantom/A", split="train")[:4]),
        device="cpu",
        progress=False,
        callback=lambda row: seconds.setdefault(row["step"], perf_counter()),
    )
    print(json.dumps({"steps/s": STEPS / (seconds[STEPS + 10] - seconds[10])}))


if __name__ == "__main__":
    work(*map(int, sys.argv[1:]))
