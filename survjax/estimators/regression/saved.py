"""What a file holds of a regression, and how the model comes back from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from survjax.estimators.lifetime.state import CERTIFICATE
from survjax.estimators.saving.fields import Each, Flag, Floats, Number, Record, Strings, Table
from survjax.estimators.saving.kinds import Distribution, Wholes
from survjax.estimators.saving.persistence import Persistent, derived_agrees
from survjax.lifetimes import Lifetime
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.forms import Form, Layout, Predictor
from survjax.prediction.regression_curves import FittedForm
from survjax.uncertainty.regression import Replicates

#: What every estimator with covariates saves of its columns.
COLUMNS: dict[str, Any] = {
    "n_features_in_": Number(whole=True, least=1),
    "feature_names_in_": Strings("columns", optional=True),
    "_center": Floats(("columns",)),
    "_scale": Floats(("columns",)),
}


def replicates_of(size: str) -> Record:
    """How bootstrap replicates of a regression are saved, where they were drawn."""
    fields = {
        "parameters": Floats(("replicates", size)),
        "n_replicates": Number(whole=True, least=1),
        "n_failed": Number(whole=True, least=0),
    }
    return Record(Replicates, fields, optional=True)


def restore_columns(model: Any) -> Columns:
    """Take the saved center and scale off a model, and check them and the names of columns."""
    center, scale = vars(model).pop("_center"), vars(model).pop("_scale")
    if center.size != model.n_features_in_:
        raise ValueError(f"n_features_in_ is {model.n_features_in_}, but {center.size} are scaled")
    if not np.all(scale > 0):
        raise ValueError("_scale must be positive")
    names = vars(model).get("feature_names_in_")
    if names is not None:
        model.feature_names_in_ = np.array(names, dtype=object)
    return Columns(center, scale)


class SavedRegression(Persistent):
    """`save` of a `RegressionEstimator`, whose answer is a `FittedForm`."""

    _fitted: FittedForm
    parameters_: np.ndarray
    _set: Callable[..., None]
    _check_parameters: Callable[[], None]

    _saved: ClassVar[Mapping[str, Any]] = {
        # For readers of the file that are not survjax; checked against the answer inside.
        "parameters_": Floats(("natural",)),
        "parameter_names_": Strings("natural"),
        **COLUMNS,
        "_layout": Each(Wholes()),
        "_theta": Floats(("inside",)),
        "_covariance": Floats(("inside", "inside"), finite=False),
        "_base": Distribution(optional=True),
        "log_likelihood_": Number(finite=False),
        "aic_": Number(finite=False),
        "bic_": Number(finite=False),
        "log_posterior_": Number(optional=True),
        "n_units_": Number(least=0.0),
        "n_events_": Number(least=0.0),
        "bootstrap_": replicates_of("natural"),
        "n_iter_": Number(whole=True),
        "converged_": Flag(),
        "certificate_": CERTIFICATE,
        "penalty_": Number(least=0.0),
        "penalty_path_": Table(optional=True),
    }

    def _form(self, n_predictors: int, base: Lifetime) -> Form:
        """The form that the hyper-parameters ask for, if it has as many predictors."""
        raise NotImplementedError

    def _state(self) -> Any:
        fitted = self._fitted
        state: dict[str, Any] = {name: vars(self).get(name) for name in self._saved}
        state |= {
            "_center": fitted.columns.center,
            "_scale": fitted.columns.scale,
            "_layout": {item.name: item.columns for item in fitted.layout},
            "_theta": fitted.theta,
            "_covariance": fitted.covariance,
            "_base": None if fitted.form.modifier is None else fitted.form.template,
        }
        return SimpleNamespace(**state)

    def _rebuild(self) -> None:
        self._check_parameters()
        columns = restore_columns(self)
        inside = vars(self)
        parts = [inside.pop(name, None) for name in ("_layout", "_theta", "_covariance", "_base")]
        chosen, theta, covariance, base = parts
        stored, names = self.parameters_, inside["parameter_names_"]
        form = self._form(len(chosen), base)
        if tuple(chosen) != form.names:
            raise ValueError("_layout does not have the predictors of this model")
        layout: Layout = tuple(Predictor(name, at) for name, at in chosen.items())
        for item in layout:
            proper = sorted(set(item.columns)) == list(item.columns) != []
            if not proper or item.columns[-1] > columns.center.size:
                raise ValueError(f"_layout.{item.name} does not name columns of the model")
        if sum(len(item.columns) for item in layout) != theta.size:
            raise ValueError(f"_layout does not have the {theta.size} entries of _theta")
        self._set(form, layout, columns, theta, covariance)
        derived_agrees("parameters_", stored, self.parameters_)
        if names != inside["parameter_names_"]:
            raise ValueError("parameter_names_ do not agree with _layout and the columns")
