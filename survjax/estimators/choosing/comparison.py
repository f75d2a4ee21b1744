"""Several lifetimes fitted to the same units, side by side."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from survjax._core.precision import double_precision
from survjax.data.observations import Observations
from survjax.estimators.frames import frame
from survjax.estimators.lifetime.model import LifetimeModel
from survjax.estimators.messages import FitWarning, NoFiniteMaximum
from survjax.lifetimes import Lifetime, families

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from survjax.estimators.lifetime.estimator import LifetimeEstimator

#: What a comparison may be sorted by.
CRITERIA = ("aic", "aicc", "bic")


#: Characters of a status that are printed; `table` has all of it.
PRINTED = 60


def _shortened(words: str) -> str:
    """The beginning of a status."""
    return words if len(words) <= PRINTED else f"{words[: PRINTED - 3].rstrip()}..."


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Lifetimes fitted to the same units.

    Attributes
    ----------
    table : DataFrame
        One row a candidate, the best first: `log_likelihood`, `n_parameters`, `aic`, `aicc`, `bic`,
        `weight` and `status`. Candidates without a maximum come last, with NaN and the reason.
    models : dict
        The fitted models by name, in the order of the table; those that have a maximum.
    criterion : {"aic", "aicc", "bic"}
        What the table is sorted by, and the weights are made of.
    """

    table: pd.DataFrame
    models: dict[str, Any]
    criterion: str

    def __repr__(self) -> str:
        short = self.table.assign(status=[_shortened(words) for words in self.table["status"]])
        return f"Comparison by {self.criterion}, the best first\n{short.to_string()}"

    @property
    def best(self) -> LifetimeEstimator:
        """The fitted model with the smallest criterion.

        Raises
        ------
        NoFiniteMaximum
            If no candidate has a maximum.
        """
        for model in self.models.values():
            return model
        raise NoFiniteMaximum(
            "no candidate has a finite maximum: see the column `status` of `table`"
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the candidates' survival over the Kaplan-Meier steps of the data.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.
        **options
            Of `survjax.plotting.plot_comparison`: `names`, `times` and `unit`.

        Returns
        -------
        matplotlib Axes
        """
        from survjax.plotting import plot_comparison

        return plot_comparison(self, ax, **options)


@double_precision
def compare(
    candidates: Iterable[object] | Mapping[str, object] | None,
    durations: ArrayLike | Observations,
    event_observed: ArrayLike | None = None,
    *,
    entry: ArrayLike | None = None,
    exit: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    criterion: str = "aic",
) -> Comparison:
    r"""Fit several lifetimes to the same units, and say which describes them best.

    Parameters
    ----------
    candidates : None, sequence or dict
        Names of families, `Lifetime` objects, and estimators such as `WeibullMixture(2)`, which are
        not altered; a dict names them. None is every family that has a name.
    durations, event_observed, entry, exit, sample_weight
        As in `LifetimeModel.fit`; `Observations` for intervals.
    criterion : {"aic", "aicc", "bic"}, default "aic"
        What is made small.

    Returns
    -------
    Comparison
        Its `table` has the best candidate first, and `models` the fitted ones.

    Raises
    ------
    ValueError
        If candidates read the durations in different ways (`resolution`, `rounding`): a density
        cannot be compared with a probability; or if one has priors.

    Notes
    -----
    With p parameters and n units, AIC = 2 p - 2 l (Akaike 1974), AICc adds
    2 p (p + 1) / (n - p - 1)
    (Hurvich and Tsai 1989; infinite where n <= p + 1), and BIC = p log n - 2 l (Schwarz 1978). The
    weight of a candidate is exp(-d / 2) over the sum of these, d what its criterion exceeds the
    smallest by (Burnham and Anderson 2002, section 2.9). None of these says whether the best one is
    good: look at its curve over `kaplan_meier`.

    Examples
    --------
    >>> from survjax import compare
    >>> lives = [3.0, 5.0, 8.0, 9.0, 12.0, 14.0]
    >>> found = compare(["weibull", "exponential"], lives, [1, 1, 1, 0, 1, 1])
    >>> list(found.table.index)
    ['weibull', 'exponential']
    >>> found.best.lifetime
    'weibull'
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion must be one of {', '.join(CRITERIA)}, got {criterion!r}")
    models = _models(candidates)
    given = {"entry": entry, "exit": exit, "sample_weight": sample_weight}
    table, fitted = {}, {}
    for name, model in models.items():
        table[name], found = _fit(model, durations, event_observed, given)
        if found is not None:
            fitted[name] = found
    scores = {name: row[criterion] for name, row in table.items()}
    order = sorted(table, key=lambda name: (np.isnan(scores[name]), scores[name]))
    away = np.array([scores[name] for name in order])
    with np.errstate(invalid="ignore", under="ignore"):
        share = np.exp(-0.5 * (away - np.nanmin(away))) if fitted else away
    share = share / np.nansum(share) if fitted else share
    columns: dict[str, Any] = {}
    for key in table[order[0]]:
        columns[key] = [table[name][key] for name in order]
    status = columns.pop("status")
    columns |= {"weight": share, "status": status}
    ranked = {name: fitted[name] for name in order if name in fitted}
    return Comparison(frame(columns, names=order), ranked, criterion)


def _models(candidates: object) -> dict[str, Any]:
    """Estimators by name; one setting of how durations are read among them."""
    if candidates is None:
        candidates = tuple(families())
    if isinstance(candidates, Mapping):
        named = list(candidates.items())
    elif isinstance(candidates, (str, Lifetime)) or not isinstance(candidates, Iterable):
        raise ValueError(
            "candidates must be several: a sequence or a dict of names of families, lifetimes and "
            f"estimators, got {candidates!r}"
        )
    else:
        named = [(_name_of(item), item) for item in candidates]
    names = [str(name) for name, _ in named]
    if not names:
        raise ValueError("candidates are empty: name at least one, or pass None for every family")
    again = sorted({name for name in names if names.count(name) > 1})
    if again:
        raise ValueError(f"candidates must have different names, got {', '.join(again)} twice")
    found = {name: _estimator(item) for name, (_, item) in zip(names, named, strict=True)}
    known = [name for name, model in found.items() if getattr(model, "priors", None)]
    if known:
        raise ValueError(
            "criteria compare maxima of likelihoods, and priors move a fit off its own: got priors "
            f"of {', '.join(known)}"
        )
    ways = {(model.resolution, model.rounding) for model in found.values()}
    if len(ways) > 1:
        raise ValueError(
            "candidates must read durations in one way, since a density cannot be compared with a "
            f"probability: got resolution and rounding {', '.join(sorted(map(str, ways)))}"
        )
    return found


def _name_of(item: object) -> str:
    """What the table calls a candidate."""
    if isinstance(item, Lifetime):
        return type(item).__name__
    return item if isinstance(item, str) else repr(item)


def _estimator(item: Any) -> Any:
    """An estimator of a candidate, its own."""
    if hasattr(item, "get_params") and not isinstance(item, type):
        return type(item)(**item.get_params())
    return LifetimeModel(item)


def _fit(
    model: LifetimeModel,
    durations: ArrayLike | Observations,
    event_observed: ArrayLike | None,
    given: dict[str, Any],
) -> tuple[dict[str, Any], LifetimeModel | None]:
    """One row of the table, and the fitted model if it has a maximum."""
    nothing = dict.fromkeys(("log_likelihood", "n_parameters", *CRITERIA), np.nan)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", FitWarning)
        try:
            model.fit(durations, event_observed, **given)
        except NoFiniteMaximum as error:
            return {**nothing, "status": str(error)}, None
    for other in told:
        # What is no news of this fit is the caller's.
        if not issubclass(other.category, FitWarning):
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    if not model.converged_:
        return {**nothing, "status": "; ".join(model.certificate_.violations)}, None
    p, n = model.n_free_, model.n_units_
    more = 2.0 * p * (p + 1) / (n - p - 1) if n > p + 1 else np.inf
    news = [str(other.message) for other in told if issubclass(other.category, FitWarning)]
    scores = {"aic": model.aic_, "aicc": model.aic_ + more, "bic": model.bic_}
    row = {"log_likelihood": model.log_likelihood_, "n_parameters": float(p), **scores}
    return {**row, "status": "; ".join(news) or "maximum"}, model
