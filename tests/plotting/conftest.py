"""Fits that pictures are drawn of."""

import numpy as np
import pytest

from survjax import WeibullMixture
from survjax.datasets import load_pumps


@pytest.fixture(scope="package")
def pumps():
    return load_pumps()


@pytest.fixture(scope="package")
def model(pumps):
    """Two components on the pumps."""
    return WeibullMixture(2).fit(pumps["duration"], pumps["failed"], entry=pumps["entry"])


@pytest.fixture(scope="package")
def single(pumps):
    """One Weibull on the same."""
    return WeibullMixture(1).fit(pumps["duration"], pumps["failed"], entry=pumps["entry"])


@pytest.fixture(scope="package")
def inspected(pumps):
    """One Weibull on intervals: each failure lies between two yearly inspections."""
    age, failed = pumps["duration"].to_numpy(), pumps["failed"].to_numpy()
    lower, upper = np.where(failed, np.floor(age), age), np.where(failed, np.ceil(age), np.inf)
    return WeibullMixture(1).fit_interval(lower, upper)
