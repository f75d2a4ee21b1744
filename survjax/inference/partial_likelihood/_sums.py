"""Sums over risk sets, kept for every failure time."""

from __future__ import annotations

import numpy as np

from survjax.inference.nonparametric._rows import Floats
from survjax.inference.partial_likelihood._risk_sets import RiskSets

__all__ = ["weighted_sums"]


def weighted_sums(sets: RiskSets, risk: Floats) -> Floats:
    """Sum risk x over each risk set: (p, G)."""
    return np.stack([sets.at_risk(risk * row) for row in sets.x])
