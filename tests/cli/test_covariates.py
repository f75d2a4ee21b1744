"""Covariates on the command line: what they are read as, what is refused, what is written."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import survjax
from survjax.cli import main
from survjax.cli._arguments import build_parser
from survjax.cli._columns import Checker, needed_columns
from survjax.cli._reading import read_table
from survjax.cli.covariates.columns import MOST_LEVELS, named_covariates, read_covariates
from survjax.datasets import load_pumps

GOOD = "unit,age,failed,load,maker,hot\n" + "".join(
    f"u{i},{1.5 + i},{int(i % 3 > 0)},{i * 7 % 11 / 10},{'ABBC'[i % 4]},{'yn'[i % 2]}\n"
    for i in range(12)
)
USUAL = ("--duration", "age", "--event", "failed", "--id", "unit")


def read(path, *options):
    """What the command line makes of covariates, before any fit."""
    arguments = build_parser().parse_args(["fit", path, *USUAL, *options])
    roles = needed_columns(arguments)
    names = named_covariates(arguments.covariates, roles)
    table = read_table(Path(path), [*roles.values(), *names])
    return read_covariates(Checker(table, roles, arguments), names)


def test_numbers_stay_and_text_becomes_levels_against_the_most_frequent(file):
    found = read(file(GOOD), "--covariates", "load,maker")
    assert found.names == ["load", "maker=A", "maker=C"]
    assert found.levels == {"maker": ["B", "A", "C"]}
    np.testing.assert_array_equal(found.values[:4, 1:], [[1, 0], [0, 0], [0, 0], [0, 1]])
    np.testing.assert_allclose(found.values[:3, 0], [0.0, 0.7, 0.3])
    (note,) = found.notes
    assert note == "column 'maker' holds text, 3 values: effects are against 'B', the most frequent"


def test_covariates_may_be_listed_or_repeated_and_flags_are_numbers(file):
    flags = GOOD.replace(",y\n", ",true\n").replace(",n\n", ",False\n")
    one = read(file(flags), "--covariates", "load, hot")
    two = read(file(flags), "--covariates", "load", "--covariates", "hot")
    assert one.names == two.names == ["load", "hot"]
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.values[:2, 1], [1.0, 0.0])


REFUSED = {
    "no such column": (GOOD, "laod", "no column 'laod'; did you mean 'load'?"),
    "empty name": (GOOD, "load,", "--covariates has an empty name"),
    "twice": (GOOD, "load,load", "--covariates names column 'load' twice"),
    "the duration": (GOOD, "age", "column 'age' is --duration, and cannot be a covariate too"),
    "missing": (GOOD.replace("0.7,", ","), "load", "'load' has no value in line 3"),
    "missing text": (GOOD.replace("B", "NA"), "maker", "'maker' has no value in line 3 (6 such"),
    "a word among numbers": (GOOD.replace("0.7", "high"), "load", "holds text, 'high', in line 3"),
    "infinite": (GOOD.replace(",0.0,", ",inf,"), "load", "'load' is not finite, 'inf', in line 2"),
    "the event": (GOOD, "hot,failed", "column 'failed' is --event, and cannot"),
    "names of units": (GOOD, "unit", "column 'unit' is --id, and cannot"),
}


@pytest.mark.parametrize(("content", "covariates", "words"), REFUSED.values(), ids=REFUSED)
def test_covariates_that_cannot_be_used_are_refused_in_one_line(
    file, refusal, content, covariates, words
):
    assert words in refusal("fit", file(content), *USUAL, "--covariates", covariates)


def test_a_column_without_differences_or_with_too_many_levels_is_refused(file, refusal):
    path = file("age,failed,k,w,many\n" + "".join(f"{i + 1},1,7,same,m{i}\n" for i in range(20)))
    base = ("fit", path, "--duration", "age", "--event", "failed", "--covariates")
    assert "column 'k' is 7 in every row" in refusal(*base, "k")
    assert "column 'w' is 'same' in every row" in refusal(*base, "w")
    said = refusal(*base, "many")
    assert f"20 different values, such as 'm0': at most {MOST_LEVELS} can have effects" in said


def test_names_with_commas_are_quoted_as_in_a_file(file):
    text = GOOD.replace("load", '"load, kN"', 1)
    assert read(file(text), "--covariates", 'maker,"load, kN"').names[-1] == "load, kN"
    assert read(file(text.replace("hot", "--out", 1)), "--covariates=--out").names == ["--out=y"]


def test_names_that_the_answer_needs_for_itself_are_refused(file, refusal):
    path = file(GOOD.replace("load", "intercept", 1))
    said = refusal("fit", path, *USUAL, "--covariates", "intercept")
    assert said == "a covariate cannot be called 'intercept', as a parameter is: rename it"
    path = file(GOOD.replace("load", "maker=A", 1))
    said = refusal("fit", path, *USUAL, "--covariates", "maker=A,maker")
    assert said.startswith("column 'maker=A' has the name of a value of 'maker': leave one of them")


def test_dates_are_refused_with_what_to_do(file, refusal):
    rows = "".join(f"{i + 1},1,2001-0{1 + i % 9}-{10 + i}\n" for i in range(20))
    said = refusal("fit", file("age,failed,built\n" + rows), *USUAL[:4], "--covariates", "built")
    assert said.startswith("column 'built' holds dates, such as '2001-01-10': an effect needs num")


def test_a_column_in_a_unit_that_hides_its_effect_is_mentioned(file):
    lines = GOOD.splitlines()
    rows = [f"{x},{1e7 * float(x.split(',')[3])}" for x in lines[1:]]
    found = read(file("\n".join([f"{lines[0]},grams", *rows])), "--covariates", "load,grams")
    (note,) = found.notes
    assert note.startswith("column 'grams' has a standard deviation of 3.3e+06")
    assert note.endswith("hard to read; divide it by 1e+07, say")


def test_without_failures_that_is_all_there_is_to_say(file, refusal, capsys):
    path = file(GOOD.replace(",1,", ",0,"))
    assert refusal("fit", path, *USUAL, "--covariates", "load") == (
        "none of the 12 units has failed: a fit needs failures"
    )


def test_an_effect_that_runs_off_is_told_in_plain_words(file, tmp_path, capsys):
    rows = "".join(f"{2.5 + i % 7},{int(i % 3 > 0)},{int(i % 3 > 0)}\n" for i in range(30))
    more = ("--components", "1", "--no-pictures", "--out", str(tmp_path / "out"))
    path = file("age,failed,leak\n" + rows)
    assert main(["fit", path, *USUAL[:4], "--covariates", "leak", *more]) == 3
    said = capsys.readouterr()
    assert "the data leave life where all covariates are 0 open" in said.out
    assert "the data leave the effect of 'leak' on life open. Drop or merge" in said.err
    assert "penalty" not in said.err and "log_scale" not in said.out + said.err
    assert "nan" not in said.out and "none" in said.out


def test_two_units_are_not_refused_for_what_was_only_tried(file, tmp_path, capsys):
    path = file("age,failed,load\n4.7,0,1.025\n6.5,1,0.97\n")
    more = ("--covariates", "load", "--no-pictures", "--out", str(tmp_path / "out"))
    assert main(["fit", path, *USUAL[:4], *more]) == 3
    assert "1 failure for 1 effect" in capsys.readouterr().err


def test_columns_that_say_the_same_are_refused_in_the_words_of_the_options(file, refusal):
    lines = GOOD.splitlines()
    text = "\n".join(
        [f"{lines[0]},kilo", *(f"{x},{float(x.split(',')[3]) / 1e3}" for x in lines[1:])]
    )
    said = refusal("fit", file(text), *USUAL, "--covariates", "load,kilo", "--components", "1")
    assert said == (
        "collinear columns: 'kilo' is a linear combination of 'load': leave one of them out of "
        "--covariates"
    )


@pytest.fixture(scope="module")
def pumps(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "pumps.csv"
    load_pumps().astype({"failed": int, "in_service": int}).to_csv(path, index=False)
    return str(path)


PUMPS = (
    "--duration",
    "duration",
    *USUAL[2:],
    "--entry",
    "entry",
    "--in-service",
    "in_service",
    "--covariates",
    "maker",
)


def test_effects_remaining_lives_model_and_pictures_are_written(pumps, tmp_path, capsys):
    out = tmp_path / "out"
    options = ("--components", "1", "--horizon", "2", "--unit", "years", "--out", str(out))
    assert main(["fit", pumps, *PUMPS, *options]) == 0
    said = capsys.readouterr()
    assert "column 'maker' holds text, 2 values" in said.err
    plainer = survjax.WeibullMixture(1)
    table = load_pumps()
    plainer.fit(table["duration"], table["failed"], entry=table["entry"])
    assert f"without the covariates: BIC {plainer.bic_:.2f}, " in said.out
    assert "1 Weibull with covariates" in said.out and "factors on life" in said.out
    assert max(map(len, said.out.replace(str(out), "").splitlines())) <= 100
    names = {path.name for path in out.iterdir()}
    assert names == {"rul.csv", "model.json", "effects.png", "partial_1.png"}
    for name in ("effects.png", "partial_1.png"):
        with Image.open(out / name) as picture:
            assert picture.size[0] >= 600
            assert np.mean(np.asarray(picture.convert("L")) < 250) > 0.02
    table, model = load_pumps(), survjax.load(out / "model.json")
    running = table[table["in_service"]]
    x = pd.DataFrame({"maker=Borel": (running["maker"] == "Borel").to_numpy(float)})
    found = pd.read_csv(out / "rul.csv", index_col="unit")
    assert list(found.index) == list(running["unit"])
    expected = model.predict_rul(x, running["duration"])
    np.testing.assert_allclose(found[list(expected)], expected, rtol=1e-8)
    risk = model.failure_probability(x, running["duration"], 2.0)["failure_probability"]
    np.testing.assert_allclose(found["failure_probability"], risk, rtol=1e-8)


def test_no_running_unit_leaves_a_table_of_no_rows(file, tmp_path, capsys):
    text = GOOD.replace(",0,", ",1,")
    out = ("--components", "1", "--no-pictures", "--out", str(tmp_path / "out"))
    assert main(["fit", file(text), *USUAL, "--covariates", "load", *out]) == 0
    said = capsys.readouterr()
    assert "12 failures for 1 effect: bounds will be wide" in said.err
    assert "no unit is still running: rul.csv has no rows" in said.out
    assert (tmp_path / "out" / "rul.csv").read_text().startswith("unit,age,mean,mean_lower")


def test_the_values_of_a_text_share_a_picture(file, tmp_path, monkeypatch):
    from survjax.cli.covariates import job as covariates_job

    seen, draw = [], covariates_job.save
    monkeypatch.setattr(covariates_job, "save", lambda ax, path: seen.append(ax) or draw(ax, path))
    names = [f"L{i}" for i in range(6)]
    rng = np.random.default_rng(0)
    kind, lives = np.arange(120) % 6, rng.weibull(2.0, 120)
    table = pd.DataFrame({"age": lives * (1 + kind), "kind": np.take(names, kind)})
    table["load"] = rng.normal(size=120)
    path = file(table.to_csv(index=False))
    more = ("--components", "1", "--out", str(tmp_path / "out"))
    assert main(["fit", path, "--duration", "age", "--covariates", "load,kind", *more]) == 0
    titles = {ax.get_title("left"): ax for ax in seen}
    assert list(titles) == ["Effects on life", "Survival by kind", "Survival by load"]
    shown = [text.get_text() for text in titles["Survival by kind"].get_legend().get_texts()]
    # All are as frequent: the first is what others are against; then the most different.
    assert shown[0] == "L0" and set(shown[1:4]) == {"L3", "L4", "L5"}
    # Of the data only what stands for single values has a curve.
    assert shown[4:] == ["Kaplan-Meier (data)"]
    assert len(titles["Survival by kind"].lines) == 9 and len(titles["Survival by load"].lines) == 3


@pytest.mark.slow
def test_the_number_of_components_is_chosen_by_the_criterion(pumps, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["fit", pumps, *PUMPS, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "2 Weibull components with covariates" in said
    assert "BIC by number of components: 1: 1795.39, 2: 1614.66" in said
    names = {path.name for path in out.glob("effects*")}
    assert names == {"effects_scale_1.png", "effects_scale_2.png", "effects_weight_2.png"}
    assert survjax.load(out / "model.json").n_components == 2
