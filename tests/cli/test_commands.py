"""Both commands from end to end: what they print, write and return."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import survjax
from survjax.cli import main
from survjax.datasets import load_pumps

PICTURES = {"hazard.png", "history.png", "newton.gif", "paper.png", "rul.png", "survival.png"}
PUMPS = ("--duration", "duration", "--event", "failed", "--entry", "entry", "--id", "unit")


@pytest.fixture(scope="module")
def pumps():
    return load_pumps()


@pytest.fixture(scope="module")
def table(pumps, tmp_path_factory):
    """The pumps as a file; flags are 0 and 1."""
    path = tmp_path_factory.mktemp("table") / "pumps.csv"
    pumps.astype({"failed": int, "in_service": int}).to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo's folder, exit code and words."""
    import contextlib
    import io

    out, said = tmp_path_factory.mktemp("demo") / "out", io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main(["demo", "--animation", "--out", str(out)])
    return out, code, said.getvalue()


def fit(path, out, *options):
    """Fit without pictures; the exit code."""
    return main(["fit", path, "--out", str(out), "--no-pictures", *options])


def test_the_demo_prints_the_fit_the_comparison_and_remaining_lives(demo):
    _, code, said = demo
    assert code == 0
    assert "2 Weibull components: log-likelihood -796.289, BIC 1623.92" in said
    assert "one Weibull: log-likelihood -895.938" in said
    assert "180.5 worse: one Weibull misses this fleet" in said
    assert "interior maximum: every small change of a parameter fits worse" in said
    assert "B10 life: 10% fail by" in said
    assert "remaining life of 264 units still running, years; the 5 most at risk:" in said
    shown = [line for line in said.splitlines() if not line.startswith("written to")]
    assert max(map(len, shown)) <= 100


def test_the_demo_writes_every_file_and_nothing_else(demo):
    out, _, said = demo
    names = {path.name for path in out.iterdir()}
    assert names == PICTURES | {"rul.csv", "model.json"}
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert all(name in said for name in names)
    for name in PICTURES:
        with Image.open(out / name) as picture:
            picture.load()
            width, height = picture.size
            assert width >= 600 and height >= 300
            shades = np.asarray(picture.convert("L"))
            assert np.mean(shades < 250) > 0.02


def test_the_model_of_the_demo_gives_the_numbers_of_its_table(demo, pumps):
    out, _, _ = demo
    model = survjax.load(out / "model.json")
    found = pd.read_csv(out / "rul.csv", index_col="unit")
    running = pumps[pumps["in_service"]].set_index("unit")
    assert list(found.index) == list(running.index)
    expected = model.predict_rul(running["duration"])
    pd.testing.assert_frame_equal(found[list(expected)], expected, rtol=1e-8)
    interval = model.predict_interval(running["duration"])
    np.testing.assert_allclose(found["life_lower"], interval["lower"], rtol=1e-8)
    np.testing.assert_allclose(found["life_upper"], interval["upper"], rtol=1e-8)
    risk = model.failure_probability(running["duration"], 1.0)
    np.testing.assert_allclose(found["failure_probability"], risk["failure_probability"], rtol=1e-8)


def test_the_demos_fleet_as_a_file_gives_the_demos_fit(demo, table, tmp_path, capsys):
    options = (*PUMPS, "--in-service", "in_service", "--components", "2", "--horizon", "1")
    assert fit(table, tmp_path / "out", *options) == 0
    for name in ("rul.csv", "model.json"):
        ours, theirs = (folder / name for folder in (tmp_path / "out", demo[0]))
        if name == "rul.csv":
            assert ours.read_bytes() == theirs.read_bytes()
        else:
            ours, theirs = (json.loads(path.read_text())["fitted"] for path in (ours, theirs))
            assert ours["parameters_"] == theirs["parameters_"]
    said = capsys.readouterr()
    assert said.err == ""
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"rul.csv", "model.json"}


def test_lives_are_ranked_and_sorted_by_risk_on_request(table, tmp_path, capsys):
    options = (*PUMPS, "--in-service", "in_service", "--components", "1", "--sort", "risk")
    assert fit(table, tmp_path / "mean", *options) == 0
    found = pd.read_csv(tmp_path / "mean" / "rul.csv")
    assert found["rank"].tolist() == list(range(1, len(found) + 1))
    assert found["mean"].is_monotonic_increasing
    assert fit(table, tmp_path / "soon", *options[:-2], "--horizon", "2") == 0
    other = pd.read_csv(tmp_path / "soon" / "rul.csv")
    assert not other["rank"].is_monotonic_increasing
    assert other.sort_values("rank")["failure_probability"].is_monotonic_decreasing
    said = capsys.readouterr().out
    assert "the 5 shortest:" in said and "the 5 most at risk:" in said


def test_the_table_has_the_bounds_of_the_summary(demo):
    out, _, said = demo
    summary = survjax.load(out / "model.json").summary()
    line = next(line for line in said.splitlines() if line.startswith("  B10 life"))
    words = [f"{summary.loc['q10', end]:.4g}" for end in ("estimate", "lower", "upper")]
    assert line.split()[-4:] == [words[0], words[1], "to", words[2]]
    first = next(line for line in said.splitlines() if line.startswith("  1 "))
    assert f"{summary.loc['shape_1', 'lower']:.4g} to" in first


def test_without_in_service_every_censored_unit_gets_a_row(table, tmp_path, pumps):
    assert fit(table, tmp_path, *PUMPS, "--components", "1") == 0
    found = pd.read_csv(tmp_path / "rul.csv")
    assert len(found) == (~pumps["failed"]).sum()
    assert "failure_probability" not in found


def test_names_that_a_spreadsheet_would_run_are_escaped(tmp_path, file):
    rows = ["=HYPERLINK(A1)", "@x", "pump 渋谷", "+1", "-2", "b", "c"]
    text = "=unit,age,failed\n" + "".join(
        f"{name},{age},{int(age < 4)}\n" for age, name in enumerate(rows, start=1)
    )
    path = file(text)
    columns = ("--duration", "age", "--event", "failed", "--id", "=unit")
    assert fit(path, tmp_path / "out", *columns, "--components", "1") == 0
    with (tmp_path / "out" / "rul.csv").open(newline="", encoding="utf-8") as found:
        head, *cells = csv.reader(found)
    assert head[0] == "'=unit"
    assert [row[0] for row in cells] == ["'+1", "'-2", "b", "c"]


def test_weights_count_units(tmp_path, file):
    thrice = "age,failed\n" + "2,1\n3,1\n5,0\n7,1\n" * 3
    once = "age,failed,n\n2,1,3\n3,1,3\n5,0,3\n7,1,3\n"
    columns = ("--duration", "age", "--event", "failed", "--components", "1")
    assert fit(file(thrice, "a.csv"), tmp_path / "a", *columns) == 0
    assert fit(file(once, "b.csv"), tmp_path / "b", *columns, "--weight", "n") == 0
    models = [survjax.load(tmp_path / name / "model.json") for name in "ab"]
    np.testing.assert_allclose(models[0].parameters_, models[1].parameters_, rtol=1e-8)
    assert len(pd.read_csv(tmp_path / "a" / "rul.csv")) == 3
    assert list(pd.read_csv(tmp_path / "b" / "rul.csv")["row"]) == [3]


def test_inspections_are_fitted_as_intervals(tmp_path, file):
    rng = np.random.default_rng(5)
    lives = 10 * rng.weibull(2.0, 60)
    rows = [f"{np.floor(t):g},{np.ceil(t):g}" if t < 9 else "9," for t in lives]
    path = file("\n".join(["low,high", *rows]) + "\n")
    assert (
        fit(path, tmp_path / "out", "--lower", "low", "--upper", "high", "--components", "1") == 0
    )
    upper = np.where(lives < 9, np.ceil(lives), np.inf)
    model = survjax.WeibullMixture(1).fit_interval(np.where(lives < 9, np.floor(lives), 9.0), upper)
    loaded = survjax.load(tmp_path / "out" / "model.json")
    np.testing.assert_allclose(loaded.parameters_, model.parameters_, rtol=1e-10)
    assert set(pd.read_csv(tmp_path / "out" / "rul.csv")["age"]) == {9.0}


NO_FIT = {
    "all censored": ("age,failed\n2,0\n3,0\n", "none of the 2 units has failed"),
    "one row": ("age,failed\n2,1\n", "no finite maximum"),
    "point mass": ("age,failed\n2,1\n2,1\n2,1\n", "no finite maximum"),
}


@pytest.mark.parametrize(("content", "words"), NO_FIT.values(), ids=NO_FIT)
def test_data_that_admit_no_fit_are_refused_in_one_line(file, refusal, content, words):
    line = refusal("fit", file(content), "--duration", "age", "--event", "failed")
    assert words in line
    assert "resolution=" not in line


def test_a_fit_that_is_no_interior_maximum_is_written_without_bounds(tmp_path, file, capsys):
    rows = "".join(f"{age},1\n" for age in (1.0, 2.0, 3.0, 4.0, 5.0)) + "6,0\n"
    path = file("age,failed\n" + rows)
    columns = ("--duration", "age", "--event", "failed", "--components", "4")
    assert fit(path, tmp_path / "out", *columns) == 3
    said = capsys.readouterr()
    assert [line[:17] for line in said.err.splitlines()] == ["survjax: warning:"]
    found = pd.read_csv(tmp_path / "out" / "rul.csv")
    assert found["mean"].notna().all() and found["mean_lower"].isna().all()


def test_a_warning_of_the_fit_is_one_line_that_names_the_option(tmp_path, file, capsys):
    rng = np.random.default_rng(1)
    lives = np.ceil(np.concatenate([4 * rng.weibull(1.0, 150), 40 * rng.weibull(4.0, 150)]))
    path = file("age,failed\n" + "".join(f"{t:g},1\n" for t in lives))
    fit(path, tmp_path / "out", "--duration", "age", "--event", "failed", "--components", "2")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("survjax: warning: ")
    assert "--resolution" in line and "resolution=" not in line
    words = ("--duration", "age", "--event", "failed", "--components", "2", "--resolution", "1")
    assert fit(path, tmp_path / "out", *words) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "no unit is still running" in said.out
    assert len(pd.read_csv(tmp_path / "out" / "rul.csv")) == 0


def test_the_number_of_components_that_was_chosen_is_explained(table, tmp_path, capsys):
    assert fit(table, tmp_path, *PUMPS, "--components", "bic") == 0
    said = capsys.readouterr().out
    assert "2 Weibull components" in said
    assert "BIC by number of components: 1: 1804.41, 2: 1623.92" in said


def test_a_second_run_replaces_the_first_and_keeps_other_files(file, tmp_path):
    out = tmp_path / "out"
    columns = ("--duration", "age", "--components", "1")
    assert fit(file("age\n2\n3\n5\n"), out, *columns) == 0
    first = (out / "model.json").read_bytes()
    (out / "notes.txt").write_text("mine")
    assert fit(file("age\n2\n3\n6\n"), out, *columns) == 0
    assert (out / "model.json").read_bytes() != first
    assert (out / "notes.txt").read_text() == "mine"
    assert {path.name for path in out.iterdir()} == {"rul.csv", "model.json", "notes.txt"}


def test_the_file_to_fit_is_never_overwritten(file, tmp_path, capsys):
    path = file("age\n2\n3\n5\n", "rul.csv")
    assert fit(path, tmp_path, "--duration", "age", "--components", "1") == 2
    assert "is the file to fit" in capsys.readouterr().err
    assert (tmp_path / "rul.csv").read_text() == "age\n2\n3\n5\n"
    assert [path.name for path in tmp_path.iterdir()] == ["rul.csv"]


def test_pictures_may_be_drawings(file, tmp_path):
    ages = "\n".join(f"{age},{age % 3 > 0:d}" for age in range(3, 40))
    path, out = file(f"age,failed\n{ages}\n"), tmp_path / "out"
    options = ("--duration", "age", "--event", "failed", "--components", "1", "--format", "svg")
    assert main(["fit", path, *options, "--out", str(out)]) == 0
    assert {p.name for p in out.glob("*.svg")} == {
        "hazard.svg", "paper.svg", "rul.svg", "survival.svg",
    }  # fmt: skip
    assert "<svg" in (out / "rul.svg").read_text()
