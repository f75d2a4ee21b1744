"""The Weibull lifetime."""

from __future__ import annotations

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.numerics import MAX_EXPONENT, bounded_exp, largest_exponent
from survjax._core.pytree import parameter, pytree
from survjax._core.quadrature import UNIT_NODES, UNIT_WEIGHTS
from survjax.lifetimes._derived.noises import SmallestExtremeNoise
from survjax.lifetimes._limits import with_age_limits
from survjax.lifetimes._location_scale import LocationScale
from survjax.lifetimes._natural import log_of

#: Of the series of the life before an age: z^17 / 17! is 3e-15 of it at z = 1.
TERMS = 17
#: (-1)^n n! for each term.
SERIES = np.array([(-1.0) ** n * math.factorial(n) for n in range(TERMS)])


@pytree
class Weibull(SmallestExtremeNoise, LocationScale):
    """Weibull lifetime, S(t) = exp(-(t / scale)^shape).

    Parameters
    ----------
    log_scale : array
        Log of the scale, the time by which 63.2 % have failed, in the unit of time.
    log_shape : array
        Log of the shape: below one the hazard falls, above one it rises.

    Notes
    -----
    h(t) = (shape / scale) (t / scale)^(shape - 1) and H(t) = (t / scale)^shape (Weibull 1951).
    With z = shape (log t - log scale), log h = log shape - log t + z and H = exp(z): only
    log t - log scale enters, so the unit of time does not matter.

    Examples
    --------
    >>> from survjax.lifetimes import Weibull
    >>> pump = Weibull.of(scale=40.0, shape=3.0)
    >>> round(float(pump.survival(40.0)), 4)
    0.3679
    """

    log_scale: jax.Array = parameter()
    log_shape: jax.Array = parameter()

    has_power_hazard: ClassVar[bool] = True

    @classmethod
    def of(cls, scale: ArrayLike, shape: ArrayLike) -> Weibull:
        """Make one from natural values, both positive."""
        return cls(log_of(scale, "scale"), log_of(shape, "shape"))

    def increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        """H(start) expm1(shape log(1 + length / start)) where that is a difference of likes."""
        start, length = jnp.asarray(start), jnp.asarray(length)
        before, after = self.cumulative_hazard(start), self.cumulative_hazard(start + length)
        aged = start > 0
        growth = self.shape * jnp.log1p(length / jnp.where(aged, start, length + (length == 0)))
        close = aged & (growth < 1.0)
        growth = jnp.expm1(jnp.where(close, growth, 1.0))
        difference = jnp.where(close, before * growth, after - before)
        # Where H itself has left the range of numbers, its increment may not have.
        _, _, z = self._z(start)
        far = close & (z > largest_exponent(z)) & (growth > 0)
        beyond = bounded_exp(jnp.where(far, z, 0.0) + jnp.log(jnp.where(far, growth, 1.0)))
        return jnp.where(far, beyond, difference)

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        """start (1 + target / H(start))^(1/shape) - start, without cancellation."""
        start, target = jnp.asarray(start), jnp.asarray(target)
        positive, log_start, z = self._z(start)
        # A unit whose hazard so far is below exp(-60) is as new.
        old = positive & (z > -60.0)
        ratio = target * jnp.exp(-jnp.where(old, jnp.minimum(z, MAX_EXPONENT), 0.0))
        aged = jnp.where(old, start, 1.0) * jnp.expm1(jnp.log1p(ratio) / self.shape)
        # Far out the hazard no longer changes over the life that is left.
        far = old & (z > largest_exponent(z))
        rate = jnp.where(far, self.log_shape - log_start + z, 0.0)
        aged = jnp.where(far, target * jnp.exp(-rate), aged)
        new = self.inverse_cumulative_hazard(target)
        return jnp.where(old, aged, jnp.maximum(new - jnp.where(old, 0.0, start), 0.0))

    def with_hazard_ratio(self, log_ratio: ArrayLike) -> Weibull:
        return Weibull(self.log_scale - log_ratio / self.shape, self.log_shape)

    @with_age_limits
    def residual_mean(self, age: ArrayLike) -> jax.Array:
        """Mean remaining life at an age: scale / shape exp(z) Gamma(1 / shape, z), z = H(age).

        Where z < 1 it is exp(z) times the mean less the life before that age, a short series in
        z; beyond, the integral of the survival over log(age + s), whose integrand is entire. Both
        hold 1e-12 for shapes from 0.1 to 60, from a new unit to the far tail.
        """
        positive, log_age, log_z = self._z(age)
        young = ~positive | (log_z < 0.0)
        before = jnp.where(positive, jnp.exp(log_age), 0.0)
        few = jnp.where(positive, jnp.exp(jnp.minimum(log_z, 0.0)), 0.0)
        new = jnp.exp(few) * (self.mean() - before * self._share_before(few))
        old = jnp.where(young, 1.0, before) * self._share_beyond(jnp.where(young, 0.0, log_z))
        # Far out the hazard no longer changes over the life that is left.
        far = positive & (log_z > largest_exponent(log_z))
        rate = jnp.where(far, self.log_shape - log_age + log_z, 0.0)
        return jnp.where(far, jnp.exp(-rate), jnp.where(young, new, old))

    def _share_before(self, z: jax.Array) -> jax.Array:
        """Integral of the survival before an age, over that age, where 0 <= z = H(age) <= 1."""
        n = np.arange(float(TERMS)).reshape((-1,) + (1,) * z.ndim)
        # All terms at once: as a loop, or one by one, they take much longer to compile. Powers are
        # products, whose derivatives are no powers of -1 where z is zero.
        one, square = jnp.ones_like(z), z * z
        fourth = square * square
        eighth = fourth * fourth
        powers = one[None]
        for factor in (z, square, fourth, eighth):
            powers = jnp.concatenate([powers, powers * factor])
        powers = jnp.concatenate([powers, (eighth * eighth)[None]])
        return jnp.sum(powers / (SERIES.reshape(n.shape) * (n * self.shape + 1.0)), axis=0)

    def _share_beyond(self, log_z: jax.Array) -> jax.Array:
        """Mean remaining life over the age, where log z = log H(age) >= 0."""
        z = bounded_exp(log_z)
        # Beyond this hazard nothing of exp(-u) u^(1 / shape) is left.
        width = jnp.log1p((36.0 + 3.0 / self.shape) / z)
        depth = (slice(None),) + (None,) * width.ndim
        nodes, weights = jnp.asarray(UNIT_NODES)[depth], jnp.asarray(UNIT_WEIGHTS)[depth]
        y = width * nodes
        inside = jnp.exp(y / self.shape - z * jnp.expm1(y))
        return width / self.shape * jnp.sum(weights * inside, axis=0)

    def mean(self) -> jax.Array:
        """scale * Gamma(1 + 1/shape)."""
        return jnp.exp(self.log_scale + jax.scipy.special.gammaln(1.0 + 1.0 / self.shape))
