"""The integral of a hazard over any span of time, however wide: quadrature in two pieces.

Most integrals end where the hazard has gathered most, and one rule graded toward the ends of the
span serves. Where a hazard dies out, or dips, most of its integral may lie at a time that is next
to nothing of the span. The span is parted there, and what comes later is integrated in log time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from survjax._core.numerics import log_sum
from survjax._core.quadrature import LOG_UNIT_NODES, LOG_UNIT_WEIGHTS

#: Steps in log time at which the course of a hazard is looked at.
STEP = 2.0
#: A span of log time that one rule, graded toward the end, has nodes enough for.
LONG = 12.0
#: Logs of t h(t) that differ by less count as about the same.
LEVEL = 5.0
#: A hazard that falls faster than t^-(1 + this) at the end of numbers has a finite integral.
FALLING = 0.02
#: Logs of nodes and weights of a piece.
RULE = LOG_UNIT_NODES, LOG_UNIT_WEIGHTS


class Course(NamedTuple):
    """Where a hazard gathers: t h(t), its integral over a unit of log time, on a grid.

    Attributes
    ----------
    log_times : array of shape (G, 1, ..., 1)
        The grid.
    gathered : array of shape (G, ...)
        Log of t h(t); -inf where the hazard is no number.
    unknown : array of shape (G, ...)
        Whether the hazard is infinite or no number there.
    """

    log_times: jax.Array
    gathered: jax.Array
    unknown: jax.Array

    @classmethod
    def of(cls, log_hazard: Callable[[Any], jax.Array], kind: Any, ndim: int) -> Course:
        """The course of a hazard, to compare with spans of so many axes."""
        numbers = jnp.finfo(kind)
        ends = 0.45 * np.log(float(numbers.tiny)), np.log(float(numbers.max) / 4.0)
        grid = jnp.asarray(np.arange(*ends, STEP), kind)
        gathered = jax.vmap(lambda x: x + log_hazard(jnp.exp(x)))(grid)
        axes = gathered.ndim - 1
        gathered = gathered.reshape(-1, *(1,) * (ndim - axes), *gathered.shape[1:])
        unknown = ~(gathered < jnp.inf)
        grid = grid.reshape(-1, *(1,) * (gathered.ndim - 1))
        return cls(grid, jnp.where(unknown, -jnp.inf, gathered), unknown)

    def end(self, log_start: jax.Array) -> jax.Array:
        """Log of the time from which on nothing to speak of is gathered; infinite without one."""
        later, following = self.following > log_start, self.following
        top = jnp.max(jnp.where(later, self.gathered, -jnp.inf), axis=0)
        much = top + 1.25 * np.log(float(jnp.finfo(top.dtype).eps))
        counts = ~later | self.unknown | (self.gathered >= much)
        return jnp.max(jnp.where(counts, following, -jnp.inf), axis=0)

    def falls(self, log_start: jax.Array) -> jax.Array:
        """Whether a hazard gathers ever less from a time on, at first."""
        here = (self.log_times <= log_start) & (self.following > log_start)
        after = jnp.concatenate([self.gathered[1:], jnp.full_like(self.gathered[:1], jnp.inf)])
        return jnp.any(here & (after < self.gathered), axis=0)

    @property
    def following(self) -> jax.Array:
        """The next of the grid's logs of times; infinite after the last."""
        beyond = jnp.full_like(self.log_times[:1], jnp.inf)
        return jnp.concatenate([self.log_times[1:], beyond])

    def bend(self, log_start: jax.Array, log_end: jax.Array) -> jax.Array:
        """Log of the time that parts a span; -inf without one.

        It is the highest peak well inside of the span, or else the time from which on the hazard
        has gathered about evenly for long.
        """
        log_peak = self.peak(log_start, log_end)
        inside = (self.log_times > log_start) & (self.log_times < log_end)
        top = jnp.max(jnp.where(inside, self.gathered, -jnp.inf), axis=0)
        level = inside & (self.gathered > top - LEVEL)
        since = jnp.min(jnp.where(level, self.log_times, jnp.inf), axis=0)
        level_since = jnp.where(since < log_end - LONG, since, -jnp.inf)
        return jnp.where(log_peak > -jnp.inf, log_peak, level_since)

    def peak(self, log_start: jax.Array, log_end: jax.Array) -> jax.Array:
        """Log of the time of the highest peak well inside of a span; -inf without one."""
        before, here, after = self.gathered[:-2], self.gathered[1:-1], self.gathered[2:]
        log_times = self.log_times[1:-1]
        rounding = 10.0 * float(jnp.finfo(here.dtype).eps) ** 0.5
        peaks = (here > before - rounding) & (here > after + rounding) & ~self.unknown[2:]
        peaks &= (log_times > log_start) & (log_times < log_end - STEP)
        heights = jnp.where(peaks, here, -jnp.inf)
        highest = peaks & (heights == jnp.max(heights, axis=0))
        return jnp.max(jnp.where(highest, log_times, -jnp.inf), axis=0)

    def log_rest(self) -> jax.Array:
        """Log of the integral beyond the grid, of a hazard that is a power of time there."""
        last, before = self.gathered[-1], self.gathered[-2]
        fall = jnp.where(self.unknown[-1], 0.0, (before - last) / STEP)
        falls = fall > FALLING
        return jnp.where(falls, last - jnp.log(jnp.where(falls, fall, 1.0)), jnp.inf)


def log_integral(
    log_hazard: Callable[[Any], jax.Array],
    frozen_log_hazard: Callable[[Any], jax.Array],
    start: ArrayLike,
    length: ArrayLike,
) -> jax.Array:
    """Log of the integral of a hazard over (start, start + length), for 0 < length <= inf.

    The sum is taken on the log scale: neither a hazard beyond the range of numbers nor one that
    hardly begins costs a digit, and derivatives are means of those of the log hazard. The course
    of the hazard is that of a function without derivatives.
    """
    start, length = jnp.asarray(start), jnp.asarray(length)
    kind = jnp.result_type(start, length, float)
    start, length = (jnp.asarray(part, kind) for part in jnp.broadcast_arrays(start, length))
    course = Course.of(frozen_log_hazard, kind, start.ndim)

    aged = start > 0
    safe = jnp.where(aged, start, 1.0)
    log_start = lax.stop_gradient(jnp.where(aged, jnp.log(safe), -jnp.inf))
    falls, log_last = aged & course.falls(log_start), course.end(log_start)

    unending = jnp.isposinf(log_last) & jnp.isposinf(length)
    last = jnp.exp(jnp.minimum(log_last, np.log(float(jnp.finfo(kind).max) / 4.0)))
    length = jnp.where(start + length > last, jnp.maximum(last - start, 0.0), length)
    stop = start + length
    log_bend = course.bend(log_start, lax.stop_gradient(jnp.log(stop)))
    parted = log_bend > -jnp.inf
    bend = jnp.exp(jnp.where(parted, log_bend, 0.0))

    until = jnp.where(parted, bend - start, jnp.where(falls, 0.0, length))
    since = jnp.where(parted, stop - bend, jnp.where(falls, length, 0.0))
    found = _both_pieces(log_hazard, start, until, jnp.where(parted, bend, safe), since)
    rest = course.log_rest()
    endless = unending & jnp.isposinf(rest)
    found = jnp.logaddexp(found, jnp.where(unending & ~endless, rest, -jnp.inf))
    return jnp.where(endless, jnp.inf, found)


def _both_pieces(
    log_hazard: Callable[[Any], jax.Array],
    start: jax.Array,
    length: jax.Array,
    later: jax.Array,
    later_length: jax.Array,
) -> jax.Array:
    """Log of the integral over one piece, and over a later one by nodes in log time.

    A piece may have no length. Nodes of both go through one call of the hazard, which is long to
    compile.
    """
    some, others = length > 0, later_length > 0
    width = jnp.where(some, length, 1.0)
    span = jnp.log1p(jnp.where(others, later_length, 1.0) / later)
    log_later = jnp.log(later)
    # At earlier times the second derivative of a logarithm is no number.
    earliest = jnp.finfo(length.dtype).tiny ** 0.45

    def term(is_early: jax.Array, log_node: jax.Array, log_weight: jax.Array) -> jax.Array:
        node = jnp.exp(log_node)
        log_time = log_later + span * node
        time = jnp.where(is_early, start + width * node, jnp.exp(log_time))
        log_width = jnp.where(is_early, jnp.log(width), jnp.log(span) + log_time)
        counts = jnp.where(is_early, some, others)
        value = log_hazard(jnp.maximum(time, earliest)) + log_width + log_weight
        return jnp.where(counts, value, -jnp.inf)

    first = np.repeat([True, False], LOG_UNIT_NODES.size)
    nodes, weights = (jnp.asarray(np.tile(part, 2), length.dtype) for part in RULE)
    return log_sum(jax.vmap(term)(jnp.asarray(first), nodes, weights))
