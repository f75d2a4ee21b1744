"""Units that were seen only because they failed by their exit.

References: closed forms and programs of R (the AIDS data of Kalbfleisch and Lawless 1989), and
likelihoods that are written, and maximized, here.
"""

from __future__ import annotations

import csv
import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize

from survjax import (
    AcceleratedLifetime,
    CompetingRisks,
    FitWarning,
    LifetimeModel,
    MixtureRegression,
    NoFiniteMaximum,
    ScaledHazard,
    Weibull,
    WeibullMixture,
    compare,
    priors,
)
from survjax.lifetimes import Cured

FOLDER = Path(os.environ.get("SURVJAX_DATA", "none"))


def simulated(n=250):
    """Covariates, lives and exits of units that failed by their exit."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    lives, exits = 10.0 * np.exp(0.4 * x) * rng.weibull(2.0, n), rng.uniform(5.0, 20.0, n)
    seen = lives <= exits
    return x[seen], lives[seen], exits[seen]


X, LIVES, EXITS = simulated()


def log_cdf(hazard):
    return np.log(-np.expm1(-hazard))


def maximized(value, start):
    """The highest value of a function, by SciPy."""
    return -optimize.minimize(lambda p: -value(p), start, tol=1e-9).fun


def weibull(p, times=LIVES, exits=EXITS, effect=0.0):
    """Log-likelihood of a Weibull of log scale and log shape, given failure by the exit."""
    shape = np.exp(p[1])
    z, end = (shape * (np.log(t) - p[0] - effect) for t in (times, exits))
    return np.sum(p[1] + z - np.log(times) - np.exp(z) - log_cdf(np.exp(end)))


def test_a_fit_is_the_maximum_given_failure_by_the_exit():
    model = LifetimeModel("weibull").fit(LIVES, exit=EXITS)
    assert model.converged_
    assert model.log_likelihood_ == pytest.approx(maximized(weibull, [2.0, 0.5]), rel=1e-10)
    score = model.score(LIVES, exit=EXITS)
    assert score * LIVES.size == pytest.approx(model.log_likelihood_, rel=1e-12)
    blind = LifetimeModel("weibull").fit(LIVES)
    assert blind.mean() < model.mean()


def test_an_endless_exit_changes_nothing():
    plain = LifetimeModel("weibull").fit(LIVES)
    same = LifetimeModel("weibull").fit(LIVES, exit=np.full(LIVES.size, np.inf))
    assert same.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-14)


def test_units_between_entry_and_exit_are_given_both():
    late = LIVES > 2.0
    entry = np.where(late, 2.0, 0.0)
    model = LifetimeModel("weibull").fit(LIVES, entry=entry, exit=EXITS)

    def value(p):
        passed = np.where(late, np.exp(np.exp(p[1]) * (np.log(2.0) - p[0])), 0.0)
        end = np.exp(np.exp(p[1]) * (np.log(EXITS) - p[0]))
        seen = -passed + log_cdf(end - passed)
        return weibull(p) + np.sum(log_cdf(end)) - np.sum(seen)

    assert model.log_likelihood_ == pytest.approx(maximized(value, [2.0, 0.5]), rel=1e-9)


def test_intervals_and_units_still_running_fail_before_their_exit():
    lower, upper = np.floor(LIVES), np.minimum(np.ceil(LIVES), EXITS)
    model = LifetimeModel("weibull").fit_interval(lower, upper, exit=EXITS)

    def value(p):
        shape = np.exp(p[1])
        low, high, end = (
            np.exp(shape * (np.log(np.maximum(t, 1e-300)) - p[0])) for t in (lower, upper, EXITS)
        )
        return np.sum(-low + log_cdf(high - low) - log_cdf(end))

    assert model.log_likelihood_ == pytest.approx(maximized(value, [2.0, 0.5]), rel=1e-9)
    running = np.arange(LIVES.size) % 5 == 0
    bounds = np.where(running, EXITS, LIVES)
    by_event = LifetimeModel("weibull").fit(LIVES, ~running, exit=EXITS)
    by_bounds = LifetimeModel("weibull").fit_interval(LIVES, bounds, exit=EXITS)
    assert by_event.log_likelihood_ == pytest.approx(by_bounds.log_likelihood_, rel=1e-12)


def test_bounds_and_replicates_know_the_exit():
    model = LifetimeModel("weibull").fit(LIVES, exit=EXITS)
    fall = 1.9207294103470621
    shape = model.parameters_[1]
    profile = optimize.brentq(
        lambda log_scale: (
            -optimize.minimize_scalar(lambda s: -weibull([log_scale, s])).fun
            - model.log_likelihood_
            + fall
        ),
        model.parameters_[0],
        model.parameters_[0] + 1.0,
    )
    high = model.confidence_interval("scale", method="profile")[1]
    assert high == pytest.approx(np.exp(profile), rel=1e-4) and np.isfinite(shape)
    model.bootstrap(30)
    low, high = model.confidence_interval("mean", method="bootstrap")
    assert low < model.mean() < high
    with pytest.raises(ValueError, match="kind='rows'"):
        model.bootstrap(30, kind="parametric")


def test_regressions_know_the_exit():
    best = maximized(lambda p: weibull(p[:2], effect=p[2] * X), [2.0, 0.5, 0.0])
    columns = X[:, None]
    for model in (AcceleratedLifetime(), ScaledHazard(baseline=Weibull(2.0, 0.5))):
        model.fit(columns, LIVES, exit=EXITS)
        assert model.converged_
        assert model.log_likelihood_ == pytest.approx(best, rel=1e-10)
        score = model.score(columns, LIVES, exit=EXITS)
        assert score * LIVES.size == pytest.approx(best, rel=1e-10)
    with pytest.raises(ValueError, match="cannot be right truncated"):
        AcceleratedLifetime().fit(columns, LIVES, exit=EXITS, unit=np.arange(LIVES.size))


def test_mixtures_know_the_exit():
    single = LifetimeModel("weibull").fit(LIVES, exit=EXITS)
    two = WeibullMixture(2).fit(LIVES, exit=EXITS)
    assert two.converged_ and two.log_likelihood_ > single.log_likelihood_
    x = two.parameters_
    parts = [weights_and_terms(x, k) for k in (0, 1)]
    given = np.logaddexp(*(p[2] for p in parts))
    value = np.sum(np.logaddexp(*(p[1] for p in parts)) - given)
    assert two.log_likelihood_ == pytest.approx(value, rel=1e-10)
    columns = MixtureRegression(2, n_starts=1, max_iter=60).fit(X[:, None], LIVES, exit=EXITS)
    assert columns.log_likelihood_ > two.log_likelihood_


def weights_and_terms(x, k):
    """Log weight of a component with its log density and log share by the exit."""
    weight = np.array([0.0, x[0]])[k] - np.logaddexp(0.0, x[0])
    shape = np.exp(x[3 + k])
    z, end = (shape * (np.log(t) - x[1 + k]) for t in (LIVES, EXITS))
    density = x[3 + k] + z - np.log(LIVES) - np.exp(z)
    return weight, weight + density, weight + log_cdf(np.exp(end))


def test_several_causes_know_the_exit():
    cause = np.where(np.arange(LIVES.size) % 2 == 0, "wear", "shock")
    model = CompetingRisks({"wear": "weibull", "shock": "weibull"}).fit(LIVES, cause, exit=EXITS)

    def value(p):
        logs, total, end = [], 0.0, 0.0
        for log_scale, log_shape in (p[:2], p[2:]):
            z = np.exp(log_shape) * (np.log(LIVES) - log_scale)
            logs.append(log_shape + z - np.log(LIVES))
            total = total + np.exp(z)
            end = end + np.exp(np.exp(log_shape) * (np.log(EXITS) - log_scale))
        return np.sum(np.where(cause == "wear", *logs) - total - log_cdf(end))

    best = maximized(value, [3.0, 0.5, 3.0, 0.5])
    assert model.log_likelihood_ == pytest.approx(best, rel=1e-9)


def test_lifetimes_are_compared_given_failure_by_the_exit():
    table = compare(["weibull", "lognormal"], LIVES, exit=EXITS).table
    model = LifetimeModel("weibull").fit(LIVES, exit=EXITS)
    assert table["log_likelihood"]["weibull"] == pytest.approx(model.log_likelihood_, rel=1e-12)


@pytest.fixture(scope="module")
def aids():
    """Induction times and exits by age group, and what R and closed forms say of them."""
    if not FOLDER.is_dir():
        pytest.skip("SURVJAX_DATA is not set")
    with open(FOLDER / "r_kmsurv" / "aids.csv", encoding="utf-8") as file:
        rows = [[float(row[name]) for name in ("infect", "induct", "adult")]
                for row in csv.DictReader(file)]  # fmt: skip
    infect, induct, adult = np.array(rows).T
    text = (FOLDER / "reference" / "families_refs.json").read_text(encoding="utf-8")
    groups = [(induct[adult == g], 8.0 - infect[adult == g]) for g in (0, 1)]
    return groups, json.loads(text)


@pytest.mark.parametrize("family", ["exponential", "lognormal", "loglogistic"])
def test_fits_to_children_are_those_of_r(aids, family):
    (lives, exits), references = aids[0][0], aids[1]["special"]
    wanted = next(r for r in references if r.get("model") == f"right_truncated_{family}")
    model = LifetimeModel(family).fit(lives, exit=exits)
    assert model.log_likelihood_ == pytest.approx(wanted["loglik"], abs=1e-8)
    natural = dict(zip(model.parameter_names_, np.exp(model.parameters_), strict=True))
    own = {"scale": natural["log_scale"], "shape": natural.get("log_shape")}
    own |= {"mu": np.log(natural["log_scale"]), "sigma": 1.0 / natural.get("log_shape", 1.0)}
    for name, value in wanted["est"].items():
        assert abs(own[name] - value) < 1e-5 * wanted["se"][name]


@pytest.mark.parametrize("family", ["exponential", "weibull", "loglogistic"])
def test_a_scale_that_the_exits_leave_open_is_said(aids, family):
    lives, exits = aids[0][1]
    with pytest.raises(NoFiniteMaximum, match="failed by their exit .* the scale grows without"):
        LifetimeModel(family).fit(lives, exit=exits)


def test_a_known_scale_closes_what_the_exits_leave_open(aids):
    lives, exits = aids[0][1]
    limits = {"scale": (None, 1e5)}
    model = LifetimeModel("weibull", bounds=limits).fit(lives, exit=exits)
    supremum = aids[1]["no_finite_maximum"]["right_truncation"]["supremum_loglik"]["weibull"]
    assert model.certificate_.at_bounds == ("scale",)
    assert supremum - 1e-3 < model.log_likelihood_ < supremum


def test_regressions_and_causes_say_so_too(aids):
    lives, exits = aids[0][1]
    x = np.arange(lives.size)[:, None] % 3
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", FitWarning)
        AcceleratedLifetime("exponential").fit(x, lives, exit=exits)
    assert "the scale grows without end" in str(told[-1].message)
    cause = np.where(x[:, 0] == 0, "a", "b")
    with pytest.raises(NoFiniteMaximum, match="the scale grows without end"):
        CompetingRisks({"a": "weibull", "b": "weibull"}).fit(lives, cause, exit=exits)


def followed_too(n=200):
    """The units of `simulated`, and others that were followed, two in five of which never fail."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=n)
    lives = np.where(rng.random(n) < 0.4, np.inf, 10.0 * np.exp(0.4 * x) * rng.weibull(2.0, n))
    ends = rng.uniform(5.0, 30.0, n)
    times = np.concatenate([LIVES, np.minimum(lives, ends)])
    event = np.concatenate([np.ones(LIVES.size), lives <= ends])
    exits = np.concatenate([EXITS, np.full(n, np.inf)])
    return np.concatenate([X, x])[:, None], times, event, exits


CURABLE = Cured(Weibull(0.0, 0.0), 0.0)


def test_a_cured_share_is_not_identified_where_only_failed_units_were_seen():
    for model in (LifetimeModel(CURABLE), WeibullMixture(2, cured=True)):
        with pytest.raises(NoFiniteMaximum, match="cured share is not identified"):
            model.fit(LIVES, exit=EXITS)
    for model in (
        AcceleratedLifetime(CURABLE),
        AcceleratedLifetime(CURABLE, on={"cured_share": "all"}),
        MixtureRegression(1, cured=True),
    ):
        with pytest.raises(NoFiniteMaximum, match="cured share is not identified"):
            model.fit(X[:, None], LIVES, exit=EXITS)
    # What is known of the share changes nothing of the others.
    plain = LifetimeModel("weibull").fit(LIVES, exit=EXITS)
    for known in (
        {"fixed": {"cured_share": 0.3}},
        {"priors": {"cured_share": priors.Beta(3.0, 7.0)}},
    ):
        model = LifetimeModel(CURABLE, **known).fit(LIVES, exit=EXITS)
        np.testing.assert_allclose(model.parameters_[:2], plain.parameters_, atol=1e-6)
        assert model.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-10)
        assert model.lifetime_.share == pytest.approx(0.3, abs=1e-6)
        assert np.isinf(model.mean())


def test_units_that_were_followed_tell_the_share_that_never_fails():
    x, times, event, exits = followed_too()
    bounded = np.isfinite(exits)

    def log_likelihood(p, effect=0.0):
        never, shape = 1.0 / (1.0 + np.exp(-p[2])), np.exp(p[1])
        z = shape * (np.log(times) - p[0] - effect)
        failed = np.log1p(-never) + p[1] + z - np.log(times) - np.exp(z)
        running = np.log(never + (1.0 - never) * np.exp(-np.exp(z)))
        end = shape * (np.log(np.where(bounded, exits, 1.0)) - p[0] - effect)
        seen = np.where(bounded, np.log1p(-never) + log_cdf(np.exp(end)), 0.0)
        return np.sum(np.where(event > 0, failed, running) - seen)

    model = LifetimeModel(CURABLE).fit(times, event, exit=exits)
    best = maximized(log_likelihood, [2.3, 0.7, -0.5])
    assert model.log_likelihood_ == pytest.approx(best, rel=1e-9)
    mixed = WeibullMixture(1, cured=True).fit(times, event, exit=exits)
    np.testing.assert_allclose(mixed.cured_share_, model.lifetime_.share, rtol=1e-6)
    both = np.column_stack([times, event])
    moved = AcceleratedLifetime(CURABLE).fit(x, both, exit=exits)
    best = maximized(lambda p: log_likelihood(p[:3], p[3] * x[:, 0]), [2.3, 0.7, -0.5, 0.4])
    assert moved.log_likelihood_ == pytest.approx(best, rel=1e-9)
    same = MixtureRegression(1, cured=True, on=["scale"], n_starts=4).fit(x, both, exit=exits)
    assert same.log_likelihood_ == pytest.approx(best, rel=1e-9)
