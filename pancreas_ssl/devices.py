"""Where to compute, in which precision and memory layout: chosen by a short measurement and said in words.

bfloat16 halves the bytes of a number, but only processors and cards with units for it gain; others become slower. So
a probe of one to three seconds times forward and backward passes of the network and keeps what it found, per process
and in the cache folder, for this device, torch version and number of threads. In float32 nothing is left to the
probe: the layout is channels-last (0.25 against 0.31 processor seconds a step), so that weights are reproducible.
"""

import contextlib
import json
import math
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pancreas_ssl.errors import InputError
from pancreas_ssl.files import atomic_path

if TYPE_CHECKING:
    import torch

__all__ = ["Plan", "choose_precision", "describe", "one_thread", "plan", "resolve_device"]

PRECISIONS = ("auto", "fp32", "bf16")
# A change of precision or layout must pay: small differences are noise of a busy machine.
BF16_MUST_GAIN, CONTIGUOUS_MUST_GAIN = 1.3, 1.2
PROBE = (2, 1, 64, 64, 48)  # batch, channel, voxels


@dataclass(frozen=True)
class Plan:
    """How to compute on one device; `seconds` holds the probe's time per pass for each way that was tried."""

    device: str
    precision: str  # 'fp32' or 'bf16'
    channels_last: bool
    reason: str
    seconds: dict[str, float]


def resolve_device(name: "str | torch.device" = "auto") -> "torch.device":
    """The torch device called `name`; 'auto' takes the first CUDA card, else the processor.

    Apple's 'mps' is used only when named: some 3D operations are missing there.

    Raises:
        InputError: an unknown name, or a device that this machine lacks.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    import torch

    if str(name) == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(
            f"expected a device like 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps', got '{name}'; name one of these"
        ) from error
    if device.type == "cpu":
        return torch.device("cpu")
    if device.type == "cuda":
        count, index = torch.cuda.device_count(), device.index or 0
        if torch.cuda.is_available() and index < count:
            return torch.device("cuda", index)
        found = f"{count} CUDA device(s)" if torch.cuda.is_available() else "no CUDA device"
        raise InputError(f"device '{name}' was asked for, this machine has {found}; use 'auto' or 'cpu'")
    if device.type == "mps" and torch.backends.mps.is_available():
        return device
    raise InputError(f"device '{name}' was asked for, torch finds none here; use 'auto' or 'cpu'")


def plan(device: "str | torch.device" = "auto", precision: str = "auto") -> Plan:
    """Precision and memory layout for `device`, measured once (one to three seconds) and remembered.

    Args:
        device: a name as in `resolve_device`.
        precision: 'auto' lets the probe choose; 'fp32' and 'bf16' are kept as asked for.

    Raises:
        InputError: an unknown precision or device.
    """
    if precision not in PRECISIONS:
        raise InputError(
            f"expected a precision out of {', '.join(PRECISIONS)}, got '{precision}'; use 'auto'"
        )
    import torch

    return _plan(str(resolve_device(device)), precision, torch.get_num_threads())


def choose_precision(device: "str | torch.device" = "auto", precision: str = "auto") -> str:
    """'fp32' or 'bf16' for `device`: `plan(device, precision).precision`."""
    return plan(device, precision).precision


def describe(device: "str | torch.device" = "auto", precision: str = "auto") -> str:
    """One line for a person: device, precision, layout and why.

    Example:
        >>> describe("cpu", "fp32")    # doctest: +SKIP
        'cpu (2 threads), float32, channels-last layout: as asked for'
    """
    import torch

    chosen = plan(device, precision)
    found = torch.device(chosen.device)
    if found.type == "cuda":
        where = f"{chosen.device} ({torch.cuda.get_device_name(found)})"
    else:
        threads = torch.get_num_threads()
        where = f"{chosen.device} ({threads} thread{'s' if threads > 1 else ''})"
    numbers = "bfloat16" if chosen.precision == "bf16" else "float32"
    layout = "channels-last layout" if chosen.channels_last else "contiguous layout"
    return f"{where}, {numbers}, {layout}: {chosen.reason}"


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Small sums on one thread: two threads took three to eight times as long, waiting for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@lru_cache(maxsize=32)
def _plan(device: str, precision: str, threads: int) -> Plan:
    key = f"{_processor(device)} | torch {_torch_version()} | {threads} threads | {PROBE}"
    known = _read_cache()
    if "fp32 channels-last" not in known.get(key, {}):
        import torch

        with (
            torch.inference_mode(False),
            torch.enable_grad(),
        ):  # whoever asks, a training step is what is probed
            known[key] = _measure(device)
        _write_cache(known)
    seconds = known[key]
    wanted = ("fp32", "bf16") if precision == "auto" else (precision,)
    best = {p: _layout(seconds, p) for p in wanted if f"{p} channels-last" in seconds}
    if precision == "bf16" and "bf16" not in best:
        return Plan(
            device, "bf16", True, "as asked for, although this device does not support it well", seconds
        )
    gain = seconds[f"fp32 {best['fp32']}"] / seconds[f"bf16 {best['bf16']}"] if len(best) == 2 else 0.0
    chosen = precision if precision != "auto" else "bf16" if gain >= BF16_MUST_GAIN else "fp32"
    if precision != "auto":
        reason = "as asked for"
    elif not gain:
        reason = "this device has no bfloat16"
    else:
        reason = f"bfloat16 is {gain:.1f} times as fast as float32 in a short probe"
    return Plan(device, chosen, best[chosen] == "channels-last", reason, seconds)


def _layout(seconds: dict[str, float], precision: str) -> str:
    """float32 is always channels-last: the layout changes the last bits, and a busy moment must not choose those."""
    ways = [seconds.get(f"{precision} {layout}") for layout in ("channels-last", "contiguous")]
    if precision == "fp32" or None in ways:
        return "channels-last"
    return "contiguous" if ways[0] / ways[1] >= CONTIGUOUS_MUST_GAIN else "channels-last"


def _measure(device: str) -> dict[str, float]:
    """Seconds of one forward and backward pass, for each precision and layout that the device knows.

    The passes have the size of a usual training step (small ones rank differently) and go round the ways in turn, so
    that a busy moment hits all alike; the shortest counts. A way that is clearly slower is not tried again.
    """
    import torch

    from pancreas_ssl.network import SegmentationNetwork

    where = torch.device(device)
    x = torch.rand(PROBE, generator=torch.Generator().manual_seed(0)).to(where)
    layouts = {"channels-last": torch.channels_last_3d, "contiguous": torch.contiguous_format}
    networks = {
        way: SegmentationNetwork().to(where, memory_format=layouts[way.split()[1]])
        for way in ("fp32 channels-last", "bf16 channels-last", "bf16 contiguous")
    }
    seconds: dict[str, float] = {}
    for turn in range(4):  # the first, in which kernels are made, does not count
        fastest = min(seconds.values(), default=math.inf)
        for way, network in list(networks.items()):
            if turn > 1 and seconds[way] > 1.5 * fastest:
                continue
            try:
                spent = _one_pass(network, x, way.startswith("bf16"))
            except RuntimeError:  # so a device says that it has no bfloat16
                del networks[way]
                continue
            if turn:
                seconds[way] = min(spent, seconds.get(way, math.inf))
    return seconds


def _one_pass(network, x: "torch.Tensor", bf16: bool) -> float:
    import torch

    _wait(x.device)
    start = time.perf_counter()
    with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
        loss = network(x).float().square().mean()
    loss.backward()
    _wait(x.device)
    return time.perf_counter() - start


def _wait(device: "torch.device") -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _processor(device: str) -> str:
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(device))
    try:
        with open("/proc/cpuinfo") as lines:
            name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{device} {name} {torch.backends.cpu.get_cpu_capability()}"


def _torch_version() -> str:
    import torch

    return torch.__version__


def _cache_file():
    from pancreas_ssl.data.access import cache_dir

    return cache_dir() / "devices.json"


def _read_cache() -> dict[str, dict[str, float]]:
    try:
        known = json.loads(_cache_file().read_text())
        return {k: v for k, v in known.items() if "fp32 channels-last" in v}
    except (OSError, ValueError, AttributeError):
        return {}


def _write_cache(known: dict[str, dict[str, float]]) -> None:
    """A cache that cannot be written is no reason to fail: the probe then runs again next time."""
    with contextlib.suppress(OSError, InputError, RuntimeError), atomic_path(_cache_file()) as temporary:
        temporary.write_text(json.dumps(known, indent=1))
