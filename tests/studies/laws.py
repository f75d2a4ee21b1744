"""Families and modifiers by SciPy, which shares no formula with the library: for `hard_fits`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

Values = Mapping[str, float]


class Gompertz:
    """Hazard rate exp(growth t), whose growth may be negative."""

    def __init__(self, rate: float, growth: float) -> None:
        self.rate, self.growth = rate, growth

    def logsf(self, t: Any) -> Any:
        """Log survival."""
        t = np.asarray(t, float)
        gained = t if self.growth == 0 else np.expm1(self.growth * t) / self.growth
        return -self.rate * gained

    def logpdf(self, t: Any) -> Any:
        """Log density."""
        return np.log(self.rate) + self.growth * np.asarray(t) + self.logsf(t)

    def logcdf(self, t: Any) -> Any:
        """Log of the share that has failed."""
        return np.log(-np.expm1(self.logsf(t)))


class ExponentiatedWeibull:
    """A power of a Weibull's failed share; SciPy's loses all digits where the shape is large."""

    def __init__(self, power: float, shape: float, scale: float) -> None:
        self.power, self.shape, self.scale = power, shape, scale

    def _share(self, t: Any) -> tuple[Any, Any]:
        """Log of the Weibull's hazard, and of its failed share."""
        with np.errstate(divide="ignore", over="ignore"):
            z = self.shape * (np.log(np.asarray(t, float)) - np.log(self.scale))
            w = np.exp(z)
            return z, np.where(w < 1e-12, z, np.log(-np.expm1(-np.maximum(w, 1e-300))))

    def logpdf(self, t: Any) -> Any:
        """Log density."""
        z, share = self._share(t)
        with np.errstate(all="ignore"):
            first = np.log(self.power * self.shape) + z - np.exp(z) - np.log(t)
            return first + (self.power - 1.0) * share

    def logcdf(self, t: Any) -> Any:
        """Log of the share that has failed."""
        return self.power * self._share(t)[1]

    def logsf(self, t: Any) -> Any:
        """Log survival; where nearly all have failed, power times the Weibull's survival."""
        z, share = self._share(t)
        late = np.exp(z) > 30.0
        with np.errstate(divide="ignore"):
            near = np.log(-np.expm1(np.where(late, -1.0, self.power * share)))
        return np.where(late, np.log(self.power) - np.exp(z), near)


class CuredLaw:
    """A law of those that fail, beside a share of units that never does."""

    def __init__(self, base: Any, share: float) -> None:
        self.base, self.share = base, share

    def logpdf(self, t: Any) -> Any:
        """Log density."""
        return np.log1p(-self.share) + self.base.logpdf(t)

    def logsf(self, t: Any) -> Any:
        """Log survival."""
        return np.log(self.sf(t))

    def sf(self, t: Any) -> Any:
        """Survival."""
        return self.share + (1.0 - self.share) * self.base.sf(t)

    def logcdf(self, t: Any) -> Any:
        """Log of the share that has failed."""
        return np.log1p(-self.share) + self.base.logcdf(t)


class ZeroInflatedLaw:
    """A law of those that live, beside a share of units that is dead on arrival."""

    def __init__(self, base: Any, share: float) -> None:
        self.base, self.share = base, share

    def logpdf(self, t: Any) -> Any:
        """Log density; at time zero the log of the share."""
        t = np.asarray(t, float)
        living = np.log1p(-self.share) + self.base.logpdf(np.where(t > 0, t, 1.0))
        return np.where(t > 0, living, np.log(self.share))

    def logsf(self, t: Any) -> Any:
        """Log survival."""
        return np.log1p(-self.share) + self.base.logsf(t)

    def sf(self, t: Any) -> Any:
        """Survival."""
        return np.exp(self.logsf(t))

    def logcdf(self, t: Any) -> Any:
        """Log of the share that has failed."""
        living = np.log1p(-self.share) + self.base.logcdf(t)
        return np.logaddexp(np.log(self.share), living)


class OddsLaw:
    """A law whose odds of having failed are multiplied."""

    def __init__(self, base: Any, ratio: float) -> None:
        self.base, self.log_ratio = base, np.log(ratio)

    def _whole(self, t: Any) -> Any:
        return np.logaddexp(self.base.logsf(t), self.log_ratio + self.base.logcdf(t))

    def logpdf(self, t: Any) -> Any:
        """Log density."""
        return self.log_ratio + self.base.logpdf(t) - 2.0 * self._whole(t)

    def logsf(self, t: Any) -> Any:
        """Log survival."""
        return self.base.logsf(t) - self._whole(t)

    def sf(self, t: Any) -> Any:
        """Survival."""
        return np.exp(self.logsf(t))

    def logcdf(self, t: Any) -> Any:
        """Log of the share that has failed."""
        return self.log_ratio + self.base.logcdf(t) - self._whole(t)


def generalized_gamma(p: Values) -> Any:
    """Prentice's, as SciPy's with a = 1 / q^2."""
    q, shape = p["q"], p["shape"]
    a, power = q**-2.0, q * shape
    return stats.gengamma(a, power, scale=p["scale"] * a ** (-1.0 / power))


#: Of the laws whose odds are multiplied.
ODDS_RATIO = 3.0
#: Frozen laws from the values that a summary lists.
LAWS: dict[str, Any] = {
    "exponential": lambda p: stats.expon(scale=p["scale"]),
    "weibull": lambda p: stats.weibull_min(p["shape"], scale=p["scale"]),
    "lognormal": lambda p: stats.lognorm(1.0 / p["shape"], scale=p["scale"]),
    "loglogistic": lambda p: stats.fisk(p["shape"], scale=p["scale"]),
    "gamma": lambda p: stats.gamma(p["shape"], scale=p["scale"]),
    "generalized_gamma": generalized_gamma,
    "gompertz": lambda p: Gompertz(p["rate"], p["growth"]),
    "normal": lambda p: stats.norm(p["location"], p["scale"]),
    "logistic": lambda p: stats.logistic(p["location"], p["scale"]),
    "gumbel": lambda p: stats.gumbel_l(p["location"], p["scale"]),
    "exponentiated_weibull": lambda p: ExponentiatedWeibull(p["power"], p["shape"], p["scale"]),
    "birnbaum_saunders": lambda p: stats.fatiguelife(p["alpha"], scale=p["scale"]),
    "inverse_gaussian": lambda p: stats.invgauss(p["mean"] / p["lambda"], scale=p["lambda"]),
    "cured weibull": lambda p: CuredLaw(LAWS["weibull"](p), p["cured_share"]),
    "cured lognormal": lambda p: CuredLaw(LAWS["lognormal"](p), p["cured_share"]),
    "shifted weibull": lambda p: stats.weibull_min(p["shape"], p["threshold"], p["scale"]),
    "shifted lognormal": lambda p: stats.lognorm(1.0 / p["shape"], p["threshold"], p["scale"]),
    **{
        f"zero-inflated {name}": lambda p, name=name: ZeroInflatedLaw(
            LAWS[name](p), p["zero_share"]
        )
        for name in ("weibull", "gamma", "cured lognormal", "shifted weibull", "odds weibull")
    },
    **{
        f"odds {name}": lambda p, name=name: OddsLaw(LAWS[name](p), ODDS_RATIO)
        for name in ("weibull", "lognormal", "cured weibull", "shifted weibull")
    },
    "cured odds weibull": lambda p: CuredLaw(LAWS["odds weibull"](p), p["cured_share"]),
    "cured shifted weibull": lambda p: CuredLaw(LAWS["shifted weibull"](p), p["cured_share"]),
}


def log_likelihood(law: Any, rows: Mapping[str, np.ndarray]) -> float:
    """Of rows that lie in (lower, upper], exactly at lower where both are equal.

    Given that units came under observation at `entry`, and were seen as they failed by `exit`. What
    is known to fail by a time may have done so before time zero.
    """
    lower, upper, entry, exit = (rows[name] for name in ("lower", "upper", "entry", "exit"))
    with np.errstate(all="ignore"):
        exact, open_ = lower == upper, np.isinf(upper)
        each = np.where(exact, law.logpdf(lower), law.logsf(np.where(lower > 0, lower, -np.inf)))
        between = ~(exact | open_)
        if between.any():
            each[between] = probability(law, lower[between], upper[between])
        bounded = np.isfinite(exit)
        seen = np.where(entry > 0, law.logsf(entry), 0.0)
        if bounded.any():
            seen[bounded] = probability(law, entry[bounded], exit[bounded])
    # Of a law that lives on all times, whoever runs at time zero has a survival below one.
    none = open_ & (lower <= 0)
    return float(np.sum(np.where(none, 0.0, each) - seen))


def probability(law: Any, lower: np.ndarray, upper: np.ndarray) -> Any:
    """Log of P(lower < T <= upper), by whichever tail is the smaller at each row."""
    below, above = law.logcdf(upper), law.logsf(lower)
    from_zero = lower <= 0
    by_cdf = below + np.log(-np.expm1(np.where(from_zero, -np.inf, law.logcdf(lower) - below)))
    by_sf = above + np.log(-np.expm1(law.logsf(upper) - above))
    return np.where(from_zero | (below < above), by_cdf, by_sf)
