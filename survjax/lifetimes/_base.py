"""The one abstraction: a lifetime is a hazard; all the rest is derived from it here."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from typing import Any, Self

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from survjax._core.numerics import bounded_exp, log1mexp_of_exp
from survjax._core.pytree import data, pytree
from survjax.lifetimes._derived.curves import Curves
from survjax.lifetimes._derived.fitting_hints import FittingHints
from survjax.lifetimes._derived.inverse import bracket, invert, search
from survjax.lifetimes._derived.log_integral import log_integral
from survjax.lifetimes._derived.mean_life import mean_life
from survjax.lifetimes._derived.one_function import log_slope, passed
from survjax.lifetimes._limits import (
    inside_life,
    outside_life,
    outside_targets,
    times_exp,
    with_age_limits,
)


class Lifetime(Curves, FittingHints, ABC):
    """A distribution of lifetimes, as a frozen pytree of unconstrained parameters.

    A new family is a `pytree` dataclass with two methods, `log_hazard` and `cumulative_hazard`,
    which must stay finite at any time, however long after the last unit; or with one of them, and
    the other follows: the hazard as the derivative of H, or H as an integral by quadrature, which
    takes some hundred times as long. A third, `log_increment`, has a default that a family
    overrides where the difference of two cumulative hazards would lose digits. All methods take
    times of any shape that broadcasts with the parameters, in one unit of time, and return JAX
    arrays in the caller's precision.

    Beyond the times 0 < t < inf they return limits: before time zero the hazard and the density
    are 0 and the survival is 1; at infinity the survival and the density are 0, and the hazard is
    its limit. Of NaN, of a share outside of [0, 1] and of a negative age the answer is NaN.

    Notes
    -----
    With hazard h and H(t) the integral of h over (0, t): survival S = exp(-H), density f = h S
    (Kalbfleisch and Prentice 2002, section 1.2).

    Examples
    --------
    A hazard that grows with age, in its own words:

    >>> import jax.numpy as jnp
    >>> from survjax.lifetimes import Lifetime, parameter, pytree
    >>> @pytree
    ... class Growing(Lifetime):
    ...     log_rate: float = parameter()
    ...     log_growth: float = parameter()
    ...     def log_hazard(self, t):
    ...         return jnp.log(jnp.exp(self.log_rate) + jnp.exp(self.log_growth) * t)
    ...     def cumulative_hazard(self, t):
    ...         return jnp.exp(self.log_rate) * t + jnp.exp(self.log_growth) * t**2 / 2.0
    >>> pump = Growing(-3.0, -4.0)
    >>> [round(float(pump.given(age).mean()), 2) for age in (0.0, 10.0)]
    [7.06, 3.47]
    """

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Refuse a family that says neither of the two functions."""
        if cls.log_hazard is Lifetime.log_hazard and cls._integrates():
            raise TypeError(f"{cls.__name__} must define log_hazard, cumulative_hazard, or both")
        return super().__new__(cls)

    @classmethod
    def _integrates(cls) -> bool:
        return cls.cumulative_hazard is Lifetime.cumulative_hazard

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        """Log of the hazard rate h(t), per unit of time: by default of the derivative of H."""
        return log_slope(self.cumulative_hazard, t)

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        """H(t), the hazard integrated over (0, t): by default by quadrature.

        To about twelve digits where the hazard is smooth: no peak inside of (0, t) is narrower than
        a thirtieth of t. At infinity it is finite where the hazard falls faster than 1/t, so that
        a share of the units never fails.
        """
        t = jnp.asarray(t)
        started = t > 0
        total = self.increment(0.0, jnp.where(started, t, 1.0))
        return jnp.where(started, total, outside_life(t))

    def hazards(self, t: ArrayLike) -> tuple[jax.Array, jax.Array]:
        """Log h(t) and H(t), which may share most of their work."""
        return self.log_hazard(t), self.cumulative_hazard(t)

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        """Log of H(start + length) - H(start), for length > 0.

        The length may be infinite, unless `always_fails` says what the answer is.
        """
        if self._integrates():
            length = jnp.asarray(length)
            some = length > 0
            still: Lifetime = jax.tree.map(lax.stop_gradient, self)
            some_length = jnp.where(some, length, 1.0)
            gained = log_integral(self.log_hazard, still.log_hazard, start, some_length)
            return jnp.where(some, gained, jnp.log(outside_life(length)))
        start = jnp.asarray(start, float)
        difference = self.cumulative_hazard(start + length) - passed(self.cumulative_hazard, start)
        positive = difference > 0
        return jnp.where(positive, jnp.log(jnp.where(positive, difference, 1.0)), -jnp.inf)

    def increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        """H(start + length) - H(start), for length > 0."""
        gained = self.log_increment(start, length)
        most = jnp.isposinf(gained)
        return jnp.where(most, jnp.inf, bounded_exp(jnp.where(most, 0.0, gained)))

    def log_interval_probability(self, lower: ArrayLike, upper: ArrayLike) -> jax.Array:
        """Log of P(lower < T <= upper), for 0 <= lower < upper; upper may be infinite."""
        lower, upper = jnp.asarray(lower), jnp.asarray(upper)
        bounded = jnp.isfinite(upper)
        gained = self.log_interval_hazard(lower, jnp.where(bounded, upper - lower, 1.0))
        alive = jnp.where(lower <= 0, 0.0, self.cumulative_hazard(lower))
        return jnp.where(bounded, log1mexp_of_exp(gained), 0.0) - alive

    def log_interval_hazard(self, lower: ArrayLike, length: ArrayLike) -> jax.Array:
        """`log_increment`, but from time zero with what fails at birth."""
        return self.log_increment(lower, length)

    def final_log_hazard(self) -> jax.Array:
        """Limit of the log hazard as time grows without bound: -inf, finite or inf.

        It has no derivatives; a family whose limit depends on its parameters says so itself.
        """
        return lax.stop_gradient(self.log_hazard(jnp.inf))

    def given(self, age: ArrayLike) -> Lifetime:
        """The remaining life of a unit that has reached an age, itself a lifetime."""
        return Conditional(self, age)

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        """The time at which H reaches a positive target, by a bracketed search in log time.

        It is infinite where H never comes so far: some units never fail.
        """
        target = jnp.asarray(target)
        frozen = jax.tree.map(lax.stop_gradient, self)
        limit = jnp.asarray(jnp.inf if self.always_fails else frozen.cumulative_hazard(jnp.inf))
        never = target >= lax.stop_gradient(limit)
        within = jnp.where(never, 0.5 * jnp.where(jnp.isfinite(limit), limit, 1.0), target)
        low, high = bracket(frozen, lax.stop_gradient(within))
        return jnp.where(never, jnp.inf, invert(self, within, low, high))

    def inverse_near(self, target: ArrayLike, start: ArrayLike) -> jax.Array:
        """The time at which H reaches a positive target, from a time near it; no derivatives."""
        return search(self, jnp.asarray(target), start=start)

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        """The remaining life at `start` over which the hazard adds up to a positive target."""
        return Lifetime.inverse_cumulative_hazard(Conditional(self, start), target)

    def rough_cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        """H(t) at the least cost; may lose digits to cancellation. For searches only."""
        return self.cumulative_hazard(t)

    def mean(self) -> jax.Array:
        """Mean life, the integral of the survival."""
        return self.residual_mean(0.0)

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        """Mean remaining life of a unit that has reached an age: integral of S(age+s)/S(age)."""
        return mean_life(self.given(age), jnp.shape(age))

    def lives_beyond(self, entry: ArrayLike, exposure: jax.Array, choice: jax.Array) -> jax.Array:
        """Lives beyond `entry` (n,), from unit exponentials and uniforms (B, n).

        The uniforms choose between components, where there are some.
        """
        return self.inverse_cumulative_hazard(self.cumulative_hazard(entry) + exposure)

    def sample(self, key: jax.Array, shape: tuple[int, ...] = ()) -> jax.Array:
        """Draw random lifetimes: H(T) is a unit exponential."""
        return self.inverse_cumulative_hazard(jax.random.exponential(key, shape, dtype=float))


@pytree
class Conditional(Lifetime):
    """Remaining life beyond an age, given survival to it: H(age + s) - H(age).

    Remaining useful life is the ordinary interface of this object: its mean is the mean
    remaining life, its quantiles those of the remaining life.

    Parameters
    ----------
    base : Lifetime
        The lifetime from birth.
    age : array
        Time already survived; broadcasts with the times at which the curves are evaluated.

    Examples
    --------
    >>> from survjax.lifetimes import Conditional, Weibull
    >>> worn = Conditional(Weibull.of(scale=40.0, shape=3.0), 30.0)
    >>> round(float(worn.survival(10.0)), 4)
    0.5609
    """

    base: Lifetime
    age: ArrayLike = data()

    def _reached(self, function: Callable[[jax.Array], jax.Array], limit: jax.Array) -> jax.Array:
        """A function of ages 0 <= age < inf, completed by its limit at infinity; else NaN."""
        age = jnp.asarray(self.age)
        usual = (age >= 0) & (age < jnp.inf)
        value = function(jnp.where(usual, age, 0.0))
        return jnp.where(usual, value, jnp.where(age > 0, limit, jnp.nan))

    def final_log_hazard(self) -> jax.Array:
        limit = self.base.final_log_hazard()
        return self._reached(lambda age: limit + 0.0 * age, limit)

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        last = self.base.final_log_hazard()
        before = t < 0
        value = self._reached(
            lambda age: self.base.log_hazard(age + jnp.where(before, 0.0, t)),
            jnp.where(jnp.isnan(t), jnp.nan, last),
        )
        return jnp.where(before & ~jnp.isnan(jnp.asarray(self.age)), -jnp.inf, value)

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        moved, safe = inside_life(t)
        # At an infinite age the hazard is constant: its limit.
        constant = times_exp(safe, self.base.final_log_hazard())
        if not self.base.always_fails:  # the limit at infinity may be finite
            moved = t > 0
            safe = jnp.where(moved, t, 1.0)
        increment = self._reached(lambda age: self._gained(age, safe), constant)
        unknown = jnp.where(self._known_age(), 0.0, jnp.nan)
        return jnp.where(moved, increment, outside_life(t) + unknown)

    def _gained(self, age: jax.Array, t: jax.Array) -> jax.Array:
        """H(age + t) - H(age), of a new unit with what is before time zero."""
        gained = self.base.increment(age, t)
        if not self.base.fails_before_zero:
            return gained
        return jnp.where(age > 0, gained, self.base.cumulative_hazard(t))

    def _known_age(self) -> jax.Array:
        return jnp.asarray(self.age) >= 0

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        return self.base.log_increment(self.age + jnp.asarray(start), length)

    def increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        return self.base.increment(self.age + jnp.asarray(start), length)

    def rough_cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        rough = self.base.rough_cumulative_hazard
        t = jnp.asarray(t)
        constant = times_exp(t, self.base.final_log_hazard())
        return self._reached(
            lambda age: rough(age + t) - jnp.where(age > 0, rough(age), 0.0), constant
        )

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        target = jnp.asarray(target)
        inside, safe = inside_life(target)
        constant = times_exp(safe, -self.base.final_log_hazard())
        life = self._reached(lambda age: self._length(age, safe), constant)
        nothing = jnp.where(self._known_age(), 0.0, jnp.nan)
        return jnp.where(inside, life, outside_targets(target) + nothing)

    def _length(self, age: jax.Array, target: jax.Array) -> jax.Array:
        """The time over which the hazard adds up to a target (`_gained`)."""
        length = self.base.inverse_increment(age, target)
        if not self.base.fails_before_zero:
            return length
        return jnp.where(age > 0, length, self.base.inverse_cumulative_hazard(target))

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        return self.base.inverse_increment(self.age + jnp.asarray(start), target)

    def given(self, age: ArrayLike) -> Lifetime:
        age = jnp.asarray(age)
        # No unit has reached a negative age.
        return self.base.given(self.age + jnp.where(age >= 0, age, jnp.nan))

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        total = jnp.asarray(self.age) + age
        return jnp.where(self._known_age(), self.base.residual_mean(total), jnp.nan)
