"""The study's one file: arms x seeds (x folds) x sources, and the comparisons, named before anything runs.

Other keys are refused; an arm is the fields of Recipe in which it differs, and what it
trains on, where that is another source (an in-domain oracle) or fewer patients.

    name: controls
    train: phantom/A               # the one source that trains; measured as a source, A means its held-out patients
    recipe: {steps: 1800}          # fields of Recipe, for all arms
    arms:
      supervised: {}
      labels: {augmentation: labels}     # the fields of Recipe in which this arm differs
      oracle/V: {oracle: phantom/V}      # trains on V's split `oracle` instead, is measured on V only
      few: {labelled: 8}                 # trains on the first 8 patients of the card's split only (-8: the last 8)
      grown: {decision: hysteresis}      # what differs only in rules for predicting asks the networks of `supervised`
    seeds: [0, 1, 2, 3, 4]
    # folds: [0, 1, 2, 3]          # of a source of role any: a training for each, in which it is held out (left out: 0)
    measure: [phantom/A, phantom/V, phantom/W, phantom/X]
    patients: 24                   # at most so many per source, in the card's order; left out: all
    comparisons:                   # Holm's correction goes over these
      - {name: positive control, arm: labels, against: supervised, sources: [phantom/V, phantom/W, phantom/X]}
        # and, if a certain size is asked for, target: 0.03 (left out: anything above 0)
    replicates: 10000              # of the bootstrap
    power: {patient_sd: 0.03, seed_sd: 0.01, residual_sd: 0.02}    # assumed, for the power that is printed first
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, create_model, field_validator, model_validator

from pancreas_ssl.data.card_fields import Strict
from pancreas_ssl.data.roles import find_source, full_name, role_of
from pancreas_ssl.data.yaml_errors import Place, empty_is_no_keys, read_yaml, validate, where
from pancreas_ssl.errors import InputError, require
from pancreas_ssl.evaluation.summary import METRICS
from pancreas_ssl.method.recipe import Recipe

__all__ = ["Comparison", "Power", "Study", "load_study"]


def _some(labelled: int) -> int:
    if labelled == 0:
        raise ValueError("at least one patient, or below 0 for the last ones")
    return labelled


_FIELDS = {f.name: (Any, None) for f in dataclasses.fields(Recipe) if f.name != "seed"}
RecipeFields = create_model("RecipeFields", __base__=Strict, **_FIELDS)
ArmFields = create_model(
    "ArmFields",
    __base__=RecipeFields,
    oracle=(str | None, None),
    labelled=(Annotated[int, AfterValidator(_some)] | None, None),
)

_one_or_more = Field(min_length=1)


_Text = Annotated[str, Field(min_length=1, max_length=200)]
_Sd = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
TRAININGS = 10_000
ASSETS = Path(__file__).resolve().parents[1] / "assets"
BYTES = 120  # of an arm's folder: file systems take 255 for a name, and seeds and suffixes follow


class Comparison(Strict):
    """`arm` minus `against`, on `sources` (all that both arms are measured on if left out), in `metric`; the difference
    reaches its target if it is at least `target`, and above 0. (hd95 and msd shrink with quality: name their arms the
    other way round.)"""

    name: str = Field(min_length=1, max_length=60)
    arm: str
    against: str
    sources: list[str] | None = Field(default=None, min_length=1)
    metric: str = "dice"
    target: float = Field(0.0, ge=0, allow_inf_nan=False)


class Power(Strict):
    """Standard deviations of a paired difference in Dice, assumed for the power: between patients, between seeds,
    and what is left of one seed on one patient. The defaults are an assumption, not a measurement."""

    patient_sd: _Sd = 0.03
    seed_sd: _Sd = 0.01
    residual_sd: _Sd = 0.02


class Study(Strict):
    """The file's content; see the module for each key."""

    name: str = Field(pattern=r"^[A-Za-z0-9_. -]+$", max_length=60)
    train: _Text
    recipe: Annotated[RecipeFields, empty_is_no_keys] = RecipeFields()
    arms: dict[str, Annotated[ArmFields, empty_is_no_keys]] = _one_or_more
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = _one_or_more
    folds: list[Annotated[int, Field(ge=0, lt=100)]] | None = Field(None, min_length=1)
    measure: list[_Text] = Field(min_length=1, max_length=100)
    patients: int | None = Field(None, ge=1, le=1_000_000)
    comparisons: list[Comparison] = Field([], max_length=1000)
    replicates: int = Field(10_000, ge=100, le=1_000_000)
    power: Power = Power()

    @field_validator("seeds", "folds", "measure")
    @classmethod
    def _once(cls, values: list | None) -> list | None:
        if values and len(set(values)) < len(values):
            raise ValueError(f"each must be listed once, not {', '.join(map(str, values))}")
        return values

    @field_validator("arms")
    @classmethod
    def _names(cls, arms: dict) -> dict:
        folders: dict[str, str] = {}
        for name in arms:
            if not name.strip() or set(name) - set("_/+-. ") - set(filter(str.isalnum, name)):
                raise ValueError(f"an arm's name holds letters, digits, spaces and _ / + - . only, not {name!r}")
            if len(name) > 60 or len(name.encode()) > BYTES or name[0] in ".-/ ":
                raise ValueError(
                    f"an arm's name has at most 60 letters (120 bytes), the first no sign, unlike {name[:60]!r}"
                )
            if folders.setdefault(folder_of(name), name) != name:
                raise ValueError(f"the arms {folders[folder_of(name)]} and {name} would share a folder, rename one")
        return arms

    @model_validator(mode="after")
    def _feasible(self) -> "Study":
        counts = [len(self.arms), len(self.seeds), *([len(self.folds)] if self.folds else [])]
        if math.prod(counts) > TRAININGS:
            what = "arms times seeds" + " times folds" * (len(counts) > 2)
            raise ValueError(f"at most {TRAININGS:,} trainings, {what}, not {' x '.join(map(str, counts))}")
        return self

    def recipe_of(self, arm: str) -> dict[str, Any]:
        """The fields of Recipe that the file sets for an arm: those of all arms, and its own over them."""
        own = self.arms[arm].model_dump(exclude_unset=True, exclude={"oracle", "labelled"})
        return self.recipe.model_dump(exclude_unset=True) | own

    def sources_of(self, arm: str) -> list[str]:
        """The sources that an arm is measured on, as the file writes them."""
        oracle = self.arms[arm].oracle
        return [oracle] if oracle else list(self.measure)

    def compared(self, comparison: Comparison) -> list[str]:
        """The sources of a comparison: those it names, or all that both of its arms are measured on."""
        both = [s for s in self.sources_of(comparison.arm) if among(s, self.sources_of(comparison.against))]
        return list(comparison.sources or both)

    def plain(self) -> dict[str, Any]:
        """What the file says, ready for JSON; keys that were left out are left out of arms and recipe."""
        values = self.model_dump(mode="json", exclude={"arms", "recipe", *(["folds"] if self.folds is None else [])})
        arms = {name: arm.model_dump(mode="json", exclude_unset=True) for name, arm in self.arms.items()}
        return values | {"recipe": self.recipe.model_dump(mode="json", exclude_unset=True), "arms": arms}

    def digest(self) -> str:
        """sha256 of `plain()`: changes with every value in the file, not with its comments."""
        return hashlib.sha256(json.dumps(self.plain(), sort_keys=True).encode()).hexdigest()


def folder_of(arm: str) -> str:
    """An arm's name as part of a folder's name.

    Example:
        >>> folder_of("oracle/V")
        'oracle_V'
    """
    return "".join(letter if letter.isalnum() or letter in "-+." else "_" for letter in arm)


def among(source: str, others: Iterable[str]) -> bool:
    """Whether a source is one of these, however each is spelt (`nih`, `nih/nih`, `cards/nih.md`)."""
    others = list(others)
    return source in others or full_name(source) in map(full_name, others)


def load_study(path: str | Path, fields: Mapping[str, Any] | None = None) -> Study:
    """Read and check the file.

    Args:
        path: of the file, or the name of a study that comes with the package, such as `nih_to_msd`.
        fields: of Recipe, put over those that the file sets for all arms; what an arm sets itself stays.

    Raises:
        InputError: an unknown key, a value that does not fit, a recipe that contradicts itself, an arm or source that
            a comparison names and the study has not. The sentence names file, line and field.

    Example:
        >>> load_study("controls.yml").seeds    # doctest: +SKIP
        [0, 1, 2, 3, 4]
    """
    shipped = ASSETS / str(path) / "study.yml"
    path = shipped if not Path(path).exists() and shipped.is_file() else Path(path)
    values, lines = read_yaml(path, "a study's configuration")
    if fields:
        strange = ", ".join(sorted(set(fields) - set(_FIELDS)))
        require(not strange, "fields of the recipe", strange, "the names are those of Recipe; seeds stand in the file")
        if isinstance(own := values.get("recipe") or {}, dict):
            values = values | {"recipe": own | dict(fields)}
    study = validate(Study, values, lines, path)

    def check(fine: bool, place: Place, sentence: str) -> None:
        if not fine:
            raise InputError(f"{where(place, lines, path)}: {sentence}")

    for arm in study.arms:
        try:
            Recipe.from_dict(study.recipe_of(arm))
        except InputError as error:
            problem = error.__cause__.errors()[0] if isinstance(error.__cause__, ValidationError) else {"loc": ()}
            own = study.arms[arm].model_fields_set
            at = ("arms", arm) if not problem["loc"] or problem["loc"][0] in own else ("recipe",)
            check(False, (*at, *problem["loc"]), str(error))
        oracle = study.arms[arm].oracle
        expected = f"expected a source listed under measure, got {oracle}; add it there or correct it"
        check(oracle is None or among(oracle, study.measure), ("arms", arm, "oracle"), expected)
    named_train, *named = [full_name(source) for source in (study.train, *study.measure)]
    check(len(set(named)) == len(named), ("measure",), f"expected each source once, got {', '.join(named)}")
    if study.folds is not None:
        role, k = role_of(study.train), find_source(study.train)[0].folds.k
        expected = f"expected no folds to train on {named_train}, of role {role}; leave the key out"
        check(role == "any", ("folds",), expected)
        expected = f"expected folds from 0 to {k - 1}, as the card of {named_train} has {k}, got {max(study.folds)}"
        check(max(study.folds) < k, ("folds",), expected)
        oracles = ", ".join(name for name, arm in study.arms.items() if arm.oracle)
        check(not oracles, ("folds",), f"expected no folds beside an oracle ({oracles}); make two studies")
    for index, comparison in enumerate(study.comparisons):
        _check_comparison(study, comparison, index, check)
    return study


def _check_comparison(study: Study, comparison: Comparison, index: int, check: Callable[..., None]) -> None:
    at, name, arm, against = ("comparisons", index), comparison.name, comparison.arm, comparison.against
    taken = name in [other.name for other in study.comparisons[:index]]
    check(not taken, (*at, "name"), f"the name {name} is taken; choose another")
    for key, value in (("arm", arm), ("against", against)):
        known = f"expected one of the arms {', '.join(study.arms)}, got {value}; name one of them"
        check(value in study.arms, (*at, key), known)
    check(arm != against, (*at, "against"), f"expected another arm than {arm}")
    metric = f"expected one of {', '.join(METRICS)}, got {comparison.metric}"
    check(comparison.metric in METRICS, (*at, "metric"), metric)
    both = [source for source in study.sources_of(arm) if among(source, study.sources_of(against))]
    strange = ", ".join(source for source in study.compared(comparison) if not among(source, both))
    expected = f"expected sources that both {arm} and {against} are measured on ({', '.join(sorted(both)) or 'none'})"
    check(bool(both) and not strange, (*at, "sources"), f"{expected}, got {strange or 'none'}; correct the comparison")
