"""Written-out derivatives of a Weibull's terms against the general rule and against autodiff."""

import jax
import numpy as np
import pytest

from survjax import Observations
from survjax._core.precision import double_precision
from survjax.inference.jets import component_jet, general_jet, row_terms, truncation_terms
from survjax.lifetimes import Exponential, Weibull

STACK = Weibull(np.log([5.0, 40.0, 1e3]), np.log([0.3, 3.0, 9.0]))
jet_of = jax.jit(component_jet, static_argnums=2)
any_jet = jax.jit(general_jet, static_argnums=2)


def rows_with(kind):
    t = np.array([1e-6, 0.5, 3.0, 11.0, 45.0, 300.0])
    entry = np.array([0.0, 0.1, 0.0, 9.0, 44.9, 0.0]) if kind != "plain" else None
    exit = np.where(t > 5.0, 2.0 * t, np.inf) if kind == "exit" else None
    if kind == "interval":
        return Observations.from_intervals([*t, 3.0], [*(t * 1.5), 3.0], entry=[*entry, 0.0])
    return Observations.from_durations(t, [1, 0, 1, 1, 0, 1], entry=entry, exit=exit)


@pytest.mark.parametrize(
    ("kind", "terms"),
    [
        ("plain", row_terms),
        ("late", truncation_terms),
        ("exit", truncation_terms),
        ("interval", row_terms),
    ],
)
@double_precision
def test_the_jet_of_a_weibull_is_that_of_the_general_rule(kind, terms):
    rows = rows_with(kind)
    quick, general = jet_of(STACK, rows, terms), any_jet(STACK, rows, terms)
    for ours, theirs in zip(quick, general, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(
    "stack", [STACK, Exponential(np.log([5.0, 40.0, 1e3]))], ids=["two", "one"]
)
@double_precision
def test_the_general_jet_is_the_hessian_by_autodiff(stack):
    rows = rows_with("late")
    leaves, tree = jax.tree.flatten(stack)
    jet = any_jet(stack, rows, row_terms)
    p = len(leaves)
    pairs = [(a, b) for a in range(p) for b in range(a, p)]

    def term(x, i):
        single = jax.tree.unflatten(tree, [x[a] for a in range(p)])
        return row_terms(single, rows)[i]

    points = np.stack(leaves, axis=1)
    gradient = jax.jit(jax.vmap(jax.vmap(jax.grad(term), (None, 0)), (0, None)))
    hessian = jax.jit(jax.vmap(jax.vmap(jax.hessian(term), (None, 0)), (0, None)))
    index = np.arange(rows.n_rows)
    first, second = gradient(points, index), hessian(points, index)
    np.testing.assert_allclose(jet.first, np.moveaxis(first, -1, 0), rtol=1e-11, atol=1e-13)
    for i, (a, b) in enumerate(pairs):
        np.testing.assert_allclose(jet.second[i], second[..., a, b], rtol=1e-10, atol=1e-12)


@double_precision
def test_jets_stay_finite_where_every_component_has_died_out():
    rows = Observations.from_durations([1e300, 1e-300, 1.0], [1, 1, 0])
    for part in jet_of(STACK, rows, row_terms):
        assert np.all(np.isfinite(part))
