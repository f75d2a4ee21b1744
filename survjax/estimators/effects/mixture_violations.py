"""What speaks against a mixture with covariates as an answer, and what to do then."""

from __future__ import annotations

from typing import Any

import numpy as np

from survjax.data.observations import Observations
from survjax.estimators.lifetime.no_maximum import warn_undetermined
from survjax.estimators.regression.answer import placed
from survjax.estimators.regression.estimator import RegressionEstimator
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.regression.violations import steepest
from survjax.likelihood.regression.forms import Layout
from survjax.likelihood.vector.template import Template
from survjax.likelihood.weibulls import natural_parameters


class MixtureViolations(RegressionEstimator):
    """A regression of several components, each of which must stand on units of its own."""

    n_components: int
    max_shape: float
    min_component_weight: float
    #: Expected units of each component.
    _units: np.ndarray
    #: Log of the largest shape that a component has at a failed unit which it holds.
    _steepest: float

    def _components_of(self, likelihood: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look at what each component holds; the memberships (K, n) and weights of units."""
        shares, weight = likelihood.memberships(x)
        self._units = (shares @ weight)[: self.n_components]
        alone = self.n_components == 1
        self._steepest = -np.inf if alone else steepest(likelihood, x, shares, weight)
        return shares, weight

    def _model_violations(self, layout: Layout, found: LocalMaximum) -> tuple[str, ...]:
        words = []
        for item, where in placed(layout):
            steep = found.x[where.start] > np.log(self.max_shape)
            if item.name.startswith("log_shape") and steep and self.n_components > 1:
                words.append(f"a component collapses on one time ({item.name})")
        if self._steepest > np.log(self.max_shape):
            words.append(
                f"a component collapses on few units (shape {np.exp(self._steepest):.3g} at one)"
            )
        words += super()._model_violations(layout, found)
        if self._units.min() < self.min_component_weight:
            words.append(f"a component holds only {self._units.min():.2g} units")
        return tuple(words[:1])

    def _advice(self, found: LocalMaximum, rows: Observations) -> str:
        """Take fewer components, unless a column runs off in every component that it acts on."""
        ended = super()._advice(found, rows)
        if self.n_components == 1 or "raise max_iter" in ended:
            return ended
        fewer = (
            f"The {self.n_components} components cannot all be told apart in these data: take "
            f"fewer components (n_components={self.n_components - 1})"
        )
        columns = {
            name.split(":")[1]
            for name in self.parameter_names_
            if ":" in name and not name.endswith(":intercept")
        }
        open_ = [word for word in self.certificate_.violations if word.startswith("the data leave")]
        everywhere = [
            column
            for column in columns
            if all(
                any(name in word for word in open_)
                for name in self.parameter_names_
                if name.startswith("log_scale") and name.endswith(f":{column}")
            )
        ]
        return self._drop_columns() if open_ and everywhere else fewer

    def _warn_undetermined(self, rows: Observations) -> None:
        """Judge the mixture at the mean covariates, whose parameters are the intercepts."""
        first = [where.start for _, where in placed(self._fitted.layout)]
        # Beside a cured share they are those of the units that can fail.
        first = np.array(first)[Template(self._fitted.form.template).unmodified]
        x, covariance = self._fitted.theta[first], self._fitted.covariance
        if covariance is not None:
            weights = natural_parameters(x[None])[0][0]
            warn_undetermined(x, covariance[np.ix_(first, first)], weights, rows)
