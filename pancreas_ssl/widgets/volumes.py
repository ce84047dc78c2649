"""A whole volume to turn and slice: static planes always, ipyniivue when live, itkwidgets on request."""

import socket
from typing import Any

import numpy as np

from pancreas_ssl.errors import require
from pancreas_ssl.figures.planes import WINDOW, Scene, scene
from pancreas_ssl.figures.slices import orthogonal_planes
from pancreas_ssl.figures.style import LABEL
from pancreas_ssl.widgets.viewer import Viewer, is_live

__all__ = ["view_volume"]

VIEWERS = ("auto", "static", "niivue", "itk")
ITK_HOST = "cdn.jsdelivr.net"  # where its front end comes from
_LARGEST = 20_000_000  # voxels sent to the browser; finer volumes are thinned in plane


def view_volume(
    volume: Any,
    label: Any = None,
    viewer: str = "auto",
    *,
    spacing: tuple[float, float, float] | None = None,
    window: tuple[float, float] = WINDOW,
    title: str = "",
    name: str = "volume",
    live: bool | str | None = None,
) -> Viewer:
    """Three static planes; live also the volume in the browser, planes and 3D, label on top.

    Args:
        volume, label, spacing: see `pancreas_ssl.figures.planes.scene`.
        viewer: "auto" (ipyniivue when live), "static" (never more than the planes), "niivue", or "itk" (itkwidgets,
            whose scripts come from the internet).
        live: see `pancreas_ssl.widgets.is_live`.

    Raises:
        InputError: an unknown viewer, or a volume that is not three-dimensional. A viewer that cannot start is no
            error: the static planes stand, and the line below them says why.
    """
    require(viewer in VIEWERS, f"a viewer among {', '.join(VIEWERS)}", repr(viewer), "choose one of them")
    drawn = scene(volume, label, None, spacing)
    static = orthogonal_planes(volume, label, spacing=spacing, window=window, title=title, name=name)
    if viewer == "static":
        return Viewer(static, None, "Viewer: static planes (asked for).")
    if not is_live(live):
        return Viewer(static, None, "Viewer: static planes (no live front end; in JupyterLab the volume turns).")
    if viewer == "itk":
        return _with_itk(static, drawn)
    try:
        widget, note = _niivue(drawn, window)
    except Exception as error:  # whatever a viewer's libraries raise, the planes above must stand
        return Viewer(static, None, f"Viewer: static planes (ipyniivue did not start: {_short(error)}).")
    said = f"Viewer: static planes, then ipyniivue{note}: drag to move the cross, drag the 3D view to turn it."
    return Viewer(static, widget, said)


def _niivue(drawn: Scene, window):
    from ipyniivue import NiiVue, SliceType, Volume
    from ipyniivue.constants import ShowRender

    thin = 2 if drawn.hu.size > _LARGEST else 1
    affine = drawn.affine @ np.diag([thin, thin, 1, 1])
    hu = np.clip(np.round(drawn.hu[::thin, ::thin]), -32768, 32767).astype(np.int16)
    widget = NiiVue(height=420)
    red, green, blue = (int(LABEL.colour[i : i + 2], 16) for i in (1, 3, 5))  # as in the static planes
    widget.add_colormap("label", {"R": [0, red], "G": [0, green], "B": [0, blue], "A": [0, 255], "I": [0, 255]})
    widget.set_radiological_convention(True)  # patient's right on the left, as in the static planes
    widget.set_slice_type(SliceType.MULTIPLANAR)
    widget.opts.multiplanar_show_render = ShowRender.ALWAYS  # the 3D view beside the planes
    widget.opts.sagittal_nose_left = True
    widget.opts.crosshair_width = 0.5
    volumes = [Volume(data=_nifti(hu, affine), name="ct.nii", colormap="gray", cal_min=window[0], cal_max=window[1])]
    if drawn.label is not None and drawn.label.any():
        label = drawn.label[::thin, ::thin].astype(np.uint8)
        volumes.append(
            Volume(data=_nifti(label, affine), name="label.nii", colormap="winter", opacity=0.5, cal_min=0.5, cal_max=1)
        )
        middle = [(np.median(places) + 0.5) / size for places, size in zip(np.nonzero(label), label.shape, strict=True)]
        widget.scene.crosshair_pos = [float(fraction) for fraction in middle]
    widget.load_volumes(volumes)
    return widget, " (every second voxel in plane)" if thin > 1 else ""


def _nifti(array: np.ndarray, affine: np.ndarray) -> bytes:
    import nibabel

    image = nibabel.Nifti1Image(np.ascontiguousarray(array), affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    return image.to_bytes()


def reachable(host: str, seconds: float = 3.0) -> bool:
    """Whether a secure connection to a host can be opened from here."""
    try:
        with socket.create_connection((host, 443), timeout=seconds):
            return True
    except OSError:
        return False


def _with_itk(static, drawn: Scene) -> Viewer:
    needs = "itkwidgets loads its viewer from the internet"
    if not reachable(ITK_HOST):
        # Without its scripts it would hold back every later cell of the notebook, waiting for its front end.
        said = f"Viewer: static planes ({needs}, and {ITK_HOST} cannot be reached; viewer='niivue' needs no network)."
        return Viewer(static, None, said)
    try:
        from itkwidgets import view

        arrays = [drawn.hu] if drawn.label is None else [drawn.hu, drawn.label]
        image, *label = (np.ascontiguousarray(one.transpose(2, 1, 0)) for one in arrays)
        widget = view(image.astype(np.int16), **({"label_image": label[0].astype(np.uint8)} if label else {}))
    except Exception as error:  # it raises RuntimeError, ImportError and others, depending on what is missing
        return Viewer(static, None, f"Viewer: static planes (itkwidgets did not start: {_short(error)}; {needs}).")
    said = f"Viewer: static planes, then itkwidgets ({needs}; blank where the browser has none)."
    return Viewer(static, widget, said)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}, {text[:160]}".rstrip(".")
