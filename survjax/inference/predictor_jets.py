"""Derivatives of each row's log-likelihood in its linear predictors, for blocks of rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from survjax._core.observations import Observations
from survjax.inference.forms import FAMILIES, AcceleratedForm, Form, MixtureForm
from survjax.inference.jets import component_jet, row_terms, truncation_terms
from survjax.inference.likelihood import log_contributions
from survjax.lifetimes import Lifetime

#: Log-weight of a component that a unit is known not to belong to; finite, so that gradients are.
NEVER = -1e300
#: Families whose derivatives along one number are cheaper than along scale and shape.
LOCATED = ("lognormal", "loglogistic")


def predictor_jet(
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
        n rows.
    component : array of shape (n,), optional
        Of a mixture: the component each unit is known to belong to, -1 where it is not known.

    Returns
    -------
    value, first, second : arrays of shape (n,), (Q, n), (Q, Q, n)
        Before the weights.
    """
    if isinstance(form, MixtureForm):
        return _mixture_jet(form, eta, rows, component)
    if isinstance(form, AcceleratedForm):
        if form.family in LOCATED and rows.interval is None and rows.exit is None:
            return located_jet(form, eta, rows)
        stack = _with_leading(form.lifetime(eta))
        value, first, second = _per_component(stack, rows)
        return value[0], first[:, 0], second[:, :, 0]
    return general_predictor_jet(form, eta, rows)


def located_jet(form: AcceleratedForm, eta: Sequence[Any], rows: Observations) -> Any:
    """Jet of lifetimes that depend on one number a time, z = shape (log t - log scale).

    A term of z is that of a lifetime of log scale -z and shape one at time one. It is
    differentiated along z alone, and the chain rule does the rest: z has slope -shape along the
    log scale, z along the log shape, and each of these has itself as its slope along the latter.
    """
    log_scale, log_shape = jnp.broadcast_arrays(*eta, rows.log_lower)[:2]
    shape = jnp.exp(log_shape)
    family: Any = FAMILIES[form.family]

    def along_z(log_time: Any, terms: Callable[..., Any]) -> tuple[Any, Any, Any]:
        z, one = shape * (log_time - log_scale), jnp.ones_like(log_time)
        here = dataclasses.replace(rows, lower=one, log_lower=0.0 * one, entry=one)

        def term(z: Any) -> Any:
            return terms(family(-z, 0.0 * one), here)

        def once(z: Any) -> Any:
            return jax.jvp(term, (z,), (one,))

        (value, slope), (_, bend) = jax.jvp(once, (z,), (one,))
        # What is costly is computed once, and not again for each use of it.
        value, slope, bend = lax.optimization_barrier((value, slope, bend))
        first = jnp.stack([-shape * slope, z * slope])
        mixed = slope + z * bend
        return value, first, _symmetric([[shape**2 * bend, -shape * mixed], [z * mixed]])

    value, first, second = along_z(rows.log_lower, row_terms)
    value = value + rows.event * (log_shape - rows.log_lower)
    found = value, first.at[1].add(rows.event), second
    if rows.entry is None:
        return found
    late = rows.entry > 0
    seen = along_z(jnp.log(jnp.where(late, rows.entry, 1.0)), truncation_terms)
    return jax.tree.map(lambda part, less: part - jnp.where(late, less, 0.0), found, seen)


def general_predictor_jet(
    form: Form, eta: Sequence[Any], rows: Observations
) -> tuple[Any, Any, Any]:
    """Any form's jet by forward mode over forward mode, all directions at once."""
    size = len(eta)

    def at(moved: Any) -> Any:
        shifted = tuple(part + moved[q] for q, part in enumerate(eta))
        return log_contributions(form.lifetime(shifted), rows)

    def along(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def derivative(moved: Any) -> Any:
            push = lambda v: jax.jvp(function, (moved,), (v,))[1]  # noqa: E731
            return jax.vmap(push)(jnp.eye(size))

        return derivative

    zero = jnp.zeros(size)
    return at(zero), along(at)(zero), along(along(at))(zero)


def _with_leading(lifetime: Lifetime) -> Lifetime:
    """A lifetime as a stack of one component."""
    return jax.tree.map(lambda leaf: jnp.reshape(leaf, (1, -1)), lifetime)


def _per_component(stack: Lifetime, rows: Observations) -> tuple[Any, Any, Any]:
    """Jets (K, n), (P, K, n), (P, P, K, n) of a stack with leaves (K, n) or (K, 1)."""
    jet = _jet(stack, rows, row_terms)
    if rows.entry is not None or rows.exit is not None:
        jet = jax.tree.map(jnp.subtract, jet, _jet(stack, rows, truncation_terms))
    return jet


def _jet(stack: Lifetime, rows: Observations, terms: Callable[..., Any]) -> tuple[Any, Any, Any]:
    k, n = jax.tree.leaves(stack)[0].shape[0], rows.lower.shape[0]
    found = component_jet(stack, rows, terms)
    value, first = found.value.reshape(k, n), found.first.reshape(-1, k, n)
    packed = found.second.reshape(-1, k, n)
    size, i = first.shape[0], 0
    rows_of: list[list[Any]] = []
    for a in range(size):
        rows_of.append([packed[i + b] for b in range(size - a)])
        i += size - a
    return value, first, _symmetric(rows_of)


def _symmetric(upper: Sequence[Sequence[Any]]) -> Any:
    """(P, P, ...) from the rows of its upper triangle."""
    size = len(upper)
    return jnp.stack(
        [jnp.stack([upper[min(a, b)][abs(a - b)] for b in range(size)]) for a in range(size)]
    )


def _mixture_jet(
    form: MixtureForm, eta: Sequence[Any], rows: Observations, component: Any
) -> tuple[Any, Any, Any]:
    """Jets of the components, mixed; the chance to be seen at all is subtracted likewise."""
    k = form.n_components
    logits = [jnp.zeros(()), *eta[: k - 1]]
    log_weights = jax.nn.log_softmax(jnp.stack(jnp.broadcast_arrays(*logits)), axis=0)
    log_weights = log_weights.reshape(k, -1)
    mixture = form.lifetime(eta)
    stack = jax.tree.map(lambda leaf: jnp.reshape(leaf, (k, -1)), mixture.components)
    barred = None
    if component is not None:
        barred = (component >= 0) & (component != jnp.arange(k)[:, None])
    found = mix(log_weights, *_jet(stack, rows, row_terms), barred)
    if rows.entry is not None or rows.exit is not None:
        seen = mix(log_weights, *_jet(stack, rows, truncation_terms))
        found = jax.tree.map(jnp.subtract, found, seen)
    return found


def mix(
    log_weights: Any, value: Any, first: Any, second: Any, barred: Any = None
) -> tuple[Any, Any, Any]:
    """The jet of log sum_k w_k exp(q_k) in the K - 1 logits and the P K parameters.

    With r the responsibilities and s_k = dq_k: the score is [r - w; r_k s_k], and the Hessian
    r_k (d2 q_k + s_k s_k') - S S' and its kin (Louis 1982), row by row.
    """
    size, k, n = first.shape
    joint = value + log_weights
    if barred is not None:
        joint = jnp.where(barred, NEVER, joint)
    log_total = jax.nn.logsumexp(joint, axis=0)
    r = jnp.exp(joint - log_total)
    w = jnp.broadcast_to(jnp.exp(log_weights), (k, n))
    own = r * first
    score = jnp.concatenate([(r - w)[1:], own.reshape(size * k, n)])
    q = score.shape[0]
    # Second moments of [r; r s] are subtracted in full; then the parts within one component.
    spread = jnp.concatenate([r[1:], own.reshape(size * k, n)])
    hessian = -spread[:, None] * spread[None]
    hessian = hessian.at[: k - 1, : k - 1].add(w[1:, None] * w[None, 1:])
    for j in range(k):
        mine = [k - 1 + a * k + j for a in range(size)]
        for a in range(size):
            for b in range(size):
                bend = r[j] * second[a, b, j] + own[a, j] * first[b, j]
                hessian = hessian.at[mine[a], mine[b]].add(bend)
        if j > 0:
            hessian = hessian.at[j - 1, j - 1].add(r[j] - w[j])
            for a in range(size):
                hessian = hessian.at[j - 1, mine[a]].add(own[a, j])
                hessian = hessian.at[mine[a], j - 1].add(own[a, j])
    return log_total, score, hessian.reshape(q, q, n)
