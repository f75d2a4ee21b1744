"""Exact failures enter by their density alone where a survival is costly, in whatever order."""

import jax
import numpy as np
import pytest

from survjax import LifetimeModel, Observations
from survjax._core.precision import double_precision
from survjax._core.programs import clear_programs
from survjax._core.pytree import ravel_parameters
from survjax.lifetimes import (
    BirnbaumSaunders,
    ExponentiatedWeibull,
    Gamma,
    GeneralizedGamma,
    InverseGaussian,
    families,
)
from survjax.likelihood import executors
from survjax.likelihood.row_derivatives import component_derivatives, general_derivatives
from survjax.likelihood.rows import derivatives, failures_first, log_likelihood, padded

SINGLE = {
    "gamma": Gamma.of(4.0, 2.5),
    "generalized_gamma": GeneralizedGamma.of(2.0, 0.6, -0.8),
    "inverse_gaussian": InverseGaussian.of(9.0, 14.0),
    "birnbaum_saunders": BirnbaumSaunders.of(8.0, 0.7),
    "exponentiated_weibull": ExponentiatedWeibull.of(6.0, 0.8, 3.0),
}
EXAMPLES = {
    name: jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), one)
    for name, one in SINGLE.items()
}
TIMES = np.array([1e-3, 0.4, 3.0, 9.0, 25.0, 80.0])

own = jax.jit(lambda lifetime, t: lifetime.log_density(t))
hazards = jax.jit(lambda lifetime, t: lifetime.hazards(t))


def test_every_family_with_a_density_of_its_own_is_tried_here():
    assert {name for name, cls in families().items() if cls.has_own_density} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
@double_precision
def test_the_density_is_that_of_the_hazards(name):
    log_hazard, passed = hazards(EXAMPLES[name], TIMES)
    np.testing.assert_allclose(own(EXAMPLES[name], TIMES), log_hazard - passed, rtol=1e-11)
    outside = own(EXAMPLES[name], np.array([-1.0, 0.0, np.inf, np.nan]))
    np.testing.assert_array_equal(outside, [-np.inf, -np.inf, -np.inf, np.nan])


@pytest.mark.parametrize("name", EXAMPLES)
@double_precision
def test_failures_alone_have_the_derivatives_of_the_general_rule(name):
    stack = jax.tree.map(lambda leaf: np.asarray(leaf)[None], EXAMPLES[name])
    rows = Observations.from_durations(TIMES[1:])
    quick, general = (
        jax.jit(rule)(stack, rows) for rule in (component_derivatives, general_derivatives)
    )
    for ours, theirs in zip(quick, general, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9)


@double_precision
def test_blocks_of_failures_and_others_add_up_to_all_rows():
    rng = np.random.default_rng(0)
    rows = Observations.from_durations(9.0 * rng.weibull(1.5, 100), rng.random(100) < 0.6)
    wide = failures_first(padded(failures_first(rows)))
    assert np.all(np.diff(wide.event) <= 0)
    vector, unravel = ravel_parameters(EXAMPLES["exponentiated_weibull"])
    value, gradient, hessian = jax.jit(derivatives)(EXAMPLES["exponentiated_weibull"], wide)

    def whole(x):
        return log_likelihood(unravel(x), rows)

    assert float(value) == pytest.approx(float(jax.jit(whole)(vector)), rel=1e-13)
    np.testing.assert_allclose(gradient, jax.jit(jax.grad(whole))(vector), rtol=1e-9)
    np.testing.assert_allclose(hessian, jax.jit(jax.hessian(whole))(vector), rtol=1e-9)


def test_starts_go_together_on_an_accelerator_and_end_where_they_do_one_by_one(monkeypatch):
    rng = np.random.default_rng(1)
    lives = 9.0 * rng.weibull(1.5, 90)
    one = LifetimeModel("generalized_gamma").fit(lives)
    # Files are named after the platform that there is: none may hold such a program.
    monkeypatch.setenv("SURVJAX_CACHE_DIR", "")
    clear_programs()
    monkeypatch.setattr(executors, "platform", lambda: "gpu")
    other = LifetimeModel("generalized_gamma").fit(lives)
    monkeypatch.undo()
    clear_programs()
    assert other.log_likelihood_ == pytest.approx(one.log_likelihood_, abs=1e-9)
    np.testing.assert_allclose(other.parameters_, one.parameters_, rtol=1e-5, atol=1e-6)


def test_a_fit_of_many_rows_with_several_starts_is_the_highest_maximum():
    rng = np.random.default_rng(2)
    lives, ends = 9.0 * rng.weibull(1.5, 30_000), rng.uniform(2.0, 40.0, 30_000)
    rows = np.minimum(lives, ends), lives <= ends
    few, all_rows = (
        LifetimeModel("generalized_gamma").fit(*rows),
        Observations.from_durations(*rows),
    )
    assert few.converged_
    with jax.enable_x64(True):
        gradient = jax.jit(jax.grad(log_likelihood))(few.lifetime_, all_rows)
    steps = np.asarray(ravel_parameters(gradient)[0]) * np.sqrt(np.diag(few.covariance_))
    assert np.abs(steps).max() < 1e-4


@double_precision
def test_many_groups_side_by_side_have_the_derivatives_of_each():
    stacks = jax.tree.map(lambda leaf: leaf + np.array([[0.0], [0.1]]), EXAMPLES["gamma"])
    for event in (np.array([True, False] * 3), np.ones(6, bool)):
        rows = Observations.from_durations(TIMES, event)
        both = jax.tree.map(lambda column: np.stack([column, column[::-1]]), rows)
        each = [jax.tree.map(lambda leaf, i=i: leaf[i], (stacks, both)) for i in range(2)]
        found = jax.jit(jax.vmap(component_derivatives))(stacks, both)
        alone = [jax.jit(component_derivatives)(*one) for one in each]
        for part, *parts in zip(found, *alone, strict=True):
            np.testing.assert_allclose(part, np.stack(parts), rtol=1e-10, atol=1e-300)
