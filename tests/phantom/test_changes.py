"""One thing at a time: nothing else moves."""

from dataclasses import fields, replace

import numpy as np
import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.phantom.changes import RESPECTS, changed_scans, changed_source, differing, in_phases
from pancreas_ssl.phantom.cohort import make_case
from pancreas_ssl.phantom.profiles import SOURCES
from pancreas_ssl.phantom.sources import Source
from pancreas_ssl.phantom.tissues import Organ, Tissue


def test_the_respects_cover_every_field_once():
    named = [name for group in RESPECTS.values() for name in group]
    identity = {"name", "role", "title", "grid", "version"}
    named.remove("traits.oral_contrast")
    assert sorted(named) == sorted({field.name for field in fields(Source)} - identity)


def test_only_what_was_named_changes():
    base, other = SOURCES["A"], SOURCES["W"]
    mixed = changed_source("A", "W", "kernel", "thickness")
    assert mixed.spacing == other.spacing and mixed.kernel == other.kernel
    assert mixed.hu == base.hu and mixed.traits == base.traits and mixed.name == "A"
    assert changed_source("A", "W") == base
    filled = changed_source("A", "X", "oral contrast")
    assert filled.traits.oral_contrast > 0 and filled.traits.subcutaneous_fat == base.traits.subcutaneous_fat
    stout = changed_source("A", "X", "patients")
    assert stout.traits.oral_contrast == 0 and stout.traits.subcutaneous_fat != base.traits.subcutaneous_fat
    both = changed_source("A", "X", "oral contrast", "patients")
    assert both.traits == changed_source("A", "X", "patients", "oral contrast").traits == SOURCES["X"].traits


def test_only_respects_that_differ_are_listed():
    assert differing("A", "A") == []
    assert set(differing("A", "W")) == {"tissue HU", "fat", "noise", "kernel", "thickness", "artefacts", "calibration"}
    assert {"oral contrast", "patients"} <= set(differing("A", "X"))


def test_the_same_patient_with_one_change():
    plain, _ = make_case("A", 3)
    loud = replace(SOURCES["X"], noise_sd=16.0)
    scans = changed_scans("A", loud, 3)
    assert np.array_equal(scans["nothing"].image, plain.image)
    alone, _ = make_case(changed_source("A", loud, "noise"), 3)
    assert np.array_equal(scans["noise"].image, alone.image)
    noisy, grey = scans["noise"], scans["tissue HU"]
    for scan in (noisy, grey):
        assert np.array_equal(scan.label, plain.label) and not np.array_equal(scan.image, plain.image)
    inside, liver = plain.label > 0, plain.organ == Organ.LIVER
    assert (noisy.image.astype(float) - plain.image)[liver].std() > 3  # 16 HU of noise where there were 10
    assert abs(noisy.image[inside].mean() - plain.image[inside].mean()) < 3
    assert grey.image[inside].mean() < plain.image[inside].mean() - 20
    everything, _ = make_case(changed_source("A", loud, *RESPECTS), 3)
    assert np.array_equal(scans["everything"].image, everything.image)
    assert not np.array_equal(scans["patients"].tissue, plain.tissue)


def test_an_unknown_respect_is_named():
    with pytest.raises(InputError, match="tissue HU, oral contrast.*got 'colour'"):
        changed_source("A", "V", "colour")


def test_phases_change_the_contrast_and_nothing_else():
    scans = in_phases("A", 24)
    plain, arterial = scans["noncontrast"], scans["arterial"]
    assert all((one.label == plain.label).all() and (one.tissue == plain.tissue).all() for one in scans.values())
    artery = plain.tissue == Tissue.ARTERY
    assert np.median(arterial.image[artery]) > np.median(plain.image[artery]) + 100
