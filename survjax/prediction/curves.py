"""Curves and remaining life of a fitted lifetime, with delta-method errors on link scales.

Bounds are symmetric where the curve is unbounded and come back through the inverse: survival on
the log(-log) scale, positive quantities on the log scale. They cannot leave the curve's range.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import NormalDist
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.numerics import bucket_size, logsumexp, padded_blocks
from survjax._core.parallel import n_threads
from survjax._core.precision import double_precision
from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.lifetimes import Lifetime, Mixture
from survjax.prediction.points import FEW, WIDTH, evaluate_points

#: Units worked on at once: their quadrature nodes stay in cache.
UNITS = 1024
#: Curves that follow from the cumulative hazard, which few units need not compile.
FROM_HAZARDS = ("cumulative_hazard", "quantile", "time_at_hazard")
#: Curves that have one safe value, so that they are compiled once.
SAME = {"survival": "cumulative_hazard", "cdf": "cumulative_hazard"}
CURVES = ("survival", "hazard", "cumulative_hazard", "density", "cdf", "quantile", "mean")


def link_value(rest: Lifetime, curve: str, t: jax.Array) -> jax.Array:
    """A curve on the unbounded scale its errors are symmetric on."""
    if curve == "hazard":
        return rest.log_hazard(t)
    if curve == "density":
        return rest.log_density(t)
    if curve == "quantile":
        return jnp.log(rest.quantile(t))
    if curve == "time_at_hazard":
        return jnp.log(rest.inverse_cumulative_hazard(t))
    if curve == "mean":
        return jnp.log(rest.mean())
    return jnp.log(rest.cumulative_hazard(t))


def response_value(curve: str, safe: np.ndarray) -> np.ndarray:
    """Back from the link scale. Rising with the safe value, but for the survival."""
    safe = np.asarray(safe, float)
    with np.errstate(over="ignore", under="ignore"):
        if curve == "survival":
            return np.exp(-np.exp(safe))
        if curve == "cdf":
            return -np.expm1(-np.exp(safe))
        return np.exp(safe)


def _standard_error(covariance: jax.Array, slope: jax.Array) -> jax.Array:
    """Delta-method error for each column of slopes (p, n), whose squares may overflow."""
    size = jnp.max(jnp.abs(slope), axis=0)
    size = jnp.where((size > 0) & jnp.isfinite(size), size, 1.0)
    unit = slope / size
    return size * jnp.sqrt(jnp.maximum(jnp.sum((covariance @ unit) * unit, axis=0), 0.0))


@program(static_argnames=("curve", "errors"))
def _evaluate(
    lifetime: Lifetime, covariance: Any, t: jax.Array, ages: jax.Array, *, curve: str, errors: bool
) -> tuple[jax.Array, jax.Array]:
    """Safe values and standard errors of a curve, each (blocks, units)."""
    vector, unravel = ravel_parameters(lifetime)
    per_unit = jax.vmap(unravel, in_axes=1, out_axes=-1)

    def block(t_and_ages: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        t, ages = t_and_ages

        def total(wide: jax.Array) -> tuple[jax.Array, jax.Array]:
            values = link_value(per_unit(wide).given(ages), curve, t)
            return jnp.sum(values), values

        # Each unit gets its own copy of the parameters: the gradient of the sum then holds
        # every unit's gradient, at one reverse pass for any number of parameters.
        wide = jnp.broadcast_to(vector[:, None], (vector.size, ages.size))
        if not errors:
            values = total(wide)[1]
            return values, jnp.zeros_like(values)
        (_, values), slope = jax.value_and_grad(total, has_aux=True)(wide)
        return values, _standard_error(covariance, slope)

    return lax.map(block, (t, ages))


def evaluate(
    lifetime: Lifetime,
    covariance: np.ndarray | None,
    curves: tuple[str, ...],
    t: np.ndarray,
    ages: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Safe values and standard errors of curves of the remaining life at ages.

    Parameters
    ----------
    lifetime : Lifetime
        From birth.
    covariance : array of shape (p, p) or None
        Of the raveled parameters; None leaves the errors at zero, at less cost.
    curves : tuple of str
        Which curves.
    t : array of shape (len(curves), n)
        Arguments of each curve: times since the age, or failed shares for "quantile".
    ages : array of shape (n,)
        Ages reached.

    Returns
    -------
    values, errors : arrays of shape (len(curves), n)
        On the link scale.
    """
    t, ages = np.atleast_2d(np.asarray(t, float)), np.asarray(ages, float)
    curves = tuple(SAME.get(curve, curve) for curve in curves)
    values, errors = np.empty(t.shape), np.empty(t.shape)
    for curve in dict.fromkeys(curves):
        # One asked for several times is one for more units.
        rows = [i for i, name in enumerate(curves) if name == curve]
        found = _evaluate_one(
            lifetime, covariance, curve, t[rows].ravel(), np.tile(ages, len(rows))
        )
        for part, filled in zip(found, (values, errors), strict=True):
            filled[rows] = part.reshape(len(rows), -1)
    return values, errors


def _evaluate_one(
    lifetime: Lifetime, covariance: np.ndarray | None, curve: str, t: np.ndarray, ages: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Safe values and standard errors (n,) of one curve."""
    n = ages.size
    if n <= FEW and curve in FROM_HAZARDS:
        return evaluate_points(lifetime, covariance, curve, t, ages)
    # Few units in blocks of one width, a call each, so that all their numbers share a program.
    units, size, n_calls = WIDTH, -(-n // WIDTH) * WIDTH, -(-n // WIDTH)
    if n > FEW:
        # Many are shared out among threads.
        n_calls = min(n_threads(), -(-n // UNITS))
        units, size = UNITS, -(-bucket_size(n) // (n_calls * UNITS)) * n_calls * UNITS
    blocks = [
        np.pad(part, (0, size - n), mode="edge").reshape(n_calls, -1, units) for part in (t, ages)
    ]
    p = ravel_parameters(lifetime)[0].size
    known = np.zeros((p, p)) if covariance is None else covariance

    @double_precision
    def one(i: int) -> list[np.ndarray]:
        call = [part[i] for part in blocks]
        found = _evaluate(lifetime, known, *call, curve=curve, errors=covariance is not None)
        return [np.asarray(part).ravel() for part in found]

    if n_calls == 1 or n <= FEW:
        found = [one(i) for i in range(n_calls)]
    else:
        with ThreadPoolExecutor(n_calls) as pool:
            found = list(pool.map(one, range(n_calls)))
    values, errors = (np.concatenate(parts)[:n] for parts in zip(*found, strict=True))
    return values, errors


def bounds(
    curve: str, values: np.ndarray, errors: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bound on the response scale; where the safe value is infinite, the value."""
    z = NormalDist().inv_cdf(0.5 + level / 2)
    # An error that is not finite belongs to a point that every parameter shares, such as S(0) = 1.
    half = np.where(np.isfinite(values), z * errors, 0.0)
    return response_interval(curve, values - half, values + half)


def response_interval(
    curve: str, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds on the response scale from those on the safe one, against which survival falls."""
    ends = response_value(curve, low), response_value(curve, high)
    return ends[::-1] if curve == "survival" else ends


def by_inversion(
    shares: np.ndarray,
    log_times: np.ndarray,
    band: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]],
    times_at: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of log quantiles: where the band of the cumulative hazard reaches that of the share.

    Between two sub-populations hardly anything fails, and a quantile that lies there may lie
    anywhere from the end of one to the beginning of the other. The slope of the quantile, which is
    all that the delta method sees, tells nothing of these ends; the band does, whose distance from
    the curve is taken to be that at the quantile.

    Parameters
    ----------
    shares, log_times : arrays of shape (m, n)
        Failed shares, and the logs of their quantiles.
    band : callable
        Logs of the cumulative hazard at times (m, n), and their bounds.
    times_at : callable
        Logs of the times at which the cumulative hazard reaches values (m, n).
    """
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        log_hazard, low, high = band(np.exp(log_times))
        target = np.log(-np.log1p(-shares))
        ends = [times_at(np.exp(target + log_hazard - end)) for end in (high, low)]
    # Of a share that is never reached the hazard's limit is known, and how well.
    known = (log_times > -np.inf) & np.isfinite(log_hazard)
    below, above = (np.where(known, end, log_times) for end in ends)
    # A fit without errors has no bounds: the search makes a number even of NaN.
    below, above = (np.where(np.isnan(low) | np.isnan(high), np.nan, end) for end in (below, above))
    return np.minimum(below, log_times), np.maximum(above, log_times)


def log_odds(log_shares: jax.Array) -> jax.Array:
    """Logits of shares that sum to one along the first axis, from their logs."""
    others = [jnp.delete(log_shares, k, axis=0) for k in range(log_shares.shape[0])]
    return log_shares - jnp.stack([logsumexp(rest) for rest in others])


@program(static_argnames=("errors",))
def _membership_logits(
    mixture: Mixture, covariance: jax.Array, units: tuple[jax.Array, jax.Array], *, errors: bool
) -> tuple[jax.Array, jax.Array]:
    x, unravel = ravel_parameters(mixture)

    def block(part: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        def logits(x: jax.Array) -> jax.Array:
            return log_odds(unravel(x).log_membership(*part))

        found = logits(x)
        if not errors:
            return found, jnp.zeros_like(found)
        slopes = jnp.moveaxis(jax.jacfwd(logits)(x), -1, 1)
        return found, jax.vmap(_standard_error, (None, 0))(covariance, slopes)

    return lax.map(block, units)


def membership_logits(
    mixture: Mixture, covariance: np.ndarray | None, ages: np.ndarray, failed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Logits of P(component | age, failed or not), and their standard errors: (K, n).

    Without a covariance the errors are zero.
    """
    n, k = len(ages), len(mixture.kinds())
    if k == 1:
        return np.full((1, n), np.inf), np.zeros((1, n))
    p = ravel_parameters(mixture)[0].size
    known = np.zeros((p, p)) if covariance is None else covariance
    units = padded_blocks(ages, UNITS), padded_blocks(failed, UNITS)
    found = _membership_logits(mixture, known, units, errors=covariance is not None)
    logits, errors = (np.asarray(part).swapaxes(0, 1).reshape(k, -1)[:, :n] for part in found)
    return logits, errors


@program
def _times_at(lifetime: Lifetime, hazards: jax.Array) -> jax.Array:
    return lifetime.inverse_cumulative_hazard(hazards)


def times_at(lifetime: Lifetime, hazards: np.ndarray) -> np.ndarray:
    """Times (n,) at which the cumulative hazard reaches each of n values, for any n at once."""
    n = len(hazards)
    wide = np.pad(hazards, (0, bucket_size(n) - n), constant_values=1.0)
    return np.asarray(_times_at(lifetime, wide))[:n]
