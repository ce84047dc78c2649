"""Restorations compared: the numbers are those of the measures, winners win, lumps are found where they were put."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation.restoration_quality import against_trivial
from pancreas_ssl.lessons import compare_restorations as compare
from pancreas_ssl.lessons.compare_restorations import (
    ORIGINAL,
    RESTORED,
    RIVALS,
    compare_restorations,
    compare_segmentations,
    errors_of,
    verdict,
)
from pancreas_ssl.lessons.inspected_patch import inspect_patch, place_boxes, restore_patch
from tests.method.images import tiny_case, tiny_model

CPU = {"device": "cpu", "precision": "fp32"}


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def patches(model):
    return [inspect_patch(model, tiny_case(*who), **CPU) for who in (("A_024", "phantom/A"), ("V_000", "phantom/V"))]


def painting(image_of, monkeypatch):
    """A restoration head that paints what `image_of(patch, corrupted)` says."""

    def restored(_model, patch, placement, **_how):
        from pancreas_ssl.lessons.inspected_patch import RestorationResult
        from pancreas_ssl.method.placement import apply_placement

        corrupted = apply_placement(patch.image, placement)
        painted = torch.where(placement.mask, image_of(patch, corrupted), corrupted)
        return RestorationResult(placement, corrupted, painted)

    monkeypatch.setattr(compare, "restore_patch", restored)


def test_numbers_agree_with_the_measures_of_the_whole_patch(model, patches):
    rows = compare_restorations(model, patches[:1], draws=1, seed=5, **CPU)
    result = restore_patch(model, patches[0], place_boxes(patches[0], 5), **CPU)
    table = against_trivial(
        result.restored, result.corrupted, patches[0].image, result.placement.mask, surroundings=True
    )
    whole = rows[rows["part"] == "all of the mask"].set_index("method")
    assert list(whole.index) == [RESTORED, *RIVALS, ORIGINAL]
    for measure in table.columns:
        assert np.allclose(table[measure], whole.loc[[RESTORED, *RIVALS], measure].astype(float), atol=1e-5)


def test_parts_add_up_and_rows_are_complete(model, patches):
    rows = compare_restorations(model, patches, kinds=("guided", "random"), families=("noise", None), draws=2, **CPU)
    assert len(rows) == 2 * 2 * 2 * 2 * 3 * 5
    assert set(rows["family"]) == {"noise", "mixed"} and set(rows["source"]) == {"phantom/A", "phantom/V"}
    one = rows[rows["method"] == RESTORED].pivot_table(
        index=["case", "kind", "family", "draw"], columns="part", values="voxels"
    )
    assert (one["uncertain region"] + one["elsewhere"] == one["all of the mask"]).all()
    sizes = one["all of the mask"].unstack("kind")
    assert (sizes["guided"] == sizes["random"]).all()
    assert rows[rows["part"] != "all of the mask"]["SSIM"].isna().all()


def test_a_perfect_painter_wins_and_a_copy_does_not(model, patches, monkeypatch):
    painting(lambda patch, corrupted: patch.image + 1e-3, monkeypatch)
    won = verdict(compare_restorations(model, patches, **CPU), "phantom/A")
    assert won["wins"] and "the restoration wins" in won["sentence"] and won["patients"] == 1
    painting(lambda patch, corrupted: corrupted, monkeypatch)
    lost = verdict(compare_restorations(model, patches, **CPU), "phantom/V")
    assert not lost["wins"] and "does not win" in lost["sentence"] and "source phantom/V" in lost["sentence"]
    with pytest.raises(InputError, match="rows of source phantom/W"):
        verdict(compare_restorations(model, patches, draws=1, **CPU), "phantom/W")


def test_lumps_are_found_where_they_were_put(model, patches, monkeypatch):
    placed = place_boxes(patches[0], 0)
    from scipy import ndimage

    core = ndimage.binary_erosion(placed.mask[0].numpy(), np.ones((3, 3, 3)))
    at = tuple(np.argwhere(core)[0])

    def painted(patch, _corrupted):
        image = patch.image.clone() * 0.5
        image[0][tuple(slice(a - 1, a + 2) for a in at)] = 3.0
        return image

    painting(painted, monkeypatch)
    found = errors_of(model, patches[:1], draws=1, **CPU)
    worst = found.iloc[0]
    assert worst["sign"] == "brighter" and tuple(worst[["x", "y", "z"]]) == at
    assert worst["restored (HU)"] == pytest.approx(50 + 200 * 3, abs=1)
    assert worst["error (HU)"] == pytest.approx(worst["restored (HU)"] - worst["original (HU)"])
    assert worst["in_label"] == bool(patches[0].case.label[0][at])
    assert list(found["error (HU)"].abs()) == sorted(found["error (HU)"].abs(), reverse=True)


def test_noise_is_no_lump(model, patches, monkeypatch):
    flat = torch.Generator().manual_seed(0)
    painting(lambda patch, c: patch.image + 0.1 * torch.randn(c.shape, generator=flat), monkeypatch)
    assert errors_of(model, patches[:1], draws=1, **CPU)["error (HU)"].abs().max() < 20


def test_dice_of_patches_by_model(model, patches):
    rows = compare_segmentations({"a": model, "b": tiny_model(1)}, patches, draws=2, **CPU)
    assert len(rows) == 2 * 2 * 3 and rows["dice"].between(0, 1).all()
    assert rows.groupby("image")["draw"].nunique().to_dict() == {"as it is": 1, "corrupted": 2}
    bare = replace(patches[0], case=replace(patches[0].case, label=None))
    with pytest.raises(InputError, match="Dice needs one"):
        compare_segmentations({"a": model}, [bare])


def test_complaints(model, patches):
    with pytest.raises(InputError, match="at least one patch"):
        compare_restorations(model, [])
    with pytest.raises(InputError, match="at least one draw"):
        compare_restorations(model, patches, draws=0)
    model_without = tiny_model()
    model_without.network.restorer = None
    with pytest.raises(InputError, match="restoration head"):
        compare_restorations(model_without, patches, **CPU)
