"""Exercises of notebook 06: the ramp, shares of a step, a loss over several processes, and memory."""

import numpy as np

from pancreas_ssl.course.exercise import Exercise, Wrong
from pancreas_ssl.course.questions_06 import QUESTIONS

__all__ = ["EXERCISES", "QUESTIONS"]


def _ramp(step, steps, start, length):
    return float(np.clip((step - start * steps) / (length * steps), 0, 1))


_STEPS = [(step, 200, 0.1, 0.2) for step in (0, 10, 20, 30, 40, 50, 60, 80, 200)] + [(55, 100, 0.5, 0.1)]


def _step_of(batch, steps, processes):
    return processes * batch, steps / processes


def _joint(errors):
    return sum(float(np.sum(one)) for one in errors) / sum(np.size(one) for one in errors)


_SHARES = [
    ([np.array([0.2, 0.4, 0.6, 0.8]), np.array([0.1])],),
    ([np.array([0.3, 0.3]), np.array([0.9, 0.5]), np.array([])],),
    ([np.array([0.5]), np.array([0.1, 0.2, 0.3]), np.array([0.7, 0.9])],),
]


def _mean_of_means(errors):
    return float(np.mean([np.mean(one) if np.size(one) else 0.0 for one in errors]))


def _shares_said(voxels) -> str:
    errors = [np.full(n, float(k)) for k, n in enumerate(voxels)]
    whole, apart = _joint(errors), _mean_of_means(errors)
    return (
        f"The corrupted patches above have {', '.join(map(str, voxels))} voxels. With an error of 0 in the first, 1 in "
        f"the second and so on, the mean over all voxels would be {whole:.3f}, and the mean of the patches' means "
        f"{apart:.3f}: there a voxel of a small box counts for more than one of a large box. So sums and counts are "
        "exchanged, and divided at the end."
    )


def _side(side, gib, have, stride):
    return int(side * (have / gib) ** (1 / 3) + 1e-9) // stride * stride


_CUBES = [(48, 0.5, 4.0, 16), (48, 0.5, 1.0, 16), (64, 1.0, 24.0, 16), (32, 0.25, 8.0, 8), (96, 6.0, 80.0, 16)]


def _cubes_said(forecasts) -> str:
    small, large = min(forecasts), max(forecasts)
    grown, law = forecasts[large] / forecasts[small], (large / small) ** 3
    kept = "nearly as the cubic law says" if abs(grown / law - 1) < 0.1 else "so the cubic law is a rough guide here"
    return (
        f"By forecast a cube of {large} voxels a side needs {grown:.2f} times the memory of one of {small}; its "
        f"volume is {law:.2f} times as large: {kept}. What does not grow with the patch, such as the weights, makes "
        "the law overestimate. Eight times the memory buys only twice the side."
    )


EXERCISES = [
    Exercise(
        id="06-1",
        title="The ramp, step by step",
        level="easy",
        minutes=6,
        right=lambda: _ramp,
        probes=lambda: _STEPS,
        wrong=(
            Wrong(
                "reaches 1 at the step that is the length",
                lambda: lambda t, n, a, b: float(np.clip((t - a * n) / (b * n - a * n), 0, 1)),
                "You took the ramp's length for its end. It begins at `start * steps` and takes `length * steps` more.",
            ),
            Wrong(
                "counted from the first step",
                lambda: lambda t, n, a, b: float(np.clip(t / (b * n), 0, 1)) if t >= a * n else 0.0,
                "When the modules set in, your factor jumps. The rise must begin at 0 there.",
            ),
            Wrong(
                "a switch",
                lambda: lambda t, n, a, b: float(t >= a * n),
                "That is a switch: 0 before, 1 after. A ramp spreads the change over `length * steps` steps.",
            ),
            Wrong(
                "never stops rising",
                lambda: lambda t, n, a, b: max(0.0, (t - a * n) / (b * n)),
                "Your factor passes 1 after the ramp, so the modules would weigh more and more.",
            ),
        ),
        solution="""
def ramp(step, steps, start, length):
    share = (step - start * steps) / (length * steps)
    return min(1.0, max(0.0, share))

answer = ramp
""",
        teaches=lambda: (
            "Both modules rely on what the network takes for pancreas, so they wait until it has an idea of one. The "
            "rise is gradual, so that no single step changes what is asked of the network."
        ),
        claims=lambda: {"it begins at 0 and ends at 1": (_ramp(*_STEPS[0]), _ramp(*_STEPS[-2])) == (0, 1)},
    ),
    Exercise(
        id="06-2",
        title="What four processes do to a step",
        level="easy",
        minutes=4,
        right=_step_of,
        wrong=(
            Wrong(
                "batch counts all processes",
                lambda batch, steps, processes: (batch, steps),
                "`batch` counts the patches of one *process*. Each of them brings as many.",
            ),
            Wrong(
                "as many steps as before",
                lambda batch, steps, processes: (processes * batch, steps),
                "The patches of a step are right. With as many steps as before, more patches would be seen in all.",
            ),
            Wrong(
                "more steps instead of fewer",
                lambda batch, steps, processes: (processes * batch, steps * processes),
                "The patches of a step are right. If each step sees more of them, does the same total take more steps?",
            ),
        ),
        solution="""
patches = processes * batch
answer = (patches, steps / processes)
""",
        teaches=lambda batch, steps, processes: (
            f"A step of {processes * batch} patches instead of {batch}: the same patches are seen in "
            f"{steps / processes:g} steps instead of {steps}. That is another training, with a less noisy gradient and "
            f"fewer updates, and the learning rate was not chosen for it. The *same* training needs a batch of "
            + (f"{batch // processes} a process." if batch % processes == 0 else "fewer patches than processes.")
        ),
        example=lambda: {"batch": 2, "steps": 200, "processes": 4},
    ),
    Exercise(
        id="06-3",
        title="One mean out of several processes",
        level="medium",
        minutes=8,
        right=lambda voxels: _joint,
        probes=lambda voxels: _SHARES,
        wrong=(
            Wrong(
                "a mean of means",
                lambda voxels: _mean_of_means,
                "You averaged the processes' means, so a process with one corrupted voxel counts as much as one with "
                "thousands.",
            ),
            Wrong(
                "a sum of means",
                lambda voxels: lambda errors: sum(float(np.mean(one)) if len(one) else 0.0 for one in errors),
                "You added up the means. With more processes the loss would grow, though no voxel became worse.",
            ),
            Wrong(
                "divided by the processes",
                lambda voxels: lambda errors: sum(float(np.sum(one)) for one in errors) / len(errors),
                "The sum is right, and what it is divided by is not: a mean over *voxels* divides by their number.",
            ),
        ),
        solution="""
def joint_mean(errors):
    total = sum(one.sum() for one in errors)
    count = sum(one.size for one in errors)
    return total / count

answer = joint_mean
""",
        teaches=_shares_said,
        example=lambda: {"voxels": [900, 60]},
        claims=lambda voxels: {"a mean of means differs": _joint(*_SHARES[0]) != _mean_of_means(*_SHARES[0])},
    ),
    Exercise(
        id="06-4",
        title="The largest cube that fits",
        level="medium",
        minutes=8,
        right=lambda forecasts: _side,
        probes=lambda forecasts: _CUBES,
        wrong=(
            Wrong(
                "memory grows with the side",
                lambda forecasts: lambda side, gib, have, stride: int(side * have / gib) // stride * stride,
                "You let the memory grow with the side. A cube twice as wide has how many times the voxels?",
            ),
            Wrong(
                "memory grows with a slice",
                lambda forecasts: lambda side, gib, have, stride: int(side * (have / gib) ** 0.5) // stride * stride,
                "You let the memory grow with the area of a slice. A patch has a third direction.",
            ),
            Wrong(
                "no multiple of the stride",
                lambda forecasts: lambda side, gib, have, stride: int(side * (have / gib) ** (1 / 3) + 1e-9),
                "The law is right. A side must also be a multiple of `stride`, since each level halves it.",
            ),
            Wrong(
                "rounded up",
                lambda forecasts: (
                    lambda side, gib, have, stride: -(-int(side * (have / gib) ** (1 / 3) + 1e-9) // stride) * stride
                ),
                "You went to the next multiple *above*, or to the nearest: that cube does not fit.",
            ),
        ),
        solution="""
def largest_side(side, gib, have, stride):
    wide = side * (have / gib) ** (1 / 3)
    return int(wide + 1e-9) // stride * stride      # 1e-9: a root that is a whole number stays one

answer = largest_side
""",
        teaches=_cubes_said,
        example=lambda: {"forecasts": {48: 0.2, 96: 1.5}},
    ),
]
