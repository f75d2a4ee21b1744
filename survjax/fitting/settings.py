"""How a model is fitted: how many starts, what is an answer, and when iterations stop."""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax._core.annotations import RandomState
from survjax.fitting.interior import Interior
from survjax.fitting.local_maxima import Limits

#: Tolerance on compressed rows, whose maxima are not those of all rows anyway.
ROUGH = 0.1


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a model is fitted.

    Attributes
    ----------
    n_starts : int
        Starts of a mixture of two; `starts` says how many more have.
    rule : Interior
        What makes a maximum an answer.
    tol, max_iter
        When an iteration stops.
    random_state
        Seeds the random starts.
    """

    n_starts: int = 16
    rule: Interior = dataclasses.field(default_factory=Interior)
    tol: float = 1e-9
    max_iter: int = 100
    random_state: RandomState = 0

    def starts(self, n_components: int) -> int:
        """Starts read off the whole sample: three components and more stand in many more ways."""
        return self.n_starts * (3 if n_components > 2 else 1)

    def limits(self, n_components: int, n_units: float) -> Limits:
        """When an iteration stops: also where a component has collapsed or is nearly gone."""
        if n_components == 1:
            return Limits.of(self.tol, self.max_iter)
        light = np.log(self.rule.min_units) - np.log(n_units) - 3.0
        return Limits.of(self.tol, self.max_iter, np.log(self.rule.max_shape) + 1.0, light)
