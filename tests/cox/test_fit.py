"""Cox's model: autodiff as the oracle, invariances, what has no estimate, hostile input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survjax._core import parallel as _parallel
from survjax.cox import (
    Penalty,
    _maximize,
    baseline_hazard,
    deviance_residuals,
    fit_cox,
    influence,
    log_partial_likelihood,
    martingale_residuals,
    proportionality_test,
    risk_order,
    robust_covariance,
    schoenfeld_residuals,
    score_residuals,
)
from survjax.cox.partial_likelihood.derivatives import derivatives
from survjax.cox.partial_likelihood.failures import number_failures
from survjax.cox.risk_sets.sorting import sort_rows
from survjax.nonparametric import kaplan_meier, log_rank, nelson_aalen
from survjax.nonparametric.rows import check_lifetimes


def simulated(seed, n=60, p=3, whole=True, late=True, groups=3):
    """Rows with ties, late entries, weights and strata, as asked."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) * 10.0 ** rng.integers(-2, 3, p)
    life = rng.exponential(np.exp(-(x / x.std(axis=0)) @ rng.normal(size=p) * 0.4)) * 10
    limit = rng.exponential(15, n)
    time, event = np.minimum(life, limit), life <= limit
    if whole:
        time = np.ceil(time)
    entry = np.floor(time * rng.random(n) * 0.9) * (rng.random(n) < 0.5) if late else None
    strata = rng.integers(0, groups, n) if groups > 1 else None
    weight = rng.choice([0.0, 0.5, 1.0, 2.0], n, p=[0.1, 0.2, 0.5, 0.2])
    options = {"entry": entry, "strata": strata, "sample_weight": weight, "weights": "sampling"}
    return (time, event, x), options


def sorted_rows(rows, options, ties):
    time, event, x = rows
    checked = check_lifetimes(time, event, options["entry"], options["sample_weight"], merge=False)
    sets = sort_rows(checked, x, options["strata"])
    return sets, number_failures(sets, ties, "sampling")


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("seed", [0, 1, 4])
def test_value_gradient_and_hessian_are_those_of_autodiff(seed, ties):
    rows, options = simulated(seed, late=seed % 2 == 0, groups=1 + seed % 3, whole=seed < 4)
    sets, failures = sorted_rows(rows, options, ties)
    with jax.enable_x64(True):
        order = risk_order(rows[0], rows[1], ties=ties, **options)
        z = (jnp.asarray(rows[2]) - sets.center) / sets.scale

        def likelihood(theta):
            return log_partial_likelihood(z @ theta, order)

        theta = np.random.default_rng(seed).normal(size=3)
        value, gradient, hessian = derivatives(sets, failures, theta)
        oracle = jax.jit(
            lambda b: (likelihood(b), jax.grad(likelihood)(b), jax.hessian(likelihood)(b))
        )
        expected = oracle(theta)
        assert value == pytest.approx(float(expected[0]), rel=1e-12)
        np.testing.assert_allclose(gradient, expected[1], atol=1e-10)
        np.testing.assert_allclose(hessian, expected[2], atol=1e-10)


def by_definition(theta, rows, options, ties):
    """The log partial likelihood, risk set by risk set."""
    time, event, x = rows
    entry = np.zeros(time.size) if options["entry"] is None else options["entry"]
    stratum = np.zeros(time.size) if options["strata"] is None else options["strata"]
    weight = options["sample_weight"]
    risk, total = weight * np.exp(x @ theta), 0.0
    for s in np.unique(stratum):
        own = (stratum == s) & (weight > 0)
        for t in np.unique(time[own & event]):
            dead = own & event & (time == t)
            below = risk[own & (entry < t) & (time >= t)].sum()
            d = dead.sum()
            total += weight[dead] @ (x[dead] @ theta)
            for k in range(d):
                thinned = below - (k / d if ties == "efron" else 0.0) * risk[dead].sum()
                total -= weight[dead].mean() * np.log(thinned)
    return total


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("seed", range(4))
def test_the_likelihood_is_its_definition(seed, ties):
    rows, options = simulated(seed, late=seed % 2 == 0, groups=1 + seed % 3)
    theta = np.random.default_rng(seed).normal(size=3) / rows[2].std(axis=0)
    with jax.enable_x64(True):
        order = risk_order(rows[0], rows[1], ties=ties, **options)
        found = float(log_partial_likelihood(rows[2] @ theta, order))
    assert found == pytest.approx(by_definition(theta, rows, options, ties), rel=1e-12)


@given(st.integers(0, 100_000))
def test_order_counts_origin_and_units_do_not_matter(seed):
    rows, options = simulated(seed, n=50, p=2)
    time, event, x = rows
    options["sample_weight"] = np.ceil(options["sample_weight"]).astype(int)
    options["weights"] = "counts"
    back = np.repeat(np.arange(50), options["sample_weight"])[::-1]
    for ties in ("efron", "breslow"):
        fit = fit_cox(*rows, **options, ties=ties)
        other = fit_cox(
            time[back] * 1e-6,
            event[back],
            x[back] * [1e3, 1e-5] + [7e3, -2e-4],
            entry=options["entry"][back] * 1e-6,
            strata=options["strata"][back],
            ties=ties,
        )
        if np.isfinite(fit.coef).all():
            np.testing.assert_allclose(other.coef * [1e3, 1e-5], fit.coef, rtol=1e-6, atol=1e-9)
            assert other.log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-10)
        assert fit.converged


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_a_history_cut_into_rows_is_the_same_history(ties):
    rows, options = simulated(3, late=False, groups=1)
    time, event, x = rows
    options = {"ties": ties}
    cut = time * 0.4
    whole = fit_cox(*rows, **options)
    parts = fit_cox(
        np.concatenate([cut, time]),
        np.concatenate([np.zeros(60, bool), event]),
        np.concatenate([x, x]),
        entry=np.concatenate([np.zeros(60), cut]),
        **options,
    )
    np.testing.assert_allclose(parts.coef, whole.coef, rtol=1e-9)
    np.testing.assert_allclose(parts.covariance, whole.covariance, rtol=1e-7)


def test_rows_in_parts_and_blocks_give_the_same_sums(monkeypatch):
    rows, options = simulated(5, n=3000)
    sets, failures = sorted_rows(rows, options, "efron")
    theta = np.array([0.3, -0.2, 0.5])
    whole = derivatives(sets, failures, theta)
    monkeypatch.setattr(_parallel, "BLOCK", 64)
    monkeypatch.setattr(_parallel, "PARALLEL_ROWS", 100)
    monkeypatch.setattr(_parallel, "n_threads", lambda: 3)
    parts = derivatives(sets, failures, theta)
    assert parts[0] == pytest.approx(whole[0], rel=1e-14)
    np.testing.assert_allclose(parts[1], whole[1], atol=1e-9)
    np.testing.assert_allclose(parts[2], whole[2], rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize("late", [False, True])
def test_a_first_climb_on_part_of_the_rows_leads_to_the_same_maximum(monkeypatch, late):
    rows, options = simulated(6, n=2000, late=late)
    plain = fit_cox(*rows, **options)
    monkeypatch.setattr(_maximize, "ROUGH_ROWS", 400)
    rough = fit_cox(*rows, **options)
    np.testing.assert_allclose(rough.coef, plain.coef, atol=1e-8 * plain.standard_error.max())
    assert rough.n_iter <= plain.n_iter
    assert rough.null_log_likelihood == plain.null_log_likelihood


def test_a_last_step_that_is_known_goes_without_a_pass(monkeypatch):
    rows, options = simulated(8, n=20_000, groups=1)
    passes = []

    def counted(*arguments):
        passes.append(arguments[0].order.size)
        return derivatives(*arguments)

    monkeypatch.setattr(_maximize, "derivatives", counted)
    plain = fit_cox(*rows, **options)
    n_plain = len(passes)
    monkeypatch.setattr(_maximize, "ROUGH_ROWS", 10_000)
    spared = fit_cox(*rows, **options)
    assert len(passes) - n_plain == n_plain - 1
    assert spared.converged and spared.maximum.decrement <= 1e-9
    error = plain.standard_error
    np.testing.assert_allclose(spared.coef, plain.coef, atol=1e-9 * error.min(), rtol=0)
    np.testing.assert_allclose(spared.standard_error, error, rtol=1e-6)
    assert spared.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-14)
    ridge = fit_cox(*rows, penalty=Penalty(5.0), **options)
    exact = fit_cox(*rows, penalty=Penalty(5.0), tol=1e-13, **options)
    np.testing.assert_allclose(ridge.coef, exact.coef, atol=1e-9 * error.min(), rtol=0)


def test_one_binary_covariate_gives_the_log_rank_test():
    rng = np.random.default_rng(0)
    time, event, group = rng.random(80), rng.random(80) < 0.7, rng.integers(0, 2, 80)
    score = fit_cox(time, event, group[:, None]).score_test()
    other = log_rank(time, event, groups=group)
    assert score.statistic == pytest.approx(other.statistic, rel=1e-10)
    assert score.p_value == pytest.approx(other.p_value, rel=1e-9)


def test_the_baseline_at_no_effect_is_nelson_aalen():
    rng = np.random.default_rng(1)
    time, event = rng.integers(1, 30, 100), rng.random(100) < 0.6
    fit = fit_cox(time, event, rng.normal(size=(100, 1)), penalty=Penalty(1e12), ties="breslow")
    curve, other = baseline_hazard(fit)[None], nelson_aalen(time, event)
    np.testing.assert_array_equal(curve.times, other.times)
    np.testing.assert_allclose(curve.values, other.values, rtol=1e-8)
    np.testing.assert_allclose(curve.variance, other.variance, rtol=1e-6)
    np.testing.assert_allclose(curve.at_risk, other.at_risk)
    kaplan = kaplan_meier(time, event)
    assert np.max(np.abs(np.exp(-curve.values) - kaplan.values)) < 0.05


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_residuals_add_up(ties):
    rows, options = simulated(7, n=150)
    fit = fit_cox(*rows, **options, ties=ties)
    weight, event = options["sample_weight"], rows[1]
    m, s = martingale_residuals(fit), score_residuals(fit)
    assert weight @ m == pytest.approx(0, abs=1e-9)
    scale = rows[2].std(axis=0) * 100
    np.testing.assert_allclose((weight @ s) / scale, 0, atol=1e-9)
    assert np.all(m <= 1)
    deviance = deviance_residuals(fit)
    used = weight > 0
    assert np.all(np.sign(deviance[used]) == np.sign(m[used]))
    assert not np.any(deviance[~used])
    times, schoenfeld = schoenfeld_residuals(fit)
    assert times.size == np.count_nonzero(event & used) == fit.n_events
    if ties == "breslow":
        # Weighted by the failures they add up to the score, stratum by stratum in time.
        order = np.lexsort((np.arange(150), rows[0], options["strata"]))
        held = weight[order][(event & used)[order]]
        np.testing.assert_allclose((held @ schoenfeld) / scale, 0, atol=1e-9)


def test_influence_is_what_leaving_a_row_out_does():
    rows, _ = simulated(8, n=400, late=True, groups=1)
    time, event, x = rows
    rng = np.random.default_rng(0)
    entry = np.floor(time * rng.random(400) * 0.5)
    fit = fit_cox(time, event, x, entry=entry)
    expected = influence(fit)
    for row in (3, 50, 200):
        weight = np.ones(400)
        weight[row] = 0.999
        moved = fit_cox(time, event, x, entry=entry, sample_weight=weight, weights="sampling")
        slope = (fit.coef - moved.coef) / 0.001
        np.testing.assert_allclose(
            slope, expected[row], rtol=0.05, atol=2e-4 * fit.standard_error.min()
        )


def test_the_sandwich_sees_repeated_rows_as_one_cluster():
    rows, _ = simulated(9, n=120, late=False, groups=1)
    time, event, x = rows
    once = robust_covariance(fit_cox(time, event, x, ties="breslow"))
    twice = fit_cox(np.tile(time, 2), np.tile(event, 2), np.tile(x, (2, 1)), ties="breslow")
    together = robust_covariance(twice, np.tile(np.arange(120), 2))
    np.testing.assert_allclose(together, once, rtol=1e-8)
    assert np.all(np.diag(robust_covariance(twice)) < 0.6 * np.diag(once))


def test_the_test_of_proportional_hazards_finds_a_drift():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 2, 600)
    time = np.where(x == 1, rng.weibull(3, 600), rng.weibull(0.8, 600))
    table = np.column_stack([x, rng.normal(size=600)])
    for transform in ("km", "rank", "log", "identity"):
        found = proportionality_test(fit_cox(time, None, table), transform)
        assert found.p_value[0] < 1e-6
        assert found.p_value[1] > 1e-3
        assert found.overall.df == 2
