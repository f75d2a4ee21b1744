"""The program that finds local maxima: many starts at once, padded rows, limits, corrections."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from survjax import Observations
from survjax._core.precision import double_precision
from survjax.fitting.corrections import Correction
from survjax.fitting.local_maxima import (
    ARRIVED,
    MANY_STARTS,
    Limits,
    Maximizer,
    maximize_from,
)
from survjax.lifetimes import Exponential, LogNormal
from survjax.likelihood.executors import SIZES
from survjax.likelihood.objective import Objective
from survjax.likelihood.rows import padded
from survjax.likelihood.vector.template import Template
from survjax.likelihood.weibulls import weibull_template
from survjax.optimize import ResultCode
from survjax.optimize.newton import advance, init

N = 120
TWO = weibull_template(2)
MIDDLE = np.array([0.4, np.log(5.0), np.log(40.0), np.log(0.8), np.log(3.0)])
PLAIN = Limits.of(1e-9, 100)
INSIDE = Limits.of(1e-9, 100, np.log(60.0) + 1.0, np.log(1.5 / N) - 3.0)


def fleet(n=N, seed=5):
    rng = np.random.default_rng(seed)
    life = np.where(rng.random(n) < 0.4, 5 * rng.weibull(0.8, n), 40 * rng.weibull(3.0, n))
    weight = rng.choice([0.5, 1.0, 3.0], n)
    return Observations.from_durations(np.minimum(life, 50.0), life < 50.0, sample_weight=weight)


ROWS = fleet()
#: A component on one failure: the likelihood is unbounded there.
FAILURE = ROWS.log_lower[np.flatnonzero(ROWS.event)[7]]
SPIKE = np.array([3.0, FAILURE, np.log(30.0), np.log(50.0), 0.2])


@pytest.fixture(scope="module")
def maximizer():
    return double_precision(Maximizer)(TWO, ROWS)


def starts_around(n, spread, seed=0):
    return MIDDLE + spread * np.random.default_rng(seed).normal(size=(n, 5))


def plain_log_likelihood(x, rows):
    """The textbook formula of two Weibulls, by NumPy."""
    weights = np.exp([0.0, x[0]])
    weights = weights / weights.sum()
    shape = np.exp(x[3:])[:, None]
    log_h = shape * (rows.log_lower - x[1:3, None])
    density = np.exp(np.log(shape) + log_h - rows.log_lower - np.exp(log_h))
    seen = np.where(rows.event > 0, weights @ density, weights @ np.exp(-np.exp(log_h)))
    return rows.weight @ np.log(seen)


def central_differences(function, x, step=1e-5):
    """Along each entry of x; the last axis of the answer is that of x."""
    ends = [[function(x + s * step * e) for s in (1, -1)] for e in np.eye(x.size)]
    return np.stack([(np.asarray(up) - down) / (2 * step) for up, down in ends], axis=-1)


@double_precision
def test_value_and_derivatives_are_those_of_the_textbook_formula(maximizer):
    points = starts_around(3, 0.3, 1)
    for x, there in zip(points, maximizer.at(points), strict=True):
        np.testing.assert_array_equal(there.x, x)
        assert there.value == pytest.approx(plain_log_likelihood(x, ROWS), rel=1e-13)
        slopes = central_differences(lambda x: plain_log_likelihood(x, ROWS), x)
        np.testing.assert_allclose(there.gradient, slopes, atol=1e-6)

        def gradient(x):
            return maximizer.at(x[None])[0].gradient

        curved = central_differences(gradient, x)
        np.testing.assert_allclose(there.hessian, curved, rtol=1e-7, atol=1e-6)
    np.testing.assert_array_equal(
        maximizer.values(points), [there.value for there in maximizer.at(points)]
    )


@double_precision
def test_every_start_ends_where_it_would_by_itself(maximizer):
    starts = starts_around(MANY_STARTS + 4, 0.8, 1)  # a group and a part of one
    starts[5] = SPIKE
    together = maximizer(starts, INSIDE)
    assert [end.start for end in together] == list(range(len(starts)))
    assert {end.code in ARRIVED for end in together} == {True, False}
    for i in (0, 5, MANY_STARTS - 1, MANY_STARTS, MANY_STARTS + 3):
        alone, ours = maximizer(starts[i : i + 1], INSIDE)[0], together[i]
        # One that came near where an earlier one ended, ends there too, and needs fewer steps.
        assert alone.code == ours.code and alone.n_iter >= ours.n_iter
        np.testing.assert_allclose(alone.x, ours.x, rtol=1e-9, atol=1e-9)
        assert alone.value == pytest.approx(ours.value, rel=1e-13)


@double_precision
def test_no_start_gives_no_end(maximizer):
    assert maximizer(np.empty((0, 5)), PLAIN) == []
    assert maximizer.values(np.empty((0, 5))).shape == (0,)


@double_precision
def test_the_answer_has_the_exact_value_gradient_and_hessian(maximizer):
    for end in maximizer(starts_around(6, 0.2, 3), INSIDE):
        assert end.code in ARRIVED
        there = maximizer.at(end.x[None])[0]
        assert end.value == pytest.approx(there.value, rel=1e-14)
        np.testing.assert_allclose(end.gradient, there.gradient, atol=1e-11 * N)
        np.testing.assert_allclose(end.hessian, there.hessian, rtol=1e-11, atol=1e-11 * N)
        error = np.sqrt(end.gradient @ np.linalg.solve(-end.hessian, end.gradient))
        assert error < 1e-8 and end.decrement < 1e-8
        np.testing.assert_array_equal(end.path[-1], end.x)
        assert end.path.shape == (end.n_iter + 1, 5)


@double_precision
def test_rows_that_fill_up_change_nothing(maximizer):
    wide = Maximizer(TWO, ROWS.padded(400))  # another size
    assert (maximizer.padded.n_rows, wide.padded.n_rows) == (128, 512)
    starts = starts_around(5, 0.2, 2)
    for ours, theirs in zip(wide(starts, INSIDE), maximizer(starts, INSIDE), strict=True):
        assert ours.code == theirs.code and abs(ours.n_iter - theirs.n_iter) <= 1
        np.testing.assert_allclose(ours.x, theirs.x, atol=1e-8)
        assert ours.value == pytest.approx(theirs.value, rel=1e-13)


def test_rows_come_in_few_sizes():
    for n in (1, 128, 129, 300, 2048, 2049, 4096):
        assert padded(fleet(n)).n_rows == min(size for size in SIZES if size >= n)
    assert padded(fleet(4097)).n_rows == 8192
    assert padded(fleet(9000)).n_units == pytest.approx(fleet(9000).n_units, rel=1e-14)


@double_precision
def test_a_row_of_no_weight_changes_nothing_however_old_it_is(maximizer):
    more = Observations.from_durations(
        np.append(ROWS.lower, 1e300),
        np.append(ROWS.event, 0.0) > 0,
        sample_weight=np.append(ROWS.weight, 0.0),
    )
    ours, theirs = (m(MIDDLE[None], PLAIN)[0] for m in (Maximizer(TWO, more), maximizer))
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-10)
    np.testing.assert_allclose(ours.hessian, theirs.hessian, rtol=1e-9, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(1.0, 6.0))
@double_precision
def test_far_points_are_told_by_their_value_and_harm_no_other(seed, spread):
    maximizer = Maximizer(TWO, ROWS)
    far = starts_around(5, spread, seed)
    far[0, 1:3], far[0, 3:] = -300.0, 3.0
    values = maximizer.values(np.concatenate([far, MIDDLE[None]]))
    assert not values[0] > -1e100
    assert values[-1] == pytest.approx(plain_log_likelihood(MIDDLE, ROWS), rel=1e-13)
    with np.errstate(all="ignore"):
        exact = np.array([plain_log_likelihood(x, ROWS) for x in far])
    near = np.isfinite(exact)
    np.testing.assert_allclose(values[:-1][near], exact[near], rtol=1e-9)


@double_precision
def test_a_start_that_collapses_ends_as_stalled_and_harms_no_other(maximizer):
    light = MIDDLE + np.array([-14.0, 0.0, 0.0, 0.0, 0.0])
    broken = np.full(5, np.nan)
    ends = maximizer(np.stack([SPIKE, MIDDLE, light, broken]), INSIDE)
    codes = [end.code for end in ends]
    stalled, not_finite = int(ResultCode.STALLED), int(ResultCode.NOT_FINITE)
    assert codes[0] == codes[2] == stalled and codes[1] in ARRIVED and codes[3] == not_finite
    assert ends[0].x[3] > np.log(60.0) + 1.0
    assert ends[2].n_iter == 0
    np.testing.assert_array_equal(ends[1].x, maximizer(MIDDLE[None], INSIDE)[0].x)
    # Without limits the same start goes on until the numbers or its time end.
    free = maximizer(SPIKE[None], PLAIN)[0]
    assert free.x[3] > ends[0].x[3] and free.value > ends[0].value


@double_precision
def test_limits_stop_an_iteration_and_are_no_other_program(maximizer):
    start = starts_around(1, 0.4, 4)
    exact = maximizer(start, PLAIN)[0]
    n_programs = maximize_from._cache_size()
    rough = maximizer(start, Limits.of(0.1, 100))[0]
    short = maximizer(start, Limits.of(0, 2, 5))[0]
    assert maximize_from._cache_size() == n_programs
    assert rough.code == int(ResultCode.CONVERGED) and rough.n_iter < exact.n_iter
    assert exact.decrement < rough.decrement <= 0.1
    assert short.code == int(ResultCode.MAX_ITERATIONS) and short.n_iter == 2
    np.testing.assert_array_equal(short.path, exact.path[:3])


def a_correction():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 5))
    return Correction(
        point=MIDDLE + 0.1,
        value=np.float64(2.5),
        gradient=rng.normal(size=5),
        hessian=-root @ root.T,
        penalty=np.array([0.0, 0.0, 0.0, 0.7, 0.2]),
        reference=np.array([0.0, 0.0, 0.0, 0.5, 0.9]),
        free=np.ones(5),
    )


def added(x, c):
    """What a correction adds, as its docstring says it."""
    step, r = x - c.point, np.exp(x - c.reference) ** 2
    quadratic = c.value + c.gradient @ step + 0.5 * step @ c.hessian @ step
    return quadratic - c.penalty @ (r - 1.0 - np.log(r))


@double_precision
def test_a_correction_adds_a_quadratic_and_a_penalty(maximizer):
    correction, still = a_correction(), Limits.of(0.0, 0)
    for x in starts_around(3, 0.5, 6):
        ours = maximizer(x[None], still, correction)[0]
        bare = maximizer.at(x[None])[0]
        assert ours.value - bare.value == pytest.approx(added(x, correction), rel=1e-10)
        slopes = central_differences(lambda x: added(x, correction), x)
        np.testing.assert_allclose(ours.gradient - bare.gradient, slopes, atol=1e-6)
        curved = central_differences(
            lambda x: central_differences(lambda x: added(x, correction), x, 1e-4), x, 1e-3
        )
        np.testing.assert_allclose(ours.hessian - bare.hessian, curved, rtol=1e-4, atol=1e-4)


@double_precision
def test_the_maximum_of_a_corrected_likelihood_is_where_the_sum_is_flat(maximizer):
    correction = a_correction()
    end = maximizer(MIDDLE[None], PLAIN, correction)[0]
    assert end.code in ARRIVED
    slopes = central_differences(lambda x: added(x, correction), end.x)
    np.testing.assert_allclose(maximizer.at(end.x[None])[0].gradient, -slopes, atol=1e-6)
    none = maximizer(MIDDLE[None], PLAIN, Correction.none(5))[0]
    np.testing.assert_array_equal(none.x, maximizer(MIDDLE[None], PLAIN)[0].x)
    # A strong penalty holds the shapes where it wants them, and nothing else.
    held = Correction.none(5)
    held.penalty[3:], held.reference[3:] = 1e6, [0.3, 0.7]
    end = maximizer(MIDDLE[None], PLAIN, held)[0]
    np.testing.assert_allclose(end.x[3:], [0.3, 0.7], atol=1e-3)
    np.testing.assert_allclose(maximizer.at(end.x[None])[0].gradient[:3], 0.0, atol=1e-5)


@double_precision
def test_one_program_ends_where_newton_driven_from_the_host_does(maximizer):
    objective = Objective(TWO, ROWS)
    for start in starts_around(4, 0.3, 7):
        state = init(start, 1.0)
        while state.code == int(ResultCode.RUNNING):
            minus = (-part for part in objective(state.trial))
            state = advance(state, *minus, tol=1e-9, max_iter=100, max_step=3.0)
        end = maximizer(start[None], PLAIN)[0]
        assert int(state.code) in ARRIVED and end.code in ARRIVED
        np.testing.assert_allclose(end.x, state.x, rtol=0.0, atol=1e-9)
        assert end.value == pytest.approx(-float(state.value), rel=1e-13)
        np.testing.assert_allclose(end.hessian, -state.hessian, rtol=1e-7, atol=1e-7)


@double_precision
def test_lifetimes_that_are_no_mixture_reach_their_closed_forms():
    life = np.random.default_rng(2).lognormal(3.0, 0.6, 90)
    zero = np.zeros(())
    end = Maximizer(Template(LogNormal(zero, zero)), Observations.from_durations(life))(
        np.array([[2.0, 0.0], [5.0, 1.5]]), PLAIN
    )
    mean, sd = np.log(life).mean(), np.log(life).std()
    for one in end:
        np.testing.assert_allclose(one.x, [mean, -np.log(sd)], atol=1e-8)
        exact = stats.lognorm.logpdf(life, sd, scale=np.exp(mean)).sum()
        assert one.value == pytest.approx(exact, rel=1e-12)
    rows = Observations.from_durations(np.minimum(life, 30.0), life < 30.0)
    one = Maximizer(Template(Exponential(zero)), rows)(np.array([[1.0]]), PLAIN)[0]
    assert np.exp(one.x[0]) == pytest.approx(rows.lower.sum() / rows.n_events, rel=1e-9)
