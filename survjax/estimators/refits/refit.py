"""Fits of more rows that begin where the last one ended, and what has moved since."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.precision import double_precision
from survjax._core.validation import check_count
from survjax.data.joining import joined_rows
from survjax.data.observations import Observations
from survjax.data.recording import has_ties
from survjax.estimators.frames import frame
from survjax.fitting.edges.warm import from_known_maxima
from survjax.fitting.search import Maximum
from survjax.likelihood.vector.template import Template
from survjax.uncertainty.delta import response_errors, rows_needed
from survjax.uncertainty.modes import Maxima
from survjax.uncertainty.parametric.scores import scores

if TYPE_CHECKING:
    import pandas as pd

#: New units, as a share of the old, up to which known maxima of mixtures are trusted to be all.
LITTLE = 0.1


class Refits:
    """`refit`, `changed_since` and `moved_by` of a lifetime's estimator."""

    parameters_: np.ndarray
    covariance_: np.ndarray
    parameter_names_: tuple[str, ...]
    converged_: bool
    n_units_: float
    _template: Template
    _maxima: Maxima | None
    _rows: Observations
    #: Of a refit: the new rows, the labels of those, and the parameters before.
    _added: tuple[Observations, Any, np.ndarray]

    def _template_again(self) -> Template | None:
        """The template of a fit that begins at this one; None where it must begin anew."""
        raise NotImplementedError

    @double_precision
    def refit(
        self,
        durations: ArrayLike | Observations,
        event_observed: ArrayLike | None = None,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit to the rows of this fit and new ones, from where this fit ended.

        Parameters
        ----------
        durations, event_observed, entry, exit, sample_weight
            The new rows, as for `fit`; `Observations` for intervals. A unit that was still running
            at the last fit and is older now is not new: give its further life as a row that
            entered at the age it had (`entry`). No rows at all leave the fit as it is.

        Returns
        -------
        estimator
            A new one, fitted to old and new rows together; this one stays as it is, for
            `changed_since`.

        Raises
        ------
        ValueError
            Where this model has no rows (it was read from a file, or fitted to a stream too long
            for memory), or its settings were changed after its fit.

        Notes
        -----
        Newton's iterations begin at all maxima that count in the old fit's bounds: where little is
        new, they end after one to three steps. The answer is that of `fit` on all rows, with its
        certificate. `fit`'s own search is made where they lead to no interior maximum, where
        several components meet new units of more than a tenth of the old, and for models that
        bound parameters, choose their number of components, or take cuts or thresholds from the
        data.

        Examples
        --------
        >>> import numpy as np
        >>> from survjax import LifetimeModel
        >>> life = 40.0 * np.random.default_rng(0).weibull(2.0, 220)
        >>> before = LifetimeModel().fit(life[:200])
        >>> now = before.refit(life[200:])
        >>> now.n_units_, now.n_iter_ <= 3
        (220.0, True)
        >>> now.changed_since(before).loc["scale", "change_over_error"].round(1)
        np.float64(-0.4)
        """
        self._check_fitted()  # type: ignore[attr-defined]
        old = getattr(self, "_rows", None)
        if old is None or old.is_compressed:
            raise rows_needed("refit")
        model: Any = type(self)(**copy.deepcopy(self.get_params(deep=False)))  # type: ignore[attr-defined]
        model._check_parameters()
        template = model._template_again()
        if template is not None and not _is_same(template, self._template):
            raise ValueError(
                "the settings were changed after the fit, and refit goes on from it: set them "
                "back, or call fit with all rows"
            )
        if not isinstance(durations, Observations) and np.size(durations) == 0:
            more = old.take(slice(0))
        else:
            more = model._rows_of(durations, event_observed, entry, exit, sample_weight)
        rows = joined_rows(old, more).without_padding()
        rows = rows.compressed() if has_ties(rows.lower) else rows
        found = None if template is None else self._from_here(template, rows, more)
        if found is None:
            model._fit(rows)
        else:
            model._keep(template, rows, found)
            model._warn(rows)
        labels = getattr(durations, "index", None)  # that of a list is a method
        model._added = more, None if callable(labels) else labels, self.parameters_
        return model

    def _from_here(
        self, template: Template, rows: Observations, more: Observations
    ) -> Maximum | None:
        """What the old maxima become on all rows, unless others might be higher."""
        little = more.n_units <= LITTLE * self.n_units_
        if not self.converged_ or not (little or template.n_components == 1):
            return None
        points = self.parameters_[None] if self._maxima is None else self._maxima.parameters
        return from_known_maxima(template, rows, points, self._settings())  # type: ignore[attr-defined]

    @double_precision
    def changed_since(self, previous: Any) -> pd.DataFrame:
        """What has moved since an earlier fit, by how much, and against which error.

        Parameters
        ----------
        previous : estimator
            An earlier fit of the same model, such as that whose `refit` gave this one.

        Returns
        -------
        DataFrame
            One row a parameter, named as in `summary()`: `before`, `after`, `change`, the
            `standard_error` that it has now, and `change_over_error`. Components are compared in
            the order in which they lie nearest to each other.

        Raises
        ------
        ValueError
            For a fit of another model.
        """
        self._check_fitted()  # type: ignore[attr-defined]
        names = getattr(previous, "parameter_names_", None)
        if type(previous) is not type(self) or names != self.parameter_names_:
            raise ValueError(
                f"previous must be a fitted {type(self).__name__} with the parameters "
                f"{', '.join(self.parameter_names_)}, got {previous!r}"
            )
        template, x = self._template, self.parameters_
        before = previous.parameters_
        if self.converged_ and not template.constraints.is_any:
            before = template.aligned(before[None], x, np.linalg.inv(self.covariance_))[0]
        after, earlier = template.values(x), template.values(before)
        errors = response_errors(template, x, self.covariance_)
        return changes([quantity.name for quantity in template.quantities], earlier, after, errors)

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
            in standard errors; and what it added to each parameter, named as in `summary()`. The
            farthest stand first.

        Raises
        ------
        ValueError
            Where this fit is no refit.

        Notes
        -----
        The score s_i of a new row at the old parameters, in units of the information of all rows,
        C s_i with C the covariance now, is its part of Newton's first step from the old fit to
        this one: the parts of all new rows add up to that step. Distance is the square root of
        s_i' C s_i.
        """
        self._check_fitted()  # type: ignore[attr-defined]
        if "_added" not in self.__dict__:
            raise ValueError("moved_by lists new rows of a refit: call refit on an earlier fit")
        check_count(most, "most")
        rows, labels, x = self._added
        template = self._template
        score = rows.weight[:, None] * scores(template.at(x), rows) * template.constraints.free
        steps = score @ self.covariance_
        distance = np.sqrt(np.maximum(np.sum(steps * score, axis=1), 0.0))
        order = np.argsort(-distance, kind="stable")[:most]
        values, slopes, _ = template.link_derivatives(x)
        moved = (steps[order] @ slopes.T) * template.response_slope(values)
        upper = (
            rows.lower
            if rows.interval is None
            else np.where(rows.interval > 0, rows.upper, rows.lower)
        )
        seen = rows.event if rows.interval is None else rows.event + rows.interval
        columns = {
            "duration": upper[order],
            "event": seen[order].astype(bool),
            "weight": rows.weight[order],
            "distance": distance[order],
        }
        columns |= {q.name: moved[:, j] for j, q in enumerate(template.quantities)}
        found = frame(columns)
        found.index = order if labels is None else labels[order]
        return found


def changes(
    names: Sequence[str], before: np.ndarray, after: np.ndarray, errors: np.ndarray
) -> pd.DataFrame:
    """What has moved, one row a parameter, by how much, and against which error."""
    change = after - before
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(errors > 0, change / errors, np.nan)
    columns = {"before": before, "after": after, "change": change, "standard_error": errors}
    found = frame({**columns, "change_over_error": relative})
    found.index = list(names)
    found.index.name = "parameter"
    return found


def _is_same(one: Template, other: Template) -> bool:
    """Whether two templates have the same parameters, with the same of them held."""
    if one.names != other.names or type(one.lifetime) is not type(other.lifetime):
        return False
    return bool(np.array_equal(one.constraints.values, other.constraints.values, equal_nan=True))
