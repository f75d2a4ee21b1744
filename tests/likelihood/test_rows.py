"""The one likelihood against an independent one, row by row, for every kind of row there is."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp, mpf

from survjax import Observations
from survjax._core.precision import double_precision
from survjax.data.truncation_rows import with_truncation_rows
from survjax.lifetimes import Exponential, Mixture, Weibull
from survjax.likelihood.executors import CPU
from survjax.likelihood.row_derivatives import log_contributions
from survjax.likelihood.rows import derivatives, padded
from tests.oracle import Oracle, weibulls

VECTORS = {
    1: np.array([np.log(30.0), np.log(1.7)]),
    2: np.array([0.4, np.log(5.0), np.log(40.0), np.log(0.8), np.log(3.0)]),
    3: np.array([0.4, -0.7, *np.log([5.0, 40.0, 22.0]), *np.log([0.8, 3.0, 6.0])]),
}


def every_kind(n=48, seed=3):
    """Exact, right-, left- and interval-censored rows, with late entry, exit and weights."""
    rng = np.random.default_rng(seed)
    life = rng.uniform(0.5, 60.0, n)
    kind = np.arange(n) % 4
    lower = np.where(kind == 2, 0.0, life)
    upper = np.choose(kind, [life, np.inf, life, life * (1 + 10.0 ** rng.uniform(-8, 0.5, n))])
    late = (np.arange(n) // 4) % 3 == 1
    entry = np.where(late, np.where(kind == 2, 0.3, 0.6) * life, 0.0)
    until = (np.arange(n) // 4) % 4 == 2
    exit = np.where(until, 1.5 * np.where(np.isinf(upper), life, upper), np.inf)
    weight = rng.uniform(0.1, 3.0, n)
    return {"lower": lower, "upper": upper, "entry": entry, "exit": exit, "weight": weight}


def plain(c, late=False):
    """Only exact and right-censored rows of these, with late entry or without."""
    running = np.arange(c["upper"].size) % 4 == 1
    lower = np.where(np.isinf(c["upper"]), c["lower"], c["upper"])
    entry = c["entry"] if late else None
    return c | {
        "lower": lower,
        "upper": np.where(running, np.inf, lower),
        "entry": entry,
        "exit": None,
    }


def to_rows(c):
    return Observations.from_intervals(
        c["lower"], c["upper"], entry=c["entry"], exit=c["exit"], sample_weight=c["weight"]
    )


def exact_row(oracle, lower, upper, entry, exit):
    """The oracle's word on one row; a unit that runs, but fails by its exit, fails between."""
    upper = upper if lower == upper else min(upper, exit)
    if lower == upper or np.isinf(upper):
        return oracle.row(lower=lower, event=lower == upper, entry=entry, exit=exit)
    # Surviving until entry is part of what was observed of an interval that began earlier.
    return oracle.row(lower=max(lower, entry), upper=upper, event=False, entry=entry, exit=exit)


contributions = jax.jit(lambda x, rows: log_contributions(weibulls(x), rows))
compiled_pass = jax.jit(lambda x, rows: derivatives(weibulls(x), rows))
by_autodiff = jax.jit(
    lambda x, rows: (
        jax.grad(lambda x: rows.weight @ log_contributions(weibulls(x), rows))(x),
        jax.hessian(lambda x: rows.weight @ log_contributions(weibulls(x), rows))(x),
    )
)


def pass_(x, rows):
    """Value, gradient and Hessian, truncation as rows of negative weight."""
    return compiled_pass(x, padded(with_truncation_rows(rows)))


@pytest.mark.parametrize("k", [1, 2, 3])
@double_precision
def test_every_kind_of_row_agrees_with_an_independent_likelihood(k):
    columns = every_kind()
    rows, oracle = to_rows(columns), Oracle.from_vector(VECTORS[k])
    ours = np.asarray(contributions(VECTORS[k], rows))
    names = ("lower", "upper", "entry", "exit")
    exact = [exact_row(oracle, *row) for row in zip(*(columns[c] for c in names), strict=True)]
    np.testing.assert_allclose(ours, [float(v) for v in exact], rtol=1e-12, atol=1e-12)
    total = mp.fsum(mpf(float(w)) * v for w, v in zip(columns["weight"], exact, strict=True))
    assert float(np.sum(columns["weight"] * ours)) == pytest.approx(float(total), rel=1e-13)


@pytest.mark.parametrize(("k", "kept"), [(1, "plain"), (2, "plain"), (2, "late")])
@double_precision
def test_score_and_hessian_agree_with_autodiff_of_the_sum(k, kept):
    rows = to_rows(plain(every_kind(), late=kept == "late"))
    _, gradient, hessian = pass_(VECTORS[k], rows)
    auto_gradient, auto_hessian = by_autodiff(VECTORS[k], rows)
    np.testing.assert_allclose(gradient, auto_gradient, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(hessian, auto_hessian, rtol=1e-10, atol=1e-9)


@double_precision
def test_score_and_hessian_agree_with_fifty_digit_differences():
    columns = every_kind()
    x, rows = VECTORS[2], to_rows(columns)
    names = ("lower", "upper", "entry", "exit", "weight")
    table = list(zip(*(columns[c] for c in names), strict=True))

    def total(x):
        with mp.workdps(50):
            oracle = Oracle(tuple(x[:1]), tuple(x[1:3]), tuple(x[3:]))
            return mp.fsum(mpf(float(w)) * exact_row(oracle, *row) for *row, w in table)

    value, gradient, hessian = pass_(x, rows)
    base, h = [mpf(float(v)) for v in x], mpf(10) ** -12

    def at(*moves):
        return total([v + h * sum(s for i, s in moves if i == j) for j, v in enumerate(base)])

    assert float(value) == pytest.approx(float(at()), rel=1e-13)
    for i in range(5):
        slope = (at((i, 1)) - at((i, -1))) / (2 * h)
        assert float(gradient[i]) == pytest.approx(float(slope), rel=1e-11, abs=1e-11)
        for j in range(i + 1):
            corners = at((i, 1), (j, 1)) + at((i, -1), (j, -1))
            bend = (corners - at((i, 1), (j, -1)) - at((i, -1), (j, 1))) / (4 * h**2)
            assert float(hessian[i, j]) == pytest.approx(float(bend), rel=1e-11, abs=1e-10)


@double_precision
def test_a_family_without_written_out_derivatives_takes_the_general_way():
    rows = to_rows(plain(every_kind(), late=True))
    rates = Mixture(np.array([0.4]), Exponential(np.log([5.0, 40.0])))
    two = Mixture(
        np.array([0.4]),
        (Exponential(np.log([5.0])), Weibull(np.log([40.0]), np.zeros(1))),
    )
    value, gradient, hessian = pass_(np.array([0.4, *np.log([5.0, 40.0]), 0.0, 0.0]), rows)
    for life, kept in ((rates, [0, 1, 2]), (two, [0, 1, 2, 4])):
        found = jax.jit(derivatives)(life, padded(with_truncation_rows(rows)))
        assert float(found[0]) == pytest.approx(float(value), rel=1e-13)
        np.testing.assert_allclose(found[1], gradient[np.array(kept)], rtol=1e-10)
        np.testing.assert_allclose(found[2], hessian[np.ix_(kept, kept)], rtol=1e-9, atol=1e-9)


@double_precision
def test_sums_over_blocks_equal_the_sum_over_all_rows():
    rows = to_rows(plain(every_kind(2 * CPU.block)))
    value, gradient, hessian = pass_(VECTORS[2], rows)
    halves = [
        pass_(VECTORS[2], rows.take(slice(i * CPU.block, (i + 1) * CPU.block))) for i in (0, 1)
    ]
    assert float(value) == pytest.approx(float(halves[0][0] + halves[1][0]), rel=1e-13)
    np.testing.assert_allclose(gradient, halves[0][1] + halves[1][1], rtol=1e-11)
    np.testing.assert_allclose(hessian, halves[0][2] + halves[1][2], rtol=1e-11, atol=1e-7)


@double_precision
def test_an_exact_failure_is_the_limit_of_intervals():
    t = np.array([0.7, 3.0, 11.0, 45.0])
    density = contributions(VECTORS[2], Observations.from_durations(t))
    for width in (1e-3, 1e-6, 1e-9):
        high = t * (1 + width)
        interval = contributions(VECTORS[2], Observations.from_intervals(t, high))
        gap = np.asarray(interval) - np.log(high - t) - np.asarray(density)
        assert np.max(np.abs(gap)) < 5 * width + 1e-12


@double_precision
def test_running_units_are_intervals_without_end():
    t = np.array([0.7, 3.0, 11.0, 45.0])
    running = Observations.from_durations(t, np.zeros(4))
    endless = Observations.from_intervals(t, np.full(4, np.inf))
    distant = Observations.from_intervals(t, np.full(4, 1e9))
    np.testing.assert_array_equal(
        contributions(VECTORS[2], running), contributions(VECTORS[2], endless)
    )
    np.testing.assert_allclose(
        contributions(VECTORS[2], running), contributions(VECTORS[2], distant), rtol=1e-12
    )


@double_precision
def test_splitting_a_history_by_late_entry_changes_nothing():
    stops, event = np.array([9.0, 30.0, 17.0, 45.0]), np.array([1, 1, 0, 0])
    cuts = np.array([2.0, 29.999, 6.0, 1e-6])
    split = Observations.from_durations(
        np.r_[cuts, stops], np.r_[np.zeros(4), event], entry=np.r_[np.zeros(4), cuts]
    )
    # One more cut in the same histories.
    again = Observations.from_durations(
        np.r_[cuts / 2, cuts, stops],
        np.r_[np.zeros(8), event],
        entry=np.r_[np.zeros(4), cuts / 2, cuts],
    )
    once = Observations.from_durations(stops, event).padded(48)
    total = float(pass_(VECTORS[2], once)[0])
    for parts in (split, again):
        assert float(pass_(VECTORS[2], parts.padded(48))[0]) == pytest.approx(total, rel=1e-13)


@double_precision
def test_weights_count_units_and_zero_counts_none():
    columns = every_kind() | {"weight": np.arange(48.0) % 4}
    count = columns["weight"].astype(int)
    once = {n: np.repeat(c, count) for n, c in columns.items()} | {"weight": np.ones(count.sum())}
    weighted, repeated = to_rows(columns), to_rows(once)
    base = pass_(VECTORS[2], weighted)
    for same in (repeated.padded(96), weighted.without_padding().padded(96), weighted.padded(96)):
        value, gradient, hessian = pass_(VECTORS[2], same)
        assert float(value) == pytest.approx(float(base[0]), rel=1e-13)
        np.testing.assert_allclose(gradient, base[1], rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(hessian, base[2], rtol=1e-11, atol=1e-11)


@double_precision
def test_impossible_rows_of_weight_zero_poison_nothing():
    rows = to_rows(plain(every_kind()))
    # At such times every component's density and survival underflow (H = 1e13).
    far = np.arange(48) % 4 < 2
    time = np.where(far, 1e6, rows.lower)
    dead = dataclasses.replace(
        rows, lower=time, log_lower=np.log(time), weight=np.where(far, 0.0, rows.weight)
    )
    alive = pass_(VECTORS[2], dataclasses.replace(rows, weight=dead.weight))
    for part, expected in zip(pass_(VECTORS[2], dead), alive, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-12)


@double_precision
def test_equal_components_are_one_and_labels_do_not_matter():
    rows = to_rows(every_kind())
    twice = np.array([0.7, *np.repeat(VECTORS[1], 2)])
    assert float(pass_(twice, rows)[0]) == pytest.approx(
        float(pass_(VECTORS[1], rows)[0]), rel=1e-13
    )
    swapped = np.array([-0.4, *np.log([40.0, 5.0]), *np.log([3.0, 0.8])])
    value, gradient, hessian = pass_(VECTORS[2], rows)
    found = pass_(swapped, rows)
    assert float(found[0]) == pytest.approx(float(value), rel=1e-14)
    order, sign = np.array([0, 2, 1, 4, 3]), np.array([-1.0, 1, 1, 1, 1])
    np.testing.assert_allclose(found[1], (gradient * sign)[order], rtol=1e-11)
    turned = (hessian * np.outer(sign, sign))[np.ix_(order, order)]
    np.testing.assert_allclose(found[2], turned, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1e6, 1e12])
@double_precision
def test_the_unit_of_time_moves_the_likelihood_by_a_constant_only(unit):
    columns = every_kind()
    moved = {n: c * unit if n != "weight" else c for n, c in columns.items()}
    x = VECTORS[2].copy()
    x[1:3] += np.log(unit)
    exact = columns["lower"] == columns["upper"]
    shift = -np.log(unit) * columns["weight"][exact].sum()
    value, gradient, hessian = pass_(VECTORS[2], to_rows(columns))
    found = pass_(x, to_rows(moved))
    assert float(found[0]) == pytest.approx(float(value) + shift, rel=1e-11)
    np.testing.assert_allclose(found[1], gradient, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found[2], hessian, rtol=1e-9, atol=1e-8)


@double_precision
def test_probabilities_of_a_partition_add_up_to_one():
    edges = np.array([0.0, 1e-6, 0.3, 5.0, 5.0 + 1e-9, 38.0, 90.0, np.inf])
    rows = Observations.from_intervals(edges[:-1], edges[1:])
    total = float(jnp.sum(jnp.exp(contributions(VECTORS[2], rows))))
    assert total == pytest.approx(1.0, rel=1e-14)
