"""Newton's method from many starts side by side: known minima, saddles, flat and broken starts."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from survjax._core.precision import double_precision
from survjax.optimize import ResultCode, multistart, newton

ARRIVED = (int(ResultCode.CONVERGED), int(ResultCode.ROUNDING))


def derivatives_of(fun):
    """Value, gradient and Hessian by automatic differentiation."""
    return lambda x: (fun(x), jax.grad(fun)(x), jax.hessian(fun)(x))


def rosenbrock(x):
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def four_wells(x):
    """Minima at (+-1, +-2), each of another depth; a maximum at zero and saddles between."""
    return jnp.sum((x**2 - jnp.array([1.0, 4.0])) ** 2) + 0.1 * x[0] + 0.03 * x[1]


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11.0) ** 2 + (x[0] + x[1] ** 2 - 7.0) ** 2


HIMMELBLAU = np.array(
    [[3.0, 2.0], [-2.805118, 3.131312], [-3.779310, -3.283186], [3.584428, -1.848126]]
)


def some_starts(n=24, seed=0, spread=3.0):
    return spread * np.random.default_rng(seed).normal(size=(n, 2))


@double_precision
def test_rosenbrock_is_minimized_from_everywhere():
    state, path = multistart(derivatives_of(rosenbrock), some_starts(), max_iter=300)
    assert path is None
    assert np.isin(state.code, ARRIVED).all()
    np.testing.assert_allclose(state.x, 1.0, atol=1e-8)
    np.testing.assert_allclose(state.gradient, 0.0, atol=1e-7)
    assert np.all(state.value < 1e-15) and np.all(state.decrement < 1e-8)


@double_precision
def test_every_start_ends_at_a_minimum_and_together_they_find_all():
    state, _ = multistart(derivatives_of(himmelblau), some_starts(40, spread=4.0))
    assert np.isin(state.code, ARRIVED).all()
    gap = np.abs(np.asarray(state.x)[:, None] - HIMMELBLAU).max(2)
    assert gap.min(1).max() < 1e-5
    assert set(gap.argmin(1)) == {0, 1, 2, 3}
    np.testing.assert_allclose(state.value, 0.0, atol=1e-15)
    assert np.linalg.eigvalsh(state.hessian).min() > 1.0


@double_precision
def test_side_by_side_ends_where_one_by_one_does():
    starts = some_starts(12, 1)
    run = jax.jit(partial(multistart, derivatives_of(four_wells), path_length=30))
    together, path = run(starts)
    for i, start in enumerate(starts):
        alone, way = run(start[None])
        assert int(alone.n_iter[0]) == int(together.n_iter[i])
        assert int(alone.code[0]) == int(together.code[i])
        np.testing.assert_allclose(alone.x[0], together.x[i], rtol=1e-12)
        np.testing.assert_allclose(way[0], path[i], rtol=1e-10, atol=1e-12)


@double_precision
def test_without_a_limit_on_its_steps_it_is_newton():
    starts = some_starts(8, 2)
    state, _ = multistart(derivatives_of(four_wells), starts, radius=jnp.inf)
    alone = jax.jit(partial(newton, four_wells))
    for i, start in enumerate(starts):
        one = alone(start)
        assert int(one.n_iter) == int(state.n_iter[i])
        np.testing.assert_allclose(state.x[i], one.parameters, rtol=1e-12)


@double_precision
def test_a_quadratic_takes_one_step_and_the_derivatives_there_are_exact():
    half = jnp.array([[3.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]])
    middle = jnp.array([1.0, -2.0, 0.5])

    def bowl(x):
        return 0.5 * (x - middle) @ half @ (x - middle) + 7.0

    starts = np.random.default_rng(0).normal(size=(5, 3))
    state, _ = multistart(derivatives_of(bowl), starts, radius=100.0)
    assert np.all(state.n_iter == 1)
    np.testing.assert_allclose(state.x, np.tile(middle, (5, 1)), atol=1e-12)
    np.testing.assert_allclose(state.value, 7.0, rtol=1e-14)
    np.testing.assert_allclose(state.hessian, np.tile(half, (5, 1, 1)), rtol=1e-14)


@double_precision
def test_a_saddle_and_a_maximum_are_left():
    # At zero the gradient vanishes, and the curvature is negative along one axis, or along both.
    def saddle(x):
        return x[0] ** 2 - x[1] ** 2 + 0.5 * x[1] ** 4

    state, _ = multistart(derivatives_of(saddle), np.zeros((1, 2)))
    assert int(state.code[0]) in ARRIVED
    np.testing.assert_allclose(np.abs(state.x[0]), [0.0, 1.0], atol=1e-8)
    top, _ = multistart(derivatives_of(himmelblau), np.array([[-0.270845, -0.923039]]))
    assert int(top.code[0]) in ARRIVED and float(top.value[0]) < 1e-15


@double_precision
def test_a_flat_direction_is_left_alone():
    def valley(x):
        return (x[0] + 2.0 * x[1] - 3.0) ** 2 + 0.25 * (x[0] + 2.0 * x[1] - 3.0) ** 4

    starts = np.array([[0.0, 0.0], [5.0, -1.0], [-40.0, 2.0]])
    state, _ = multistart(derivatives_of(valley), starts, tol=1e-8)
    assert np.isin(state.code, ARRIVED).all()
    np.testing.assert_allclose(state.x @ np.array([1.0, 2.0]), 3.0, atol=1e-6)
    # Rounding may push along the valley, but never far: at most as far as the point itself.
    assert np.all(np.linalg.norm(state.x, axis=1) < 4.0 * (1.0 + np.linalg.norm(starts, axis=1)))
    # What the function does not depend on stays as it is.
    open_, _ = multistart(derivatives_of(lambda x: jnp.cosh(x[0] - 1.0)), starts)
    assert np.isin(open_.code, ARRIVED).all()
    np.testing.assert_allclose(open_.x[:, 0], 1.0, atol=1e-8)
    np.testing.assert_array_equal(open_.x[:, 1], starts[:, 1])


@double_precision
def test_a_start_at_nan_ends_at_once_and_harms_no_other():
    starts = np.array([[2.5, 1.5], [np.nan, 0.0], [np.inf, 1.0], [-3.0, 3.0]])
    state, _ = multistart(derivatives_of(himmelblau), starts)
    broken = int(ResultCode.NOT_FINITE)
    assert [int(c) == broken for c in state.code] == [False, True, True, False]
    assert np.all(state.n_iter[1:3] == 0)
    np.testing.assert_allclose(state.x[np.array([0, 3])], HIMMELBLAU[:2], atol=1e-5)


@double_precision
def test_a_step_to_where_the_function_is_not_finite_is_taken_back():
    def barrier(x):  # NaN for x < 0, its minimum at 1
        return x[0] - jnp.log(x[0])

    starts = np.array([[1e-3], [0.5], [1.99], [30.0]])
    state, path = multistart(
        derivatives_of(barrier), starts, radius=50.0, max_step=100.0, path_length=40
    )
    assert np.isin(state.code, ARRIVED).all()
    np.testing.assert_allclose(state.x, 1.0, atol=1e-8)
    assert np.all(np.isfinite(path))


@double_precision
def test_what_is_abandoned_ends_as_stalled_and_the_rest_goes_on():
    def abandon(x):
        return x[0] < -1.0

    starts = np.array([[3.0, 2.5], [-0.5, 2.0], [2.5, -2.0], [-4.0, -4.0]])
    free, _ = multistart(derivatives_of(himmelblau), starts)
    state, path = multistart(derivatives_of(himmelblau), starts, abandon=abandon, path_length=40)
    left = free.x[:, 0] < -1.0
    assert left.any() and not left.all()
    np.testing.assert_array_equal(state.code == int(ResultCode.STALLED), left)
    np.testing.assert_array_equal(state.x[~left], free.x[~left])
    # It ends at the first point that lies there.
    for i in np.flatnonzero(left):
        way = path[i, : int(state.n_iter[i]) + 1]
        assert abandon(way[-1]) and not any(abandon(x) for x in way[:-1])


@double_precision
def test_what_has_arrived_counts_as_arrived_wherever_it_lies():
    at = HIMMELBLAU[:1]
    state, _ = multistart(derivatives_of(himmelblau), at, tol=1e-3, abandon=lambda x: x[0] > 0)
    assert int(state.code[0]) == int(ResultCode.CONVERGED)


@double_precision
def test_steps_are_measured_by_the_metric():
    def far(x):
        return jnp.sum(jnp.log1p((x - jnp.array([40.0, -30.0])) ** 2))

    stretch = jnp.array([10.0, 1.0])
    options = {"radius": 1.0, "max_step": 2.0, "path_length": 400, "max_iter": 399}
    for metric, units in ((None, np.ones(2)), (lambda x: stretch, np.asarray(stretch))):
        state, path = multistart(derivatives_of(far), np.zeros((1, 2)), metric=metric, **options)
        np.testing.assert_allclose(state.x[0], [40.0, -30.0], atol=1e-6)
        way = np.asarray(path[0, : int(state.n_iter[0]) + 1])
        steps = np.linalg.norm(units * np.diff(way, axis=0), axis=1)
        assert steps[0] == pytest.approx(1.0) and steps.max() == pytest.approx(2.0)


@double_precision
def test_the_path_holds_the_best_point_after_each_evaluation():
    starts = some_starts(4, 3)
    run = partial(multistart, derivatives_of(rosenbrock), starts)
    state, path = jax.device_get(run(path_length=200))
    for i, start in enumerate(starts):
        n = int(state.n_iter[i])
        way = path[i, : n + 1]
        np.testing.assert_array_equal(way[0], start)
        np.testing.assert_array_equal(way[-1], state.x[i])
        values = np.asarray(jax.vmap(rosenbrock)(path[i]))[: n + 1]
        assert np.all(np.diff(values) <= 1e-13)
        assert not np.any(path[i, n + 1 :])
    # With less room, the last entry is the latest point.
    same, short = jax.device_get(run(path_length=5))
    np.testing.assert_array_equal(short[:, :4], path[:, :4])
    np.testing.assert_array_equal(short[:, 4], same.x)


@double_precision
def test_no_time_left_is_said_and_the_best_point_kept():
    starts = some_starts(4, 3)
    state, path = multistart(derivatives_of(rosenbrock), starts, max_iter=3, path_length=4)
    assert np.all(state.code == int(ResultCode.MAX_ITERATIONS)) and np.all(state.n_iter == 3)
    np.testing.assert_array_equal(state.x, path[:, 3])
    none, _ = multistart(derivatives_of(rosenbrock), starts, max_iter=0)
    np.testing.assert_array_equal(none.x, starts)
    np.testing.assert_allclose(none.value, jax.vmap(rosenbrock)(starts), rtol=1e-14)


@double_precision
def test_tolerance_and_limits_are_traced():
    traces = []

    @jax.jit
    def run(starts, tol, max_iter, max_step):
        traces.append(1)
        options = {"tol": tol, "max_iter": max_iter, "max_step": max_step}
        return multistart(derivatives_of(himmelblau), starts, **options)[0]

    starts = some_starts(3, 4)
    rough = run(starts, 1e-1, 50, 3.0)
    exact = run(starts, 1e-9, 100, 1.0)
    assert len(traces) == 1
    assert np.all(exact.decrement <= 1e-8) and np.any(rough.decrement > 1e-8)


@double_precision
def test_it_works_under_vmap_over_functions():
    centers = np.array([[1.0, -1.0], [4.0, 2.0], [-3.0, 0.5]])

    @jax.jit
    @jax.vmap
    def run(center):
        def well(x):
            return jnp.sum(jnp.cosh(x - center))

        return multistart(derivatives_of(well), jnp.array([[0.0, 0.0], [2.0, 2.0]]))[0]

    state = run(centers)
    assert state.x.shape == (3, 2, 2)
    np.testing.assert_allclose(state.x, np.repeat(centers[:, None], 2, axis=1), atol=1e-8)
    assert np.isin(state.code, ARRIVED).all()


def test_single_precision_stays_single_and_arrives():
    starts = jnp.asarray(some_starts(10, 5), jnp.float32)
    state, path = jax.jit(
        lambda s: multistart(derivatives_of(himmelblau), s, tol=1e-4, path_length=20)
    )(starts)
    assert state.x.dtype == state.value.dtype == path.dtype == jnp.float32
    assert np.isin(state.code, ARRIVED).all()
    gap = np.abs(np.asarray(state.x)[:, None] - HIMMELBLAU).max(2)
    assert gap.min(1).max() < 1e-4


def test_one_after_another_starts_end_where_they_would_side_by_side():
    """Those that come near an end found before go there at once, and no others do."""
    starts = some_starts(40, spread=4.0)
    free, free_path = multistart(derivatives_of(himmelblau), starts, path_length=60)
    for side_by_side in (1, 3):
        state, path = multistart(
            derivatives_of(himmelblau), starts, path_length=60, side_by_side=side_by_side
        )
        arrived = [int(ResultCode.CONVERGED), int(ResultCode.ROUNDING)]
        assert np.isin(state.code, arrived).all() and np.isin(free.code, arrived).all()
        np.testing.assert_allclose(state.x, free.x, atol=1e-5)
        np.testing.assert_allclose(state.hessian, free.hessian, rtol=1e-4, atol=1e-4)
        assert np.all(state.n_iter <= free.n_iter + 1)
        assert np.sum(state.n_iter) < 0.9 * np.sum(free.n_iter)
        for i in range(len(starts)):
            np.testing.assert_array_equal(path[i, state.n_iter[i]], state.x[i])
            np.testing.assert_allclose(path[i, 1], free_path[i, 1], rtol=1e-4)


def test_a_start_that_is_not_finite_ends_at_once_whatever_the_others_do():
    starts = jnp.array([[jnp.nan, 0.0], [3.1, 2.1], [3.1, 2.1]])
    for side_by_side in (None, 1, 2):
        state, _ = multistart(
            derivatives_of(himmelblau), starts, tol=1e-4, side_by_side=side_by_side
        )
        assert state.code[0] == int(ResultCode.NOT_FINITE) and state.n_iter[0] == 0
        np.testing.assert_allclose(state.x[1:], [[3.0, 2.0]] * 2, atol=1e-5)


def test_no_start_goes_to_an_end_across_a_ridge():
    """Two minima that lie close, and starts that begin between them."""

    def close(x):  # minima at -0.05 and 0.05 along the first axis, a hardly curved second one
        return 1e4 * (x[0] ** 2 - 0.05**2) ** 2 + 1e-4 * x[1] ** 2

    rng = np.random.default_rng(0)
    starts = jnp.asarray(np.column_stack([rng.uniform(-0.2, 0.2, 60), rng.uniform(-3, 3, 60)]))
    free, _ = multistart(derivatives_of(close), starts)
    ours, _ = multistart(derivatives_of(close), starts, side_by_side=1)
    np.testing.assert_allclose(ours.x[:, 0], free.x[:, 0], atol=1e-4)
