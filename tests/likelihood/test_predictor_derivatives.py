"""Derivatives in predictors and coefficients agree with autodiff of the likelihood."""

import dataclasses

import jax
import numpy as np
import pytest

from survjax import Mixture, Observations, Weibull
from survjax._core.precision import double_precision
from survjax.lifetimes import LogLogistic, LogNormal
from survjax.likelihood.executors import CPU_WITH_COLUMNS
from survjax.likelihood.regression import likelihood as module
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.forms import Predictor, accelerated, scaled, weibull_mixture
from survjax.likelihood.regression.likelihood import Likelihood, predictors
from survjax.likelihood.regression.predictor_derivatives import (
    general_predictor_derivatives,
    predictor_derivatives,
)
from survjax.likelihood.rows import log_contributions

N, P = 40, 3


def forms():
    base = Mixture(np.array([0.3]), Weibull(np.array([0.5, 1.5]), np.array([0.1, 0.8])))
    return {
        "weibull": accelerated(Weibull(0.0, 0.0)),
        "lognormal": accelerated(LogNormal(0.0, 0.0)),
        "loglogistic": accelerated(LogLogistic(0.0, 0.0)),
        "scaled": scaled(base),
        "mixture": weibull_mixture(2),
    }


def layout_of(form):
    wide = ("log_scale", "log_ratio", "logit_weight")
    return tuple(
        Predictor(name, tuple(range(P + 1)) if name.startswith(wide) else (0,))
        for name in form.names
    )


def data(kind):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(N, P)) * [1.0, 20.0, 0.1] + [0.0, 300.0, 1.0]
    lower = rng.weibull(1.5, N) * 3.0
    if kind == "interval":
        upper = np.where(np.arange(N) % 3 == 0, np.inf, lower + rng.exponential(size=N))
        lower = np.where(np.arange(N) % 5 == 0, 0.0, lower)
        upper = np.where(np.arange(N) % 7 == 1, lower + (lower == 0), upper)
        return x, Observations.from_intervals(lower, upper)
    entry = np.where(np.arange(N) % 2 == 0, 0.4 * lower, 0.0) if kind == "entry" else None
    return x, Observations.from_durations(
        lower, rng.random(N) < 0.6, entry=entry, sample_weight=rng.integers(1, 4, N)
    )


@pytest.mark.parametrize("kind", ["right", "entry", "interval"])
@pytest.mark.parametrize("name", list(forms()))
@double_precision
def test_gradient_and_hessian_in_the_coefficients_are_those_of_autodiff(name, kind):
    form = forms()[name]
    layout = layout_of(form)
    x, rows = data(kind)
    columns = Columns.of(x, rows.weight)
    size = sum(len(item.columns) for item in layout)
    theta = np.random.default_rng(0).normal(0.3, 0.2, size)

    def value(theta):
        eta = predictors(layout, theta, (x - columns.center) / columns.scale)
        return (rows.weight * log_contributions(form.lifetime(eta), rows)).sum()

    found = Likelihood(form, layout, rows, x, columns)(theta)

    def slopes(theta):
        total, gradient = jax.value_and_grad(value)(theta)
        return gradient, (total, gradient)

    # One operation at a time: these serve all cases, where each would compile a program.
    with jax.disable_jit():
        hessian, (total, gradient) = jax.jacfwd(slopes, has_aux=True)(theta)
    for ours, exact in zip(found, (total, gradient, hessian), strict=True):
        np.testing.assert_allclose(ours, exact, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["lognormal", "loglogistic"])
@double_precision
def test_derivatives_along_one_number_hold_at_any_time(name):
    times = np.array([1e-300, 1e-20, 0.1, 1.0, 7.0, 1e20, 1e300])
    rows = Observations.from_durations(times, np.arange(7) % 3 > 0)
    eta = (np.linspace(-1.0, 1.0, 7), np.linspace(-1.0, 2.0, 7))
    form = forms()[name]
    found, general = (
        predictor_derivatives(form, eta, rows),
        general_predictor_derivatives(form, eta, rows),
    )
    for ours, exact in zip(found, general, strict=True):
        assert np.all(np.isfinite(ours))
        np.testing.assert_allclose(ours, exact, rtol=1e-9, atol=1e-12)


@double_precision
def test_pieces_and_padding_change_nothing(monkeypatch):
    form, (x, rows) = weibull_mixture(2), data("entry")
    layout, columns = layout_of(form), Columns.of(x, rows.weight)
    size = sum(len(item.columns) for item in layout)
    theta = np.random.default_rng(0).normal(0.3, 0.2, size)
    whole = Likelihood(form, layout, rows, x, columns)(theta)
    of_sixteen = dataclasses.replace(CPU_WITH_COLUMNS, block=16, unit=16, parts=(16, 16))
    monkeypatch.setattr(module, "executor", lambda with_columns: of_sixteen)
    for a, b in zip(whole, Likelihood(form, layout, rows, x, columns)(theta), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
