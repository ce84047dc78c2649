"""Studies that come with the package: found by name, kept whole, and honest about their command."""

import json

import pandas as pd
import pytest

from pancreas_ssl.errors import InputError
from pancreas_ssl.study import load_study, looked_at, shipped, shipped_measured, shipped_study
from pancreas_ssl.study.plan import agree, jobs_of, read_plan
from pancreas_ssl.study.tables import comparisons_table, curves_table, rows_table, summary_table
from tests.study.helpers import settings, write, write_card


@pytest.fixture
def assets(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "_folder", lambda name: tmp_path / "assets" / name)
    return tmp_path


def finished(folder):
    folder.mkdir()
    study = load_study(write(folder / "study.yml", settings(write_card(folder))))
    facts = {"command": "pancreas-ssl study --config a.yml --out b", "config": study.plain()}
    (folder / "study.json").write_text(json.dumps(facts))
    pd.DataFrame({"arm": ["plain"], "source": ["phantom/A"], "dice_mean": [0.8]}).to_csv(folder / "summary.csv")
    pd.DataFrame({"arm": ["plain"], "seed": [0], "dice": [0.8]}).to_csv(folder / "rows.csv", index=False)
    pd.DataFrame({"comparison": ["one"]}).to_csv(folder / "comparisons.csv")
    curves = {"arm": ["plain"] * 3, "seed": [0, 0, 1], "step": [10, 20, 20], "held_out_dice": [None, 0.7, None]}
    pd.DataFrame(curves).to_csv(folder / "curves.csv", index=False)
    return folder


def test_kept_and_found_again(assets):
    shipped.keep_study(finished(assets / "run"), "mine")
    found = shipped_study("mine")
    assert found.config == load_study(assets / "run" / "study.yml")
    assert found.command.startswith("pancreas-ssl study") and found.summary["dice_mean"].tolist() == [0.8]
    assert found.curves["step"].tolist() == [20, 20] and found.rows["dice"].tolist() == [0.8]


def test_a_finished_study_is_read_from_its_folder(assets):
    found = shipped_study(finished(assets / "run"))
    assert found.config.seeds == [0, 1] and found.rows["dice"].tolist() == [0.8]


def test_measured_networks_are_kept_with_their_command(assets):
    run = assets / "measured"
    run.mkdir()
    with pytest.raises(InputError, match="rows.csv is not there"):
        shipped.keep_measured(run, "mine")
    (run / "rows.csv").write_text("arm,dice\nreal,0.5\n")
    (run / "measured.json").write_text(json.dumps({"command": "pancreas-ssl measure --weights real"}))
    for place in (shipped.keep_measured(run, "mine"), "mine"):
        rows, command = shipped_measured(place)
        assert rows["dice"].tolist() == [0.5] and command.endswith("--weights real")
    with pytest.raises(InputError, match=r"\(mine\), got 'yours'"):
        shipped_measured("yours")


def test_an_unknown_name_and_an_unfinished_study_get_sentences(assets):
    shipped.keep_study(finished(assets / "run"), "mine")
    with pytest.raises(InputError, match=r"comes with the package \(mine\), got 'yours'"):
        shipped_study("yours")
    (assets / "run" / "summary.csv").unlink()
    with pytest.raises(InputError, match="summary.csv is not there"):
        shipped.keep_study(assets / "run", "again")
    assert not (assets / "assets" / "again").exists()


def test_a_shipped_study_becomes_a_folder_in_which_it_can_grow(tmp_path):
    there = shipped_study("controls")
    out = shipped.unpack_study("controls", tmp_path / "run")
    jobs = jobs_of(there.config, read_plan(out), reveal=False)
    rows = rows_table(jobs, out)
    found = {
        "rows": rows,
        "summary": summary_table(rows),
        "comparisons": comparisons_table(there.config, rows),
        "curves": curves_table(jobs, out),
    }
    for name, table in found.items():
        shipped_table = getattr(there, name)[list(table.columns)]
        pd.testing.assert_frame_equal(table, shipped_table, check_dtype=False, rtol=1e-12)
    assert all((out / job.folder / "done.json").exists() for job in jobs)
    agree(read_plan(out), there.config.plain(), out)
    with pytest.raises(InputError, match="holds a study already"):
        shipped.unpack_study("controls", out)


def test_the_networks_without_votes_are_those_of_the_study():
    there, rows = shipped_study("study").config, shipped_measured("votes")[0]
    again = load_study(shipped._folder("votes") / "study.yml")
    assert {arm: again.recipe_of(arm) for arm in again.arms} == {arm: there.recipe_of(arm) for arm in again.arms}
    assert (again.train, again.seeds, again.measure) == (there.train, there.seeds, there.measure)
    assert set(rows["prototype_weight"]) == {0} and set(rows["arm"].str.split("/").str[0]) == set(again.arms)
    assert rows.groupby(["source", "case"])["seed"].size().eq(len(again.arms) * len(again.seeds)).all()


def test_what_a_network_expects_was_checked_on_development_sources_alone():
    rows, command = shipped_measured("doubt")
    assert set(rows["source"]) == {"phantom/V", "phantom/W", "phantom/X"} and "--reveal" not in command
    assert set(rows.groupby(["arm", "source"]).size()) == {8} and rows["expected_dice"].between(0, 1).all()


def test_scans_that_were_looked_at_stand_beside_the_one_that_was_not(assets):
    run = assets / "measured"
    run.mkdir()
    (run / "measured.json").write_text(json.dumps({"command": "pancreas-ssl measure"}))
    (run / "rows.csv").write_text("arm,source,dice\nreal,a/a,0.5\nreal/1,a/a,0.9\nother,a/a,0.1\n")
    assert looked_at(run).empty
    (run / "unseen.csv").write_text("network,dice\nreal,0.2\nstrong,0.6\n")
    found = looked_at(run)
    assert found.values.tolist() == [["real", "a", True, 0.5], ["real", "kept aside", False, 0.2]]


def test_the_scan_kept_aside_tells_its_origin():
    found = looked_at("real_ct")
    assert set(found.groupby("scan").size()) == {4} and (~found["looked_at"]).sum() == 4
    assert "Can they be made again?** No." in (shipped._folder("real_ct") / "unseen.md").read_text()
