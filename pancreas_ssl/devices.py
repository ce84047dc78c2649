"""Where to compute, in which precision and memory layout: from what the device can do, said in words.

bfloat16 halves the bytes of a number, but only processors and cards with units for it gain: on one without them a pass
took 75 times as long as in float32. So the processor is asked first. Only where it has such units does a probe of less
than a second time forward and backward passes of the network; what it finds is kept in the cache folder, once for this
device and torch version. In float32 nothing is left to the probe: the layout is channels-last, so that weights are
reproducible.
"""

import contextlib
import json
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch

from pancreas_ssl.data.access import cache_dir
from pancreas_ssl.engines.engine import cores
from pancreas_ssl.errors import InputError
from pancreas_ssl.files import atomic_path
from pancreas_ssl.method.network import SegmentationNetwork

__all__ = [
    "Plan",
    "choose_precision",
    "cores",
    "describe",
    "has_bfloat16",
    "one_thread",
    "plan",
    "processor_name",
    "resolve_device",
    "seconds_of_pass",
]

PRECISIONS = ("auto", "fp32", "bf16")
# A change of precision or layout must pay: small differences are noise of a busy machine.
BF16_MUST_GAIN, CONTIGUOUS_MUST_GAIN = 1.3, 1.1
PROBE = (2, 1, 48, 48, 32)  # batch, channel, voxels
BUDGET = 0.3  # seconds after which the probe begins no further round


@dataclass(frozen=True)
class Plan:
    """How to compute on one device; `seconds` holds the time per pass of each way that was probed."""

    device: str
    precision: str  # 'fp32' or 'bf16'
    channels_last: bool
    reason: str
    seconds: dict[str, float]


def resolve_device(name: str | torch.device = "auto") -> torch.device:
    """The torch device called `name`; 'auto' takes the first CUDA card, else the processor.

    Apple's 'mps' is used only when named: some 3D operations are missing there.

    Raises:
        InputError: an unknown name, or a device that this machine lacks.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
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


def has_bfloat16(device: str | torch.device = "auto") -> bool:
    """Whether the device has units for bfloat16, by torch's own queries; nothing is timed.

    Example:
        >>> has_bfloat16("cpu") in (True, False)
        True
    """
    where = resolve_device(device)
    if where.type == "cuda":
        return torch.cuda.get_device_capability(where) >= (8, 0)
    if where.type != "cpu" or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False  # oneDNN, which computes the convolutions; it obeys ONEDNN_MAX_CPU_ISA
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    units = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in units)


def plan(device: str | torch.device = "auto", precision: str = "auto") -> Plan:
    """Precision and memory layout for `device`; probed once where it has bfloat16 units, and remembered.

    Args:
        device: a name as in `resolve_device`.
        precision: 'auto' lets the device's abilities and the probe choose; 'fp32' and 'bf16' are kept as asked for.

    Raises:
        InputError: an unknown precision or device.
    """
    if precision not in PRECISIONS:
        raise InputError(f"expected a precision out of {', '.join(PRECISIONS)}, got '{precision}'; use 'auto'")
    return _plan(str(resolve_device(device)), precision)


def choose_precision(device: str | torch.device = "auto", precision: str = "auto") -> str:
    """'fp32' or 'bf16' for `device`: `plan(device, precision).precision`."""
    return plan(device, precision).precision


def describe(device: str | torch.device = "auto", precision: str = "auto") -> str:
    """One line for a person: device, precision, layout and why.

    Example:
        >>> describe("cpu", "fp32")    # doctest: +SKIP
        'cpu (2 threads), float32, channels-last layout: as asked for'
    """
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
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@lru_cache(maxsize=32)
def _plan(device: str, precision: str) -> Plan:
    if precision == "fp32":
        return Plan(device, "fp32", True, "as asked for", {})
    if not has_bfloat16(device):
        what = "processor" if device == "cpu" else "device"
        if precision == "bf16":
            reason = f"as asked for, but this {what} has no bfloat16 units and may take 75 times as long"
            return Plan(device, "bf16", True, reason, {})
        return Plan(device, "fp32", True, f"this {what} has no bfloat16 units", {})
    seconds = _probed(device)
    ways = {p: f"{p} {_layout(seconds, p)}" for p in ("fp32", "bf16")}
    gain = seconds[ways["fp32"]] / seconds[ways["bf16"]]
    chosen = precision if precision != "auto" else "bf16" if gain >= BF16_MUST_GAIN else "fp32"
    how = f"{gain:.1f} times as fast as" if gain >= 1 else f"{1 / gain:.1f} times slower than"
    reason = "as asked for" if precision != "auto" else f"bfloat16 is {how} float32 in a short probe"
    return Plan(device, chosen, ways[chosen].endswith("channels-last"), reason, seconds)


def _probed(device: str) -> dict[str, float]:
    """The probe's seconds, from the cache folder or measured now; whoever waits for it sees a message."""
    key = f"{_processor(device)} | torch {torch.__version__} | {PROBE}"
    known = _read_cache()
    if key not in known:
        print("Timing bfloat16 against float32 on this device, once: about a second ...", file=sys.stderr)
        with torch.inference_mode(False), torch.enable_grad():  # whoever asks, a training step is what is probed
            known[key] = _measure(device)
        _write_cache(known)
    return known[key]


def _layout(seconds: dict[str, float], precision: str) -> str:
    """float32 is always channels-last: the layout changes the last bits, and a busy moment must not choose those."""
    if precision == "fp32":
        return "channels-last"
    gain = seconds["bf16 channels-last"] / seconds["bf16 contiguous"]
    return "contiguous" if gain >= CONTIGUOUS_MUST_GAIN else "channels-last"


def _measure(device: str) -> dict[str, float]:
    """Seconds of one forward and backward pass, for each precision and layout: the shortest of up to three rounds.

    The passes go round the ways in turn, so that a busy moment hits all alike. A round before them makes kernels (on a
    card it also starts the card's libraries, which takes longer than all others) and does not count.
    """
    where = torch.device(device)
    x = torch.rand(PROBE, generator=torch.Generator().manual_seed(0)).to(where)
    layouts = {"channels-last": torch.channels_last_3d, "contiguous": torch.contiguous_format}
    networks = {
        way: SegmentationNetwork().to(where, memory_format=layouts[way.split()[1]])
        for way in ("fp32 channels-last", "bf16 channels-last", "bf16 contiguous")
    }

    def one_round() -> list[float]:
        return [seconds_of_pass(network, x, way.startswith("bf16")) for way, network in networks.items()]

    one_round()
    start, rounds = time.perf_counter(), [one_round()]
    while len(rounds) < 3 and time.perf_counter() - start < BUDGET:
        rounds.append(one_round())
    return dict(zip(networks, map(min, zip(*rounds, strict=True)), strict=True))


def seconds_of_pass(network, x: torch.Tensor, bf16: bool) -> float:
    """Seconds of one forward and backward pass."""
    _wait(x.device)
    start = time.perf_counter()
    with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
        loss = network(x).float().square().mean()
    loss.backward()
    _wait(x.device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def processor_name() -> str:
    """The processor's model and the instructions that torch uses on it."""
    try:
        with open("/proc/cpuinfo") as lines:
            name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name} {torch.backends.cpu.get_cpu_capability()}"


def _processor(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(device))
    return f"{device} {processor_name()}"


def _cache_file():
    return cache_dir() / "speeds.json"


def _read_cache() -> dict[str, dict[str, float]]:
    try:
        known = json.loads(_cache_file().read_text())
        return {k: v for k, v in known.items() if len(v) == 3 and "fp32 channels-last" in v}
    except (OSError, ValueError, AttributeError):
        return {}


def _write_cache(known: dict[str, dict[str, float]]) -> None:
    """A cache that cannot be written is no reason to fail: the probe then runs again next time."""
    with contextlib.suppress(OSError, InputError, RuntimeError), atomic_path(_cache_file(), state=True) as temporary:
        temporary.write_text(json.dumps(known, indent=1))
