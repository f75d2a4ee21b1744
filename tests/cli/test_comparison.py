"""`survjax compare`: several families on one file."""

import pandas as pd
import pytest

import survjax
from survjax import LifetimeModel
from survjax.cli import main

DRIVES = """hours,failed,first
3,1,0
5,1,1
6,0,0
8,1,2
9,1,0
9.5,1,0
12,1,3
7,0,0
"""
HOW = ("--duration", "hours", "--event", "failed")
SOME = ("--candidates", "weibull,exponential,mixture2")


def test_the_table_is_printed_and_written_with_the_best_model(file, tmp_path, capsys):
    out = tmp_path / "out"
    more = ("--out", str(out), "--criterion", "bic", "--entry", "first")
    assert main(["compare", file(DRIVES), *HOW, *SOME, *more]) == 0
    said = capsys.readouterr().out
    assert said.startswith("8 units, 6 failures") and "log-likelihood" in said
    names = {path.name for path in out.iterdir()}
    assert names == {"comparison.csv", "comparison.png", "model.json", "paper.png"}
    found = pd.read_csv(out / "comparison.csv", index_col="candidate")
    assert set(found.index) == {"weibull", "exponential", "mixture2"}
    table = pd.read_csv(file(DRIVES))
    alone = LifetimeModel("weibull").fit(table["hours"], table["failed"], entry=table["first"])
    assert found.loc["weibull", "bic"] == pytest.approx(alone.bic_, rel=1e-12)
    assert list(found["bic"].dropna()) == sorted(found["bic"].dropna())
    best = survjax.load(out / "model.json")
    assert best.bic_ == pytest.approx(found["bic"].min())


def test_candidates_without_a_maximum_say_why(file, tmp_path, capsys):
    same = "hours\n5\n5\n5\n"
    how = (file(same), "--duration", "hours", "--no-pictures", "--out")
    some = ("--candidates", "weibull,exponential")
    assert main(["compare", *how, str(tmp_path / "one"), *some]) == 0
    assert "without a maximum:\n  weibull: " in capsys.readouterr().out
    assert main(["compare", *how, str(tmp_path / "two"), "--candidates", "weibull"]) == 3
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["comparison.csv"]


def test_inspections_and_rounded_ages_are_compared_too(file, tmp_path):
    bounds = "low,high\n0,2\n2,3\n2,5\n4,\n5,9\n1,4\n"
    out = ("--out", str(tmp_path / "out"), "--no-pictures", *SOME[:1], "weibull,lognormal")
    assert main(["compare", file(bounds), "--lower", "low", "--upper", "high", *out]) == 0
    assert main(["compare", file(DRIVES), *HOW, "--resolution", "1", *out]) == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--candidates", "weibull,bathtub"), "--candidates bathtub: must be"),
        (("--duration", "age"), "age"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(file, refusal, more, words):
    assert words in refusal("compare", file(DRIVES), *HOW, *more)
