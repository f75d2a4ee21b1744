"""Turnbull's log-likelihood against a solver of its own, over the hazards of all places."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from survjax.nonparametric import kaplan_meier, turnbull

INF = np.inf
TENTHS = (lambda k: k / 10, lambda k: k * 0.1, lambda k: sum([0.1] * k))


def by_hazards(lower, upper, entry, exit, weight):
    """Maximize sum w [log P(lower < T <= upper) - log P(entry < T <= exit)] over hazards.

    Mass may lie at each point of the line 0, 1, 2, ... and between any two: all of these cells have
    a hazard of their own, in [0, 40]. The likelihood is concave in them. Right truncation is
    left truncation of time run backward.
    """
    cells = np.arange(22)  # cell 2k is the point k, 2k + 1 the gap after it
    begin = np.where(lower == upper, 2 * lower, 2 * lower + 1)[:, None]
    seen = (cells > 2 * entry[:, None]) | (entry == 0)[:, None]
    seen &= cells <= 2 * np.minimum(exit, 10.5)[:, None]
    holds = seen & (cells >= begin) & (cells <= 2 * np.minimum(upper, 10.5)[:, None])
    if np.isfinite(exit).any():
        holds, seen = holds[:, ::-1], seen[:, ::-1]
    lived = seen & (np.cumsum(holds, axis=1) == 0)
    ends = np.isfinite(upper)

    def loss(hazard):
        span = np.maximum(holds @ hazard, 1e-300)
        value = weight @ (lived @ hazard) - weight[ends] @ np.log(-np.expm1(-span[ends]))
        slope = (
            weight @ lived - (weight[ends] / np.expm1(np.minimum(span[ends], 700))) @ holds[ends]
        )
        return value, slope

    options = {"maxiter": 5000, "maxfun": 20_000, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(loss, np.full(22, 0.3), jac=True, bounds=[(0, 40)] * 22, options=options)
    return -found.fun


row = st.tuples(
    st.integers(0, 5),  # lower
    st.integers(0, 3),  # width; 0 is exact
    st.booleans(),  # right-censored
    st.integers(0, 4),  # how far from the row the truncation lies
    st.integers(1, 3),  # weight
    st.integers(0, 2),  # how the times were computed
)


@settings(max_examples=60)
@given(st.lists(row, min_size=1, max_size=7), st.sampled_from(["none", "entry", "exit"]))
def test_the_log_likelihood_is_the_maximum(rows, truncation):
    lower, width, open_, far, weight, way = np.array(rows).T
    lower = np.where(width == 0, np.maximum(lower, 1), lower)
    upper = np.where(open_ & (truncation != "exit"), INF, lower + width)
    entry, exit, n = np.zeros(lower.size), np.full(lower.size, INF), lower.size
    if truncation == "entry":
        entry = np.maximum(np.where(width == 0, lower - 1, lower) - far, 0).astype(float)
    if truncation == "exit":
        exit = upper + far
    expected = by_hazards(lower.astype(float), upper, entry, exit, weight.astype(float))

    def tenths(values, turn):
        ways = (way + turn) % 3
        return np.array(
            [v if np.isinf(v) else TENTHS[w](int(v)) for v, w in zip(values, ways, strict=True)]
        )

    low, high = tenths(lower, 0), tenths(upper, 1)
    options = {"entry": tenths(entry, 2)} if truncation == "entry" else {}
    options = {"exit": tenths(exit, 2)} if truncation == "exit" else options
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the curve ")
        curve = turnbull(low, high, sample_weight=weight, **options)
    assert curve.log_likelihood == pytest.approx(expected, abs=1e-5 * n)
    assert curve.log_likelihood >= expected - 1e-9
    back = np.repeat(np.arange(n), weight)
    options = {name: value[back] for name, value in options.items()}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the curve ")
        repeated = turnbull(low[back], high[back], **options)
    np.testing.assert_allclose(repeated.values, curve.values, atol=1e-9)
    finite = np.concatenate([lower, upper[np.isfinite(upper)]]).max() / 10
    assert curve.end == pytest.approx(finite, rel=1e-15)
    assert np.isnan(curve(finite + 0.1)) != (curve.complete)
    assert not np.isnan(curve(finite))


def test_where_the_curve_runs_out_the_likelihood_is_the_limit():
    # Given that it outlived 2, the second unit fails first of two: 1/2; each other term is 1, but
    # for the third's, which outlived the second's failure: 1/2.
    with pytest.warns(UserWarning, match="reaches 0 at 1 although units were seen later"):
        curve = turnbull([1, 3, 4], [1, 3, 4], entry=[0, 2, 2])
    assert curve.log_likelihood == pytest.approx(np.log(0.25), rel=1e-14)


def test_a_curve_that_starts_late_for_want_of_early_failures_is_said():
    with pytest.warns(UserWarning, match="stays at 1 until 4 although units had failed before"):
        curve = turnbull([2, 1, 3], [3, 2, 5], exit=[4, 3, 5])
    assert (curve.starts.tolist(), curve.times.tolist()) == ([4], [5])


def test_bounds_of_quantiles_are_not_claimed():
    lower, upper = turnbull([0, 2, 2, 6], [4, 4, INF, 8]).quantile_bounds([0.2, 0.5])
    assert np.isnan(lower).all() and np.isnan(upper).all()


def test_small_weights_beside_large_ones_keep_their_place():
    # Rows of 1e-14 of the weight are known to have outlived 1: the curve does not end there.
    curve = turnbull([1, 3, 5], [1, 3, INF], sample_weight=[1e14, 1, 1])
    other = kaplan_meier([1, 3, 5], [1, 1, 0], sample_weight=[1e14, 1, 1])
    np.testing.assert_allclose(curve.values, other.values, rtol=1e-10)
    np.testing.assert_allclose(other.values, [2e-14, 1e-14], rtol=1e-10)


def test_the_small_mass_of_a_late_age_keeps_its_digits_under_right_truncation():
    weight = [1e14, 1e14, 1.0]
    curve = turnbull([1, 2, 3], [1, 2, 3], exit=[9, 9, 9], sample_weight=weight)
    np.testing.assert_allclose(curve.values, [0.5, 0.5e-14, 0], rtol=1e-9)


def test_rows_of_large_weight_take_no_digits_from_those_that_enter_later():
    # The early ones have failed by 9, but for one of weight 1: nothing of that concerns the others.
    early, late = [[0, 1, 2, 9], [2, 3, 4, INF]], [[10, 11, 12, 14, 20], [12, 13, 15, 16, INF]]
    entry, weight = [9.0] * 5, [1.0, 2.0, 1.0, 3.0, 1e9]
    alone = turnbull(*late, entry=entry, sample_weight=weight)
    both = turnbull(
        *(a + b for a, b in zip(early, late, strict=True)),
        entry=[0.0] * 4 + entry,
        sample_weight=[1e17, 2e17, 1e17, 1.0, *weight],
    )
    assert alone.times.size >= 2
    np.testing.assert_allclose(both.at_risk[-alone.times.size :], alone.at_risk, rtol=1e-9)
    np.testing.assert_allclose(both.events[-alone.times.size :], alone.events, rtol=1e-9)


def test_no_row_of_tiny_weight_is_left_without_mass():
    for seed in [*range(30), 550]:
        rng = np.random.default_rng(seed)
        lower = rng.integers(0, 8, 15).astype(float)
        upper = lower + rng.integers(0, 4, 15)
        options = {
            "exit": upper + rng.integers(0, 4, 15),
            "sample_weight": 10.0 ** rng.uniform(-10, 10, 15),
        }
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="the curve ")
            assert np.isfinite(turnbull(lower, upper, **options).log_likelihood)
