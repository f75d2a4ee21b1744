"""Bounds against brute force: profiles searched by another optimizer, known formulas, ranges."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.special import gamma, logsumexp
from scipy.stats import norm

from survjax import Observations, WeibullMixture
from survjax._core.precision import double_precision
from survjax.fitting.interior import Interior
from survjax.fitting.local_maxima import LocalMaximum
from survjax.likelihood.weibulls import weibull_template
from survjax.uncertainty.delta import link_errors, link_values
from survjax.uncertainty.modes import Maxima, averaged, weigh
from survjax.uncertainty.profile_parameters import profile_quantities
from tests.studies.coverage import SCENARIOS

Z = norm.ppf(0.975)


def two_kinds(n=200, seed=3, late=False):
    """A fleet that fails in two ways, some of it still running, some seen late."""
    rng = np.random.default_rng(seed)
    early = 5.0 * rng.weibull(0.8, 2 * n // 5)
    lives = rng.permutation(np.concatenate([early, 40.0 * rng.weibull(3.0, n - early.size)]))
    ends = rng.uniform(15.0, 70.0, n)
    entry = np.where(np.arange(n) % 3 == 0, 4.0, 0.0) if late else np.zeros(n)
    seen = np.minimum(lives, ends) > entry
    return np.minimum(lives, ends)[seen], (lives <= ends)[seen], entry[seen]


@pytest.fixture(scope="module")
def single():
    durations, events, _ = two_kinds()
    return WeibullMixture(1).fit(durations, events), durations, events, np.zeros(durations.size)


@pytest.fixture(scope="module")
def mixture():
    durations, events, _ = two_kinds()
    return WeibullMixture(2).fit(durations, events), durations, events, np.zeros(durations.size)


def log_likelihood(x, durations, events, entry):
    """The log-likelihood written down once more, with NumPy alone."""
    k = (x.size + 1) // 3
    logits = np.concatenate([[0.0], x[: k - 1]])
    log_weights = (logits - logsumexp(logits))[:, None]
    scale, shape = np.exp(x[k - 1 : 2 * k - 1])[:, None], np.exp(x[2 * k - 1 :])[:, None]
    hazard = (durations / scale) ** shape
    rate = np.log(shape / scale) + (shape - 1) * np.log(durations / scale)
    seen = logsumexp(log_weights + events * rate - hazard, axis=0)
    return np.sum(seen - logsumexp(log_weights - (entry / scale) ** shape, axis=0))


def survival_of(x, t):
    k = (x.size + 1) // 3
    logits = np.concatenate([[0.0], x[: k - 1]])
    scale, shape = np.exp(x[k - 1 : 2 * k - 1]), np.exp(x[2 * k - 1 :])
    return np.exp(logsumexp(logits - logsumexp(logits) - (t / scale) ** shape))


def quantile_of(x, q):
    return np.exp(brentq(lambda y: survival_of(x, np.exp(y)) - (1 - q), -12.0, 12.0))


def mean_of(x):
    k = (x.size + 1) // 3
    weights = np.exp(np.concatenate([[0.0], x[: k - 1]]))
    lives = np.exp(x[k - 1 : 2 * k - 1]) * gamma(1 + np.exp(-x[2 * k - 1 :]))
    return np.sum(weights * lives) / np.sum(weights)


def brute_force(quantity, model, data, side):
    """The profile bound of a quantity by SLSQP: its extreme value where l >= top - z^2 / 2.

    In units of the standard errors, from where a quadratic likelihood has the answer.
    """
    estimate, root = model.parameters_, np.linalg.cholesky(model.covariance_)
    top = log_likelihood(estimate, *data)

    def at(u):
        return quantity(estimate + root @ u)

    slope = np.array([at(1e-5 * e) - at(-1e-5 * e) for e in np.eye(estimate.size)])
    found = minimize(
        lambda u: -side * at(u),
        side * 0.9 * Z * slope / np.linalg.norm(slope),
        method="SLSQP",
        bounds=[(-8.0, 8.0)] * estimate.size,
        constraints={
            "type": "ineq",
            "fun": lambda u: log_likelihood(estimate + root @ u, *data) - top + Z**2 / 2,
        },
        options={"maxiter": 500, "ftol": 1e-9},
    )
    assert found.success
    return at(found.x)


QUANTITIES = {
    "survival": (3.0, lambda x: np.log(-np.log(survival_of(x, 3.0))), False),
    "quantile": (0.1, lambda x: np.log(quantile_of(x, 0.1)), True),
    "mean": (None, lambda x: np.log(mean_of(x)), True),
}


@pytest.mark.parametrize(
    ("which", "curve"),
    [("single", "quantile"), ("mixture", "survival"), ("mixture", "quantile"), ("mixture", "mean")],
)
def test_profile_bounds_of_curves_are_those_of_brute_force(which, curve, request):
    model, *data = request.getfixturevalue(which)
    t, quantity, rising = QUANTITIES[curve]
    expected = [brute_force(quantity, model, data, side) for side in (-1.0, 1.0)]
    expected = np.exp(expected) if rising else np.exp(-np.exp(expected))[::-1]
    found = model.confidence_interval(curve, t, method="profile")
    np.testing.assert_allclose(found, expected, rtol=2e-4)


@pytest.mark.parametrize("which", ["single", "mixture"])
def test_profile_bounds_of_parameters_are_those_of_brute_force(which, request):
    model, *data = request.getfixturevalue(which)
    k = model.weights_.size
    found = [model.confidence_interval(name, method="profile") for name in ("scales", "shapes")]
    for j, (lower, upper) in enumerate(found):
        for i in range(k):
            at = k - 1 + j * k + i
            for side, bound in ((-1.0, lower[i]), (1.0, upper[i])):
                expected = brute_force(lambda x, at=at: x[at], model, data, side)
                np.testing.assert_allclose(np.log(bound), expected, rtol=1e-4, atol=1e-4)


def test_profile_bounds_of_weights_are_those_of_brute_force_and_mirror_each_other(mixture):
    model, *data = mixture
    lower, upper = model.confidence_interval("weights", method="profile")
    ends = [brute_force(lambda x: x[0], model, data, side) for side in (-1.0, 1.0)]
    second = 1.0 / (1.0 + np.exp(-np.array(ends)))
    np.testing.assert_allclose([lower[1], upper[1]], second, rtol=2e-4)
    np.testing.assert_allclose([lower[0], upper[0]], 1.0 - second[::-1], rtol=2e-4)


def test_profile_bounds_take_late_entry_into_account():
    durations, events, entry = two_kinds(late=True)
    model = WeibullMixture(1).fit(durations, events, entry=entry)
    data = (durations, events, entry)
    expected = [
        np.exp(-np.exp(brute_force(QUANTITIES["survival"][1], model, data, side)))
        for side in (1.0, -1.0)
    ]
    found = model.confidence_interval("survival", 3.0, method="profile")
    np.testing.assert_allclose(found, expected, rtol=2e-4)


@pytest.mark.slow
def test_condensed_rows_leave_profile_bounds_where_they_were():
    durations, events, _ = two_kinds(n=6000, seed=5)
    model = WeibullMixture(2).fit(durations, events)
    found = model.confidence_interval("quantile", 0.1, method="profile")
    data = (durations, events, np.zeros(durations.size))
    expected = [
        np.exp(brute_force(QUANTITIES["quantile"][1], model, data, side)) for side in (-1.0, 1.0)
    ]
    width = expected[1] - expected[0]
    np.testing.assert_allclose(found, expected, atol=2e-3 * width)


def test_a_profile_that_never_reaches_the_level_ends_at_the_edge_of_the_range():
    # Too few of the late kind have failed to say that they wear out at all.
    scenario = next(s for s in SCENARIOS if s.name.startswith("two, most still running"))
    fleet = scenario.observe(np.random.default_rng([20260101, 4, 25]), scenario)
    model = WeibullMixture(2).fit(fleet.durations, fleet.events)
    lower, upper = model.confidence_interval("mean", method="profile", ages=600.0)
    assert np.isposinf(upper) and 0 < lower < model.mean(ages=600.0)


def test_bounds_widen_with_the_level_and_hold_the_estimate(mixture):
    model, *_ = mixture
    t = np.array([1.0, 10.0, 30.0])
    for method in ("delta", "profile"):
        narrow = model.confidence_interval("survival", t, level=0.5, method=method)
        wide = model.confidence_interval("survival", t, level=0.95, method=method)
        inside = model.survival(t)
        assert np.all(wide[0] < narrow[0]) and np.all(narrow[0] < inside)
        assert np.all(inside < narrow[1]) and np.all(narrow[1] < wide[1])


@pytest.mark.parametrize("method", ["delta", "profile"])
def test_bounds_stay_in_range_at_the_ends_of_time(mixture, method):
    model, *_ = mixture
    t = np.array([0.0, 1e-9, 1e3])
    lower, upper = model.confidence_interval("survival", t, method=method)
    assert lower[0] == upper[0] == 1.0
    assert np.all((lower >= 0) & (lower <= upper) & (upper <= 1))
    lower, upper = model.confidence_interval("cumulative_hazard", t, method=method)
    assert np.all((lower >= 0) & (lower <= upper))


def test_delta_bounds_of_one_weibull_are_the_textbook_ones(single):
    model, *_ = single
    error = np.sqrt(np.diag(model.covariance_))
    lower, upper = model.confidence_interval("scales")
    np.testing.assert_allclose(lower, model.scales_ * np.exp(-Z * error[0]))
    np.testing.assert_allclose(upper, model.scales_ * np.exp(Z * error[0]))
    lower, upper = model.confidence_interval("weights")
    assert lower == upper == 1.0


def test_natural_errors_are_those_of_numerical_derivatives(mixture):
    model, *_ = mixture
    x, template = model.parameters_, model._template

    @double_precision
    def safe(x):
        return np.asarray(link_values(template.at(x)))

    step = 1e-6
    jacobian = np.stack(
        [(safe(x + step * e) - safe(x - step * e)) / (2 * step) for e in np.eye(x.size)], axis=1
    )
    expected = np.sqrt(np.diag(jacobian @ model.covariance_ @ jacobian.T))
    values, errors = link_errors(template, x, model.covariance_)
    np.testing.assert_allclose(values, safe(x), rtol=1e-12)
    np.testing.assert_allclose(errors, expected, rtol=1e-6)
    natural = np.concatenate([model.weights_, model.scales_, model.shapes_])
    np.testing.assert_allclose(template.response(values), natural, rtol=1e-12)


def test_averaged_bounds_of_one_maximum_are_the_delta_methods():
    values, errors = np.array([[0.3, -2.0]]), np.array([[0.5, 0.1]])
    low, high = averaged(values, errors, np.ones(1), 0.95)
    np.testing.assert_allclose(low, (values - Z * errors)[0], rtol=1e-9)
    np.testing.assert_allclose(high, (values + Z * errors)[0], rtol=1e-9)


def test_averaged_bounds_are_quantiles_of_the_mixture_and_hold_the_estimate():
    values, errors = np.array([[0.0], [2.0]]), np.array([[0.1], [1.0]])
    weights = np.array([0.3, 0.7])

    def share(x):
        return np.sum(weights * norm.cdf((x - values[:, 0]) / errors[:, 0]))

    low, high = averaged(values, errors, weights, 0.9)
    assert share(low[0]) == pytest.approx(0.05, abs=1e-9)
    assert share(high[0]) == pytest.approx(0.95, abs=1e-9)
    low, high = averaged(values, errors, np.array([1e-6, 1.0 - 1e-6]), 0.5)
    assert low[0] == 0.0 and high[0] > 2.0


def test_an_order_of_components_is_found_again():
    x = np.array([0.4, -0.3, 1.0, 3.0, 3.1, 0.1, 1.2, 0.0])
    template = weibull_template(3)
    shuffled = template.reordering(np.array([2, 0, 1])) @ x
    np.testing.assert_allclose(template.aligned(shuffled[None], x, np.eye(8))[0], x, atol=1e-12)


def test_other_maxima_widen_the_bounds_and_light_ones_do_not(mixture):
    model, *_ = mixture

    def other(shift, fall):
        x = model.parameters_ + shift
        hessian = -np.linalg.inv(model.covariance_)
        return LocalMaximum(x, model.log_likelihood_ - fall, 0 * x, hessian, 0.0, 1, 1)

    def maxima(*others):
        x, hessian = model.parameters_, -np.linalg.inv(model.covariance_)
        value, n = model.log_likelihood_, model.n_units_
        return weigh(weibull_template(2), x, hessian, value, others, Interior(), n)

    assert maxima() is None and maxima(other(0.2, 9.0)) is None
    found = maxima(other(0.2, 0.7))
    assert isinstance(found, Maxima)
    np.testing.assert_allclose(found.weights[1] / found.weights[0], np.exp(-0.7))


def test_what_cannot_be_bounded_is_refused_with_a_reason(mixture):
    model, *_ = mixture
    for arguments, message in (
        (("survivals", 3.0), "curve must be one of survival"),
        (("survival",), "survival needs t"),
        (("mean", 3.0), "the mean takes no t"),
        (("weights", 3.0), "not curves: leave out t"),
        (("survival", 3.0, 1.5), "level must lie between 0 and 1"),
        (("survival", 3.0, 0.95, "wald"), "method must be one of auto"),
        (("survival", -1.0), "t must be at least zero"),
        (("quantile", 1.0), "at least 0 and below 1"),
    ):
        with pytest.raises(ValueError, match=message):
            model.confidence_interval(*arguments)


def test_rescaling_time_rescales_profile_bounds(single):
    model, durations, events, _ = single
    other = WeibullMixture(1).fit(Observations.from_durations(1e6 * durations, events))
    np.testing.assert_allclose(
        other.confidence_interval("quantile", 0.1, method="profile"),
        1e6 * np.array(model.confidence_interval("quantile", 0.1, method="profile")),
        rtol=1e-6,
    )


def two_ages_of_failure(seed, n=300):
    """Half of the units fail early, the others a hundred times later, and none between."""
    rng = np.random.default_rng(seed)
    early, late = 10.0 * rng.weibull(4.0, n), 1000.0 * rng.weibull(6.0, n)
    return np.where(rng.random(n) < 0.5, early, late)


def test_bounds_of_a_quantile_between_two_sub_populations_reach_into_both():
    model = WeibullMixture(2).fit(two_ages_of_failure(0))
    share = 1.0 - model.survival(100.0)  # nothing fails about there
    lower, upper = model.confidence_interval("quantile", share - 0.004)
    assert 5.0 < lower < 20.0
    assert 500.0 < upper < 1000.0
    searched = model.bootstrap(400).confidence_interval(
        "quantile", share - 0.004, method="bootstrap"
    )
    np.testing.assert_allclose((lower, upper), searched, rtol=0.1)


def test_bounds_of_a_quantile_hold_it_even_where_hardly_anything_fails():
    truth = np.array([0.3, 0.47, 0.49, 0.51, 0.53, 0.7])
    times = np.array([brentq(two_ages_share, 1e-3, 1e4, args=(share,)) for share in truth])
    held = np.zeros(truth.size)
    n_fleets = 150
    for seed in range(n_fleets):
        model = WeibullMixture(2).fit(two_ages_of_failure(seed + 1))
        lower, upper = model.confidence_interval("quantile", truth)
        held += (lower <= times) & (times <= upper)
    # 95 % of 150 are 142.5; a binomial falls below 133 once in 5,000 times.
    assert np.all(held >= 133), held


def two_ages_share(t, share):
    return 1.0 - 0.5 * np.exp(-((t / 10.0) ** 4)) - 0.5 * np.exp(-((t / 1000.0) ** 6)) - share


def test_quantile_bounds_lie_where_the_band_of_the_curve_reaches_them(mixture):
    mixture, shares = mixture[0], np.array([0.05, 0.3, 0.6, 0.9])
    ages = np.array([3.0])
    lower, upper = mixture.confidence_interval("quantile", shares, ages=ages)
    at = mixture.quantile(shares, ages=ages)
    below, above = mixture.confidence_interval("cumulative_hazard", at, ages=ages)
    goal = -np.log1p(-shares)
    np.testing.assert_allclose(
        mixture.cumulative_hazard(lower, ages=ages), goal**2 / above, rtol=1e-9
    )
    np.testing.assert_allclose(
        mixture.cumulative_hazard(upper, ages=ages), goal**2 / below, rtol=1e-9
    )


def test_a_profile_that_cannot_be_followed_to_its_end_has_no_bound_on_that_side():
    def at(points):
        # Beyond one the likelihood of the first entry is no number.
        return [(-0.5 * x @ x if abs(x[0]) < 1.0 else np.nan, -x, -np.eye(2)) for x in points]

    def entry(point, i):
        return point[i], np.eye(2)[i], np.zeros((2, 2))

    known = np.zeros(2), np.zeros(2), np.ones(2), 1.96
    low, high = profile_quantities(at, entry, *known)
    np.testing.assert_allclose(low, [-np.inf, -1.96], rtol=1e-4)
    np.testing.assert_allclose(high, [np.inf, 1.96], rtol=1e-4)
