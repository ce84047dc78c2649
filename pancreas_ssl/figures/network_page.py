"""The network on one page: a real patch on its way down the encoder, up the decoder, to logits and probabilities."""

from typing import Any

import numpy as np
from jaxtyping import Float

from pancreas_ssl.errors import require
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.page_drawing import LONGEST
from pancreas_ssl.figures.planes import WINDOW, as_volume, best_index, scene, to_page
from pancreas_ssl.figures.style import BLUE, GREY, LABEL, drawing, new_figure

__all__ = ["network_page"]

SHOWN = 3  # channels of a level
WIDE, SIDE, GAP, ROW = 106.0, 12.5, 0.8, 17.5  # of the page; of a picture; between pictures; from level to level

KEY = "Of each level three channels are shown,\neach on a scale of its own:\ndark is low, bright is high."


def network_page(
    network: Any,
    case: Any,
    size: tuple[int, int, int] = (64, 64, 48),
    *,
    title: str = "One patch on its way through the network",
    name: str = "network",
) -> Described:
    """The U of the network, drawn with what each level makes of one patch around the label.

    Every level shows the three channels that vary most in the slice, each on a scale of its own, with the number of
    channels and the grid below; then the logits of background and pancreas, and the softmax of pancreas.

    Args:
        network: a `SegmentationNetwork` for images of one channel; class 1 is the pancreas.
        case: prepared, with a label or without (`data.preprocessing.Prepared`).
        size: of the patch in voxels, X, Y, Z; smaller where the case is smaller.

    Raises:
        InputError: a network of another kind, or a case smaller than the network's stride.

    Example:
        >>> network_page(load_weights("baseline").network, patient)     # doctest: +SKIP
    """
    fine, kind = network.in_channels == 1 and network.n_classes > 1, (network.in_channels, network.n_classes)
    require(fine, "a network of one channel and at least two classes", kind, "pass another one")
    drawn, image = scene(case), as_volume(case.image)
    box = _box(drawn, size, network.stride)
    label = None if drawn.label is None else drawn.label[box]
    at = best_index(label, image[box].shape, "axial")
    steps = _forward(network, np.ascontiguousarray(image[box], np.float32), drawn.hu[box])
    rows, depth = [], len(network.channels)
    with drawing():
        figure = new_figure(11, 1.76 * (depth + 1) + 0.7, title)
        axis = figure.subplots()
        for step in steps:
            rows.append(_draw(axis, step, at, label, depth))
        for level in range(1, depth + 1):
            _arrows(axis, level, depth)
        axis.set(xlim=(-1, WIDE + 1), ylim=((depth + 1) * ROW - 2, -3), aspect="equal")
        axis.text(0, depth * ROW + SIDE, KEY, fontsize=8, color=GREY, va="bottom")
        axis.axis("off")
    said = "; ".join(f"{row['part']}, {row['channels']} x {row['grid']}" for row in rows)
    outline = " The label is outlined in sky blue." if label is not None and label.any() else ""
    alt = (
        f"{title}: a U of pictures, each an axial slice. Channels and grid on the way: {said}. Skips join encoder and "
        f"decoder on each level.{outline}"
    )
    return Described(figure, alt, rows, name)


def _box(drawn, size: tuple[int, int, int], stride: int) -> tuple[slice, slice, slice]:
    """The part of this size around the label's middle, inside the volume, of sides that the network can take."""
    shape = drawn.hu.shape
    sides = [min(want, have) // stride * stride for want, have in zip(size, shape, strict=True)]
    require(min(sides) > 0, f"a case of at least {stride} voxels a side", shape, "pass a larger one")
    found = np.argwhere(drawn.label) if drawn.label is not None and drawn.label.any() else [[n // 2 for n in shape]]
    middle = np.mean(found, axis=0)
    starts = [int(np.clip(m - n / 2, 0, have - n)) for m, n, have in zip(middle, sides, shape, strict=True)]
    return tuple(slice(start, start + n) for start, n in zip(starts, sides, strict=True))


def _forward(network: Any, patch: Float[np.ndarray, "X Y Z"], hu: Float[np.ndarray, "X Y Z"]) -> list[dict[str, Any]]:
    """Each step: part, level (row of the page), side (-1 down, 0 bottom, 1 and 2 up), weights, values."""
    import torch

    blocks, joined, training = list(network.decoder.blocks), [], network.training
    hooks = [block.register_forward_hook(lambda module, given, out: joined.append(out)) for block in blocks[:-1]]
    place = next(network.parameters())
    try:
        network.eval()
        with torch.no_grad():
            encoded = network.encode(torch.from_numpy(patch)[None, None].to(place.device, place.dtype))
            joined.append(network.decode(encoded))
            logits = network.segment(joined[-1])
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    depth, steps = len(encoded), [("image", 0, -1, None, hu[None])]
    for level, (part, out) in enumerate(zip(network.encoder, encoded, strict=True), 1):
        steps.append(("encoder" if level < depth else "bottleneck", level, -1 if level < depth else 0, part, out[0]))
    up = enumerate(zip(blocks, joined, strict=True), 1)
    steps += [("decoder", depth - k, 1, block, out[0]) for k, (block, out) in up]
    steps += [("logits", 0, 1, network.head, logits[0]), ("softmax", 0, 2, None, logits.softmax(1)[0, 1:2])]
    names = ("part", "level", "side", "weights", "values")
    found = [dict(zip(names, step, strict=True)) for step in steps]
    for step in found:
        step["weights"] = sum(p.numel() for p in step["weights"].parameters()) if step["weights"] is not None else 0
        step["values"] = np.asarray(torch.as_tensor(step["values"]).float().cpu())
    return found


def _left(level: int, side: int, depth: int, pictures: int) -> float:
    """Where a step's pictures begin on the page."""
    width, inset = SHOWN * SIDE + (SHOWN - 1) * GAP, 2.2 * max(level - 1, 0)
    if side == 0:
        return (WIDE - width) / 2
    if level == 0:
        return {-1: (width - SIDE) / 2, 1: WIDE - width, 2: WIDE - SIDE}[side]
    return inset if side < 0 else WIDE - width - inset


def _draw(axis, step: dict[str, Any], at: int, label, depth: int) -> dict[str, Any]:
    """One step's pictures with their words; returns its row of the table."""
    values, part, level = step["values"], step["part"], step["level"]
    pages = np.stack([to_page(channel, "axial", at // 2**level) for channel in values])
    chosen = np.sort(np.argsort(-pages.std(axis=(1, 2)), kind="stable")[:SHOWN])
    if part == "logits":
        chosen = np.arange(2)
    left, top = _left(level, step["side"], depth, len(chosen)), level * ROW
    for k, channel in enumerate(chosen):
        x, page = left + k * (SIDE + GAP), pages[channel]
        high = SIDE * page.shape[0] / page.shape[1]
        look = {"image": ("gray", *WINDOW), "softmax": ("cividis", 0, 1)}.get(part)
        if part == "logits":
            look = ("RdBu_r", -np.abs(pages).max(), np.abs(pages).max())
        colours, dark, light = look or ("cividis", *np.percentile(page, [1, 99]))
        extent = (x, x + SIDE, top + high, top)
        axis.imshow(page, cmap=colours, vmin=dark, vmax=light, extent=extent, interpolation="nearest")
        if level == 0 and part != "logits" and label is not None:
            _outline(axis, to_page(label, "axial", at), extent)
        if part == "logits":
            axis.text(x, top - 0.5, ("background", "pancreas")[channel], fontsize=8, va="bottom")
    grid = " × ".join(map(str, values.shape[1:]))
    words = {
        "image": f"patch, {grid}",
        "logits": f"{len(values)} logits (white: 0)",
        "softmax": "softmax: pancreas",
    }.get(part, f"{part}: {len(values)} channels, {grid}")
    axis.text(left, top + high + 0.4, words, fontsize=8, va="top")
    shown = ", ".join(str(channel) for channel in chosen)
    row = {"part": part, "channels": len(values), "grid": grid.replace("×", "x"), "weights": step["weights"]}
    return row | {"channels shown": shown, "lowest value": values.min(), "highest value": values.max()}


def _outline(axis, page, extent) -> None:
    """The label's outline on a picture."""
    left, right, bottom, top = extent
    rows, columns = page.shape
    if page.any() and not page.all() and page.size < LONGEST:
        across = left + (np.arange(columns) + 0.5) * (right - left) / columns
        down = top + (np.arange(rows) + 0.5) * (bottom - top) / rows
        axis.contour(across, down, page.astype(float), levels=[0.5], colors=[LABEL.colour], linewidths=1.3)


def _arrows(axis, level: int, depth: int) -> None:
    """Down to this level, up from it, and across it."""
    width, style = SHOWN * SIDE + (SHOWN - 1) * GAP, {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.6}
    top, above = level * ROW, level * ROW - ROW
    down, up = (SIDE + GAP) * 1.5 - GAP / 2, WIDE - (SIDE + GAP) * 1.5 + GAP / 2
    inset = 2.2 * (level - 1)
    ends = (down + inset, up - inset) if level < depth else (WIDE / 2 - width / 3, WIDE / 2 + width / 3)
    words = (
        ("fold 2 × 2 × 2, convolve", "one convolution, unfold")
        if level == 1
        else ("halve the grid", "double the grid, join the skip")
    )
    start = above + SIDE + 2.6
    axis.annotate("", (ends[0], top - 0.3), (ends[0], start), arrowprops=style)
    axis.annotate("", (ends[1], start), (ends[1], top - 0.3), arrowprops=style)
    out = -1 if level == depth else 1  # at the bottom the words stand outside
    for x, side, said in zip(ends, (out, -out), words, strict=True):
        look = {"fontsize": 8, "color": GREY, "va": "center", "ha": "left" if side > 0 else "right"}
        axis.text(x + side, (start + top) / 2, said, **look)
    if level < depth:
        y, inner = top + SIDE / 2, inset + width + 1
        axis.annotate("", (WIDE - inner, y), (inner, y), arrowprops=style | {"color": BLUE, "linestyle": "--"})
        axis.text(WIDE / 2, y - 0.6, "skip", fontsize=8, color=BLUE, ha="center", va="bottom")
