"""Firth's penalty on parametric regressions, against its definition by SciPy."""

import numpy as np
import pytest
from scipy import optimize, stats

import survjax
from survjax import AcceleratedLifetime, CoxPH, FitWarning, ScaledHazard, survival_target
from survjax._core.precision import double_precision
from survjax.data.observations import Observations
from survjax.fitting.regression.firth import FirthPenalty
from survjax.lifetimes import LogNormal
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.forms import Predictor, accelerated

RNG = np.random.default_rng(3)
N = 60
X = np.column_stack([RNG.normal(size=N), RNG.random(N) < 0.3])
LIVES = np.exp(3.0 - 0.5 * X[:, 0]) * RNG.weibull(2.0, N)
Y = np.column_stack([np.minimum(LIVES, 30.0), LIVES <= 30.0])
#: No unit with the second column has failed.
APART = np.column_stack([Y[:, 0], Y[:, 1] * (X[:, 1] == 0)])


def penalized(theta, y, x=X, entry=None):
    """Of a Weibull with log scale theta[0] + x'theta[1:-1]: a row tells shape^2 H."""
    shape, scale = np.exp(theta[-1]), np.exp(theta[0] + x @ theta[1:-1])
    life = stats.weibull_min(shape, scale=scale)
    value = np.where(y[:, 1], life.logpdf(y[:, 0]), life.logsf(y[:, 0])).sum()
    passed = -life.logsf(y[:, 0])
    if entry is not None:
        value, passed = value - life.logsf(entry).sum(), passed + life.logsf(entry)
    spread = np.cov(x.T, aweights=passed, ddof=0)
    return value + 0.5 * np.linalg.slogdet(np.atleast_2d(spread))[1]


@pytest.mark.parametrize("kind", ["plain", "apart", "late entry"])
def test_the_maximum_is_that_of_the_definition(kind):
    y = APART if kind == "apart" else Y
    entry = 0.3 * Y[:, 0] * (np.arange(N) % 2) if kind == "late entry" else None
    model = AcceleratedLifetime(penalty="firth").fit(X, y, entry=entry)
    found = optimize.minimize(
        lambda theta: -penalized(theta, y, entry=entry),
        model.parameters_ + 0.05,
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 10_000, "maxfev": 10_000},
    )
    np.testing.assert_allclose(model.parameters_, found.x, atol=2e-6)
    step, p = 1e-3, found.x.size
    hessian = np.empty((p, p))
    for i, j in np.ndindex(p, p):
        signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
        moves = [step * (a * np.eye(p)[i] + b * np.eye(p)[j]) for a, b in signs]
        each = [penalized(model.parameters_ + move, y, entry=entry) for move in moves]
        hessian[i, j] = (each[0] - each[1] - each[2] + each[3]) / (4 * step * step)
    np.testing.assert_allclose(model.covariance_, np.linalg.inv(-hessian), rtol=1e-3, atol=1e-6)


def test_effects_are_finite_where_no_unit_of_a_level_failed_and_near_those_of_cox():
    with pytest.warns(FitWarning, match="no proper maximum"):
        AcceleratedLifetime().fit(X, APART)
    lives = AcceleratedLifetime(penalty="firth").fit(X, APART)
    hazards = ScaledHazard("weibull", penalty="firth").fit(X, APART)
    assert lives.converged_ and hazards.converged_
    # One model, whichever way it is written.
    np.testing.assert_allclose(hazards.coef_, -lives.shape_ * lives.coef_, rtol=1e-6)
    cox = CoxPH(penalty="firth").fit(X, APART)
    np.testing.assert_allclose(hazards.coef_, cox.coef_, atol=0.1)
    assert lives.penalty_ == hazards.penalty_ == 0.5
    low, high = lives.confidence_interval("parameters", method="profile")
    assert np.isfinite([low, high]).all()
    # The likelihood falls on one side only.
    assert high[2] - lives.coef_[1] > lives.coef_[1] - low[2]
    lives.bootstrap(20, random_state=0)
    assert np.isfinite(lives.bootstrap_.parameters).all()


def test_one_column_has_a_closed_form_as_half_a_failure_more_on_each_side():
    """Of an exponential with two groups: rates are (failures + 1/2) to (failures + 1/2)."""
    group = np.repeat([0.0, 1.0], [10, 14])[:, None]
    times = RNG.exponential(5.0, 24)
    event = np.arange(24) < 6
    model = ScaledHazard("exponential", penalty="firth").fit(group, np.column_stack([times, event]))
    spent = [times[:10].sum(), times[10:].sum()]
    # The score of the effect: d1 - H1 + (H0 - H1) / (2 (H0 + H1)) = 0, H0 + H1 = d0 + d1 = 6.
    share = (0.0 + 0.5) / (6.0 + 1.0)
    expected = np.log(share / (1.0 - share)) - np.log(spent[1] / spent[0])
    assert model.coef_[0] == pytest.approx(expected, rel=1e-7)


def test_without_separation_it_moves_effects_in_inverse_proportion_to_the_units():
    gaps = []
    for times in (1, 10, 100):
        weight = np.full(N, float(times))
        free = AcceleratedLifetime().fit(X, Y, sample_weight=weight)
        firth = AcceleratedLifetime(penalty="firth").fit(X, Y, sample_weight=weight)
        gaps.append(times * (firth.coef_ - free.coef_))
        error = np.sqrt(np.diag(free.covariance_))[1:3]
        assert np.all(np.abs(firth.coef_ - free.coef_) < error)
    np.testing.assert_allclose(gaps[1], gaps[2], rtol=0.1, atol=1e-3)
    assert np.abs(gaps[2]).max() > 1e-3


@double_precision
def test_derivatives_are_those_of_the_value_with_intervals_and_late_entry():
    lower = np.floor(Y[:, 0])
    rows = Observations.from_intervals(
        lower, lower + np.where(Y[:, 1], 1.0, np.inf), entry=0.2 * lower
    )
    form = accelerated(LogNormal(0.0, 0.0))
    layout = (Predictor("log_scale", (0, 1, 2)), Predictor("log_shape", (0,)))
    firth = FirthPenalty(form, layout, Columns(np.zeros(2), np.ones(2)), rows, X)
    theta = np.array([2.8, -0.4, 0.3, 0.6])
    value, gradient, hessian = firth.derivatives(theta)
    assert np.isfinite(value)
    step = 1e-5
    for i, move in enumerate(step * np.eye(4)):
        ends = [firth.derivatives(theta + side * move) for side in (-1, 1)]
        assert gradient[i] == pytest.approx((ends[1][0] - ends[0][0]) / (2 * step), rel=1e-6)
        slope = (ends[1][1] - ends[0][1]) / (2 * step)
        np.testing.assert_allclose(hessian[i], slope, rtol=1e-5, atol=1e-8)


def test_units_of_time_and_columns_change_nothing_and_files_keep_it(tmp_path):
    model = AcceleratedLifetime(penalty="firth").fit(X, APART)
    other = AcceleratedLifetime(penalty="firth").fit(
        X * [1e4, 1e-3] + [7.0, 0.0], APART * [3600.0, 1.0]
    )
    np.testing.assert_allclose(other.coef_ * [1e4, 1e-3], model.coef_, rtol=1e-7)
    unit = np.arange(N)
    halves = np.column_stack([np.zeros(N), 0.5 * APART[:, 0], 0.5 * APART[:, 0], APART[:, 0]])
    hazards = ScaledHazard("weibull", penalty="firth").fit(X, APART)
    rows = ScaledHazard("weibull", penalty="firth").fit(
        np.repeat(X, 2, axis=0),
        np.column_stack([halves[:, [1, 3]].ravel(), np.outer(APART[:, 1], [0, 1]).ravel()]),
        entry=halves[:, [0, 2]].ravel(),
        unit=np.repeat(unit, 2),
    )
    np.testing.assert_allclose(rows.coef_, hazards.coef_, rtol=1e-6)
    inside = survival_target(APART[:, 0] * 0.999, np.where(APART[:, 1], APART[:, 0], np.inf))
    near = AcceleratedLifetime(penalty="firth").fit(X, inside)
    np.testing.assert_allclose(near.coef_, model.coef_, atol=0.02)
    model.save(tmp_path / "pump.json")
    same = survjax.load(tmp_path / "pump.json")
    assert same.penalty == "firth"
    np.testing.assert_array_equal(same.parameters_, model.parameters_)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (AcceleratedLifetime(penalty="firth", on={"shape": "all"}), "leave out on"),
        (AcceleratedLifetime(penalty="firth", fixed={"shape": 1.0}), "leave out fixed"),
        (AcceleratedLifetime("gamma", penalty="firth"), "fourth order"),
        (ScaledHazard("weibull", penalty="firth", joint=False), "joint=False"),
        (survjax.MixtureRegression(penalty="firth"), "'cv'"),
        (AcceleratedLifetime(penalty="fifth"), "'firth'"),
    ],
)
def test_what_it_does_not_go_with_is_refused(model, words):
    with pytest.raises(ValueError, match=words):
        model.fit(X, Y)


def test_columns_that_repeat_each_other_are_refused():
    with pytest.raises(ValueError, match="collinear|depend"):
        AcceleratedLifetime(penalty="firth").fit(np.column_stack([X, X[:, 0]]), Y)
