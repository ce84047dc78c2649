"""Drawing one plane on a matplotlib axis: grey values or a map, outlines, fills, letters at the edges, a bar in mm.

The figures and the live pictures draw with the same functions. A drawn plane is measured in mm from its upper left.
"""

import numpy as np
from jaxtyping import Bool, Int

from pancreas_ssl.figures.planes import PLANES, WINDOW, Scene, page_size, to_page
from pancreas_ssl.figures.style import BLACK, MASKS, ORANGE, REGIONS, SeriesStyle

__all__ = ["draw_fill", "draw_outline", "draw_regions", "draw_ring", "draw_slice", "voxel_grid"]

LONGEST = 20_000  # voxel edges; a longer outline would take a second to draw


def draw_slice(
    axis,
    drawn: Scene,
    plane: str,
    index: int,
    limits: tuple[float, float] = WINDOW,
    colours: str = "gray",
    *,
    outlines: bool = True,
    bar: bool = True,
    opacity: float = 0.0,
):
    """One plane of a scene: values in a colour map, letters at the edges, a bar of 50 (or 10) mm. Returns the image.

    Args:
        drawn: `replace(drawn, hu=values)` draws other values than HU.
        limits: values shown as darkest and as lightest colour.
        outlines: of label (sky blue, solid) and prediction (orange, dashed).
        opacity: of the areas inside the outlines.
    """
    from matplotlib.patheffects import withStroke

    page, (wide, high) = to_page(drawn.hu, plane, index), page_size(drawn, plane)
    look = {"extent": (0, wide, high, 0), "interpolation": "nearest"}
    image = axis.imshow(page, cmap=colours, vmin=limits[0], vmax=limits[1], **look)
    for what, mask in drawn.masks.items() if outlines else ():
        inside, style = to_page(mask, plane, index), MASKS[what]
        if opacity:
            draw_fill(axis, (inside, style.colour, opacity))
        draw_outline(axis, inside, style)
    halo, letters = [withStroke(linewidth=2, foreground="black")], PLANES[plane]
    for letter, x, y, across, up in (
        (letters.left, 0.02, 0.5, "left", "center"),
        (letters.right, 0.98, 0.5, "right", "center"),
        (letters.top, 0.5, 0.97, "center", "top"),
        (letters.bottom, 0.5, 0.03, "center", "bottom"),
    ):
        look = {"color": "white", "fontsize": 9, "fontweight": "bold", "path_effects": halo}
        axis.text(x, y, letter, transform=axis.transAxes, ha=across, va=up, **look)
    if bar:
        x, y, length = 0.05 * wide, 0.95 * high, 50 if wide > 150 else 10
        thick = [withStroke(linewidth=4.5, foreground="black")]
        axis.plot([x, x + length], [y, y], color="white", linewidth=2.5, path_effects=thick, solid_capstyle="butt")
        axis.text(x, y - 0.02 * high, f"{length} mm", color="white", fontsize=8, va="bottom", path_effects=halo)
    axis.set(xlim=(0, wide), ylim=(high, 0), xticks=[], yticks=[], aspect="equal")
    axis.spines[:].set_visible(False)
    return image


def draw_outline(axis, mask: Bool[np.ndarray, "rows columns"], style: SeriesStyle, width: float = 1.7) -> None:
    """The outline of a page's mask on a drawn plane."""
    if not mask.any() or mask.all():
        return
    padded = np.pad(mask, 1)
    if np.count_nonzero(np.diff(padded)) + np.count_nonzero(np.diff(padded, axis=0)) > LONGEST:
        inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        draw_fill(axis, (mask & ~inner, style.colour, 1.0))
    else:
        look = {"colors": [style.colour], "linestyles": [style.line], "linewidths": width}
        axis.contour(*voxel_grid(axis, mask), padded.astype(float), levels=[0.5], **look)


def draw_fill(axis, *fills: tuple[Bool[np.ndarray, "rows columns"], str, float]) -> None:
    """Masks of a page as translucent areas on a drawn plane: (mask, colour, opacity) each, the last one on top."""
    from matplotlib.colors import to_rgba

    rgba = np.zeros((*fills[0][0].shape, 4), np.uint8)
    for mask, colour, opacity in fills:
        rgba[mask] = np.round(np.multiply(to_rgba(colour, opacity), 255))
    axis.imshow(rgba, extent=axis.images[0].get_extent(), interpolation="nearest")


def voxel_grid(axis, mask: Bool[np.ndarray, "rows columns"]) -> tuple[np.ndarray, np.ndarray]:
    """Across and down, in mm: the centres of a page's voxels and of one more at each end, on a drawn plane."""
    _, wide, high, _ = axis.images[0].get_extent()
    return tuple(np.arange(-0.5, n + 1) * mm / n for n, mm in zip(mask.shape[::-1], (wide, high), strict=True))


def draw_regions(
    axis, page: Int[np.ndarray, "rows columns"], shown=tuple(REGIONS), opacity: float = 0.6, outlines: bool = False
) -> None:
    """Regions as translucent colours on a drawn plane, `far` fainter than the others."""
    looks = {number: REGIONS[number][1] for number in shown}
    draw_fill(axis, *((page == k, look.colour, 0.25 if k == 5 else opacity) for k, look in looks.items()))
    for number, look in looks.items() if outlines else ():
        draw_outline(axis, page == number, look, width=1.2)


def draw_ring(axis, x, y) -> None:
    """A ring around a point."""
    for colour, width in ((BLACK, 3.2), (ORANGE, 1.6)):
        axis.plot(x, y, "o", markersize=22, markerfacecolor="none", color=colour, markeredgewidth=width, zorder=4)
