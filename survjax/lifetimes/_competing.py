"""Competing causes: several hazards at once, and the unit ends with the first that strikes."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.numerics import log_sum
from survjax._core.pytree import pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._derived.incidence import log_incidences


@pytree
class Competing(Lifetime):
    """A unit that several causes may end: their hazards add up.

    Parameters
    ----------
    causes : tuple of Lifetime
        For each cause the lifetime that units would have if no other cause were at work: its
        hazard is the rate at which running units end of that cause.

    Notes
    -----
    h(t) = sum of h_k(t), and S(t) = exp(-sum of H_k(t)) (Kalbfleisch and Prentice 2002, section
    8.2). Of these hazards alone data can tell: whether the causes' own lifetimes depend on each
    other they cannot (Tsiatis 1975).

    Examples
    --------
    >>> from survjax.lifetimes import Competing, Exponential, Weibull
    >>> drive = Competing((Weibull.of(scale=40.0, shape=3.0), Exponential.of(scale=90.0)))
    >>> round(float(drive.survival(20.0)), 4)
    0.7066
    >>> [round(float(share), 4) for share in drive.incidences(20.0)]
    [0.0997, 0.1936]
    """

    causes: tuple[Lifetime, ...]

    def each(self, function: Callable[[Lifetime], jax.Array]) -> jax.Array:
        """Apply a function to every cause; results are stacked on a leading axis K."""
        return jnp.stack(jnp.broadcast_arrays(*(function(cause) for cause in self.causes)))

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        return log_sum(self.each(lambda cause: cause.log_hazard(t)))

    def final_log_hazard(self) -> jax.Array:
        return log_sum(self.each(lambda cause: cause.final_log_hazard()))

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        return jnp.sum(self.each(lambda cause: cause.cumulative_hazard(t)), axis=0)

    def rough_cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        return jnp.sum(self.each(lambda cause: cause.rough_cumulative_hazard(t)), axis=0)

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        return log_sum(self.each(lambda cause: cause.log_increment(start, length)))

    def log_incidences(self, t: ArrayLike) -> jax.Array:
        """Log of P(ended of each cause by t), stacked on a leading axis K; t may be infinite.

        The integral of h_k(s) S(s) over (0, t), by quadrature.
        """
        return log_incidences(self, self.causes, jnp.asarray(t, float))

    def incidences(self, t: ArrayLike) -> jax.Array:
        """P(ended of each cause by t), the cumulative incidences: (K, ...)."""
        return jnp.exp(self.log_incidences(t))

    def given(self, age: ArrayLike) -> Competing:
        return Competing(tuple(cause.given(age) for cause in self.causes))

    def inverse_increment(self, start: ArrayLike, target: ArrayLike) -> jax.Array:
        return self.given(start).inverse_cumulative_hazard(target)

    def with_quantiles(self, shares: jax.Array, times: jax.Array) -> Lifetime:
        """Causes that differ in how steep they are, with about these quantiles together.

        Causes that are alike stand at a saddle of the likelihood, where no cause is known.
        """
        hazards = -np.log1p(-np.asarray(shares, float))
        size = len(self.causes)
        powers = np.exp(np.linspace(-0.5, 0.5, size)) if size > 1 else np.ones(1)
        found = []
        for cause, power in zip(self.causes, powers, strict=True):
            share = -np.expm1(-(hazards**power) / size)
            found.append(cause.with_quantiles(share, times))
        return Competing(tuple(found))

    def step_units(self) -> Lifetime:
        """Each cause's parameters in its own units."""
        return Competing(tuple(cause.step_units() for cause in self.causes))

    def is_steeper(self, log_shape: ArrayLike) -> jax.Array:
        return jnp.any(jnp.stack([cause.is_steeper(log_shape) for cause in self.causes]))
