"""What a lifetime is: hazards as frozen pytrees, JAX in and JAX out."""

import dataclasses
from typing import Any

from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._base import Conditional, Lifetime
from survjax.lifetimes._competing import Competing
from survjax.lifetimes._exponential import Exponential
from survjax.lifetimes._gompertz import Gompertz
from survjax.lifetimes._gumbel import Gumbel
from survjax.lifetimes._location_scale import LocationScale
from survjax.lifetimes._loglogistic import LogLogistic
from survjax.lifetimes._lognormal import LogNormal
from survjax.lifetimes._mixture import Mixture
from survjax.lifetimes._modifiers import Accelerated, ProportionalHazards
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
                found[name.lower()] = cls
    return found


__all__ = [
    "Accelerated",
    "Competing",
    "Conditional",
    "Exponential",
    "Gompertz",
    "Gumbel",
    "Lifetime",
    "LocationScale",
    "LogLogistic",
    "LogNormal",
    "Mixture",
    "ProportionalHazards",
    "Weibull",
    "families",
    "parameter",
    "pytree",
]
