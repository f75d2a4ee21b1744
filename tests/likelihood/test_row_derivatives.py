"""Row derivatives by the chain rule in z, and the kernel by hand, against the general rule."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from survjax import Observations
from survjax._core.precision import double_precision
from survjax._core.pytree import ravel_parameters
from survjax.data.truncation_rows import (
    expansion_index,
    observed_rows,
    truncation_rows,
    with_truncation_rows,
)
from survjax.lifetimes import Exponential, LogLogistic, LogNormal, Mixture, Weibull
from survjax.likelihood.row_derivatives import (
    component_derivatives,
    general_derivatives,
    log_contributions,
    row_terms,
)
from survjax.likelihood.rows import derivatives, log_likelihood

SCALES, SHAPES = np.log([5.0, 40.0, 1e3]), np.log([0.3, 3.0, 9.0])
STACKS = {
    "weibull": Weibull(SCALES, SHAPES),
    "lognormal": LogNormal(SCALES, SHAPES - 1.0),
    "loglogistic": LogLogistic(SCALES, SHAPES),
    "exponential": Exponential(SCALES),
}
quick_rule, general_rule = jax.jit(component_derivatives), jax.jit(general_derivatives)


def rows_with(kind):
    t = np.array([1e-6, 0.5, 3.0, 11.0, 45.0, 300.0])
    entry = np.array([0.0, 0.1, 0.0, 9.0, 44.9, 0.0]) if kind != "plain" else None
    exit = np.where(t > 5.0, 2.0 * t, np.inf) if kind == "exit" else None
    if kind == "interval":
        return Observations.from_intervals([*t, 3.0], [*(t * 1.5), 3.0], entry=[*entry, 0.0])
    return Observations.from_durations(t, [1, 0, 1, 1, 0, 1], entry=entry, exit=exit)


@pytest.mark.parametrize("kind", ["plain", "late", "exit", "interval"])
@pytest.mark.parametrize("name", STACKS)
@double_precision
def test_row_derivatives_are_those_of_the_general_rule(name, kind):
    rows = with_truncation_rows(rows_with(kind))
    quick, general = quick_rule(STACKS[name], rows), general_rule(STACKS[name], rows)
    for ours, theirs in zip(quick, general, strict=True):
        assert ours.shape == theirs.shape
        # Between two far tails, derivatives are differences of large numbers.
        rtol, atol = (1e-8, 5e-12) if kind in ("interval", "exit") else (2e-11, 1e-13)
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", ["weibull", "exponential"])
@double_precision
def test_the_general_rule_is_the_hessian_by_autodiff(name):
    stack, rows = STACKS[name], with_truncation_rows(rows_with("late"))
    leaves, tree = jax.tree.flatten(stack)
    found = general_rule(stack, rows)
    p = len(leaves)
    pairs = [(a, b) for a in range(p) for b in range(a, p)]

    def term(x, i):
        single = jax.tree.unflatten(tree, [x[a] for a in range(p)])
        return row_terms(single, rows)[i]

    points = np.stack(leaves, axis=1)

    @functools.partial(jax.vmap, in_axes=(0, None))
    @functools.partial(jax.vmap, in_axes=(None, 0))
    def both(x, i):
        return jax.grad(term)(x, i), jax.hessian(term)(x, i)

    # One operation at a time compiles less than a program.
    with jax.disable_jit():
        first, second = both(points, np.arange(rows.n_rows))
    np.testing.assert_allclose(found.first, np.moveaxis(first, -1, 0), rtol=1e-11, atol=1e-13)
    for i, (a, b) in enumerate(pairs):
        np.testing.assert_allclose(found.second[i], second[..., a, b], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", STACKS)
@double_precision
def test_row_derivatives_stay_finite_where_every_component_has_died_out(name):
    rows = Observations.from_durations([1e300, 1e-300, 1.0], [1, 1, 0])
    for part in quick_rule(STACKS[name], rows):
        assert np.all(np.isfinite(part))


@pytest.mark.parametrize("kind", ["late", "exit", "interval"])
@double_precision
def test_truncation_is_rows_of_negative_weight(kind):
    rows = rows_with(kind).reweighted(np.linspace(0.5, 2.0, rows_with(kind).n_rows))
    signed = with_truncation_rows(rows)
    assert signed.entry is None and signed.exit is None
    assert signed.n_units == pytest.approx(rows.n_units, rel=1e-15)
    assert signed.n_events == pytest.approx(rows.n_events, rel=1e-15)
    assert observed_rows(signed).n_rows == rows.n_rows
    assert expansion_index(rows).size == signed.n_rows
    weights = np.array([0.5, 0.3, 0.2])
    for name, stack in STACKS.items():
        fleet = Mixture.of(weights, stack)
        with jax.disable_jit():  # the families share single operations, but no program
            exact = np.sum(rows.weight * log_contributions(fleet, rows))
            ours = log_likelihood(fleet, signed)
        np.testing.assert_allclose(ours, exact, rtol=1e-13, err_msg=name)


@double_precision
def test_truncation_rows_work_on_replicates_of_weights_and_inside_programs():
    rows = rows_with("exit")
    weights = np.random.default_rng(0).integers(0, 3, (4, rows.n_rows)).astype(float)
    many = with_truncation_rows(rows.reweighted(weights))
    fleet = Mixture.of(np.array([0.4, 0.6]), Weibull(SCALES[:2], SHAPES[:2]))
    for i in range(4):
        one = many._map(lambda column, i=i: column[i] if column.ndim > 1 else column)
        exact = float(np.sum(weights[i] * log_contributions(fleet, rows)))
        assert float(log_likelihood(fleet, one)) == pytest.approx(exact, rel=1e-12)
    traced = jax.jit(lambda r: truncation_rows(r).weight.sum())(jax.tree.map(jnp.asarray, rows))
    assert float(traced) == truncation_rows(rows).weight.sum()


@double_precision
def test_a_mixture_of_several_families_has_the_derivatives_of_autodiff():
    rows = with_truncation_rows(rows_with("late"))
    parts = (
        Weibull(SCALES[:2], SHAPES[:2]),
        LogNormal(SCALES[1:2], SHAPES[1:2]),
        STACKS["exponential"],
    )
    fleet = Mixture.of(np.full(6, 1 / 6) + 0.01 * np.arange(-3, 3), parts)
    x, unravel = ravel_parameters(fleet)

    def value(x):
        return log_likelihood(unravel(x), rows)

    def slopes(x):
        total, gradient = jax.value_and_grad(value)(x)
        return gradient, (total, gradient)

    ours = jax.jit(derivatives)(fleet, rows)
    hessian, (total, gradient) = jax.jit(jax.jacfwd(slopes, has_aux=True))(x)
    exact = total, gradient, hessian
    for a, b in zip(ours, exact, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
