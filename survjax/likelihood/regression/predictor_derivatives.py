"""Derivatives of each row's log-likelihood in its linear predictors, for blocks of rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax.data.observations import Observations
from survjax.data.truncation_rows import truncation_rows
from survjax.lifetimes import Lifetime
from survjax.likelihood.regression.forms import Form
from survjax.likelihood.row_derivatives import (
    component_derivatives,
    only_parameters,
    row_terms,
)
from survjax.likelihood.rows import positions_of_sums
from survjax.likelihood.vector.template import Template

#: Log-weight of a component that a unit is known not to belong to; finite, so that gradients are.
NEVER = -1e300


def predictor_derivatives(
    form: Form, eta: Sequence[Any], rows: Observations, component: Any = None
) -> tuple[Any, Any, Any]:
    """Log-likelihood of each row with derivatives in its Q predictors.

    Parameters
    ----------
    form : Form
        The model.
    eta : sequence of Q arrays of shape (n,) or ()
        The predictors.
    rows : Observations
        n rows; what had to happen for a unit to be seen at all is taken off again.
    component : array of shape (n,), optional
        Of a mixture: the component each unit is known to belong to, -1 where it is not known.

    Returns
    -------
    value, first, second : arrays of shape (n,), (Q, n), (Q, Q, n)
        Before the weights.
    """
    if rows.entry is None and rows.exit is None:
        return _observed_derivatives(form, eta, rows, component)
    own = dataclasses.replace(rows, entry=None, exit=None)
    seen = truncation_rows(rows.reweighted(jnp.ones_like(rows.log_lower)))
    found = _observed_derivatives(form, eta, own, component)
    # Known or not of which component a unit is, all of them could have been seen.
    less = _observed_derivatives(form, eta, seen, None)
    return jax.tree.map(lambda part, of: part - jnp.where(seen.weight != 0, of, 0.0), found, less)


def _observed_derivatives(
    form: Form, eta: Sequence[Any], rows: Observations, component: Any
) -> tuple[Any, Any, Any]:
    """`predictor_derivatives` of rows without truncation."""
    if form.modifier is None:
        return _template_derivatives(form.lifetime(eta), rows, component)
    simple = rows.interval is None and not form.held and _has_row_derivatives(form.template)
    if form.scales_hazard and simple:
        return _scaled_derivatives(form, eta, rows)
    return general_predictor_derivatives(form, eta, rows)


def _has_row_derivatives(template: Lifetime) -> bool:
    """Whether a template is one stack of components, or one lifetime of plain parameters."""
    stacks = Template(template).stacks
    return len(stacks) == 1 and only_parameters(stacks[0].lifetime)


def _template_derivatives(
    lifetime: Any, rows: Observations, component: Any = None
) -> tuple[Any, Any, Any]:
    """Derivatives (n,), (Q, n), (Q, Q, n) of each row's term in the parameters of a template."""
    if hasattr(lifetime, "components"):
        return _mixture_derivatives(lifetime, rows, component)
    stack = jax.tree.map(lambda leaf: jnp.reshape(leaf, (1, -1)), lifetime)
    value, first, second = _per_component(stack, rows)
    return value[0], first[:, 0], second[:, :, 0]


def _scaled_derivatives(form: Form, eta: Sequence[Any], rows: Observations) -> tuple[Any, Any, Any]:
    """Derivatives where the first predictor multiplies the hazard of a base by its exponential.

    With the base's log hazard g and log survival s, and r = exp(eta), a row adds
    d (eta + g) + r s. Of one lifetime that is r times the term of a row with d / r failures; of a
    mixture, whose g is that of its density less s, d (eta + g + s) + (r - d) s.
    """
    base, death = form.base(eta), rows.event
    one, ratio = jnp.ones_like(death), jnp.exp(jnp.asarray(eta[0]))
    value, own, curved = _template_derivatives(base, dataclasses.replace(rows, event=0.0 * one))
    if hasattr(base, "components"):
        died = _template_derivatives(base, dataclasses.replace(rows, event=one))
        alive = (ratio - death) * value, (ratio - death) * own, (ratio - death) * curved
        whole = [death * part + rest for part, rest in zip(died, alive, strict=True)]
    else:
        failed = _template_derivatives(base, dataclasses.replace(rows, event=death / ratio))
        whole = [ratio * part for part in failed]
    slope, mixed = ratio * value, ratio * own
    first = jnp.concatenate([(death + slope)[None], whole[1]])
    top = jnp.concatenate([slope[None, None], mixed[None]], axis=1)
    rest = jnp.concatenate([mixed[:, None], whole[2]], axis=1)
    return death * eta[0] + whole[0], first, jnp.concatenate([top, rest])


def general_predictor_derivatives(
    form: Form, eta: Sequence[Any], rows: Observations
) -> tuple[Any, Any, Any]:
    """Any form's jet by forward mode over forward mode, all directions at once."""
    size = len(eta)

    def at(moved: Any) -> Any:
        shifted = tuple(part + moved[q] for q, part in enumerate(eta))
        return row_terms(form.lifetime(shifted), rows)

    def along(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def derivative(moved: Any) -> Any:
            push = lambda v: jax.jvp(function, (moved,), (v,))[1]  # noqa: E731
            return jax.vmap(push)(jnp.eye(size))

        return derivative

    zero = jnp.zeros(size)
    return at(zero), along(at)(zero), along(along(at))(zero)


def _per_component(stack: Lifetime, rows: Observations) -> tuple[Any, Any, Any]:
    """Derivatives (K, n), (P, K, n), (P, P, K, n) of a stack with leaves (K, n) or (K, 1)."""
    found = component_derivatives(stack, rows)
    size, i = found.first.shape[0], 0
    upper: list[list[Any]] = []
    for a in range(size):
        upper.append([found.second[i + b] for b in range(size - a)])
        i += size - a
    return found.value, found.first, _symmetric(upper)


def _symmetric(upper: Sequence[Sequence[Any]]) -> Any:
    """(P, P, ...) from the rows of its upper triangle."""
    size = len(upper)
    return jnp.stack(
        [jnp.stack([upper[min(a, b)][abs(a - b)] for b in range(size)]) for a in range(size)]
    )


def _mixture_derivatives(mixture: Any, rows: Observations, component: Any) -> tuple[Any, Any, Any]:
    """Derivatives of the components, mixed."""
    log_weights = mixture.log_weights
    k = log_weights.shape[0]
    log_weights = log_weights.reshape(k, -1)
    stack = jax.tree.map(lambda leaf: jnp.reshape(leaf, (k, -1)), mixture.components)
    barred = None
    if component is not None:
        barred = (component >= 0) & (component != jnp.arange(k)[:, None])
    return mix(log_weights, *component_derivatives(stack, rows), barred)


def mix(
    log_weights: Any, value: Any, first: Any, pairs: Any, barred: Any = None
) -> tuple[Any, Any, Any]:
    """The jet of log sum_k w_k exp(q_k) in the K - 1 logits and the P K parameters.

    With r the responsibilities and s_k = dq_k: the score is [r - w; r_k s_k], and the Hessian
    r_k (d2 q_k + s_k s_k') - S S' and its kin (Louis 1982), row by row. `pairs` are the second
    derivatives of the upper triangle, (P (P + 1) / 2, K, n).
    """
    size, k, n = first.shape
    joint = value + log_weights
    if barred is not None:
        joint = jnp.where(barred, NEVER, joint)
    log_total = jax.nn.logsumexp(joint, axis=0)
    r = jnp.exp(joint - log_total)
    w = jnp.broadcast_to(jnp.exp(log_weights), (k, n))[1:]
    own = r * first
    upper = [(a, b) for a in range(size) for b in range(a, size)]
    curved = [r * pairs[i] + own[a] * first[b] for i, (a, b) in enumerate(upper)]
    once = jnp.concatenate([r, own.reshape(size * k, n), *curved])
    # Second moments of [r; r s] are subtracted in full; then the parts within one component.
    where, some = positions_of_sums(((k, size),))
    spread = once[1 : k * (size + 1)]
    hessian = once[where] * some[..., None] - spread[:, None] * spread[None]
    if k > 1:
        of_weights = w[:, None] * w[None] - np.eye(len(w))[..., None] * w[None]
        hessian = hessian.at[: len(w), : len(w)].add(of_weights)
    score = spread.at[: len(w)].add(-w) if k > 1 else spread
    return log_total, score, hessian
