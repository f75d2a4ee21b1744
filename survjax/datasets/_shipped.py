"""The tables that come with survjax: each has the columns `duration` and `failed`."""

from pathlib import Path

import pandas as pd

_FLAGS = ("failed", "in_service")
#: What ended a unit: None where it still runs, as the models of several causes take it.
_CAUSES = ("ended_by", "mode")


def _folder() -> Path:
    """Find the tables: inside an installed package, else beside it in the source tree."""
    installed = Path(__file__).parent / "_tables"
    source = Path(__file__).parents[2] / "datasets"
    return installed if installed.is_dir() else source


def _read(name: str) -> pd.DataFrame:
    """Read one shipped table; its 0/1 columns become booleans."""
    # An empty field is an empty string, so that a column of text stays text.
    frame = pd.read_csv(_folder() / f"{name}.csv", keep_default_na=False)
    # As objects: what pandas 3 has for text knows no None.
    causes = {
        cause: frame[cause].astype(object).where(frame[cause] != "", None)
        for cause in _CAUSES
        if cause in frame
    }
    return frame.astype({flag: bool for flag in _FLAGS if flag in frame}).assign(**causes)


def load_pumps() -> pd.DataFrame:
    """Load a simulated fleet of pumps that fail in two ways: young, or worn out.

    A share 0.22 of the pumps has lifetimes Weibull(shape 1.3, scale 1.8 years), the rest
    Weibull(4.2, 17 years); maker Borel supplied more of the former. One Weibull misses this.

    Returns
    -------
    DataFrame of shape (528, 7)
        `unit`, `site`, `maker`; `entry`, the age in years at which the unit came under
        observation (above 0 on two sites); `duration`, the age in years at failure or when last
        seen; `failed` and `in_service`, both False for 26 pumps that were retired running.

    Examples
    --------
    >>> from survjax.datasets import load_pumps
    >>> pumps = load_pumps()
    >>> int(pumps["failed"].sum()), int(pumps["in_service"].sum())
    (238, 264)
    """
    return _read("pumps")


def load_fans() -> pd.DataFrame:
    """Load a simulated fleet of fans that fail, or are taken out before they do.

    Half of the fans can be heard before they fail, and are removed then; maintenance replaces
    others whatever their state. Load shortens lives: Weibull(3, 9 exp(-load / 2) years).

    Returns
    -------
    DataFrame of shape (500, 6)
        `unit`; `load`, from -1 to 1; `duration`, the age in years at its end or when last seen;
        `failed`; `ended_by`, "failure", "removal", "maintenance" or None for a fan that still
        runs; `would_fail`, the age at which it would have failed, which only a simulation knows.

    Examples
    --------
    >>> from survjax.datasets import load_fans
    >>> fans = load_fans()
    >>> fans["ended_by"].value_counts().to_dict()
    {'maintenance': 86, 'removal': 77, 'failure': 66}
    """
    return _read("fans")


def load_meters() -> pd.DataFrame:
    """Load a simulated fleet of electricity meters, recorded in whole months.

    A share 0.06 of the meters has lifetimes Weibull(shape 1.5, scale 20 months), the rest
    Weibull(5, 190 months). A failure in the m-th month of service is recorded as m (rounded
    up); the age of a meter that still runs is exact. 12,000 rows take 249 different values.

    Returns
    -------
    DataFrame of shape (12000, 4)
        `unit`; `campaign`, 1 to 6; `duration`, the age in months at failure or when last seen;
        `failed`.

    Examples
    --------
    >>> from survjax.datasets import load_meters
    >>> meters = load_meters()
    >>> int(meters["failed"].sum()), int(meters["duration"].max())
    (2879, 180)
    """
    return _read("meters")


def load_devices() -> pd.DataFrame:
    """Load the lifetimes of 50 devices, the classic bathtub (Aarset 1987, table 1).

    Returns
    -------
    DataFrame of shape (50, 2)
        `duration` (the source names no unit) and `failed`, True for all.

    Examples
    --------
    >>> from survjax.datasets import load_devices
    >>> load_devices()["duration"].agg(["min", "median", "max"]).tolist()
    [0.1, 48.5, 86.0]
    """
    return _read("devices")


def load_ball_bearings() -> pd.DataFrame:
    """Load the lives of 23 deep-groove ball bearings (Lieblein and Zelen 1956).

    Returns
    -------
    DataFrame of shape (23, 2)
        `duration` in millions of revolutions and `failed`, True for all.

    Examples
    --------
    >>> from survjax.datasets import load_ball_bearings
    >>> len(load_ball_bearings())
    23
    """
    return _read("ball_bearings")


def load_leukemia() -> pd.DataFrame:
    """Load the remissions of 42 leukemia patients, by treatment (Freireich et al. 1963).

    Returns
    -------
    DataFrame of shape (42, 3)
        `treatment`, "6-MP" or "placebo"; `duration` in weeks of remission; `failed`,
        True where a relapse ended it.

    Examples
    --------
    >>> from survjax.datasets import load_leukemia
    >>> load_leukemia().groupby("treatment")["failed"].sum().to_dict()
    {'6-MP': 9, 'placebo': 21}
    """
    return _read("leukemia")


def load_air_conditioning() -> pd.DataFrame:
    """Load 213 times between failures of air conditioning on 13 airplanes (Proschan 1963).

    Returns
    -------
    DataFrame of shape (213, 3)
        `plane`, its number; `duration` in operating hours since the failure before;
        `failed`, True for all. Rows of a plane are in the order of time.

    Examples
    --------
    >>> from survjax.datasets import load_air_conditioning
    >>> load_air_conditioning()["plane"].nunique()
    13
    """
    return _read("air_conditioning")


def load_shock_absorbers() -> pd.DataFrame:
    """Load the distances run by 38 vehicle shock absorbers that fail in two modes.

    The data are O'Connor's (1985); printed in Meeker and Escobar (1998, table C.2).

    Returns
    -------
    DataFrame of shape (38, 3)
        `duration` in kilometers; `failed`; `mode`, "mode 1", "mode 2", or None
        where the unit had not failed.

    Examples
    --------
    >>> from survjax.datasets import load_shock_absorbers
    >>> int(load_shock_absorbers()["failed"].sum())
    11
    """
    return _read("shock_absorbers")
