"""Confidence intervals of curves and of natural parameters, by three methods."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import RandomState
from survjax._core.callers import users_level
from survjax._core.precision import double_precision
from survjax.data.observations import Observations
from survjax.data.recording import failed_at_zero
from survjax.estimators.lifetime.predictions import check_level
from survjax.estimators.lifetime.state import FittedState
from survjax.estimators.messages import FitWarning
from survjax.fitting.coreset import is_plain
from survjax.fitting.settings import Settings
from survjax.likelihood.vector.template import Template
from survjax.prediction.curves import SAME, response_value
from survjax.uncertainty.bootstrap import Bootstrap, bootstrap, bootstrap_bounds
from survjax.uncertainty.delta import rows_needed
from survjax.uncertainty.modes import bounded, parameter_bounds, profiled
from survjax.uncertainty.targets import Target

CURVES = ("survival", "hazard", "cumulative_hazard", "density", "cdf", "quantile", "mean")
#: Rows up to which parameters are profiled unasked, where rows cannot be compressed.
MANY_ROWS = 50_000
METHODS = ("auto", "delta", "profile", "bootstrap")


class Bootstrapped(FittedState):
    """`bootstrap` of a fitted lifetime."""

    _check_fitted: Callable[[], None]
    _settings: Callable[[], Settings]
    _rows: Observations
    resolution: float | str | None
    rounding: str
    random_state: RandomState
    bootstrap_: Bootstrap

    def _drawn_again(self, **how: Any) -> Bootstrap:
        """Replicates, as `survjax.uncertainty.bootstrap.bootstrap` takes them."""
        fitted = self._template, self.parameters_, self.covariance_
        return bootstrap(*fitted, self._rows, self._settings(), **how)

    @double_precision
    def bootstrap(
        self, n_replicates: int = 500, kind: str = "rows", random_state: RandomState = None
    ) -> Self:
        """Refit replicates of the data, for `confidence_interval(..., method="bootstrap")`.

        Each is refitted from the fit, and from the other maxima that bounds take into account.

        Parameters
        ----------
        n_replicates : int, default 500
            How many.
        kind : {"rows", "parametric"}, default "rows"
            "rows" draws units with replacement. "parametric" draws every unit's life from the
            fit, from where it came under observation until it is censored; censoring times that
            failures hid come from the reverse Kaplan-Meier curve.
        random_state : int or numpy.random.Generator, optional
            The estimator's own by default. With one seed, replicates depend on the order of the
            rows that were fitted.

        Returns
        -------
        self
            With `bootstrap_`: `parameters` (B, p) of the replicates, `n_failed` of them without
            an interior maximum left out.

        Warns
        -----
        FitWarning
            If more than one replicate in twenty has no interior maximum: the bounds then describe
            the others only.

        Examples
        --------
        >>> from survjax import WeibullMixture
        >>> model = WeibullMixture(1).fit([3.0, 5.0, 8.0, 9.0, 11.0, 14.0])
        >>> lower, upper = model.bootstrap(200).confidence_interval(
        ...     "survival", 6.0, method="bootstrap"
        ... )
        >>> bool(lower < model.survival(6.0) < upper)
        True
        """
        self._check_fitted()
        if not hasattr(self, "_rows"):
            raise rows_needed("bootstrap")
        if not self.converged_:
            raise ValueError(
                "bootstrap needs a fit that is an interior maximum, and certificate_ says: "
                f"{self.certificate_.status}"
            )
        if kind not in ("rows", "parametric"):
            raise ValueError(f"kind must be 'rows' or 'parametric', got {kind!r}")
        if not (isinstance(n_replicates, (int, np.integer)) and n_replicates >= 20):
            raise ValueError(
                f"n_replicates must be a whole number of at least 20, got {n_replicates!r}"
            )
        self.bootstrap_ = self._drawn_again(
            n_replicates=int(n_replicates),
            kind=kind,
            recording=self._recording() if kind == "parametric" else None,
            random_state=self.random_state if random_state is None else random_state,
            others=None if self._maxima is None else self._maxima.parameters[1:],
        )
        if self.bootstrap_.n_failed > 0.05 * n_replicates:
            warnings.warn(
                f"{self.bootstrap_.n_failed} of {n_replicates} bootstrap replicates have no "
                "interior maximum and are left out: the data may not support this model",
                FitWarning,
                stacklevel=users_level(),
            )
        return self

    def _recording(self) -> tuple[float, str] | None:
        """Width and direction of rounding, where failures count as intervals."""
        rows = self._rows
        if rows.interval is None:
            return None
        inside = (rows.interval > 0) & ~failed_at_zero(rows)
        if not inside.any():
            return None
        widest = float(np.max(rows.upper[inside] - rows.lower[inside]))
        width = widest if isinstance(self.resolution, str) else self.resolution
        if width is None or widest > width * (1.0 + 1e-6):
            raise ValueError(
                "kind='parametric' must know how failures came to be intervals, and only the "
                "rounding of fit(..., resolution=) is known: use kind='rows'"
            )
        return float(width), self.rounding


class Intervals(Bootstrapped):
    """`confidence_interval` of a fitted mixture."""

    _arguments: Callable[..., tuple[np.ndarray, np.ndarray, tuple[int, ...]]]
    _template: Template
    tol: float
    max_iter: int
    n_starts: int
    #: Profile bounds of one of several causes that were fitted together, which has no rows.
    _joint_profile: Callable[[str, Target, float], tuple[np.ndarray, np.ndarray]] | None = None

    @double_precision
    def confidence_interval(
        self,
        curve: str,
        t: ArrayLike | None = None,
        level: float = 0.95,
        method: str = "auto",
        *,
        ages: ArrayLike | None = None,
    ) -> tuple[Any, Any]:
        """Confidence bounds of a curve, or of the components' parameters.

        Parameters
        ----------
        curve : str
            "survival", "hazard", "cumulative_hazard", "density", "cdf", "quantile" or "mean"; or
            "weights", "scales", "shapes".
        t : array-like, optional
            Where: times for a curve, failed shares for "quantile", nothing for the others.
        level : float, default 0.95
            Chance, over repeated samples, that the bounds hold the truth at one point.
        method : {"auto", "delta", "profile", "bootstrap"}, default "auto"
            "auto" is "delta" for curves and for a single Weibull, "profile" for the parameters
            of several components.
        ages : array-like, optional
            Ages reached: bounds for the remaining life. Broadcasts with t.

        Returns
        -------
        lower, upper : floats or arrays of t's shape
            Of shape (K,) for parameters. Bounds stay inside the range of what they bound.
        """
        self._check_fitted()
        check_level(level)
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        chosen = None if curve in CURVES else self._template.group(curve)
        if chosen is not None:
            if t is not None or ages is not None:
                raise ValueError(f"{curve} are numbers, not curves: leave out t and ages")
            part = self._parameter_bounds(level, method)[0][chosen]
            if chosen.size == 1 and not curve.endswith("s"):
                return float(part[0, 0]), float(part[0, 1])
            return part[:, 0].copy(), part[:, 1].copy()
        if curve not in CURVES:
            known = ", ".join((*CURVES, *self._template.groups))
            raise ValueError(f"curve must be one of {known}, got {curve!r}")
        if curve == "mean":
            if t is not None:
                raise ValueError("the mean takes no t: pass ages= for the mean remaining life")
            t = 0.0
        elif t is None:
            raise ValueError(f"{curve} needs t: where to bound it")
        t, ages, shape = self._arguments(curve, t, ages)
        if method in ("auto", "delta"):
            found = bounded(
                self.lifetime_, self.covariance_, self._maxima, (curve,), t[None], ages, level
            )
            low, high = found[2][0], found[3][0]
        else:
            target = Target(t=t, age=ages if ages.any() else None)
            safe = self._searched(curve, target, level, method)
            low, high = (response_value(curve, part) for part in safe)
            low, high = (high, low) if curve == "survival" else (low, high)
        return shaped(low, shape), shaped(high, shape)

    def _searched(
        self, curve: str, target: Target, level: float, method: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Profile or bootstrap bounds on the link scale."""
        curve = SAME.get(curve, curve)
        if method == "profile" and self._joint_profile is not None:
            return self._joint_profile(curve, target, level)
        if method == "profile":
            if not hasattr(self, "_rows"):
                raise rows_needed('method="profile"')
            return profiled(
                self._template,
                self.parameters_,
                self.covariance_,
                self._maxima,
                self._rows,
                curve,
                target,
                level,
            )
        if not hasattr(self, "bootstrap_"):
            self.bootstrap()
        return bootstrap_bounds(
            self.lifetime_,
            self.covariance_,
            self.bootstrap_,
            curve,
            target,
            level,
            corrected=self._maxima is None,
        )

    def _parameter_bounds(self, level: float, method: str) -> tuple[np.ndarray, str]:
        """Bounds (m, 2) of weights and parameters, and the method that gave them."""
        known = self._profiles.get(repr(level))
        if method == "auto":
            method = "delta"
            if self._template.n_components > 1 and (known is not None or self._profile_pays()):
                method = "profile"
        if method == "delta":
            table = parameter_bounds(
                self._template, self.parameters_, self.covariance_, self._maxima, level
            )
            return self._template.clipped(table), method
        if method == "profile" and known is not None:
            return known, method
        template = self._template
        target = Target(index=np.arange(len(template.quantities)))
        found = self._searched("natural", target, level, method)
        table = template.clipped(np.stack([template.response(part) for part in found], axis=1))
        if method == "profile":
            self._profiles = {**self._profiles, repr(level): table}
        return table, method

    def _profile_pays(self) -> bool:
        """Whether there are rows, and few enough to profile unasked (plain ones are compressed)."""
        rows = getattr(self, "_rows", None)
        return rows is not None and (is_plain(rows) or rows.n_rows <= MANY_ROWS)

    def _known_bounds(self, level: float) -> tuple[np.ndarray, str]:
        """Bounds of the natural parameters that cost nothing; NaN where they are not known."""
        if self._template.n_components == 1 or repr(level) in self._profiles:
            return self._parameter_bounds(level, "auto")
        return np.full((len(self._template.quantities), 2), np.nan), "call summary()"


def shaped(values: np.ndarray, shape: tuple[int, ...]) -> float | np.ndarray:
    """An array of the asked shape; a plain float for a scalar."""
    return values.reshape(shape) if shape else float(values[0])
