"""Covariates on the command line: rounded durations, and the number of components."""

import re

import numpy as np
import pandas as pd
import pytest

import survjax
from survjax import AcceleratedLifetime, MixtureRegression, survival_target
from survjax.cli import main
from survjax.datasets import load_pumps


def rounded(n=120, seed=0):
    """Months, rounded down: ties, failures at 0, late entry, units still running, a covariate."""
    rng = np.random.default_rng(seed)
    load = rng.normal(size=n).round(2)
    lives = np.exp(2.0 - 0.4 * load) * rng.weibull(1.1, n)
    end = rng.uniform(3.0, 20.0, n)
    failed = lives <= end
    age = np.where(failed, np.floor(lives), end.round(2))
    # Some were seen from the very month of their failure on.
    entry = np.where(np.arange(n) % 4 == 0, np.where(failed, age, np.floor(age / 2)), 0.0)
    table = pd.DataFrame({"age": age, "failed": failed.astype(int), "load": load, "entry": entry})
    assert (age[failed] == 0).any() and table.duplicated("age").any()
    assert ((entry == age) & failed & (entry > 0)).any()
    return table


BASE = ("--covariates", "load", "--no-pictures")
BY_DURATION = (*BASE, "--duration", "age", "--event", "failed")


@pytest.mark.parametrize("components", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_rounded_durations_are_the_intervals_that_one_would_write(file, tmp_path, components):
    table = rounded()
    failed = table["failed"] == 1
    bounds = table.assign(lower=table["age"], upper=np.where(failed, table["age"] + 1, np.nan))
    more = ("--entry", "entry", "--components", components, "--horizon", "1")
    one = file(table.to_csv(index=False), "ages.csv")
    other = file(bounds.to_csv(index=False), "bounds.csv")
    how = ("--resolution", "1", "--rounding", "down")
    assert main(["fit", one, *BY_DURATION, *more, *how, "--out", str(tmp_path / "a")]) == 0
    columns = ("--lower", "lower", "--upper", "upper")
    assert main(["fit", other, *BASE, *columns, *more, "--out", str(tmp_path / "b")]) == 0
    for name in ("rul.csv", "model.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    found = pd.read_csv(tmp_path / "a" / "rul.csv")
    np.testing.assert_array_equal(found["age"], table["age"][~failed])
    model = AcceleratedLifetime() if components == "1" else MixtureRegression(2)
    y = survival_target(table["age"], np.where(failed, table["age"] + 1, np.inf))
    model.fit(table[["load"]], y, entry=table["entry"])
    expected = model.predict_rul(table[["load"]][~failed], table["age"][~failed])
    np.testing.assert_allclose(found[list(expected)], expected, rtol=1e-8)
    loaded = survjax.load(tmp_path / "a" / "model.json")
    assert loaded.log_likelihood_ == model.log_likelihood_


def test_rounding_up_and_a_width_that_is_found(file, tmp_path, capsys):
    table = rounded()
    failed = table["failed"] == 1
    up = table.assign(age=np.where(failed, table["age"] + 1, np.ceil(table["age"])), entry=0.0)
    path = file(up.to_csv(index=False))
    more = ("--components", "1", "--out", str(tmp_path / "out"))
    assert main(["fit", path, *BY_DURATION, "--resolution", "auto", *more]) == 0
    said = capsys.readouterr().err
    assert "note: --resolution auto: 1, the smallest gap between durations" in said
    lower = np.where(failed, up["age"] - 1, up["age"])
    y = survival_target(lower, np.where(failed, up["age"], np.inf))
    model = AcceleratedLifetime().fit(up[["load"]], y)
    loaded = survjax.load(tmp_path / "out" / "model.json")
    assert loaded.log_likelihood_ == model.log_likelihood_


def test_a_width_that_cannot_be_is_refused_in_the_words_of_the_options(file, refusal):
    path = file(rounded().query("age > 0").to_csv(index=False))
    said = refusal("fit", path, *BY_DURATION, "--resolution", "1e-20")
    assert said.startswith("resolution must be coarser than the rounding errors")
    path = file(rounded().to_csv(index=False))
    said = refusal("fit", path, *BY_DURATION, "--resolution", "1")
    assert "column 'age' is 0 for a failed unit" in said
    late = ("--entry", "entry", "--rounding", "down")
    said = refusal("fit", file(rounded().query("age > 0").to_csv(index=False)), *BY_DURATION, *late)
    assert "not below the unit's age" in said


def test_bounds_say_how_wide_they_are(file, refusal):
    path = file("low,high,load\n1,2,3\n2,,4\n")
    columns = ("--lower", "low", "--upper", "high", "--covariates", "load", "--resolution", "1")
    assert "--resolution goes with --duration" in refusal("fit", path, *columns)


@pytest.fixture(scope="module")
def pumps(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "pumps.csv"
    load_pumps().astype({"failed": int, "in_service": int}).to_csv(path, index=False)
    columns = ("--duration", "duration", "--event", "failed", "--entry", "entry", "--no-pictures")
    return ("fit", str(path), *columns, "--in-service", "in_service", "--covariates", "maker")


def fits(pumps):
    """The fits that are compared, in Python."""
    x, y = load_pumps()[["maker"]].eq("Borel"), load_pumps()[["duration", "failed"]].to_numpy(float)
    for model in (AcceleratedLifetime(), MixtureRegression(2), MixtureRegression(3)):
        yield model.fit(x, y, entry=load_pumps()["entry"])


@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["bic", "aic", "icl"])
def test_the_line_names_the_criterion_that_chose(pumps, tmp_path, capsys, criterion):
    more = ("--components", criterion, "--animation", "--out", str(tmp_path / "out"))
    assert main([*pumps, *more]) == 0
    said = capsys.readouterr().out
    values = [getattr(model, f"{criterion}_", model.bic_) for model in fits(pumps)]
    line = f"{criterion.upper()} by number of components: 1: {values[0]:.2f}, 2: {values[1]:.2f}"
    assert f"{line}, 3: {values[2]:.2f}\n" in said
    best = 1 + int(np.argmin(values))
    assert f"{best} Weibull components with covariates" in said
    assert "newton.gif" not in said


def test_more_components_are_tried_only_while_they_are_better(file, tmp_path, capsys):
    rng = np.random.default_rng(0)
    load = rng.normal(size=200)
    lives = np.exp(2.0 - 0.4 * load) * rng.weibull(2.0, 200)
    path = file(pd.DataFrame({"age": lives, "load": load}).to_csv(index=False))
    out = ("--out", str(tmp_path / "out"))
    assert main(["fit", path, *BASE, "--duration", "age", *out]) == 0
    said = capsys.readouterr().out
    assert "1 Weibull with covariates" in said
    assert re.search(r"BIC by number of components: 1: [\d.]+, 2: (no maximum|[\d.]+)\n", said)


@pytest.mark.slow
def test_tied_failures_of_a_mixture_are_mentioned(file, tmp_path, capsys):
    table = rounded().query("age > 0")
    path = file(table.to_csv(index=False))
    more = ("--components", "2", "--out", str(tmp_path / "out"))
    assert main(["fit", path, *BY_DURATION, *more]) in (0, 3)
    assert "failures share their time with another" in capsys.readouterr().err
    assert main(["fit", path, *BY_DURATION, *more, "--resolution", "1", "--rounding", "down"]) == 0
    assert "share their time" not in capsys.readouterr().err
