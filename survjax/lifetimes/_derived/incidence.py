r"""Cumulative incidences: how many units each of several causes has ended by a time.

F_k(t) = \int_0^t h_k(s) S(s) ds, integrated in log time. Panels begin at times by which the
cumulative hazard of all causes has reached certain levels, so that nothing happens unseen between
two of them, and are halved where the last Legendre coefficients of the integrand say that its
polynomial does not resolve it. Where panels lie has no derivative: the integrand at their nodes,
which move with t, has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.quadrature import LAST_COEFFICIENTS, PANEL_NODES, PANEL_WEIGHTS

if TYPE_CHECKING:
    from survjax.lifetimes._base import Lifetime

#: Cumulative hazards of all causes at which panels begin; what happens before the first is the
#: cause's own hazard, within rounding. No unit lives through the last.
LEVELS = np.array([1e-14, 1e-7, 1e-3, 0.2, 1.5, 8.0, 500.0])
#: Bisections that find the times of these levels; where panels begin need not be exact.
BISECTIONS = 20
#: Halvings of panels, and the relative error at which they end.
HALVINGS, TOLERANCE = 26, 1e-12


def log_incidences(whole: Lifetime, causes: tuple[Lifetime, ...], t: jax.Array) -> jax.Array:
    """Logs of F_k(t) for t >= 0, (K, ...); `whole` is the lifetime whose hazards are `causes`'."""
    started = t > 0
    safe = jnp.where(started, t, 1.0)
    safe = jnp.broadcast_to(safe, jnp.shape(whole.cumulative_hazard(safe)))
    frozen, frozen_causes = jax.tree.map(lax.stop_gradient, (whole, causes))
    begins, ends, last, scale = _panels(frozen, frozen_causes, lax.stop_gradient(safe))
    # Nodes move with a time that units live to see; later ones change nothing.
    end = jnp.where(safe <= last, safe, last)
    log_end = jnp.log(last)

    def add(total: jax.Array, panel: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        x, half = _nodes(*(part[None] for part in panel))
        values = _integrand(whole, causes, end * jnp.exp(x - log_end), scale)
        return total + _integral(values, half)[:, 0], None

    first = end * jnp.exp(begins[0] - log_end)
    own = _stacked([c.cumulative_hazard(first) - c.cumulative_hazard(0.0) for c in causes])
    positive = jnp.where(own > 0, own, 1.0)
    before = jnp.where(own > 0, jnp.exp(jnp.log(positive) - scale[:, 0, 0]), 0.0)
    total = lax.scan(add, before, (begins, ends))[0]
    some = (total > 0) & started
    found = jnp.log(jnp.where(some, total, 1.0)) + scale[:, 0, 0]
    return jnp.where(some, found, jnp.where(jnp.isnan(t), jnp.nan, -jnp.inf))


def _stacked(parts: list[jax.Array]) -> jax.Array:
    """One array for each cause on a leading axis, of one shape."""
    return jnp.stack(jnp.broadcast_arrays(*parts))


def _nodes(begin: jax.Array, end: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Log times (16, m, ...) of panels (m, ...), and half their lengths."""
    half, middle = 0.5 * (end - begin), 0.5 * (end + begin)
    return middle + PANEL_NODES.reshape(-1, *(1,) * half.ndim) * half, half


def _integrand(
    whole: Lifetime, causes: tuple[Lifetime, ...], time: jax.Array, scale: jax.Array
) -> jax.Array:
    """h_k(s) S(s) s over exp(scale), (K, 16, m, ...)."""
    alive = jnp.log(time) - whole.cumulative_hazard(time)
    logs = _stacked([c.log_hazard(time) + alive for c in causes]) - scale
    some = logs > -700.0
    return jnp.where(some, jnp.exp(jnp.where(some, logs, 0.0)), 0.0)


def _integral(values: jax.Array, half: jax.Array) -> jax.Array:
    """Integrals (K, m, ...) over panels."""
    weights = PANEL_WEIGHTS.reshape(-1, *(1,) * half.ndim)
    return half * jnp.sum(weights * values, axis=1)


def _errors(values: jax.Array, half: jax.Array) -> jax.Array:
    """What the integrals may be wrong by.

    Coefficients fall geometrically, and the rule is exact for twice as many as it has nodes.
    """
    rows = [row.reshape(-1, *(1,) * half.ndim) for row in LAST_COEFFICIENTS]
    left = jnp.stack([jnp.abs(jnp.sum(row * values, axis=1)) for row in rows])
    top = jnp.max(values, axis=1)
    return half * jnp.max(left, axis=0) ** 2 / jnp.where(top > 0, top, 1.0)


def _times_of_levels(whole: Lifetime, t: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Logs of the times (L, ...) by which the hazard has reached each level, and of the last one.

    The last is t, or a time after which no unit ends: none is left, or hazards have levelled off.
    """
    limits = jnp.finfo(t.dtype)
    end = jnp.minimum(t, 0.25 * limits.max)
    none = whole.cumulative_hazard(0.0)
    most = whole.cumulative_hazard(end) - none
    levels = LEVELS.reshape(-1, *(1,) * t.ndim)
    target = jnp.minimum(most, 1.0) * levels
    target = jnp.minimum(target, (1.0 - 16.0 * limits.eps) * most)

    def halve(_: int, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = ends
        middle = 0.5 * (low + high)
        under = whole.rough_cumulative_hazard(jnp.exp(middle)) - none < target
        return jnp.where(under, middle, low), jnp.where(under, high, middle)

    highest = jnp.broadcast_to(jnp.log(end), target.shape)
    lowest = jnp.minimum(jnp.full_like(highest, jnp.log(4.0 * limits.tiny)), highest)
    x = lax.fori_loop(0, BISECTIONS, halve, (lowest, highest))[1]
    return x, jnp.where(x[-1] < jnp.log(end) - 1.0, x[-1], jnp.log(end))


def _panels(
    whole: Lifetime, causes: tuple[Lifetime, ...], t: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Ends of panels in log time (P, ...) that resolve the integrals up to t.

    Also the last time, and logs of the scales (K, 1, 1, ...) of the incidences.
    """
    x, log_last = _times_of_levels(whole, t)
    x = jnp.minimum(jnp.concatenate([x[:-1], log_last[None]]), log_last)
    last = jnp.where(log_last >= jnp.log(t), t, jnp.exp(log_last))
    # No incidence is larger than the cause's own cumulative hazard, or than one.
    own = _stacked([c.cumulative_hazard(last) for c in causes])
    scale = jnp.log(jnp.where((own > 0) & (own < 1.0), own, 1.0))[:, None, None]
    n = len(LEVELS) - 1
    space = ((0, HALVINGS), *((0, 0),) * t.ndim)
    begin, end = jnp.pad(x[:-1], space), jnp.pad(x[1:], space)
    size = jnp.zeros((len(causes), *begin.shape))
    # Of the first panels nothing is known, so that each is halved.
    error = size + jnp.where(end > begin, jnp.inf, 0.0)
    number = jnp.arange(n + HALVINGS).reshape(-1, *(1,) * t.ndim)

    def worst(size: jax.Array, error: jax.Array) -> jax.Array:
        """Relative errors (P, ...) of the cause for which they are largest."""
        total = jnp.sum(size, axis=1, keepdims=True)
        return jnp.max(error / jnp.where(total > 0, total, 1.0), axis=0)

    def halve(carry: Any) -> Any:
        begin, end, size, error, count = carry
        found = worst(size, error)
        chosen = (number == jnp.argmax(found, axis=0)) & (jnp.max(found, axis=0) > TOLERANCE)
        new = (number == n + count) & jnp.any(chosen, axis=0)
        low, high = (jnp.sum(jnp.where(chosen, part, 0.0), axis=0) for part in (begin, end))
        middle = 0.5 * (low + high)
        nodes, half = _nodes(jnp.stack([low, middle]), jnp.stack([middle, high]))
        values = _integrand(whole, causes, jnp.exp(nodes), scale)

        def put(old: jax.Array, halves: jax.Array) -> jax.Array:
            first, second = halves[:, :1], halves[:, 1:]
            return jnp.where(new, second, jnp.where(chosen, first, old))

        size, error = put(size, _integral(values, half)), put(error, _errors(values, half))
        begin = jnp.where(new, middle, begin)
        end = jnp.where(new, high, jnp.where(chosen, middle, end))
        return begin, end, size, error, count + 1

    def running(carry: Any) -> jax.Array:
        _, _, size, error, count = carry
        return (count < HALVINGS) & jnp.any(worst(size, error) > TOLERANCE)

    begin, end, *_ = lax.while_loop(running, halve, (begin, end, size, error, 0))
    return begin, end, last, scale
