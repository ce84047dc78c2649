"""Under what conditions a run took place: machine, device, versions, commit and data."""

import hashlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil

from pancreas_ssl.data.cards import list_cards, load_card
from pancreas_ssl.data.generate import generator_version
from pancreas_ssl.engines.engine import cores
from pancreas_ssl.versions import PACKAGE, installed_versions

__all__ = ["commit", "data_digest", "device_name", "run_environment"]


def run_environment() -> dict[str, Any]:
    """Machine, device, versions and commit as plain values (imports torch)."""
    return {
        "pancreas_ssl": importlib.metadata.version(PACKAGE),
        "commit": commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "device": device_name(),
        "versions": installed_versions(),
    }


def device_name() -> str:
    """The device that `auto` chooses, for instance `cpu` or `cuda (NVIDIA H200)`."""
    import torch

    from pancreas_ssl.devices import resolve_device

    device = resolve_device("auto")
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def data_digest() -> str:
    """Sixteen hex digits over all data cards and the phantom's generator: equal where runs could read the same data.

    A card fixes splits and the digests of what is downloaded, the generator fixes the voxels of each generated case.
    A user's own folder is known by its card only: a notebook that reads one records the digest of its files as
    `record(data_digest=pancreas_ssl.data.access.data_digest(cases))`, which the report then shows instead.
    """
    digest = hashlib.sha256(generator_version().encode())
    for name in sorted(list_cards()):
        digest.update(name.encode() + b"\0" + load_card(name).path.read_bytes())
    return digest.hexdigest()[:16]


def commit() -> str | None:
    """The clone's commit, with `+ changes` when files differ from it; None outside a clone or without git."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        return head + (" + changes" if _git(root, "status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
