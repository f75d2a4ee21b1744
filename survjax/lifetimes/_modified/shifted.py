"""No unit fails before a threshold: lives are it plus those that the base describes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.pytree import data, parameter, pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._further.birnbaum_saunders import BirnbaumSaunders
from survjax.lifetimes._further.inverse_gaussian import InverseGaussian
from survjax.lifetimes._gamma.gamma import Gamma
from survjax.lifetimes._limits import outside_targets, with_age_limits
from survjax.lifetimes._loglogistic import LogLogistic
from survjax.lifetimes._lognormal import LogNormal
from survjax.lifetimes._modified.modified import Modified
from survjax.lifetimes._on_time.gumbel import Gumbel
from survjax.lifetimes._on_time.logistic import Logistic
from survjax.lifetimes._on_time.normal import Normal
from survjax.lifetimes._weibull import Weibull

#: What a family beyond a threshold far below all lives is: its own noise, on time itself.
ON_TIME: dict[type, Any] = {
    Weibull: Gumbel,
    LogNormal: Normal,
    LogLogistic: Logistic,
    Gamma: Normal,
    InverseGaussian: Normal,
    BirnbaumSaunders: Normal,
}
#: A threshold is far below when 80 % of the base's lives lie within this share of their median.
NARROW = 0.2


@pytree
class Shifted(Modified):
    """A base lifetime that begins at a threshold: T = threshold + T0.

    Parameters
    ----------
    base : Lifetime
        The lifetime beyond the threshold, such as a Weibull, which then has three parameters.
    threshold : array
        Time before which no unit fails, any number.

    Notes
    -----
    S(t) = S0(t - threshold), and one up to the threshold. Below a threshold that is negative some
    units count as failed at birth, as they do for families on time itself.

    With an exact failure the likelihood of a Weibull of shape below one, and of others whose
    density begins at infinity, grows without bound as the threshold comes close to the first
    failure. A fit gives the interior local maximum (Meeker and Escobar 1998, section 11.7.3;
    Smith 1985 on when it is the efficient one). A threshold beyond an exact failure has a
    likelihood of zero, so that no fit steps there.

    Examples
    --------
    >>> from survjax.lifetimes import Shifted, Weibull
    >>> cracks = Shifted(Weibull.of(scale=93.0, shape=1.3), 93.0)
    >>> float(cracks.survival(90.0)), round(float(cracks.survival(186.0)), 4)
    (1.0, 0.3679)
    """

    base: Any
    threshold: jax.Array = parameter()

    has_threshold: ClassVar[bool] = True
    scale_first: ClassVar[bool] = False
    #: How far below the first failure a fit begins, in units of the time from it to the median.
    distances: ClassVar[tuple[float, ...]] = (0.02, 0.3, 2.0)

    @property
    def n_starts(self) -> int:  # type: ignore[override]  # as many as the base's for each guess
        count: int = len(self.distances) * self.base.n_starts
        return count

    def _beyond(self, t: ArrayLike) -> tuple[jax.Array, jax.Array]:
        """Whether the threshold and zero are behind, and times beyond: one where they are not."""
        t = jnp.asarray(t)
        u = t - self.threshold
        begun = (u >= 0) & (t >= 0)
        return begun, jnp.where(begun, u, 1.0)

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        begun, u = self._beyond(t)
        before = jnp.where(jnp.isnan(jnp.asarray(t) - self.threshold), jnp.nan, -jnp.inf)
        return jnp.where(begun, self.base.log_hazard(u), before)

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        begun, u = self._beyond(t)
        before = jnp.where(jnp.isnan(jnp.asarray(t) - self.threshold), jnp.nan, 0.0)
        return jnp.where(begun, self.base.cumulative_hazard(u), before)

    def final_log_hazard(self) -> jax.Array:
        last: jax.Array = self.base.final_log_hazard()
        return last

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        return self._log_gained(jnp.asarray(start) - self.threshold, length)

    def log_interval_hazard(self, lower: ArrayLike, length: ArrayLike) -> jax.Array:
        """As `log_increment`; an interval from zero holds what failed at birth."""
        lower, length = jnp.asarray(lower), jnp.asarray(length)
        begin, from_birth = lower - self.threshold, lower <= 0
        length = jnp.where(from_birth, begin + length, length)
        return self._log_gained(jnp.where(from_birth, 0.0, begin), length)

    def _log_gained(self, begin: jax.Array, length: ArrayLike) -> jax.Array:
        """Log of what the base's hazard grows by; from its birth where that lies ahead."""
        length = jnp.asarray(length)
        aged, end = begin > 0, begin + length
        lived = jnp.where(aged, length, jnp.where(end > 0, end, 1.0))
        gained = self.base.log_interval_hazard(jnp.where(aged, begin, 0.0), lived)
        return jnp.where(aged | (end > 0), gained, -jnp.inf)

    def given(self, age: ArrayLike) -> Lifetime:
        ahead = self.threshold - jnp.asarray(age)
        reached = jnp.where(ahead < 0, -ahead, 0.0)
        base = self.base.given(jnp.where(jnp.isnan(ahead) | (jnp.asarray(age) < 0), ahead, reached))
        return Shifted(base, jnp.where(ahead > 0, ahead, 0.0))

    def rough_cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        begun, u = self._beyond(t)
        return jnp.where(begun, self.base.rough_cumulative_hazard(u), 0.0)

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        target = jnp.asarray(target)
        inside = (target > 0) & (target < jnp.inf)
        life = self.threshold + self.base.inverse_cumulative_hazard(jnp.where(inside, target, 1.0))
        # What is below zero has been lived through by every unit.
        return jnp.where(inside, jnp.maximum(life, 0.0), outside_targets(target))

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        return self.given(start).inverse_cumulative_hazard(target)

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        ahead = self.threshold - jnp.asarray(age)
        rest = self.base.residual_mean(jnp.where(ahead < 0, -ahead, 0.0))
        return jnp.where(ahead > 0, ahead, 0.0) + rest

    def log_membership(self, t: ArrayLike, failed: ArrayLike = False) -> jax.Array:
        begun, u = self._beyond(t)
        found: jax.Array = self.base.log_membership(jnp.where(begun, u, 0.0), failed)
        return found

    def guesses(self, shares: np.ndarray, times: np.ndarray) -> Sequence[tuple[Any, Any, Any]]:
        later = slice(int(times[0] == 0.0), None)
        shares, times = shares[later], times[later]
        first, middle = float(times[0]), float(times[len(times) // 2])
        spread = max(middle - first, 1e-6 * first)
        found = [first - distance * spread for distance in self.distances]
        return [(value, shares, times - value) for value in found]

    def held_at(self, threshold: float) -> Any:
        family: Any = Delayed
        return family(self.base, np.asarray(threshold))

    def nearby_base(self) -> Any:
        """The family on time itself, where the threshold has run far below all lives."""
        on_time = ON_TIME.get(type(self.base)) if self.has_threshold else None
        if on_time is None:
            return super().nearby_base()
        low, middle, high = np.exp(self.base.rough_log_quantiles(np.array([0.1, 0.5, 0.9])))
        if not 0.0 < high - low < NARROW * middle:
            return None
        return on_time.of(middle + self.threshold, high - low)

    def step_units(self) -> Any:
        """A threshold counts in units of the time in which the base's hazard adds up to one."""
        units = Modified.step_units(self)
        one = jnp.ones_like(jnp.asarray(self.threshold))
        time = jax.lax.stop_gradient(self.base.inverse_cumulative_hazard(one))
        usual = (time > 0) & (time < jnp.inf)
        per_time = jnp.where(usual, 1.0 / jnp.where(usual, time, 1.0), one)
        return dataclasses.replace(units, threshold=per_time)

    def rough_log_quantiles(self, shares: np.ndarray) -> np.ndarray:
        later = np.exp(self.base.rough_log_quantiles(shares))
        return np.log(np.maximum(later + float(self.threshold), np.finfo(float).tiny))


@pytree
class Delayed(Shifted):
    """A base lifetime that begins at a known threshold: T = threshold + T0.

    Parameters
    ----------
    base : Lifetime
        The lifetime beyond the threshold.
    threshold : array
        Time before which no unit fails: given, and not fitted.

    Notes
    -----
    All curves are those of `Shifted`.

    Examples
    --------
    >>> from survjax import LifetimeModel
    >>> from survjax.lifetimes import Delayed, Weibull
    >>> model = LifetimeModel(Delayed(Weibull(0.0, 0.0), 5.0)).fit([6.0, 8.0, 9.0, 12.0])
    >>> model.parameter_names_
    ('log_scale', 'log_shape')
    """

    base: Any
    threshold: jax.Array = data()

    has_threshold: ClassVar[bool] = False

    @property
    def n_starts(self) -> int:  # type: ignore[override]  # as many as the base's
        count: int = self.base.n_starts
        return count

    def held_at(self, threshold: float) -> Any:
        return self

    def starts(self, shares: Any, times: Any) -> tuple[Any, ...]:
        """The base's, on what is left of times beyond the threshold."""
        times = np.asarray(times, float) - float(np.asarray(self.threshold))
        later = times > 0
        found = self.base.starts(np.asarray(shares)[later], times[later])
        family: Any = self
        return tuple(dataclasses.replace(family, base=base) for base in found)

    def guesses(self, shares: np.ndarray, times: np.ndarray) -> Sequence[tuple[Any, Any, Any]]:
        return []

    def step_units(self) -> Lifetime:
        family: Any = self
        units: Lifetime = dataclasses.replace(family, base=self.base.step_units())
        return units
