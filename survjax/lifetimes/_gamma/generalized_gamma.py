"""The generalized gamma lifetime, through the lognormal."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._derived.limit_laws import PARETO, POWER_FUNCTION, LimitLaw
from survjax.lifetimes._gamma.log_gamma import LogGamma, standard_quantile
from survjax.lifetimes._location_scale import LARGEST_LOG_SHAPE
from survjax.lifetimes._natural import any_number, log_of

#: Values of q that a fit begins at: inverse Weibull, lognormal, Weibull, and nearly a power of t.
STARTS = (0.0, 1.0, -1.0, 2.5)


@pytree
class GeneralizedGamma(LogGamma):
    """Generalized gamma lifetime, log T = log scale + W / shape with W of one more shape q.

    Parameters
    ----------
    log_scale : array
        Location of log T, its mode; its exponential is in the unit of time.
    log_shape : array
        Minus the log of the scale sigma of log T: shape = 1 / sigma, as of a lognormal or Weibull.
    q : array
        What W is: q = 0 is the lognormal, 1 the Weibull, sigma the gamma, -1 the inverse Weibull.

    Notes
    -----
    With w = shape (log t - log scale), a = 1 / q^2 and x = a exp(q w), the survival is the upper
    regularized incomplete gamma function of a at x where q > 0, the lower one where q < 0
    (Prentice 1974). All is smooth in q through zero.

    Examples
    --------
    >>> from survjax.lifetimes import GeneralizedGamma
    >>> pump = GeneralizedGamma.of(location=3.7, sigma=0.5, q=0.5)
    >>> round(float(pump.survival(40.0)), 4)
    0.4422
    """

    n_starts: ClassVar[int] = len(STARTS)

    log_scale: jax.Array = parameter()
    log_shape: jax.Array = parameter()
    q: jax.Array = parameter()

    @classmethod
    def of(cls, location: ArrayLike, sigma: ArrayLike, q: ArrayLike) -> GeneralizedGamma:
        """Make one from the location and scale of log T, and q."""
        at = any_number(location, "location")
        return cls(at, -log_of(sigma, "sigma"), any_number(q, "q"))

    @property
    def scale(self) -> jax.Array:
        """The mode of log T, as a time."""
        return jnp.exp(jnp.asarray(self.log_scale))

    @property
    def shape(self) -> jax.Array:
        """One over sigma."""
        return jnp.exp(jnp.asarray(self.log_shape))

    @property
    def sigma(self) -> jax.Array:
        """Scale of log T."""
        return jnp.exp(-jnp.asarray(self.log_shape))

    def _standard(self) -> tuple[jax.Array, jax.Array, jax.Array]:
        return jnp.asarray(self.log_scale), jnp.asarray(self.log_shape), jnp.asarray(self.q)

    def with_quantiles(self, shares: jax.Array, times: jax.Array) -> Lifetime:
        """The lognormal with about these quantiles."""
        return self._member(shares, times, 0.0)

    def starts(self, shares: Any, times: jax.Array) -> tuple[Lifetime, ...]:
        """Likelihoods are flat along q, and may have several maxima: members of several q."""
        return tuple(self._member(shares, times, q) for q in STARTS)

    def limits(self) -> tuple[LimitLaw, ...]:
        """As q grows and shape / q stays; mirrored, as q falls."""
        return POWER_FUNCTION, PARETO

    def _member(self, shares: jax.Array, times: jax.Array, q: float) -> GeneralizedGamma:
        w, y = standard_quantile(shares, q), np.log(np.asarray(times, float))
        slope = (w[-1] - w[0]) / max(float(y[-1] - y[0]), 1e-9)
        found: Any = (np.mean(y - w / slope), np.log(slope), np.asarray(q))
        return GeneralizedGamma(*found)

    def rough_log_quantiles(self, shares: np.ndarray) -> np.ndarray:
        w = standard_quantile(shares, float(self.q))
        return np.asarray(self.log_scale + np.exp(-np.asarray(self.log_shape)) * w)

    def step_units(self) -> Lifetime:
        """The location counts in units of the spread of log time."""
        spread = jnp.exp(jnp.minimum(jnp.asarray(self.log_shape), LARGEST_LOG_SHAPE))
        return GeneralizedGamma(spread, jnp.ones_like(spread), jnp.ones_like(jnp.asarray(self.q)))

    def is_steeper(self, log_shape: ArrayLike) -> jax.Array:
        return jnp.any(jnp.asarray(self.log_shape) > log_shape)
