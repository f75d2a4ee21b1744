"""Regressions of more rows that begin where the last fit ended, and what has moved since."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import Covariates
from survjax._core.precision import double_precision
from survjax._core.pytree import is_all_parameters
from survjax._core.validation import check_count
from survjax.data.joining import joined_rows
from survjax.data.observations import Observations
from survjax.estimators.frames import frame
from survjax.estimators.refits.refit import LITTLE, changes
from survjax.estimators.target import checked_rows
from survjax.likelihood.regression.columns import Columns, to_natural
from survjax.likelihood.regression.forms import Layout, without_offset
from survjax.likelihood.regression.likelihood import scores
from survjax.prediction.regression_curves import FittedForm
from survjax.uncertainty.delta import rows_needed
from survjax.uncertainty.regression import Training

if TYPE_CHECKING:
    import pandas as pd


CHANGED = (
    "the settings were changed after the fit, and refit goes on from it: set them back, or call "
    "fit with all rows"
)


@dataclasses.dataclass(frozen=True)
class Added:
    """The new rows of a refit with their covariates and labels, and the parameters before."""

    rows: Observations
    x: np.ndarray
    labels: pd.Index | None
    before: np.ndarray


class RegressionRefits:
    """`refit`, `changed_since` and `moved_by` of a regression."""

    parameters_: np.ndarray
    covariance_: np.ndarray
    parameter_names_: tuple[str, ...]
    penalty_: float
    converged_: bool
    n_units_: float
    _training: Training
    _fitted: FittedForm
    _added: Added
    #: While a refit begins at an earlier fit: the parameters of that.
    _from_here: np.ndarray | None = None

    @double_precision
    def refit(
        self,
        X: Covariates,
        y: ArrayLike,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> Self:
        """Fit to the rows of this fit and new ones, from where this fit ended.

        Parameters
        ----------
        X, y, entry, exit, sample_weight, offset
            The new rows, as for `fit`. A unit that was still running at the last fit and is older
            now is not new: give its further life as a row that entered at the age it had
            (`entry`).

        Returns
        -------
        estimator
            A new one, fitted to old and new rows together, with the penalty that this one has;
            this one stays as it is, for `changed_since`.

        Raises
        ------
        ValueError
            Where this model has no rows (it was read from a file), was fitted to histories
            (`unit=`), or its settings were changed after its fit.

        Notes
        -----
        Newton's iterations begin at the last optimum, and end after one to three steps where
        little is new. The answer is that of `fit` on all rows, with its certificate. `fit`'s own
        search is made where they lead to no maximum, where a mixture meets new units of more than
        a tenth of the old, and where cuts or knots follow the data.

        Examples
        --------
        >>> import numpy as np
        >>> from survjax import AcceleratedLifetime
        >>> rng = np.random.default_rng(0)
        >>> load = rng.normal(size=(330, 1))
        >>> life = np.exp(3.0 - 0.5 * load[:, 0]) * rng.weibull(2.0, 330)
        >>> before = AcceleratedLifetime().fit(load[:300], life[:300])
        >>> now = before.refit(load[300:], life[300:])
        >>> now.n_units_, now.n_iter_ <= 3
        (330.0, True)
        """
        self._check_fitted()  # type: ignore[attr-defined]
        old = getattr(self, "_training", None)
        if old is None:
            raise rows_needed("refit")
        if old.histories is not None:
            raise ValueError("refit takes units of one row: fit histories (unit=) with all rows")
        model: Any = type(self)(**copy.deepcopy(self.get_params(deep=False)))  # type: ignore[attr-defined]
        more, x = model._new_rows(self, X, y, entry, exit, sample_weight, offset)
        wide = max(x.shape[1], old.x.shape[1])
        rows, whole = (
            joined_rows(old.rows, more),
            np.concatenate([_wide(old.x, wide), _wide(x, wide)]),
        )
        known = old.component
        if known is not None:
            known = np.concatenate([known, np.full(more.n_rows, -1, known.dtype)])
        model._fit_from(self, rows, whole, known, little=more.n_units <= LITTLE * self.n_units_)
        labels = getattr(X, "index", None)  # that of a list is a method
        model._added = Added(more, x, None if callable(labels) else labels, self.parameters_)
        return model

    def _new_rows(
        self, previous: RegressionRefits, X: Covariates, y: ArrayLike, *given: ArrayLike | None
    ) -> tuple[Observations, np.ndarray]:
        """New rows with their covariates, for a model that has the columns of an earlier one."""
        model: Any = self
        model._check_parameters()
        entry, exit, sample_weight, offset = given
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(previous, name):
                setattr(model, name, getattr(previous, name))
        rounding = {"exit": exit, **model._rounding()}
        rows, x = checked_rows(model, X, y, entry, sample_weight, False, **rounding)
        model.penalty_ = previous.penalty_
        return rows, model._with_offset(x, offset)

    def _fit_from(
        self,
        previous: RegressionRefits,
        rows: Observations,
        x: np.ndarray,
        known: np.ndarray | None,
        little: bool,
    ) -> None:
        """Fit to all rows, from an earlier fit if that leads to a maximum."""
        model: Any = self
        trusted = previous.converged_ and (little or not _has_components(previous))
        if trusted and is_all_parameters(previous._fitted.form.template):
            model._from_here = previous.parameters_
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model._fit_all(rows, x, known)
            del model._from_here
            if model.parameter_names_ != previous.parameter_names_:
                raise ValueError(CHANGED)
            if model.converged_:
                for each in caught:
                    warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
                return
        model._fit_all(rows, x, known)

    def _fit_all(self, rows: Observations, x: np.ndarray, known: np.ndarray | None) -> None:
        """Fit to rows that are checked."""
        self._fit_rows(rows, x)  # type: ignore[attr-defined]

    def _near(self, layout: Layout, columns: Columns) -> np.ndarray | None:
        """Where the earlier fit ended, in standardized coefficients; None of a first fit."""
        here = self._from_here
        if here is None:
            return None
        change = to_natural(*_without_offset(layout, columns))
        if here.size != len(change):
            raise ValueError(CHANGED)
        return np.linalg.solve(change, here)

    def _begun(
        self, starts: np.ndarray, layout: Layout, columns: Columns
    ) -> tuple[np.ndarray, bool]:
        """Where to begin: at starts, or where an earlier fit ended, and which it is."""
        near = self._near(layout, columns)
        return (starts, False) if near is None else (near, True)

    @double_precision
    def changed_since(self, previous: RegressionRefits) -> pd.DataFrame:
        """What has moved since an earlier fit, by how much, and against which error.

        Parameters
        ----------
        previous : estimator
            An earlier fit of the same model, such as that whose `refit` gave this one.

        Returns
        -------
        DataFrame
            One row for each of `parameter_names_`: `before`, `after`, `change`, the
            `standard_error` that it has now, and `change_over_error`.

        Raises
        ------
        ValueError
            For a fit of another model.
        """
        self._check_fitted()  # type: ignore[attr-defined]
        names = getattr(previous, "parameter_names_", ())
        if type(previous) is not type(self) or names != self.parameter_names_:
            raise ValueError(
                f"previous must be a fitted {type(self).__name__} with the parameters "
                f"{', '.join(self.parameter_names_)}, got {previous!r}"
            )
        errors = np.sqrt(np.diag(self.covariance_))
        return changes(self.parameter_names_, previous.parameters_, self.parameters_, errors)

    @double_precision
    def moved_by(self, most: int = 10) -> pd.DataFrame:
        """The new rows of a `refit` that moved it most.

        Parameters
        ----------
        most : int, default 10
            How many rows to list.

        Returns
        -------
        DataFrame
            One row for each, with the label that it had in the caller's table (its number where
            there was none): `duration`, `event`, `weight`; `distance`, how far it moved the fit,
            in standard errors; and what it added to each parameter, named as in
            `parameter_names_`. The farthest stand first.

        Raises
        ------
        ValueError
            Where this fit is no refit.

        Notes
        -----
        The score s_i of a new row at the old parameters, in units of the information of all rows,
        C s_i with C the covariance now, is its part of Newton's first step from the old fit to
        this one. Distance is the square root of s_i' C s_i.
        """
        self._check_fitted()  # type: ignore[attr-defined]
        if "_added" not in self.__dict__:
            raise ValueError("moved_by lists new rows of a refit: call refit on an earlier fit")
        check_count(most, "most")
        added, training = self._added, self._training
        rows, (layout, columns) = added.rows, (training.layout, training.columns)
        change = to_natural(*_without_offset(layout, columns))
        theta, x = np.linalg.solve(change, added.before), _wide(added.x, columns.scale.size)
        score = scores(training.form, layout, theta, rows, x, columns) @ np.linalg.inv(change)
        score = rows.weight[:, None] * score
        steps = score @ self.covariance_
        distance = np.sqrt(np.maximum(np.sum(steps * score, axis=1), 0.0))
        order = np.argsort(-distance, kind="stable")[:most]
        inside = np.zeros(rows.n_rows, bool) if rows.interval is None else rows.interval > 0
        upper = rows.lower if rows.upper is None else np.where(inside, rows.upper, rows.lower)
        found = frame(
            {
                "duration": upper[order],
                "event": (inside | (rows.event > 0))[order],
                "weight": rows.weight[order],
                "distance": distance[order],
                **{name: steps[order, j] for j, name in enumerate(self.parameter_names_)},
            }
        )
        found.index = order if added.labels is None else added.labels[order]
        return found


def _without_offset(layout: Layout, columns: Columns) -> tuple[Layout, Columns]:
    """Both without the column of an offset, if there is one."""
    if not layout[0].offset:
        return layout, columns
    return without_offset(layout), Columns(columns.center[:-1], columns.scale[:-1])


def _wide(x: np.ndarray, n: int) -> np.ndarray:
    """Covariates with an offset of zero where others have one."""
    return np.pad(x, ((0, 0), (0, n - x.shape[1])))


def _has_components(model: RegressionRefits) -> bool:
    """Whether rows may have several maxima."""
    return bool(hasattr(model._fitted.form.template.inner()[1], "components"))
