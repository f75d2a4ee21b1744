"""Least squares by orthogonal factorization, in blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from survjax.baselines._dependence import moved
from survjax.baselines._rows import check_spreads

#: Rows of one block: it stays in the cache through all that is done with it.
BLOCK = 4096
#: Beyond this condition number two Cholesky passes no longer give orthogonal columns.
MAX_CONDITION = 1e7


class LeastSquares:
    """Minimize sum w (y - a - x'b)^2 over a (if there is an intercept) and b.

    CholeskyQR2 (Yamamoto et al. 2015): a Cholesky factor of the Gram matrix makes the columns
    nearly orthonormal, a second pass makes them orthonormal to the last digit; together as
    accurate as Householder's QR while the condition number is below some 1e8, at the speed of
    matrix products. Beyond that, Householder's QR by blocks and a singular value
    decomposition give the solution of least norm (in units of the columns' deviations).

    Attributes
    ----------
    intercept, coefficients : float, array of shape (p,)
        In the units of X.
    inverse : array of shape (1 + p, 1 + p)
        (Z'WZ)^-1 of Z = [1, X]: times sigma^2 the covariance.
    rss : float
        Weighted residual sum of squares.
    rank : int
        How many columns are independent, the intercept not counted.
    dependent, constant : bool arrays of shape (1 + p,)
        Parameters of which other values fit as well; coefficients of constant columns, which
        are zero.
    """

    def __init__(
        self, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, intercept: bool
    ) -> None:
        self._X, self._y = X, y
        self._root = None if weight is None else np.sqrt(weight)
        total = float(len(X)) if weight is None else float(weight.sum())
        self._mean, self._level = np.zeros(X.shape[1]), 0.0
        if intercept:
            ones = np.ones(len(X)) if weight is None else weight
            self._mean, self._level = ones @ X / total, float(ones @ y) / total
        self.dependent, self.constant = np.zeros((2, 1 + X.shape[1]), bool)
        root, self.rank = self._factorize(total)
        gradient, _ = self._residual(np.zeros(X.shape[1]), root)
        slopes = root @ gradient
        # One step of refinement, on residuals computed from the rows themselves.
        gradient, self.rss = self._residual(slopes, root)
        self.coefficients = slopes + root @ gradient
        self.intercept = self._level - float(self._mean @ self.coefficients)
        # The level at the mean of X is independent of the slopes.
        spread = np.vstack([-self._mean @ root, root])
        self.inverse = spread @ spread.T
        self.inverse[0, 0] += 1.0 / total if intercept else 0.0

    def _blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Walk through centered rows (b, p) and labels (b,), times root weights."""
        for start in range(0, len(self._X), BLOCK):
            part = slice(start, start + BLOCK)
            x, target = self._X[part] - self._mean, self._y[part] - self._level
            if self._root is not None:
                x *= self._root[part, None]
                target *= self._root[part]
            yield x, target

    def _factorize(self, total: float) -> tuple[np.ndarray, int]:
        """Matrix `root` that makes the columns of X @ root orthonormal, and the rank."""
        with np.errstate(over="ignore", invalid="ignore"):
            gram = self._gram(None)
        scale = np.sqrt(np.diag(gram))
        weight = None if self._root is None else self._root**2
        check_spreads(self._X, weight, self._mean, scale / np.sqrt(total), "X")
        # A column that is constant up to rounding carries nothing.
        flat = scale <= 1e-13 * np.abs(self._mean) * np.sqrt(len(self._X))
        scale = np.where(flat | (scale == 0), np.inf, scale)
        first = _triangle(gram / (scale[:, None] * scale))
        if first is not None:
            root = np.linalg.inv(first) / scale[:, None]
            second = _triangle(self._gram(root))
            if second is not None:
                return root @ np.linalg.inv(second), len(scale)
        return self._householder(scale)

    def _gram(self, root: np.ndarray | None) -> np.ndarray:
        """Gram matrix of the columns of X, or of X @ root."""
        gram = np.zeros((self._X.shape[1], self._X.shape[1]))
        for x, _ in self._blocks():
            q = x if root is None else x @ root
            gram += q.T @ q
        return gram

    def _householder(self, scale: np.ndarray) -> tuple[np.ndarray, int]:
        """The same for columns that nearly or fully depend on each other: fewer columns."""
        tall = np.zeros((0, len(scale)))
        for x, _ in self._blocks():
            tall = np.asarray(np.linalg.qr(np.vstack([tall, x / scale]), mode="r"))
        _, singular, rotation = np.linalg.svd(tall, full_matrices=False)
        cut = singular.max(initial=0.0) * max(self._X.shape) * np.finfo(float).eps
        keep = singular > cut
        # What the kept rotation leaves out, and where it leads in units of the columns.
        flat = np.diag(np.isfinite(scale).astype(float)) - rotation[keep].T @ rotation[keep]
        self.dependent = moved(np.vstack([self._mean, np.eye(len(scale))]) / scale, flat)
        self.constant[1:] = np.isinf(scale)
        return rotation[keep].T / singular[keep] / scale[:, None], int(keep.sum())

    def _residual(self, slopes: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, float]:
        """Q'r and r'r of the residual r, with Q = X @ root formed block by block."""
        gradient, rss = np.zeros(root.shape[1]), 0.0
        for x, target in self._blocks():
            rest = target - x @ slopes
            gradient += rest @ (x @ root)
            rss += float(rest @ rest)
        return gradient, rss


def _triangle(gram: np.ndarray) -> np.ndarray | None:
    """Upper Cholesky factor, or None where it is too ill-conditioned to be trusted."""
    try:
        triangle = np.linalg.cholesky(gram).T
    except np.linalg.LinAlgError:
        return None
    return triangle if np.linalg.cond(triangle) < MAX_CONDITION else None
