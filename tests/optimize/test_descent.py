"""First-order solvers: same signature and Solution as Newton's, known answers."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from survjax.optimize import ResultCode, gradient_descent, newton, optax_minimize


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def bowl(x, target):
    return jnp.sum(jnp.array([1.0, 10.0]) * (x - target) ** 2)


TARGET = jnp.array([3.0, 7.0])


def test_the_three_solvers_share_their_arguments():
    common = {"fun", "start", "args", "tol", "max_iter", "keep_path"}
    for solver in (newton, gradient_descent, optax_minimize):
        assert common <= set(inspect.signature(solver).parameters)


@pytest.mark.parametrize("learning_rate", [None, 0.05])
def test_gradient_descent_reaches_the_minimum(learning_rate):
    solution = gradient_descent(bowl, jnp.zeros(2), args=(TARGET,), learning_rate=learning_rate)
    assert solution.code == ResultCode.CONVERGED
    np.testing.assert_allclose(solution.parameters, TARGET, atol=1e-6)
    assert float(solution.decrement) <= 1e-6
    np.testing.assert_allclose(np.linalg.norm(solution.gradient), solution.decrement)


def test_a_constant_rate_takes_the_steps_of_the_formula():
    solution = gradient_descent(
        bowl, jnp.zeros(2), args=(TARGET,), learning_rate=0.01, max_iter=4, keep_path=True
    )
    x = np.zeros(2)
    for point in solution.path[1]:
        np.testing.assert_allclose(point, x, rtol=1e-13)
        x = x - 0.01 * 2 * np.array([1.0, 10.0]) * (x - np.array(TARGET))
    assert solution.code == ResultCode.MAX_ITERATIONS


def test_too_high_a_rate_is_called_divergence_and_the_best_point_is_kept():
    solution = gradient_descent(
        lambda x: x**4, 3.0, learning_rate=1.0, max_iter=100, keep_path=True
    )
    assert solution.code == ResultCode.DIVERGED
    assert "shorter steps" in solution.message
    assert float(solution.parameters) == 3.0


def test_backtracking_descends_where_a_constant_rate_explodes():
    solution = gradient_descent(lambda x: jnp.sum(jnp.cosh(x)), jnp.array([20.0, -9.0]))
    assert solution.code == ResultCode.CONVERGED
    np.testing.assert_allclose(solution.parameters, 0.0, atol=1e-5)


def test_steps_too_short_to_matter_are_not_called_convergence():
    solution = gradient_descent(lambda x: (x - 3.0) ** 2, 1.0, learning_rate=1e-20)
    assert solution.code == ResultCode.STALLED
    assert not bool(solution.converged)


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.adam(0.1),
        optax.rmsprop(0.02),
        optax.sgd(0.03, momentum=0.9),
        optax.chain(optax.clip(1.0), optax.adam(0.1)),
        optax.lbfgs(),
    ],
    ids=["adam", "rmsprop", "momentum", "chain", "lbfgs"],
)
def test_any_optax_transformation_reaches_the_minimum(optimizer):
    solution = optax_minimize(bowl, jnp.zeros(2), optimizer, args=(TARGET,), max_iter=3000)
    np.testing.assert_allclose(solution.parameters, TARGET, atol=0.02)
    assert float(solution.value) == pytest.approx(float(bowl(solution.parameters, TARGET)))


def test_optax_updates_equal_a_loop_written_by_hand():
    optimizer = optax.adam(0.1)
    solution = optax_minimize(bowl, jnp.zeros(2), optimizer, args=(TARGET,), max_iter=5, tol=0)
    x, state = jnp.zeros(2), optimizer.init(jnp.zeros(2))
    for _ in range(5):
        updates, state = optimizer.update(jax.grad(bowl)(x, TARGET), state, x)
        x = optax.apply_updates(x, updates)
    np.testing.assert_allclose(solution.parameters, x, rtol=1e-13)


def test_optax_sees_the_structure_of_the_parameters():
    mask = {"moves": True, "stays": False}
    optimizer = optax.chain(
        optax.sgd(0.1),
        optax.masked(optax.set_to_zero(), {k: not v for k, v in mask.items()}),
    )
    start = {"moves": jnp.ones(2), "stays": jnp.ones(3)}
    solution = optax_minimize(
        lambda p: jnp.sum(p["moves"] ** 2) + jnp.sum(p["stays"] ** 2), start, optimizer
    )
    np.testing.assert_allclose(solution.parameters["moves"], 0.0, atol=1e-6)
    np.testing.assert_array_equal(solution.parameters["stays"], 1.0)


def test_many_starts_run_at_once():
    starts = jnp.array(np.random.default_rng(0).normal(size=(7, 2)))
    solve = jax.jit(jax.vmap(lambda x: gradient_descent(bowl, x, args=(TARGET,))))
    solution = solve(starts)
    assert np.all(solution.converged)
    np.testing.assert_allclose(solution.parameters, np.tile(TARGET, (7, 1)), atol=1e-6)


def test_a_start_that_is_not_finite_is_said():
    solution = gradient_descent(lambda x: jnp.log(x), -1.0)
    assert solution.code == ResultCode.NOT_FINITE
    assert np.isnan(solution.value)


def test_a_line_is_recovered_in_five_hundred_steps_from_ten_thousand_points():
    rng = np.random.default_rng(0)
    x = rng.normal(size=10_000)
    y = 3 + 2 * x + 0.5 * rng.normal(size=10_000)

    def loss(p):
        return jnp.mean((y - p[0] - p[1] * x) ** 2)

    solution = gradient_descent(loss, jnp.zeros(2), learning_rate=0.1, max_iter=500, tol=0)
    assert bool(solution.converged)
    slope, level = np.polyfit(x, y, 1)
    np.testing.assert_allclose(solution.parameters, [level, slope], rtol=1e-12)
    np.testing.assert_allclose(solution.parameters, [3.0, 2.0], atol=0.02)


def test_what_cannot_be_minimized_is_refused_by_name():
    for solver in (newton, gradient_descent):
        with pytest.raises(ValueError, match="start must hold at least one number"):
            solver(jnp.sum, jnp.zeros(0))
    for rate in (-0.1, 0.0, float("nan")):
        with pytest.raises(ValueError, match="learning_rate must be a finite number above zero"):
            gradient_descent(jnp.sum, jnp.zeros(2), learning_rate=rate)
    with pytest.raises(ValueError, match=r"such as optax.adam\(0.01\), got 'adam'"):
        optax_minimize(jnp.sum, jnp.zeros(2), "adam")
