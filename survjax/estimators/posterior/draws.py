"""Draws from a posterior: a table of them, what they say of lives, and whether they are enough."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.precision import double_precision
from survjax._core.validation import check_shares, check_times
from survjax.estimators.frames import frame
from survjax.estimators.lifetime.predictions import check_level
from survjax.likelihood.vector.template import Template
from survjax.prediction.curves import response_value
from survjax.uncertainty.posterior.convergence import (
    LARGEST_R_HAT,
    LEAST_DRAWS,
    bulk_size,
    r_hat,
    tail_size,
)
from survjax.uncertainty.posterior.curves import at_draws, predictive_quantile

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, eq=False)
class Posterior:
    """Draws of a lifetime's parameters from likelihood times priors, and what follows from them.

    Point values are medians over the draws: with few failures the means of a posterior's lives may
    not exist. Bounds are quantiles of the draws with equal parts outside.

    Attributes
    ----------
    parameters : array of shape (C, N, p)
        Draws of the unconstrained parameters, such as `log_scale`, chain by chain.
    model : fitted estimator
        Whose posterior it is.
    n_divergent : int
        Draws at which the sampler lost the posterior's surface; more than a few say that a corner
        of it was not reached.
    """

    parameters: np.ndarray = dataclasses.field(repr=False)
    model: Any = dataclasses.field(repr=False)
    n_divergent: int = 0

    @property
    def _template(self) -> Template:
        found: Template = self.model._template
        return found

    @property
    def _points(self) -> np.ndarray:
        """All draws, (B, p)."""
        return self.parameters.reshape(-1, self.parameters.shape[-1])

    @property
    def draws(self) -> pd.DataFrame:
        """The draws as people read them: `chain`, `draw` and each parameter, such as `scale`."""
        n_chains, n_draws = self.parameters.shape[:2]
        values = self._natural()
        columns: dict[str, Any] = {
            "chain": np.repeat(np.arange(n_chains), n_draws),
            "draw": np.tile(np.arange(n_draws), n_chains),
        }
        return frame(columns | {n: values[..., i].ravel() for i, n in enumerate(self._names)})

    @property
    def _names(self) -> list[str]:
        """Names of the parameters as people read them; a single weight is none."""
        quantities = self._template.quantities
        return [q.name for q in quantities[len(quantities) - self.parameters.shape[-1] :]]

    def _natural(self) -> np.ndarray:
        """Draws (C, N, p) on the response scale."""
        x, m = self.parameters, len(self._template.quantities)
        wide = np.concatenate([np.zeros((*x.shape[:-1], m - x.shape[-1])), x], axis=-1)
        return self._template.response(wide)[..., m - x.shape[-1] :]

    @double_precision
    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """Each parameter, the mean life, and the lives by which 10 % and half have failed.

        Parameters
        ----------
        level : float, default 0.95
            Of the bounds.

        Returns
        -------
        DataFrame
            `median`, `sd`, `lower`, `upper`; `r_hat`, which is 1 where chains agree and should be
            below 1.01; `ess_bulk` and `ess_tail`, the independent draws that they are worth for
            the middle and for the 5 and 95 % quantiles (Vehtari and others 2021); `prior`.
        """
        tail = 0.5 - 0.5 * check_level(level)
        names, table = self._quantities()
        flat = table.reshape(-1, table.shape[-1])
        low, middle, high = _quantiles(flat, [tail, 0.5, 1.0 - tail])
        # Lives that never end are infinite in some draws, or in all.
        with np.errstate(invalid="ignore", over="ignore"):
            spread = np.std(flat, axis=0, ddof=1)
        columns: dict[str, Any] = {"median": middle, "sd": spread, "lower": low, "upper": high}
        moving = np.min(flat, axis=0) < np.max(flat, axis=0)
        for name, measure in (("r_hat", r_hat), ("ess_bulk", bulk_size), ("ess_tail", tail_size)):
            each = [measure(table[..., i]) if moving[i] else np.nan for i in range(len(names))]
            columns[name] = np.array(each)
        priors, quantities = self.model.priors or {}, self._template.quantities
        known = {
            quantities[i].name: str(prior)
            for name, prior in priors.items()
            for i in self._template.named(name)
        }
        own = zip(self._names, moving[: len(self._names)], strict=True)
        priors_of = {name: "flat" if moved else "fixed" for name, moved in own}
        columns["prior"] = [{**priors_of, **known}.get(name, "") for name in names]
        return frame(columns, names=names)

    def _quantities(self) -> tuple[list[str], np.ndarray]:
        """What a summary lists, (C, N, m)."""
        shape = self.parameters.shape[:2]
        lives = self._lives(np.array([0.1, 0.5]), np.zeros(1))
        each = [response_value("mean", lives[i][:, 0]).reshape(shape) for i in range(3)]
        return [*self._names, "mean", "q10", "q50"], np.concatenate(
            [self._natural(), np.stack(each, axis=-1)], axis=-1
        )

    def _lives(self, shares: np.ndarray, ages: np.ndarray) -> list[np.ndarray]:
        """Logs of mean remaining lives and of quantiles, each (B, n)."""
        lifetime, points = self.model.lifetime_, self._points
        return [
            at_draws(lifetime, points, "mean", np.zeros(ages.size), ages),
            *(at_draws(lifetime, points, "quantile", np.full(ages.size, q), ages) for q in shares),
        ]

    @property
    def problems(self) -> tuple[str, ...]:
        """What speaks against the draws; empty where they can be trusted."""
        words = []
        x = self.parameters
        names, free = self._template.read_names, self._template.constraints.free
        for i in np.flatnonzero(free):
            rate, size = r_hat(x[..., i]), min(bulk_size(x[..., i]), tail_size(x[..., i]))
            if not rate < LARGEST_R_HAT:
                words.append(f"R-hat of {names[i]} is {rate:.3f}")
            if size < LEAST_DRAWS * x.shape[0]:
                words.append(f"the draws of {names[i]} are worth {size:.0f} independent ones")
        if self.n_divergent > 0.01 * x.shape[0] * x.shape[1]:
            words.append(f"{self.n_divergent} draws diverged")
        return tuple(words)

    def _bounded(
        self, curve: str, t: ArrayLike, ages: Any, level: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, ...]]:
        """Median and bounds of a curve over the draws, flat, and the shape asked for."""
        tail = 0.5 - 0.5 * check_level(level)
        flat, ages, shape = self.model._arguments(curve, t, ages)
        found = at_draws(self.model.lifetime_, self._points, curve, flat, ages)
        low, middle, high = _quantiles(response_value(curve, found), [tail, 0.5, 1.0 - tail])
        return middle, low, high, shape

    @double_precision
    def survival(
        self, t: ArrayLike, *, ages: ArrayLike | None = None, level: float = 0.95
    ) -> pd.DataFrame:
        """P(T > t), or the chance to run t longer having reached `ages`.

        Parameters
        ----------
        t, ages : array-like
            As in `LifetimeModel.survival`.
        level : float, default 0.95
            Of the bounds.

        Returns
        -------
        DataFrame
            `survival`, `lower` and `upper`, one row a time.
        """
        middle, low, high, _ = self._bounded("survival", t, ages, level)
        return frame({"survival": middle, "lower": low, "upper": high}, like=t)

    @double_precision
    def quantile(
        self, q: ArrayLike, *, ages: ArrayLike | None = None, level: float = 0.95
    ) -> pd.DataFrame:
        """The (remaining) life by which a share q of units has failed, with bounds, as `survival`.

        Parameters
        ----------
        q, ages : array-like
            As in `LifetimeModel.quantile`.
        level : float, default 0.95
            Of the bounds.

        Returns
        -------
        DataFrame
            `quantile`, `lower` and `upper`, one row a share.
        """
        middle, low, high, _ = self._bounded("quantile", q, ages, level)
        return frame({"quantile": middle, "lower": low, "upper": high}, like=q)

    @double_precision
    def predict_rul(
        self, ages: ArrayLike, quantiles: ArrayLike = (0.1, 0.5, 0.9), level: float = 0.95
    ) -> pd.DataFrame:
        """Remaining life of units still running, its bounds from the draws.

        Parameters
        ----------
        ages : array-like of shape (n,)
            Time each unit has survived. A Series keeps its index.
        quantiles : sequence of float, default (0.1, 0.5, 0.9)
            Shares failed.
        level : float, default 0.95
            Of the bounds of mean and quantiles; `predict_interval` bounds the life of one unit.

        Returns
        -------
        DataFrame
            `mean, mean_lower, mean_upper, q10, q10_lower, q10_upper, ...`, one row a unit.
        """
        tail = 0.5 - 0.5 * check_level(level)
        checked = check_times(np.ravel(np.asarray(ages)), "ages", zero=True)
        shares, names = check_shares(quantiles)
        distinct, back = np.unique(checked, return_inverse=True)
        columns: dict[str, np.ndarray] = {}
        for name, logs in zip(["mean", *names], self._lives(shares, distinct), strict=True):
            found = _quantiles(response_value("mean", logs), [0.5, tail, 1.0 - tail])
            for word, part in zip((name, f"{name}_lower", f"{name}_upper"), found, strict=True):
                columns[word] = part[back]
        return frame(columns, like=ages)

    @double_precision
    def predict_interval(self, ages: ArrayLike, level: float = 0.95) -> pd.DataFrame:
        """Where the realized remaining life of each unit will fall.

        Parameters
        ----------
        ages : array-like of shape (n,)
            Time each unit has survived. A Series keeps its index.
        level : float, default 0.95
            Chance that the interval holds the life that comes true. It is of the posterior
            predictive law, P(T > a + s | T > a) averaged over the draws: the spread of lives and
            the uncertainty of the parameters. Units that were fitted have their age in the draws.

        Returns
        -------
        DataFrame
            `lower` and `upper`, one row a unit.
        """
        tail = 0.5 - 0.5 * check_level(level)
        checked = check_times(np.ravel(np.asarray(ages)), "ages", zero=True)
        distinct, back = np.unique(checked, return_inverse=True)
        low, high = (
            predictive_quantile(self.model.lifetime_, self._points, share, distinct)
            for share in (tail, 1.0 - tail)
        )
        return frame({"lower": low[back], "upper": high[back]}, like=ages)

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the survival curve of the draws over the data.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.
        **options
            Of `survjax.plotting.plot_posterior`: `parameter`, `times`, `level` and `unit`.

        Returns
        -------
        matplotlib Axes
        """
        from survjax.plotting import plot_posterior

        return plot_posterior(self, ax, **options)


def _quantiles(draws: np.ndarray, shares: list[float]) -> np.ndarray:
    """Quantiles of draws (B, m), each a draw: infinite ones cannot be averaged."""
    found: np.ndarray = np.quantile(draws, shares, axis=0, method="inverted_cdf")
    return found
