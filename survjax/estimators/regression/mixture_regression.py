"""Mixture regression: sub-populations whose scales and sizes depend on covariates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.annotations import Covariates
from survjax._core.precision import double_precision
from survjax._core.validation import check_count, check_flag, check_positive, random_generator
from survjax.data.observations import Observations
from survjax.estimators.assets.memberships import FormMemberships
from survjax.estimators.atomic import all_or_nothing
from survjax.estimators.covariates import ChosenColumns, chosen_columns, column_names
from survjax.estimators.effects.mixture_violations import MixtureViolations
from survjax.estimators.lifetime.settings import PARTS, check_max_shape, check_parts
from survjax.estimators.memberships import known_components
from survjax.estimators.regression.estimator import RegressionEstimator
from survjax.estimators.regression.penalty_path import choose_penalty
from survjax.estimators.saving.fields import Number
from survjax.estimators.unnamed_units import MIXED
from survjax.fitting.interior import Interior
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.regression.fit import maximum_near
from survjax.fitting.regression.mixture_parts import Parts, every_reordering, spread_out
from survjax.fitting.regression.mixture_search import LEAST_EIGENVALUE, MixtureSearch
from survjax.fitting.search import search
from survjax.fitting.settings import Settings
from survjax.likelihood.regression.forms import Form, Layout, Predictor, weibull_mixture
from survjax.likelihood.regression.histories import Histories, count, row_weights
from survjax.likelihood.rows import entropy
from survjax.likelihood.vector.constraints import Bounds, Constraints, Fixed
from survjax.likelihood.vector.prior_terms import Priors
from survjax.likelihood.vector.template import Template
from survjax.uncertainty.regression import Training


class MixtureRegression(FormMemberships, MixtureViolations):
    r"""Mixture of Weibulls whose scales, weights or shapes depend on covariates.

    Parameters
    ----------
    n_components : int, default 2
        Number of sub-populations K.
    on : sequence or mapping, default ("scale", "weight")
        What depends on the covariates: any of "scale", "weight" and "shape". A mapping gives
        the columns of each, such as `{"scale": "all", "weight": ["maker"]}`. Empty: the plain
        mixture.
    cured : bool, default False
        Whether a share of the units never fails, beside the K components of those that do. Columns
        move its logit where `on` names "cured_share".
    n_starts : int, default 96
        Starts for each component but one, from mixtures without covariates and from units parted
        in other ways; where there are many rows, eight in all.
    max_shape : float, default 60
        Steeper components are collapses on single times, not answers: steeper at the mean asset, or
        at a failed unit that the component holds.
    min_component_weight : float, default 1.5
        Expected units that each component must hold.
    penalty, l1_ratio, unpenalized
        As in `AcceleratedLifetime`; "cv" follows one maximum of each fold along the path, from
        the mixture without covariates on.
    tol, max_iter
        As in `AcceleratedLifetime`.
    random_state : int, default 0
        Seeds the starts.
    fixed, bounds
        As in `AcceleratedLifetime`: `{"shape": 1.0}` of all components, `{"shape_1": 1.0}` of one.
        Components of which different things are known keep their numbers.
    priors : dict, optional
        As in `AcceleratedLifetime`: `{"shape": ...}` of all components, `{"log_scale_1:load": ...}`
        of one effect, `{"log_scale:load": ...}` of all. `{"weights": survjax.priors.Dirichlet(2)}`
        of weights that no column moves. `icl_` is NaN as well.

    Attributes
    ----------
    parameters_, parameter_names_, covariance_
        For each component: logit of its weight over the first one's, log scale, log shape, with
        their coefficients, in the units of X. Components are ordered by their median at the
        mean covariates (as numbered by the caller, where some are known).
    scale_coef_, weight_coef_, shape_coef_, cured_share_coef_ : arrays
        The coefficients alone, (K, p), of the weights (K - 1, p), of a cured share (p,).
    log_likelihood_, aic_, bic_, n_iter_, converged_, certificate_
        As in `AcceleratedLifetime`.
    icl_ : float
        `bic_` plus twice the entropy of the memberships, given all that was observed of each
        unit (Biernacki, Celeux and Govaert 2000): a criterion that asks for components which
        keep apart. Units whose component is known add nothing to it.

    Notes
    -----
    S(t | x) = sum_k w_k(x) exp(-(t / scale_k(x))^shape_k), with log scale_k = a_k + x'b_k and
    log(w_k / w_1) = c_k + x'd_k (McLachlan and Peel 2000, section 5.12). The answer is the
    highest interior maximum found, as in `WeibullMixture`.

    Examples
    --------
    >>> import numpy as np
    >>> from survjax import MixtureRegression
    >>> rng = np.random.default_rng(0)
    >>> load = rng.normal(size=(400, 1))
    >>> weak = rng.random(400) < 0.4
    >>> life = np.where(weak, 5.0 * rng.weibull(1.2, 400), 40.0 * rng.weibull(4.0, 400))
    >>> model = MixtureRegression(2, on=["scale"]).fit(load, life * np.exp(-0.3 * load[:, 0]))
    >>> model.membership(load[:3], ages=[1.0, 5.0, 20.0]).shape
    (3, 6)
    """

    _rows_as_units = MIXED
    _takes_offset = False
    _least_eigenvalue = LEAST_EIGENVALUE
    _saved: ClassVar[Mapping[str, Any]] = {
        **RegressionEstimator._saved,
        "icl_": Number(finite=False),
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        on: Sequence[str] | Mapping[str, ChosenColumns] = ("scale", "weight"),
        cured: bool = False,
        n_starts: int = 96,
        max_shape: float = 60.0,
        min_component_weight: float = 1.5,
        penalty: float | str = 0.0,
        l1_ratio: float = 0.0,
        unpenalized: ChosenColumns | None = None,
        tol: float = 1e-9,
        max_iter: int = 200,
        random_state: int = 0,
        fixed: Fixed | None = None,
        bounds: Bounds | None = None,
        priors: Priors | None = None,
    ) -> None:
        self.n_components = n_components
        self.on = on
        self.cured = cured
        self.n_starts = n_starts
        self.max_shape = max_shape
        self.min_component_weight = min_component_weight
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.unpenalized = unpenalized
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.fixed = fixed
        self.bounds = bounds
        self.priors = priors

    @double_precision
    @all_or_nothing
    def fit(
        self,
        X: Covariates,
        y: ArrayLike,
        *,
        entry: ArrayLike | None = None,
        exit: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        unit: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        component: ArrayLike | None = None,
    ) -> Self:
        """Fit to lifetimes with covariates.

        Parameters
        ----------
        X, y, entry, exit, sample_weight, unit
            As in `AcceleratedLifetime.fit`. One hidden component produces all rows of a unit;
            its weights depend on the covariates of the unit's first row.
        offset : None
            A mixture takes none: an error.
        component : array-like of shape (n,), optional
            The component of units where it is known, counted from zero; -1 (or missing) where
            it is not.

        Returns
        -------
        self
        """
        rows, x = self._prepared(X, y, entry, exit, sample_weight, unit, offset)
        known = known_components(component, rows.n_rows, self.n_components)
        if self.penalty == "cv":
            choose_penalty(self, rows, x, unit, known)
        else:
            self.penalty_ = float(self.penalty)
        self._fit_all(rows, x, known, None if unit is None else Histories.from_rows(rows, unit))
        return self

    def _fit_all(
        self,
        rows: Observations,
        x: np.ndarray,
        known: np.ndarray | None,
        histories: Histories | None = None,
    ) -> None:
        self._check_data(rows, x)
        n_units = count(rows, histories)
        form, layout = self._mixture(), self._layout(x.shape[1])
        columns = self._columns(x, row_weights(rows, histories))
        constraints = self._constraints_in(layout, columns)
        columns = self._columns_for(constraints, layout, columns, lambda: True)
        penalty = self._with_priors(self._penalty(layout, n_units), layout, columns, rows)
        given = form, layout, columns, rows, x, known, histories, penalty, self._settings()
        near = self._near(layout, columns)

        def maximum(constraints: Constraints) -> LocalMaximum:
            if near is None:
                return MixtureSearch(*given, constraints).answer(in_order=known is None)
            return maximum_near(likelihood, near, self.tol, self.max_iter, penalty, constraints)

        likelihood = MixtureSearch(*given).likelihood
        by = lambda: likelihood, penalty, lambda: every_reordering(layout, self.n_components)
        constraints, found = self._between_bounds(constraints, maximum, *by)
        shares, weight = self._components_of(likelihood, found.x)
        self._keep(form, layout, columns, found, rows, x, n_units=n_units, constraints=constraints)
        self._keep_priors(penalty, found)
        self._training = Training(
            form, layout, columns, rows, x, histories, known, penalty, constraints=constraints
        )
        self.icl_ = self.bic_ + 2.0 * entropy(shares, weight)
        if self.converged_:
            self._warn_undetermined(rows)

    def _mixture(self) -> Form:
        """The form of the model."""
        return weibull_mixture(self.n_components, self.cured)

    @property
    def _parts(self) -> tuple[str, ...]:
        """What columns may move."""
        return (*PARTS, "cured_share") if self.cured else PARTS

    def _check_parameters(self) -> None:
        super()._check_parameters()
        k = self.n_components
        if not isinstance(k, (int, np.integer)) or isinstance(k, bool) or k < 1:
            raise ValueError(f"n_components must be a positive whole number, got {k!r}")
        check_flag(self.cured, "cured")
        check_parts(self.on, self._parts)
        check_count(self.n_starts, "n_starts")
        check_positive(self.min_component_weight, "min_component_weight", zero=True)
        check_max_shape(self.max_shape)
        random_generator(self.random_state)

    def _model(self, rows: Observations, x: np.ndarray) -> tuple[Form, Layout, np.ndarray]:
        """The form, its layout, and the mixture without covariates."""
        form, layout = self._mixture(), self._layout(x.shape[1])
        # Without covariates the components may not show; that is no verdict on the model.
        plain = search(Template(form.template), rows, self._settings()).best.x
        return form, layout, spread_out(Parts(layout, self.n_components), plain)

    def _form(self, n_predictors: int, base: Any) -> Form:
        k = self.n_components
        # Before anything of that size is made: each component has predictors of its own.
        if k > n_predictors or len((form := self._mixture()).names) != n_predictors:
            raise ValueError(f"{k} components do not have {n_predictors} predictors")
        return form

    def _settings(self) -> Settings:
        """How the search is done."""
        rule = Interior(self.max_shape, self.min_component_weight)
        return Settings(self.n_starts, rule, self.tol, self.max_iter, self.random_state)

    def _layout(self, p: int) -> Layout:
        """The predictors, with the columns that `on` gives each."""
        names, every = column_names(self), tuple(range(1, p + 1))
        chosen: dict[str, tuple[int, ...]] = dict.fromkeys(self._parts, ())
        for part in self.on:
            chosen[part] = every
            if isinstance(self.on, dict):
                chosen[part] = chosen_columns(self.on[part], names, f"on[{part!r}]")
        return tuple(
            Predictor(name, (0, *chosen[part])) for name, part in _parts_of(self._mixture()).items()
        )

    def _derive(self, layout: Layout) -> None:
        p, self.intercepts_ = self.n_features_in_, {}
        tables: dict[str, list[list[float]]] = {part: [] for part in self._parts}
        part_of = _parts_of(self._fitted.form)
        for item in layout:
            own = self._part(item.name)
            self.intercepts_[item.name] = own[0]
            tables[part_of[item.name]].append([own.get(j, 0.0) for j in range(1, p + 1)])
        self.weight_coef_, self.scale_coef_, self.shape_coef_ = (
            np.array(tables[part]).reshape(-1, p) for part in PARTS
        )
        self.__dict__.pop("cured_share_coef_", None)
        if self.cured:
            self.cured_share_coef_ = np.array(tables["cured_share"][0])


def _parts_of(form: Form) -> dict[str, str]:
    """Which of the parts each predictor is, such as the scale for `log_scale_1`."""
    return {name: words[-1] for name, words in zip(form.names, form.spoken, strict=True)}
