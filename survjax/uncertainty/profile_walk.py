"""One walk along a profile of a likelihood, outward from the estimate until the level is reached.

Newton's iterations lead to the profile's point for a given c, then the next c is chosen (`profile`
says why). Arrays may be JAX's, or NumPy's on the host.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.numerics import module_of
from survjax._core.pytree import data, pytree
from survjax.optimize import ResultCode
from survjax.optimize.newton import NewtonState, advance, init

#: Curvature of the term that holds g near c, in units of the estimate's information on g.
STIFFNESS = 10.0
#: A profile that is this far out (log units, beside some standard errors) has no bound.
FAR = 12.0
#: Evaluations of a search before it gives up, and Newton iterations of one point.
MOST_EVALUATIONS, MOST_ITERATIONS = 800, 100


@pytree
class Problem:
    """What a search looks for: where sqrt(2 (top - l)) reaches the goal in one direction."""

    top: Any = data()
    goal: Any = data()
    center: Any = data()
    direction: Any = data()
    error: Any = data()

    @property
    def stiffness(self) -> Any:
        """rho."""
        return STIFFNESS / self.error**2


@pytree
class BoundSearch:
    """One search; c and the bracket count outward from the estimate.

    `home` is the last point of the profile short of the level: every walk outward starts there,
    so that one that went too far and fell into another hollow does not stay in it.
    """

    newton: NewtonState = data()
    home: Any = data()
    parts: Any = data()
    c: Any = data()
    inside: Any = data()
    outside: Any = data()
    step: Any = data()
    n_flat: Any = data()
    n_evaluations: Any = data()
    bound: Any = data()
    done: Any = data()


def _penalized(parts: Any, c: Any, stiffness: Any) -> tuple[Any, Any, Any]:
    """What Newton minimizes, from the parts of l and g at a point."""
    (value, gradient, hessian), (g, slope, curvature) = parts
    gap = g - c
    outer = module_of(slope).outer(slope, slope)
    return (
        -value + 0.5 * stiffness * gap**2,
        -gradient + stiffness * gap * slope,
        -hessian + stiffness * (outer + gap * curvature),
    )


def chosen(first: Any, left: Any, right: Any) -> Any:
    """One of two trees; on the host without a copy."""
    if isinstance(first, (bool, np.bool_)):
        return left if first else right
    return jax.tree.map(partial(jnp.where, first), left, right)


def start_search(estimate: Any, parts: Any, problem: Problem) -> BoundSearch:
    """A search at the estimate, before its first step outward."""
    xp = module_of(estimate)
    return BoundSearch(
        newton=init(estimate, 1.0),
        home=estimate,
        parts=parts,
        c=problem.goal * problem.error * (1.0 + 1.0 / STIFFNESS),
        inside=0.0 * problem.goal,
        outside=problem.goal + xp.inf,
        step=problem.goal * problem.error,
        n_flat=xp.asarray(0),
        n_evaluations=xp.asarray(0),
        bound=problem.center + xp.nan,
        done=~(xp.isfinite(problem.center) & (problem.error > 0)),
    )


def newton_iteration(search: BoundSearch, parts: Any, problem: Problem) -> BoundSearch:
    """One Newton iteration for the search's c, given the parts at the point it tries."""
    xp = module_of(search.newton.x)
    penalized = _penalized(parts, problem.center + problem.direction * search.c, problem.stiffness)
    newton = advance(search.newton, *penalized, tol=1e-4, max_iter=MOST_ITERATIONS, max_step=3.0)
    accepted = xp.all(newton.x == search.newton.trial)
    return dataclasses.replace(
        search,
        newton=newton,
        parts=chosen(accepted, parts, search.parts),
        n_evaluations=search.n_evaluations + 1,
    )


def walk(search: BoundSearch, problem: Problem) -> BoundSearch:
    """Judge the point of the profile that was reached, and choose the next c.

    The root of twice the fall grows nearly in proportion to the distance, with a slope that the
    profile's own slope gives: a Newton step in it, no longer than twice the last good one, and
    kept inside the bracket.
    """
    xp = module_of(search.newton.x)
    (value, _, _), (g, _, _) = search.parts
    stiffness, goal = problem.stiffness, problem.goal
    ends = (int(ResultCode.CONVERGED), int(ResultCode.ROUNDING))
    good = (search.newton.code == ends[0]) | (search.newton.code == ends[1])
    distance = problem.direction * (g - problem.center)
    reached = xp.sqrt(xp.maximum(2.0 * (problem.top - value), 0.0))
    slope = stiffness * (search.c - distance) / xp.maximum(reached, 1e-12)
    short, over = good & (reached < goal), good & (reached >= goal)
    inside = xp.where(short, search.c, search.inside)
    outside = xp.where(over, search.c, search.outside)
    ahead = xp.where(slope > 0, (goal - reached) / slope, xp.inf)
    found = good & (xp.abs(reached - goal) < 1e-4) & (slope > 0)
    # Where the profile jumps over the level, the point just beyond it is the bound.
    bound = xp.where(over, g, search.bound)
    bound = xp.where(found, g + problem.direction * ahead, bound)
    far = FAR + 3.0 * problem.error
    flat = short & (xp.abs(slope) * 4.0 * far < goal - reached)
    n_flat = xp.where(flat, search.n_flat + 1, 0)
    endless = short & ((search.c > far) | (n_flat >= 2))
    bound = xp.where(endless & ~found, problem.direction * xp.inf, bound)
    step = xp.where(short, 2.0 * search.step, xp.where(good, search.step, 0.25 * search.step))
    c = xp.minimum(distance + ahead + goal * slope / stiffness, inside + step)
    usable = good & (c > inside) & (c < outside)
    halfway = xp.where(xp.isfinite(outside), 0.5 * (inside + outside), inside + step)
    c = xp.where(usable, c, xp.minimum(halfway, inside + step))
    small = 1e-7 * (problem.error + inside)
    stuck = (outside - inside <= small) | (step <= small)
    home = xp.where(short, search.newton.x, search.home)
    done = found | endless | stuck | (search.n_evaluations >= MOST_EVALUATIONS)
    # Where no point was reached at which the profile has fallen far enough, none is known to be.
    bound = xp.where(done & xp.isnan(bound), problem.direction * xp.inf, bound)
    return BoundSearch(
        newton=init(home, 1.0),
        home=home,
        parts=search.parts,
        c=c,
        inside=inside,
        outside=outside,
        step=step,
        n_flat=n_flat,
        n_evaluations=search.n_evaluations,
        bound=bound,
        done=done,
    )
