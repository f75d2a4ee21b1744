"""Few rows that have the likelihood of all to the last digits, and when they do not."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from survjax import LifetimeModel, Observations
from survjax._core.precision import double_precision
from survjax.data.truncation_rows import with_truncation_rows
from survjax.fitting.coreset import sampled
from survjax.fitting.interpolation.rows import are_negligible, interpolated
from survjax.lifetimes import Gompertz, Lifetime, LogNormal, Weibull, parameter, pytree
from survjax.likelihood.objective import Objective
from survjax.likelihood.vector.template import Template

N = 20_000


@pytest.fixture(scope="module")
def sample() -> dict[str, Any]:
    """Lives with running units, late entry and weights."""
    rng = np.random.default_rng(5)
    life, end = 40.0 * rng.weibull(1.8, N), rng.exponential(120.0, N)
    times = np.maximum(np.minimum(life, end), 1e-6)
    entry = np.where(rng.random(N) < 0.3, 0.5 * times, 0.0)
    weight = rng.integers(1, 4, N).astype(float)
    return {
        "durations": times,
        "event_observed": life <= end,
        "entry": entry,
        "sample_weight": weight,
    }


@pytest.mark.parametrize(
    "lifetime",
    [Weibull(3.6, 0.6), LogNormal(3.4, 0.3), Gompertz(-4.5, 0.05)],
    ids=lambda lifetime: type(lifetime).__name__,
)
@double_precision
def test_likelihood_and_both_derivatives_are_those_of_all_rows(
    lifetime: Lifetime, sample: dict[str, Any]
) -> None:
    rows = with_truncation_rows(Observations.from_durations(**sample))
    found = interpolated(rows, 0.6)
    assert found is not None
    few = found.rows
    assert few.n_rows < 1500
    assert few.weight.sum() == pytest.approx(rows.weight.sum(), rel=1e-13)
    template = Template(lifetime)
    x = np.array([float(leaf) for leaf in (vars(lifetime)[name] for name in template.names)])
    exact, seen = Objective(template, rows)(x), Objective(template, few)(x)
    for a, b in zip(exact, seen, strict=True):
        size = np.abs(np.asarray(exact[2])).max()
        np.testing.assert_allclose(np.asarray(b), np.asarray(a), rtol=1e-9, atol=1e-9 * size)


def test_fit_is_the_maximum_of_all_rows_whatever_the_unit_and_order(
    sample: dict[str, Any],
) -> None:
    model = LifetimeModel("lognormal").fit(**sample)
    objective = Objective(Template(LogNormal(0.0, 0.0)), Observations.from_durations(**sample))
    value, gradient, _ = double_precision(objective)(model.parameters_)
    assert model.log_likelihood_ == pytest.approx(value, rel=1e-13)
    errors = np.sqrt(np.diag(model.covariance_))
    assert np.abs(gradient * errors).max() < 1e-8
    order = np.random.default_rng(1).permutation(N)
    mixed = {name: column[order] for name, column in sample.items()}
    mixed["durations"], mixed["entry"] = 7.3 * mixed["durations"], 7.3 * mixed["entry"]
    other = LifetimeModel("lognormal").fit(**mixed)
    move = other.parameters_ - model.parameters_ - np.array([np.log(7.3), 0.0])
    assert np.abs(move / errors).max() < 1e-8


@pytree
class Bathtub(Lifetime):
    """A hazard with a kink at an age of 20: constant, and then in proportion to age."""

    log_rate: Any = parameter()
    log_growth: Any = parameter()

    def log_hazard(self, t: Any) -> Any:
        late = jnp.maximum(jnp.asarray(t) - 20.0, 0.0)
        return jnp.log(jnp.exp(self.log_rate) + jnp.exp(self.log_growth) * late)

    def cumulative_hazard(self, t: Any) -> Any:
        late = jnp.maximum(jnp.asarray(t) - 20.0, 0.0)
        return jnp.exp(self.log_rate) * t + 0.5 * jnp.exp(self.log_growth) * late**2


def test_a_hazard_with_a_kink_is_fitted_on_all_rows(
    sample: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = []

    def judged(*given: Any) -> bool:
        answers.append(are_negligible(*given))
        return answers[-1]

    monkeypatch.setattr("survjax.fitting.search.are_negligible", judged)
    model = LifetimeModel(Bathtub(-4.0, -6.0)).fit(**sample)
    assert answers == [False]
    objective = Objective(Template(Bathtub(0.0, 0.0)), Observations.from_durations(**sample))
    value, gradient, _ = double_precision(objective)(model.parameters_)
    assert model.log_likelihood_ == pytest.approx(value, rel=1e-13)
    assert np.abs(gradient * np.sqrt(np.diag(model.covariance_))).max() < 1e-8


def test_times_that_are_spread_far_stay_as_they_are() -> None:
    rng = np.random.default_rng(2)
    times = np.exp(rng.uniform(-300.0, 300.0, N))
    rows = Observations.from_durations(times)
    assert interpolated(rows, np.log(60.0)) is None
    assert interpolated(rows, np.log(0.01)) is not None
    assert interpolated(rows, np.inf) is None


@pytest.mark.parametrize("first", [0, 1])
def test_rows_that_repeat_as_often_as_the_sample_are_fitted_as_any_others(first: int) -> None:
    """Every tenth row is a failure, and the sample to begin at all of them, or none."""
    durations = 5.0 * np.random.default_rng(3).weibull(2.0, 20_480)
    event = np.arange(20_480) % 10 == first
    model = LifetimeModel("weibull").fit(durations, event)
    rows = Observations.from_durations(durations, event)
    objective = Objective(Template(Weibull(0.0, 0.0)), rows)
    value, gradient, _ = double_precision(objective)(model.parameters_)
    assert model.converged_ and model.log_likelihood_ == pytest.approx(value, rel=1e-13)
    assert np.abs(gradient * np.sqrt(np.diag(model.covariance_))).max() < 1e-8
    assert (sampled(rows) is None) == (first == 1)
