"""The Slurm script as it ships, on two nodes played by this machine: stopped, queued again, the same weights."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import pancreas_ssl
from pancreas_ssl.cli import main
from pancreas_ssl.data.access import cases
from tests.study.helpers import RECIPE, write_card

SCRIPT = Path(pancreas_ssl.__file__).parent / "assets" / "slurm" / "train.sbatch"
STEPS = 200
SRUN = """#!/bin/bash
started=()
trap 'kill -TERM "${started[@]}"' TERM
for node in 0 1; do
  SLURM_NODEID=$node SLURM_PROCID=$node "$@" &
  started+=($!)
done
code=0
for one in "${started[@]}"; do
  while true; do
    wait "$one"
    ended=$?
    kill -0 "$one" 2>/dev/null || break
  done
  [ "$ended" -eq 0 ] || code=$ended
done
exit "$code"
"""
ALONE = """
import os, socket, sys
import pancreas_ssl.training.command
from pancreas_ssl.cli import main
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = str(free.getsockname()[1])
os.environ.update(WORLD_SIZE="2", LOCAL_WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
for rank in "01":
    if os.fork() == 0:
        os.environ.update(RANK=rank, LOCAL_RANK=rank)
        os._exit(main(["train", *sys.argv[1:]]))
sys.exit(any([os.wait()[1] for _ in "01"]))
"""  # two processes of one machine, which import once
SCONTROL = """#!/bin/bash
[ "$1" = requeue ] && echo "queued again: $2" || printf '127.0.0.1\\n127.0.0.1\\n'
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """The environment of a job on two nodes of one process each; `srun` and `scontrol` come first on the path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]))
    for name, value in {"SLURM_JOB_ID": os.getpid(), "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_NNODES": 2,
                        "SLURM_CPUS_PER_TASK": 1, "TERM": "xterm", "TORCH_CPP_LOG_LEVEL": "ERROR"}.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("SLURM_GPUS_ON_NODE", raising=False)


def stopped(arguments: list[str]) -> tuple[int, str]:
    """The script in a terminal, sent USR1 once its training has made steps: exit code and what it said."""
    terminal, end = pty.openpty()
    said = ""
    with subprocess.Popen(["bash", str(SCRIPT), *arguments], stdout=end, stderr=end, stdin=end) as job:
        os.close(end)
        told = False
        while True:
            try:
                said += os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # Linux says so at the end of a terminal
                break
            if not told and re.search(rf"\b[1-9]\d*/{STEPS}", said):
                job.send_signal(signal.SIGUSR1)
                told = True
    os.close(terminal)
    return job.returncode, said


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch has no gloo")
@pytest.mark.skipif(sys.platform != "linux", reason="Slurm's nodes run Linux")
def test_two_nodes_stopped_and_queued_again_end_with_the_weights_of_one_machine(tmp_path, cache, cluster, monkeypatch):
    source = f"{write_card(tmp_path)}/A"
    cases(source)  # simulated once, before the processes begin
    recipe = RECIPE | {"steps": STEPS, "evaluate_every": 1000, "patch": [16, 16, 16], "channels": [4, 8]}
    arguments = ["--source", source, "--device", "cpu"]
    for name, value in recipe.items():
        arguments += ["--set", f"{name}={json.dumps(value)}"]
    nodes, alone = tmp_path / "nodes", tmp_path / "alone"
    code, said = stopped([*arguments, "--out", str(nodes)])
    step = torch.load(nodes / "checkpoint.pt", weights_only=True)["step"]
    assert code and 0 < step < STEPS and f"interrupted at step {step} of" in " ".join(said.split()), said[-2000:]
    assert f"queued again: {os.getpid()}" in said and not (nodes / "weights.safetensors").exists()
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    again = subprocess.run(["bash", str(SCRIPT), *arguments, "--out", str(nodes)], capture_output=True, text=True)
    assert again.returncode == 0 and "queued again" not in again.stdout, again.stdout + again.stderr
    subprocess.run([sys.executable, "-c", ALONE, *arguments, "--out", str(alone)], check=True)
    ours, theirs = (load_file(folder / "weights.safetensors") for folder in (nodes, alone))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    histories = (pd.read_csv(folder / "history.csv").drop(columns="seconds") for folder in (nodes, alone))
    pd.testing.assert_frame_equal(*histories, check_exact=True)


def test_the_script_is_printed_and_reads_as_a_shell_script(capsys):
    assert main(["train", "--slurm-script"]) == 0
    assert capsys.readouterr().out == SCRIPT.read_text()
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    taught = json.loads((Path(__file__).parents[2] / "notebooks" / "06_gpu_training.ipynb").read_text(encoding="utf-8"))
    cell = next("".join(cell["source"]) for cell in taught["cells"] if cell["id"] == "06-machines")
    core = cell.split("```bash\n")[2].split("```")[0].splitlines()
    assert set(core) <= set(SCRIPT.read_text().splitlines()), "notebook 06 shows other lines than the script has"
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", str(SCRIPT)], check=True)
