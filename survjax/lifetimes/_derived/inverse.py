"""Solve H(t) = target: a bracketed search in log time, and two steps on the exact hazard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from survjax.lifetimes._limits import outside_targets

if TYPE_CHECKING:
    from survjax.lifetimes._base import Lifetime

#: A search in log time that has no bracket yet moves no farther at once.
LONGEST = 3.0


def invert(lifetime: Lifetime, target: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    """Solve H(t) = target, from a bracket of positive times.

    Of two steps on the exact H the first squares the error that the search on the rough one left.
    It is taken in (log t, log H), where it arrives from far too, as long as H is a power of t: at
    hazards so small that the rough one is but rounding. The second, taken at the solution,
    carries the derivatives in the lifetime's parameters and the target (implicit function theorem).
    """
    frozen: Lifetime = jax.tree.map(lax.stop_gradient, lifetime)
    bracket = lax.stop_gradient(low), lax.stop_gradient(high)
    # Two steps are still to come.
    t = search(frozen, lax.stop_gradient(target), *bracket, power=0.375)
    t = _log_step(frozen, lax.stop_gradient(target), t)
    t = _newton_step(lifetime, frozen, target, t)
    return jnp.where((target > 0) & (target < jnp.inf), t, outside_targets(target))


def _log_step(frozen: Lifetime, target: jax.Array, t: jax.Array) -> jax.Array:
    """One step on log H(t) = log target, in log t."""
    value, slope = jax.jvp(frozen.cumulative_hazard, (t,), (jnp.ones_like(t),))
    usable = (value > 0) & (slope > 0) & (target > 0) & jnp.isfinite(target)
    ratio = jnp.where(usable, target, 1.0) / jnp.where(usable, value, 1.0)
    step = jnp.log(ratio) * value / jnp.where(usable, t * slope, 1.0)
    return lax.stop_gradient(t * jnp.exp(jnp.where(usable & jnp.isfinite(step), step, 0.0)))


def _newton_step(
    lifetime: Lifetime, frozen: Lifetime, target: jax.Array, t: jax.Array
) -> jax.Array:
    """One step on the exact H(t) = target; `frozen` is the same lifetime, without derivatives."""
    value = lifetime.cumulative_hazard(t)
    slope = jax.jvp(frozen.cumulative_hazard, (t,), (jnp.ones_like(t),))[1]
    # Where the target is 0 or infinite there is nothing to correct.
    usable = (slope > 0) & jnp.isfinite(slope) & (target > 0) & jnp.isfinite(target)
    step = jnp.where(usable, (value - target) / jnp.where(usable, slope, 1.0), 0.0)
    return jnp.maximum(t - step, 0.5 * t)


def search(
    lifetime: Lifetime,
    target: jax.Array,
    low: ArrayLike = 0.0,
    high: ArrayLike = jnp.inf,
    *,
    start: ArrayLike | None = None,
    power: float = 0.5,
) -> jax.Array:
    """Solve H(t) = target on the rough H, without derivatives.

    Newton's method in (log t, log H), kept inside a shrinking bracket so that it converges from
    anywhere. Without a bracket it needs a start, and takes bounded steps until it has one. It
    stops when log t moves by less than this power of the rounding.
    """
    goal = jnp.log(jnp.where(target > 0, target, 1.0))
    tolerance = jnp.finfo(goal.dtype).eps ** power

    def residual(x: jax.Array) -> jax.Array:
        value = lifetime.rough_cumulative_hazard(jnp.exp(x))
        return jnp.log(jnp.maximum(value, jnp.finfo(value.dtype).tiny)) - goal

    def body(carry: Any) -> Any:
        low, high, x, before, _, count = carry
        gap, slope = jax.jvp(residual, (x,), (jnp.ones_like(x),))
        low = jnp.where(gap < 0, x, low)
        high = jnp.where(gap > 0, x, high)
        frozen = jnp.isfinite(high - low)
        newton = x - gap / jnp.where(slope > 0, slope, 1.0)
        step, unit = jnp.abs(newton - x), 1.0 + jnp.abs(x)
        # The rough H has slopes that are not true where times are lost beside the age. Near the
        # goal, where only rounding is left, gaps need not fall.
        arrived = (jnp.abs(gap) < 0.1) & (step <= tolerance * unit)
        good = (slope > 0) & (newton >= low) & (newton <= high)
        good &= arrived | (jnp.abs(gap) <= 0.5 * before)
        good &= frozen | (step < LONGEST)
        other = jnp.where(frozen, 0.5 * (low + high), x - LONGEST * jnp.sign(gap))
        new = jnp.where(good, newton, other)
        # A short step ends the search where H is near its goal, or the bracket is as short.
        far = (jnp.abs(gap) > 0.1) & (high - low > tolerance * unit)
        far |= jnp.abs(new - x) > tolerance * unit
        return low, high, new, jnp.abs(gap), far, count + 1

    def running(carry: Any) -> jax.Array:
        *_, far, count = carry
        return jnp.any(far) & (count < 200)

    low, high = jnp.log(low), jnp.log(high)
    start = 0.5 * (low + high) if start is None else jnp.log(start)
    shape = jnp.broadcast_shapes(*map(jnp.shape, (low, high, start)))
    shape = jnp.broadcast_shapes(shape, jax.eval_shape(residual, start).shape)
    low, high, start = (jnp.broadcast_to(end, shape) for end in (low, high, start))
    # A bracket end may be exact: step a little outside, so that Newton's step stays inside.
    width = jnp.where(jnp.isfinite(high - low), 1e-6 * (1.0 + high - low), 0.0)
    far = jnp.ones_like(start, bool)
    carry = (low - width, high + width, start, jnp.full_like(start, jnp.inf), far, 0)
    return jnp.exp(lax.while_loop(running, body, carry)[2])


def bracket(lifetime: Lifetime, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Times around the solution: steps of a factor 8 from time one, as many as it takes.

    Both ends are looked at together: a hazard stands once in the compiled program.
    """
    shape = jnp.broadcast_shapes(target.shape, hazard_shape(lifetime))
    one = jnp.ones(shape)
    least, most = 64.0 * jnp.finfo(one.dtype).tiny, jnp.finfo(one.dtype).max / 64.0

    def body(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        ends, _ = carry
        hazard = lifetime.cumulative_hazard(ends)
        lower = (hazard[0] > target) & (ends[0] > least)
        higher = (hazard[1] < target) & (ends[1] < most)
        ends = jnp.stack(
            [jnp.where(lower, ends[0] / 8.0, ends[0]), jnp.where(higher, ends[1] * 8.0, ends[1])]
        )
        return ends, jnp.any(lower | higher)

    begin = (jnp.stack([one, one]), jnp.array(True))
    low, high = lax.while_loop(lambda carry: carry[1], body, begin)[0]
    return low, high


def hazard_shape(lifetime: Lifetime) -> tuple[int, ...]:
    """The shape that the parameters of a lifetime broadcast to."""
    shape: tuple[int, ...] = jax.eval_shape(lambda: lifetime.cumulative_hazard(1.0)).shape
    return shape
