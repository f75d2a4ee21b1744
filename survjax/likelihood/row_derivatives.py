"""Terms of one component with their first and second derivatives, for whole blocks of rows.

`RowDerivatives` hold q (K, n), its derivatives along each of a component's P parameters (P, K, n),
and the second derivatives of each pair a <= b (P (P + 1) / 2, K, n), all by automatic
differentiation: in one number z for families of location and scale, along each parameter for
any other. Weibull intervals have a kernel by hand, with the general rule as its test oracle
(`python -m tests.benchmarks.kernels` says what it saves).
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from survjax._core.numerics import MAX_EXPONENT, log1mexp_of_exp
from survjax.data.observations import Observations
from survjax.data.truncation_rows import truncation_rows
from survjax.lifetimes import Lifetime, LocationScale, LocationScaleOnTime, Weibull

#: Derivatives beyond this enter as this: the square of z^2 times it does not overflow.
HUGE = 1e130


class RowDerivatives(NamedTuple):
    """Values and derivatives of a term, components leading and rows last."""

    value: Any
    first: Any
    second: Any


def row_terms(lifetime: Lifetime, rows: Observations) -> jax.Array:
    """Log-likelihood of what was observed of each row, before weights; no truncation: (n,)."""
    if rows.interval is None:
        return rows.event * lifetime.log_hazard(rows.lower) - lifetime.cumulative_hazard(rows.lower)
    inside = rows.interval > 0
    # Both branches run on every row, so each gets times at which it is finite.
    time = jnp.where(inside, rows.upper, rows.lower)
    point = rows.event * lifetime.log_hazard(time) - lifetime.cumulative_hazard(time)
    return jnp.where(inside, lifetime.log_interval_probability(rows.lower, rows.upper), point)


def log_contributions(lifetime: Lifetime, rows: Observations) -> jax.Array:
    """Log-likelihood of each row given that its unit could be seen, before its weight: (n,)."""
    terms = row_terms(lifetime, rows)
    if rows.entry is None and rows.exit is None:
        return terms
    seen = truncation_rows(rows.reweighted(jnp.ones_like(terms)))
    return terms - seen.weight * row_terms(lifetime, seen)


def component_derivatives(stack: Lifetime, rows: Observations) -> RowDerivatives:
    """Derivatives of `row_terms` for a stack of components of one family.

    Parameters
    ----------
    stack : Lifetime
        Its parameters have a leading axis of length K and, where they differ between rows, a
        second one of length n.
    rows : Observations
        n rows without truncation (see `survjax.data.truncation_rows`).
    """
    if isinstance(stack, LocationScale):
        if rows.interval is None:
            return location_scale_derivatives(stack, rows)
        if isinstance(stack, Weibull):
            return weibull_interval_derivatives(stack, rows)
    if isinstance(stack, LocationScaleOnTime) and rows.interval is None:
        return location_scale_on_time_derivatives(stack, rows)
    return general_derivatives(stack, rows)


def location_scale_derivatives(stack: LocationScale, rows: Observations) -> RowDerivatives:
    """Derivatives along z = shape (log t - log scale) alone, and the chain rule.

    z has the derivative -shape along the log scale and z along the log shape, and each of these
    has itself as its derivative along the latter.
    """
    log_scale = _with_rows(stack.log_scale)
    shaped = hasattr(stack, "log_shape")
    log_shape = _with_rows(stack.log_shape) if shaped else jnp.zeros_like(log_scale)
    shape = jnp.exp(log_shape)
    z = shape * (rows.log_lower - log_scale)
    value, slope, curvature = _along_z(stack, z, rows)
    value = value + rows.event * (log_shape - rows.log_lower)
    if not shaped:
        return RowDerivatives(value, -slope[None], curvature[None])
    mixed = slope + z * curvature
    first = jnp.stack([-shape * slope, rows.event + z * slope])
    second = jnp.stack([shape**2 * curvature, -shape * mixed, z * mixed])
    return RowDerivatives(value, first, second)


def location_scale_on_time_derivatives(
    stack: LocationScaleOnTime, rows: Observations
) -> RowDerivatives:
    """Derivatives along z = (t - location) / scale alone, and the chain rule.

    z has the derivative -1 / scale along the location and -z along the log scale, and each of these
    has minus itself as its derivative along the latter.
    """
    log_scale = _with_rows(stack.log_scale)
    per_scale = jnp.exp(-log_scale)
    z = (rows.lower - _with_rows(stack.location)) * per_scale
    value, slope, curvature = _along_z(stack, z, rows)
    mixed = slope + z * curvature
    first = jnp.stack([-per_scale * slope, -rows.event - z * slope])
    second = jnp.stack([per_scale**2 * curvature, per_scale * mixed, z * mixed])
    return RowDerivatives(value - rows.event * log_scale, first, second)


def _along_z(
    stack: LocationScale | LocationScaleOnTime, z: jax.Array, rows: Observations
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Term of the noise at z (K, n), and its first and second derivatives in z."""
    one = jnp.ones_like(z)

    def term(z: jax.Array) -> jax.Array:
        failed = rows.event * type(stack).standard_log_hazard(z)
        return failed - type(stack).standard_cumulative_hazard(z)

    def along(z: jax.Array) -> Any:
        return jax.jvp(term, (z,), (one,))

    (value, slope), (_, curvature) = jax.jvp(along, (z,), (one,))
    # What is costly is computed once, and not again for each use of it.
    value, slope, curvature = lax.optimization_barrier((value, slope, curvature))
    return value, jnp.clip(slope, -HUGE, HUGE), jnp.clip(curvature, -HUGE, HUGE)


def _with_rows(leaf: Any) -> jax.Array:
    """A parameter (K,) or (K, n) that broadcasts with rows."""
    leaf = jnp.asarray(leaf)
    return leaf[:, None] if leaf.ndim == 1 else leaf


def general_derivatives(stack: Lifetime, rows: Observations) -> RowDerivatives:
    """Derivatives for any family by forward mode over forward mode."""
    leaves, tree = jax.tree.flatten(stack)

    def at(*leaves: Any) -> jax.Array:
        return jax.vmap(lambda c: row_terms(c, rows))(jax.tree.unflatten(tree, leaves))

    def tangent(a: int) -> list[Any]:
        # One component's term depends on its own parameters only: a tangent of ones along a
        # leaf differentiates every component at once.
        return [jnp.full_like(leaf, float(i == a)) for i, leaf in enumerate(leaves)]

    value, first, second = None, [], []
    for a in range(len(leaves)):

        def along(*leaves: Any, a: int = a) -> Any:
            return jax.jvp(at, list(leaves), tangent(a))

        for b in range(a, len(leaves)):
            (value, slope), (_, curvature) = jax.jvp(along, leaves, tangent(b))
            first += [slope] if a == b else []
            second.append(curvature)
    # What is costly is computed once, and not again for each use of it.
    value, first, second = lax.optimization_barrier((value, first, second))
    return RowDerivatives(value, jnp.stack(first), jnp.stack(second))


def weibull_interval_derivatives(stack: Weibull, rows: Observations) -> RowDerivatives:
    """Derivatives for Weibulls where some rows are intervals, written out.

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

    log_scale, log_shape = _with_rows(stack.log_scale), _with_rows(stack.log_shape)
    shape = jnp.exp(log_shape)
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
    point = d * (log_shape - rows.log_lower + z)
    value = jnp.where(inside, log1mexp_of_exp(log_grown), point) - hazard
    hazard = jnp.minimum(hazard, HUGE)
    gain = jnp.where(inside, rho, d)
    first = jnp.stack(
        [shape * (hazard - gain), jnp.where(inside, rho * slope, d * (1.0 + z)) - z * hazard]
    )
    curvature = rho * (grown + rho)
    mixed = jnp.where(inside, rho * (1.0 + slope) - slope * curvature, d)
    curved = rho * (top * (top + 1.0) + (top + z + 1.0) * beta) - curvature * slope**2
    second = jnp.stack(
        [
            shape**2 * (jnp.where(inside, rho - curvature, 0.0) - hazard),
            shape * ((1.0 + z) * hazard - mixed),
            jnp.where(inside, curved, d * z) - (z + 1.0) * z * hazard,
        ]
    )
    return RowDerivatives(value, first, second)


def only_parameters(stack: Lifetime) -> bool:
    """Whether every field is a parameter of one number a component (and, perhaps, a row)."""
    fields = dataclasses.fields(stack)  # type: ignore[arg-type]  # every lifetime is a pytree
    return all(f.metadata.get("kind") == "parameter" for f in fields) and all(
        jnp.ndim(leaf) <= 2 for leaf in jax.tree.leaves(stack)
    )
