"""Replicates of data drawn from a fit, each fitted as the data were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.corrections import Correction
from survjax.fitting.interior import violated
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.search import search
from survjax.fitting.settings import Settings
from survjax.likelihood.vector.template import Template
from survjax.uncertainty.bootstrap import as_arrays, end_of, refit, widened
from survjax.uncertainty.parametric.drawn import drawn_like
from survjax.uncertainty.replicates import BATCH, batch_item

#: Units up to which a replicate is drawn as it is.
MOST_UNITS = 20_000
#: What is called with the number of replicates that are done and of those wanted.
Progress = Callable[[int, int], None]


class Truth(NamedTuple):
    """A fit that is taken for the truth, and how the data were observed and fitted.

    Attributes
    ----------
    template : Template
    x : array of shape (p,)
        The fitted parameters.
    rows : Observations
        The data.
    settings : Settings
    recording : (float, str) or None
        Width and direction to which failures were rounded.
    visits : array of shape (n, m) or (1, m), optional
        When units were inspected, or would have been if they had not failed.
    """

    template: Template
    x: np.ndarray
    rows: Observations
    settings: Settings
    recording: tuple[float, str] | None
    visits: np.ndarray | None = None

    def batches(self, rng: np.random.Generator, n_replicates: int) -> Iterator[Observations]:
        """Batches of replicates, as many as it takes; the last one may hold more than wanted."""
        if self.rows.n_units > MOST_UNITS:
            raise ValueError(
                f"a parametric bootstrap draws at most {MOST_UNITS} units, got "
                f"{self.rows.n_units:g}: take a random part of them"
            )
        truth = self.template.at(self.x)
        drawn = drawn_like(truth, self.rows, rng, self.recording, visits=self.visits)
        for _ in range(-(-n_replicates // BATCH)):
            yield next(drawn)

    def refits(
        self, batch: Observations, wanted: int, searched: bool = False
    ) -> list[LocalMaximum | None]:
        """The interior maximum of each replicate next to the truth, None without one.

        Mixtures are searched as the data were where there is none, and, `searched`, in any case:
        for the highest.
        """
        n_units, k = self.rows.n_units, self.template.n_components
        limits = self.settings.limits(k, n_units)
        nothing = Correction.of(self.template)
        starts = self.x[None]
        wide = widened(batch, self.template.at(self.x))
        found = as_arrays(refit(self.template.lifetime, starts, wide, limits, nothing))
        names = ("x", "value", "hessian", "code", "units")
        x, value, hessian, code, units = (found[name][:wanted, 0] for name in names)
        rule, counts = self.settings.rule, np.full(wanted, n_units)
        against = violated(x, value, hessian, code, units, self.template, rule, counts)
        good = ~np.any([there for there, _ in against], axis=0)
        ends: list[LocalMaximum | None] = []
        for i in range(wanted):
            again = None
            if k > 1 and (searched or not good[i]):
                again = best_of(self.template, batch_item(batch, i), self.settings)
            ends.append(end_of(found, i, 0) if good[i] and again is None else again)
        return ends


def best_of(template: Template, rows: Observations, settings: Settings) -> LocalMaximum | None:
    """The highest interior maximum of one replicate, searched as data are; None without one."""
    found = search(template, rows, settings)
    return None if found.violations else found.best
