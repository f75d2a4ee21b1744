"""What a lifetime is: hazards as frozen pytrees, JAX in and JAX out."""

import dataclasses
import functools
import re
from typing import Any

from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._base import Conditional, Lifetime
from survjax.lifetimes._competing import Competing
from survjax.lifetimes._derived.limit_laws import LimitLaw
from survjax.lifetimes._exponential import Exponential
from survjax.lifetimes._further.birnbaum_saunders import BirnbaumSaunders
from survjax.lifetimes._further.exponentiated_weibull import ExponentiatedWeibull
from survjax.lifetimes._further.from_functions import lifetime_from
from survjax.lifetimes._further.inverse_gaussian import InverseGaussian
from survjax.lifetimes._further.piecewise_exponential import PiecewiseExponential
from survjax.lifetimes._further.royston_parmar import RoystonParmar
from survjax.lifetimes._gamma.gamma import Gamma
from survjax.lifetimes._gamma.generalized_gamma import GeneralizedGamma
from survjax.lifetimes._gompertz import Gompertz
from survjax.lifetimes._location_scale import LocationScale
from survjax.lifetimes._loglogistic import LogLogistic
from survjax.lifetimes._lognormal import LogNormal
from survjax.lifetimes._mixture import Mixture
from survjax.lifetimes._modified.accelerated import Accelerated
from survjax.lifetimes._modified.cured import Cured
from survjax.lifetimes._modified.proportional_hazards import ProportionalHazards
from survjax.lifetimes._modified.proportional_odds import ProportionalOdds
from survjax.lifetimes._modified.shifted import Delayed, Shifted
from survjax.lifetimes._modified.zero_inflated import ZeroInflated
from survjax.lifetimes._on_time.gumbel import Gumbel
from survjax.lifetimes._on_time.location_scale import LocationScaleOnTime
from survjax.lifetimes._on_time.logistic import Logistic
from survjax.lifetimes._on_time.normal import Normal
from survjax.lifetimes._weibull import Weibull


def families() -> dict[str, Any]:
    """The families that have a name: those whose fields are all parameters, one number each.

    Returns
    -------
    dict
        Class by name, such as `{"weibull": Weibull}`.

    Examples
    --------
    >>> from survjax.lifetimes import families
    >>> families()["lognormal"].__name__
    'LogNormal'
    """
    found: dict[str, Any] = {}
    for name in __all__:
        cls = globals()[name]
        if dataclasses.is_dataclass(cls):
            kinds = {f.metadata.get("kind") for f in dataclasses.fields(cls)}
            if kinds == {"parameter"}:
                found[_family_name(name)] = cls
    return found


def families_for_failures() -> dict[str, Any]:
    """The families that have a name and choose what they hold of the data: cuts, knots.

    Returns
    -------
    dict
        Class by name; each has a class method `for_failures(times, weights)` that makes one to be
        fitted.

    Examples
    --------
    >>> from survjax.lifetimes import families_for_failures
    >>> list(families_for_failures())
    ['piecewise_exponential', 'royston_parmar']
    """
    named = {_family_name(name): globals()[name] for name in __all__}
    return {name: cls for name, cls in named.items() if hasattr(cls, "for_failures")}


@functools.cache
def _family_name(name: str) -> str:
    """The name of a class in words, those that the field writes as one word excepted."""
    if name.startswith("Log"):
        return name.lower()
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


__all__ = [
    "Accelerated",
    "BirnbaumSaunders",
    "Competing",
    "Conditional",
    "Cured",
    "Delayed",
    "Exponential",
    "ExponentiatedWeibull",
    "Gamma",
    "GeneralizedGamma",
    "Gompertz",
    "Gumbel",
    "InverseGaussian",
    "Lifetime",
    "LimitLaw",
    "LocationScale",
    "LocationScaleOnTime",
    "LogLogistic",
    "LogNormal",
    "Logistic",
    "Mixture",
    "Normal",
    "PiecewiseExponential",
    "ProportionalHazards",
    "ProportionalOdds",
    "Shifted",
    "RoystonParmar",
    "Weibull",
    "ZeroInflated",
    "families",
    "families_for_failures",
    "lifetime_from",
    "parameter",
    "pytree",
]
