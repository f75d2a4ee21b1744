"""Causes with covariates that are known in part: against a likelihood written out in NumPy."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from survjax import AcceleratedLifetime, CompetingRegression, CompetingRisks, load

CAUSES = {"wear": AcceleratedLifetime(), "removal": "exponential"}
NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)


def units(n=240, seed=1):
    """Covariates, ages under observation, and what ended units, some causes narrowed down."""
    rng = np.random.default_rng(seed)
    x, entry = rng.normal(size=(n, 1)), rng.uniform(0.0, 2.0, n)
    wear = 10.0 * np.exp(-0.4 * x[:, 0]) * rng.weibull(2.5, n)
    removal, end = rng.exponential(15.0, n), rng.uniform(5.0, 14.0, n)
    t = np.minimum(np.minimum(wear, removal), end)
    cause = np.where(t == end, None, np.where(t == wear, "wear", "removal"))
    masked = [set(CAUSES) if c and i % 4 == 0 else c for i, c in enumerate(cause)]
    seen = t > entry
    return x[seen], t[seen], [c for c, s in zip(masked, seen, strict=True) if s], entry[seen]


X, T, CAUSE, ENTRY = units()


def hazards(q, t, x):
    """Hazards (2, n) of wear and removal, and their cumulative sum."""
    shape, scale, rate = np.exp(q[2]), np.exp(q[0] + q[1] * x), np.exp(-q[3])
    wear = shape / scale * (t / scale) ** (shape - 1.0)
    return np.stack([wear, rate + 0.0 * t]), (t / scale) ** shape + rate * t


def log_likelihood(q, lower, upper, allowed, x, entry, exit):
    """Written out row by row; integrals over intervals by Gauss's rule."""

    def ended(low, high, own):
        # One kind of hazard alone, or their sum, times the survival.
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        t = middle[:, None] + half[:, None] * NODES
        wide = np.broadcast_to(x[:, None], t.shape)
        rate, total = hazards(q, t, wide)
        return half * ((np.einsum("kni,nk->ni", rate, own) * np.exp(-total)) @ WEIGHTS)

    rate, total = hazards(q, lower, x)
    some = allowed.any(axis=1)
    with np.errstate(all="ignore"):
        exact = np.log(np.einsum("kn,nk->n", rate, allowed)) - total
        inside = np.log(ended(lower, np.where(np.isfinite(upper), upper, lower), allowed))
        term = np.where(some, np.where(upper > lower, inside, exact), -total)
        seen = -hazards(q, entry, x)[1]
        if exit is not None:
            seen = np.log(np.exp(seen) - np.exp(-hazards(q, exit, x)[1]))
    return np.sum(term - seen)


def maximum(start, *data):
    """The maximum by BFGS."""
    found = minimize(lambda q: -log_likelihood(q, *data), start, method="BFGS", tol=1e-9)
    return found.x, -found.fun


def allowed_of(cause):
    names = [c if isinstance(c, set) else {c} for c in cause]
    return np.array([[label in c for label in CAUSES] for c in names], float)


@pytest.fixture(scope="module")
def masked():
    return CompetingRegression(CAUSES).fit(X, T, CAUSE, entry=ENTRY)


def agrees(model, found, value):
    assert model.converged_
    assert model.log_likelihood_ == pytest.approx(value, abs=1e-7)
    np.testing.assert_allclose(model.parameters_, found, atol=2e-4)


def test_masked_causes_and_late_entry_are_the_likelihood_written_out(masked):
    data = T, T, allowed_of(CAUSE), X[:, 0], ENTRY, None
    agrees(masked, *maximum(masked.parameters_ + 0.02, *data))
    step, error = 1e-4, np.sqrt(np.diag(masked.covariance_))
    for i in range(4):
        e = step * np.eye(4)[i]
        up, down = (log_likelihood(masked.parameters_ + s * e, *data) for s in (1.0, -1.0))
        curvature = (up + down - 2.0 * masked.log_likelihood_) / step**2
        assert -curvature == pytest.approx(np.linalg.inv(masked.covariance_)[i, i], rel=1e-3)
    assert (error > 0).all()
    assert masked.score(X, T, CAUSE, entry=ENTRY) == pytest.approx(
        masked.log_likelihood_ / T.size, rel=1e-12
    )


def test_inspections_are_the_likelihood_written_out():
    failed = np.array([c is not None for c in CAUSE])
    lower = np.where(failed, np.maximum(np.floor(T / 3.0) * 3.0, ENTRY), T)
    upper = np.where(failed, np.floor(T / 3.0) * 3.0 + 3.0, np.inf)
    model = CompetingRegression(CAUSES).fit_interval(X, lower, upper, CAUSE, entry=ENTRY)
    data = lower, upper, allowed_of(CAUSE), X[:, 0], ENTRY, None
    agrees(model, *maximum(model.parameters_ + 0.02, *data))


def test_right_truncation_is_the_likelihood_written_out():
    failed = np.array([c is not None for c in CAUSE]) & (T < 12.0)
    x, t, entry = X[failed], T[failed], ENTRY[failed]
    cause = [c for c, f in zip(CAUSE, failed, strict=True) if f]
    exit = np.full(t.size, 12.0)
    causes = {"wear": AcceleratedLifetime(), "removal": "exponential"}
    model = CompetingRegression(causes).fit(x, t, cause, entry=entry, exit=exit)
    data = t, t, allowed_of(cause), x[:, 0], entry, exit
    agrees(model, *maximum(model.parameters_ + 0.02, *data))


@pytest.mark.slow
def test_a_column_of_no_effect_leaves_the_causes_alone():
    """An effect held at zero: the fit, its bounds and its shares are those of CompetingRisks."""
    causes = {**CAUSES, "wear": AcceleratedLifetime(fixed={"log_scale:x0": 0.0})}
    model = CompetingRegression(causes).fit(X, T, CAUSE, entry=ENTRY)
    plain = CompetingRisks({"wear": "weibull", "removal": "exponential"}).fit(T, CAUSE, entry=ENTRY)
    assert model.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-10)
    assert (model.n_free_, model.bic_) == (3, pytest.approx(plain.bic_))
    free = [0, 2, 3]
    np.testing.assert_allclose(
        model.covariance_[np.ix_(free, free)], plain.covariance_, rtol=1e-5, atol=1e-12
    )
    found = model.cumulative_incidence(X[:1], [3.0, 8.0], "wear")
    expected = plain.cumulative_incidence([3.0, 8.0], "wear")
    for name in expected.columns:
        np.testing.assert_allclose(found[name].iloc[0], expected[name], rtol=1e-5)


def test_answers_do_not_depend_on_the_unit_of_time_or_the_order_of_rows(masked):
    order = np.random.default_rng(0).permutation(T.size)
    cause = [CAUSE[i] for i in order]
    other = CompetingRegression(CAUSES).fit(
        X[order], 24.0 * T[order], cause, entry=24.0 * ENTRY[order]
    )
    shift = np.log(24.0) * np.array([1.0, 0.0, 0.0, 1.0])
    np.testing.assert_allclose(other.parameters_ - shift, masked.parameters_, atol=1e-6)


def test_replicates_are_fits_of_units_drawn_again(masked, tmp_path):
    model = CompetingRegression(CAUSES).fit(X, T, CAUSE, entry=ENTRY).bootstrap(24, random_state=5)
    rng = np.random.default_rng(5)
    for i in range(2):
        counts = rng.multinomial(T.size, np.full(T.size, 1.0 / T.size)).astype(float)
        alone = CompetingRegression(CAUSES).fit(X, T, CAUSE, entry=ENTRY, sample_weight=counts)
        np.testing.assert_allclose(model.bootstrap_.parameters[i], alone.parameters_, atol=1e-5)
    again = CompetingRegression(CAUSES).fit(X, T, CAUSE, entry=ENTRY).bootstrap(24, random_state=5)
    np.testing.assert_array_equal(again.bootstrap_.parameters, model.bootstrap_.parameters)
    for curve, more in (("cumulative_incidence", {"cause": "wear"}), ("survival", {})):
        given = {"ages": np.array([1.0, 4.0]), **more}
        drawn = model.confidence_interval(curve, X[:2], 3.0, method="bootstrap", **given)
        delta = model.confidence_interval(curve, X[:2], 3.0, **given)
        width = delta[1] - delta[0]
        assert np.all(np.abs(np.array(drawn) - np.array(delta)) < 0.6 * width)


def test_a_file_gives_the_same_answers(masked, tmp_path):
    frame = pd.DataFrame(X, columns=["load"])
    model = CompetingRegression(CAUSES).fit(frame, T, CAUSE, entry=ENTRY)
    model.save(tmp_path / "model.json")
    same = load(tmp_path / "model.json")
    assert same.parameter_names_[1] == "wear.log_scale:load"
    for ask in (
        lambda m: m.failure_probability(frame[:3], [1.0, 2.0, 3.0], 2.0, cause="wear"),
        lambda m: m.summary(),
    ):
        pd.testing.assert_frame_equal(ask(model), ask(same))
    with pytest.raises(ValueError, match="bootstrap"):
        same.bootstrap(20)
    text = (tmp_path / "model.json").read_text().replace('"wear"', '"wore"', 1)
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError, match="cannot|can load"):
        load(tmp_path / "other.json")
