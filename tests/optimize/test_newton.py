"""Newton's method: known answers, hard functions, both solvers, every transform."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import hilbert

from survjax.optimize import ResultCode, newton
from survjax.optimize._dense import dense_step, factored_step, whole_step
from survjax.optimize.newton import advance, init

SOLVERS = ["dense", "cg"]
TARGET = np.array([3.0, 7.0])


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def hill(x):
    """The negative of -(x-m)'[[3,2],[2,7]](x-m) + 2, whose maximum is at m."""
    d = x - TARGET
    return d @ jnp.array([[3.0, 2.0], [2.0, 7.0]]) @ d - 2.0


def rosenbrock(x):
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11.0) ** 2 + (x[0] + x[1] ** 2 - 7.0) ** 2


def saddle(x):
    return x[0] ** 2 - x[1] ** 2 + x[1] ** 4


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_quadratic_takes_one_step(solver):
    solution = newton(hill, jnp.zeros(2), solver=solver)
    assert int(solution.n_iter) == 1
    assert solution.code == ResultCode.CONVERGED
    np.testing.assert_allclose(solution.parameters, TARGET, rtol=1e-14)
    np.testing.assert_allclose(solution.value, -2.0, rtol=1e-14)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("start", [(1.0, 0.0), (0.0, 0.0), (-4.0, 0.0)])
def test_a_saddle_is_left_though_the_gradient_gives_no_direction(solver, start):
    solution = newton(saddle, jnp.array(start), solver=solver)
    assert bool(solution.converged)
    np.testing.assert_allclose(solution.value, -0.25, atol=1e-15)
    np.testing.assert_allclose(np.abs(solution.parameters), [0.0, np.sqrt(0.5)], atol=1e-9)


def test_products_find_the_one_bent_direction_of_fifty():
    def fun(x):
        curved = jnp.sum(jnp.arange(1, 50) * x[:49] ** 2)
        return curved - x[49] ** 2 + x[49] ** 4

    solution = newton(fun, jnp.ones(50).at[49].set(0.0), solver="cg")
    assert bool(solution.converged)
    np.testing.assert_allclose(solution.value, -0.25, atol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_saddle_at_the_last_iteration_is_not_called_a_minimum(solver):
    solution = newton(saddle, jnp.zeros(2), solver=solver, max_iter=0)
    assert solution.code == ResultCode.MAX_ITERATIONS


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_start_of_a_grid_reaches_one_of_four_known_minima(solver):
    grid = jnp.stack(jnp.meshgrid(jnp.linspace(-9, 9, 11), jnp.linspace(-9, 9, 11)), -1)
    solve = jax.jit(jax.vmap(lambda x: newton(himmelblau, x, solver=solver)))
    solution = solve(grid.reshape(-1, 2))
    assert np.all(solution.converged)
    assert np.max(solution.value) < 1e-15
    minima = [(3, 2), (-2.805118086952745, 3.131312518250573)]
    minima += [(-3.779310253377747, -3.283185991286170), (3.584428340330492, -1.848126526964404)]
    distance = np.linalg.norm(solution.parameters[:, None] - np.array(minima), axis=2)
    assert np.max(np.min(distance, axis=1)) < 1e-8


@given(st.lists(st.floats(-30, 30), min_size=3, max_size=3))
def test_it_descends_from_any_start(start):
    solution = SOLVE_ROSENBROCK(jnp.array(start))
    points = solution.path[0][: int(solution.n_iter) + 1]
    assert np.all(np.diff(points) <= 1e-9 * (1 + np.abs(points[:-1])))
    assert bool(solution.converged)
    np.testing.assert_allclose(solution.parameters, 1.0, rtol=1e-7)


SOLVE_ROSENBROCK = jax.jit(lambda x: newton(rosenbrock, x, keep_path=True, max_iter=400))


def test_dense_and_cg_agree():
    starts = jnp.array(np.random.default_rng(0).normal(0, 3, (20, 4)))
    ends = [
        jax.vmap(lambda x, s=s: newton(rosenbrock, x, solver=s, max_iter=300))(starts)
        for s in SOLVERS
    ]
    # In four dimensions a second local minimum waits near (-0.77, 0.61, 0.38, 0.15).
    best = [np.asarray(e.value) < 1e-9 for e in ends]
    for end, at_one in zip(ends, best, strict=True):
        assert np.all(end.converged)
        assert at_one.sum() >= 10
        np.testing.assert_allclose(end.parameters[at_one], 1.0, rtol=1e-7)


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_ill_conditioned_quadratic_is_solved(solver):
    matrix = jnp.array(hilbert(8))  # condition number 1.5e10
    solution = newton(lambda x: (x - 1) @ matrix @ (x - 1), jnp.zeros(8), solver=solver)
    assert bool(solution.converged)
    np.testing.assert_allclose(solution.parameters, 1.0, rtol=1e-4)
    assert int(solution.n_iter) <= 5


def test_the_units_of_the_parameters_do_not_matter():
    def fun(x, units):
        return rosenbrock(x * units) + 3.0

    plain = newton(fun, jnp.array([-1.2, 1.0]), args=(jnp.ones(2),))
    units = jnp.array([1e9, 1e-9])
    scaled = newton(fun, jnp.array([-1.2, 1.0]) / units, args=(units,))
    np.testing.assert_allclose(scaled.parameters * units, plain.parameters, rtol=1e-10)
    np.testing.assert_allclose(scaled.decrement, plain.decrement, atol=1e-9)


@pytest.mark.parametrize("power", range(0, 13, 3))
def test_a_slope_that_a_steeper_one_hides_is_found(power):
    units = jnp.array([10.0**power, 10.0**-power])
    solution = SOLVE_BOWL(jnp.zeros(2), units)
    assert bool(solution.converged)
    np.testing.assert_allclose(solution.parameters * units, 3.0, rtol=1e-5)


def bowl(x, units):
    d = x * units - 3.0
    return d @ d + d[0] ** 4


SOLVE_BOWL = jax.jit(lambda x, units: newton(bowl, x, args=(units,), solver="cg"))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("fun", "start", "value"),
    [
        (lambda x: jnp.sum(x**4), [5.0, -2.0], 0.0),
        (lambda x: jnp.sum(x - jnp.log(x)), [10.0, 1e-3], 2.0),
        (lambda x: jnp.sum(jnp.sqrt(1 + x**2)), [1e3, -1e5], 2.0),
        (lambda x: jnp.sum(jnp.exp(x) - x), [50.0, -300.0], 2.0),
        (lambda x: jnp.sum(jnp.exp(-x)), [0.0, 0.0], 0.0),
        (lambda x: (x[0] + x[1] - 1) ** 2, [5.0, -3.0], 0.0),
        (lambda x: 0.0 * jnp.sum(x) + 4.0, [1.0, 2.0], 4.0),
        (lambda x: x[0] * x[1] + x[0] ** 4 + x[1] ** 4, [0.0, 0.0], -0.125),
    ],
    ids=["quartic", "barrier", "conic", "steep", "no-minimum", "ridge", "constant", "xy"],
)
def test_flat_steep_and_bounded_functions_reach_their_infimum(solver, fun, start, value):
    solution = newton(fun, jnp.array(start), solver=solver, max_iter=1000)
    assert bool(solution.converged)
    np.testing.assert_allclose(solution.value, value, atol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_function_without_a_floor_is_not_called_solved(solver):
    for fun in (lambda x: jnp.sum(x), lambda x: -jnp.sum(x**2)):
        solution = newton(fun, jnp.ones(2), solver=solver)
        assert solution.code == ResultCode.MAX_ITERATIONS
        assert float(solution.value) < -1e6


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_start_that_is_not_finite_is_said_and_nothing_is_made_up(solver):
    solution = newton(lambda x: jnp.log(-1 - x[0] ** 2), jnp.ones(1), solver=solver)
    assert solution.code == ResultCode.NOT_FINITE
    assert "not finite" in solution.message
    np.testing.assert_array_equal(solution.parameters, [1.0])
    for unknown in (solution.value, solution.decrement, solution.gradient):
        assert np.all(np.isnan(unknown))


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_precision_of_the_start_is_kept(solver):
    solution = newton(rosenbrock, jnp.full(3, -2.0, jnp.float32), solver=solver)
    assert solution.parameters.dtype == jnp.float32
    assert bool(solution.converged)
    np.testing.assert_allclose(solution.parameters, 1.0, rtol=1e-3)


@pytest.mark.parametrize("solver", SOLVERS)
def test_it_works_without_double_precision(solver):
    with jax.enable_x64(False):
        solution = newton(saddle, jnp.zeros(2), solver=solver)
        assert solution.value.dtype == jnp.float32
        assert bool(solution.converged)
        np.testing.assert_allclose(solution.value, -0.25, rtol=1e-6)


def test_the_path_holds_each_iteration():
    solution = newton(rosenbrock, jnp.array([-1.2, 1.0]), keep_path=True, max_iter=50)
    values, points = solution.path
    n = int(solution.n_iter)
    assert values.shape == (51,) and points.shape == (51, 2)
    assert np.all(np.isfinite(values[: n + 1])) and np.all(np.isnan(values[n + 1 :]))
    np.testing.assert_array_equal(points[0], [-1.2, 1.0])
    np.testing.assert_array_equal(points[n], solution.parameters)
    np.testing.assert_allclose(values[3], rosenbrock(points[3]), rtol=1e-14)


def test_parameters_keep_their_structure():
    start = {"a": jnp.zeros(2), "b": (0, 1.5)}
    solution = newton(lambda p: jnp.sum((p["a"] - 1) ** 2) + (p["b"][0] - p["b"][1]) ** 2, start)
    assert jax.tree.structure(solution.parameters) == jax.tree.structure(start)
    assert jax.tree.structure(solution.gradient) == jax.tree.structure(start)
    assert solution.hessian.shape == (4, 4)
    np.testing.assert_allclose(solution.parameters["a"], 1.0)


def test_given_derivatives_are_used_as_they_are():
    matrix = np.array([[3.0, 2.0], [2.0, 7.0]])

    def dense(x):
        d = x - TARGET
        return d @ matrix @ d, 2 * matrix @ d, 2 * matrix

    def products(x):
        d = x - TARGET
        return d @ matrix @ d, 2 * matrix @ d, lambda v: 2 * matrix @ v

    for solver, derivatives in (("dense", dense), ("cg", products)):
        solution = newton(None, jnp.zeros(2), derivatives=derivatives, solver=solver)
        assert int(solution.n_iter) == 1
        np.testing.assert_allclose(solution.parameters, TARGET, rtol=1e-13)


def test_the_host_loop_and_the_compiled_one_take_the_same_steps():
    def derived(x):
        return rosenbrock(x), jax.grad(rosenbrock)(x), jax.hessian(rosenbrock)(x)

    derived, step = jax.jit(derived), jax.jit(advance)
    state = init(jnp.array([-1.2, 1.0]))
    while state.code == ResultCode.RUNNING:
        state = step(state, *derived(state.trial))
    solution = newton(rosenbrock, jnp.array([-1.2, 1.0]))
    assert int(state.n_iter) == int(solution.n_iter)
    np.testing.assert_allclose(state.x, solution.parameters, rtol=1e-12)


@pytest.mark.parametrize("start", [[-1.2, 1.0], [0.0, 0.0], [1.0, 1.0]])
def test_the_loop_in_numpy_takes_the_steps_of_the_compiled_one(start):
    def saddle(x):  # (0, 0) is a saddle, (1, 1) far from where it is convex
        return x[0] ** 4 - 2 * x[0] ** 2 + (x[1] - x[0]) ** 2

    def derived(x):
        return saddle(x), jax.grad(saddle)(x), jax.hessian(saddle)(x)

    with jax.enable_x64(True):
        derived, step = jax.jit(derived), jax.jit(advance)
        state, ours = init(jnp.array(start), 2.0), init(np.array(start), 2.0)
        while state.code == ResultCode.RUNNING:
            state = step(state, *derived(state.trial), max_step=2.0)
            found = [np.asarray(part) for part in derived(ours.trial)]
            ours = advance(ours, *found, max_step=2.0)
            for name, part in vars(ours).items():
                assert isinstance(part, (np.ndarray, np.generic)), name
                np.testing.assert_allclose(part, getattr(state, name), rtol=1e-9, atol=1e-12)
    assert int(ours.code) == ResultCode.CONVERGED


def test_a_step_that_needs_no_guard_is_that_of_the_eigenvalues():
    rng = np.random.default_rng(4)
    for p in (1, 2, 7, 20):
        root, units = rng.normal(size=(p, p)), 10.0 ** rng.uniform(-4.0, 4.0, p)
        hessian = (root @ root.T + np.eye(p)) * np.outer(units, units)
        x, gradient = rng.normal(size=p) / units, 0.01 * rng.normal(size=p) * units
        guarded = dense_step(x, gradient, hessian, np.inf, np.inf)
        plain = whole_step(x, gradient, hessian, np.inf)
        for ours, theirs in zip(plain, guarded, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-13 * np.max(np.abs(theirs)))
        length = float(np.linalg.norm(guarded[0]))
        assert whole_step(x, gradient, hessian, 1.01 * length) is not None
        assert whole_step(x, gradient, hessian, 0.99 * length) is None
    bent = np.diag([1.0, -1.0])
    singular = np.ones((2, 2)) + np.diag([0.0, 1e-12])
    for guard in (bent, singular, np.zeros((2, 2)), np.full((2, 2), np.nan)):
        assert whole_step(np.zeros(2), np.ones(2), guard, np.inf) is None


def test_a_factored_step_is_newtons_where_the_hessian_is_definite_and_descends_elsewhere():
    rng = np.random.default_rng(8)
    for p in (1, 2, 5):
        root, units = rng.normal(size=(p, p)), 10.0 ** rng.uniform(-4.0, 4.0, p)
        definite = root @ root.T + 0.1 * np.eye(p)
        x, gradient = np.zeros(p), rng.normal(size=p) * units
        scaled = definite * np.outer(units, units)
        step, predicted, decrement, convex = factored_step(x, gradient, scaled, np.inf, np.inf)
        newton_step = -np.linalg.solve(definite, gradient / units) / units
        np.testing.assert_allclose(step, newton_step, rtol=1e-8)
        np.testing.assert_allclose(2.0 * predicted, -gradient @ newton_step, rtol=1e-8)
        np.testing.assert_allclose(decrement**2, 2.0 * predicted, rtol=1e-8)
        assert convex
        bent = scaled - 1.1 * np.linalg.eigvalsh(definite)[-1] * np.diag(units**2)
        for radius in (np.inf, 1e-3):
            step, predicted, _, convex = factored_step(x, gradient, bent, radius, 3.0)
            assert not convex and predicted > 0 and gradient @ step < 0
            assert np.linalg.norm(step) <= min(radius, 3.0) * (1 + 1e-12)


def test_the_step_is_never_longer_than_max_step():
    solution = newton(rosenbrock, jnp.full(2, 8.0), max_step=0.5, keep_path=True, max_iter=300)
    points = solution.path[1][: int(solution.n_iter) + 1]
    assert bool(solution.converged)
    assert np.max(np.linalg.norm(np.diff(points, axis=0), axis=1)) <= 0.5 + 1e-12


def test_the_decrement_is_that_of_the_definition():
    start = jnp.array([1.3, 0.4])
    solution = newton(lambda x: jnp.sum(jnp.exp(x) - x), start, max_iter=0)
    gradient, hessian = np.exp(start) - 1, np.diag(np.exp(start))
    expected = np.sqrt(gradient @ np.linalg.solve(hessian, gradient))
    np.testing.assert_allclose(solution.decrement, expected, rtol=1e-13)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_it_lowers_for_accelerators(solver, platform):
    from jax import export

    with jax.enable_x64(False):
        solve = jax.jit(lambda x: newton(rosenbrock, x, solver=solver).parameters)
        lowered = export.export(solve, platforms=[platform])(jnp.zeros(3))
    assert lowered.platforms == (platform,)
    assert len(lowered.mlir_module_serialized) > 0


def test_a_wrong_choice_is_refused_by_name():
    with pytest.raises(ValueError, match="solver must be 'dense' or 'cg', got 'lbfgs'"):
        newton(rosenbrock, jnp.zeros(2), solver="lbfgs")
    with pytest.raises(ValueError, match="needs fun or derivatives, got neither"):
        newton(None, jnp.zeros(2))


def test_vmap_of_grad_of_sin_is_cos():
    x = jnp.linspace(-3.0, 3.0, 101)
    np.testing.assert_allclose(jax.vmap(jax.grad(jnp.sin))(x), jnp.cos(x), atol=1e-15)
