"""Finite mixtures: a fleet that hides several sub-populations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from survjax._core.numerics import logsumexp
from survjax._core.pytree import compiled_method, parameter, pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._derived.inverse import invert
from survjax.lifetimes._limits import inside_life, log_hazard_outside, outside_life, with_age_limits
from survjax.lifetimes._natural import log_of


@pytree
class Mixture(Lifetime):
    """Each unit belongs to one of K components, drawn with the weights.

    Parameters
    ----------
    logits : array of shape (K - 1,) or (K - 1, n)
        Log of each further component's weight over the first one's.
    components : Lifetime or tuple of Lifetime
        The components of one family as one object whose parameters have a leading axis of
        length K; several families as a tuple of such stacks.

    Notes
    -----
    S(t) = sum_k w_k S_k(t), and likewise for densities and interval probabilities (McLachlan
    and Peel 2000, section 1.4). Everything is computed on the log scale, differences are taken
    inside a component, and the survivors' weights are formed before any ratio.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from survjax.lifetimes import Mixture, Weibull
    >>> early_and_late = Weibull.of(scale=jnp.array([5.0, 40.0]), shape=jnp.array([0.8, 3.0]))
    >>> fleet = Mixture.of(jnp.array([0.4, 0.6]), early_and_late)
    >>> round(float(fleet.survival(20.0)), 3)
    0.549
    """

    logits: jax.Array = parameter()
    components: Lifetime | tuple[Lifetime, ...]

    levels_off: ClassVar[bool] = True
    is_mixture: ClassVar[bool] = True

    @property
    def always_fails(self) -> bool:  # type: ignore[override]  # as all components do
        parts = self.components
        return all(part.always_fails for part in (parts if isinstance(parts, tuple) else (parts,)))

    @classmethod
    def of(cls, weights: ArrayLike, components: Lifetime | tuple[Lifetime, ...]) -> Mixture:
        """Make one from positive weights (K,) that sum to one."""
        log_weights = log_of(weights, "weights")
        return cls(log_weights[1:] - log_weights[0], components)

    @property
    def log_weights(self) -> jax.Array:
        """Logs of the weights, shape (K,) or (K, n)."""
        logits = jnp.asarray(self.logits)
        return jax.nn.log_softmax(
            jnp.concatenate([0.0 * logits[:1], logits])
            if logits.shape[0]
            else jnp.zeros((1,) + logits.shape[1:]),
            axis=0,
        )

    @property
    def weights(self) -> jax.Array:
        """Share of units in each component, shape (K,) or (K, n)."""
        return jnp.exp(self.log_weights)

    def each(self, function: Callable[[Lifetime], jax.Array]) -> jax.Array:
        """Apply a function to every component; results are stacked on a leading axis K."""
        stacks = self._stacks
        return jnp.concatenate([jax.vmap(function)(stack) for stack in stacks])

    def _log_weights_for(self, values: jax.Array) -> jax.Array:
        """The log weights, shaped to broadcast against per-component values (K, ...)."""
        log_weights = self.log_weights
        missing = values.ndim - log_weights.ndim
        shape = log_weights.shape[:1] + (1,) * missing + log_weights.shape[1:]
        return log_weights.reshape(shape)

    @compiled_method
    def log_membership(self, t: ArrayLike, failed: ArrayLike = False) -> jax.Array:
        """Log of P(component | the unit runs at t), or given that it failed at t: (K, ...).

        The weights of the survivors differ from those at birth: the frail die first.
        """
        # Far out, the component of the lightest tail is left: more so than any number tells.
        t = jnp.asarray(t, float)
        t = jnp.minimum(t, float(jnp.finfo(t.dtype).max) ** 0.8)
        # Of a new unit nothing is known, though some may fail at time zero or before.
        alive = -self._hazards(t)
        alive = jnp.where(t > 0, alive, jnp.where(jnp.isnan(t), jnp.nan, 0.0))
        alive = alive + self._log_weights_for(alive)
        # Subtract the largest before adding the log hazard: otherwise digits are lost in the tail.
        alive = alive - _largest(alive)
        rate = self.each(lambda c: c.log_hazard(t))
        joint = jnp.where(jnp.asarray(failed), alive + rate, alive)
        return joint - logsumexp(joint)

    @compiled_method
    def log_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        started, safe = inside_life(t)
        alive = -self._hazards(safe)
        alive = alive + self._log_weights_for(alive)
        # With its derivatives: where hazards are large, their squares would drown what is left.
        alive = alive - _largest(alive)
        inside = logsumexp(alive + self._log_hazards(safe, alive)[0]) - logsumexp(alive)
        at_zero, at_end = self._log_hazard_at_zero(t), self.final_log_hazard()
        return jnp.where(started, inside, log_hazard_outside(t, at_zero, at_end))

    def final_log_hazard(self) -> jax.Array:
        """That of the component whose hazard ends lowest: its units outlive all others."""
        ends = self.each(lambda c: c.final_log_hazard())
        absent = self._log_weights_for(ends) == -jnp.inf
        return jnp.min(jnp.where(absent, jnp.inf, ends), axis=0)

    def _log_hazards(self, t: ArrayLike, log_alive: jax.Array) -> tuple[jax.Array, float]:
        """The components' log hazards (K, ...) within plus and minus a bound, and the bound.

        Of a component that has died out, by the logs of the shares alive, no rate is left that
        could matter, even where it is infinite.
        """
        rates = self.each(lambda c: c.log_hazard(t))
        most = float(jnp.finfo(rates.dtype).max) ** 0.3
        rates = jnp.clip(rates, -most, most)
        gone = log_alive < -0.75 * _least_share(rates.dtype)
        return jnp.where(gone, jnp.minimum(rates, 0.0), rates), most

    def _hazards(self, t: ArrayLike) -> jax.Array:
        """The components' cumulative hazards (K, ...), none of them infinite."""
        hazards = self.each(lambda c: c.cumulative_hazard(t))
        return jnp.minimum(hazards, 0.25 * jnp.finfo(hazards.dtype).max)

    def _log_hazard_at_zero(self, t: jax.Array) -> jax.Array:
        """Zero, finite or infinite according to the shapes, with a gradient that is never NaN."""
        start = jnp.zeros_like(t)
        log_weights = self._log_weights_for(self.each(lambda c: c.cumulative_hazard(start)))
        rate, most = self._log_hazards(start, log_weights)
        rate = rate + log_weights
        finite = jnp.abs(rate) < 0.5 * most
        total = jnp.sum(jnp.where(finite, jnp.exp(jnp.where(finite, rate, 0.0)), 0.0), axis=0)
        some = total > 0
        log_total = jnp.where(some, jnp.log(jnp.where(some, total, 1.0)), -jnp.inf)
        at_zero = jnp.where(jnp.any(rate > 0.5 * most, axis=0), jnp.inf, log_total)
        return jnp.where(jnp.any(jnp.isnan(rate), axis=0), jnp.nan, at_zero)

    @compiled_method
    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        started, safe = inside_life(t)
        hazards = self._hazards(safe)
        log_weights = self._log_weights_for(hazards)
        failed = jnp.sum(jnp.exp(log_weights) * -jnp.expm1(-hazards), axis=0)
        early = failed < 0.25
        # Early on, 1 - (sum of weights near 1) would leave only rounding: add failed shares.
        early_hazard = -jnp.log1p(-jnp.where(early, failed, 0.0))
        inside = jnp.where(early, early_hazard, -logsumexp(log_weights - hazards))
        # Of a NaN age nothing is known, not even at time zero.
        known = jnp.where(jnp.isnan(inside), jnp.nan, outside_life(t))
        return jnp.where(started, inside, known)

    def log_interval_probability(self, lower: ArrayLike, upper: ArrayLike) -> jax.Array:
        inside = self.each(lambda c: c.log_interval_probability(lower, upper))
        return logsumexp(jnp.maximum(inside + self._log_weights_for(inside), -1e300))

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        rest = self.given(start)
        increments = rest.cumulative_hazard(length)
        positive = increments > 0
        return jnp.where(positive, jnp.log(jnp.where(positive, increments, 1.0)), -jnp.inf)

    def given(self, age: ArrayLike) -> Lifetime:
        age = jnp.asarray(age)
        stacks = self._stacks
        aged = tuple(jax.vmap(lambda c: c.given(age))(stack) for stack in stacks)
        log_membership = self.log_membership(age)
        # Logits over a first component that has long died out would be huge and alike, and drown
        # the others' differences: so small a share is as good as none, at any rate of failure.
        least = -_least_share(log_membership.dtype)
        logits = log_membership[1:] - jnp.maximum(log_membership[:1], least)
        return Mixture(logits, aged if isinstance(self.components, tuple) else aged[0])

    def rough_cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        hazards = self.each(lambda c: c.rough_cumulative_hazard(t))
        hazards = jnp.minimum(hazards, 0.25 * jnp.finfo(hazards.dtype).max)
        return -logsumexp(self._log_weights_for(hazards) - hazards)

    @compiled_method
    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        # The components' own solutions bracket the mixture's.
        target = jnp.asarray(target)
        frozen: Mixture = jax.tree.map(lax.stop_gradient, self)
        goal = lax.stop_gradient(inside_life(target)[1])
        each = frozen.each(lambda c: c.inverse_cumulative_hazard(goal))
        limits = jnp.finfo(each.dtype)
        low = jnp.clip(jnp.min(each, axis=0), limits.tiny, 0.25 * limits.max)
        high = jnp.clip(jnp.max(each, axis=0), limits.tiny, 0.25 * limits.max)
        life = invert(self, target, low, high)
        # At an infinite age all components that are left end alike: at once, or never.
        log_weights = jnp.broadcast_to(frozen._log_weights_for(each), each.shape)
        main = jnp.take_along_axis(each, jnp.argmax(log_weights, axis=0)[None], axis=0)[0]
        degenerate = (jnp.min(each, axis=0) == 0) & (main == 0) | jnp.isposinf(main)
        life = jnp.where(degenerate & (target > 0), main, life)
        return jnp.where(jnp.any(jnp.isnan(each), axis=0), jnp.nan, life)

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        return self.given(start).inverse_cumulative_hazard(target)

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        means = self.each(lambda c: c.residual_mean(age))
        return _weighted_sum(jnp.exp(self.log_membership(age)), means)

    def step_units(self) -> Lifetime:
        """Logits count as they are, components in their own units."""
        stacks = self._stacks
        units = tuple(stack.step_units() for stack in stacks)
        whole = units if isinstance(self.components, tuple) else units[0]
        return Mixture(jnp.ones_like(jnp.asarray(self.logits)), whole)

    @property
    def _stacks(self) -> tuple[Lifetime, ...]:
        """The components by family."""
        return self.components if isinstance(self.components, tuple) else (self.components,)

    @property
    def fails_at_zero(self) -> bool:  # type: ignore[override]  # as one of the components does
        return any(stack.fails_at_zero for stack in self._stacks)

    @property
    def fails_before_zero(self) -> bool:
        return any(stack.fails_before_zero for stack in self._stacks)

    def kinds(self) -> tuple[str, ...]:
        count = jnp.shape(self.logits)[0] + 1
        return tuple(f"component_{k + 1}" for k in range(count))

    def plainest(self) -> Lifetime:
        if jnp.shape(self.logits)[0] > 0 or isinstance(self.components, tuple):
            return self
        alone: Lifetime = jax.tree.map(lambda leaf: leaf[0], self.components)
        return alone

    def lives_beyond(self, entry: ArrayLike, exposure: jax.Array, choice: jax.Array) -> jax.Array:
        lives = self.each(lambda part: part.lives_beyond(entry, exposure, choice))
        share = jnp.cumsum(jnp.exp(self.log_membership(entry)), axis=0)
        component = jnp.sum(choice[None] > share[:-1, None], axis=0)
        return jnp.take_along_axis(lives, component[None], axis=0)[0]

    def is_steeper(self, log_shape: ArrayLike) -> jax.Array:
        stacks = self._stacks
        return jnp.any(jnp.stack([stack.is_steeper(log_shape) for stack in stacks]))

    @compiled_method
    def mean(self) -> jax.Array:
        """The weighted mean of the components' means."""
        return _weighted_sum(self.weights, self.each(lambda c: c.mean()))


def _least_share(dtype: Any) -> float:
    """Minus the log of a share that is none: beyond the logs of all hazards, and of few digits."""
    return 2000.0 if jnp.finfo(dtype).bits == 64 else 200.0


def _largest(values: jax.Array) -> jax.Array:
    """The largest over components (K, ...), with the derivatives of one that is.

    Those of `jnp.max` look for what equals it, and where the compiler computes a value twice, and
    rounds it in two ways, nothing does: they are 0 / 0.
    """
    number = jnp.arange(values.shape[0]).reshape(-1, *(1,) * (values.ndim - 1))
    return jnp.sum(jnp.where(number == jnp.argmax(values, axis=0), values, 0.0), axis=0)


def _weighted_sum(weights: jax.Array, values: jax.Array) -> jax.Array:
    """Sum over components (K, ...), where one of weight zero may have an infinite value."""
    return jnp.sum(weights * jnp.where(weights > 0, values, 0.0), axis=0)
