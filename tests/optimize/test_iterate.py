"""Iterated maps: fixed points, basins and the period-doubling route to chaos."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from survjax.optimize import (
    Basins,
    ResultCode,
    basins,
    fixed_point,
    iterate,
    multiplier,
    newton,
    orbit,
)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def parabola(x):
    """Fixed points 3, where the slope is 0.6, and 7, where it is 1.4."""
    return (x**2 + 21) / 10


def logistic(x, a):
    return a * x * (1 - x)


def test_the_path_equals_a_loop():
    starts = np.linspace(-6.9, 6.9, 38)
    path = np.asarray(iterate(parabola, starts, 500))
    assert path.shape == (501, 38)
    x = starts
    for row in path:
        np.testing.assert_allclose(row, x, rtol=1e-13)
        x = parabola(x)
    np.testing.assert_allclose(path[-1], 3.0, rtol=1e-14)


def test_no_steps_leave_the_start():
    np.testing.assert_array_equal(iterate(parabola, 2.0, 0), [2.0])


def test_vector_states_and_arguments_are_told_from_starts():
    matrix = jnp.array([[0.0, -1.0], [1.0, 0.0]])
    starts = jnp.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    path = iterate(lambda v, m: m @ v, starts, 4, args=(matrix,), state_ndim=1)
    np.testing.assert_allclose(path[4], starts, atol=1e-15)
    np.testing.assert_allclose(path[1], starts @ matrix.T, atol=1e-15)


def test_a_map_that_changes_shape_is_refused_with_a_hint():
    with pytest.raises(ValueError, match="state_ndim=1"):
        iterate(lambda v: jnp.stack([v, v]), jnp.ones(2), 3)
    with pytest.raises(ValueError, match="n must not be negative, got -1"):
        iterate(parabola, 1.0, -1)
    with pytest.raises(ValueError, match="whole number of steps, got 2.5"):
        iterate(parabola, 1.0, 2.5)


def test_it_is_compiled_once_for_one_map():
    traces = []

    def counted(x):
        traces.append(1)
        return x / 2

    for _ in range(5):
        iterate(counted, np.ones(3), 10)
    # One trace to check the shape, one for the loop.
    assert len(traces) <= 3


def test_three_attracts_and_seven_repels():
    assert float(multiplier(parabola, 3.0)) == pytest.approx(0.6)
    assert float(multiplier(parabola, 7.0)) == pytest.approx(1.4)
    inside = fixed_point(parabola, jnp.linspace(-6.999, 6.999, 41))
    assert np.all(inside.converged)
    np.testing.assert_allclose(inside.parameters, 3.0, rtol=1e-11)
    outside = fixed_point(parabola, jnp.array([-7.001, 7.001, 20.0]))
    assert np.all(outside.code == ResultCode.DIVERGED)
    assert float(fixed_point(parabola, -7.0).parameters) == 7.0


def test_newton_finds_the_repelling_point_too():
    solution = fixed_point(parabola, jnp.array([2.0, 6.5, 30.0]), method="newton")
    assert np.all(solution.converged)
    np.testing.assert_allclose(solution.parameters, [3.0, 7.0, 7.0], rtol=1e-12)
    assert np.max(solution.n_iter) < 12


def test_a_fixed_point_of_vectors_solves_a_linear_system():
    matrix = jnp.array([[0.2, 0.3], [-0.1, 0.4]])
    shift = jnp.array([1.0, 2.0])
    for method in ("iterate", "newton"):
        solution = fixed_point(
            lambda v: matrix @ v + shift, jnp.zeros(2), state_ndim=1, method=method
        )
        expected = np.linalg.solve(np.eye(2) - matrix, shift)
        np.testing.assert_allclose(solution.parameters, expected, rtol=1e-11)
    eigenvalue = np.max(np.abs(np.linalg.eigvals(matrix)))
    assert float(multiplier(lambda v: matrix @ v + shift, expected)) == pytest.approx(eigenvalue)


def test_a_cycle_is_not_called_a_fixed_point():
    solution = fixed_point(lambda x: -x, 1.0, max_iter=100)
    assert solution.code == ResultCode.MAX_ITERATIONS
    with pytest.raises(ValueError, match="method must be 'iterate' or 'newton', got 'bisect'"):
        fixed_point(parabola, 1.0, method="bisect")


def period(kept, tol=1e-6):
    """The smallest shift that maps each column of an orbit to itself; 0 if none up to 64."""
    for k in (1, 2, 3, 4, 5, 6, 8, 16, 32, 64):
        if np.max(np.abs(kept[k:] - kept[:-k])) < tol:
            return k
    return 0


def test_the_bifurcation_diagram_doubles_where_it_should():
    a = np.linspace(3.4, 4.0, 600)
    kept = np.asarray(orbit(logistic, 0.3, a, burn_in=1000, keep=1000))
    assert kept.shape == (1000, 600)
    assert np.all((kept >= 0) & (kept <= 1))
    periods = np.array([period(column) for column in kept.T])
    # Periods 4, 8 and 16 begin at 1 + sqrt(6), 3.544090 and 3.564407 (Strogatz 2015, table
    # 10.3.1); period 3 has the window 1 + sqrt(8) to 3.8415; chaos reigns at 4. Settling is
    # slow at the very edges, which stay out.
    edge = 0.004
    for k, low, high in (
        (2, 3.4, 1 + np.sqrt(6)),
        (4, 1 + np.sqrt(6), 3.544090),
        (8, 3.544090, 3.564407),
        (3, 1 + np.sqrt(8), 3.8415),
    ):
        inside = (a > low + edge) & (a < high - edge)
        assert inside.sum() >= 5
        assert np.all(periods[inside] == k), k
    assert period(kept[:, -1]) == 0


def test_the_two_cycle_has_its_closed_form():
    a = 3.4
    kept = np.sort(np.unique(np.round(orbit(logistic, 0.3, a, 1000, 10), 12)))
    root = np.sqrt((a - 3) * (a + 1))
    np.testing.assert_allclose(kept, [(a + 1 - root) / (2 * a), (a + 1 + root) / (2 * a)])


def test_an_orbit_broadcasts_starts_against_parameters():
    kept = orbit(logistic, np.array([[0.2], [0.6]]), np.array([2.0, 2.5, 3.2]), 500, 2)
    assert kept.shape == (2, 2, 3)
    np.testing.assert_allclose(kept[:, :, :2], np.broadcast_to([0.5, 0.6], (2, 2, 2)), atol=1e-12)


def test_the_basin_of_three_is_from_minus_seven_to_seven():
    starts = np.concatenate([[-7.01, 7.01, 8.0], np.linspace(-6.99, 6.99, 200)])
    found = basins(parabola, starts)
    np.testing.assert_allclose(found.attractors, [3.0], rtol=1e-9)
    np.testing.assert_array_equal(found.labels, np.where(np.abs(starts) < 7, 0, -1))
    assert found.counts.tolist() == [200]


def test_a_solver_has_basins_with_values_lowest_first():
    def fun(x):
        return jnp.sum((x**2 - 1) ** 2 + 0.3 * x)

    grid = np.stack(np.meshgrid([-2.0, -0.9, 1.1, 2.0], [-1.5, 1.5]), -1).reshape(-1, 2)
    found = basins(lambda x: newton(fun, x), grid)
    assert np.all(found.labels >= 0)
    assert np.all(np.diff(found.values) >= -1e-12)
    assert np.all(found.attractors[0] < 0)
    for label, end in zip(found.labels, found.ends, strict=True):
        np.testing.assert_allclose(end, found.attractors[label], rtol=1e-6)
    assert found.counts.sum() == len(grid)


def test_ends_of_runs_done_elsewhere_are_grouped():
    ends = np.array([[1.0, 2.0], [1.0, 2.0 + 1e-9], [5.0, 5.0], [np.nan, 0.0], [1.0, 2.0]])
    found = Basins.from_ends(
        np.zeros((5, 2)), ends, [3.0, 3.0, 1.0, 0.0, 3.0], settled=[1, 1, 1, 1, 0]
    )
    assert found.labels.tolist() == [1, 1, 0, -1, -1]
    assert found.counts.tolist() == [1, 2]
    assert found.values.tolist() == [1.0, 3.0]


def test_nothing_settles_is_an_answer_too():
    found = basins(lambda x: x + 1.0, np.array([0.0, 1.0]), max_iter=50)
    assert found.labels.tolist() == [-1, -1]
    assert len(found.attractors) == 0
    with pytest.raises(ValueError, match=r"starts must have shape \(n,\) or \(n, p\)"):
        basins(parabola, np.zeros((2, 2, 2)))


def test_results_are_numpy_and_settings_stay():
    with jax.enable_x64(False):
        found = basins(parabola, [0.0, 1.0])
        assert jnp.ones(1).dtype == jnp.float32
    for array in (found.starts, found.ends, found.labels, found.attractors, found.counts):
        assert type(array) is np.ndarray
    assert found.attractors.dtype == np.float64
