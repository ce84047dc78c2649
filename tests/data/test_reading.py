"""Reading: RAS and HU from any orientation, back to the file's own grid, and a sentence for every bad input."""

import nibabel
import numpy as np
import pytest

from pancreas_ssl.data.reading import read_image, read_label, write_on_original
from pancreas_ssl.errors import InputError
from tests.data.conftest import AFFINES, abdomen, save


@pytest.mark.parametrize("codes", AFFINES)
def test_any_orientation_becomes_ras_and_goes_back_exactly(tmp_path, codes):
    hu, _ = abdomen()
    path = save(tmp_path / "image.nii.gz", hu, AFFINES[codes])
    volume = read_image(path)
    assert "".join(volume.original.orientation) == codes
    assert nibabel.aff2axcodes(volume.affine) == ("R", "A", "S")
    assert volume.array.dtype == np.float32 and all(stride > 0 for stride in volume.array.strides)
    written = nibabel.load(write_on_original(tmp_path / "out.nii.gz", volume.array.astype(np.int16), volume))
    np.testing.assert_array_equal(np.asanyarray(written.dataobj), hu)
    np.testing.assert_array_equal(written.affine, nibabel.load(path).affine)
    assert written.get_data_dtype() == np.int16


@pytest.mark.parametrize("codes", AFFINES)
def test_a_voxel_keeps_its_place_in_the_patient(tmp_path, codes):
    hu, _ = abdomen()
    volume = read_image(save(tmp_path / "image.nii.gz", hu, AFFINES[codes]))
    place = AFFINES[codes] @ np.array([3, 5, 7, 1])
    index = np.rint(np.linalg.inv(volume.affine) @ place).astype(int)[:3]
    assert volume.array[tuple(index)] == hu[3, 5, 7]


def test_header_of_the_file_is_kept_but_not_its_intensity_fields(tmp_path):
    hu, label = abdomen()
    image = nibabel.Nifti1Image(hu, AFFINES["LPS"])
    image.set_qform(AFFINES["RAS"], code=3)
    image.header["cal_max"] = 400
    nibabel.save(image, tmp_path / "image.nii")
    volume = read_image(tmp_path / "image.nii")
    before = nibabel.load(tmp_path / "image.nii").header
    after = nibabel.load(write_on_original(tmp_path / "mask.nii.gz", label > 0, volume)).header
    assert (int(after["sform_code"]), int(after["qform_code"])) == (int(before["sform_code"]), 3)
    np.testing.assert_array_equal(after.get_qform(), before.get_qform())
    assert after["cal_max"] == 0 and after.get_data_dtype() == np.uint8


def test_scaled_storage_and_trailing_dimension_are_read_as_hu(tmp_path):
    hu, _ = abdomen()
    image = nibabel.Nifti1Image(hu[..., None], AFFINES["RAS"])
    image.header.set_slope_inter(0.5, -24)
    nibabel.save(image, tmp_path / "image.nii.gz")
    volume = read_image(tmp_path / "image.nii.gz")
    assert volume.shape == hu.shape
    np.testing.assert_allclose(volume.array, 0.5 * hu - 24)


def test_label_values_are_merged_and_orientation_may_differ(tmp_path):
    hu, label = abdomen()
    volume = read_image(save(tmp_path / "image.nii.gz", hu, AFFINES["RAS"]))
    label[label > 0] = 2
    label[14, 12, 6] = 3
    flipped = AFFINES["RAS"] @ np.array([[-1, 0, 0, 23], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    path = save(tmp_path / "label.nii.gz", label[::-1], flipped)
    read = read_label(path, (2, 3), volume, known=(2, 3))
    np.testing.assert_array_equal(read.array, label > 0)
    assert read.array.dtype == np.uint8


def _raises(words: str, function, *arguments, **options) -> None:
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    text = str(caught.value)
    assert words in text and "\n" not in text and ";" in text or "check the name" in text, text


def test_missing_and_foreign_files(tmp_path):
    _raises("there is no such file", read_image, tmp_path / "nothing.nii.gz")
    (tmp_path / "note.nii.gz").write_text("not a scan")
    _raises("is neither", read_image, tmp_path / "note.nii.gz")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    _raises("is neither", read_image, tmp_path / "picture.png")
    (tmp_path / "slice.dcm").write_bytes(b"")
    _raises("one DICOM slice", read_image, tmp_path / "slice.dcm")
    _raises("is a folder", read_label, tmp_path)


@pytest.mark.parametrize("name", ["image.nii.gz", "image.nii"])
@pytest.mark.parametrize("kept", [0.01, 0.5, 0.9])
def test_truncated_file(tmp_path, name, kept):
    path = save(tmp_path / name, abdomen((40, 40, 30))[0])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(InputError, match="ends early or is damaged|is neither"):
        read_image(path)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 8, 8, 2), (4, 8, 8, 8, 2)])
def test_not_three_dimensional(tmp_path, shape):
    _raises("expected a 3D image", read_image, save(tmp_path / "image.nii.gz", np.zeros(shape, np.int16)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinite_voxels(tmp_path, value):
    hu = abdomen()[0].astype(np.float32)
    hu[1, 2, 3] = value
    _raises("1 NaN or infinite", read_image, save(tmp_path / "image.nii.gz", hu))


def test_colour_image(tmp_path):
    rgb = np.zeros((4, 4, 4), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    _raises("one number per voxel", read_image, save(tmp_path / "image.nii.gz", rgb))


def test_label_on_another_grid(tmp_path, pair):
    image, _ = pair
    volume, (_, label) = read_image(image), abdomen()
    _raises("has shape", read_label, save(tmp_path / "a.nii.gz", label[:-1]), like=volume)
    moved = AFFINES["RAS"].copy()
    moved[0, 3] += 3
    _raises("has origin", read_label, save(tmp_path / "b.nii.gz", label, moved), like=volume)
    wider = AFFINES["RAS"] * np.array([1, 1, 1.02, 1])
    _raises("has spacing", read_label, save(tmp_path / "c.nii.gz", label, wider), like=volume)
    rounded = AFFINES["RAS"] + 1e-4
    rounded[3] = (0, 0, 0, 1)
    read_label(save(tmp_path / "d.nii.gz", label, rounded), like=volume)


def test_label_values_unknown_fractional_or_absent(tmp_path):
    _, label = abdomen()
    path = save(tmp_path / "label.nii.gz", label * 4)
    _raises("also holds 4", read_label, path, (1,), known=(1, 2))
    _raises("holds none", read_label, path, (1,), empty_ok=False)
    assert not read_label(path, (1,)).array.any()
    _raises("has fractions", read_label, save(tmp_path / "p.nii.gz", label * np.float32(0.5)))
    assert read_label(save(tmp_path / "f.nii.gz", label.astype(np.float32))).array.sum() == label.sum()


def test_output_must_fit_and_leaves_nothing_behind(tmp_path, pair):
    volume = read_image(pair[0])
    _raises("expected an array of shape", write_on_original, tmp_path / "o.nii.gz", volume.array[1:], volume)
    _raises("ending in .nii.gz", write_on_original, tmp_path / "o.png", volume.array, volume)
    (tmp_path / "blocked").write_text("a file")
    _raises("is a file", write_on_original, tmp_path / "blocked" / "o.nii.gz", volume.array, volume)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["blocked", "image.nii.gz", "label.nii.gz"]


def test_real_ct_round_trip(real_folder, tmp_path):
    path = real_folder / "totalseg_ct_3mm.nii.gz"
    volume, stored = read_image(path), nibabel.load(path)
    written = nibabel.load(write_on_original(tmp_path / "o.nii.gz", volume.array, volume))
    np.testing.assert_array_equal(written.get_fdata(), stored.get_fdata())
    np.testing.assert_array_equal(written.affine, stored.affine)
    label = read_label(real_folder / "totalseg_labels_3mm.nii.gz", (10,), volume)
    assert 20 < label.array.sum() * label.voxel_ml < 25


def test_lidc_is_las_and_goes_back(lidc, lidc_volumes, tmp_path):
    label = lidc_volumes[1]
    assert "".join(label.original.orientation) == "LAS" and label.shape == (512, 512, 133)
    assert int(label.array.sum()) == 47_862
    written = nibabel.load(write_on_original(tmp_path / "o.nii.gz", label.array, label))
    stored = nibabel.load(lidc.label)
    np.testing.assert_array_equal(np.asanyarray(written.dataobj), np.asanyarray(stored.dataobj) == 7)
    np.testing.assert_array_equal(written.affine, stored.affine)
