"""Terms of one component with their first and second derivatives, for whole blocks of rows.

`RowDerivatives` hold q (K, n), its derivatives along each of a component's P parameters (P, K, n),
and the second derivatives of each pair a <= b (P (P + 1) / 2, K, n), all by automatic
differentiation: in one number z for families of location and scale, along each parameter for
any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from survjax._core.numerics import MAX_EXPONENT, log_ended_and_rho
from survjax._core.pytree import parameter_items
from survjax.data.observations import Observations
from survjax.data.truncation_rows import truncation_rows
from survjax.lifetimes import Lifetime, LocationScale, LocationScaleOnTime
from survjax.likelihood.branches import all_failed

#: Widths in z below this are too short for differences of hazards.
SHORT = 2e-5
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
        log_hazard, hazard = lifetime.hazards(rows.lower)
        return _failed(rows.event, log_hazard) - hazard
    inside = rows.interval > 0
    # Both branches run on every row, so each gets times at which it is finite.
    time = jnp.where(inside, rows.upper, rows.lower)
    log_hazard, hazard = lifetime.hazards(jnp.where(time > 0, time, 1.0))
    point = _failed(rows.event, log_hazard) - hazard
    return jnp.where(inside, lifetime.log_interval_probability(rows.lower, rows.upper), point)


def _failed(event: jax.Array, log_hazard: jax.Array) -> jax.Array:
    """What failures add to the likelihood: before a threshold units run at a hazard of zero."""
    return jnp.where(event > 0, event * log_hazard, 0.0)


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
        plain = rows.interval is None
        return (location_scale_derivatives if plain else location_scale_intervals)(stack, rows)
    if isinstance(stack, LocationScaleOnTime) and rows.interval is None:
        return location_scale_on_time_derivatives(stack, rows)
    if not has_own_density(stack, rows):
        return general_derivatives(stack, rows)
    return lax.cond(
        all_failed(rows.event),
        lambda: general_derivatives(stack, rows, lambda part, rows: part.log_density(rows.lower)),
        lambda: general_derivatives(stack, rows),
    )


def has_own_density(stack: Lifetime, rows: Observations) -> bool:
    """Whether exact failures are far cheaper by themselves than beside others."""
    return stack.has_own_density and rows.interval is None


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

    def along(z: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.jvp(term, (z,), (one,))

    (value, slope), (_, curvature) = jax.jvp(along, (z,), (one,))
    # What is costly is computed once, and not again for each use of it.
    value, slope, curvature = lax.optimization_barrier((value, slope, curvature))
    return value, jnp.clip(slope, -HUGE, HUGE), jnp.clip(curvature, -HUGE, HUGE)


def _with_rows(leaf: jax.Array) -> jax.Array:
    """A parameter (K,) or (K, n) that broadcasts with rows."""
    leaf = jnp.asarray(leaf)
    return leaf[:, None] if leaf.ndim == 1 else leaf


def general_derivatives(
    stack: Lifetime,
    rows: Observations,
    terms: Callable[[Lifetime, Observations], jax.Array] = row_terms,
) -> RowDerivatives:
    """Derivatives for any family by forward mode over forward mode, along all parameters at once.

    Each derivative along every direction stands beside one evaluation of what it is taken of.
    """
    leaves, tree = jax.tree.flatten(stack)
    size = range(len(leaves))
    # One component's term depends on its own parameters only: a tangent of ones along a
    # leaf differentiates every component at once.
    along = tuple(
        jnp.stack([jnp.full_like(leaf, float(i == a)) for a in size])
        for i, leaf in enumerate(leaves)
    )

    def at(*leaves: Any) -> jax.Array:
        return jax.vmap(lambda c: terms(c, rows))(jax.tree.unflatten(tree, leaves))

    def with_first(*leaves: Any) -> Any:
        return jax.vmap(lambda *push: jax.jvp(at, leaves, push), out_axes=(None, 0))(*along)

    def with_second(*push: Any) -> Any:
        return jax.jvp(with_first, tuple(leaves), push)

    (value, first), (_, twice) = jax.vmap(with_second, out_axes=((None, None), (0, 0)))(*along)
    second = jnp.stack([twice[b, a] for a in size for b in size if b >= a])
    # What is costly is computed once, and not again for each use of it.
    return RowDerivatives(*lax.optimization_barrier((value, first, second)))


def location_scale_intervals(stack: LocationScale, rows: Observations) -> RowDerivatives:
    """Derivatives where some rows are intervals, from the noise's hazard at both ends.

    An interval adds -H(lower) + log(1 - exp(-D)), D = H(upper) - H(lower). With
    rho = D / (exp(D) - 1), and D' and D'' relative to D, the second term has the derivatives
    rho D' and rho (D'' - (rho + D) D' D'). Where an interval is too short for a difference of
    hazards, it is a failure at its middle, times its length.
    """
    shaped = hasattr(stack, "log_shape")
    log_scale = _with_rows(stack.log_scale)
    log_shape = _with_rows(stack.log_shape) if shaped else jnp.zeros_like(log_scale)
    shape, inside, noise = jnp.exp(log_shape), rows.interval > 0, type(stack)
    started = inside & (rows.lower > 0)
    lower = jnp.where(rows.lower > 0, rows.lower, 1.0)
    length = jnp.where(inside, rows.upper - rows.lower, lower)
    bottom = jnp.where(inside & ~started, 0.0, shape * (rows.log_lower - log_scale))
    width = shape * jnp.log1p(length / lower)
    from_zero = shape * (jnp.log(jnp.where(started | ~inside, 1.0, rows.upper)) - log_scale)
    top = jnp.where(inside & ~started, from_zero, bottom + width)
    one = jnp.ones_like(top)

    def rate_and_slope(z: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.jvp(noise.standard_log_hazard, (z,), (one,))

    last = rate_and_slope(top)
    steepness = 1.0 + jnp.abs(top) + jnp.exp(jnp.minimum(last[0], MAX_EXPONENT))
    short = started & (width * steepness < SHORT)
    # At the lower end of an interval, or its middle; at the time of any other row.
    z = jnp.where(short, bottom + 0.5 * width, bottom)
    event = jnp.where(short, 1.0, rows.event)
    (rate, slope), (_, curve) = jax.jvp(rate_and_slope, (z,), (one,))
    log_grown = jnp.where(
        started,
        noise.standard_log_long_increment(z, top, width),
        noise.standard_log_cumulative_hazard(top),
    )
    found = (rate, slope, curve, noise.standard_cumulative_hazard(z), *last, log_grown)
    rate, slope, curve, passed, last_rate, last_slope, log_grown = lax.optimization_barrier(found)

    # Nothing has passed at a lower end of zero.
    gone = jnp.where(inside & ~started, 0.0, 1.0)
    between, hazard = inside & ~short, jnp.minimum(jnp.exp(jnp.minimum(rate, MAX_EXPONENT)), HUGE)
    # What the curvature of the density adds over a short interval.
    bulge = jnp.where(short, curve - hazard * slope + (slope - hazard) ** 2, 0.0) * width**2 / 24.0
    log_length = jnp.where(short, jnp.log(width) - log_shape, -rows.log_lower)
    point = event * (rate + log_shape + log_length) - passed + bulge
    grown = jnp.exp(jnp.minimum(log_grown, MAX_EXPONENT))
    log_ended, rho = log_ended_and_rho(log_grown, grown)
    value = jnp.where(between, log_ended - gone * passed, point)
    hazard, rho = gone * hazard, jnp.where(between, rho, 0.0)
    leaving = gone * jnp.exp(jnp.minimum(rate - log_grown, MAX_EXPONENT))
    arriving = jnp.exp(jnp.minimum(last_rate - log_grown, MAX_EXPONENT))
    ends, event = _Ends(arriving, leaving, last_slope, slope, rho, grown), event * ~between
    gained, curvature = event * slope - hazard, event * curve - hazard * slope
    # Derivatives of z at both ends: -shape along the log scale, z itself along the log shape.
    along = [(-shape, -shape), (z, top)][: 1 + shaped]
    growth = [ends.growth(of_z, of_top) for of_z, of_top in along]
    first = [gained * of_z + rho * grows for (of_z, _), grows in zip(along, growth, strict=True)]
    twice = {(0, 0): (0.0, 0.0), (0, 1): (-shape, -shape), (1, 1): (z, top)}
    second = [
        curvature * along[i][0] * along[j][0]
        + gained * twice[i, j][0]
        + ends.second(along[i], along[j], twice[i, j])
        for i, j in (twice if shaped else [(0, 0)])
    ]
    if shaped:
        first[1] = first[1] + event
    return RowDerivatives(value, jnp.stack(first), jnp.stack(second))


class _Ends(NamedTuple):
    """Hazards at the ends of an interval relative to D, the slopes of their logs, and rho and D."""

    arriving: Any
    leaving: Any
    top_slope: Any
    bottom_slope: Any
    rho: Any
    grown: Any

    def growth(self, bottom: jax.Array, top: jax.Array) -> jax.Array:
        """D' along a parameter, from the derivatives of z at both ends."""
        return self.arriving * top - self.leaving * bottom

    def second(
        self, one: tuple[jax.Array, jax.Array], other: tuple[jax.Array, jax.Array], both: Any
    ) -> jax.Array:
        """Second derivative of log(1 - exp(-D)) along two parameters."""
        at_top = self.arriving * (self.top_slope * one[1] * other[1] + both[1])
        at_bottom = self.leaving * (self.bottom_slope * one[0] * other[0] + both[0])
        square = self.growth(*one) * self.growth(*other)
        return self.rho * (at_top - at_bottom - (self.rho + self.grown) * square)


def only_parameters(stack: Lifetime) -> bool:
    """Whether every number is a parameter, one of a component (and, perhaps, a row)."""
    leaves = jax.tree.leaves(stack)
    # What has components holds several numbers of one name.
    plain = not hasattr(stack.inner()[1], "components")
    every = plain and len(parameter_items(stack)) == len(leaves)
    return every and all(jnp.ndim(leaf) <= 2 for leaf in leaves)
