"""Weights on disk: safetensors with a JSON header that says which network they belong to and how its input was made.

The header makes a file of weights enough for a prediction: architecture, spacing, window and patch travel with it, and
a digest of the tensors detects a damaged file. Nothing is unpickled, so a file from elsewhere cannot
run code.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from pancreas_ssl import __version__
from pancreas_ssl.devices import resolve_device
from pancreas_ssl.errors import InputError, complaint
from pancreas_ssl.files import atomic_path
from pancreas_ssl.inference.weights_header import Header
from pancreas_ssl.method.network import SegmentationNetwork
from pancreas_ssl.method.recipe import Recipe

__all__ = ["Model", "add_to_header", "digest_of", "known_weights", "load_weights", "save_weights"]

ASSETS = Path(__file__).resolve().parents[1] / "assets"
HEADER = "pancreas_ssl"
PART = "/"  # between the name of a part and the name of its tensor
NEEDED = ("spacing", "window", "patch")
BYTES = 1_000_000  # of the longest header that is read


@dataclass
class Model:
    """A network and how its input is made: what a prediction needs beside the CT.

    spacing in mm (X, Y, Z); window in HU, shown as [-1, 1]; patch in voxels, the size of a sliding window; metadata
    as the file of weights has it (recipe, digest, version ...; empty for a network straight from training). parts are
    weights that were trained beside the network, such as `contrast`: state dicts of `method.contrast.GlobalContrast`.
    name is how messages call it.
    """

    network: nn.Module
    spacing: tuple[float, float, float] = (3.0, 3.0, 3.0)
    window: tuple[float, float] = (-150.0, 250.0)
    patch: tuple[int, int, int] = (64, 64, 64)
    metadata: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self):
        self.spacing = _three(self.spacing, float, "spacing")
        self.patch = _three(self.patch, int, "patch")
        self.window = tuple(float(edge) for edge in self.window)

    @property
    def tissue_above(self) -> float:
        """HU below which nothing is marked (`inference.tissue`), as the recipe of the weights says; else -1000."""
        return float(self.rule("tissue_above"))

    def rule(self, name: str) -> Any:
        """A field of the recipe that says how to predict; the default where the weights name none.

        Example:
            >>> Model(nn.Identity()).rule("decision")
            'argmax'
        """
        return self.metadata.get("recipe", {}).get(name, getattr(Recipe, name))

    @property
    def window_size(self) -> tuple[int, int, int]:
        """Voxels of a sliding window: the patch, rounded up to multiples of the network's stride."""
        stride = self.network.stride
        return tuple(-(-size // stride) * stride for size in self.patch)


def _three(value: Any, kind: type, name: str) -> tuple:
    values = tuple(kind(v) for v in (value if hasattr(value, "__len__") else (value,) * 3))
    if len(values) != 3 or min(values) <= 0:
        raise InputError(f"expected one or three positive numbers as {name}, got {value}; correct the model's {name}")
    return values


def digest_of(model: Model) -> str:
    """The digest of a model's weights: its file's, or that of the tensors of a network that comes from no file."""
    if known := model.metadata.get("digest"):
        return str(known)
    parts = {f"{part}{PART}{name}": tensor for part, state in model.parts.items() for name, tensor in state.items()}
    return _digest({name: tensor.detach().cpu() for name, tensor in (model.network.state_dict() | parts).items()})


def known_weights() -> list[str]:
    """Names of the weights that come with the package, as `load_weights` takes them."""
    return sorted(path.stem for path in ASSETS.glob("*.safetensors"))


def save_weights(
    path: str | Path,
    network: nn.Module,
    metadata: dict[str, Any],
    dtype: str = "float16",
    parts: dict[str, dict[str, Tensor]] | None = None,
) -> Path:
    """Write a network's weights with everything a prediction needs; the file appears whole or not at all.

    Args:
        path: ends in .safetensors.
        network: has `.config`, the keyword arguments that build it again.
        metadata: JSON-ready; spacing (mm), window (HU) and patch (voxels) are required, recipe and the like welcome.
            Architecture, digest and version are added.
        dtype: of the stored floating-point tensors. "float16" halves the file and rounds a weight by at most
            0.05 %; "float32" keeps every bit.
        parts: further weights that belong to it, by part and name (`Fitted.parts`); `Model.parts` has them again.

    Raises:
        InputError: metadata incomplete, or a weight that is not finite. RunError: the disk is full.

    Example:
        >>> save_weights("net.safetensors", network, {"spacing": 3.0, "window": (-150, 250), "patch": (96, 80, 64)})
        ... # doctest: +SKIP
    """
    from safetensors.torch import save_file

    path = Path(path)
    missing = [name for name in NEEDED if name not in metadata]
    if missing or path.suffix != ".safetensors":
        raise InputError(
            f"expected a .safetensors file and metadata with {', '.join(NEEDED)}, got {path.name} without "
            f"{', '.join(missing) or 'that suffix'}; add it"
        )
    if dtype not in ("float16", "float32"):
        raise InputError(f"expected dtype float16 or float32, got {dtype!r}; float16 is the default")
    tensors, given = {}, dict(network.state_dict())
    for part, state in (parts or {}).items():
        given |= {f"{part}{PART}{name}": tensor for name, tensor in state.items()}
    for name, tensor in given.items():
        tensor = tensor.detach().cpu()
        stored = tensor.to(getattr(torch, dtype)) if tensor.is_floating_point() else tensor
        if not torch.isfinite(stored).all():
            raise InputError(
                f"expected finite weights, {name} has values that {dtype} cannot hold (up to "
                f"{tensor.abs().max():g}); check the training for divergence or save as float32"
            )
        tensors[name] = stored.contiguous()
    header = {
        **metadata,
        "architecture": {"name": type(network).__name__, "config": network.config},
        "digest": _digest(tensors),
        "version": __version__,
        "dtype": dtype,
    }
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={HEADER: json.dumps(header, sort_keys=True)})
    return path


def add_to_header(path: str | Path, facts: dict[str, Any]) -> None:
    """Put facts into the header of a file of weights; every tensor, and so the digest, stays as it is.

    Raises:
        InputError: no weights of this tool.
    """
    from safetensors.torch import save_file

    values, tensors = _read(Path(path))
    _checked(Path(path), values | facts)
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={HEADER: json.dumps(values | facts, sort_keys=True)})


def load_weights(name_or_path: str | Path = "baseline", device: str | torch.device = "cpu") -> Model:
    """Read weights that come with the package (by name) or a file of `save_weights` (by path).

    The network is float32, in evaluation mode, on `device`.

    Raises:
        InputError: an unknown name, a damaged file, or weights of another architecture; the known names are listed.

    Example:
        >>> model = load_weights("baseline")    # doctest: +SKIP
        >>> model.spacing, model.metadata["version"]    # doctest: +SKIP
    """
    device = resolve_device(device)
    path = _find(name_or_path)
    values, tensors = _read(path)
    header = _checked(path, values)
    if _digest(tensors) != header.digest:
        raise _unusable(path, "has tensors that do not match its digest (it was damaged or edited)")
    own, parts = {}, {}
    for name, tensor in tensors.items():
        part, mark, inside = name.partition(PART)
        if tensor.is_floating_point():
            try:
                tensor = tensor.float()
            except RuntimeError as error:  # a type that this torch stores and cannot convert
                raise _unusable(path, f"has a type of numbers in {name[:80]} that cannot be read") from error
            if not torch.isfinite(tensor).all():
                raise _unusable(path, f"has NaN or infinite values in {name[:80]}")
        elif not mark and not name.endswith("num_batches_tracked"):
            kind = str(tensor.dtype).removeprefix("torch.")
            raise _unusable(
                path, f"has weights of type {kind} in {name[:80]} where the network has floating-point ones"
            )
        (parts.setdefault(part, {}) if mark else own)[inside if mark else name] = tensor
    config = header.architecture.config.model_dump()
    try:
        widths = [8, *config["channels"]]
        asked = sum(
            27 * out * (into + out) for into, out in zip(widths[:-1], widths[1:], strict=True)
        )  # of the encoder
        if asked > sum(tensor.numel() for tensor in own.values()):  # before the memory for it is taken
            raise ValueError("a larger network than the file has weights for")
        network = SegmentationNetwork(**config)
        network.load_state_dict(own)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _other_architecture(path, "do not fit the network that their header describes") from error
    network = network.float().to(device).eval()
    return Model(network, values["spacing"], values["window"], values["patch"], values, parts, str(name_or_path))


def _checked(path: Path, values: dict[str, Any]) -> Header:
    """The header's facts, or one sentence about the first that is missing or does not fit."""
    try:
        return Header.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
    place = [part for part in map(str, problem["loc"]) if part.replace("_", "").isalnum()]  # no types
    if place == ["architecture", "name"]:
        name = problem["input"] if isinstance(problem["input"], str) else "an unnamed network"
        raise _other_architecture(path, f"belong to {name[:80]}")
    at = ".".join(place)
    if place[:1] == ["architecture"] and "config" in place:
        raise _other_architecture(
            path, f"do not fit the network that their header describes ({at}: {complaint(problem)})"
        )
    if problem["type"] == "missing":
        raise _unusable(path, f"lacks {at} in its header")
    raise _unusable(path, f"has a header that does not fit ({at + ': ' if at else ''}{complaint(problem)})")


def _find(name_or_path: str | Path) -> Path:
    for path in (Path(name_or_path), ASSETS / f"{name_or_path}.safetensors"):
        if path.is_file():
            return path
    raise InputError(
        f"expected weights by name ({_names()}) or a .safetensors file, there is no {str(name_or_path)!r}; name one "
        f"of these or an existing file"
    )


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors import safe_open

    try:
        with open(path, "rb") as handle:
            size = int.from_bytes(handle.read(8), "little")
        if size > BYTES and size < path.stat().st_size:
            raise _unusable(path, f"has a header of {size / 1e6:.0f} MB where 1 MB is the limit")
        with safe_open(path, framework="pt") as handle:
            header = json.loads((handle.metadata() or {}).get(HEADER, "null"))
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except InputError:
        raise
    except Exception as error:  # of the library, of the disk, of JSON; a type that torch has not
        raise _unusable(path, "is no whole safetensors file (cut short, damaged or another format)") from error
    if not isinstance(header, dict):
        raise _other_architecture(path, "were not written by pancreas-ssl")
    return header, tensors


def _digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _names() -> str:
    return ", ".join(known_weights()) or "none are installed"


def _unusable(path: Path, what: str) -> InputError:
    return InputError(
        f"expected weights of pancreas-ssl, {path} {what}; copy it again or use a known name ({_names()})"
    )


def _other_architecture(path: Path, what: str) -> InputError:
    return InputError(
        f"expected weights of a {SegmentationNetwork.__name__}, those in {path} {what}; use weights that `train` wrote "
        f"or a known name ({_names()})"
    )
