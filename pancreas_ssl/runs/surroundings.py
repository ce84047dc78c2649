"""Where a run took place: machine, device, versions, commit. What one needs to compare two runs' numbers."""

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

from pancreas_ssl.versions import PACKAGE, installed_versions

__all__ = ["commit", "device_in_words", "surroundings"]


def surroundings() -> dict[str, Any]:
    """Machine, device, versions and commit as plain values (imports torch)."""
    import psutil

    return {
        "pancreas_ssl": importlib.metadata.version(PACKAGE),
        "commit": commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "device": device_in_words(),
        "versions": installed_versions(),
    }


def device_in_words() -> str:
    """The device that `auto` chooses, for instance `cpu` or `cuda (NVIDIA H200)`."""
    import torch

    from pancreas_ssl.devices import resolve_device

    device = resolve_device("auto")
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


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
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    return re.sub(r"\s+", " ", done.stdout.strip())
