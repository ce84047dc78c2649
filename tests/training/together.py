"""One of several processes of a training on toy cases: `python -m tests.training.together MODE FOLDER`.

`losses` trains to the end and leaves the history; `killed` trains with a checkpoint after every step and may be killed
at any moment; `grads` leaves the gradients of single steps. The environment says which process this is, as torchrun
would.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from pancreas_ssl.training import Fitted, Recipe, fit
from pancreas_ssl.training.arms import with_arm
from tests.training.helpers import ball

# Without turns (affine) patches are equal to the bit however they are dealt out. With them their interpolation rounds
# by the largest patch of a batch, and that can tip a draw: one voxel more in a region, and others are contrasted. Sums
# of one sample and of two round otherwise too, and tip a draw within fifty steps with some seeds (0 and 3, by 1 to 2 %
# of the loss at the end; seed 0 with torch's own convolutions as well), so the seed is one with which none tips.
DUAL = replace(
    with_arm(Recipe(), "dual"),
    patch=(32, 32, 32), channels=(8, 16), batch=2, steps=50, warmup=5, learning_rate=1e-3, module_start=0.1,
    module_ramp=0.2, teacher_every=20, affine=0.0, precision="fp32", seed=2,
)  # fmt: skip
SMALL = replace(DUAL, affine=0.7, patch=(16, 16, 16), channels=(6, 12), steps=60, learning_rate=5e-3)
ARMS = ("supervised", "dual", "dual-random", "contrast-plain", "corruption", "gin", "nonsense", "organs", "unlabelled")
ARMS += ("contrast-views",)
VIEWS = {"contrast_weight": 0.1, "contrast_views": 2, "contrast_strides": (2, 4), "lookalikes": 0.5}


def toys(n: int = 4) -> list:
    """Balls with an organ map, larger than a patch."""
    return [replace(case, organs=case.label) for case in (ball(k, (48, 44, 40)) for k in range(n))]


def start(mode: str, folder: Path, processes: int = 2) -> list[subprocess.Popen]:
    """The processes of one training, each with one thread."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    root = Path(__file__).resolve().parents[2]
    started = []
    for k in range(processes):
        environment = dict(os.environ, RANK=str(k), LOCAL_RANK=str(k), MASTER_ADDR="127.0.0.1", MASTER_PORT=port,
                           WORLD_SIZE=str(processes), LOCAL_WORLD_SIZE=str(processes), OMP_NUM_THREADS="1")  # fmt: skip
        command = [sys.executable, "-m", "tests.training.together", mode, str(folder)]
        started.append(
            subprocess.Popen(
                command, env=environment, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
    return started


def ended(started: list[subprocess.Popen], seconds: float = 300) -> list[str]:
    """What they said, when all of them ended well."""
    said = [process.communicate(timeout=seconds)[0] for process in started]
    assert not any(process.returncode for process in started), "\n".join(said)[-3000:]
    return said


def train(recipe: Recipe, folder: Path | None, held_out: int = 0, **more) -> Fitted:
    looked_at = toys(held_out) or None
    return fit(recipe, toys(), looked_at, folder, resume=folder is not None, device="cpu", progress=False, **more)


def gradients(arm: str, processes: int = 1) -> Iterator[tuple[str, torch.Tensor]]:
    """The reported terms of one step, and the gradient of every weight after it."""
    from accelerate import Accelerator

    from pancreas_ssl.method.processes import averaged, rank
    from pancreas_ssl.training.extra_terms import ArmModel
    from pancreas_ssl.training.patches import Patches
    from pancreas_ssl.training.step import training_losses
    from pancreas_ssl.training.teacher_maps import OUTSIDE, TeacherMaps

    modules = ("contrast_weight", "prototype_weight", "restoration_weight", "corrupted_share")
    plain = replace(SMALL, module_start=0.0, **dict.fromkeys(modules, 0.0))
    varied = replace(plain, **VIEWS) if arm == "contrast-views" else with_arm(plain, arm)
    recipe = replace(varied, batch=4 // processes)
    if recipe.corrupts:
        recipe = replace(recipe, corrupted_share=0.25)  # so that a process may have no corrupted patch
    learner = ArmModel(recipe)
    torch.manual_seed(0)
    for weight in learner.parameters():  # away from its special start
        weight.data += 0.05 * torch.randn(weight.shape)
    cases, first, step = toys(), rank() * recipe.batch, 30
    maps = TeacherMaps(cases, recipe).maps if recipe.guided else None
    batch = Patches(cases, recipe)(step, first, maps, OUTSIDE if recipe.guided else ())
    more = Patches(cases, recipe, labelled=False)(step, first) if recipe.unlabelled_weight else None
    model = learner
    if processes > 1:
        model = torch.nn.parallel.DistributedDataParallel(learner, find_unused_parameters=True)
    for turn in range(2):  # the second time the prototypes are there
        model.zero_grad()
        terms = training_losses(model, batch, more, recipe, step + turn)
        Accelerator(cpu=True).backward(sum(terms.values()))
    yield from averaged(terms).items()
    for name, weight in learner.named_parameters():
        yield name, weight.grad


def by_hand(rank: int) -> dict:
    """What the functions of `processes` give for numbers that one can add in one's head."""
    from pancreas_ssl.method.processes import agreed, any_of, averaged, gathered, summed

    values = torch.tensor([1.0, 2.0]) * (rank + 1)
    values.requires_grad_()
    total = summed(values)
    (total**2).sum().backward()
    return {
        "summed": total.detach(),
        "gradient": values.grad,
        "gathered": gathered(torch.tensor([[rank], [rank + 10]])),
        "truths": gathered(torch.tensor([rank == 0])),
        "averaged": averaged({"a": torch.tensor(float(rank)), "b": torch.tensor(3.0)}),
        "any": [any_of(rank == 1), any_of(False)],
        "agreed": agreed({"said by": rank}),
    }


def main(mode: str, folder: Path) -> None:
    from pancreas_ssl.method.processes import rank, world
    from pancreas_ssl.training.launching import own_device

    torch.set_num_threads(1)
    own_device(torch.device("cpu"))  # the processes meet
    processes = world()
    if mode == "grads":
        found = {arm: dict(gradients(arm, processes)) for arm in ARMS}
        torch.save(found | {"by hand": by_hand(rank())}, folder / f"{rank()}.pt")
        return
    recipe, held_out = (DUAL, 3) if mode == "losses" else (SMALL, 0)
    print("begins", flush=True)
    share = replace(recipe, batch=recipe.batch // processes)
    fitted = train(share, folder, held_out, checkpoint_every=mode == "killed")
    state = fitted.ema.state_dict()
    torch.save({"rows": fitted.history.to_dict("list"), "ema": state, "parts": fitted.parts}, folder / f"{rank()}.pt")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
