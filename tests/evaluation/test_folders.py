"""Two folders compared by case: names, partners that lack, failures as rows, the table."""

import pandas as pd
import pytest

from pancreas_ssl.cli import main
from pancreas_ssl.errors import InputError
from pancreas_ssl.evaluation import evaluate_files, evaluate_folders
from tests.safety.helpers import pancreas, save


@pytest.fixture
def folders(tmp_path):
    masks, labels = tmp_path / "masks", tmp_path / "labels"
    save(masks / "a.nii.gz", pancreas())
    save(masks / "a_uncertainty.nii.gz", pancreas().astype("float32") * 0.3)
    save(masks / "b.nii", pancreas() * 0)
    save(masks / "only.nii.gz", pancreas())
    (masks / "predictions.csv").write_text("case\n")
    (masks / "._a.nii.gz").write_bytes(b"macOS")
    save(labels / "a.nii", pancreas())
    save(labels / "b.nii.gz", pancreas())
    save(labels / "left.nii.gz", pancreas())
    return masks, labels


def test_a_row_per_case_as_for_two_files(folders, tmp_path):
    with pytest.warns(UserWarning) as told:
        table = evaluate_folders(*folders, out=tmp_path / "table.csv")
    said = sorted(str(warning.message) for warning in told)
    assert said == ["1 labels without a prediction: left", "1 predictions without a label: only"]
    assert table["case"].tolist() == ["a", "b"] and table["dice"].tolist() == [1, 0] and table["missed"].tolist()[1]
    one = evaluate_files(folders[0] / "a.nii.gz", folders[1] / "a.nii")
    assert all(table[name][0] == one[name] for name in ("nsd", "hd95", "msd", "volume_ml"))
    assert pd.read_csv(tmp_path / "table.csv")["case"].tolist() == ["a", "b"]


def test_failures_are_rows_with_reasons(folders, tmp_path, capsys):
    (folders[1] / "b.nii.gz").write_bytes(b"no image")
    code = main(["evaluate", *map(str, folders), "--out", str(tmp_path / "table.csv")])
    shown = capsys.readouterr()
    assert code == 1 and "1 failed (b); the table gives the reasons" in shown.err
    assert "mean of 1 cases: dice 1.000, nsd 1.000, hd95 0.0 mm, msd 0.0 mm; 0 missed" in shown.out
    stored = pd.read_csv(tmp_path / "table.csv")
    assert stored["status"].tolist() == ["done", "failed"] and "b.nii.gz" in stored["message"][1]
    assert str(tmp_path) not in stored["message"][1]


def test_folders_that_do_not_fit(folders, tmp_path):
    save(folders[1] / "a.nii.gz", pancreas())
    with pytest.raises(InputError, match=r"one file per case, a has, got a.nii and a.nii.gz"):
        evaluate_folders(*folders)
    save(tmp_path / "others" / "x.nii.gz", pancreas())
    with pytest.raises(InputError, match="got 3 and 1 files of other names"):
        evaluate_folders(folders[0], tmp_path / "others")
    with pytest.raises(InputError, match="two folders"):
        evaluate_folders(folders[0], tmp_path / "others" / "x.nii.gz")
