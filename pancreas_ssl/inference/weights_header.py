"""What the header of a file of weights must hold before a network is built from it: kinds, ranges and sizes."""

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pancreas_ssl.method.contrast import CONTRASTS
from pancreas_ssl.method.recipe import DECISIONS, MOST_VIEWS

__all__ = ["Header"]

VOXELS = 2**24  # of the largest patch
_Mm = Annotated[float, Field(ge=0.05, le=100, strict=True, allow_inf_nan=False)]
_Voxels = Annotated[int, Field(ge=1, le=4096, strict=True)]
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1, strict=True)]
_Hu = Annotated[float, Field(ge=-100_000, le=100_000, strict=True, allow_inf_nan=False)]


class _Config(BaseModel):
    """Arguments of the network, of up to eight levels."""

    model_config = ConfigDict(extra="forbid", strict=True)

    channels: list[Annotated[int, Field(ge=1, le=4096)]] = Field(min_length=2, max_length=8)
    n_classes: int = Field(2, ge=2, le=256)
    in_channels: Literal[1] = 1
    dropout: float = Field(0.0, ge=0, lt=1)
    restores: bool = False
    seed: int = Field(0, ge=0, lt=2**32)
    shapes: bool = False


class _Architecture(BaseModel):
    name: Literal["SegmentationNetwork"]
    config: _Config


class _RecipeFields(BaseModel):
    """The fields of a recipe that a prediction reads; others are facts for the reader."""

    model_config = ConfigDict(extra="allow", strict=True)

    tissue_above: _Hu = -1000.0
    match_weight: _Share = 0.0
    test_views: int = Field(1, ge=1, le=MOST_VIEWS)
    decision: Literal[DECISIONS] = "argmax"
    thresholds: list[_Share] = Field([0.2, 0.8], min_length=2, max_length=2)
    prototype_weight: float = Field(0.0, ge=0, allow_inf_nan=False)
    contrast: Literal[CONTRASTS] = "guided"
    temperature: float = Field(0.1, gt=0, allow_inf_nan=False)
    seed: int = Field(0, ge=0, lt=2**64)
    steps: int = Field(1, ge=1)


class _Cases(BaseModel):
    """Cases that trained the weights, or were held out: their ids or numbers, and the digests of their voxels."""

    model_config = ConfigDict(extra="allow", strict=True)

    ids: list[str] = []
    voxels: list[str] = []


class _Found(BaseModel):
    """Lowest and highest of some facts over `n` patients (`ranges.ranges_of`)."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, tuple[_Number, _Number]] = Field(init=False)

    n: int = Field(ge=1, strict=True)


class _Ranges(BaseModel):
    model_config = ConfigDict(extra="forbid")

    trained: _Found = _Found(n=1)
    home: _Found = _Found(n=1)


class Header(BaseModel):
    """The header of a file of weights, as far as the code reads it; further facts may stand in it.

    Example:
        >>> facts = {"spacing": 3.0, "window": [-150, 250], "patch": [64, 64, 48], "digest": "5f..."}
        >>> network = {"name": "SegmentationNetwork", "config": {"channels": [16, 32]}}
        >>> Header.model_validate(facts | {"architecture": network}).recipe.tissue_above
        -1000.0
    """

    model_config = ConfigDict(extra="allow")

    architecture: _Architecture
    spacing: _Mm | tuple[_Mm, _Mm, _Mm]
    window: tuple[_Hu, _Hu]
    patch: _Voxels | tuple[_Voxels, _Voxels, _Voxels]
    digest: str
    recipe: _RecipeFields = _RecipeFields()
    source: str = Field("", max_length=300)
    fold: Annotated[int, Field(ge=0, strict=True)] | None = None
    train: _Cases = _Cases()
    held_out: _Cases = _Cases()
    unlabelled: _Cases = _Cases()
    ranges: _Ranges = _Ranges()

    @model_validator(mode="after")
    def _fits_together(self) -> "Header":
        if not self.window[0] < self.window[1]:
            raise ValueError("window needs a low and a high end, in this order")
        sizes = self.patch if isinstance(self.patch, tuple) else (self.patch,) * 3
        stride = 2 ** len(self.architecture.config.channels)
        if math.prod(-(-size // stride) * stride for size in sizes) > VOXELS:
            raise ValueError(f"patch needs at most {VOXELS:,} voxels")
        return self
