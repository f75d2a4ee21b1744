"""A share of the units is dead on arrival: the rest live as the base says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.numerics import log_softplus, softplus
from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._limits import outside_life, outside_targets, with_age_limits
from survjax.lifetimes._modified.modified import Modified
from survjax.lifetimes._natural import logit_of

#: The logit of no share at all, as a number.
NONE = -1e300
#: A logit below which a share is as good as none; a fit on its way there has left it behind.
NONE_FAILED = -7.0


@pytree
class ZeroInflated(Modified):
    """A base lifetime of which a share of the units fails at time zero: S(t) = (1 - p) S0(t).

    Parameters
    ----------
    base : Lifetime
        The lifetime of the units that are not dead on arrival.
    logit_zero_share : array
        Log of p / (1 - p), p the share of the units that fail at time zero.

    Notes
    -----
    H(t) = H0(t) - log(1 - p) for t >= 0, and nothing has failed before. Hazard and density are
    those of times after zero; an interval from zero, (0, t], holds what failed at time zero. A unit
    of age zero is a new one, which may be dead on arrival; one of any later age is not
    (Lambert 1992 for counts; Meeker and Escobar 1998, section 11.5).

    Examples
    --------
    >>> from survjax.lifetimes import Weibull, ZeroInflated
    >>> boards = ZeroInflated.of(Weibull.of(scale=40.0, shape=3.0), share=0.05)
    >>> round(float(boards.survival(0.0)), 4), float(boards.quantile(0.02))
    (0.95, 0.0)
    """

    base: Any
    logit_zero_share: jax.Array = parameter()

    fails_at_zero: ClassVar[bool] = True

    @classmethod
    def of(cls, base: Lifetime, share: ArrayLike) -> ZeroInflated:
        """Make one from a share of units that fail at time zero, inside (0, 1)."""
        return cls(base, logit_of(share, "share"))

    @property
    def share(self) -> jax.Array:
        """The share of units that fail at time zero."""
        return jax.nn.sigmoid(jnp.asarray(self.logit_zero_share))

    @property
    def n_starts(self) -> int:  # type: ignore[override]  # as many as the base's
        count: int = self.base.n_starts
        return count

    @property
    def _at_zero(self) -> jax.Array:
        """The cumulative hazard of time zero itself."""
        return softplus(jnp.asarray(self.logit_zero_share))

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        return self.base.log_hazard(t) + 0.0 * jnp.asarray(self.logit_zero_share)

    def final_log_hazard(self) -> jax.Array:
        last: jax.Array = self.base.final_log_hazard()
        return last

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        begun = t >= 0
        later = self.base.cumulative_hazard(jnp.where(begun, t, 0.0))
        return jnp.where(begun, self._at_zero + later, outside_life(t))

    def log_density(self, t: ArrayLike) -> jax.Array:
        return self.base.log_density(t) - self._at_zero

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        return self.base.log_increment(start, length) + 0.0 * jnp.asarray(self.logit_zero_share)

    def log_interval_hazard(self, lower: ArrayLike, length: ArrayLike) -> jax.Array:
        """As `log_increment`; an interval from zero holds what failed there, and may be empty."""
        lower, length = jnp.asarray(lower), jnp.asarray(length)
        empty = length <= 0
        later = self.base.log_interval_hazard(lower, jnp.where(empty, 1.0, length))
        at_zero = log_softplus(jnp.asarray(self.logit_zero_share))
        some = later > -jnp.inf
        both = jnp.where(some, jnp.logaddexp(at_zero, jnp.where(some, later, at_zero)), at_zero)
        none = jnp.where(lower <= 0, at_zero, -jnp.inf)
        return jnp.where(empty, none, jnp.where(lower <= 0, both, later))

    def log_interval_probability(self, lower: ArrayLike, upper: ArrayLike) -> jax.Array:
        lower, upper = jnp.asarray(lower), jnp.asarray(upper)
        logit = jnp.asarray(self.logit_zero_share)
        some = upper > 0
        inside = self.base.log_interval_probability(lower, jnp.where(some, upper, 1.0))
        later, at_zero = inside - self._at_zero, -softplus(-logit)
        return jnp.where(lower > 0, later, jnp.where(some, jnp.logaddexp(at_zero, later), at_zero))

    def given(self, age: ArrayLike) -> Lifetime:
        age = jnp.asarray(age)
        logit = jnp.where(age > 0, NONE, jnp.asarray(self.logit_zero_share))
        return ZeroInflated(self.base.given(age), logit)

    def rough_cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        return self._at_zero + self.base.rough_cumulative_hazard(t)

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        target = jnp.asarray(target)
        later = target - self._at_zero
        inside = (later > 0) & (later < jnp.inf)
        life = self.base.inverse_cumulative_hazard(jnp.where(inside, later, 1.0))
        other = jnp.where((target >= 0) & (later <= 0), 0.0, outside_targets(target))
        return jnp.where(inside, life, other)

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        return self.given(start).inverse_cumulative_hazard(target)

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        """The base's; of new units, less what those lose that fail at once."""
        age = jnp.asarray(age)
        lasting = jnp.where(age > 0, 0.0, self._at_zero)
        return self.base.residual_mean(age) * jnp.exp(-lasting)

    def guesses(self, shares: np.ndarray, times: np.ndarray) -> Sequence[tuple[Any, Any, Any]]:
        known = times[0] == 0.0
        # Where zeros are in intervals with what came soon after, half of these may be zeros.
        share = float(shares[0]) if known else 0.5 * float(shares[0])
        rest = (shares - share) / (1.0 - share)
        later = slice(int(known), None)
        return [(np.log(share) - np.log1p(-share), rest[later], times[later])]

    def rough_log_quantiles(self, shares: np.ndarray) -> np.ndarray:
        """Those of the units that live: components are compared by them."""
        return np.asarray(self.base.rough_log_quantiles(shares))

    def share_inside(self) -> float:
        return float(self.base.share_inside() * (1.0 - self.share))

    def is_nearly_base(self) -> bool:
        return float(self.logit_zero_share) < NONE_FAILED
