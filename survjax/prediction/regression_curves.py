"""Curves and remaining life of each asset under a regression, with delta-method errors.

Every asset gets its own copy of the Q predictors: one reverse pass gives the gradient of all of
them, which X takes to the coefficients. No array holds assets by coefficients beyond a block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from survjax._core.numerics import padded_blocks
from survjax._core.programs import program
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.forms import Form, Layout, with_offset
from survjax.likelihood.regression.likelihood import predictors
from survjax.prediction.curves import SAME, link_value, log_odds
from survjax.prediction.predictive import centers, where_reached

#: Assets worked on at once.
UNITS = 1024


class FittedForm(NamedTuple):
    """A regression's answer: everything that predictions need."""

    form: Form
    layout: Layout
    theta: np.ndarray
    covariance: np.ndarray | None
    columns: Columns

    def reading(self, x: np.ndarray) -> FittedForm:
        """The same for a table x, which may have an offset of the first predictor at its end."""
        if x.shape[1] == self.columns.center.size:
            return self
        layout = with_offset(self.layout)
        return self._replace(layout=layout, columns=self.columns.with_offset())


def error_of(layout: Layout, slope: jax.Array, z: jax.Array, covariance: jax.Array) -> jax.Array:
    """Standard error from the slopes in the predictors (Q, n), covariates (n, p)."""
    full = jnp.concatenate([jnp.ones((1, z.shape[0])), z.T])
    parts = [slope[q] * full[jnp.array(item.columns)] for q, item in enumerate(layout)]
    along = jnp.concatenate(parts)
    return jnp.sqrt(jnp.maximum(jnp.sum((covariance @ along) * along, axis=0), 0.0))


def predictors_of(layout: Layout, theta: jax.Array, z: jax.Array) -> jax.Array:
    """The predictors of every asset, (Q, n)."""
    return jnp.stack([jnp.broadcast_to(e, z.shape[:1]) for e in predictors(layout, theta, z)])


@program(static_argnames=("layout", "curve", "errors"))
def _evaluate(
    form: Form,
    theta: jax.Array,
    covariance: jax.Array,
    columns: jax.Array,
    t: jax.Array,
    x: jax.Array,
    ages: jax.Array,
    *,
    layout: Layout,
    curve: str,
    errors: bool,
) -> tuple[Any, Any]:
    def block(part: tuple[jax.Array, ...]) -> tuple[Any, Any]:
        t, x, ages = part
        z = (x - columns[0]) / columns[1]

        def total(eta: jax.Array) -> tuple[jax.Array, jax.Array]:
            values = link_value(form.lifetime(tuple(eta)).given(ages), curve, t)
            return jnp.sum(values), values

        eta = predictors_of(layout, theta, z)
        if not errors:
            values = total(eta)[1]
            return values, jnp.zeros_like(values)
        (_, values), slope = jax.value_and_grad(total, has_aux=True)(eta)
        return values, error_of(layout, slope, z, covariance)

    return lax.map(block, (t, x, ages))


def evaluate(
    fitted: FittedForm, curves: tuple[str, ...], t: np.ndarray, x: np.ndarray, ages: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Safe values and standard errors of curves of each asset's remaining life.

    Parameters
    ----------
    fitted : FittedForm
        Without a covariance the errors are zero, at less cost.
    curves : tuple of str
        As in `inference.curves`.
    t : array of shape (len(curves), n)
        Times since the age, or failed shares for "quantile".
    x, ages : arrays of shape (n, p) and (n,)
        Covariates as given, and ages reached.

    Returns
    -------
    values, errors : arrays of shape (len(curves), n)
    """

    def one(
        curve: str, t: np.ndarray, x: np.ndarray, ages: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        values, errors = _evaluate(
            fitted.form,
            fitted.theta,
            _known_covariance(fitted),
            (fitted.columns.center, fitted.columns.scale),
            padded_blocks(t, UNITS),
            padded_blocks(x, UNITS),
            padded_blocks(ages, UNITS),
            layout=fitted.layout,
            curve=curve,
            errors=fitted.covariance is not None,
        )
        return np.asarray(values).ravel()[: t.size], np.asarray(errors).ravel()[: t.size]

    return curve_by_curve(one, curves, np.atleast_2d(np.asarray(t, float)), x, ages)


def curve_by_curve(
    one: Callable[..., Any], curves: tuple[str, ...], t: np.ndarray, x: np.ndarray, ages: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values and errors of several curves by a function of one, which is compiled once for each.

    Quantiles that differ only in their shares are one curve for more assets.
    """
    values, errors = np.empty(t.shape), np.empty(t.shape)
    kinds = [SAME.get(curve, curve) for curve in curves]
    for curve in dict.fromkeys(kinds):
        rows = [i for i, kind in enumerate(kinds) if kind == curve]
        many = len(rows)
        found = one(curve, t[rows].ravel(), np.tile(x, (many, 1)), np.tile(ages, many))
        for part, filled in zip(found, (values, errors), strict=True):
            filled[rows] = part.reshape(many, -1)
    return values, errors


def _known_covariance(fitted: FittedForm) -> np.ndarray:
    p = fitted.theta.size
    return np.zeros((p, p)) if fitted.covariance is None else fitted.covariance


@program(static_argnames=("layout",))
def _predictive(
    form: Form,
    theta: jax.Array,
    covariance: jax.Array,
    columns: jax.Array,
    units: tuple[jax.Array, jax.Array],
    share: jax.Array,
    table: jax.Array,
    *,
    layout: Layout,
) -> jax.Array:
    """Remaining life at which the predictive failed share reaches a share."""

    def block(part: tuple[jax.Array, ...]) -> Any:
        x, ages = part
        z = (x - columns[0]) / columns[1]
        eta = predictors_of(layout, theta, z)

        def at(life: jax.Array) -> tuple[jax.Array, jax.Array]:
            def total(eta: jax.Array) -> tuple[jax.Array, jax.Array]:
                y = jnp.log(form.lifetime(tuple(eta)).given(ages).cumulative_hazard(life))
                return jnp.sum(y), y

            (_, y), slope = jax.value_and_grad(total, has_aux=True)(eta)
            return y, error_of(layout, slope, z, covariance)

        rest = form.lifetime(tuple(eta)).given(ages)
        return where_reached(
            at, rest.inverse_cumulative_hazard(-jnp.log1p(-share) + 0.0 * ages), table
        )

    return lax.map(block, units)


def prediction_interval(
    fitted: FittedForm, x: np.ndarray, ages: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (n,), (n,) that hold each asset's realized remaining life with chance `level`."""
    n, tail = x.shape[0], 0.5 - level / 2
    if np.isnan(_known_covariance(fitted)).any():  # a fit without errors
        return np.full(n, np.nan), np.full(n, np.nan)
    units = padded_blocks(x, UNITS), padded_blocks(ages, UNITS)
    columns = (fitted.columns.center, fitted.columns.scale)
    found = (
        _predictive(
            fitted.form,
            fitted.theta,
            _known_covariance(fitted),
            columns,
            units,
            share,
            centers(share),
            layout=fitted.layout,
        )
        for share in (tail, 1.0 - tail)
    )
    low, high = (np.asarray(part).ravel()[:n] for part in found)
    return low, high


@program(static_argnames=("layout",))
def _memberships(
    form: Any,
    theta: jax.Array,
    columns: jax.Array,
    x: jax.Array,
    ages: jax.Array,
    failed: jax.Array,
    *,
    layout: Layout,
) -> jax.Array:
    def block(part: tuple[jax.Array, ...]) -> Any:
        x, ages, failed = part
        eta = predictors_of(layout, theta, (x - columns[0]) / columns[1])
        return form.lifetime(tuple(eta)).log_membership(ages, failed)

    return lax.map(block, (x, ages, failed))


def memberships(
    fitted: FittedForm, x: np.ndarray, ages: np.ndarray, failed: np.ndarray
) -> np.ndarray:
    """P(component | running at its age, or failed then) of each unit: (K, n)."""
    n = x.shape[0]
    columns = (fitted.columns.center, fitted.columns.scale)
    blocks = padded_blocks(x, UNITS), padded_blocks(ages, UNITS), padded_blocks(failed, UNITS)
    found = _memberships(fitted.form, fitted.theta, columns, *blocks, layout=fitted.layout)
    return np.exp(np.asarray(found)).transpose(1, 0, 2).reshape(found.shape[1], -1)[:, :n]


@program(static_argnames=("layout",))
def _membership_logits(
    form: Any, theta: Any, covariance: jax.Array, columns: jax.Array, units: Any, *, layout: Layout
) -> tuple[jax.Array, jax.Array]:
    def block(part: tuple[jax.Array, ...]) -> Any:
        x, ages, failed = part
        z = (x - columns[0]) / columns[1]

        def total(eta: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
            logit = log_odds(form.lifetime(tuple(eta)).log_membership(ages, failed))[k]
            return jnp.sum(logit), logit

        eta, found = predictors_of(layout, theta, z), []
        for k in range(form.n_kinds):
            (_, logit), slope = jax.value_and_grad(total, has_aux=True)(eta, k)
            found.append((logit, error_of(layout, slope, z, covariance)))
        logits, errors = zip(*found, strict=True)
        return jnp.stack(logits), jnp.stack(errors)

    return lax.map(block, units)


def membership_logits(
    fitted: FittedForm, x: np.ndarray, ages: np.ndarray, failed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Logits of `memberships`, on which errors are symmetric, and their standard errors: (K, n)."""
    form: Any = fitted.form
    n = x.shape[0]
    if form.n_kinds == 1:
        return np.full((1, n), np.inf), np.zeros((1, n))
    columns = (fitted.columns.center, fitted.columns.scale)
    units = padded_blocks(x, UNITS), padded_blocks(ages, UNITS), padded_blocks(failed, UNITS)
    found = _membership_logits(
        form, fitted.theta, _known_covariance(fitted), columns, units, layout=fitted.layout
    )
    logits, errors = (
        np.asarray(part).transpose(1, 0, 2).reshape(part.shape[1], -1)[:, :n] for part in found
    )
    return logits, errors
