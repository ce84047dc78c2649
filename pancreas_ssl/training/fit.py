"""The training loop: patches in, loss, step, moving average, checkpoint, history."""

import copy
import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from pancreas_ssl import devices
from pancreas_ssl.data.preprocessing import Prepared, case_digest
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import make_folder, sweep, workspace
from pancreas_ssl.inference import Model
from pancreas_ssl.inference.matching import source_part
from pancreas_ssl.method.network import SegmentationNetwork
from pancreas_ssl.method.processes import any_of, averaged, rank, together, world
from pancreas_ssl.method.recipe import Recipe
from pancreas_ssl.progress import Progress, duration
from pancreas_ssl.signals import StopKey
from pancreas_ssl.training import checkpoint as states
from pancreas_ssl.training.extra_terms import ArmModel
from pancreas_ssl.training.held_out import held_out_answers
from pancreas_ssl.training.history import LOG_EVERY, frame_of, note_of, row_of
from pancreas_ssl.training.launching import accelerated, agreed_plan, own_device
from pancreas_ssl.training.memory import check_memory, peak_memory, place
from pancreas_ssl.training.patches import Patches
from pancreas_ssl.training.step import moving_average, optimise
from pancreas_ssl.training.teacher_maps import OUTSIDE, TeacherMaps
from pancreas_ssl.versions import code_digest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Fitted", "cases_digest", "fit"]


@dataclass
class Fitted:
    """A finished (or stopped) training. Use `ema` to predict: it is what `history.held_out_dice` was measured on."""

    network: SegmentationNetwork
    ema: SegmentationNetwork
    history: "pd.DataFrame"  # step, loss, learning_rate, seconds, held_out_dice (NaN where not measured), loss terms
    seconds: float
    peak_memory: int  # bytes
    device: str
    precision: str
    step: int
    cases: str  # digest of the training cases
    # what is shipped beside the network: `ArmModel.parts`, and the source's intensities where they are matched
    parts: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    # of each held-out case after the last step (`held_out_answers`); empty if no step was made
    held_out: list[dict[str, float]] = field(default_factory=list)

    def model(self, recipe: Recipe) -> Model:
        """The network to predict with, and how its input is made, as the recipe that trained it says.

        Example:
            >>> fit(recipe, train).model(recipe)    # doctest: +SKIP
        """
        return _model(self.ema, recipe, self.parts)


def _model(network: SegmentationNetwork, recipe: Recipe, parts: dict[str, dict[str, Tensor]]) -> Model:
    return Model(network, recipe.spacing, recipe.window, recipe.patch, {"recipe": recipe.to_dict()}, parts)


def cases_digest(cases: Sequence[Prepared]) -> str:
    """sha256 over the digests (`case_digest`) of prepared cases, in order; cases in files are not read for it."""
    return hashlib.sha256(" ".join(map(case_digest, cases)).encode()).hexdigest()


def fit(
    recipe: Recipe,
    train: Sequence[Prepared],
    held_out: Sequence[Prepared] | None = None,
    out: str | Path | None = None,
    *,
    unlabelled: Sequence[Prepared] | None = None,
    resume: bool = False,
    device: str | torch.device = "auto",
    progress: bool = True,
    stop_at: int | None = None,
    callback: Callable[[dict], None] | None = None,
    stopping: Callable[[], bool] | None = None,
    checkpoint_every: int = 0,
    checkpoint_seconds: float = 30.0,
) -> Fitted:
    """Train a network on labelled cases of one source.

    Args:
        recipe: what to do; `recipe.seed` decides every draw.
        train: prepared cases with labels, on the recipe's grid and window.
        held_out: other patients of the same source; their Dice is measured every `recipe.evaluate_every` steps and
            at the end. They choose nothing: the last moving average is the result.
        out: folder for the checkpoint; without it nothing is written.
        unlabelled: further patients of the source whose labels are not used; needed where the recipe's
            `unlabelled_weight` is above 0, and left alone otherwise.
        resume: continue from the checkpoint in `out` if there is one.
        stop_at: end after this many steps all the same (the schedule stays that of `recipe.steps`).
        callback: called with each new row of the history.
        stopping: asked after every step; True ends the training as Ctrl-C does (a button in another thread, say).
        checkpoint_every, checkpoint_seconds: write the state after so many steps (0: not by steps) or seconds; also
            at the end and on Ctrl-C.

    Started by a launcher as one of several processes (`launching`), each takes `recipe.batch` patches of every step;
    the losses are those of one process with all of these patches, and the first process alone writes and speaks.

    Raises:
        InputError: unfit cases, a device that is missing, a forecast beyond the memory, a checkpoint of another
            recipe, or one that is there although `resume` was not asked for.
        RunError: interrupted (the checkpoint is written first), or the loss is no longer a number.

    Example:
        >>> fitted = fit(Recipe(steps=200), train, held_out, out="runs/first")    # doctest: +SKIP
        >>> fitted.history.tail(1)    # doctest: +SKIP
    """
    if recipe.unlabelled_weight > 0 and not unlabelled:
        raise InputError(
            "expected unlabelled cases for a recipe with unlabelled_weight above 0, got none; "
            "pass some, or set the weight to 0"
        )
    unlabelled = unlabelled if recipe.unlabelled_weight > 0 else None
    source = source_part(train) if recipe.match_weight > 0 else {}
    digest = cases_digest([*train, *(unlabelled or ())])
    state = _earlier(out, recipe, digest, resume)
    where = own_device(devices.resolve_device(device))
    plan = agreed_plan(where, state.precision if state else recipe.precision)
    channels_last = state.channels_last if state else plan.channels_last
    placed = place([*train, *(unlabelled or ())], train, recipe, where, plan.precision)
    needed = check_memory(recipe, where, placed.bytes, plan.precision)
    if progress and rank() == 0:
        words = devices.describe(where, state.precision if state else recipe.precision)
        print(f"{words}; memory needed: about {needed}", flush=True)

    forked = [where] if where.type == "cuda" else []
    work = workspace(out or tempfile.gettempdir()) if placed.maps_in_file else nullcontext()
    with (
        accelerated(where, plan.precision, unused=recipe.guided) as accelerator,
        torch.random.fork_rng(devices=forked),
        work as folder,
    ):
        where, main = accelerator.device, accelerator.is_main_process
        patches = Patches(train, recipe, where, keep=placed.keep)
        others = Patches(unlabelled, recipe, where, labelled=False, keep=placed.keep) if unlabelled else None
        guides = TeacherMaps(train, recipe, where, folder) if recipe.guided else None
        learner = ArmModel(recipe).to(where).train()
        if channels_last:
            learner = learner.to(memory_format=torch.channels_last_3d)
        ema = AveragedModel(learner.network, multi_avg_fn=moving_average(recipe.ema_decay))
        optimiser = torch.optim.AdamW(learner.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
        step, history, losses, before = 0, [], [], 0.0
        if state:
            learner.load_state_dict(state.network)
            ema.load_state_dict(state.ema)
            optimiser.load_state_dict(state.optimiser)
            step, history, losses, before = state.step, state.history, state.losses, state.seconds
            if guides is not None and state.guides:
                guides.load_state(state.guides)
        model, optimiser = accelerator.prepare(learner, optimiser)
        start = saved = time.perf_counter()
        answers: list[dict[str, float]] = []
        last = min(recipe.steps, stop_at if stop_at is not None else recipe.steps)

        def seconds() -> float:
            return before + time.perf_counter() - start

        def write() -> None:
            if out is not None and main:
                now = states.Checkpoint(
                    step=step,
                    recipe=recipe.to_dict(),
                    cases=digest,
                    precision=plan.precision,
                    channels_last=channels_last,
                    network=accelerator.unwrap_model(model).state_dict(),
                    ema=ema.state_dict(),
                    optimiser=optimiser.state_dict(),
                    history=history,
                    losses=losses,
                    seconds=seconds(),
                    code=code_digest(*states.TRAINS),
                    guides=guides.state() if guides is not None and step > recipe.first_module_step else [],
                )
                states.save_checkpoint(out, now)

        def asked() -> bool:  # several processes must stop in the same step; asking them all the time costs
            due = world() == 1 or step % LOG_EVERY == 0
            return due and any_of(stop.pressed or bool(stopping and stopping()), where)

        with StopKey() as stop, Progress(recipe.steps, step, progress and main) as bar:
            while step < last and not (stopped := asked()):
                first = accelerator.process_index * recipe.batch
                if guides is not None and guides.due(step):
                    guides.refresh(ema.module, where, plan.precision)
                active = guides is not None and step >= recipe.first_module_step
                batch = patches(step, first, guides.maps if active else None, OUTSIDE if active else ())
                more = others(step, first) if others else None
                terms = optimise(accelerator, model, optimiser, batch, recipe, step, more)
                losses.append(averaged(terms))
                ema.update_parameters(accelerator.unwrap_model(model).network)
                step += 1
                measure = step == last or recipe.evaluate_every and step % recipe.evaluate_every == 0
                if step % LOG_EVERY == 0 or measure:
                    row = row_of(step, losses, recipe.learning_rate_at(step - 1), seconds(), recipe.guided)
                    history.append(row | learner.noted)
                    losses = []
                    if held_out and measure:
                        mine, now = held_out[rank() :: world()], _model(ema.module, recipe, {})
                        how = {"facts": step == last, "device": where, "precision": plan.precision}
                        answers = together(held_out_answers(now, mine, **how))
                        history[-1]["held_out_dice"] = float(np.mean([one["dice"] for one in answers]))
                    if callback is not None:
                        callback(dict(history[-1]))
                    bar.update(step, note_of(history))
                due = checkpoint_every and step % checkpoint_every == 0
                if due or step == last or time.perf_counter() - saved > checkpoint_seconds:
                    write()
                    saved = time.perf_counter()
            if step < last and stopped:
                write()
                raise RunError(_interrupted(out, step, recipe.steps))
        learner = accelerator.unwrap_model(model, keep_fp32_wrapper=False)
        network, parts = learner.network, learner.parts | source
        spent = seconds()
    if progress and main:
        print(f"trained {step} steps in {duration(spent)}, {note_of(history)}", flush=True)
    return Fitted(
        network=network.eval(),
        ema=copy.deepcopy(ema.module).eval(),
        history=frame_of(history),
        seconds=spent,
        peak_memory=peak_memory(where),
        device=str(where),
        precision=plan.precision,
        step=step,
        cases=digest,
        parts=parts,
        held_out=answers,
    )


def _earlier(out, recipe: Recipe, digest: str, resume: bool) -> states.Checkpoint | None:
    """The state to continue from; prepares the folder."""
    if out is None:
        if resume:
            raise InputError("expected the folder of the training to resume, got none; name it with out")
        return None
    make_folder(out)
    sweep(out)
    if resume:
        return states.load_checkpoint(out, recipe, digest)
    if states.checkpoint_file(out).exists():
        raise InputError(
            f"expected a folder without a training in it, {out} has a checkpoint; resume it or name another folder"
        )
    return None


def _interrupted(out, step: int, steps: int) -> str:
    if out is None:
        return f"training was interrupted at step {step} of {steps}; nothing was kept, as no folder was named"
    return f"training was interrupted at step {step} of {steps}; its checkpoint is in {out}, go on with --resume"
