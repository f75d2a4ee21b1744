"""The moments of hazards against autodiff of the likelihood, and against the general pass."""

import jax
import numpy as np
import pytest

from survjax import AcceleratedLifetime, Observations
from survjax._core import parallel as _parallel
from survjax._core.precision import double_precision
from survjax.fitting.regression import fit
from survjax.fitting.regression.fit import likelihood_of
from survjax.fitting.regression.penalties import Penalty
from survjax.fitting.regression.starts import START_ROWS, location_start
from survjax.lifetimes import Exponential, LogNormal, Weibull
from survjax.likelihood.regression.columns import Columns, collinear
from survjax.likelihood.regression.forms import Predictor, accelerated
from survjax.likelihood.regression.hazard_moments import HazardMoments
from survjax.likelihood.regression.likelihood import Likelihood, predictors
from survjax.likelihood.rows import log_contributions

FAMILIES = {"weibull": Weibull(0.0, 0.0), "exponential": Exponential(0.0)}

P = 3


def data(n, kind="right"):
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, P)) * [1.0, 20.0, 0.1] + [0.0, 300.0, 1.0]
    lives = 30.0 * rng.weibull(1.7, n)
    entry = np.where(np.arange(n) % 2 == 0, 0.4 * lives, 0.0) if kind == "entry" else None
    weight = rng.choice([0.0, 0.5, 3.0], n) if kind != "right" else None
    event = rng.random(n) < 0.6
    return x, Observations.from_durations(lives, event, entry=entry, sample_weight=weight)


def model(family):
    layout = (Predictor("log_scale", (0, 1, 3)), Predictor("log_shape", (0,)))
    form = accelerated(FAMILIES[family])
    theta = np.array([3.3, 0.2, -0.4, 0.3])[: 3 + (family == "weibull")]
    return form, layout[: len(form.names)], theta


@pytest.mark.parametrize("kind", ["right", "entry", "weights"])
@pytest.mark.parametrize("family", ["weibull", "exponential"])
@double_precision
def test_derivatives_are_those_of_autodiff(family, kind):
    form, layout, theta = model(family)
    x, rows = data(60, kind)
    columns = Columns.of(x, rows.weight)

    def value(theta):
        eta = predictors(layout, theta, (x - columns.center) / columns.scale)
        return (rows.weight * log_contributions(form.lifetime(eta), rows)).sum()

    found = likelihood_of(form, layout, rows, x, columns)
    assert isinstance(found, HazardMoments)
    oracle = jax.jit(lambda t: (value(t), jax.grad(value)(t), jax.hessian(value)(t)))
    for ours, exact in zip(found(theta), oracle(theta), strict=True):
        np.testing.assert_allclose(ours, exact, rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("kind", ["right", "entry"])
@double_precision
def test_blocks_and_threads_change_nothing(kind, monkeypatch):
    form, layout, theta = model("weibull")
    x, rows = data(1007, kind)
    columns = Columns.of(x, rows.weight)
    general = Likelihood(form, layout, rows, x, columns)(theta)
    monkeypatch.setattr(_parallel, "MOST_PRODUCTS", 64 * (P + 2) ** 2)
    monkeypatch.setattr(_parallel, "PARALLEL_ROWS", 100)
    monkeypatch.setattr(_parallel, "n_threads", lambda: 3)
    found = HazardMoments(form, layout, rows, x, columns)
    assert len(found.blocks) > 9
    for ours, exact in zip(found(theta), general, strict=True):
        np.testing.assert_allclose(ours, exact, rtol=1e-10, atol=1e-9)


@double_precision
def test_other_models_and_rows_go_to_the_general_pass():
    form, layout, _ = model("weibull")
    x, rows = data(20)
    columns = Columns.of(x, rows.weight)
    steep = (layout[0], Predictor("log_shape", (0, 1)))
    intervals = Observations.from_intervals(rows.lower, rows.lower + 1.0)
    for other in (
        (accelerated(LogNormal(0.0, 0.0)), layout, rows),
        (form, steep, rows),
        (form, layout, intervals),
    ):
        assert isinstance(likelihood_of(*other, x, columns), Likelihood)


@pytest.mark.parametrize("penalty", [0.0, 0.01])
def test_few_rows_that_stand_for_all_leave_few_passes_over_them(penalty, monkeypatch):
    n = 4 * START_ROWS + 1
    x, rows = data(n)
    y = np.column_stack([rows.lower * np.exp(0.3 * x[:, 0]), rows.event])
    passes, call = [], HazardMoments.__call__

    def counted(self, theta):
        passes.append(self.event_weight.size)
        return call(self, theta)

    monkeypatch.setattr(HazardMoments, "__call__", counted)
    found = AcceleratedLifetime(penalty=penalty).fit(x, y)
    assert passes.count(n) <= 4
    monkeypatch.setattr(fit, "START_ROWS", n)
    plain = AcceleratedLifetime(penalty=penalty).fit(x, y)
    error = np.sqrt(np.diag(plain.covariance_))
    assert np.max(np.abs(found.parameters_ - plain.parameters_) / error) < 1e-8


@pytest.mark.parametrize("n", [16_400, 4 * START_ROWS + 1000])
def test_rows_without_weight_stand_for_nothing_in_a_sample(n):
    x, rows = data(n)
    # Every so many rows, from the first one on, would be rows without weight.
    weight = np.arange(n) % 2.0
    columns, (center, scale) = Columns.of(x, weight), (x[1::2].mean(axis=0), x[1::2].std(axis=0))
    assert np.all(np.abs(columns.center - center) < 0.1 * scale)
    np.testing.assert_allclose(columns.scale, scale, rtol=0.1)
    assert np.all(np.isfinite(location_start(rows.reweighted(weight))))
    assert collinear(x, weight) == []
    assert collinear(np.column_stack([x, x[:, 0] + x[:, 1]]), weight) == [[3, 0, 1]]
    y = np.column_stack([rows.lower * np.exp(0.3 * x[:, 0]), rows.event])
    thinned = AcceleratedLifetime().fit(x[1::2], y[1::2])
    weighted = AcceleratedLifetime().fit(x, y, sample_weight=weight)
    error = np.sqrt(np.diag(thinned.covariance_))
    assert np.max(np.abs(weighted.parameters_ - thinned.parameters_) / error) < 1e-8


@pytest.mark.parametrize("ridge", [0.0, 3.0])
def test_few_rows_that_mislead_change_no_answer(ridge):
    form, layout, theta = model("weibull")
    x, rows = data(400)
    columns = Columns.of(x, rows.weight)
    likelihood = HazardMoments(form, layout, rows, x, columns)
    penalty = Penalty(np.full(theta.size, ridge), np.zeros(theta.size))
    alone = fit.maximize(likelihood, theta, 1e-9, 100, penalty)
    others = rows.take(slice(0, 400, 7)), x[::7][::-1]
    broken = HazardMoments(form, layout, *others, columns)
    broken.blocks = np.full_like(broken.blocks, np.nan)
    for few in (HazardMoments(form, layout, *others, columns), broken):
        found = fit.maximize_with_few(likelihood, few, theta, 1e-9, 100, penalty)
        assert found.code == 1
        np.testing.assert_allclose(found.value, alone.value, rtol=1e-13)
        np.testing.assert_allclose(found.x, alone.x, rtol=1e-7)
        np.testing.assert_allclose(found.hessian, alone.hessian, rtol=1e-5)


@pytest.mark.parametrize("n", [25_001, 50_001, 100_001])
@double_precision
def test_a_row_too_far_out_for_the_answer_of_the_few_is_fitted_like_any_other(n):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 1))
    y = np.column_stack([10 * np.exp(0.1 * x[:, 0]) * rng.weibull(100.0, n), np.ones(n)])
    y[1] = [1e5, 0.0]
    found = AcceleratedLifetime().fit(x, y)
    assert found.converged_
    fitted, rows = found._fitted, Observations.from_durations(y[:, 0], y[:, 1])
    general = Likelihood(fitted.form, fitted.layout, rows, x, fitted.columns)
    value, gradient, hessian = general(fitted.theta)
    assert -gradient @ np.linalg.solve(hessian, gradient) < 1e-12
    np.testing.assert_allclose(found.log_likelihood_, value, rtol=1e-12)


def test_each_family_agrees_with_itself_under_a_split_of_the_rows():
    x, rows = data(400)
    y = np.column_stack([rows.lower, rows.event])
    for family in ("weibull", "lognormal", "loglogistic", "exponential"):
        whole = AcceleratedLifetime(family).fit(x, y)
        doubled = AcceleratedLifetime(family).fit(
            np.concatenate([x, x]), np.concatenate([y, y]), sample_weight=np.full(800, 0.5)
        )
        np.testing.assert_allclose(doubled.parameters_, whole.parameters_, rtol=1e-8, atol=1e-9)
