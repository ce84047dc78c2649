"""The loop: it learns, repeats itself bit by bit, and survives being killed at any moment."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pancreas_ssl import devices
from pancreas_ssl.errors import InputError, RunError
from pancreas_ssl.files import PARTIAL
from pancreas_ssl.manifest import MANIFEST
from pancreas_ssl.signals import StopKey
from pancreas_ssl.training import Recipe, fit
from pancreas_ssl.training.checkpoint import checkpoint_file, load_checkpoint
from tests.training.helpers import RECIPE, ball, tiny

SCRIPT = Path(__file__).with_name("helpers.py")
KILLS = 4


@pytest.fixture(autouse=True)
def one_thread():
    """Bits depend on the number of threads."""
    with devices.one_thread():
        yield


@pytest.fixture(scope="module")
def uninterrupted():
    with devices.one_thread():
        yield tiny(None)


def same(first, second) -> bool:
    """Weights and moving averages are equal, bit by bit."""
    pairs = [(first.network, second.network), (first.ema, second.ema)]
    return all(
        torch.equal(one[name], two[name])
        for one, two in ((a.state_dict(), b.state_dict()) for a, b in pairs)
        for name in one
    )


def test_it_learns_and_says_how_it_went():
    recipe = Recipe(
        patch=(16, 16, 16),
        channels=(8, 16),
        batch=4,
        steps=120,
        warmup=10,
        evaluate_every=60,
        learning_rate=0.01,
        precision="fp32",
    )
    rows = []
    fitted = fit(
        recipe, [ball(k) for k in range(6)], [ball(10), ball(11)], device="cpu", progress=False, callback=rows.append
    )
    history = fitted.history
    assert list(history.step) == list(range(10, 121, 10)) and len(rows) == len(history)
    assert history.loss.iloc[-1] < 0.5 * history.loss.iloc[0]
    measured = history.held_out_dice.dropna()
    assert list(history.step[measured.index]) == [60, 120] and measured.iloc[-1] > 0.8
    assert fitted.step == 120 and fitted.seconds > 0 and fitted.peak_memory > 2**20
    assert fitted.device == "cpu" and fitted.precision == "fp32" and len(fitted.cases) == 64


def test_a_seed_repeats_itself_and_another_does_not(uninterrupted):
    assert same(tiny(None), uninterrupted)
    other = fit(replace(RECIPE, seed=4), [ball(k) for k in range(4)], device="cpu", progress=False)
    assert not same(other, uninterrupted)


def test_the_callers_generator_is_left_alone():
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    tiny(None, stop_at=2)
    assert torch.equal(torch.rand(3), expected)


def test_stopped_in_steps_and_resumed_gives_the_same_weights_and_history(tmp_path, uninterrupted):
    tiny(tmp_path, every=7, stop_at=23)
    fitted = tiny(tmp_path, every=7, resume=True)
    assert same(fitted, uninterrupted)
    once = tiny(tmp_path, resume=True)  # nothing left to do
    assert same(once, uninterrupted) and once.step == RECIPE.steps


@pytest.fixture
def trainings():
    """Start trainings in processes of their own: `start(folder)` gives a process id, `ended()` an exit status."""
    process = subprocess.Popen([sys.executable, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"

    def start(folder: Path) -> int:
        print(folder, file=process.stdin, flush=True)
        return int(process.stdout.readline())

    yield start, lambda: int(process.stdout.readline())
    process.stdin.close()
    process.wait()
    process.stdout.close()


def writing(folder: Path) -> bool:
    return any(folder.glob(f"{PARTIAL}*"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork and no SIGKILL")
def test_killed_during_and_between_checkpoint_writes_it_ends_the_same(tmp_path, uninterrupted, trainings):
    start, ended = trainings
    folder, draw = tmp_path / "run", random.Random(0)
    killed_while_writing = []
    for kill in range(KILLS):
        child, seen, enough = start(folder), set(), draw.randrange(2, 6)
        while True:  # wait for some new checkpoints, then for the wanted moment
            time.sleep(0.0005)
            with contextlib.suppress(FileNotFoundError):
                seen.add(checkpoint_file(folder).stat().st_mtime_ns)
            if len(seen) > enough:
                os.kill(child, signal.SIGSTOP)  # hold still, so that the moment cannot pass
                if writing(folder) == (kill % 2 == 0):
                    break
                os.kill(child, signal.SIGCONT)
        os.kill(child, signal.SIGKILL)
        assert ended() == -signal.SIGKILL, "the training ended before it could be killed"
        killed_while_writing.append(writing(folder))
        torch.load(checkpoint_file(folder), weights_only=True)  # whole at any moment
    assert set(killed_while_writing) == {True, False}
    fitted = tiny(folder, resume=True)
    assert fitted.step == RECIPE.steps and same(fitted, uninterrupted)
    assert not writing(folder)


def test_ctrl_c_ends_the_step_writes_a_checkpoint_and_says_how_to_go_on(tmp_path, uninterrupted):
    def press(row):
        if row["step"] == 20:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(RunError, match="interrupted at step 20 of 60.*--resume"):
        tiny(tmp_path, every=0, callback=press)
    assert torch.load(checkpoint_file(tmp_path), weights_only=True)["step"] == 20
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert same(tiny(tmp_path, resume=True), uninterrupted)


def test_asked_to_stop_from_elsewhere_it_ends_the_step_and_can_go_on(tmp_path, uninterrupted):
    seen = []
    with pytest.raises(RunError, match="interrupted at step 20 of 60.*--resume"):
        tiny(tmp_path, every=0, callback=seen.append, stopping=lambda: len(seen) == 2)
    assert torch.load(checkpoint_file(tmp_path), weights_only=True)["step"] == 20
    assert same(tiny(tmp_path, resume=True, stopping=lambda: False), uninterrupted)


def test_a_kill_after_ctrl_c_is_the_same_wish_and_a_second_ctrl_c_another():
    with StopKey() as stop:
        assert not stop.pressed
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)  # so torchrun answers a Ctrl-C that all processes have heard
        assert stop.pressed
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_interrupted_without_a_folder_it_says_that_nothing_was_kept():
    with pytest.raises(RunError, match="nothing was kept"):
        tiny(None, callback=lambda row: os.kill(os.getpid(), signal.SIGINT))


def test_it_runs_outside_the_main_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(tiny(None, stop_at=2)))
    thread.start()
    thread.join()
    assert found[0].step == 2


def test_another_recipe_or_other_cases_are_not_mixed_in(tmp_path):
    tiny(tmp_path, stop_at=3)
    cases = [ball(k) for k in range(4)]
    with pytest.raises(InputError, match="learning_rate 0.005 there, 0.001 now"):
        fit(replace(RECIPE, learning_rate=1e-3), cases, out=tmp_path, resume=True, device="cpu", progress=False)
    with pytest.raises(InputError, match="started with, got others"):
        fit(RECIPE, cases[:3], out=tmp_path, resume=True, device="cpu", progress=False)
    with pytest.raises(InputError, match="has a checkpoint; resume it"):
        fit(RECIPE, cases, out=tmp_path, device="cpu", progress=False)


def test_a_checkpoint_of_an_earlier_version_lacks_fields_that_are_newer(tmp_path):
    tiny(tmp_path, stop_at=3)
    path = checkpoint_file(tmp_path)
    state = torch.load(path, weights_only=True)
    del state["recipe"]["tissue_above"]
    torch.save(state, path)
    assert tiny(tmp_path, resume=True, stop_at=4).step == 4
    with pytest.raises(InputError, match="tissue_above -1000.0 there, -30.0 now"):
        load_checkpoint(tmp_path, replace(RECIPE, tissue_above=-30.0), state["cases"])


def test_a_checkpoint_of_other_code_is_refused(tmp_path, monkeypatch):
    tiny(tmp_path, stop_at=2)
    before = checkpoint_file(tmp_path).read_bytes()
    monkeypatch.setattr("pancreas_ssl.training.checkpoint.code_digest", lambda *rooms: "0" * 16)
    with pytest.raises(InputError, match="this version of pancreas-ssl trains otherwise; install that version"):
        tiny(tmp_path, resume=True)
    assert checkpoint_file(tmp_path).read_bytes() == before


def test_a_damaged_checkpoint_and_a_missing_folder_get_sentences(tmp_path):
    tiny(tmp_path, stop_at=1)
    path = checkpoint_file(tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read"):
        tiny(tmp_path, resume=True)
    with pytest.raises(InputError, match="got none; name it"):
        tiny(None, resume=True)
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(InputError, match="is a file"):
        tiny(blocker / "run")


def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path, monkeypatch, uninterrupted):
    tiny(tmp_path, stop_at=5)
    from pancreas_ssl.training import checkpoint

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint.torch, "save", full)
        with pytest.raises(RunError, match="disk is full"):
            tiny(tmp_path, resume=True)
    assert torch.load(checkpoint_file(tmp_path), weights_only=True)["step"] == 5
    assert [p.name for p in tmp_path.iterdir() if p.name != MANIFEST] == ["checkpoint.pt"]
    assert same(tiny(tmp_path, resume=True), uninterrupted)


def test_a_loss_that_is_no_number_ends_the_training():
    broken = ball(0)
    broken.image[:] = float("nan")
    with pytest.raises(RunError, match="no longer a number"):
        fit(RECIPE, [broken], device="cpu", progress=False)


def test_precision_may_change_within_one_process():
    kept = fit(replace(RECIPE, steps=2, precision="bf16"), [ball(0)], device="cpu", progress=False)
    assert kept.precision == "bf16"
    assert all(p.dtype == torch.float32 for p in kept.ema.parameters())
    assert fit(replace(RECIPE, steps=2), [ball(0)], device="cpu", progress=False).precision == "fp32"


def test_more_classes_train_too():
    recipe = replace(RECIPE, steps=2, n_classes=3)
    fitted = fit(recipe, [ball(0)], [ball(1)], device="cpu", progress=False)
    assert fitted.network.n_classes == 3
