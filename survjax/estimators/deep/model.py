"""Deep mixtures: small networks from covariates to the parameters of a mixture of Weibulls."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import special
from sklearn.base import BaseEstimator

from survjax._core.precision import double_precision
from survjax._core.programs import without_drafts
from survjax.data.observations import Observations
from survjax.estimators.assets.memberships import AssetMemberships
from survjax.estimators.assets.paths import PathPredictions
from survjax.estimators.atomic import all_or_nothing
from survjax.estimators.deep.saved import SavedDeepMixture
from survjax.estimators.deep.training import (
    best_of_each,
    by_content,
    check_settings,
    history_table,
    member_weights,
    members_table,
    plain_mixtures,
)
from survjax.estimators.memberships import around
from survjax.estimators.plots import Plots
from survjax.estimators.target import SurvivalRegressor, check_failures, checked_rows
from survjax.estimators.unnamed_units import MIXED, warn_of_unnamed_units
from survjax.likelihood.regression.columns import Columns
from survjax.likelihood.regression.histories import Histories, row_weights, whole_lives
from survjax.likelihood.regression.likelihood import weighted_total
from survjax.networks.deep_mixture import train_members
from survjax.networks.deep_mixture_curves import (
    Ensemble,
    component_order,
    ensemble_log_likelihoods,
    ensemble_memberships,
    evaluate_ensemble,
)
from survjax.networks.deep_mixture_paths import ensemble_along, ensemble_history_terms
from survjax.prediction.curves import response_value


class DeepWeibullMixture(
    AssetMemberships, PathPredictions, SavedDeepMixture, Plots, SurvivalRegressor, BaseEstimator
):
    r"""Mixture of Weibulls whose parameters are neural networks of the covariates.

    Parameters
    ----------
    n_components : int, default 2
        Number of sub-populations K.
    layers : sequence of int or flax module, default (16, 16)
        Sizes of hidden layers; () makes everything linear. Or a module of one's own, as in
        `survjax.baselines.MLPRegressor`, that puts out 3K - 1 numbers.
    activation : {"softplus", "tanh", "relu", "sigmoid"}, default "softplus"
        Between layers.
    on : sequence, default ("scale", "weight")
        What depends on the covariates: any of "scale", "weight" and "shape".
    n_members : int, default 8
        Networks whose distributions are averaged. Each begins with a bootstrap sample of the
        units, and all stop together: when they best predict, by the average of those that left
        a unit out, the units left out. One network alone has no bounds.
    n_restarts : int, default 1
        Random beginnings of each; the best by the units left out is kept.
    optimizer, learning_rate, weight_decay, batch_size, max_epochs, patience, tol
        As in `survjax.baselines.MLPRegressor`, but a learning rate of None is 0.005 for adam (a
        quarter of that there). batch_size counts units; None trains on all at once.
    validation_fraction : float or None, default 0.2
        Share of units that say when to stop, where `n_members=1`. None trains on all, to the
        end.
    max_shape : float, default 60
        Bound of every shape: steeper components are collapses on single times.
    random_state : int, RandomState instance or None, default 0
        Samples, beginnings and batches follow from it; they are drawn for rows in the order of what
        they hold, equal ones as one with a weight, so that the order of rows changes nothing.

    Attributes
    ----------
    log_likelihood_ : float
        Of the averaged distribution, on the rows that were fitted.
    history_ : DataFrame
        Mean log-likelihood per unit of each member at each epoch: on its sample, and on the
        units that it left out (`validation_log_likelihood`).
    members_ : DataFrame
        The same at the epoch that was kept (`epoch`), one row a member.
    n_epochs_, n_parameters_ : int
        Epochs until none improved any more, and numbers in one network.
    n_units_, n_events_ : float

    Notes
    -----
    S(t | x) = 1/M \sum_m \sum_k w_mk(x) exp(-(t / scale_mk(x))^shape_mk(x)). Members begin near
    the mixture of their own sample without covariates and go up the likelihood of
    `MixtureRegression`, every kind of censoring and late entry included, by stochastic gradients
    (bagging: Breiman 1996; ensembles: Lakshminarayanan, Pritzel and Blundell 2017).

    Bounds come from how far the members' own answers are apart, by Student's t on the safe
    scales of the other models. All that a fit does is done anew for each sample, and members stop
    where their average is best, which is later than each would alone: so they differ by the luck
    of the sample and of the training. What all networks get wrong alike is not in the bounds. The
    page Deep mixtures has their coverage where the truth is known. `predict_interval` needs no
    such bound: it is read off the averaged distribution.

    Examples
    --------
    >>> import numpy as np
    >>> from survjax import DeepWeibullMixture
    >>> rng = np.random.default_rng(0)
    >>> load = rng.uniform(-2, 2, (300, 1))
    >>> lives = np.exp(3.0 - load[:, 0] ** 2) * rng.weibull(2.0, 300)
    >>> model = DeepWeibullMixture(1, n_members=2, max_epochs=60).fit(load, lives)
    >>> median = model.predict_quantile([[0.0], [2.0]], [0.5])["q50"]
    >>> bool(median[0] > 3 * median[1])
    True
    """

    _picture = "partial_survival"

    def __init__(
        self,
        n_components: int = 2,
        *,
        layers: Any = (16, 16),
        activation: str = "softplus",
        on: Any = ("scale", "weight"),
        n_members: int = 8,
        n_restarts: int = 1,
        optimizer: Any = "adam",
        learning_rate: float | None = None,
        weight_decay: float = 1e-4,
        batch_size: int | None = 128,
        max_epochs: int = 500,
        patience: int = 20,
        tol: float = 1e-4,
        validation_fraction: float | None = 0.2,
        max_shape: float = 60.0,
        random_state: Any = 0,
    ) -> None:
        self.n_components = n_components
        self.layers = layers
        self.activation = activation
        self.on = on
        self.n_members = n_members
        self.n_restarts = n_restarts
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.tol = tol
        self.validation_fraction = validation_fraction
        self.max_shape = max_shape
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.random_state is None
        return tags

    @double_precision
    @without_drafts()
    @all_or_nothing
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        entry: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        unit: ArrayLike | None = None,
    ) -> Self:
        """Train on lifetimes with covariates.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Covariates of each unit: numbers, none missing. They are standardized inside.
        y : array-like
            Durations of shape (n,), all failed; columns (duration, event) of shape (n, 2); a
            structured array or frame whose boolean field is the event; or
            `survival_target(lower, upper)` for intervals.
        entry : array-like of shape (n,), optional
            Age at which each unit came under observation.
        sample_weight : array-like of shape (n,), optional
            How many units each row stands for.
        unit : array-like of shape (n,), optional
            Which unit each row belongs to, where covariates change with time, as in
            `AcceleratedLifetime.fit`. One hidden component produces all rows of a unit; its
            weights depend on the covariates of the unit's first row.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For columns that are not numbers or have missing values (named), and for rows that
            are not lifetimes.
        NoFiniteMaximum
            Where nothing failed.
        """
        network, how = check_settings(self)
        rows, x = checked_rows(self, X, y, entry, sample_weight)
        check_failures(rows)
        if unit is None:
            warn_of_unnamed_units(rows, x, MIXED)
        histories = None if unit is None else Histories.from_rows(rows, unit)
        taught, seen, units = by_content(rows, x, unit)
        lives, first = taught, slice(None)
        if units is not None:
            lives, first = whole_lives(units), units.order[units.first_rows]
        weight, held_out = member_weights(self, lives, how.seed)
        columns = Columns.of(seen, row_weights(taught, units))
        z = (seen - columns.center) / columns.scale
        base = plain_mixtures(lives, weight, self.n_components)
        # In training a unit of the usual weight counts as one.
        share = weight / lives.weight.mean()
        trained = train_members(
            network, units or taught, z, share, held_out, base, self.n_restarts, how
        )
        kept, parameters = best_of_each(
            trained, self.n_members, self.n_restarts, held_out is not None
        )
        order = component_order(network, parameters, z[first])
        self._ensemble = Ensemble(network, parameters, order, columns.center, columns.scale)
        self.n_epochs_ = int(trained.n_epochs) - 1
        self.history_ = history_table(trained, kept, lives, weight, held_out)
        self.members_ = members_table(self.history_, np.asarray(trained.epoch)[kept])
        self.n_parameters_ = int(self._ensemble.n_parameters)
        self.n_units_, self.n_events_ = lives.n_units, rows.n_events
        self.log_likelihood_ = self._mean_term(rows, x, histories) * lives.n_units
        return self

    def _mean_term(self, rows: Observations, x: np.ndarray, histories: Histories | None) -> float:
        """Mean log-likelihood per unit."""
        if histories is not None:
            terms = ensemble_history_terms(self._ensemble, histories, x)
            return weighted_total(terms, histories.weight) / histories.n_units
        terms = ensemble_log_likelihoods(self._ensemble, rows, x)
        return weighted_total(terms, rows.weight) / rows.n_units

    def _curves(
        self, curves: tuple[str, ...], t: Any, x: np.ndarray, ages: np.ndarray, level: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        values, errors = evaluate_ensemble(self._ensemble, curves, t, x, ages, level is not None)
        return values, errors if level is None else errors * self._critical_value(level)

    def _has_components(self) -> bool:
        # The members' own quantiles tell how far apart they may lie: no band needs inverting.
        return False

    def _along(
        self, x: np.ndarray, times: np.ndarray, age: float, level: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        values, errors, gradient = ensemble_along(self._ensemble, x, times, age)
        return values, errors * self._critical_value(level), gradient

    def _critical_value(self, level: float) -> float:
        """Factor on errors: the spread of few members is itself uncertain.

        By Student's t, where those who take the errors go by the normal distribution.
        """
        tail, others = 0.5 + level / 2, max(self.n_members - 1, 1)
        return float(special.stdtrit(others, tail) / special.ndtri(tail))

    def _interval(
        self, x: np.ndarray, ages: np.ndarray, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        tails = np.array([[0.5 - level / 2], [0.5 + level / 2]])
        low, high = evaluate_ensemble(self._ensemble, ("quantile",) * 2, tails, x, ages, False)[0]
        return response_value("quantile", low), response_value("quantile", high)

    def _memberships(self, x: np.ndarray, ages: np.ndarray, failed: np.ndarray) -> np.ndarray:
        return ensemble_memberships(self._ensemble, x, ages, failed)[1]

    def _membership_logits(
        self, x: np.ndarray, ages: np.ndarray, failed: np.ndarray, level: float
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        own, found = ensemble_memberships(self._ensemble, x, ages, failed)
        logits = special.logit(found)
        with np.errstate(invalid="ignore", divide="ignore"):
            away = special.logit(own) - logits
            errors = np.sqrt(np.sum(away**2, axis=0) / (self.n_members - 1))
        critical = float(special.stdtrit(self.n_members - 1, 0.5 + level / 2))
        return logits, around(logits, errors, critical)

    @double_precision
    def score(
        self, X: Any, y: Any, *, entry: Any = None, sample_weight: Any = None, unit: Any = None
    ) -> float:
        """Mean log-likelihood per unit; higher is better. Arguments as in `fit`."""
        self._check_fitted()
        rows, x = checked_rows(self, X, y, entry, sample_weight, reset=False)
        return self._mean_term(rows, x, None if unit is None else Histories.from_rows(rows, unit))
