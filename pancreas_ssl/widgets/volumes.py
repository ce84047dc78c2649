"""A whole volume to turn and slice: static views always, ipyniivue when live, itkwidgets on request."""

import socket
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from pancreas_ssl.errors import require
from pancreas_ssl.figures.planes import WINDOW, Scene, scene
from pancreas_ssl.figures.slices import projections
from pancreas_ssl.figures.style import LABEL
from pancreas_ssl.widgets.itk_copies import ADDRESSES, COMMAND, served
from pancreas_ssl.widgets.viewer import Viewer, is_live

__all__ = ["view_volume"]

VIEWERS = ("auto", "static", "niivue", "itk")
ITK_HOSTS = tuple(urlsplit(one).hostname for one in ADDRESSES if one.endswith("/"))  # where its front end comes from
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
    """Two static views; live also the volume in the browser, planes and 3D, label on top.

    Args:
        volume, label, spacing: see `pancreas_ssl.figures.planes.scene`.
        viewer: "auto" (ipyniivue when live), "static" (never more than the views), "niivue", or "itk" (itkwidgets,
            whose scripts come from the internet, or from copies: see `pancreas_ssl.widgets.itk_server`).
        live: see `pancreas_ssl.widgets.is_live`.

    Raises:
        InputError: an unknown viewer, or a volume that is not three-dimensional. A viewer that cannot start is no
            error: the static views stand, and the line below them says why.
    """
    require(viewer in VIEWERS, f"a viewer among {', '.join(VIEWERS)}", repr(viewer), "choose one of them")
    drawn = scene(volume, label, None, spacing)
    static = projections(volume, label, spacing=spacing, title=title, name=name)
    if viewer == "static":
        return Viewer(static, None, "Viewer: static views (asked for).")
    if not is_live(live):
        return Viewer(static, None, "Viewer: static views (no live front end; in JupyterLab the volume turns).")
    if viewer == "itk":
        return _with_itk(static, drawn, window)
    try:
        widget, note = _niivue(drawn, window)
    except Exception as error:  # whatever a viewer's libraries raise, the views above must stand
        return Viewer(static, None, f"Viewer: static views (ipyniivue did not start: {_short(error)}).")
    said = f"Viewer: static views, then ipyniivue{note}: drag to move the cross, drag the 3D view to turn it."
    return Viewer(static, widget, said)


def _niivue(drawn: Scene, window):
    from ipyniivue import NiiVue, SliceType, Volume
    from ipyniivue.constants import MultiplanarType, ShowRender

    thin = 2 if drawn.hu.size > _LARGEST else 1
    affine = drawn.affine @ np.diag([thin, thin, 1, 1])
    hu = np.clip(np.round(drawn.hu[::thin, ::thin]), -32768, 32767).astype(np.int16)
    widget = NiiVue(height=300)
    widget.set_radiological_convention(True)  # patient's right on the left, as in the static views
    widget.set_slice_type(SliceType.MULTIPLANAR)
    widget.opts.multiplanar_show_render = ShowRender.ALWAYS  # the 3D view beside the planes
    widget.opts.multiplanar_layout = MultiplanarType.ROW  # all in one row: a cell is wide and low
    widget.opts.sagittal_nose_left = True
    widget.opts.crosshair_width = 0.5
    volumes = [Volume(data=_nifti(hu, affine), name="ct.nii", colormap="gray", cal_min=window[0], cal_max=window[1])]
    if drawn.label is not None and drawn.label.any():
        label = drawn.label[::thin, ::thin].astype(np.uint8)
        volumes.append(Volume(data=_nifti(label, affine), name="label.nii", opacity=0.5, colormap_label=_lut()))
        middle = [(np.median(places) + 0.5) / size for places, size in zip(np.nonzero(label), label.shape, strict=True)]
        widget.scene.crosshair_pos = [float(fraction) for fraction in middle]
    widget.load_volumes(volumes)
    return widget, " (every second voxel in plane)" if thin > 1 else ""


def _lut():
    """Colours of the label's values, as in the static views: 0 is not drawn."""
    from ipyniivue.traits import LUT

    red, green, blue = (int(LABEL.colour[i : i + 2], 16) for i in (1, 3, 5))
    return LUT(lut=[0, 0, 0, 0, red, green, blue, 255], min=0, max=1, labels=["", "pancreas"])


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


def _with_itk(static, drawn: Scene, window) -> Viewer:
    copies, needs = served(), "itkwidgets loads its viewer from the internet"
    missing = None if copies else next((host for host in ITK_HOSTS if not reachable(host)), None)
    if missing:
        # Without its scripts it would hold back every later cell of the notebook, waiting for its front end.
        said = f"Viewer: static views ({needs}, and {missing} cannot be reached; viewer='niivue' needs no network, "
        return Viewer(static, None, f"{said}nor does itkwidgets after `{COMMAND}`, run once where there is one).")
    try:
        import itkwidgets  # raises RuntimeError, ImportError and others, depending on what is missing

        widget = _Itk(itkwidgets, drawn, window, copies)
    except Exception as error:
        return Viewer(static, None, f"Viewer: static views (itkwidgets did not start: {_short(error)}; {needs}).")
    where = f"{needs}; blank where the browser has none" if copies is None else "from copies on this machine"
    where += ", every second voxel in plane" if drawn.hu.size > _LARGEST else ""
    said = f"Viewer: static views, then itkwidgets ({where}): its menu has the other planes and the 3D view. "
    said += "If it stays blank, wait for its logo in the notebook's tool bar, then restart the kernel and run again."
    return Viewer(static, widget, said)


class _Itk:
    """The volume in itkwidgets. Its viewer appears where it is made, so it is made when this is displayed."""

    def __init__(self, itkwidgets, drawn: Scene, window, copies: str | None) -> None:
        from ngff_zarr import to_ngff_image

        thin = 2 if drawn.hu.size > _LARGEST else 1
        sides = np.linalg.norm(drawn.affine[:3, :3], axis=0)[::-1] * (1, thin, thin)  # mm, axes z, y, x

        def turned(array):  # counted from right to left and from front to back, as ITK does
            return np.ascontiguousarray(array[::-thin, ::-thin].transpose(2, 1, 0))

        def image(array):
            return to_ngff_image(array, dims="zyx", scale=dict(zip("zyx", sides.tolist(), strict=True)))

        self.itkwidgets, self.copies, self.window, self.middle = itkwidgets, copies, window, ()
        self.given = {"image": image(turned(np.clip(np.round(drawn.hu), -32768, 32767).astype(np.int16)))}
        if drawn.label is not None and drawn.label.any():
            label = turned(drawn.label.astype(np.uint8))
            self.given["label_image"] = image(label)
            self.middle = (np.median(np.nonzero(label), axis=1) * sides).tolist()

    def _ipython_display_(self) -> None:
        if self.copies:
            import itkwidgets.viewer as front

            # imjoy-core takes only what contains http:// for an address, wherever it stands.
            front.ITK_VIEWER_SRC = f"{self.copies}itk-vtk-viewer@14/dist/index.html?http://"
            href = f"{self.copies}itk-viewer-bootstrap-ui@0/dist/bootstrapUIMachineOptions.js.es.js"
            self.given["ui"] = {"uiMachineOptions": {"href": href, "export": "default"}}
        # A plane to begin with: where the graphics are software, the first 3D view would take minutes.
        self.viewer = self.itkwidgets.view(**self.given, view_mode="XPlane", units="mm")
        self.viewer.set_view_mode("ZPlane")
        self.viewer.set_image_color_map("Grayscale")
        self.viewer.set_image_color_range(list(self.window))
        setters = (self.viewer.set_z_slice, self.viewer.set_y_slice, self.viewer.set_x_slice)
        for setter, position in zip(setters, self.middle, strict=False):
            setter(position)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}, {text[:160]}".rstrip(".")
