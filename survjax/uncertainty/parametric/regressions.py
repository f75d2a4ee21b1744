"""Replicates of data drawn from a regression at the columns that its units have."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.regression.mixture_search import MixtureSearch
from survjax.fitting.regression.violations import ARRIVED, violations
from survjax.fitting.settings import Settings
from survjax.likelihood.regression.likelihood import log_likelihoods, predictors
from survjax.prediction.residuals import passed, still_running
from survjax.uncertainty.parametric.drawn import drawn_like
from survjax.uncertainty.parametric.empirical import distances_of
from survjax.uncertainty.parametric.replicates import MOST_UNITS, Progress
from survjax.uncertainty.regression import Training
from survjax.uncertainty.replicates import BATCH, batch_item, whole_units


class RegressionTruth(NamedTuple):
    """A fitted regression that is taken for the truth, and how it was observed and fitted.

    Attributes
    ----------
    training : Training
        The model and its units, one row each.
    theta : array of shape (P,)
        Its standardized coefficients.
    recording : (float, str) or None
        Width and direction to which failures were rounded.
    least, tol, max_iter
        The smallest eigenvalue of a proper maximum's information, and when iterations stop.
    settings : Settings, optional
        How a mixture is searched for.
    """

    training: Training
    theta: np.ndarray
    recording: tuple[float, str] | None
    least: float
    tol: float
    max_iter: int
    settings: Settings | None

    def batches(self, rng: np.random.Generator, n_replicates: int) -> Iterator[Observations]:
        """Batches of replicates, as many as it takes; the last one may hold more than wanted."""
        form, layout, columns, rows, x, *_ = self.training
        if rows.n_units > MOST_UNITS:
            raise ValueError(
                f"a parametric bootstrap draws at most {MOST_UNITS} units, got {rows.n_units:g}: "
                "take a random part of them"
            )
        z = (x - columns.center) / columns.scale
        eta = [np.broadcast_to(part, len(x)) for part in predictors(layout, self.theta, z)]
        seen = dataclasses.replace(rows, entry=None, exit=None)
        terms = log_likelihoods(form, layout, self.theta, seen, x, columns)
        drawn = drawn_like(form.lifetime(eta), rows, rng, self.recording, terms)
        for _ in range(-(-n_replicates // BATCH)):
            yield next(drawn)

    def maximum(self, rows: Observations, searched: bool = False) -> LocalMaximum | None:
        """The proper maximum of a replicate next to the truth, None without one.

        Mixtures are searched as the data were where there is none, and, `searched`, in any case.
        """
        found = self._near(rows)
        if self.settings is None or not (searched or found is None):
            return found
        again = self._searched(rows, self.settings)
        ends = [end for end in (found, again) if end is not None]
        return max(ends, key=lambda end: end.value, default=None)

    def _search(self, rows: Observations, settings: Settings) -> MixtureSearch:
        form, layout, columns, _, x, _, _, penalty, *_ = self.training
        constraints = self.training.constraints
        return MixtureSearch(
            form, layout, columns, rows, x, None, None, penalty, settings, constraints=constraints
        )

    def _near(self, rows: Observations) -> LocalMaximum | None:
        """The maximum that iterations from the truth find."""
        own = self.training._replace(rows=rows)
        end = own.maximum(np.ones(rows.n_rows), self.theta, self.tol, self.max_iter)
        free = np.flatnonzero(end.x) if own.penalty is not None else np.arange(end.x.size)
        if end.code not in ARRIVED or violations(end.restricted(free), self.least):
            return None
        good = self.settings is None or self._search(rows, self.settings).is_good(end)
        return end if good else None

    def _searched(self, rows: Observations, settings: Settings) -> LocalMaximum | None:
        """The highest interior maximum of a mixture, searched for as that of the data was."""
        search = self._search(rows, settings)
        end = search.answer(in_order=False)
        return end if search.is_good(end) else None

    def statistics(self, theta: np.ndarray, rows: Observations) -> np.ndarray:
        """How far the lives of units are from those of a model: three distances (3,)."""
        return distances_of(rows, partial(self._passed, theta, rows))

    def _passed(self, theta: np.ndarray, rows: Observations, times: np.ndarray) -> np.ndarray:
        """Cumulative hazards (n,) that units passed by some times."""
        form, layout, columns, _, x, *_ = self.training
        running = still_running(times, rows.entry, rows.exit)
        terms = log_likelihoods(form, layout, theta, running, x, columns)
        return passed(terms, times, rows.entry, rows.exit)


def one_row_a_unit(training: Training) -> Training:
    """The same units, each as many times as its weight says.

    Raises
    ------
    ValueError
        For weights that are fractions of units.
    """
    times = np.repeat(np.arange(training.rows.n_rows), np.rint(training.rows.weight).astype(int))
    return training._replace(rows=whole_units(training.rows), x=training.x[times])


def regression_goodness(
    truth: RegressionTruth, rng: np.random.Generator, n_replicates: int, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Statistics (3,) of a fit, and those (B, 3) of replicates drawn from it and fitted again.

    Replicates without a proper maximum are left out.
    """
    observed = truth.statistics(truth.theta, truth.training.rows)
    kept: list[np.ndarray] = []
    done = 0
    for batch in truth.batches(rng, n_replicates):
        for i in range(min(BATCH, n_replicates - done)):
            item: Observations = batch_item(batch, i)
            end = truth.maximum(item)
            if end is not None:
                kept.append(truth.statistics(end.x, item))
            done += 1
            progress(done, n_replicates)
    return observed, np.array(kept).reshape(-1, observed.size)


def regression_ratios(
    truth: RegressionTruth,
    larger: RegressionTruth,
    rng: np.random.Generator,
    n_replicates: int,
    progress: Progress,
) -> np.ndarray:
    """Twice the log-likelihood that the larger model gains on data drawn from the smaller: (B,).

    As for lifetimes without covariates (`drawn_ratios`): each replicate is searched for the maximum
    of both, and those on which one has none are left out.
    """
    ratios: list[float] = []
    done = 0
    for batch in truth.batches(rng, n_replicates):
        for i in range(min(BATCH, n_replicates - done)):
            item: Observations = batch_item(batch, i)
            small = truth.maximum(item, searched=True)
            large = None if small is None else larger.maximum(item, searched=True)
            if small is not None and large is not None:
                ratios.append(2.0 * (large.value - small.value))
            done += 1
            progress(done, n_replicates)
    return np.array(ratios)
