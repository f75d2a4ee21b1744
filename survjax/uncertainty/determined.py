r"""Which means and quantiles of a Weibull mixture the data determine, by the delta method.

A life beyond the last observation is an extrapolation, which is what a Weibull is fitted for. It
says nothing only where its standard error is huge: so each quantity is judged by the standard
error of its logarithm, from the covariance C of the parameters,

    se(log m) = sqrt(g' C g),     g the gradient of log m,

with the quantile's gradient by the implicit function theorem, -dF / (t f) (Meeker and Escobar
1998, sections 8.4 and B.2).
"""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property

import numpy as np

from survjax.likelihood.weibulls import natural_parameters, weibull_parts, weibull_vector

#: The 95 % bounds of a quantity lie further away than these factors where the standard error of
#: its logarithm exceeds log(factor) / 1.96: it is then undetermined, or known in size only.
UNDETERMINED, ROUGH = math.log(100.0) / 1.96, math.log(10.0) / 1.96
#: Shares failed whose quantiles are looked at.
SHARES = np.arange(1, 100) / 100.0


@dataclasses.dataclass(frozen=True)
class LogErrors:
    """Component means (K,), and errors of logs: of these, of the mean, of percentiles (99,).

    `parameters` are weights, scales and shapes, with the `covariance` of the unconstrained ones.
    """

    component_means: np.ndarray
    component_errors: np.ndarray
    mean_error: float
    parameters: tuple[np.ndarray, np.ndarray, np.ndarray]
    covariance: np.ndarray

    @cached_property
    def quantile_errors(self) -> np.ndarray:
        """Those of the percentiles, which take longest: looked at only where they are needed."""
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return _errors(_quantile_slopes(*self.parameters), self.covariance)

    def undetermined(self) -> tuple[str, ...]:
        """Names of the means and percentiles whose bounds are more than 100-fold off."""
        named = {f"mean_{k + 1}": error for k, error in enumerate(self.component_errors)}
        named["mean"] = self.mean_error
        named |= {f"q{100 * q:02.0f}": e for q, e in zip(SHARES, self.quantile_errors, strict=True)}
        return tuple(name for name, error in named.items() if not error <= UNDETERMINED)

    def well_known(self) -> int:
        """The highest percentile up to which all are known within a factor of ten."""
        bad = np.flatnonzero(~(self.quantile_errors <= ROUGH))
        return int(bad[0]) if bad.size else SHARES.size


def log_errors(x: np.ndarray, covariance: np.ndarray) -> LogErrors:
    """Errors of log means and log quantiles, at unconstrained parameters (3K - 1,)."""
    weights, scales, shapes = (part[0] for part in natural_parameters(x[None]))
    k = weights.size
    inverse_shapes = 1.0 / shapes
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        log_means = np.log(scales) + np.array([math.lgamma(1.0 + r) for r in inverse_shapes])
        slopes = -inverse_shapes * np.array([_digamma(1.0 + r) for r in inverse_shapes])
        top = log_means.max()
        shares = weights * np.exp(log_means - top)
        shares = shares / shares.sum()
        gradient = np.concatenate([shares[1:] - weights[1:], shares, shares * slopes])
        each = weibull_vector(np.zeros((k, k)), np.eye(k), np.diag(slopes))
        return LogErrors(
            component_means=np.exp(log_means),
            component_errors=_errors(each, covariance),
            mean_error=float(_errors(gradient[None], covariance)[0]),
            parameters=(weights, scales, shapes),
            covariance=covariance,
        )


def component_errors(x: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Errors (m, K) of the logs of components' means, at each of many parameters (m, 3K - 1)."""
    _, _, log_shapes = weibull_parts(x)
    k = log_shapes.shape[1]
    inverse_shapes = np.exp(-log_shapes)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        slopes = -inverse_shapes * np.vectorize(_digamma, otypes=[float])(1.0 + inverse_shapes)
        each = np.arange(k)
        along = [weibull_vector(np.zeros(k), one, np.zeros(k)) for one in np.eye(k)]
        by_shape = [weibull_vector(np.zeros(k), np.zeros(k), one) for one in np.eye(k)]
        gradient = np.stack(along) + slopes[:, each, None] * np.stack(by_shape)
        variance = np.einsum("mki,mij,mkj->mk", gradient, covariance, gradient)
        return np.sqrt(np.maximum(variance, 0.0))


def _errors(gradients: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", gradients, covariance, gradients), 0.0))


def _quantile_slopes(weights: np.ndarray, scales: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Gradients (99, 3K - 1) of the logs of the percentiles."""
    ends = np.log(scales) + np.log(-np.log1p(-SHARES[:, None])) / shapes
    low, high = ends.min(axis=1), ends.max(axis=1)
    log_t = 0.5 * (low + high)
    for _ in range(80):
        hazards = np.exp(np.minimum(shapes * (log_t[:, None] - np.log(scales)), 700.0))
        failed = np.sum(weights * -np.expm1(-hazards), axis=1)
        low, high = np.where(failed < SHARES, log_t, low), np.where(failed < SHARES, high, log_t)
        log_t = 0.5 * (low + high)
    z = shapes * (log_t[:, None] - np.log(scales))
    hazards = np.exp(np.minimum(z, 700.0))
    survival = np.exp(-hazards)
    # dF_k / dz is H exp(-H); z falls with log scale at the rate of the shape.
    by_z = weights * hazards * survival
    slope = np.sum(by_z * shapes, axis=1, keepdims=True)
    by_logit = weights * ((1.0 - survival) - SHARES[:, None])
    by_parameter = np.concatenate([by_logit[:, 1:], -by_z * shapes, by_z * z], axis=1)
    return -by_parameter / slope


def _digamma(x: float) -> float:
    """Derivative of log Gamma for x > 1, by recurrence and its asymptotic series (6.3.18, AS)."""
    lifted = 0.0
    while x < 10.0:
        lifted -= 1.0 / x
        x += 1.0
    y = 1.0 / x**2
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y / 132))))
    return lifted + math.log(x) - 0.5 / x - series
