"""Tables of a fit, for a terminal and for a notebook."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from survjax._core.precision import double_precision
from survjax.data.observations import Observations
from survjax.estimators.frames import frame, parameter_columns
from survjax.estimators.lifetime.predictions import check_level
from survjax.estimators.lifetime.state import FittedState
from survjax.fitting.history import distinct, path_from, path_values
from survjax.fitting.settings import Settings
from survjax.likelihood.vector.prior_terms import whole
from survjax.prediction.curves import response_value
from survjax.uncertainty.delta import response_errors, rows_needed
from survjax.uncertainty.modes import bounded

if TYPE_CHECKING:
    import pandas as pd

#: What a summary says of the whole fleet, besides the components: curve, argument and name.
FLEET = (("mean", 0.0, "mean"), ("quantile", 0.1, "q10"), ("quantile", 0.5, "q50"))

_STYLE = (
    "<style>.survjax table{border-collapse:collapse;margin:.4em 0}.survjax th,.survjax td"
    "{padding:.15em .6em;text-align:right;border-bottom:1px solid #8884}.survjax th:first-child"
    "{text-align:left}.survjax caption{text-align:left;font-weight:bold}</style>"
)


class Summary(FittedState):
    """Summary and notebook table of a fitted lifetime."""

    _check_fitted: Callable[[], None]
    _parameter_bounds: Callable[[float, str], tuple[np.ndarray, Any]]
    _known_bounds: Callable[[float], tuple[np.ndarray, Any]]
    _template: Any

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """Natural parameters and mean, 10 % and median life, with errors and bounds.

        Parameters
        ----------
        level : float, default 0.95
            Of the bounds.

        Returns
        -------
        DataFrame
            One row a quantity (`weight_1`, ..., `scale_1`, ..., `shape_1`, ..., `mean`, `q10`,
            `q50`), with `estimate`, `standard_error`, `lower`, `upper` and `bounds`, the method
            that gave them; `z`, `p_value` and `ratio`, which every summary has, are NaN: nothing
            is tested here. With priors there is also `prior`, each parameter's. Standard errors
            are by the delta method. Bounds of the parameters of
            several components are profile likelihood bounds (computed at the first call), since
            delta bounds are too short for them; the rest are delta bounds on link scales.
        """
        names, columns = summary_columns(self, level)
        return frame(columns, names=names)

    def _summary(
        self, table: np.ndarray, method: str | list[str], level: float
    ) -> tuple[list[str], dict[str, Any]]:
        """Rows and columns, given bounds (m, 2) of parameters, and how each was found."""
        template = self._template
        words = [method] * len(table) if isinstance(method, str) else method
        words = self._constraint_words(words)
        estimate = template.values(self.parameters_)
        error = response_errors(template, self.parameters_, self.covariance_)
        # The one weight of a single component is no news.
        first = 1 if template.is_mixture and template.n_components == 1 else 0
        names = [q.name for q in template.quantities]
        curves = tuple(curve for curve, _, _ in FLEET)
        t = np.array([[argument] for _, argument, _ in FLEET])
        values, errors, low, high = (
            part[:, 0]
            for part in bounded(
                self.lifetime_, self.covariance_, self._maxima, curves, t, np.zeros(1), level
            )
        )
        life = response_value("mean", values)
        # What never comes has no error.
        life_errors = np.where(np.isfinite(life), life, np.nan) * errors
        found = parameter_columns(
            np.concatenate([estimate[first:], life]),
            np.concatenate([error[first:], life_errors]),
            np.concatenate([table[first:, 0], low]),
            np.concatenate([table[first:, 1], high]),
            [*words[first:], *["delta"] * len(FLEET)],
        )
        if self.priors:
            known = {i: str(p) for n, p in self.priors.items() for i in template.named(whole(n))}
            shown = [known.get(i, "flat") for i in range(first, len(names))]
            found["prior"] = [*shown, *[""] * len(FLEET)]
        return [*names[first:], *(name for _, _, name in FLEET)], found

    def _constraint_words(self, words: list[str]) -> list[str]:
        """Where bounds come from: of what is held, from the user."""
        template = self._template
        own = np.delete(template.constraints.words(), template.logits).tolist()
        weights, rest = words[: -len(own)], words[-len(own) :]
        return [*weights, *(word or other for word, other in zip(own, rest, strict=True))]

    def _repr_html_(self) -> str:
        """What a notebook shows; every string in it is escaped."""
        title = f"<div class='survjax'>{_STYLE}<strong>{escape(repr(self))}</strong>"
        if not hasattr(self, "parameters_"):
            return f"{title}<p>not fitted yet</p></div>"
        parts = [title, _html_table("Fit", *self._facts()), self._html_summary()]
        if hasattr(self, "selection_"):
            chosen = self.selection_
            parts.append(
                _html_table(
                    "Number of components", list(chosen.columns), chosen.to_numpy().tolist()
                )
            )
        return "".join(parts) + "</div>"

    def _facts(self) -> tuple[list[str], list[list[Any]]]:
        """Head and only row of the table that describes the fit."""
        facts = {
            "units": self.n_units_,
            "failures": self.n_events_,
            "log-likelihood": self.log_likelihood_,
            "AIC": self.aic_,
            "BIC": self.bic_,
            **({"log-posterior": self.log_posterior_} if self.priors else {}),
            "verdict": "; ".join(self.certificate_.violations) or self.certificate_.status,
            "decrement": self.certificate_.decrement,
            "starts agreeing": f"{self.certificate_.n_agreeing} of {self.certificate_.n_starts}",
        }
        return list(facts), [list(facts.values())]

    @double_precision
    def _html_summary(self) -> str:
        """The summary with the bounds that are known already: looking must not take seconds."""
        table, method = self._known_bounds(0.95)
        names, columns = self._summary(table, method, 0.95)
        shown = frame(columns, names=names)
        rows = [
            [name, *row] for name, row in zip(shown.index, shown.to_numpy().tolist(), strict=True)
        ]
        return _html_table("Estimates, 95% bounds", ["", *shown.columns], rows)


@double_precision
def summary_columns(model: Summary, level: float) -> tuple[list[str], dict[str, Any]]:
    """Rows and columns of `summary`, for those who need no frame and no pandas."""
    model._check_fitted()
    table, method = model._parameter_bounds(check_level(level), "auto")
    return model._summary(table, method, level)


class Report(Summary):
    """Summary, history and notebook table of a fitted mixture."""

    _settings: Callable[[], Settings]
    _rows: Observations
    _path: np.ndarray
    tol: float
    max_iter: int

    @cached_property
    def history_(self) -> pd.DataFrame:
        """The path of the start that led to the answer, as it was taken.

        One row an iteration: `iteration`, `log_likelihood` (of all rows, at that point), then
        `weight_1`, ..., `scale_1`, ..., `shape_1`, ....
        """
        self._check_fitted()
        if not hasattr(self, "_rows"):
            raise AttributeError(str(rows_needed("history_")))
        return self._history()

    @double_precision
    def _history(self, start: np.ndarray | None = None) -> pd.DataFrame:
        """The path from a start, the fit's own by default."""
        template = self._template
        points = self._path
        if start is not None:
            points = path_from(template, start, self._rows, self._settings())
        points = distinct(points)
        points = points @ template.reordering(template.median_order(points[-1])).T
        columns = {
            "iteration": np.arange(len(points)),
            "log_likelihood": path_values(template, points, self._rows),
        }
        values = np.array([template.values(point) for point in points])
        columns |= {q.name: values[:, i] for i, q in enumerate(template.quantities)}
        return frame(columns)


def _html_table(caption: str, head: list[str], rows: list[list[Any]]) -> str:
    """A table of escaped cells."""

    def cell(value: Any) -> str:
        number = isinstance(value, (float, np.floating))
        return escape(f"{value:.6g}" if number else str(value))

    top = "".join(f"<th>{cell(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell(value)}</td>" for value in row) + "</tr>" for row in rows
    )
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )
