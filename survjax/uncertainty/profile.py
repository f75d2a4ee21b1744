"""Profile likelihood bounds of anything that follows from the parameters.

The bound of a quantity g is the value at which 2 (l_max - l) reaches the chi-squared quantile,
where l is the log-likelihood maximized over all parameters with that value of g. A maximizer of

    l(theta) - rho / 2 (g(theta) - c)^2

lies on that profile for any c, whether the profile is concave or not, and there the profile's
slope is rho (g - c): so one safeguarded Newton iteration runs for a given c, and another, in c,
walks outward until the level is reached. All targets and both directions go side by side.
"""

from __future__ import annotations

import dataclasses
import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.numerics import module_of
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.data.observations import Observations
from survjax.data.truncation_rows import with_truncation_rows
from survjax.fitting.coreset import compress, is_plain
from survjax.fitting.local_maxima import Maximizer
from survjax.lifetimes import Lifetime
from survjax.likelihood.rows import derivatives, log_likelihood, padded
from survjax.likelihood.vector.constraints import only_free
from survjax.likelihood.vector.template import Template
from survjax.optimize import ResultCode
from survjax.uncertainty.profile_walk import (
    BoundSearch,
    Problem,
    chosen,
    newton_iteration,
    start_search,
    walk,
)
from survjax.uncertainty.targets import Target, expansion

#: Plain data of more rows are compressed to this many: the profile's shape does not change.
PROFILE_ROWS = 2048
#: Searches that run side by side.
SIDE_BY_SIDE = 16


def steadied(parts: Any, moved: Any, tilt: Any, steep: Any) -> tuple[Any, Any, Any]:
    """The log-likelihood with the gradient it lacks and the penalty of `steepness`."""
    xp = module_of(moved)
    value, gradient, hessian = parts
    ratio = xp.exp(2.0 * xp.minimum(moved, 300.0))
    return (
        value + tilt @ moved - steep @ (ratio - 1.0 - 2.0 * moved),
        gradient + tilt - 2.0 * steep * (ratio - 1.0),
        hessian - xp.diag(4.0 * steep * ratio),
    )


@program(static_argnames=("curve",), draft=False)
def _solve(
    lifetime: Lifetime,
    rows: Observations,
    tilt: jax.Array,
    steep: jax.Array,
    free: jax.Array,
    prior: Any,
    targets: Target,
    problems: Problem,
    *,
    curve: str,
) -> jax.Array:
    """The bound of each problem on the link scale."""
    estimate, unravel = ravel_parameters(lifetime)
    top = log_likelihood(lifetime, rows)
    top = top if prior is None else top + prior.derivatives(estimate)[0]

    def search(given: Any) -> jax.Array:
        target, problem = given
        problem = dataclasses.replace(problem, top=top)

        def parts_at(
            x: jax.Array,
        ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array, jax.Array]]:
            found = derivatives(unravel(x), rows)
            if prior is not None:
                found = tuple(map(operator.add, found, prior.derivatives(x)))
            steady_parts = steadied(found, x - estimate, tilt, steep)
            goal = expansion(unravel, x, curve, target)
            return only_free(steady_parts, free, -1.0), only_free(goal, free, 0.0)

        def body(search: BoundSearch) -> BoundSearch:
            search = newton_iteration(search, parts_at(search.newton.trial), problem)
            arrived = search.newton.code != int(ResultCode.RUNNING)
            return chosen(arrived, walk(search, problem), search)

        nothing = jax.tree.map(
            lambda part: jnp.zeros(part.shape, part.dtype), jax.eval_shape(parts_at, estimate)
        )
        start = start_search(estimate, nothing, problem)
        # What cannot move, such as S(0) = 1, is its own bound.
        still = jnp.isinf(problem.center) | (problem.error == 0)
        end = lax.while_loop(lambda search: ~search.done, body, start)
        return jnp.where(still, problem.center, end.bound)

    return lax.map(search, (targets, problems), batch_size=SIDE_BY_SIDE)


def profile_bounds(
    template: Template,
    x: np.ndarray,
    rows: Observations,
    curve: str,
    targets: Target,
    values: np.ndarray,
    errors: np.ndarray,
    goal: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper profile bounds (m,) on the link scale; infinite where there is none.

    Parameters
    ----------
    template : Template
        The model.
    x : array of shape (p,)
        Its parameters at a maximum.
    rows : Observations
        What it was fitted to.
    curve : str
        A curve, or "natural" for entries of `link_values`.
    targets : Target
        Arrays of shape (m,).
    values, errors : arrays of shape (m,)
        Estimates and standard errors on the link scale; the errors set the first step.
    goal : float
        The root of twice the fall from the maximum at which a bound lies.

    Returns
    -------
    lower, upper : arrays of shape (m,)
        NaN where the search failed.
    """
    lifetime, known = template.at(x), (template.constraints.free, template.prior)
    small, tilt = compressed(template, x, rows)
    m = errors.shape[0]
    fill = -2 * m % SIDE_BY_SIDE

    def searches(lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        return np.pad(np.concatenate([lower, upper]), (0, fill), mode="edge")

    problems = Problem(
        top=np.zeros(2 * m + fill),
        goal=np.full(2 * m + fill, goal),
        center=searches(values, values),
        direction=searches(-np.ones(m), np.ones(m)),
        error=np.pad(np.concatenate([errors, errors]), (0, fill)),
    )
    wide = jax.tree.map(lambda part: searches(part, part), targets)
    steep = steepness(lifetime, rows.n_units)
    found = np.asarray(_solve(lifetime, small, tilt, steep, *known, wide, problems, curve=curve))
    return found[:m], found[m : 2 * m]


def steepness(lifetime: Lifetime, n_units: float) -> np.ndarray:
    """Weight (p,) of the penalty that keeps a profile from falling into a collapse.

    A vanishing penalty on the shapes of several Weibulls (Chen, Tan and Zhang 2008), taken
    relative to the fitted shapes, where it and its slope are zero. The search has none: it may
    let go of an iteration that collapses, and a profile may not.
    """
    template = Template(lifetime)
    amount = np.zeros(template.size)
    if template.is_weibulls:
        amount[template.log_shapes] = (template.n_components > 1) / n_units
    return amount


def compressed(
    template: Template, x: np.ndarray, rows: Observations
) -> tuple[Observations, np.ndarray]:
    """Padded rows, few enough, with the gradient they lack at the maximum of all rows.

    Compressed rows have their maximum elsewhere by a small part of a standard error; a linear
    term with this gradient moves it back.
    """
    rows = with_truncation_rows(rows)
    small = compress(rows, PROFILE_ROWS) if is_plain(rows) else rows
    if small.n_rows == rows.n_rows:
        return padded(rows), np.zeros(x.size)
    there = Maximizer(template, small).at(x[None])[0]
    return padded(small), -there.gradient
