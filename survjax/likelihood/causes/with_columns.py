"""The likelihood of several causes whose lifetimes depend on covariates.

The rows' terms are those without covariates (`terms`), each row with a lifetime of its own; their
derivatives in the predictors of all causes are contracted with the columns as in any regression.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.programs import program
from survjax.data.observations import Observations
from survjax.likelihood.causes.rows import CauseData, SortedRows
from survjax.likelihood.causes.terms import TERMS, interval_terms
from survjax.likelihood.executors import executor
from survjax.likelihood.panels import Rates, in_calls
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.competing_form import CompetingForm
from survjax.likelihood.regression.forms import Layout
from survjax.likelihood.regression.likelihood import contract, predictors
from survjax.likelihood.regression.predictor_derivatives import derivatives_along


def _terms_of(name: str, form: CompetingForm, block: Any) -> Callable[[tuple[Any, ...]], Any]:
    """From predictors to the terms (n,) of one group of rows."""
    terms = dict(TERMS)[name]
    if terms is not interval_terms:
        return lambda eta: terms(form.lifetime(eta), block)

    def of_intervals(eta: tuple[Any, ...]) -> Any:
        wide = tuple(part[block.row] if jnp.ndim(part) else part for part in eta)
        return interval_terms(form.lifetime(eta), block, form.lifetime(wide))

    return of_intervals


@program(static_argnames=("layout",))
def _derivatives(
    form: CompetingForm,
    theta: jax.Array,
    given: CauseData,
    tables: dict[str, jax.Array],
    columns: tuple[jax.Array, ...],
    *,
    layout: Layout,
) -> tuple[Any, Any, Any]:
    """Log-likelihood with gradient (P,) and Hessian (P, P)."""

    def of_block(name: str, both: Any) -> tuple[Any, Any, Any]:
        block, x = both
        z = (x - columns[0]) / columns[1]
        eta = predictors(layout, theta, z)
        found = derivatives_along(_terms_of(name, form, block), eta)
        # Weights come last, on finite terms: zero times infinity would be NaN.
        counts, weight = block.weight != 0, block.weight
        value, first, second = (jnp.where(counts, weight * part, 0.0) for part in found)
        return jnp.sum(value), *contract(layout, z, first, second)

    parts = []
    for name in tables:
        both, run = (getattr(given, name), tables[name]), partial(of_block, name)
        # Nodes belong to rows, so that they are no blocks.
        blocks = name != "intervals"
        sums = executor(with_columns=True).in_blocks(run, both) if blocks else run(both)
        parts.append(sums)
    value, gradient, hessian = (sum(part[1:], part[0]) for part in zip(*parts, strict=True))
    return value, gradient, hessian


@program
def _rates(form: CompetingForm, t: jax.Array, *eta: Any) -> tuple[Any, Any]:
    """Log hazards of the causes (K, m) and cumulative hazards (m,) from predictors (m,)."""
    lifetime = form.lifetime(eta)
    return lifetime.each(lambda cause: cause.log_hazard(t)), lifetime.cumulative_hazard(t)


def rates_of_rows(
    form: CompetingForm, layout: Layout, theta: np.ndarray, x: np.ndarray, columns: Columns
) -> Rates:
    """The rates of units from birth, each by its covariates x (n, p)."""
    z, eta, start = (x - columns.center) / columns.scale, [], 0
    for item in layout:
        at = np.array(item.columns)
        own = theta[start : start + at.size]
        start += at.size
        eta.append(own[at == 0].sum() + z[:, at[at > 0] - 1] @ own[at > 0])

    def at_nodes(t: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logs, hazard = in_calls(partial(_rates, form), t, *(part[unit] for part in eta))
        return logs, hazard

    return at_nodes


@dataclasses.dataclass(frozen=True)
class CauseUnits:
    """Units with covariates that several causes end, under a model of each cause.

    Attributes
    ----------
    form, layout, columns
        The model, over a table with a copy of the columns for each cause.
    rows : Observations
        Of n units.
    allowed : bool array of shape (n, K)
        The causes that each may have ended of.
    x : array of shape (n, p)
        Their covariates.
    near : array of shape (P,)
        Coefficients for which integrals over intervals are resolved.
    """

    form: CompetingForm
    layout: Layout
    columns: Columns
    rows: Observations
    allowed: np.ndarray
    x: np.ndarray
    near: np.ndarray

    @cached_property
    def likelihood(self) -> CauseLikelihood:
        """Their log-likelihood."""
        return CauseLikelihood(self)


class CauseLikelihood:
    """The log-likelihood of such units, as a function of all coefficients (P,)."""

    def __init__(self, units: CauseUnits) -> None:
        self.form, self.layout, self.columns = units.form, units.layout, units.columns
        self.n_units = units.rows.n_units
        self.sorted = SortedRows.of(units.rows, units.allowed)
        x = np.tile(units.x, (1, len(units.form.forms)))
        near = rates_of_rows(units.form, units.layout, units.near, x, units.columns)
        given, tables = self.sorted.data(near), {}
        for name in self.sorted.places:
            own = x[self.sorted.source(name)]
            size = getattr(given, name).weight.shape[0]
            tables[name] = np.pad(own, ((0, size - len(own)), (0, 0)), mode="edge")
        self.given, self.tables = jax.device_put((given, tables))

    def drawn(self, times: np.ndarray) -> CauseLikelihood:
        """The same with each unit as many times (n,) as asked."""
        found = copy.copy(self)
        found.given = self.sorted.drawn(self.given, times)
        return found

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Value, gradient (P,) and Hessian (P, P)."""
        columns = (self.columns.center, self.columns.scale)
        found = _derivatives(self.form, theta, self.given, self.tables, columns, layout=self.layout)
        value, gradient, hessian = (np.asarray(part) for part in found)
        return float(value), gradient, hessian
