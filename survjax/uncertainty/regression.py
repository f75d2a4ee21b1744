"""Bounds of a regression's parameters without the delta method: profiles and the bootstrap."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from survjax.data.observations import Observations
from survjax.fitting.edges.bounds import between_bounds
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.regression.fit import likelihood_of, maximize, penalized
from survjax.fitting.regression.penalties import Penalty
from survjax.fitting.regression.violations import ARRIVED, violations
from survjax.likelihood.causes.with_columns import CauseUnits
from survjax.likelihood.regression.columns import Columns, to_natural
from survjax.likelihood.regression.constraints import constrained
from survjax.likelihood.regression.forms import Form, Layout
from survjax.likelihood.regression.histories import Histories
from survjax.likelihood.regression.history_likelihood import HistoryLikelihood
from survjax.likelihood.vector.constraints import Constraints, only_free
from survjax.uncertainty.delta import normal_quantile
from survjax.uncertainty.profile_parameters import profile_quantities


class Training(NamedTuple):
    """What a regression was fitted to, and how.

    Attributes
    ----------
    form, layout, columns
        The model.
    rows, x, histories, component
        Observations, covariates, which rows are of one unit (or None), known components (or None).
    penalty
        What the coefficients paid, or None.
    bound : bool
        Whether rows of one unit depend on each other: hazards that are proportional add up.
    refit : callable, optional
        From rows with other weights to a fit's vector (P,), or None where there is no maximum: of
        what is fitted in more than one step.
    constraints : Constraints, optional
        Coefficients that did not move.
    units : CauseUnits, optional
        Where several causes end units: they draw some of themselves.
    """

    form: Form
    layout: Layout
    columns: Columns
    rows: Observations
    x: np.ndarray
    histories: Histories | None = None
    component: np.ndarray | None = None
    penalty: Penalty | None = None
    bound: bool = True
    refit: Callable[[Observations], np.ndarray | None] | None = None
    constraints: Constraints | None = None
    units: CauseUnits | None = None

    def maximum(self, times: np.ndarray, start: np.ndarray, tol: float, max_iter: int) -> Any:
        """The maximum with each unit as many times as asked, between the bounds there are."""
        likelihood, penalty = self.likelihood(times), self.penalty
        if penalty is not None and penalty.firth is not None:
            penalty = penalty.of(self.drawn_rows(times))
        if self.constraints is None:
            return maximize(likelihood, start, tol, max_iter, penalty)

        def maximum(constraints: Constraints) -> tuple[np.ndarray, LocalMaximum]:
            paid = None if penalty is None else penalty.on(constraints.free)
            run = constrained(likelihood, constraints)
            found = maximize(run, constraints.placed(start), tol, max_iter, paid)
            return found.x, found

        def slope(x: np.ndarray) -> np.ndarray:
            penalty_slope = 0.0 if penalty is None else penalty.smooth(x)[1]
            return np.asarray(likelihood(x)[1] - penalty_slope)

        constraints, found = between_bounds(self.constraints, maximum, slope)
        return dataclasses.replace(found, x=constraints.placed(found.x))

    def refitted(
        self, times: np.ndarray, start: np.ndarray, *, least: float, tol: float, max_iter: int
    ) -> np.ndarray | None:
        """The vector (P,) of the proper maximum with each unit as often as asked; None without one.

        `least` is the smallest eigenvalue of a proper maximum's information.
        """
        if self.refit is not None:
            return self.refit(self.drawn_rows(times))
        end = self.maximum(times, start, tol, max_iter)
        free = end.x != 0 if self.penalty is not None else np.ones(start.size, bool)
        good = end.code in ARRIVED and not violations(end.restricted(np.flatnonzero(free)), least)
        return np.asarray(end.x) if good else None

    @property
    def weight(self) -> np.ndarray:
        """Weight of each unit."""
        return self.rows.weight if self.histories is None else self.histories.weight

    def likelihood(self, times: np.ndarray | None = None) -> Any:
        """The log-likelihood, each unit as many times as asked."""
        if self.units is not None:
            whole = self.units.likelihood
            return whole if times is None else whole.drawn(times)
        form, layout, columns, _, x, histories, component, _, bound, *_ = self
        if histories is not None and bound:
            if times is not None:
                histories = dataclasses.replace(histories, weight=histories.weight * times)
            return HistoryLikelihood(form, layout, histories, x, columns, component)
        rows = self.rows if times is None else self.drawn_rows(times)
        return likelihood_of(form, layout, rows, x, columns, component)

    def drawn_rows(self, times: np.ndarray) -> Observations:
        """The rows, those of each unit as many times as asked."""
        rows, histories = self.rows, self.histories
        if histories is not None:
            of_rows = np.empty(rows.n_rows)
            of_rows[histories.order] = times[histories.unit]
            times = of_rows
        return rows.reweighted(rows.weight * times)


@dataclasses.dataclass(frozen=True)
class Replicates:
    """Bootstrap replicates of a regression.

    Attributes
    ----------
    parameters : array of shape (B, p)
        As `parameters_`, of the replicates that have a proper maximum.
    n_replicates, n_failed : int
        How many were asked for, and how many of them have none and are left out.
    """

    parameters: np.ndarray
    n_replicates: int
    n_failed: int


def replicates(
    training: Training,
    theta: np.ndarray,
    n_replicates: int,
    rng: np.random.Generator,
    *,
    least: float,
    tol: float,
    max_iter: int,
) -> Replicates:
    """Refit units drawn with replacement, each time from the estimate where that is one step.

    A weight is a count, so that units of weight w are drawn w times as often; `least` is the
    smallest eigenvalue of a proper maximum's information.
    """
    weight = training.weight
    total = float(weight.sum())
    share, counted = weight / total, np.where(weight > 0, weight, 1.0)
    change = to_natural(training.layout, training.columns)
    kept = []
    for _ in range(n_replicates):
        times = rng.multinomial(round(total), share) / counted
        point = training.refitted(times, theta, least=least, tol=tol, max_iter=max_iter)
        kept += [] if point is None else [change @ point]
    found = np.array(kept).reshape(-1, theta.size)
    return Replicates(found, n_replicates, n_replicates - len(kept))


def profiled_parameters(
    training: Training, theta: np.ndarray, covariance: np.ndarray, n_units: float, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Profile likelihood bounds (p,) of all parameters, as `parameters_` has them.

    Parameters
    ----------
    training : Training
        Without a penalty, but perhaps with priors.
    theta, covariance
        The maximum on the scale of standardized columns, and its covariance.
    n_units : float
        How many units there are.
    level : float
        Confidence level.
    """
    change = to_natural(training.layout, training.columns)
    # Searches count in effects of standardized columns, which are of the order of one.
    unit = np.abs(change.diagonal())
    slopes = change / unit[:, None]
    p = theta.size
    errors = np.sqrt(np.einsum("ij,jk,ik->i", slopes, covariance, slopes))
    constraints = Constraints.nothing(p) if training.constraints is None else training.constraints
    likelihood, flat = constrained(training.likelihood(), constraints), np.zeros((p, p))
    steep = np.zeros(p)
    if training.form.has_components:
        start = 0
        for item in training.layout:
            # As for mixtures without columns: no profile may fall into a collapse.
            steep[start] = item.name.startswith("log_shape") / n_units
            start += len(item.columns)
    known = Penalty.nothing(p) if training.penalty is None else training.penalty
    low, high = profile_quantities(
        lambda points: [penalized(likelihood(point), point, known) for point in points],
        lambda point, i: only_free((slopes[i] @ point, slopes[i], flat), constraints.free, 0.0),
        theta,
        slopes @ theta,
        errors,
        normal_quantile(level),
        steep=steep * constraints.free,
    )
    return low * unit, high * unit
