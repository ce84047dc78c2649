"""One patient of the phantom, scanned again at any setting of the scanner and segmented at once.

Anatomy, field of view and every random draw stay as they are: two settings that differ in one respect give two scans
that differ in that respect alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from pancreas_ssl.data.preprocessing import Prepared, prepare
from pancreas_ssl.data.volume import Volume
from pancreas_ssl.errors import require
from pancreas_ssl.evaluation import dice_coefficient, largest_component
from pancreas_ssl.evaluation.uncertainty_quality import case_uncertainty
from pancreas_ssl.inference import predict_prepared
from pancreas_ssl.method.uncertainty import entropy
from pancreas_ssl.phantom.cohort import make_case, patient_seeds
from pancreas_ssl.phantom.phases import phase
from pancreas_ssl.phantom.profiles import find_source
from pancreas_ssl.phantom.scanner import scan

__all__ = ["AT_HOME", "PHASES", "PRESETS", "Rescanned", "Rescanner", "Setting"]

AT_HOME = "as at home"
PHASES = {"unenhanced": "noncontrast", "arterial": "arterial", "portal venous": "portal", "delayed": "late"}
PRESETS = ("V", "W", "X")
"""Development sources whose settings may be taken; the test sources stay sealed."""


@dataclass(frozen=True)
class Setting:
    """How a patient is scanned.

    phase: `AT_HOME`, one of `PHASES`, or "as in V" (W, X): whose tissue HU are taken. noise: its standard deviation in
    the body, HU. kernel: smooth, medium or sharp. thickness: mm that a slice averages over. fat: share of the pancreas
    that is fat, beside the lobules that the anatomy draws.
    """

    phase: str = AT_HOME
    noise: float = 10.0
    kernel: str = "medium"
    thickness: float = 3.0
    fat: float = 0.06


@dataclass(frozen=True)
class Rescanned:
    """A scan at a setting, and what the network says of it.

    case: the scan as the network sees it. mask: the largest part that it marks. dice: of that mask and the label.
    doubt: mean uncertainty in and around the mask, bits (see `case_uncertainty`).
    """

    setting: Setting
    case: Prepared
    probability: Float[np.ndarray, "X Y Z"]
    mask: Bool[np.ndarray, "X Y Z"]
    dice: float
    doubt: float


class Rescanner:
    """Scans one patient of a source again and again; the last 64 settings are remembered.

    Args:
        model: of `load_weights`.
        home: the phantom's source whose scanner is the starting point: of role train or development.
        patient: number of the patient in it.
        device: auto, cpu, cuda or mps.

    Raises:
        InputError: a test source, or a patient number below 0.

    Example:
        >>> at_home = Rescanner(load_weights("baseline")).turn(Setting())     # doctest: +SKIP
    """

    def __init__(self, model: Any, home: str = "A", patient: int = 24, *, device: str = "auto"):
        self.model, self.home, self.device = model, find_source(home), device
        require(self.home.role != "test", "a source that trains or develops", home, "the test sources stay sealed")
        _, self._anatomy = make_case(self.home, patient)
        self._seed = patient_seeds(self.home, patient)[1]
        self.name = f"{self.home.name}_{patient:03d}"
        self.turn = lru_cache(maxsize=64)(self._turn)

    def at_home(self) -> Setting:
        """The setting that leaves the scanner as it is."""
        return self.preset("")

    def preset(self, source: str) -> Setting:
        """The setting of a development source ("V"), or of home ("")."""
        require(source in ("", *PRESETS), f"one of {', '.join(PRESETS)}", repr(source), "the test sources stay sealed")
        one = find_source(source) if source else self.home
        return Setting(
            f"as in {source}" if source else AT_HOME, one.noise_sd, one.kernel, one.slice_thickness, one.pancreas_fat[0]
        )

    def source(self, setting: Setting) -> Any:
        """The home scanner at this setting, as a `Source`."""
        fat = setting.fat, self.home.pancreas_fat[1]
        how = {"noise_sd": setting.noise, "kernel": setting.kernel, "slice_thickness": setting.thickness}
        return replace(self.home, hu=self._hu(setting.phase), pancreas_fat=fat, **how)

    def _hu(self, name: str) -> Mapping:
        known = self.phases()
        require(name in known, f"a phase among {', '.join(known)}", repr(name), "choose one of them")
        if name == AT_HOME:
            return self.home.hu
        return phase(PHASES[name]) if name in PHASES else find_source(name.removeprefix("as in ")).hu

    @staticmethod
    def phases() -> list[str]:
        """What may be chosen as phase."""
        return [AT_HOME, *PHASES, *(f"as in {source}" for source in PRESETS)]

    def _turn(self, setting: Setting) -> Rescanned:
        """The patient at this setting, segmented (remembered by `turn`)."""
        made = scan(self._anatomy, self.source(setting), self._seed)
        how = {"spacing": self.model.spacing, "window": self.model.window, "id": self.name, "source": "phantom"}
        case = prepare(Volume(made.image, made.affine), Volume(made.label, made.affine), **how)
        probability = predict_prepared(self.model, case.image, overlap=0.25, device=self.device)[1]
        mask = largest_component(probability > 0.5) != 0
        doubt = case_uncertainty(np.asarray(entropy(probability[None])), mask)
        return Rescanned(setting, case, probability, mask, float(dice_coefficient(mask, case.label[0] > 0)), doubt)
