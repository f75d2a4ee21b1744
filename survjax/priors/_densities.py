"""The densities of `survjax.priors`, on the link scales of parameters."""

from __future__ import annotations

import dataclasses
import math
from statistics import NormalDist
from typing import ClassVar, NamedTuple

from survjax._core.validation import check_positive


class Terms(NamedTuple):
    r"""What the log of a prior's density is made of at x, the parameter on its link scale.

    constant - precision (x - center)^2 / 2 + power (x + offset) - growth exp(x + offset) -
    odds log(1 + exp(x)).
    """

    constant: float = 0.0
    precision: float = 0.0
    center: float = 0.0
    power: float = 0.0
    offset: float = 0.0
    growth: float = 0.0
    odds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Prior:
    """A proper prior of one parameter, which `terms` describes on its link scale."""

    #: The link whose parameters it suits, and what these are.
    link: ClassVar[str] = ""
    of: ClassVar[str] = ""

    def terms(self) -> Terms:
        """Its log density on the link scale."""
        raise NotImplementedError

    def __str__(self) -> str:
        numbers = (f"{f.name}={_shown(getattr(self, f.name))}" for f in dataclasses.fields(self))
        return f"{type(self).__name__}({', '.join(numbers)})"


@dataclasses.dataclass(frozen=True)
class LogNormal(Prior):
    r"""A positive parameter, known within a factor: a scale or a shape.

    Parameters
    ----------
    median : float
        The value in the middle, in the parameter's unit.
    factor : float
        Greater than 1. Two thirds of the mass lie between median / factor and median factor, and
        95 % between median / factor^1.96 and median factor^1.96.

    Notes
    -----
    The log of the parameter is normal with mean log(median) and standard deviation log(factor).
    """

    median: float
    factor: float
    link: ClassVar[str] = "log"
    of: ClassVar[str] = "a positive parameter, such as a scale or a shape"

    def __post_init__(self) -> None:
        check_positive(self.median, "median")
        if not (check_number(self.factor, "factor") > 1.0):
            raise ValueError(f"factor must be greater than 1, got {self.factor!r}")

    @classmethod
    def between(cls, low: float, high: float, level: float = 0.95) -> LogNormal:
        """The one with a share `level` of its mass between two values, equal parts outside.

        Parameters
        ----------
        low, high : float
            0 < low < high.
        level : float, default 0.95
            The share.

        Examples
        --------
        >>> from survjax import priors
        >>> priors.LogNormal.between(1.0, 4.0)
        LogNormal(median=2.0, factor=1.42...)
        """
        check_positive(low, "low")
        check_positive(high, "high")
        if not (low < high and 0.0 < level < 1.0):
            raise ValueError(f"low < high and 0 < level < 1, got {low!r}, {high!r}, {level!r}")
        z = NormalDist().inv_cdf(0.5 + 0.5 * level)
        log_low, log_high = math.log(low), math.log(high)
        middle, spread = 0.5 * (log_low + log_high), 0.5 * (log_high - log_low)
        return cls(math.exp(middle), math.exp(spread / z))

    def terms(self) -> Terms:
        """Its log density on the log scale."""
        return _normal_terms(math.log(self.median), math.log(self.factor))


@dataclasses.dataclass(frozen=True)
class Normal(Prior):
    """A parameter that may have either sign: a location, an effect, an intercept.

    Parameters
    ----------
    mean, sd : float
        Mean and standard deviation.
    """

    mean: float
    sd: float
    link: ClassVar[str] = "identity"
    of: ClassVar[str] = "a parameter of either sign"

    def __post_init__(self) -> None:
        check_number(self.mean, "mean")
        check_positive(self.sd, "sd")

    def terms(self) -> Terms:
        """Its log density."""
        return _normal_terms(self.mean, self.sd)


@dataclasses.dataclass(frozen=True)
class Gamma(Prior):
    """A positive parameter, by its mean and standard deviation.

    Parameters
    ----------
    mean, sd : float
        Mean and standard deviation, in the parameter's unit. With a = (mean / sd)^2 the density is
        proportional to x^(a - 1) exp(-a x / mean).

    Notes
    -----
    Unlike a `LogNormal` it has a light upper and a heavy lower tail.
    """

    mean: float
    sd: float
    link: ClassVar[str] = "log"
    of: ClassVar[str] = LogNormal.of

    def __post_init__(self) -> None:
        check_positive(self.mean, "mean")
        check_positive(self.sd, "sd")

    def terms(self) -> Terms:
        """Its log density on the log scale."""
        power = (self.mean / self.sd) ** 2
        offset = math.log(power) - math.log(self.mean)
        return Terms(constant=-math.lgamma(power), power=power, offset=offset, growth=1.0)


@dataclasses.dataclass(frozen=True)
class Beta(Prior):
    """A share between 0 and 1, such as a cured share.

    Parameters
    ----------
    successes, failures : float
        As if so many units had been seen of the share and beside it; 1 and 1 is the uniform law.
    """

    successes: float
    failures: float
    link: ClassVar[str] = "logit"
    of: ClassVar[str] = "a share, such as cured_share"

    def __post_init__(self) -> None:
        check_positive(self.successes, "successes")
        check_positive(self.failures, "failures")

    def terms(self) -> Terms:
        """Its log density on the logit scale."""
        a, b = self.successes, self.failures
        constant = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        return Terms(constant=constant, power=a, odds=a + b)


@dataclasses.dataclass(frozen=True)
class Dirichlet(Prior):
    r"""The weights of a mixture, all of them together.

    Parameters
    ----------
    counts : float or sequence of K floats
        As if so many units had been seen of each component: one number for each, in the order of
        the components, which then keep their numbers, or one for all.

    Notes
    -----
    The density of the weights w is proportional to the product of :math:`w_k^{a_k - 1}`, a being
    the counts. Fits move the logits of the weights over the first, :math:`\log(w_k / w_1)`; there
    it is proportional to the product of :math:`w_k^{a_k}`, and without data the mode is at
    :math:`a_k / \sum_j a_j`. A `Beta` of one of two weights says the same of both.
    """

    counts: float | tuple[float, ...]
    link: ClassVar[str] = "weights"
    of: ClassVar[str] = "the weights of a mixture"

    def __post_init__(self) -> None:
        if isinstance(self.counts, (int, float)) and not isinstance(self.counts, bool):
            check_positive(self.counts, "counts")
            return
        try:
            counts = tuple(self.counts)  # type: ignore[arg-type]
        except TypeError:
            raise ValueError(f"counts must be one or more numbers, got {self.counts!r}") from None
        for number in counts:
            check_positive(number, "counts")
        object.__setattr__(self, "counts", tuple(float(number) for number in counts))

    def terms(self) -> Terms:
        """Of each weight there is none: they add up to one."""
        raise ValueError("a Dirichlet is of all weights together")

    def of_each(self, n_components: int) -> tuple[float, ...]:
        """The counts of K components.

        Raises
        ------
        ValueError
            If there are as many counts as there are not components.
        """
        if not isinstance(self.counts, tuple):
            return (float(self.counts),) * n_components
        if len(self.counts) != n_components:
            raise ValueError(f"Dirichlet has {len(self.counts)} counts for {n_components} weights")
        return self.counts


def _shown(value: float | tuple[float, ...]) -> str:
    """A number, or several, in four digits."""
    if isinstance(value, tuple):
        return f"({', '.join(f'{number:.4g}' for number in value)})"
    return f"{value:.4g}"


def _normal_terms(mean: float, sd: float) -> Terms:
    """A normal law on the link scale."""
    constant = -math.log(sd) - 0.5 * math.log(2.0 * math.pi)
    return Terms(constant=constant, precision=sd**-2.0, center=mean)


def check_number(value: float, name: str) -> float:
    """Accept a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return float(value)
