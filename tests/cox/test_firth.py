"""Firth's penalty on the partial likelihood, against closed forms and loops of its definition."""

import numpy as np
import pytest
from scipy import optimize

import survjax
from survjax import CoxPH, FitWarning
from survjax.cox import fit_cox
from survjax.cox.firth.maximum import penalty_gradient
from survjax.cox.partial_likelihood.derivatives import derivatives

RNG = np.random.default_rng(5)
N = 40
TIMES = np.ceil(RNG.exponential(6.0, N))
EVENT = RNG.random(N) < 0.6
ENTRY = np.where(RNG.random(N) < 0.3, np.floor(TIMES / 3.0), 0.0)
X = np.column_stack([RNG.normal(size=N), RNG.random(N) < 0.4])
GROUP = RNG.integers(0, 2, N)
OFFSET = 0.3 * RNG.normal(size=N)


def slow_penalized(beta, ties, entry, strata, offset):
    """The penalized function, one failure after another; ties taken apart one by one."""
    z = X @ beta + offset
    total, information = 0.0, np.zeros((2, 2))
    for g in np.unique(strata):
        for t in np.unique(TIMES[EVENT & (strata == g)]):
            at_risk = (entry < t) & (t <= TIMES) & (strata == g)
            failed = EVENT & (t == TIMES) & (strata == g)
            for left in range(failed.sum()):
                share = left / failed.sum() if ties == "efron" else 0.0
                risk = at_risk * np.exp(z) * (1.0 - share * failed)
                p = risk / risk.sum()
                mean = p @ X
                total -= np.log(risk.sum())
                information += (p[:, None] * (X - mean)).T @ (X - mean)
            total += z[failed].sum()
    return total + 0.5 * np.linalg.slogdet(information)[1]


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("kind", ["plain", "late entry", "strata", "offset"])
def test_the_maximum_is_that_of_the_definition(ties, kind):
    given = {
        "plain": {},
        "late entry": {"entry": ENTRY},
        "strata": {"strata": GROUP},
        "offset": {"offset": OFFSET},
    }[kind]
    zero = np.zeros(N)
    known = [given.get(name, zero) for name in ("entry", "strata", "offset")]
    entry = known[0] if kind == "late entry" else np.full(N, -1.0)
    found = optimize.minimize(
        lambda b: -slow_penalized(b, ties, entry, *known[1:]),
        np.zeros(2),
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-14},
    )
    ours = fit_cox(TIMES, EVENT, X, ties=ties, firth=True, **given)
    assert ours.converged
    np.testing.assert_allclose(ours.coef, found.x, atol=2e-6)


@pytest.mark.parametrize("n_pairs", [1, 5])
def test_pairs_in_which_the_same_one_always_fails_have_a_closed_form(n_pairs):
    """Each failure of x = 1 beside x = 0 has the chance p = (n + 1/2) / (n + 1)."""
    x = np.tile([1.0, 0.0], n_pairs)[:, None]
    times, event = np.tile([1.0, 2.0], n_pairs), np.tile([1, 0], n_pairs)
    pair = np.repeat(np.arange(n_pairs), 2)
    found = fit_cox(times, event, x, strata=pair, firth=True)
    assert found.coef[0] == pytest.approx(np.log(2 * n_pairs + 1), rel=1e-9)
    p = (n_pairs + 0.5) / (n_pairs + 1.0)
    assert found.covariance[0, 0] == pytest.approx(1.0 / (n_pairs * p * (1.0 - p)), rel=1e-8)


def test_the_gradient_of_the_penalty_is_that_of_the_log_determinant():
    found = fit_cox(TIMES, EVENT, X, entry=ENTRY, strata=GROUP)
    sets, failures = found.sets, found.failures

    def half_log_det(theta):
        return 0.5 * np.linalg.slogdet(-derivatives(sets, failures, theta)[2])[1]

    for theta in (np.zeros(2), np.array([0.7, -1.2])):
        inverse = np.linalg.inv(-derivatives(sets, failures, theta)[2])
        step = 1e-5
        slope = [
            (half_log_det(theta + step * e) - half_log_det(theta - step * e)) / (2 * step)
            for e in np.eye(2)
        ]
        np.testing.assert_allclose(
            penalty_gradient(sets, failures, theta, inverse), slope, rtol=1e-7, atol=1e-9
        )


def test_a_column_without_failures_has_a_finite_effect():
    x = X.copy()
    x[EVENT, 1] = 0.0
    y = np.column_stack([TIMES, EVENT])
    with pytest.warns(FitWarning, match="runs off"):
        CoxPH().fit(x, y)
    model = CoxPH(penalty="firth").fit(x, y)
    assert model.converged_
    assert -6.0 < model.coef_[1] < 0.0
    assert np.isfinite(model.covariance_).all()
    assert model.penalty_ == 0.5


def test_scales_of_columns_weights_and_blocks_change_nothing(monkeypatch):
    y = np.column_stack([TIMES, EVENT])
    model = CoxPH(penalty="firth").fit(X, y)
    other = CoxPH(penalty="firth").fit(X * [1e6, 1e-3] + [5.0, 0.0], y)
    np.testing.assert_allclose(other.coef_ * [1e6, 1e-3], model.coef_, rtol=1e-7)
    weight = 1 + np.arange(N) % 2
    twice = np.repeat(np.arange(N), weight)
    counted = CoxPH(penalty="firth").fit(X, y, sample_weight=weight)
    repeated = CoxPH(penalty="firth").fit(X[twice], y[twice])
    np.testing.assert_allclose(counted.coef_, repeated.coef_, rtol=1e-7)
    monkeypatch.setattr("survjax.cox.firth.maximum.IN_MEMORY", 100)
    again = CoxPH(penalty="firth").fit(X, y)
    np.testing.assert_allclose(again.coef_, model.coef_, rtol=1e-8)


def test_with_many_units_the_penalty_fades():
    many = np.tile(np.arange(N), 50)
    # No two failures of the copies are tied.
    times = TIMES[many] + 1e-4 * np.arange(many.size) / many.size
    y = np.column_stack([times, EVENT[many]])
    gap = CoxPH(penalty="firth").fit(X[many], y).coef_ - CoxPH().fit(X[many], y).coef_
    assert 0.0 < np.abs(gap).max() < 2e-3


def test_what_the_penalty_does_not_go_with_is_refused_and_files_keep_it(tmp_path):
    y = np.column_stack([TIMES, EVENT])
    for given in ({"robust": True}, {"unpenalized": [0]}):
        with pytest.raises(ValueError, match="firth"):
            CoxPH(penalty="firth", **given).fit(X, y)
    with pytest.raises(ValueError, match="'firth'"):
        CoxPH(penalty="fifth").fit(X, y)
    with pytest.raises(ValueError, match="collinear"):
        CoxPH(penalty="firth").fit(np.column_stack([X, X[:, 0]]), y)
    model = CoxPH(penalty="firth").fit(X, y)
    model.save(tmp_path / "cox.json")
    same = survjax.load(tmp_path / "cox.json")
    np.testing.assert_array_equal(same.coef_, model.coef_)
    assert same.penalty == "firth"
