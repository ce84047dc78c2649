"""The scanner: calibrated HU, noise with its spectrum, consistent grids, one thing changed at a time."""

import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from pancreas_ssl.phantom.anatomy import Anatomy, Grid
from pancreas_ssl.phantom.fields import noise_field, noise_spectrum, streak_field, texture_field, thickness_factor
from pancreas_ssl.phantom.optics import KERNELS, average_axis, blur, majority_axis, modulation, output_axis
from pancreas_ssl.phantom.profiles import SOURCES, random_source
from pancreas_ssl.phantom.scanner import render, scan
from pancreas_ssl.phantom.tissues import Organ, Tissue


def dummy(grid: Grid) -> Anatomy:
    """Ellipsoids of the main tissues: an anatomy whose every answer is known."""
    x, y, z = np.meshgrid(
        *[(np.arange(n) - (n - 1) / 2) * s for n, s in zip(grid.shape, grid.spacing, strict=True)],
        indexing="ij",
        sparse=True,
    )
    tissue, organ = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)

    def put(centre, radii, t, o=Organ.BACKGROUND):
        inside = sum(((a - c) / r) ** 2 for a, c, r in zip((x, y, z), centre, radii, strict=True)) < 1
        tissue[inside], organ[inside] = t, o

    put((0, 0, 0), (165, 115, 2000), Tissue.SUBCUTANEOUS_FAT)
    put((0, 0, 0), (145, 95, 2000), Tissue.VISCERAL_FAT)
    put((0, -70, 0), (20, 18, 2000), Tissue.CORTICAL_BONE, Organ.BONE)
    put((0, -70, 0), (16, 14, 2000), Tissue.MARROW, Organ.BONE)
    put((75, 10, 30), (55, 70, 50), Tissue.LIVER, Organ.LIVER)
    put((-90, -10, 30), (35, 40, 40), Tissue.SPLEEN, Organ.SPLEEN)
    put((60, -50, -50), (25, 25, 40), Tissue.KIDNEY_CORTEX, Organ.KIDNEY)
    put((-12, -40, 0), (15, 15, 2000), Tissue.ARTERY, Organ.ARTERY)
    put((-15, 12, 0), (55, 20, 20), Tissue.PANCREAS, Organ.PANCREAS)
    put((-30, 12, 0), (8, 8, 8), Tissue.PANCREAS_FAT, Organ.PANCREAS)
    put((-20, 65, -50), (40, 22, 35), Tissue.BOWEL_WALL, Organ.BOWEL)
    put((-20, 65, -50), (36, 18, 31), Tissue.GAS, Organ.BOWEL)
    return Anatomy(tissue=tissue, organ=organ, affine=grid.affine, seed=0, facts={})


SMALL = Grid((120, 88, 64), (3.0, 3.0, 3.0))
SOLID = (Tissue.LIVER, Tissue.SPLEEN, Tissue.KIDNEY_CORTEX, Tissue.ARTERY, Tissue.PANCREAS, Tissue.VISCERAL_FAT)


def error_in(result, t: Tissue) -> float:
    """Mean of (image - offset) / gain in the eroded interior of a tissue, minus what was drawn for it."""
    gain, offset = result.calibration
    core = binary_erosion(result.tissue == t, np.ones((3, 3, 3)))
    assert core.sum() > 50, t.name
    return float(((result.image[core] - offset) / gain).mean()) - result.profile[t]


@pytest.mark.parametrize("name", SOURCES)
def test_hu_of_the_interiors_are_what_was_drawn(name):
    grid = SMALL if SOURCES[name].spacing[0] == 3 else Grid((144, 106, 76), (2.5, 2.5, 2.5))
    result = scan(dummy(grid), name, seed=3)
    assert result.image.dtype == np.int16 and result.organ.dtype == result.label.dtype == np.uint8
    assert result.image.shape == result.organ.shape == result.label.shape == result.tissue.shape
    assert np.array_equal(result.label == 1, result.organ == Organ.PANCREAS)
    errors = {t.name: error_in(result, t) for t in SOLID}
    assert max(map(abs, errors.values())) < 8, errors


def test_cohort_mean_of_the_image_is_the_nominal_profile():
    from pancreas_ssl.phantom.profiles import nominal_profile

    nominal, anatomy = nominal_profile(SOURCES["A"]), dummy(Grid((116, 80, 44), (3.0, 3.0, 3.0)))
    scans = [scan(anatomy, "A", seed) for seed in range(24)]
    for t in (Tissue.LIVER, Tissue.SPLEEN, Tissue.PANCREAS, Tissue.VISCERAL_FAT):
        measured = [s.profile[t] + error_in(s, t) for s in scans]
        assert abs(np.mean(measured) - nominal[t]) < 8, t.name


def test_twice_is_the_same_and_another_seed_is_not():
    anatomy = dummy(SMALL)
    first, again, other = scan(anatomy, "C", 5), scan(anatomy, "C", 5), scan(anatomy, "C", 6)
    assert np.array_equal(first.image, again.image) and first.profile == again.profile
    assert not np.array_equal(first.image, other.image)


def test_one_thing_is_changed_at_a_time():
    anatomy = dummy(SMALL)
    base = replace(SOURCES["A"], crop=0.0)
    a = scan(anatomy, base, 5)
    assert scan(anatomy, replace(base, kernel="sharp"), 5).profile == a.profile
    louder = scan(anatomy, replace(base, noise_sd=2 * base.noise_sd), 5).image.astype(float)
    quiet = scan(anatomy, replace(base, noise_sd=0.0), 5).image.astype(float)
    body = binary_erosion(anatomy.tissue == Tissue.LIVER)
    assert np.abs((louder - quiet)[body] - 2 * (a.image - quiet)[body]).max() < 4  # rounding only


def test_labels_follow_onto_thick_slices():
    anatomy = dummy(SMALL)
    thick = scan(anatomy, replace(SOURCES["D"], crop=0.0, slice_thickness=5.0, spacing=(3.0, 3.0, 5.0)), 1)
    assert thick.spacing == (3.0, 3.0, 5.0) and thick.image.shape[2] == 64 * 3 // 5
    assert thick.label.sum() * 45 == pytest.approx((anatomy.organ == Organ.PANCREAS).sum() * 27, rel=0.06)

    def centre(mask, affine):
        return affine[:3, :3] @ np.argwhere(mask).mean(0) + affine[:3, 3]

    before, after = (
        centre(anatomy.organ == Organ.LIVER, anatomy.affine),
        centre(thick.organ == Organ.LIVER, thick.affine),
    )
    assert np.allclose(before, after, atol=0.7)
    bright = thick.image.astype(float) - thick.calibration[1] > -40  # the picture lies under its labels
    assert bright[binary_erosion(thick.organ == Organ.LIVER)].mean() > 0.95


def test_a_finer_grid_than_the_anatomy_keeps_the_affine():
    anatomy = dummy(Grid((60, 44, 30), (6.0, 6.0, 6.0)))
    fine = scan(anatomy, replace(SOURCES["A"], spacing=(3.0, 3.0, 2.0), slice_thickness=2.0, crop=0.0), 1)
    assert fine.image.shape == (120, 88, 90)
    assert fine.label.sum() * 18 == (anatomy.organ == Organ.PANCREAS).sum() * 216


def test_crops_spare_the_pancreas_unless_asked():
    anatomy = dummy(SMALL)
    always = replace(SOURCES["A"], crop=1.0, crop_range=(0.3, 0.5))
    whole = (anatomy.organ == Organ.PANCREAS).sum()
    spared = [scan(anatomy, always, seed) for seed in range(4)]
    assert all(s.label.sum() == whole and s.image.shape[2] < 64 for s in spared)
    assert all(s.label[:, :, [0, -1]].sum() == 0 for s in spared)
    assert scan(anatomy, replace(always, spare_pancreas=False), 0).label.sum() < whole
    first = spared[0]  # the affine knows which slices were left out
    where = np.argwhere(first.label)[0]
    world = np.linalg.inv(anatomy.affine) @ first.affine @ np.append(where, 1)
    assert anatomy.organ[tuple(np.rint(world[:3]).astype(int))] == Organ.PANCREAS


def test_padding_lies_outside_the_round_field_and_air_is_air():
    result = scan(dummy(SMALL), "V", 1)
    assert result.image[0, 0, 0] == -2048 and (result.image[60] > -1100).all()
    air = scan(dummy(SMALL), "A", 1).image[:4, :4]
    assert abs(air.mean() + 1000) < 10 and air.min() >= -1024


@pytest.mark.parametrize("kernel", KERNELS)
def test_noise_has_unit_sd_and_the_kernels_spectrum(kernel):
    shape, spacing = (96, 80, 24), (1.5, 1.5, 3.0)
    noise = noise_field(shape, spacing, kernel, 3.0, np.random.default_rng(0))
    assert noise.std() == pytest.approx(1, abs=0.03) and abs(noise.mean()) < 0.01
    power = (np.abs(np.fft.fft2(noise, axes=(0, 1))) ** 2).mean(axis=2)
    f = np.hypot(np.fft.fftfreq(96, 1.5)[:, None], np.fft.fftfreq(80, 1.5)[None])
    rings = [power[(f >= low) & (f < low + 0.03)].mean() for low in np.arange(0.0, 0.32, 0.03)]
    peak = int(np.argmax(rings))
    assert rings[0] < 0.45 * rings[peak], "low frequencies are suppressed"
    expected = {"smooth": 0.08, "medium": 0.12, "sharp": 0.27}[kernel]
    assert abs((peak + 0.5) * 0.03 - expected) < 0.06
    model = noise_spectrum(kernel, (96, 80), (1.5, 1.5))[:, :40] * 96 * 80
    half, power = f[:, :40], power[:, :40]
    for low in np.arange(0.03, 0.3, 0.03):
        ring = (half >= low) & (half < low + 0.03)
        assert power[ring].mean() == pytest.approx(model[ring].mean(), rel=0.2, abs=0.02 * model.max())


def test_thick_slices_share_their_noise():
    rng = np.random.default_rng(0)
    thick, thin = (noise_field((64, 64, 40), (3.0, 3.0, 3.0), "medium", t, rng) for t in (6.0, 3.0))
    neighbours = [float((n[..., 1:] * n[..., :-1]).mean()) for n in (thick, thin)]
    assert neighbours[0] > 0.4 and abs(neighbours[1]) < 0.05


def test_noise_grows_with_thickness():
    hu = np.full((60, 40, 4), -1000, np.float32)
    hu[5:55, 8:32, :2], hu[20:40, 12:28, 2:] = 40, 40
    factor, body = thickness_factor(hu, (6.0, 6.0, 6.0))
    assert body.sum() == 50 * 24 * 2 + 20 * 16 * 2
    assert factor[30, 20, 0] > 1.5 * factor[30, 20, 3] and factor[body].mean() == pytest.approx(1, abs=1e-3)


def test_texture_is_of_unit_size_and_streaks_come_from_dense_matter():
    field = texture_field((60, 60, 60), (3.0, 3.0, 3.0), 8.0, np.random.default_rng(1))
    assert field.std() == pytest.approx(1, abs=0.06)
    tissue = np.full((64, 64, 3), Tissue.MUSCLE, np.uint8)
    tissue[20:30, 30:34, 1] = Tissue.CORTICAL_BONE
    streaks = streak_field(tissue, (3.0, 3.0, 3.0), np.random.default_rng(0))
    assert not streaks[..., 0].any() and streaks[..., 1].std() > 0.05
    assert streaks[:, 28:36, 1].std() > 1.5 * streaks[:, :8, 1].std()


def test_kernels_order_sharpness():
    edge = np.zeros((64, 24, 8), np.float32)
    edge[32:] = 100
    steep = {k: np.diff(blur(edge, (1.0, 1.0, 3.0), k)[:, 12, 4]).max() for k in KERNELS}
    assert steep["sharp"] > steep["medium"] > steep["smooth"]
    assert blur(edge, (1.0, 1.0, 3.0), "sharp")[:, 12, 4].max() > 102  # a slight overshoot
    assert blur(edge, (1.0, 1.0, 3.0), "medium")[:, 12, 4].max() <= 100.01
    assert modulation("medium", np.array([0.0, 0.197])) == pytest.approx([1.0, 0.5], abs=0.01)


def test_axis_averages_and_majorities():
    count, start, taps = output_axis(10, 3.0, 5.0, 5.0)
    assert count == 6 and start == pytest.approx(1.0)
    line = np.arange(10, dtype=np.float32)[None, None]
    assert average_axis(line, 2, taps)[0, 0] == pytest.approx([0.4, 2, 3.6, 5.4, 7, 8.6], abs=1e-5)
    labels = np.array([1, 1, 2, 2, 2, 0, 0, 0, 7, 7], np.uint8)[None, None]
    assert majority_axis(labels, 2, taps)[0, 0].tolist() == [1, 2, 2, 0, 0, 7]


def test_render_is_calibrated_fast_and_of_the_same_grid():
    patch = dummy(SMALL).tissue[12:108, 4:84]
    rng = np.random.default_rng(0)
    drawn = [render(patch, "A", rng) for _ in range(12)]
    assert drawn[0].shape == patch.shape and drawn[0].dtype == np.float32
    core = binary_erosion(patch == Tissue.LIVER, np.ones((3, 3, 3)))
    assert abs(np.mean([d[core].mean() for d in drawn]) - 112) < 8
    assert len({float(d[core].mean()) for d in drawn}) == 12
    start = time.process_time()
    for _ in range(4):
        render(patch, random_source(rng), rng)
    assert (time.process_time() - start) / 4 < 0.4  # usually 0.05; machines are shared


def test_time_of_a_scan():
    anatomy = dummy(Grid())
    start = time.process_time()
    scan(anatomy, "A", 1)
    assert (time.process_time() - start) / anatomy.tissue.size * 1e6 < 0.5
