"""One page of anatomy: an axial and a coronal slice through the pancreas, with its parts and neighbours named."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from pancreas_ssl.errors import require
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.page_drawing import draw_slice
from pancreas_ssl.figures.planes import best_index, box_around, page_size, scene, to_page, zoomed
from pancreas_ssl.figures.style import GREY, LABEL, drawing, new_figure
from pancreas_ssl.phantom.tissues import Tissue

__all__ = ["NEIGHBOURS", "anatomy_page", "pancreas_parts"]

NEIGHBOURS: Mapping[str, tuple[Tissue, ...]] = {
    "liver": (Tissue.LIVER,),
    "stomach": (Tissue.STOMACH_WALL, Tissue.STOMACH_CONTENT),
    "duodenum": (Tissue.DUODENUM_WALL, Tissue.DUODENUM_CONTENT),
    "spleen": (Tissue.SPLEEN,),
    "kidney": (Tissue.KIDNEY_CORTEX, Tissue.KIDNEY_MEDULLA),
    "aorta and branches": (Tissue.ARTERY,),
    "vena cava": (Tissue.VENA_CAVA,),
    "splenic and portal vein": (Tissue.VEIN,),
    "bowel": (Tissue.BOWEL_WALL, Tissue.BOWEL_CONTENT, Tissue.BOWEL_CONTRAST),
    "gallbladder": (Tissue.GALLBLADDER,),
}
"""Names of what surrounds the pancreas, and the phantom's tissues that each consists of."""

MARGIN = 55.0  # mm around the pancreas that are shown


def pancreas_parts(label: Bool[np.ndarray, "X Y Z"]) -> dict[str, Bool[np.ndarray, "X Y Z"]]:
    """Head, body and tail: thirds of the pancreas's extent from the patient's right to the left.

    A rule for pictures; surgeons draw the lines at vessels.

    Raises:
        InputError: an empty label.

    Example:
        >>> label = np.zeros((9, 4, 4), bool)
        >>> label[:, 1, 1] = True
        >>> {part: int(mask.sum()) for part, mask in pancreas_parts(label).items()}
        {'head': 3, 'body': 3, 'tail': 3}
    """
    require(bool(label.any()), "a label with a pancreas", "an empty one", "choose another patient")
    across = np.flatnonzero(label.any(axis=(1, 2)))
    cuts = np.linspace(across[0], across[-1] + 1, 4).round().astype(int)  # the first index grows to the right
    parts = {}
    for name, low, high in (("head", cuts[2], cuts[3]), ("body", cuts[1], cuts[2]), ("tail", cuts[0], cuts[1])):
        inside = np.zeros(label.shape[0], bool)
        inside[low:high] = True
        parts[name] = label & inside[:, None, None]
    return parts


def anatomy_page(scan: Any, *, title: str = "The pancreas and its neighbours", name: str = "anatomy") -> Described:
    """An axial and a coronal slice with names on leader lines; names stand beside the pictures, from the top down.

    Args:
        scan: a phantom's `Scan`, which knows the tissue of every voxel.

    The table tells each structure's volume in the scan in mL and its median HU.

    Raises:
        InputError: a scan whose tissues are not known.
    """
    known = getattr(scan, "tissue", None) is not None
    require(known, "a scan of the phantom, whose tissues are known", "one without", "choose a source of the phantom")
    drawn = scene(scan)
    masks = {f"pancreas: {part}": mask for part, mask in pancreas_parts(scan.label > 0).items()}
    masks |= {what: np.isin(scan.tissue, tissues) for what, tissues in NEIGHBOURS.items()}
    seen = {}
    with drawing():
        figure = new_figure(13, 3.9, title)
        figure.set_layout_engine("none")  # names need the room beside the pictures
        for left, plane in ((0.125, "axial"), (0.625, "coronal")):
            box, index = (
                box_around(drawn.label, drawn.spacing, MARGIN, plane),
                best_index(drawn.label, drawn.hu.shape, plane),
            )
            cut = zoomed(drawn, box)
            axis = figure.add_axes((left, 0.02, 0.27, 0.84))
            draw_slice(axis, cut, plane, index)
            axis.set_title(f"{plane} slice", pad=8)
            pages = {what: to_page(mask[box], plane, index) for what, mask in masks.items()}
            seen[plane] = _name(axis, pages, page_size(cut, plane))
    rows = [
        {
            "structure": what,
            "shown": ", ".join(plane for plane, names in seen.items() if what in names) or "not in these slices",
            "mL": float(mask.sum() * drawn.ml),
            "median HU": float(np.median(drawn.hu[mask])),
        }
        for what, mask in masks.items()
        if mask.any()
    ]
    alt = f"{title}: an axial and a coronal slice with the pancreas outlined; " + "; ".join(
        f"in the {plane} slice, from the patient's right to the left: {', '.join(names)}"
        for plane, names in seen.items()
    )
    return Described(figure, alt + ".", rows, name)


def _name(axis, pages: Mapping[str, Bool[np.ndarray, "rows columns"]], size: tuple[float, float]) -> list[str]:
    """Names beside a page with lines to their structures; returns those that are seen, from left to right."""
    wide, high = size
    places = {what: at for what, page in pages.items() if (at := _inside(page, size)) is not None}
    for left in (True, False):
        side = [what for what in places if (places[what][0] < wide / 2) == left]
        side.sort(key=lambda what: places[what][1])
        for y, what in zip(np.linspace(0.04, 0.96, len(side)) if len(side) != 1 else [0.5], side, strict=True):
            colour = LABEL.colour if what.startswith("pancreas") else GREY
            axis.annotate(
                what.replace("pancreas: ", ""),
                places[what],
                (-0.03 * wide if left else 1.03 * wide, y * high),
                ha="right" if left else "left",
                va="center",
                fontsize=9,
                annotation_clip=False,
                fontweight="bold" if what.startswith("pancreas") else "normal",
                bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": colour},
                arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 1.2, "shrinkB": 0},
            )
            axis.plot(*places[what], "o", color=colour, markersize=4, markeredgecolor="white")
    axis.set(xlim=(0, wide), ylim=(high, 0))
    return sorted(places, key=lambda what: places[what][0])


def _inside(page: Bool[np.ndarray, "rows columns"], size: tuple[float, float]) -> tuple[float, float] | None:
    """The place deepest inside a structure's largest part, in mm on the page; None where too little is seen."""
    if page.sum() < 12:
        return None
    depth = ndimage.distance_transform_edt(np.pad(page, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), page.shape)
    return (column + 0.5) * size[0] / page.shape[1], (row + 0.5) * size[1] / page.shape[0]
