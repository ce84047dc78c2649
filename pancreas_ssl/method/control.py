"""The control without which guidance deserves no credit: random boxes of equal volume.

A gain with guided corruption may come from corruption as such. The control corrupts the same number of voxels in the
same ways, in pieces of the same shapes, and only lets the places be random: whatever then remains between the two arms
is due to the places.

How the volume is kept equal. The pieces of a guided placement do not overlap, so its volume is the sum of theirs. Each
piece is moved, the largest first, to a place drawn uniformly among all places where it lies within the body and on no
other piece (by rejection: a place is drawn until it fits). A piece that finds none in 200 draws takes the place with
the most free voxels among them, and what it lacks is taken from the free voxels of the body nearest to the box, which
grows as needed. The numbers of corrupted voxels are then equal to the voxel, unless the body has fewer voxels than the
guided placement corrupts; in that case all of the body is corrupted.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from pancreas_ssl.errors import require
from pancreas_ssl.method.corruptions import Box, Placement

__all__ = ["place_random"]

TRIES = 200  # places drawn for a piece before it takes the best of them


def place_random(guided: Placement, allowed: Bool[Tensor, "x y z"], rng: np.random.Generator) -> Placement:
    """The same boxes at random places of the body; the number of corrupted voxels stays (see above for how).

    Args:
        guided: the placement whose boxes, pieces and corruptions are taken over.
        allowed: where pieces may lie: the body. The uncertain region is not left out, since random means everywhere.
        rng: numpy generator.

    Raises:
        InputError: `allowed` is not a boolean mask of the placement's size.

    Example:
        >>> from pancreas_ssl.method.placement import place_guided
        >>> rim = torch.zeros(16, 16, 16, dtype=torch.bool)
        >>> rim[4:12, 4:12, 6:9] = True
        >>> guided = place_guided(rim.float(), rim, np.random.default_rng(0))
        >>> control = place_random(guided, torch.ones_like(rim), np.random.default_rng(1))
        >>> bool(control.mask.sum() == guided.mask.sum())
        True
    """
    require(
        allowed.dtype == torch.bool and guided.mask.shape[1:] == allowed.shape,
        f"a boolean body mask {tuple(guided.mask.shape[1:])}",
        f"{tuple(allowed.shape)} in {str(allowed.dtype).removeprefix('torch.')}",
        "pass the body of the patch that the placement belongs to",
    )
    body = allowed.numpy(force=True)
    ground = _Ground(body, body.copy(), np.flatnonzero(body))
    pieces = [_piece(box, guided) for box in guided.boxes]
    boxes: list[Box | None] = [None] * len(pieces)
    owed = {}
    for k in sorted(range(len(pieces)), key=lambda k: -int(pieces[k].sum())):
        if len(ground.places):
            boxes[k], missing = _moved(guided.boxes[k], pieces[k], ground, rng)
            owed |= {k: missing} if missing else {}
    for k, missing in owed.items():  # after all pieces have their place
        boxes[k] = _grown(boxes[k], missing, ground)
    mask = torch.from_numpy(ground.body & ~ground.free)[None].to(allowed.device)
    return Placement(tuple(box for box in boxes if box is not None and box.piece.any()), mask)


@dataclass
class _Ground:
    """The body, what no piece has taken of it yet, and the flat numbers of the body's voxels."""

    body: Bool[np.ndarray, "x y z"]
    free: Bool[np.ndarray, "x y z"]
    places: np.ndarray


def _piece(box: Box, placement: Placement) -> Bool[np.ndarray, "a b c"]:
    return box.piece if box.piece is not None else placement.mask[0][box.slices].numpy(force=True)


def _moved(box: Box, piece: np.ndarray, ground: _Ground, rng: np.random.Generator) -> tuple[Box, int]:
    """The box at a random place, which is then taken; and how many voxels of its piece found no place.

    One voxel of the piece, near its middle, is laid on a voxel of the body drawn at random. Since that voxel must lie
    in the body anyway, all places that fit stay equally likely, and few draws are lost outside.
    """
    own = np.argwhere(piece)
    if not len(own):
        return Box(box.low, box.high, box.corruption, piece), 0
    shape, size, wanted = np.array(ground.free.shape), np.array(piece.shape), len(own)
    anchor = own[np.abs(own - (size - 1) / 2).sum(1).argmin()]
    draws = ground.places[rng.integers(len(ground.places), size=TRIES)]
    lows = np.stack(np.unravel_index(draws, ground.free.shape), 1) - anchor
    fitting = lows[((lows >= 0) & (lows + size <= shape)).all(1)]
    best, where = -1, None
    # A box that must stick out of the patch everywhere is pushed inside.
    for low in fitting if len(fitting) else np.clip(lows, 0, shape - size):
        place = tuple(slice(a, a + n) for a, n in zip(low, size, strict=True))
        covered = int(np.count_nonzero(ground.free[place] & piece))
        if covered > best:
            best, where = covered, place
        if covered == wanted:
            break
    kept = piece & ground.free[where]
    ground.free[where] &= ~piece
    low, high = tuple(int(s.start) for s in where), tuple(int(s.stop) for s in where)
    return Box(low, high, box.corruption, kept), wanted - best


def _grown(box: Box, missing: int, ground: _Ground) -> Box:
    """The box with `missing` more free voxels, nearest to it first; its sides grow as needed."""
    shape = np.array(ground.free.shape)
    low, high = np.array(box.low), np.array(box.high)
    margin = 0
    while True:
        start, stop = np.maximum(low - margin, 0), np.minimum(high + margin, shape)
        where = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        found = np.argwhere(ground.free[where])
        if len(found) >= missing or (margin >= shape).all():
            break
        margin += 1
    far = np.abs(found + start - (low + high - 1) / 2)
    order = np.argsort((far - (high - low) / 2).clip(0).max(1) + 1e-3 * far.sum(1), kind="stable")
    chosen = tuple(found[order[:missing]].T)
    piece = np.zeros(stop - start, bool)
    piece[tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))] = box.piece
    piece[chosen] = True
    ground.free[where][chosen] = False
    return Box(tuple(start.tolist()), tuple(stop.tolist()), box.corruption, piece)
