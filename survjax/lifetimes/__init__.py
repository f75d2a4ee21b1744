"""What a lifetime is: hazards as frozen pytrees, JAX in and JAX out."""

from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._base import Conditional, Lifetime
from survjax.lifetimes._exponential import Exponential
from survjax.lifetimes._location_scale import LocationScale
from survjax.lifetimes._loglogistic import LogLogistic
from survjax.lifetimes._lognormal import LogNormal
from survjax.lifetimes._mixture import Mixture
from survjax.lifetimes._modifiers import Accelerated, ProportionalHazards
from survjax.lifetimes._weibull import Weibull

__all__ = [
    "Accelerated",
    "Conditional",
    "Exponential",
    "Lifetime",
    "LocationScale",
    "LogLogistic",
    "LogNormal",
    "Mixture",
    "ProportionalHazards",
    "Weibull",
    "parameter",
    "pytree",
]
