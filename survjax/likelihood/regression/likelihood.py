"""The likelihood with covariates: derivatives in a few predictors, contracted with X.

Each row's term depends on its covariates through Q linear predictors only. Its derivatives in
those (`predictor_derivatives`) have Q and Q^2 entries; gradient and Hessian in all coefficients
follow by matrix products over blocks of rows, X' diag(h) X for each pair of predictors, so that no
array is larger than a block times the number of columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.annotations import Array
from survjax._core.numerics import bucket_size
from survjax._core.parallel import n_threads
from survjax._core.precision import double_precision
from survjax._core.programs import program
from survjax._core.pytree import data, pytree
from survjax.data.observations import Observations
from survjax.data.truncation_rows import expansion_index, with_truncation_rows
from survjax.likelihood.executors import executor
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.forms import Form, Layout, Predictor
from survjax.likelihood.regression.predictor_derivatives import predictor_derivatives
from survjax.likelihood.row_derivatives import log_contributions
from survjax.likelihood.rows import failed_shapes, shares


@pytree
class Piece:
    """Some rows with their covariates, padded to a size that others share."""

    rows: Observations = data()
    x: Any = data()
    component: Any = data(default=None)


def predictors(layout: Layout, theta: Array, z: Array) -> tuple[Any, ...]:
    """The Q predictors of rows z (n, p): (n,) each, or () where all rows share one."""
    found, start = [], 0
    for item in layout:
        part = theta[start : start + len(item.columns)]
        start += len(item.columns)
        found.append(part[0] if item.shared else _linear(item, part, z))
    return tuple(found)


def _linear(item: Predictor, part: Array, z: Array) -> jax.Array:
    full = jnp.zeros(z.shape[1] + 1).at[jnp.array(item.columns)].set(part)
    return full[0] + z @ (full[1:].at[-1].set(1.0) if item.offset else full[1:])


def derivatives_of(
    form: Form, layout: Layout, theta: jax.Array, piece: Piece, columns: tuple[jax.Array, ...]
) -> tuple[Any, Any, Any]:
    """Log-likelihood of one piece with its gradient (P,) and Hessian (P, P)."""

    def of_block(block: Piece) -> tuple[Any, Any, Any]:
        z = (block.x - columns[0]) / columns[1]
        weight = block.rows.weight
        eta = predictors(layout, theta, z)
        value, first, second = predictor_derivatives(form, eta, block.rows, block.component)
        first, second = weight * first, weight * second
        return jnp.sum(weight * value), *contract(layout, z, first, second)

    return executor(with_columns=True).in_blocks(of_block, piece)


@program(static_argnames=("layout",))
def _derivatives(
    form: Form, theta: jax.Array, piece: Piece, columns: tuple[jax.Array, ...], *, layout: Layout
) -> tuple[Any, Any, Any]:
    return derivatives_of(form, layout, theta, piece, columns)


def contract(layout: Layout, z: jax.Array, first: jax.Array, second: jax.Array) -> tuple[Any, Any]:
    """Gradient and Hessian in the coefficients, from those in the predictors: (Q, n), (Q, Q, n)."""
    size = len(layout)
    wide = [not item.shared for item in layout]
    # Rows last: every product runs along them.
    columns = jnp.concatenate([jnp.ones((1, z.shape[0])), z.T])
    # All that is only summed over rows, or multiplied by X once, goes through one product.
    pairs = [(a, b) for a in range(size) for b in range(a, size)]
    once = [(a, b) for a, b in pairs if not (wide[a] and wide[b])]
    vectors = jnp.concatenate([first, jnp.stack([second[p] for p in once])]) if once else first
    with_x = vectors @ columns.T
    at = [jnp.array(item.columns) for item in layout]
    gradient = jnp.concatenate([with_x[q][at[q]] for q in range(size)])
    pieces: list[list[Any]] = [[None] * size for _ in range(size)]
    for a, b in pairs:
        if wide[a] and wide[b]:
            full = (second[a, b] * columns) @ columns.T
            part = full[at[a]][:, at[b]]
        else:
            row = with_x[size + once.index((a, b))]
            part = row[at[a]][:, None] if wide[a] else row[at[b]][None]
        pieces[a][b], pieces[b][a] = part, part.T
    return gradient, jnp.block(pieces)


def pieces_of(
    rows: Observations, x: np.ndarray, component: np.ndarray | None = None
) -> Iterator[Piece]:
    """Rows in pieces of one size, the last one padded with rows of no weight."""
    n, parts = rows.n_rows, executor(with_columns=True).parts
    size, step = padded_size(n), n
    if parts is not None and n > parts[0]:
        # An even number of them, of one size: two threads end at the same time.
        n_pieces = 2 * -(-n // (2 * parts[0]))
        step = size = executor(with_columns=True).size(-(-n // n_pieces))
    for start in range(0, n, step):
        part = slice(start, min(start + step, n))
        inside = rows.take(part) if n > step else rows
        yield _piece(inside, x[part], None if component is None else component[part], size)


def _piece(rows: Observations, x: np.ndarray, component: np.ndarray | None, size: int) -> Piece:
    """Rows filled up to a size."""
    extra = ((0, size - rows.n_rows), (0, 0))
    block = x if size == rows.n_rows else np.pad(x, extra, mode="edge")
    known = None if component is None else np.pad(component, extra[0], mode="edge")
    return Piece(rows.padded(size), block, known)


def padded_size(n: int) -> int:
    """A number of rows that few shapes share: whole blocks beyond one."""
    return executor(with_columns=True).size(bucket_size(n))


class Likelihood:
    """The log-likelihood of one data set under a form, as a function of all coefficients.

    Parameters
    ----------
    form, layout
        The model.
    rows, x, component
        Observations, covariates (n, p), and the component of each row (-1: not known) or None.
    columns : Columns
        Standardization.
    """

    def __init__(
        self,
        form: Form,
        layout: Layout,
        rows: Observations,
        x: np.ndarray,
        columns: Columns,
        component: np.ndarray | None = None,
    ) -> None:
        self.form, self.layout, self.columns = form, layout, columns
        self.n_units, self.n_rows = rows.n_units, rows.n_rows
        self.pieces = [_on_device(p) for p in pieces_of(*_expanded(rows, x, component))]

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Value, gradient (P,) and Hessian (P, P); pieces run in threads, summed in order."""

        @double_precision
        def one(piece: Piece) -> Any:
            columns = (self.columns.center, self.columns.scale)
            found = _derivatives(self.form, theta, piece, columns, layout=self.layout)
            return [np.asarray(part) for part in found]

        if len(self.pieces) == 1:
            parts = [one(self.pieces[0])]
        else:
            with ThreadPoolExecutor(min(n_threads(), len(self.pieces))) as pool:
                parts = list(pool.map(one, self.pieces))
        value, gradient, hessian = (sum(part[i] for part in parts) for i in range(3))
        return float(value), np.asarray(gradient), np.asarray(hessian)

    def memberships(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """P(component | all that was observed) of each row of a mixture, (K, m), and weights."""
        found, weights = [], []
        for piece in self.pieces:
            part = _of_rows(self.form, theta, piece, self.columns, layout=self.layout, of=shares)
            if piece.component is not None:
                known = np.asarray(piece.component)
                alone = np.arange(part.shape[0])[:, None] == known
                part = np.where(known >= 0, alone, part)
            found.append(part)
            # Rows of negative weight stand for truncation, and belong to no unit.
            weights.append(np.maximum(np.asarray(piece.rows.weight), 0.0))
        return np.concatenate(found, axis=1), np.concatenate(weights)

    def failed_shapes(self, theta: np.ndarray) -> np.ndarray:
        """Log shapes of a mixture's components at each failed row (K, m), as `memberships`."""
        found = [
            _of_rows(self.form, theta, piece, self.columns, layout=self.layout, of=failed_shapes)
            for piece in self.pieces
        ]
        return np.concatenate(found, axis=1)


def _on_device(piece: Piece) -> Piece:
    """Copies: on a CPU a device array may otherwise be the caller's own memory."""
    placed: Piece = jax.device_put(jax.tree.map(np.array, piece))
    return placed


def _expanded(
    rows: Observations, x: np.ndarray, component: np.ndarray | None
) -> tuple[Observations, np.ndarray, np.ndarray | None]:
    """Rows without truncation but as rows of negative weight, with their covariates.

    Of whichever component a unit is known to be, all of them could have been seen.
    """
    if rows.entry is None and rows.exit is None:
        return rows, x, component
    index = expansion_index(rows)
    more = index.size - rows.n_rows
    if component is not None:
        component = np.concatenate([component, np.full(more, -1, component.dtype)])
    return with_truncation_rows(rows), x[index], component


@program(static_argnames=("layout", "of"))
def _values(
    form: Form,
    theta: jax.Array,
    rows: Observations,
    x: jax.Array,
    columns: jax.Array,
    *,
    layout: Layout,
    of: Callable[..., Any],
) -> jax.Array:
    eta = predictors(layout, theta, (x - columns[0]) / columns[1])
    return of(form.lifetime(eta), rows)


def _of_rows(
    form: Form,
    theta: np.ndarray,
    piece: Piece,
    columns: Columns,
    *,
    layout: Layout,
    of: Callable[..., Any],
) -> np.ndarray:
    """What a function of lifetimes and rows gives for one piece, rows last."""
    standard = (columns.center, columns.scale)
    return np.asarray(_values(form, theta, piece.rows, piece.x, standard, layout=layout, of=of))


def weighted_total(terms: np.ndarray, weight: np.ndarray) -> float:
    """Sum of terms by weight; what has no weight adds nothing, even where it is impossible."""
    counts = weight > 0
    return float(weight[counts] @ terms[counts])


def log_likelihoods(
    form: Form,
    layout: Layout,
    theta: np.ndarray,
    rows: Observations,
    x: np.ndarray,
    columns: Columns,
) -> np.ndarray:
    """Log-likelihood of each row, before its weight: (n,)."""
    parts = [
        _of_rows(form, theta, piece, columns, layout=layout, of=log_contributions)
        for piece in pieces_of(rows, x)
    ]
    return np.concatenate(parts)[: rows.n_rows]


@program(static_argnames=("layout",))
def _scores(form: Form, theta: Any, piece: Piece, columns: jax.Array, *, layout: Layout) -> Any:
    z = (piece.x - columns[0]) / columns[1]
    _, first, _ = predictor_derivatives(form, predictors(layout, theta, z), piece.rows)
    wide = jnp.concatenate([jnp.ones((1, z.shape[0])), z.T])
    parts = [first[q] * wide[jnp.array(item.columns)] for q, item in enumerate(layout)]
    return jnp.concatenate(parts).T


def scores(
    form: Form,
    layout: Layout,
    theta: np.ndarray,
    rows: Observations,
    x: np.ndarray,
    columns: Columns,
) -> np.ndarray:
    """Derivatives (n, P) of each row's log-likelihood along the coefficients, before its weight."""
    standard = (columns.center, columns.scale)
    parts = [_scores(form, theta, piece, standard, layout=layout) for piece in pieces_of(rows, x)]
    return np.concatenate([np.asarray(part) for part in parts])[: rows.n_rows]
