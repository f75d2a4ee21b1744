"""Terms of one component with their first and second derivatives, for whole blocks of rows.

A jet holds q (K, n), its derivatives along each of a component's P parameters (P, K, n), and the
second derivatives of each pair a <= b (P (P + 1) / 2, K, n). The general rule differentiates the
model by nested forward mode; the Weibull on exact and right-censored rows, the hottest case of
all, has its derivatives written out (measured at about half the time of a pass, and a fifth where
there are intervals), with the general rule as its test oracle.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from survjax._core.numerics import MAX_EXPONENT, log1mexp_of_exp
from survjax._core.observations import Observations
from survjax.lifetimes import Lifetime, Weibull

#: Hazards beyond this enter derivatives as this: the square of z^2 times it does not overflow.
HUGE = 1e130


class Jet(NamedTuple):
    """Values and derivatives of a term, components leading and rows last."""

    value: Any
    first: Any
    second: Any


def row_terms(lifetime: Lifetime, rows: Observations) -> jax.Array:
    """Log-likelihood of what was observed of each row, before truncation and weights: (n,)."""
    if rows.interval is None:
        return rows.event * lifetime.log_hazard(rows.lower) - lifetime.cumulative_hazard(rows.lower)
    inside = rows.interval > 0
    # Both branches run on every row, so each gets times at which it is finite.
    time = jnp.where(inside, rows.upper, rows.lower)
    point = rows.event * lifetime.log_hazard(time) - lifetime.cumulative_hazard(time)
    return jnp.where(inside, lifetime.log_interval_probability(rows.lower, rows.upper), point)


def truncation_terms(lifetime: Lifetime, rows: Observations) -> jax.Array:
    """Log-probability that each row's unit could be seen at all: (n,)."""
    if rows.exit is None:
        return -lifetime.cumulative_hazard(rows.entry)
    return lifetime.log_interval_probability(rows.entry, rows.exit)


def component_jet(stack: Lifetime, rows: Observations, terms: Callable[..., jax.Array]) -> Jet:
    """Jet of `row_terms` or `truncation_terms` for a stack of components of one family."""
    if isinstance(stack, Weibull):
        if terms is row_terms:
            if rows.interval is None:
                return weibull_jet(stack, rows.log_lower, rows.event)
            return interval_jet(stack, rows)
        if terms is truncation_terms and rows.exit is None:
            late = rows.entry > 0
            jet = weibull_jet(stack, jnp.log(jnp.where(late, rows.entry, 1.0)), None)
            return Jet(*(jnp.where(late, part, 0.0) for part in jet))
    return general_jet(stack, rows, terms)


def general_jet(stack: Lifetime, rows: Observations, terms: Callable[..., jax.Array]) -> Jet:
    """Jet of any family by forward mode over forward mode."""
    leaves, tree = jax.tree.flatten(stack)

    def at(*leaves: Any) -> jax.Array:
        return jax.vmap(lambda c: terms(c, rows))(jax.tree.unflatten(tree, leaves))

    def along(function: Callable[..., Any], a: int) -> Callable[..., Any]:
        # One component's term depends on its own parameters only: a tangent of ones along a
        # leaf differentiates every component at once.
        def derivative(*leaves: Any) -> Any:
            tangents = [jnp.zeros_like(leaf) for leaf in leaves]
            tangents[a] = jnp.ones_like(leaves[a])
            return jax.jvp(function, leaves, tuple(tangents))[1]

        return derivative

    size = range(len(leaves))
    first = [along(at, a)(*leaves) for a in size]
    second = [along(along(at, a), b)(*leaves) for a in size for b in size if b >= a]
    return Jet(at(*leaves), jnp.stack(first), jnp.stack(second))


def weibull_jet(stack: Weibull, log_t: jax.Array, event: jax.Array | None) -> Jet:
    """Jet of event * log h - H for Weibulls, written out.

    With z = shape (log t - log scale) and H = exp(z), the term is d (log shape - log t + z) - H;
    z has derivative -shape along log scale and z along log shape. `event=None` means no failures.
    """
    shape = stack.shape[:, None]
    z = shape * (log_t - jnp.asarray(stack.log_scale)[:, None])
    capped = jnp.minimum(z, MAX_EXPONENT)
    hazard = jnp.exp(capped) * (1.0 + (z - capped))
    d = 0.0 if event is None else event
    value = z * d - hazard
    hazard = jnp.minimum(hazard, HUGE)
    gap = d - hazard
    if event is not None:
        value = value + d * (jnp.asarray(stack.log_shape)[:, None] - log_t)
    bend = z * hazard
    first = jnp.stack([-shape * gap, d + z * gap])
    second = jnp.stack([-(shape**2) * hazard, shape * (bend - gap), z * (gap - bend)])
    return Jet(value, first, second)


def interval_jet(stack: Weibull, rows: Observations) -> Jet:
    """Jet of Weibulls where some rows are intervals, written out.

    An interval adds -H(lower) + log(1 - exp(-D)) with D = H(upper) - H(lower). With
    rho = D / (exp(D) - 1), b = shape log(upper / lower) and beta = b / (exp(b) - 1), the
    derivatives of D are D times polynomials in z and beta, so that none is a difference of
    hazards. Other rows differ from intervals in what stands beside -H(lower) only.
    """
    inside = rows.interval > 0
    from_zero = inside & (rows.lower <= 0)
    between = inside & ~from_zero
    # Rows without a lower or an upper end get times at which the formulas of both are finite.
    lower = jnp.where(rows.lower > 0, rows.lower, 1.0)
    upper = jnp.where(inside, rows.upper, 2.0 * lower)
    width = jnp.log1p(jnp.where(between, upper - lower, lower) / lower)

    shape = stack.shape[:, None]
    log_scale = jnp.asarray(stack.log_scale)[:, None]
    z = jnp.where(from_zero, 0.0, shape * (rows.log_lower - log_scale))
    capped = jnp.minimum(z, MAX_EXPONENT)
    hazard = jnp.where(from_zero, 0.0, jnp.exp(capped) * (1.0 + (z - capped)))
    b = shape * width
    top = jnp.where(from_zero, shape * (jnp.log(upper) - log_scale), z + b)
    ratio = jnp.expm1(jnp.minimum(b, MAX_EXPONENT))
    beta = jnp.where(from_zero, 0.0, b / ratio)
    log_grown = top + jnp.where(from_zero, 0.0, jnp.log(ratio / (ratio + 1.0)))
    grown = jnp.exp(jnp.minimum(log_grown, MAX_EXPONENT))
    tiny = grown < 1e-9
    rho = jnp.where(tiny, 1.0 - 0.5 * grown, grown / jnp.expm1(jnp.where(tiny, 1.0, grown)))

    d, slope = rows.event, top + beta
    point = d * (jnp.asarray(stack.log_shape)[:, None] - rows.log_lower + z)
    value = jnp.where(inside, log1mexp_of_exp(log_grown), point) - hazard
    hazard = jnp.minimum(hazard, HUGE)
    pull = jnp.where(inside, rho, d)
    first = jnp.stack(
        [shape * (hazard - pull), jnp.where(inside, rho * slope, d * (1.0 + z)) - z * hazard]
    )
    bend = rho * (grown + rho)
    mixed = jnp.where(inside, rho * (1.0 + slope) - slope * bend, d)
    curved = rho * (top * (top + 1.0) + (top + z + 1.0) * beta) - bend * slope**2
    second = jnp.stack(
        [
            shape**2 * (jnp.where(inside, rho - bend, 0.0) - hazard),
            shape * ((1.0 + z) * hazard - mixed),
            jnp.where(inside, curved, d * z) - (z + 1.0) * z * hazard,
        ]
    )
    return Jet(value, first, second)


def parameters_per_component(stack: Lifetime) -> int:
    """P, the number of parameters of one component."""
    return len(jax.tree.leaves(stack))


def only_parameters(stack: Lifetime) -> bool:
    """Whether every field is a parameter of one number a component, so that a jet fits it."""
    fields = dataclasses.fields(stack)  # type: ignore[arg-type]  # every lifetime is a pytree
    return all(f.metadata.get("kind") == "parameter" for f in fields) and all(
        jnp.ndim(leaf) == 1 for leaf in jax.tree.leaves(stack)
    )
