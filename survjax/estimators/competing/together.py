"""Causes with covariates that the rows do not tell apart everywhere, fitted all together."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np

from survjax.data.observations import Observations
from survjax.estimators.certificate import Certificate, certify_regression
from survjax.estimators.competing.parts import CausePart, joined, part_of, place, sees_columns
from survjax.estimators.messages import FitWarning, NoFiniteMaximum
from survjax.estimators.regression.answer import improper, left_behind
from survjax.estimators.target import survival_target
from survjax.fitting.causes.rows import middles, seen_by_cause
from survjax.fitting.causes.starts import ROUNDS, first_shares, shares_by_hazards
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.regression.penalties import Penalty
from survjax.fitting.regression.violations import (
    intercepts_of,
    open_parameters,
    step_units,
    violations,
)
from survjax.likelihood.causes.with_columns import CauseUnits, rates_of_rows
from survjax.likelihood.vector.constraints import Constraints
from survjax.prediction.regression_curves import FittedForm
from survjax.uncertainty.regression import Training

#: The smallest eigenvalue of the information of a proper maximum.
LEAST_EIGENVALUE = 1e-13


class Together(NamedTuple):
    """Where the causes were fitted to, at once."""

    parts: list[CausePart]
    found: LocalMaximum
    training: Training


def training_of(
    parts: list[CausePart], rows: Observations, allowed: np.ndarray, x: np.ndarray
) -> Training:
    """The model of all causes, and the units it is of."""
    fitted = joined(parts)
    form: Any = fitted.form
    sizes = [part.theta.size for part in parts]
    nowhere = np.empty(0, int), np.empty(0)
    constraints = Constraints.joined([part.constraints.at(*nowhere) for part in parts])
    penalty = Penalty.joined([part.penalty(rows) for part in parts], sizes)
    model = fitted.form, fitted.layout, fitted.columns
    units = CauseUnits(form, *model[1:], rows, allowed, x, fitted.theta)
    return Training(*model, rows, x, penalty=penalty, constraints=constraints, units=units)


def training_apart(
    parts: list[CausePart], rows: Observations, allowed: np.ndarray, x: np.ndarray
) -> Training | None:
    """The same where one of the causes has more than one likelihood: each is refitted alone.

    None where a cause was not fitted to these rows: its base was known.
    """
    each: list[Any] = []
    for k, part in enumerate(parts):
        if part.in_one_step:
            own = dataclasses.replace(rows, event=rows.event * allowed[:, k])
            each.append(training_of([part], own, allowed[:, [k]], x))
        else:
            each.append(getattr(part.model, "_training", None))
    if any(one is None or one.rows.n_rows != rows.n_rows for one in each):
        return None
    counted = np.where(rows.weight > 0, rows.weight, 1.0)

    def refit(drawn: Observations) -> np.ndarray | None:
        times, found = drawn.weight / counted, []
        for part, training in zip(parts, each, strict=True):
            model = part.model
            rules = {"least": LEAST_EIGENVALUE, "tol": max(model.tol, 1e-6)}
            point = training.refitted(times, part.theta, max_iter=model.max_iter, **rules)
            if point is None:
                return None
            found.append(point)
        return np.concatenate(found)

    fitted = joined(parts)
    form: Any = fitted.form
    model = form, fitted.layout, fitted.columns
    units = CauseUnits(*model, rows, allowed, x, fitted.theta)
    return Training(*model, rows, x, units=units, refit=refit)


def fit_together(
    fit_one: Callable[[Hashable, np.ndarray, Observations], Any],
    labels: tuple[Hashable, ...],
    rows: Observations,
    allowed: np.ndarray,
    x: np.ndarray,
) -> Together:
    """The highest maximum over the coefficients of all causes.

    `fit_one` fits a cause, by its label, to covariates and rows. Iterations start from such fits to
    ends that are shared out among the causes allowed.
    """
    best: Together | None = None
    errors: list[NoFiniteMaximum] = []
    for share in first_shares(rows, allowed):
        try:
            parts = _alternated(fit_one, labels, rows, allowed, x, share)
        except NoFiniteMaximum as error:
            errors.append(error)
            continue
        training = training_of(parts, rows, allowed, x)
        found = _maximum(training, joined(parts).theta, parts)
        if best is None or _rank(found, training) > _rank(best.found, best.training):
            best = Together(parts, found, training)
    if best is None:
        raise errors[0]
    if rows.interval is not None and best.training.units is not None:
        # Integrals over intervals were resolved for the start: once more, for the answer.
        units = dataclasses.replace(best.training.units, near=best.found.x)
        training = best.training._replace(units=units)
        best = Together(best.parts, _maximum(training, best.found.x, best.parts), training)
    return best


def _rank(found: LocalMaximum, training: Training) -> tuple[bool, float]:
    """What is better: a maximum, then a higher one."""
    paid = 0.0 if training.penalty is None else training.penalty.smooth(found.x)[0]
    return not violations(found), float(np.nan_to_num(found.value - paid, nan=-np.inf))


def _maximum(training: Training, start: np.ndarray, parts: list[CausePart]) -> LocalMaximum:
    """Where Newton's iterations end, between the bounds there are."""
    tol = min(part.model.tol for part in parts)
    max_iter = max(part.model.max_iter for part in parts)
    found: LocalMaximum = training.maximum(np.ones(training.rows.n_rows), start, tol, max_iter)
    return found


def _alternated(
    fit_one: Callable[[Hashable, np.ndarray, Observations], Any],
    labels: tuple[Hashable, ...],
    rows: Observations,
    allowed: np.ndarray,
    x: np.ndarray,
    share: np.ndarray,
) -> list[CausePart]:
    """Fits of each cause after a few rounds of fits and shares."""
    times, each = middles(rows), np.arange(rows.n_rows)
    parts: list[CausePart] = []
    for _ in range(ROUNDS):
        parts = []
        for k, label in enumerate(labels):
            own, index = seen_by_cause(rows, share[:, k])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FitWarning)
                model = fit_one(label, x[index], own)
            parts.append(part_of(model, x.shape[1]))
        fitted = joined(parts)
        form: Any = fitted.form
        wide = np.tile(x, (1, len(parts)))
        rates = rates_of_rows(form, fitted.layout, fitted.theta, wide, fitted.columns)
        share = shares_by_hazards(rates(times, each)[0].T, allowed)
    return parts


def target_of(own: Observations) -> np.ndarray:
    """The target of a regression on some rows."""
    if own.interval is None:
        return np.column_stack([own.lower, own.event])
    inside = own.interval > 0
    upper = np.where(inside, own.upper, np.where(own.event > 0, own.lower, np.inf))
    return survival_target(own.lower, upper)


def verdict(together: Together, names: tuple[str, ...]) -> tuple[str, ...]:
    """Why the answer is no proper maximum; empty where it is one."""
    found, training = together.found, together.training
    fitted = joined(together.parts)
    form: Any = fitted.form
    words: tuple[str, ...] = ()
    for part, own in zip(together.parts, slices_of(together.parts), strict=True):
        if sees_columns(part.model):
            model = part.form, part.layout, found.x[own]
            words += improper(*model) or left_behind(*model, training.x, part.columns)
            alone = found.restricted(np.arange(found.x.size)[own])
            words += part.model._model_violations(part.layout, alone)
    words = words or violations(_kept(found, training.penalty))
    if not words or "singular" in words[0]:
        units = step_units(form, fitted.layout, found.x)
        open_ = open_parameters(found, intercepts_of(fitted.layout), units)[:5]
        words = tuple(f"the data leave {names[i]} open" for i in open_) or words
    return words


def _kept(found: LocalMaximum, penalty: Penalty | None) -> LocalMaximum:
    """The maximum in what a lasso kept."""
    if penalty is None or not penalty.lasso.any():
        return found
    return found.restricted(np.flatnonzero(found.x != 0))


def slices_of(parts: list[CausePart]) -> list[slice]:
    """Where each cause's coefficients stand among all."""
    ends = np.cumsum([part.theta.size for part in parts])
    return [slice(int(e) - part.theta.size, int(e)) for part, e in zip(parts, ends, strict=True)]


def settle(
    together: Together, names: tuple[str, ...], n_units: float
) -> tuple[FittedForm, Certificate]:
    """Give each cause's model its part of the answer; the whole of it, and its certificate."""
    parts, found, training = together
    constraints: Any = training.constraints
    constraints = constraints.from_vector(found.x)
    words = verdict(together, names)
    p = found.x.size
    covariance = np.full((p, p), np.nan)
    if not words:
        kept = np.arange(p)
        if training.penalty is not None and training.penalty.lasso.any():
            kept = np.flatnonzero(found.x != 0)
        covariance = np.zeros((p, p))
        covariance[np.ix_(kept, kept)] = np.linalg.inv(-found.hessian[np.ix_(kept, kept)])
        covariance *= np.outer(constraints.free, constraints.free)
    at_bounds = tuple(names[i] for i in constraints.at_bounds)
    certificate = certify_regression(found, words, n_units, at_bounds)
    known = {"converged_": not words, "certificate_": certificate, "n_units_": n_units}
    for part, own in zip(parts, slices_of(parts), strict=True):
        place(part, found.x[own], covariance[own, own], **known)
    form: Any = training.form
    return FittedForm(form, training.layout, found.x, covariance, training.columns), certificate
