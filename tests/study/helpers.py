"""A tiny study on a card of its own, and a process that runs studies so that a test can kill them."""

import os
import sys
from pathlib import Path

import yaml

CARD = """---
name: tiny
title: A few phantom cases
summary: For tests.
licence: {name: Apache-2.0, verify_at: the LICENSE file}
citation: [none]
access: {method: generate, generator: phantom, version: "1"}
layout:
  image: "{source}/{id}/image.nii.gz"
  label: "{source}/{id}/label.nii.gz"
  organs: "{source}/{id}/organs.nii.gz"
label_values: {pancreas: [1]}
sources:
  A: {role: train, title: trains}
  V: {role: development, title: develops}
  B: {role: test, title: tests}
splits:
  A: {train: [A_000, A_001], held_out: [A_024, A_025]}
  V: {development: [V_000..V_002], oracle: [V_016, V_017]}
  B: {test: [B_000, B_001]}
---
"""

RECIPE = {
    "steps": 20,
    "channels": [4, 8, 8, 8],
    "patch": [32, 32, 16],
    "spacing": 6.0,
    "precision": "fp32",
    "warmup": 3,
    "evaluate_every": 10,
}


def write_card(folder: Path) -> Path:
    """The card of three sources, two or three cases each."""
    path = folder / "tiny.md"
    path.write_text(CARD)
    return path


def settings(card: Path, **changes) -> dict:
    """A study of two arms and two seeds, ready to be written as YAML."""
    values = {
        "name": "tiny",
        "train": f"{card}/A",
        "recipe": dict(RECIPE),
        "arms": {"supervised": {}, "noisy": {"noise": 0.3}},
        "seeds": [0, 1],
        "measure": [f"{card}/A", f"{card}/V"],
        "patients": 2,
        "comparisons": [{"name": "noise helps", "arm": "noisy", "against": "supervised"}],
        "replicates": 200,
    }
    return values | changes


def write(path: Path, values: dict) -> Path:
    """The configuration as a file."""
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


if __name__ == "__main__":
    # Imports everything once; then each line (config and folder) is a study in a forked process of its own, which may
    # be killed. Its process id and, later, how it ended are printed.
    from pancreas_ssl.errors import InputError, RunError
    from pancreas_ssl.study import run_study

    print("ready", flush=True)
    for line in sys.stdin:
        config, out, workers = line.split()
        child = os.fork()
        if child == 0:
            log = os.open(f"{out}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            code = 0
            try:
                run_study(config, out, workers=int(workers), device="cpu", checkpoint_seconds=0.1)
            except (InputError, RunError) as error:
                print(error, flush=True)
                code = 1
            os._exit(code)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
