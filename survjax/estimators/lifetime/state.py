"""A fitted mixture's state: from the unconstrained vector to components ordered by median."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from survjax.data.observations import Observations
from survjax.estimators.certificate import Certificate
from survjax.estimators.effects.unseen import refuse_unseen_cured
from survjax.estimators.saving.fields import (
    Each,
    Flag,
    Floats,
    Number,
    Record,
    Strings,
    Table,
    Text,
)
from survjax.estimators.saving.persistence import Persistent, derived_agrees
from survjax.fitting.edges.bounds import changed
from survjax.fitting.local_maxima import LocalMaximum
from survjax.likelihood.vector.constraints import Bounds, Fixed, constraints_of
from survjax.likelihood.vector.prior_terms import Priors, prior_terms
from survjax.likelihood.vector.template import Template
from survjax.likelihood.weibulls import natural_parameters, weibulls
from survjax.uncertainty.bootstrap import Bootstrap
from survjax.uncertainty.modes import Maxima

CERTIFICATE = Record(
    Certificate,
    {
        "decrement": Number(finite=False),
        "gradient": Number(finite=False),
        "smallest_eigenvalue": Number(finite=False),
        "n_starts": Number(whole=True),
        "n_agreeing": Number(whole=True),
        "violations": Strings("violations"),
        "at_bounds": Strings("at bounds", optional=True),
        "other_maxima": Floats(("others",), finite=False, as_tuple=True),
        "message": Text(),
    },
    formerly={"faults": "violations"},
)

_BOOTSTRAP = Record(
    Bootstrap,
    {
        "parameters": Floats(("replicates", "p")),
        "kind": Text(choices=("rows", "parametric")),
        "n_replicates": Number(whole=True, least=1),
        "n_failed": Number(whole=True, least=0),
        "skewness": Floats(("p", "p", "p")),
    },
    optional=True,
)

#: The other maxima that bounds take into account, where there are any.
_MAXIMA = Record(
    Maxima,
    {
        "parameters": Floats(("maxima", "p")),
        "covariances": Floats(("maxima", "p", "p")),
        "weights": Floats(("maxima",)),
    },
    optional=True,
)


def ordered(template: Template, found: LocalMaximum) -> tuple[np.ndarray, np.ndarray]:
    """Parameters and Hessian with the components in the order of their medians."""
    order = template.median_order(found.x)
    if (order[1:] > order[:-1]).all():
        return found.x, found.hessian
    there = changed(found, template.reordering(order))
    return there.x, there.hessian


class FittedState(Persistent):
    """What a fit of a lifetime leaves behind, and what follows from it."""

    parameters_: np.ndarray
    covariance_: np.ndarray
    converged_: bool
    certificate_: Certificate
    lifetime_: Any
    n_free_: int
    #: Estimators that can hold parameters take these.
    fixed: Fixed | None = None
    bounds: Bounds | None = None
    priors: Priors | None = None
    log_posterior_: float
    _template: Template
    _maxima: Maxima | None = None
    _check_parameters: Callable[[], None]

    _saved: ClassVar[Mapping[str, Any]] = {
        "parameters_": Floats(("p",)),
        "covariance_": Floats(("p", "p"), finite=False),
        "log_likelihood_": Number(finite=False),
        "n_units_": Number(least=0.0),
        "n_events_": Number(least=0.0),
        "n_iter_": Number(whole=True),
        "converged_": Flag(),
        "certificate_": CERTIFICATE,
        # For readers of the file that are not survjax; checked against the parameters.
        "parameter_names_": Strings("p"),
        # What was computed before saving, if anything.
        "selection_": Table(optional=True),
        "history_": Table(optional=True),
        "_profiles": Each(Floats(("natural", 2), finite=False), optional=True),
        "bootstrap_": _BOOTSTRAP,
        "_maxima": _MAXIMA,
    }

    def _derive(self) -> None:
        """Set what follows from the parameters, the log-likelihood and the number of units."""
        x, template = self.parameters_, self._template
        self.lifetime_ = template.at(x)
        self.parameter_names_ = template.names
        self.n_free_ = template.n_counted
        self.log_posterior_ = self.log_likelihood_ + template.log_prior(x)
        # Criteria are of maxima of a likelihood, and priors move the answer off it.
        top = self.log_likelihood_ if template.prior is None else np.nan
        self.aic_ = 2.0 * self.n_free_ - 2.0 * top
        self.bic_ = float(self.n_free_ * np.log(self.n_units_) - 2.0 * top)

    def _saved_template(self) -> Template:
        """The template of a fit that was read from a file, with nothing held."""
        raise NotImplementedError

    def _constrained(self, template: Template) -> Template:
        """A template with what the hyper-parameters fix, their bounds and their priors."""
        if self.fixed is not None or self.bounds is not None:
            template = template.constrained(constraints_of(template, self.fixed, self.bounds))
        return template.with_prior(prior_terms(template, self.priors))

    def _held_on(self, template: Template, rows: Observations) -> Template:
        """The same; an error where the rows cannot tell what is left to fit."""
        template = self._constrained(template)
        has = False if template.prior is None else template.prior.has > 0
        refuse_unseen_cured(rows, template.names, template.constraints.fixed | has)
        return template

    def _rebuild(self) -> None:
        template = self._constrained(self._saved_template())
        if self.parameters_.shape == (template.size,):
            template = template.constrained(template.constraints.from_vector(self.parameters_))
        self._template = template
        self._profiles: dict[str, np.ndarray] = self.__dict__.get("_profiles", {})
        m = len(template.quantities)
        if any(table.shape[0] != m for table in self._profiles.values()):
            raise ValueError("_profiles do not have a row for each quantity")
        if self.parameters_.size != template.size or self.parameter_names_ != template.names:
            size = self.parameters_.size
            raise ValueError(f"parameters_ with {size} entries do not fit parameter_names_")
        if np.isinf(self.log_likelihood_):  # NaN: that of one cause among several cannot be told
            raise ValueError("fitted.log_likelihood_ must be finite or NaN")
        if not self.n_units_ > 0:
            raise ValueError(f"n_units_ must be positive, got {self.n_units_:g}")
        if self.n_events_ > self.n_units_ * (1.0 + 1e-9):
            raise ValueError(f"n_events_ is {self.n_events_:g} of {self.n_units_:g} units")
        self._check_parameters()
        self._check_covariance()
        self._derive()

    def _check_covariance(self) -> None:
        """Refuse what is no covariance: NaN of a fit without bounds, else positive definite."""
        given = self.covariance_
        if not self.converged_:
            if not np.all(np.isnan(given)):
                raise ValueError("covariance_ must be NaN where converged_ is false")
            return
        # What is held has no errors.
        given = given + np.diag(1.0 - self._template.constraints.free)
        scale = np.sqrt(np.maximum(np.diag(given), 0.0))
        if not (np.all(np.isfinite(given)) and np.all(scale > 0)):
            raise ValueError("covariance_ must be finite with a positive diagonal")
        unit = given / scale[:, None] / scale
        if np.abs(unit - unit.T).max() > 1e-6 or np.linalg.eigvalsh(unit)[0] < -1e-9:
            raise ValueError("covariance_ must be symmetric and positive definite")

    def _forget(self) -> None:
        """Drop what was computed from an earlier fit."""
        for name in ("selection_", "history_", "bootstrap_", "_maxima", "_added"):
            self.__dict__.pop(name, None)
        self._profiles = {}


class MixtureState(FittedState):
    """What a fit of a Weibull mixture leaves behind: also its components in natural terms."""

    cured: bool

    _saved: ClassVar[Mapping[str, Any]] = {
        **FittedState._saved,
        "weights_": Floats(("k",)),
        "scales_": Floats(("k",)),
        "shapes_": Floats(("k",)),
    }

    def _derive(self) -> None:
        super()._derive()
        template, x = self._template, self.parameters_
        self.weights_, self.scales_, self.shapes_ = natural_parameters(x[template.unmodified])
        self.cured_share_ = float(1.0 - template.at(x).share_inside())

    def _in_words(self) -> Iterator[str]:
        shares = " and ".join(f"{100 * share:.1f}%" for share in self.weights_)
        k = self.weights_.size
        yield "1 component" if k == 1 else f"{k} components, with {shares} of the units"

    def _saved_template(self) -> Template:
        size = self.parameters_.size
        n_components = sum("log_scale" in name for name in self.parameter_names_)
        template = weibulls(n_components, self.cured)
        if template.size != size:
            raise ValueError(f"parameters_ with {size} entries do not fit parameter_names_")
        return template

    def _rebuild(self) -> None:
        stored = {name: getattr(self, name) for name in ("weights_", "scales_", "shapes_")}
        super()._rebuild()
        for name, value in stored.items():
            derived_agrees(name, value, getattr(self, name))
