"""What a regression keeps of its fit: answer, certificate, and a warning where it is none."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np

from survjax._core.callers import users_level
from survjax.data.observations import Observations
from survjax.estimators.certificate import Certificate, certify_regression
from survjax.estimators.covariates import column_names, outlying_words
from survjax.estimators.effects.constraints import ConstrainedEffects
from survjax.estimators.messages import (
    ENDLESS_LIVES,
    FitWarning,
    likely_cause,
    shape_direction,
)
from survjax.estimators.regression.parameter_table import ParameterTable
from survjax.estimators.regression.saved import SavedRegression
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.regression.violations import (
    intercepts_of,
    open_parameters,
    step_units,
    violations,
)
from survjax.likelihood.regression.columns import Columns, to_natural
from survjax.likelihood.regression.forms import Form, Layout, Predictor, without_offset
from survjax.likelihood.regression.likelihood import predictors
from survjax.likelihood.vector.constraints import Constraints
from survjax.optimize import ResultCode
from survjax.prediction.regression_curves import FittedForm


class RegressionAnswer(ConstrainedEffects, ParameterTable, SavedRegression):
    """Fitted attributes of a regression, which may have violations and names of its own."""

    #: Smallest eigenvalue of a proper maximum's information (`fitting.regression.violations`).
    _least_eigenvalue = 1e-13

    converged_: bool
    certificate_: Certificate
    aic_: float
    bic_: float
    penalty_: float
    l1_ratio: float
    max_iter: int
    n_features_in_: int
    _unpenalized_columns: Callable[[], np.ndarray]

    def _keep(
        self,
        form: Form,
        layout: Layout,
        columns: Columns,
        found: LocalMaximum,
        rows: Observations,
        x: np.ndarray,
        theta: np.ndarray | None = None,
        n_units: float | None = None,
        constraints: Constraints | None = None,
    ) -> None:
        """Set the fitted attributes, on the scale of the columns as given.

        `theta` holds all parameters, where some were not free in the last iteration;
        `constraints` says which the user does not let move.
        """
        for name in ("_training", "bootstrap_"):
            self.__dict__.pop(name, None)
        full = found.x if theta is None else theta
        p = full.size
        kept = np.arange(found.x.size)
        if self.penalty_ and self.l1_ratio > 0:
            # A lasso's bounds are those of the columns that it kept.
            kept = np.flatnonzero(found.x != 0)
        some = found.restricted(kept)
        constraints = Constraints.nothing(p) if constraints is None else constraints
        useless = improper(form, layout, full) or left_behind(form, layout, full, x, columns)
        words = useless or self._model_violations(layout, found)
        words = words or violations(some, self._least_eigenvalue)
        inside = np.full((p, p), np.nan)
        if not words and theta is None:
            inside = np.zeros((p, p))
            inside[np.ix_(kept, kept)] = np.linalg.inv(-some.hessian)
            inside *= np.outer(constraints.free, constraints.free)
        self._set(form, layout, columns, full, inside)
        self.log_likelihood_ = found.value
        self.n_units_, self.n_events_ = n_units or rows.n_units, rows.n_events
        self.aic_ = 2.0 * self.n_free_ - 2.0 * found.value
        self.bic_ = self.n_free_ * np.log(self.n_units_) - 2.0 * found.value
        self.n_iter_ = max(found.n_iter, 1)
        if not words or "singular" in words[0]:
            intercepts = intercepts_of(layout)[: found.x.size]
            units = step_units(form, layout, full)[: found.x.size]
            open_ = kept[open_parameters(some, intercepts[kept], units[kept])][:5]
            names = [self.parameter_names_[i] for i in open_]
            words = tuple(f"the data leave {name} open" for name in names) or words
        self.converged_ = not words
        at_bounds = tuple(self.parameter_names_[i] for i in constraints.at_bounds)
        self.certificate_ = certify_regression(some, words, rows.n_units, at_bounds)
        if words:
            far = outlying_words(x[:, : self.n_features_in_], column_names(self))
            advice = "" if useless else f" {self._advice(found, rows)}"
            warnings.warn(
                f"no proper maximum: {'; '.join(words)}{far}.{advice}",
                FitWarning,
                stacklevel=users_level(),
            )

    def _advice(self, found: LocalMaximum, rows: Observations) -> str:
        """What to do where there is no proper maximum."""
        if found.n_iter >= self.max_iter and found.code != ResultCode.CONVERGED:
            return f"It ended after {found.n_iter} iterations: raise max_iter"
        if rows.exit is not None and any(":intercept" in w for w in self.certificate_.violations):
            return ENDLESS_LIVES
        if any(word == "the data leave log_shape open" for word in self.certificate_.violations):
            # Then no column is to blame: lives without covariates have no maximum either.
            log_shape = self._part("log_shape")[0]
            direction = shape_direction(log_shape)
            return f"{direction[0].upper()}{direction[1:]}. {likely_cause(rows, log_shape)}"
        return self._drop_columns()

    def _drop_columns(self) -> str:
        """The advice where a column is to blame."""
        drop = "Drop or merge such columns (no failures, or only failures, at some of their values)"
        if not self.penalty_:
            return f"{drop}, or set penalty > 0"
        return f"{drop}, or penalize them" if self._unpenalized_columns().size else drop

    def _set(
        self, form: Form, layout: Layout, columns: Columns, theta: np.ndarray, inside: np.ndarray
    ) -> None:
        """Keep the standardized answer for predictions, and the natural one for people."""
        if layout[0].offset:
            layout = without_offset(layout)
            columns = Columns(columns.center[:-1], columns.scale[:-1])
        self._fitted = FittedForm(form, layout, theta, inside, columns)
        change = to_natural(layout, columns)
        self.parameters_ = change @ theta
        self.covariance_ = change @ inside @ change.T
        self.parameter_names_ = self._names(layout)
        self._constraints = self._constraints_in(layout, columns).from_vector(theta)
        self.n_free_ = self._constraints.n_counted
        self._derive(layout)

    def _model_violations(self, layout: Layout, found: LocalMaximum) -> tuple[str, ...]:
        """Why an answer is none, by the model's own rules."""
        for item, where in placed(layout):
            # A shape that is held is not among the parameters found.
            steep = np.any(found.x[where] > np.log(1e4))
            if item.name.startswith("log_shape") and item.shared and steep:
                return ("the covariates explain the lives exactly, and the shape runs off",)
        return ()

    def _derive(self, layout: Layout) -> None:
        """Set the attributes that a model names in its own way."""

    def _part(self, name: str) -> dict[int, float]:
        """Natural coefficients of one predictor by column (0: intercept)."""
        for item, where in placed(self._fitted.layout):
            if item.name == name:
                return dict(zip(item.columns, self.parameters_[where].tolist(), strict=True))
        raise KeyError(name)


def placed(layout: Layout) -> Iterator[tuple[Predictor, slice]]:
    """Each predictor, and where its coefficients stand among all."""
    start = 0
    for item in layout:
        end = start + len(item.columns)
        yield item, slice(start, end)
        start = end


def left_behind(
    form: Form, layout: Layout, theta: np.ndarray, x: np.ndarray, columns: Columns
) -> tuple[str, ...]:
    """What of a modified lifetime the covariates leave of no use for any row, if anything."""
    own = [q for q, name in enumerate(form.names) if name.rpartition(".")[2].startswith("logit_")]
    if not (own and form.template.inner()[0]) or form.base_fixed:
        return ()
    z = (x - columns.center) / columns.scale
    eta = [np.broadcast_to(part, len(x)) for part in predictors(layout, theta, z)]
    # Where the last of the shares is largest.
    row = int(np.argmax(eta[own[-1]]))
    there = form.lifetime([np.asarray(part)[row] for part in eta])
    base = there if form.modifier is None else there.base
    near = base.nearby_base()
    if near is None:
        return ()
    return (
        f"the share of {type(base).__name__} runs to none for every row, and the likelihood to "
        f"that of {type(near).__name__} alone: fit that family",
    )


def improper(form: Form, layout: Layout, x: np.ndarray) -> tuple[str, ...]:
    """What makes the base of the answer no lifetime, if anything does."""
    if form.modifier is None or form.base_fixed:
        return ()
    places = [where.start for _, where in placed(layout)][1:]
    word = form.base([np.float64(0.0), *x[places]]).improper()
    return (word,) if word else ()
