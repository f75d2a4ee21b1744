"""A share of the units never fails: the rest live as the base says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.numerics import (
    bounded_exp,
    log1mexp,
    log1mexp_of_exp,
    log_hazard_of_share,
    softplus,
)
from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._limits import inside_life, outside_targets, with_age_limits
from survjax.lifetimes._modified.modified import Modified
from survjax.lifetimes._natural import logit_of

#: A logit below which a share is as good as none; a fit on its way there has left it behind.
NONE_CURED = -7.0
#: The log of a share that is none, as a number.
GONE = -1e300


@pytree
class Cured(Modified):
    """A base lifetime of which a share of the units never fails: S(t) = p + (1 - p) S0(t).

    Parameters
    ----------
    base : Lifetime
        The lifetime of the units that can fail.
    logit_cured_share : array
        Log of p / (1 - p), p the share of the units that never fail.

    Notes
    -----
    The mixture cure model, or limited failure population (Boag 1949; Meeker 1987). The cumulative
    hazard ends at -log p: means, quantiles beyond the share that fails and remaining lives to them
    are infinite. Among the units that have reached an age the odds of being cured have grown by
    exp(H0(age)), so that the remaining life is a cured one again.

    Examples
    --------
    >>> from survjax.lifetimes import Cured, Weibull
    >>> circuits = Cured.of(Weibull.of(scale=30.0, shape=0.5), share=0.9)
    >>> round(float(circuits.survival(1000.0)), 4), float(circuits.quantile(0.2))
    (0.9003, inf)
    """

    base: Any
    logit_cured_share: jax.Array = parameter()

    levels_off: ClassVar[bool] = True
    always_fails: ClassVar[bool] = False
    #: How much of the failures that could be were seen: nearly all, or a half or a tenth in logs.
    powers: ClassVar[tuple[float, ...]] = (0.98, 0.5, 0.1)

    @classmethod
    def of(cls, base: Lifetime, share: ArrayLike) -> Cured:
        """Make one from a share of cured units, inside (0, 1)."""
        return cls(base, logit_of(share, "share"))

    @property
    def share(self) -> jax.Array:
        """The share of units that never fail."""
        return jax.nn.sigmoid(jnp.asarray(self.logit_cured_share))

    @property
    def n_starts(self) -> int:  # type: ignore[override]  # as many as the base's for each guess
        count: int = len(self.powers) * self.base.n_starts
        return count

    def _spent(self, hazard: jax.Array) -> jax.Array:
        """A cumulative hazard of the base that is a number, however late."""
        return jnp.minimum(hazard, 0.25 * jnp.finfo(hazard.dtype).max)

    def _log_rate(self, log_hazard: jax.Array, hazard: jax.Array, t: jax.Array) -> jax.Array:
        """Log h: the base's, times the share of those alive that can fail."""
        # Sooner or later only the cured are left.
        ended = jnp.isposinf(t) & (log_hazard == jnp.inf)
        can_fail = -softplus(self.logit_cured_share + self._spent(hazard))
        return jnp.where(ended, -jnp.inf, log_hazard + can_fail)

    def _total(self, hazard: jax.Array) -> jax.Array:
        """H = -log(p + (1 - p) exp(-H0)), by the share that has failed as long as it is small."""
        logit, hazard = jnp.asarray(self.logit_cured_share), self._spent(hazard)
        log_most, log_cured = -softplus(logit), -softplus(-logit)
        failed = jnp.exp(log_most) * -jnp.expm1(-hazard)
        early = failed < 0.5
        near = -jnp.log1p(-jnp.where(early, failed, 0.0))
        return jnp.where(early, near, -jnp.logaddexp(log_cured, log_most - hazard))

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        return self.hazards(t)[0]

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        return self._total(self.base.cumulative_hazard(t))

    def hazards(self, t: ArrayLike) -> tuple[jax.Array, jax.Array]:
        log_hazard, hazard = self.base.hazards(t)
        return self._log_rate(log_hazard, hazard, jnp.asarray(t)), self._total(hazard)

    def final_log_hazard(self) -> jax.Array:
        return jnp.full_like(self.base.final_log_hazard() + self.logit_cured_share, -jnp.inf)

    def _log_total(self, log_hazard: jax.Array) -> jax.Array:
        """Log H from the log of H0."""
        logit = jnp.asarray(self.logit_cured_share)
        log_most, log_cured = -softplus(logit), -softplus(-logit)
        none, most = log_hazard == -jnp.inf, 0.5 * np.log(float(jnp.finfo(log_hazard.dtype).max))
        log_hazard = jnp.minimum(jnp.where(none, 0.0, log_hazard), most)
        log_failed = log_most + log1mexp_of_exp(log_hazard)
        early = log_failed < -0.7
        near = log_hazard_of_share(jnp.where(early, log_failed, -1.0))
        alive = jnp.logaddexp(log_cured, log_most - self._spent(bounded_exp(log_hazard)))
        found = jnp.where(early, near, jnp.log(-jnp.where(early, -1.0, alive)))
        return jnp.where(none, -jnp.inf, found)

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        return self._aged(start)._log_total(self.base.log_increment(start, length))

    def log_interval_hazard(self, lower: ArrayLike, length: ArrayLike) -> jax.Array:
        lower = jnp.asarray(lower)
        # What fails at birth is in an interval from zero, and not behind it.
        passed = jnp.where(lower > 0, self.base.cumulative_hazard(lower), 0.0)
        aged = Cured(self.base, self.logit_cured_share + self._spent(passed))
        return aged._log_total(self.base.log_interval_hazard(lower, length))

    def log_interval_probability(self, lower: ArrayLike, upper: ArrayLike) -> jax.Array:
        lower, upper = jnp.asarray(lower), jnp.asarray(upper)
        bounded = jnp.isfinite(upper)
        end = jnp.where(bounded, upper, 2.0 * jnp.maximum(lower, 1.0))
        inside = self.base.log_interval_probability(lower, end)
        alive = jnp.where(lower <= 0, 0.0, self.cumulative_hazard(lower))
        can_fail = -softplus(jnp.asarray(self.logit_cured_share))
        return jnp.where(bounded, can_fail + inside, -alive)

    def _aged(self, age: ArrayLike) -> Cured:
        """The share that is cured among those that have reached an age, with the base as new."""
        return Cured(
            self.base, self.logit_cured_share + self._spent(self.base.cumulative_hazard(age))
        )

    def given(self, age: ArrayLike) -> Lifetime:
        return Cured(self.base.given(age), self._logit_at(age))

    def _logit_at(self, age: ArrayLike) -> jax.Array:
        """The cured share's logit at an age: its own of a new unit, which may have failed."""
        new = jnp.asarray(age) <= 0
        aged = self._aged(age).logit_cured_share
        return jnp.where(new, self.logit_cured_share + 0.0 * aged, aged)

    def rough_cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        return self._total(self.base.rough_cumulative_hazard(t))

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        """The base's time at H0 = -log((exp(-H) - p) / (1 - p)); infinite beyond it."""
        target = jnp.asarray(target)
        positive, safe = inside_life(target)
        logit = jnp.asarray(self.logit_cured_share)
        left = softplus(-logit) - safe
        never = left <= 0
        log_failed = log1mexp(safe) + softplus(logit)
        early = log_failed < -0.7
        near = jnp.exp(log_hazard_of_share(jnp.where(early, log_failed, -1.0)))
        far = safe - softplus(logit) - log1mexp(jnp.where(never, 1.0, left))
        hazard = jnp.where(early, near, jnp.where(never, 1.0, far))
        # Within rounding of the last failure.
        hazard = jnp.where(hazard > 0, hazard, 1.0)
        life = self.base.inverse_cumulative_hazard(hazard)
        other = jnp.where(target < jnp.inf, outside_targets(target), jnp.inf)
        return jnp.where(positive, jnp.where(never, jnp.inf, life), other)

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        return self.given(start).inverse_cumulative_hazard(target)

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        """Infinite: some units never fail."""
        return jnp.full_like(jnp.asarray(age) + self.logit_cured_share, jnp.inf)

    def kinds(self) -> tuple[str, ...]:
        return (*(self.base.kinds() or ("component_1",)), "cured")

    def log_membership(self, t: ArrayLike, failed: ArrayLike = False) -> jax.Array:
        """Log of P(kind of unit | it runs at t), or given that it failed at t; the cured last."""
        failed = jnp.asarray(failed)
        logit = self._logit_at(t)
        can_fail = jnp.where(failed, 0.0, -softplus(logit))[None]
        cured = jnp.where(failed, GONE, -softplus(-logit))[None]
        inside = self.base.log_membership(t, failed) if self.base.kinds() else 0.0
        return jnp.concatenate([inside + can_fail, cured])

    def guesses(self, shares: np.ndarray, times: np.ndarray) -> Sequence[tuple[Any, Any, Any]]:
        last = min(float(shares[-1]), 0.999)
        most = (last**power for power in self.powers)
        return [(np.log1p(-q) - np.log(q), np.minimum(shares, last) / q, times) for q in most]

    def rough_log_quantiles(self, shares: np.ndarray) -> np.ndarray:
        """Those of the units that can fail: components are compared by them."""
        return np.asarray(self.base.rough_log_quantiles(shares))

    def share_inside(self) -> float:
        return float(self.base.share_inside() * (1.0 - self.share))

    def is_nearly_base(self) -> bool:
        return float(self.logit_cured_share) < NONE_CURED
