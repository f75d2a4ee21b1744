"""Probability papers: scales on which a family of lifetimes is a straight line."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from survjax.estimators.lifetime.predictions import FittedLifetime
from survjax.lifetimes import families


class Paper(NamedTuple):
    """The scales of one family.

    Attributes
    ----------
    name : str
        The family.
    is_log : bool
        Whether ages are on a log scale.
    family : type
        It says the noise's quantiles.
    """

    name: str
    is_log: bool
    family: Any

    def height(self, survival: ArrayLike) -> np.ndarray:
        """The height on the paper of a survival share; NaN where it is 0 or 1."""
        survival = np.asarray(survival, float)
        share = 1.0 - survival
        inside = (survival > 0) & (share > 0) & (share < 1)
        z = self._quantile(np.where(inside, share, 0.5))
        return np.where(inside, z, np.nan)

    def _quantile(self, share: np.ndarray) -> np.ndarray:
        """The noise's quantile; of a family without a shape, the age in units of its scale."""
        z = np.asarray(self.family.standard_quantile(share))
        return np.exp(z) if self.family.is_log_linear and not self.is_log else z


def papers() -> dict[str, Paper]:
    """The families that have a paper, by name.

    Those of location and scale: of the log of age, or of age itself, where ages are even. A family
    of a scale alone is a line through zero on even ages, whose slope is the rate.
    """
    found = {}
    for name, family in families().items():
        names = family.__dataclass_fields__
        if hasattr(family, "standard_quantile"):
            found[name] = Paper(name, "log_shape" in names, family)
    return found


def paper_for(model: FittedLifetime, name: str | None) -> Paper:
    """The paper of a name; of the model's own family if None, and Weibull's if that has none."""
    known = papers()
    if name is None:
        own = {paper.family: paper for paper in known.values()}
        return own.get(type(model.lifetime_), known["weibull"])
    if name not in known:
        raise ValueError(f"paper must be one of {', '.join(map(repr, known))}, got {name!r}")
    return known[name]
