"""Piecewise exponential lifetimes: closed forms, what happens at a cut, fits, cuts by name."""

import jax
import numpy as np
import pytest
from mpmath import mp

import survjax
from survjax import LifetimeModel, NoFiniteMaximum
from survjax._core.precision import double_precision
from survjax.lifetimes import Mixture, PiecewiseExponential, Weibull
from tests.lifetimes.exact import Exact, worst_error

CUTS = (10.0, 50.0)


def _rate(t, *log_rate):
    return mp.exp(log_rate[sum(t > cut for cut in CUTS)])


def _hazard(t, *log_rate):
    ends = (0, *CUTS, mp.inf)
    pieces = zip(log_rate, ends[:-1], ends[1:], strict=True)
    return mp.fsum(mp.exp(r) * max(min(t, high) - low, 0) for r, low, high in pieces)


class _Three:
    """Three rates as numbers, which the checks of other families take."""

    def __new__(cls, *log_rate):
        return PiecewiseExponential(np.array(log_rate), np.array(CUTS))


EXACT = Exact(
    _Three,
    lambda t, *x: _rate(t, *x) * mp.exp(-_hazard(t, *x)),
    lambda t, *x: -mp.expm1(-_hazard(t, *x)),
    lambda t, *x: mp.exp(-_hazard(t, *x)),
)
X = (-4.0, -6.0, -2.5)


def test_curves_hold_twelve_digits():
    pairs = [(3.0, 3.0 + 1e-9), (5.0, 60.0), (10.0, 11.0), (50.0, 900.0)]
    worst = worst_error(EXACT, X, [1e-9, 9.0, 10.0, 10.5, 50.0, 51.0, 1000.0], pairs)
    assert max(worst.values()) < 1e-12, worst


@double_precision
def test_quantiles_means_and_remaining_life_have_closed_forms():
    pump = EXACT.at(X)
    target = np.array([1e-12, 0.1, 0.3, 2.0, 60.0])
    found = pump.cumulative_hazard(pump.inverse_cumulative_hazard(target))
    np.testing.assert_allclose(found, target, rtol=1e-13)
    ages = np.array([0.0, 9.0, 20.0, 80.0])
    t = np.linspace(0.0, 600.0, 600_001)
    for age, mean in zip(ages, np.asarray(pump.residual_mean(ages)), strict=True):
        assert mean == pytest.approx(np.trapezoid(pump.given(age).survival(t), t), rel=1e-7)
    rest = pump.given(8.0)
    np.testing.assert_allclose(rest.cumulative_hazard(rest.quantile(0.3)), -np.log(0.7), rtol=1e-13)
    plain = PiecewiseExponential.with_cuts([3.0])
    np.testing.assert_allclose(plain.log_hazard(t[:5]), np.zeros(5), atol=1e-15)
    slope = jax.grad(lambda x: PiecewiseExponential(x, np.array(CUTS)).mean())(np.array(X))
    assert np.isfinite(slope).all() and np.all(slope < 0)


def test_a_fit_has_the_rates_of_failures_over_running_time_and_a_failure_at_a_cut_is_before_it():
    durations = np.array([2.0, 4.0, 4.0, 6.0, 7.0, 9.0])
    failed = np.array([1, 1, 0, 1, 0, 1])
    model = LifetimeModel(PiecewiseExponential.with_cuts([4.0])).fit(durations, failed)
    exposure = np.array([2.0 + 5 * 4.0, 2.0 + 3.0 + 5.0])
    np.testing.assert_allclose(np.exp(model.parameters_), 2.0 / exposure, rtol=1e-9)
    assert model.parameter_names_ == ("log_rate_1", "log_rate_2")
    late = LifetimeModel(PiecewiseExponential.with_cuts([4.0])).fit(
        durations, failed, entry=np.full(6, 1.0)
    )
    np.testing.assert_allclose(np.exp(late.parameters_), 2.0 / (exposure - [6.0, 0.0]), rtol=1e-9)


def test_cuts_by_name_share_the_failures_out(tmp_path):
    rng = np.random.default_rng(0)
    lives = 40.0 * rng.weibull(2.0, 500)
    model = LifetimeModel("piecewise_exponential").fit(np.minimum(lives, 60.0), lives < 60.0)
    cuts = model.lifetime_.cuts
    assert cuts.shape == (4,)
    counts = np.histogram(lives[lives < 60.0], [0.0, *np.nextafter(cuts, np.inf), 60.0])[0]
    assert np.ptp(counts) <= 1
    model.save(tmp_path / "model.json")
    again = survjax.load(tmp_path / "model.json")
    assert again.predict_rul([0.0, 30.0]).equals(model.predict_rul([0.0, 30.0]))
    few = LifetimeModel("piecewise_exponential").fit([3.0, 5.0, 5.0, 9.0])
    assert few.lifetime_.cuts.tolist() == [5.0]


def test_a_piece_without_a_failure_has_no_rate_and_cuts_are_checked():
    with pytest.raises(NoFiniteMaximum):
        LifetimeModel(PiecewiseExponential.with_cuts([4.0, 5.0])).fit([1.0, 2.0, 3.0, 9.0])
    with pytest.raises(ValueError, match="rising: 1 are not, the first at position 1"):
        PiecewiseExponential.with_cuts([4.0, 4.0])
    with pytest.raises(ValueError, match="one more than cuts"):
        PiecewiseExponential.of([1.0], [4.0])
    with pytest.raises(
        ValueError, match="'piecewise_exponential', 'royston_parmar', 'weibull', or a"
    ):
        LifetimeModel("weibul").fit([1.0, 2.0])


def test_one_component_of_a_mixture_may_have_pieces():
    rng = np.random.default_rng(1)
    lives = np.concatenate([rng.weibull(0.9, 120), 30.0 + 3.0 * rng.normal(size=180)])
    parts = (
        Weibull.of(scale=np.array([30.0]), shape=np.array([8.0])),
        PiecewiseExponential(np.zeros((1, 2)), np.array([[1.0]])),
    )
    model = LifetimeModel(Mixture.of(np.array([0.6, 0.4]), parts)).fit(lives)
    assert model.converged_
    assert "log_rate_1_2" in model.parameter_names_
