"""Starts are finite whatever the data, proper guesses, and the same for the same seed."""

import numpy as np
import pytest

from survjax import Observations, WeibullMixture
from survjax._core.precision import double_precision
from survjax.fitting.coreset import _edges, compress
from survjax.fitting.groups.starts import weibull_starts
from survjax.fitting.guesses.responsibilities import failed_share
from survjax.fitting.local_maxima import Maximizer
from survjax.fitting.scan_statistic import ScanStatistic
from survjax.fitting.settings import Settings
from survjax.fitting.starts import (
    canonical,
    different,
    expectation_maximization,
    guesses,
    moment_start,
    representative,
    weibull_start,
)
from survjax.likelihood.weibulls import weibull_template


def samples():
    rng = np.random.default_rng(0)
    life = np.r_[5 * rng.weibull(0.8, 40), 40 * rng.weibull(3.0, 60)]
    yield "mixed", Observations.from_durations(np.minimum(life, 50.0), life < 50.0)
    yield "tied", Observations.from_durations(rng.integers(1, 5, 60), rng.integers(0, 2, 60))
    yield "one failure", Observations.from_durations(np.arange(1.0, 20), np.arange(19) == 5)
    yield "equal", Observations.from_durations(np.full(9, 3.0))
    yield "units", Observations.from_durations(life * 1e-12, life < 50.0)
    yield "decades", Observations.from_durations(10.0 ** rng.uniform(-150, 150, 50))
    yield "intervals", Observations.from_intervals(np.floor(life), np.floor(life) + 1)
    yield "left", Observations.from_intervals(np.zeros(30), np.arange(1.0, 31))
    weight = rng.uniform(0, 2, 100) * (rng.random(100) < 0.5)
    yield "weights", Observations.from_durations(life, sample_weight=weight)
    yield "late", Observations.from_durations(life, entry=0.5 * life)


SAMPLES = dict(samples())


@pytest.fixture(params=SAMPLES)
def rows(request):
    return SAMPLES[request.param]


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_guesses_are_shares_and_their_starts_finite(rows, k):
    tables = guesses(rows, k, 24, 0)
    assert tables.shape == (24, k, rows.n_rows)
    np.testing.assert_allclose(tables.sum(axis=1), 1.0, rtol=1e-9)
    assert np.all(tables >= 0)
    starts = expectation_maximization(tables, rows)
    assert starts.shape == (24, 3 * k - 1)
    assert np.all(np.isfinite(starts))


def test_single_starts_are_finite(rows):
    assert np.all(np.isfinite(moment_start(rows)))
    assert np.all(np.isfinite(weibull_start(rows)))


def test_crowded_starts_add_one_component_each(rows):
    starts, gains = ScanStatistic(rows, 60.0).around(weibull_start(rows), 10)
    assert starts.shape == (gains.size, 5)
    assert np.all(np.isfinite(starts)) and np.all(gains > 0)
    assert np.all(np.diff(gains) <= 0)
    assert np.all(np.exp(starts[:, 3:]).max(axis=1) <= max(60.0, np.exp(weibull_start(rows)[1])))


def test_a_crowd_of_failures_is_found():
    rng = np.random.default_rng(4)
    life = np.r_[30.0 * rng.weibull(1.0, 60), 17.0 * rng.weibull(30.0, 12)]
    rows = Observations.from_durations(life)
    starts, _ = ScanStatistic(rows, 60.0).around(weibull_start(rows), 5)
    assert np.exp(starts[0, 2]) == pytest.approx(17.0, rel=0.05)
    assert 10 < np.exp(starts[0, 4]) < 60


def test_a_seed_gives_the_same_starts_again(rows):
    np.testing.assert_array_equal(guesses(rows, 3, 24, 7), guesses(rows, 3, 24, 7))


def test_the_unit_of_time_moves_scales_only():
    rows = SAMPLES["mixed"]
    moved = Observations.from_durations(rows.lower * 1e9, rows.event)
    ours = expectation_maximization(guesses(rows, 2, 24, 0), rows)
    theirs = expectation_maximization(guesses(moved, 2, 24, 0), moved)
    shift = np.array([0, 1, 1, 0, 0]) * np.log(1e9)
    np.testing.assert_allclose(theirs, ours + shift, rtol=1e-7, atol=1e-7)


def test_the_failed_share_is_that_of_kaplan_and_meier():
    log_time, event = np.log([3.0, 5.0, 5.0, 8.0, 9.0]), np.array([1.0, 1, 0, 0, 1])
    share = failed_share(log_time, event, np.ones(5))
    np.testing.assert_allclose(share, [0.2, 0.4, 0.4, 0.4, 1.0], atol=1e-8)
    doubled = failed_share(log_time, event, np.full(5, 2.0))
    np.testing.assert_allclose(doubled, share, atol=1e-8)


def test_one_weibull_starts_at_its_maximum_where_all_rows_are_exact():
    rng = np.random.default_rng(1)
    life = 30.0 * rng.weibull(1.8, 200)
    log_scale, log_shape = weibull_start(Observations.from_durations(life))
    shape = np.exp(log_shape)
    # The likelihood equations of a complete sample.
    power = life**shape
    assert np.exp(log_scale) == pytest.approx(np.mean(power) ** (1 / shape), rel=1e-5)
    slope = power @ np.log(life) / power.sum() - 1 / shape
    assert slope == pytest.approx(np.mean(np.log(life)), rel=1e-5)


def test_a_summary_keeps_units_failures_and_nearly_the_likelihood():
    rng = np.random.default_rng(2)
    life = 30.0 * rng.weibull(1.5, 60_000)
    weight = rng.uniform(0.5, 2.0, life.size)
    rows = Observations.from_durations(np.minimum(life, 40.0), life < 40.0, sample_weight=weight)
    small = compress(rows, 512)
    assert small.n_rows <= 512
    assert small.n_units == pytest.approx(rows.n_units, rel=1e-12)
    assert small.n_events == pytest.approx(rows.n_events, rel=1e-12)
    np.testing.assert_allclose(weibull_start(small), weibull_start(rows), atol=2e-4)
    assert compress(small, 512) is small


def test_a_sample_of_other_rows_keeps_units():
    rng = np.random.default_rng(3)
    life = 30.0 * rng.weibull(1.5, 5000)
    rows = Observations.from_intervals(np.floor(life), np.floor(life) + 1)
    small = compress(rows, 512)
    assert small.n_rows == 512
    assert small.n_units == pytest.approx(5000, rel=1e-12)
    assert representative(small)[0].shape == (512,)


@pytest.mark.parametrize("ties", [False, True])
def test_a_summary_keeps_three_moments_of_log_time(ties):
    rng = np.random.default_rng(4)
    life = 30.0 * rng.weibull(1.5, 5000)
    if ties:
        life = np.ceil(life)
    weight = rng.uniform(0.5, 2.0, life.size)
    rows = Observations.from_durations(np.minimum(life, 40.0), life < 40.0, sample_weight=weight)
    small = compress(rows, 200)
    assert small.n_rows <= 200
    for failed in (0.0, 1.0):
        ours, all_ = small.take(small.event == failed), rows.take(rows.event == failed)
        for power in range(4):
            assert ours.weight @ ours.log_lower**power == pytest.approx(
                all_.weight @ all_.log_lower**power, rel=1e-12
            )
    assert small.log_lower.min() >= rows.log_lower.min() - 1e-9
    assert small.log_lower.max() <= rows.log_lower.max() + 1e-9


def test_random_splits_are_shares_and_tell_components_apart():
    rng = np.random.default_rng(6)
    life = 30.0 * rng.weibull(1.5, 300)
    rows = Observations.from_durations(np.minimum(life, 40.0), life < 40.0)
    tables = guesses(rows, 3, 40, 0)[-12:]
    np.testing.assert_allclose(tables.sum(1), 1.0, rtol=1e-12)
    assert tables.min() > 0
    means = (tables @ rows.log_lower) / tables.sum(2)
    # A split that leaves all components alike begins on a saddle.
    assert np.median(np.ptp(means, axis=1)) > 0.2


def test_the_ends_of_a_sample_stay_apart_however_many_rows_are_merged():
    rng = np.random.default_rng(8)
    life = 30.0 * rng.weibull(1.5, 50_000)
    rows = Observations.from_durations(np.minimum(life, 40.0), life < 40.0)
    small = compress(rows, 192)
    exact = np.sort(rows.log_lower[rows.event > 0])
    ours = np.sort(small.log_lower[small.event > 0])
    assert small.n_rows <= 192
    np.testing.assert_allclose(ours[[0, -1]], exact[[0, -1]], atol=2e-3)
    held = small.weight[small.event > 0][np.argsort(small.log_lower[small.event > 0])]
    # Failures end abruptly where units are retired, and not at the young end.
    assert held[0] < 3 and held[-1] < 50 and np.median(held) > 200


def test_edges_are_as_many_as_groups_need_and_rise():
    for n_groups, finest in [(1, 1e-3), (2, 0.4), (10, 1e-9), (96, 1e-5), (96, 0.02), (64, 1e-300)]:
        edges = _edges(n_groups, finest)
        assert edges.size == n_groups - 1
        assert np.all(np.diff(edges) > 0) and np.all((edges > 0) & (edges < 1))


@double_precision
def test_a_hundred_rows_place_the_maximum_of_a_thousand():
    rng = np.random.default_rng(9)
    life = np.where(rng.random(1000) < 0.4, 5 * rng.weibull(0.8, 1000), 40 * rng.weibull(3.0, 1000))
    rows = Observations.from_durations(np.minimum(life, 50.0), life < 50.0)
    start = np.array([[0.4, np.log(5.0), np.log(40.0), np.log(0.8), np.log(3.0)]])
    template, limits = weibull_template(2), Settings().limits(2, 1000.0)
    few = Maximizer(template, compress(rows, 128))(start, limits)[0]
    there = Maximizer(template, rows).at(few.x[None])[0]
    assert np.sqrt(there.gradient @ np.linalg.solve(-there.hessian, there.gradient)) < 2e-3


def test_canonical_points_do_not_depend_on_the_order_of_components():
    template = weibull_template(3)
    x = np.array([0.4, -0.7, 3.7, 1.6, 3.1, 1.1, -0.2, 1.8])
    orders = np.array([[0, 1, 2], [2, 1, 0], [1, 2, 0]])
    points = canonical(np.stack([template.reordering(order) @ x for order in orders]))
    np.testing.assert_allclose(points, np.tile(points[0], (3, 1)), atol=1e-12)
    logs = np.exp(template.log_weights(x)), x[2:5], x[5:]
    by_median = [1, 2, 0]
    np.testing.assert_allclose(np.exp(points[0, :3]), logs[0][by_median], rtol=1e-12)
    np.testing.assert_allclose(points[0, 3:6], logs[1][by_median], rtol=1e-12)
    np.testing.assert_allclose(points[0, 6:], logs[2][by_median], rtol=1e-12)


def test_of_starts_that_are_close_one_is_kept_whatever_the_order_of_components():
    x = np.array([0.4, np.log(5.0), np.log(40.0), np.log(0.8), np.log(3.0)])
    swapped = weibull_template(2).reordering(np.array([1, 0])) @ x
    # A scale counts in units of its component's spread: the steeper, the shorter.
    moved = np.array([0.0, 0.0, 0.1, 0.0, 0.0])
    starts = np.stack([x, swapped, x + 0.01, x + moved, x + 0.3])
    np.testing.assert_array_equal(different(starts), starts[[0, 3, 4]])


def test_weibulls_of_groups_start_where_one_step_is_enough():
    rng = np.random.default_rng(4)
    life = 40.0 * rng.weibull(2.0, (20, 50))
    time, failed = np.minimum(life, 45.0), (life <= 45.0).astype(float)
    starts = weibull_starts(Observations(time, np.log(time), failed, np.ones_like(time)))
    for (log_scale, log_shape), t, d in zip(starts, time, failed, strict=True):
        model = WeibullMixture(1).fit(t, d)
        at = np.log([model.scales_[0], model.shapes_[0]])
        # In single precision, and far below a standard error.
        np.testing.assert_allclose([log_scale, log_shape], at, atol=5e-6)
