"""The Royston-Parmar lifetime: a transformed survival that is a spline of log time."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from survjax._core.pytree import data, fixed, parameter, pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._derived.noises import (
    LogisticNoise,
    Noise,
    NormalNoise,
    SmallestExtremeNoise,
)
from survjax.lifetimes._derived.one_function import with_limits
from survjax.lifetimes._further.piecewise_exponential import leading
from survjax.lifetimes._limits import inside_life, outside_life

#: Inner knots that are chosen from failures, and different failure times for each of them.
MOST_INNER, FAILURES_A_KNOT = 2, 7
#: Over a step of the spline below this the hazard at its middle has more digits than a difference.
SHORT = 1e-5
#: By scale, the noise that the spline transforms: a straight line is the family of that noise.
NOISES: dict[str, type[Noise]] = {
    "hazard": SmallestExtremeNoise,
    "odds": LogisticNoise,
    "normal": NormalNoise,
}


@pytree
class RoystonParmar(Lifetime):
    r"""Royston-Parmar lifetime: log H, the log odds or the probit is a natural cubic spline.

    Parameters
    ----------
    gamma : array of shape (m,)
        Coefficients of the spline in u, the log time that is -1 at the first knot and 1 at the
        last: of 1, of u, and of one term for each inner knot. Rows, if any, on a second axis.
    knots : array of shape (m,)
        Times at which the pieces of the spline meet, rising. They are given, not fitted.
    scale : {"hazard", "odds", "normal"}
        What is the spline: log H(t), log of (1 - S(t)) / S(t), or the normal quantile of
        1 - S(t).

    Notes
    -----
    s(u) = gamma_1 + gamma_2 u + sum of gamma_j v_j(u), with v_j(u) = (u - k_j)_+^3 -
    l_j (u - k_min)_+^3 - (1 - l_j)(u - k_max)_+^3 and l_j = (k_max - k_j) / (k_max - k_min), which
    is straight beyond the outer knots (Royston and Parmar 2002). Without inner knots the scales
    give the Weibull, the log-logistic and the lognormal. A spline that falls anywhere is no
    lifetime: a fit that ends at one has no maximum, and says so.

    Bootstrap replicates keep the knots. The slope before the first one rests on the first failures
    alone: replicates without them make it steep, so that the standard deviation of replicates of
    gamma_2 may be several times the standard error, while their percentiles and bounds of curves
    are near those of the delta method.

    Examples
    --------
    >>> from survjax.lifetimes import RoystonParmar
    >>> pump = RoystonParmar.of([-1.0, 1.5, 0.4], knots=[1.0, 5.0, 20.0])
    >>> round(float(pump.survival(5.0)), 4)
    0.7211
    """

    is_smooth: ClassVar[bool] = False
    always_fails: ClassVar[bool] = True

    gamma: jax.Array = parameter()
    knots: jax.Array = data()
    scale: str = fixed(default="hazard")

    @classmethod
    def of(cls, gamma: ArrayLike, knots: ArrayLike, scale: str = "hazard") -> RoystonParmar:
        """Make one from coefficients (m,) and rising knots (m,)."""
        at, given = np.asarray(knots, float), np.asarray(gamma, float)
        if scale not in NOISES:
            raise ValueError(f"scale must be one of {', '.join(NOISES)}, got {scale!r}")
        if at.ndim != 1 or at.size < 2 or given.shape != at.shape:
            raise ValueError(
                "gamma has one coefficient for each of two knots or more, got shapes "
                f"{given.shape} and {at.shape}"
            )
        if not (np.all(np.isfinite(at) & (at > 0)) and np.all(np.diff(at) > 0)):
            raise ValueError(f"knots must be positive, finite and rising, got {at.tolist()}")
        coefficients: Any = given
        places: Any = at
        return cls(coefficients, places, scale)

    @classmethod
    def with_knots(cls, knots: ArrayLike, scale: str = "hazard") -> RoystonParmar:
        """Make one to be fitted, from rising knots (m,): two outer ones, and inner ones."""
        line = np.zeros(np.size(knots))
        line[1:2] = 1.0
        return cls.of(line, knots, scale)

    @classmethod
    def for_failures(
        cls, times: jax.Array, weights: Any, n_inner: int | None = None, scale: str = "hazard"
    ) -> RoystonParmar:
        """One to be fitted, with the outer knots at the first and the last failure.

        Parameters
        ----------
        times, weights : arrays of shape (n,)
            Of failures.
        n_inner : int, optional
            Knots between, which share the failures out evenly in log time's order: two by
            default, fewer where there are fewer than seven different failure times for each.
        scale : {"hazard", "odds", "normal"}, default "hazard"
            What is a spline.
        """
        order = np.argsort(times, kind="stable")
        at, weights_in_order = np.asarray(times, float)[order], np.asarray(weights, float)[order]
        different = np.unique(at)
        if different.size < 2:
            # A straight line is the same whatever its knots.
            return cls.with_knots(at[0] * np.array([0.5, 2.0]), scale)
        count = min(MOST_INNER, different.size // FAILURES_A_KNOT) if n_inner is None else n_inner
        total = np.cumsum(weights_in_order)
        wanted = total[-1] * np.arange(1, count + 1) / (count + 1)
        inner = at[np.searchsorted(total, wanted * (1.0 - 1e-12))]
        return cls.with_knots(np.unique([at[0], *inner, at[-1]]), scale)

    @property
    def coefficients(self) -> np.ndarray:
        """Coefficients (m,) of 1, log t and the terms of the inner knots in log t itself."""
        center, half_range = _span(np.log(np.asarray(self.knots, float)))
        gamma = np.asarray(self.gamma, float)
        found = gamma / half_range**3
        found[:2] = gamma[0] - gamma[1] * center / half_range, gamma[1] / half_range
        return found

    @property
    def _noise(self) -> type[Noise]:
        return NOISES[self.scale]

    def _spline(self, t: jax.Array) -> _Spline:
        """The spline, its parts beside times of any shape."""
        knots = lax.stop_gradient(jnp.log(jnp.asarray(self.knots)))
        return _Spline(*leading(t, jnp.asarray(self.gamma), knots))

    def log_hazard(self, t: ArrayLike) -> jax.Array:
        def inside(time: jax.Array) -> jax.Array:
            spline = self._spline(time)
            z, slope = spline.value_and_slope(spline.place(jnp.log(time)))
            rises = slope > 0
            log_slope = jnp.log(jnp.where(rises, slope / spline.half_range, 1.0)) - jnp.log(time)
            return jnp.where(rises, self._noise.standard_log_hazard(z) + log_slope, -jnp.inf)

        return with_limits(inside, t)

    def cumulative_hazard(self, t: ArrayLike) -> jax.Array:
        t = jnp.asarray(t)
        inside, safe = inside_life(t)
        spline = self._spline(safe)
        z = spline.value_and_slope(spline.place(jnp.log(safe)))[0]
        return jnp.where(inside, self._noise.standard_cumulative_hazard(z), outside_life(t))

    def log_increment(self, start: ArrayLike, length: ArrayLike) -> jax.Array:
        start, length = jnp.broadcast_arrays(jnp.asarray(start), jnp.asarray(length))
        some = (length > 0) & (length < jnp.inf)
        begun, safe = start > 0, jnp.where(some, length, 1.0)
        first = jnp.where(begun, start, safe)
        spline = self._spline(first)
        at = spline.place(jnp.log(first))
        z, _ = spline.value_and_slope(at)
        width = spline.growth(at, jnp.log1p(safe / first) / spline.half_range)
        rises = width > 0
        step = jnp.where(rises, width, 1.0)
        later = self._noise.standard_log_long_increment(z, z + step, step)
        middle = self._noise.standard_log_hazard(z + 0.5 * step) + jnp.log(step)
        later = jnp.where(step < SHORT, middle, later)
        whole = self._noise.standard_log_cumulative_hazard(z)
        gained = jnp.where(begun, jnp.where(rises, later, -jnp.inf), whole)
        return jnp.where(some, gained, jnp.where(length > 0, jnp.inf, -jnp.inf))

    def with_quantiles(self, shares: jax.Array, times: jax.Array) -> Lifetime:
        """The straight line through the first and the last of the quantiles."""
        z, y = self._noise.standard_quantile(np.asarray(shares, float)), np.log(times)
        center, half_range = _span(np.log(np.asarray(self.knots, float)))
        slope = (z[-1] - z[0]) / max(float(y[-1] - y[0]), 1e-9)
        line: Any = np.zeros(np.shape(self.gamma))
        line[0] = np.mean(z - slope * (y - center))
        line[1] = slope * half_range
        return RoystonParmar(line, self.knots, self.scale)

    def improper(self) -> str:
        """Where the spline falls: between knots its slope is a parabola."""
        knots = np.log(np.asarray(self.knots, float))
        center, half_range = _span(knots)
        spline = _Spline(np.asarray(self.gamma, float), knots)
        k = (knots - center) / half_range
        # The slope's own slope is straight in each piece: it vanishes where it changes sign.
        curvature = np.array([spline.curvature(x) for x in k])
        with np.errstate(divide="ignore", invalid="ignore"):
            share = curvature[:-1] / (curvature[:-1] - curvature[1:])
        inside = np.where((share > 0) & (share < 1), share, 0.0)
        places = np.concatenate([k, k[:-1] + inside * np.diff(k)])
        slopes = np.array([float(spline.value_and_slope(x)[1]) for x in places])
        worst = int(np.argmin(slopes))
        if slopes[worst] > 0:
            return ""
        time = float(np.exp(center + half_range * places[worst]))
        return (
            f"the spline falls near time {time:.4g}, and with it the cumulative hazard (take fewer "
            "inner knots, or place them elsewhere)"
        )


def _span(knots: Any) -> tuple[Any, Any]:
    """Middle of the outer knots, and half the distance between them."""
    return 0.5 * (knots[0] + knots[-1]), 0.5 * (knots[-1] - knots[0])


class _Spline:
    """A natural cubic spline in u, on -1 to 1 between the outer knots; NumPy's or JAX's arrays."""

    def __init__(self, gamma: Any, knots: Any) -> None:
        self.xp: Any = np if isinstance(gamma, np.ndarray) else jnp
        self.gamma = gamma
        self.center, self.half_range = _span(knots)
        self.knots = (knots - self.center) / self.half_range
        inner = 0.5 * (1.0 - self.knots[1:-1])
        # Of the cubes at each knot: a term of an inner knot takes from those of the outer ones.
        own = gamma[2:]
        parts = [-self.xp.sum(inner * own, axis=0), -self.xp.sum((1.0 - inner) * own, axis=0)]
        self.cubes = self.xp.concatenate([parts[0][None], own + 0.0 * inner, parts[1][None]])

    def place(self, log_time: Any) -> Any:
        """u at a log time."""
        return (log_time - self.center) / self.half_range

    def value_and_slope(self, u: Any) -> tuple[Any, Any]:
        """s(u) and ds/du: beyond the outer knots a straight line."""
        xp = self.xp
        at = xp.clip(u, -1.0, 1.0)
        over = xp.maximum(at - self.knots, 0.0)
        slope = self.gamma[1] + 3.0 * xp.sum(self.cubes * over**2, axis=0)
        value = self.gamma[0] + self.gamma[1] * at + xp.sum(self.cubes * over**3, axis=0)
        return value + slope * (u - at), slope

    def curvature(self, u: Any) -> Any:
        """The second derivative between the outer knots, over six."""
        return self.xp.sum(self.cubes * self.xp.maximum(u - self.knots, 0.0), axis=0)

    def growth(self, u: Any, step: Any) -> Any:
        """s(u + step) - s(u) for step > 0, with all digits however short it is."""
        xp = self.xp
        before = xp.clip(-1.0 - u, 0.0, step)
        beyond = xp.clip(u + step - 1.0, 0.0, step)
        middle, at = step - before - beyond, xp.clip(u, -1.0, 1.0)
        over = at - self.knots
        passed, here = xp.maximum(over, 0.0), xp.maximum(over + middle, 0.0)
        whole = middle * (3.0 * passed * (passed + middle) + middle**2)
        cubes = xp.sum(self.cubes * xp.where(over > 0, whole, here**3), axis=0)
        last = self.gamma[1] + 3.0 * xp.sum(self.cubes * xp.maximum(1.0 - self.knots, 0.0) ** 2, 0)
        return self.gamma[1] * (before + middle) + cubes + last * beyond
