"""Tables to try survjax on: shipped ones, and readers for large public ones.

The shipped tables lie in the folder `datasets/` of the repository, beside the scripts that
made them and a README that gives columns, units and sources. The readers take a folder that
you downloaded from the publisher; survjax never downloads anything.
"""

from survjax.datasets._backblaze import load_backblaze
from survjax.datasets._cmapss import Cmapss, load_cmapss
from survjax.datasets._shipped import (
    load_air_conditioning,
    load_ball_bearings,
    load_devices,
    load_fans,
    load_leukemia,
    load_meters,
    load_pumps,
    load_shock_absorbers,
)

__all__ = [
    "Cmapss",
    "load_air_conditioning",
    "load_backblaze",
    "load_ball_bearings",
    "load_cmapss",
    "load_devices",
    "load_fans",
    "load_leukemia",
    "load_meters",
    "load_pumps",
    "load_shock_absorbers",
]
