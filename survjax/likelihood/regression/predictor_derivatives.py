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
from survjax.likelihood.cured_rows import (
    log_weights_beside,
    never_fails,
    over_all_that_can_fail,
)
from survjax.likelihood.regression.forms import Form
from survjax.likelihood.row_derivatives import (
    RowDerivatives,
    component_derivatives,
    only_parameters,
    row_terms,
)
from survjax.likelihood.rows import positions_of_sums

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
    simple = _is_simple(form.template)
    if form.modifier is None and simple:
        return _template_derivatives(form.lifetime(eta), rows, component)
    if form.scales_hazard and simple and rows.interval is None and not form.base_fixed:
        return _scaled_derivatives(form, eta, rows)
    return general_predictor_derivatives(form, eta, rows)


def _inside(lifetime: Any) -> tuple[Any, Any]:
    """What can fail, and the logit of the share that never does, None without one."""
    cured = getattr(lifetime, "logit_cured_share", None)
    return (lifetime, None) if cured is None else (lifetime.base, cured)


def _is_simple(template: Any) -> bool:
    """Whether a template is one stack, or one lifetime of plain numbers, or that beside a share."""
    inside, _ = _inside(template)
    parts = getattr(inside, "components", inside)
    return not isinstance(parts, tuple) and only_parameters(parts)


def _is_mixed(lifetime: Any) -> bool:
    """Whether units are of several kinds, one of which may never fail."""
    inside, cured = _inside(lifetime)
    return cured is not None or hasattr(inside, "components")


def _template_derivatives(
    lifetime: Any, rows: Observations, component: Any = None
) -> tuple[Any, Any, Any]:
    """Derivatives (n,), (Q, n), (Q, Q, n) of each row's term in the parameters of a template."""
    if _is_mixed(lifetime):
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
    if _is_mixed(base):
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
    return derivatives_along(lambda moved: row_terms(form.lifetime(moved), rows), eta)


def derivatives_along(
    terms: Callable[[tuple[Any, ...]], Any], eta: Sequence[Any]
) -> tuple[Any, Any, Any]:
    """Values (n,) of each row's term with derivatives (Q, n), (Q, Q, n) in its Q predictors."""
    size = len(eta)

    def at(moved: jax.Array) -> jax.Array:
        return terms(tuple(part + moved[q] for q, part in enumerate(eta)))

    def along(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def derivative(moved: jax.Array) -> jax.Array:
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


def _symmetric(upper: Sequence[Sequence[Any]]) -> jax.Array:
    """(P, P, ...) from the rows of its upper triangle."""
    size = len(upper)
    return jnp.stack(
        [jnp.stack([upper[min(a, b)][abs(a - b)] for b in range(size)]) for a in range(size)]
    )


def _mixture_derivatives(lifetime: Any, rows: Observations, component: Any) -> tuple[Any, Any, Any]:
    """Derivatives of the components, mixed, perhaps beside a share that never fails."""
    inside, cured = _inside(lifetime)
    alone = jnp.zeros((1, 1)) if not hasattr(inside, "components") else inside.log_weights
    k = alone.shape[0]
    among = alone.reshape(k, -1)
    parts = getattr(inside, "components", inside)
    stack = jax.tree.map(lambda leaf: jnp.reshape(leaf, (k, -1)), parts)
    barred = None
    if component is not None:
        barred = (component >= 0) & (component != jnp.arange(k)[:, None])
    kinds = [component_derivatives(stack, rows)]
    if cured is None:
        return mix(among, kinds, barred)
    if barred is not None:
        barred = jnp.concatenate([barred, (component >= 0)[None]])
    log_weights = log_weights_beside(among, jnp.asarray(cured))
    value, first, second = mix(log_weights, [*kinds, never_fails(rows)], barred)
    return value, *over_all_that_can_fail(first, second, among)


def mix(
    log_weights: jax.Array, kinds: list[RowDerivatives], barred: Any = None
) -> tuple[Any, Any, Any]:
    """The jet of log sum_k w_k exp(q_k) in the K - 1 logits and the parameters of all kinds.

    With r the responsibilities and s_k = dq_k: the score is [r - w; r_k s_k], and the Hessian
    r_k (d2 q_k + s_k s_k') - S S' and its kin (Louis 1982), row by row. Each of `kinds` is a stack
    of components.
    """
    joint = jnp.concatenate([kind.value for kind in kinds]) + log_weights
    k, n = joint.shape
    if barred is not None:
        joint = jnp.where(barred, NEVER, joint)
    log_total = jax.nn.logsumexp(joint, axis=0)
    r = jnp.exp(joint - log_total)
    w = jnp.broadcast_to(jnp.exp(log_weights), (k, n))[1:]
    scores, curved, sizes = [r], [], []
    begin = 0
    for kind in kinds:
        size, own_k, _ = kind.first.shape
        mine = r[begin : begin + own_k]
        begin += own_k
        own = mine * kind.first
        upper = [(a, b) for a in range(size) for b in range(a, size)]
        scores.append(own.reshape(size * own_k, n))
        curved += [mine * kind.second[i] + own[a] * kind.first[b] for i, (a, b) in enumerate(upper)]
        sizes.append((own_k, size))
    spread = jnp.concatenate(scores)[1:]
    once = jnp.concatenate([r[:1], spread, *curved])
    # Second moments of [r; r s] are subtracted in full; then the parts within one component.
    where, some = positions_of_sums(tuple(sizes))
    hessian = once[where] * some[..., None] - spread[:, None] * spread[None]
    if k > 1:
        of_weights = w[:, None] * w[None] - np.eye(len(w))[..., None] * w[None]
        hessian = hessian.at[: len(w), : len(w)].add(of_weights)
    score = spread.at[: len(w)].add(-w) if k > 1 else spread
    return log_total, score, hessian
