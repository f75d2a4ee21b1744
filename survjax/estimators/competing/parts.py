"""What was fitted for each of several causes, and all of it as one model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from survjax._core.numerics import diagonal_blocks
from survjax.data.observations import Observations
from survjax.fitting.regression.penalties import NaturalPriors, Penalty
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.competing_form import CompetingForm, side_by_side
from survjax.likelihood.regression.forms import Form, Layout, Predictor
from survjax.likelihood.vector.constraints import Constraints
from survjax.prediction.regression_curves import FittedForm


class CausePart(NamedTuple):
    """The answer for one cause: a form, what its predictors add up, and the coefficients."""

    form: Form
    layout: Layout
    columns: Columns
    theta: np.ndarray
    covariance: np.ndarray
    constraints: Constraints
    names: tuple[str, ...]
    model: Any

    @property
    def in_one_step(self) -> bool:
        """Whether one likelihood has its maximum there: not where a base was fitted before.

        Nor with Firth's penalty, which is of the units that this cause alone ended.
        """
        training = getattr(self.model, "_training", None)
        if not sees_columns(self.model) or training is None:
            return not sees_columns(self.model)
        firth = training.penalty is not None and training.penalty.firth is not None
        return training.refit is None and not firth

    def penalty(self, rows: Observations) -> Penalty | None:
        """What its coefficients pay, on these units, and what was known of them before."""
        model = self.model
        if sees_columns(model):
            own = model._penalty(self.layout, rows.n_units)
            found: Penalty | None = model._with_priors(own, self.layout, self.columns, rows)
            return found
        prior, size = model._template.prior, self.theta.size
        if prior is None:
            return None
        return Penalty.nothing(size)._replace(priors=NaturalPriors(prior, np.eye(size)))


def sees_columns(model: Any) -> bool:
    """Whether the model of a cause is a regression."""
    return hasattr(model, "_form")


def part_of(model: Any, p: int) -> CausePart:
    """What was fitted for a cause, of which columns move nothing where it sees none."""
    if sees_columns(model):
        fitted, constraints = model._fitted, model._constraints
        answer = fitted.form, fitted.layout, fitted.columns, fitted.theta
        return CausePart(
            *answer, np.asarray(fitted.covariance), constraints, model.parameter_names_, model
        )
    names = model.parameter_names_
    layout = tuple(Predictor(name, (0,)) for name in names)
    columns = Columns(np.zeros(p), np.ones(p))
    answer = Form(model.lifetime_, names), layout, columns, model.parameters_
    return CausePart(*answer, model.covariance_, model._template.constraints, names, model)


def joined(parts: Sequence[CausePart]) -> FittedForm:
    """All causes as one, over a table with a copy of the columns for each."""
    layout, columns = side_by_side(
        [part.layout for part in parts], [part.columns for part in parts]
    )
    form: Any = CompetingForm(
        tuple(part.form for part in parts), tuple(len(part.layout) for part in parts)
    )
    theta = np.concatenate([part.theta for part in parts])
    covariance = diagonal_blocks([part.covariance for part in parts])
    return FittedForm(form, layout, theta, covariance, columns)


def place(part: CausePart, theta: np.ndarray, covariance: np.ndarray, **known: Any) -> None:
    """Give a cause's model its part of an answer for all causes, with other attributes."""
    model = part.model
    nothing = float("nan")
    vars(model).update(log_likelihood_=nothing, aic_=nothing, bic_=nothing, **known)
    for name in ("_training", "_rows", "bootstrap_", "_maxima", "selection_", "history_"):
        vars(model).pop(name, None)
    if sees_columns(model):
        model._set(part.form, part.layout, part.columns, theta, covariance)
        return
    model.parameters_, model.covariance_, model._profiles = theta, covariance, {}
    model._derive()
