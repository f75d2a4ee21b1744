"""The Weibull lifetime."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from survjax._core.numerics import MAX_EXPONENT, bounded_exp, log1mexp
from survjax._core.pytree import parameter, pytree
from survjax._core.quadrature import EXPONENTIAL_NODES, EXPONENTIAL_WEIGHTS
from survjax.lifetimes._base import Lifetime


@pytree
class Weibull(Lifetime):
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

    @classmethod
    def of(cls, scale: ArrayLike, shape: ArrayLike) -> Weibull:
        """Make one from natural values, both positive."""
        return cls(jnp.log(jnp.asarray(scale, float)), jnp.log(jnp.asarray(shape, float)))

    @property
    def scale(self) -> jax.Array:
        """The time by which a share 1 - 1/e of units has failed."""
        return jnp.exp(jnp.asarray(self.log_scale))

    @property
    def shape(self) -> jax.Array:
        """The power of time in the cumulative hazard."""
        return jnp.exp(jnp.asarray(self.log_shape))

    def _log_time(self, t: ArrayLike) -> tuple[jax.Array, jax.Array]:
        """Whether t > 0, and a log that is finite everywhere."""
        t = jnp.asarray(t)
        positive = t > 0
        return positive, jnp.log(jnp.where(positive, t, 1.0))

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        positive, log_t = self._log_time(t)
        inside = self.log_shape - log_t + self.shape * (log_t - self.log_scale)
        at_zero = jnp.where(
            self.shape < 1.0, jnp.inf, jnp.where(self.shape > 1.0, -jnp.inf, -self.log_scale)
        )
        return jnp.where(positive, inside, at_zero)

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        positive, log_t = self._log_time(t)
        return jnp.where(positive, bounded_exp(self.shape * (log_t - self.log_scale)), 0.0)

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        start, length = jnp.asarray(start), jnp.asarray(length)
        aged = start > 0
        growth = jnp.log1p(length / jnp.where(aged, start, length + (length == 0)))
        _, log_stop = self._log_time(start + length)
        z = self.shape * (log_stop - self.log_scale)
        grown = growth > 0
        share = log1mexp(jnp.where(aged & grown, self.shape * growth, 1.0))
        # Where the increment vanishes beside the start, its first order is left: h(start) length.
        tiny = self.log_hazard(jnp.where(aged, start, 1.0)) + self._log_time(length)[1]
        increment = z + jnp.where(aged, share, 0.0)
        increment = jnp.where(aged & ~grown, tiny, increment)
        return jnp.where(length > 0, increment, -jnp.inf)

    def inverse_cumulative_hazard(self, target: ArrayLike) -> jax.Array:
        positive, log_target = self._log_time(target)
        return jnp.where(positive, jnp.exp(self.log_scale + log_target / self.shape), 0.0)

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        """start (1 + target / H(start))^(1/shape) - start, without cancellation."""
        start, target = jnp.asarray(start), jnp.asarray(target)
        positive, log_start = self._log_time(start)
        z = self.shape * (log_start - self.log_scale)
        # A unit whose hazard so far is below exp(-60) is as new.
        old = positive & (z > -60.0)
        ratio = target * jnp.exp(-jnp.where(old, jnp.minimum(z, MAX_EXPONENT), 0.0))
        aged = jnp.where(old, start, 1.0) * jnp.expm1(jnp.log1p(ratio) / self.shape)
        new = self.inverse_cumulative_hazard(target)
        return jnp.where(old, aged, jnp.maximum(new - jnp.where(old, 0.0, start), 0.0))

    def residual_mean(self, age: ArrayLike) -> jax.Array:
        """Mean remaining life at an age, as E s(U) over a unit exponential U.

        s(u) is `inverse_increment(age, u)`; the double-exponential rule holds 1e-12 from a new
        unit to the far tail.
        """
        age = jnp.asarray(age)
        depth = (slice(None),) + (None,) * jnp.broadcast_arrays(age, self.scale)[0].ndim
        u, weights = jnp.asarray(EXPONENTIAL_NODES)[depth], jnp.asarray(EXPONENTIAL_WEIGHTS)[depth]
        return jnp.sum(weights * self.inverse_increment(age, u), axis=0)

    def mean(self) -> jax.Array:
        """scale * Gamma(1 + 1/shape)."""
        return jnp.exp(self.log_scale + jax.scipy.special.gammaln(1.0 + 1.0 / self.shape))
