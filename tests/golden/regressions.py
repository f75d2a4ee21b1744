"""Golden fits with covariates: each estimator, family, kind of row, penalty, and the baselines."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from survjax import (
    AcceleratedLifetime,
    CoxPH,
    DeepWeibullMixture,
    LogLogistic,
    MixtureRegression,
    ScaledHazard,
    Weibull,
    WeibullMixture,
    survival_target,
)
from survjax.baselines import DiscreteTimeHazard, LinearRegression, LogisticRegression
from survjax.datasets import load_pumps
from tests.golden.samples import Fitted, Units, assets, histories, inspected, two_kinds, weights

NEW = np.array([[0.0, 0.0], [0.8, 1.0], [-0.5, 1.0]])
AGES = np.array([0.0, 6.0, 20.0])


def record(model: Any, says: Callable[[Any], dict[str, Any]] | None = None) -> Fitted:
    """Keep the table of a fitted regression; what it says of three assets on request."""
    found = {
        "log_likelihood": model.log_likelihood_,
        "names": list(model.parameter_names_),
        "parameters": model.parameters_,
        "standard_errors": np.sqrt(np.diag(model.covariance_)),
    }
    return Fitted(found, partial(says or predictions, model))


def predictions(model: Any) -> dict[str, Any]:
    """Remaining life, risk and chances of three assets of different ages, with bounds."""
    found = {
        "bounded_rul": model.predict_rul(NEW, AGES).to_numpy(),
        "bounded_failure_probability": model.failure_probability(NEW, AGES, 8.0).to_numpy(),
    }
    curves = model.predict_survival(NEW, [5.0, 25.0], AGES)
    parts = [curves[part].to_numpy().ravel() for part in ("survival", "lower", "upper")]
    found["bounded_survival"] = np.column_stack(parts)
    if hasattr(model, "predict_interval"):
        found["interval_of_lives"] = model.predict_interval(NEW, AGES, 0.9).to_numpy()
    return found


def _rows(
    model: Any,
    units: Units,
    late: bool = False,
    weighted: bool = False,
    intervals: bool = False,
    changing: bool = False,
    **more: Any,
) -> Fitted:
    """Fit to rows of any kind."""
    x, y, entry = units.x, units.y, units.entry if late else None
    if changing:
        x, y, entry, more["unit"] = histories(units)
    if intervals:
        y = survival_target(*inspected(units.durations, units.failed, 6.0))
    if weighted:
        more["sample_weight"] = weights(len(x))
    return record(model.fit(x, y, entry=entry, **more))


def _accelerated(
    family: str = "weibull", settings: dict[str, Any] | None = None, **rows: Any
) -> Fitted:
    units = assets(family, n=rows.pop("n", 600), late=rows.get("late", False))
    return _rows(AcceleratedLifetime(family, **(settings or {})), units, **rows)


def _scaled(model: Callable[[], ScaledHazard], **rows: Any) -> Fitted:
    return _rows(model(), assets(late=rows.get("late", False)), **rows)


def _mixture(settings: dict[str, Any], **rows: Any) -> Fitted:
    units = two_kinds(n=rows.pop("n", 900), late=rows.get("late", False))
    return _rows(MixtureRegression(2, **settings), units, **rows)


def _pumps() -> Fitted:
    """The maker, as one column, on the share of weak pumps; a second column says the site."""
    table = load_pumps()
    columns = [table["maker"] == "Borel", table["site"] == table["site"].iloc[0]]
    x = np.column_stack(columns).astype(float)
    model = MixtureRegression(2, on={"weight": [0], "scale": [0, 1]})
    return record(model.fit(x, table[["duration", "failed"]].to_numpy(float), entry=table["entry"]))


def _known() -> Fitted:
    """Of one failure in three it is known of which kind it was."""
    units = two_kinds()
    weak = np.where(units.durations < 12.0, 0, 1)
    known = units.failed & (np.arange(len(weak)) % 3 == 0)
    return _rows(MixtureRegression(2), units, component=np.where(known, weak, -1))


def _deep() -> Fitted:
    """A small network; what it says, without a certificate of a maximum."""
    units = two_kinds(n=300)
    model = DeepWeibullMixture(2, layers=(4,), n_members=2, max_epochs=15, tol=0.0)
    return Fitted({}, partial(predictions, model.fit(units.x, units.y)))


def _cox(settings: dict[str, Any], **rows: Any) -> Fitted:
    units = assets(n=500, late=rows.pop("late", False))
    entry = units.entry if units.entry.any() else None
    if rows.pop("tied", False):
        units = units._replace(durations=np.ceil(units.durations / 2.0) * 2.0)
    stratum = np.arange(500) % 3 if rows.pop("strata", False) else None
    cluster = np.arange(500) // 4 if rows.pop("clustered", False) else None
    weight = weights(500) if rows.pop("weighted", False) else None
    model = CoxPH(**settings).fit(
        units.x, units.y, entry=entry, strata=stratum, cluster=cluster, sample_weight=weight
    )
    strata = None if stratum is None else np.array([0, 1, 2])
    return record(model, partial(_units, strata=strata))


def _units(model: CoxPH, strata: Any) -> dict[str, Any]:
    """What Cox's model says of three units, and of those that it was fitted to."""
    curves = model.predict_survival(NEW, [5.0, 25.0], AGES, strata=strata)
    parts = [curves[part].to_numpy().ravel() for part in ("survival", "lower", "upper")]
    risk = model.failure_probability(NEW, AGES, 8.0, strata=strata)
    rul = model.predict_rul(NEW, AGES, quantiles=(0.2, 0.4), strata=strata, horizon=30.0)
    return {
        "bounded_survival": np.column_stack(parts),
        "bounded_failure_probability": risk.to_numpy(),
        "rul": rul.to_numpy(float),
        "test": model.tests()["statistic"].to_numpy(),
        "residuals": model.residuals("martingale")[:10],
    }


def _linear(weighted: bool = False) -> Fitted:
    units = assets("lognormal", n=200)
    target = np.log(units.durations)
    model = LinearRegression().fit(units.x, target, weights(200) if weighted else None)
    found = record(model).fit | {"sigma": model.sigma_}
    return Fitted(found, lambda: {"predicted": model.predict(NEW)})


def _logistic(ridge: float, kinds: int) -> Fitted:
    units = assets(n=300)
    edges = np.quantile(units.durations, np.arange(1, kinds) / kinds)
    model = LogisticRegression(ridge).fit(units.x, np.searchsorted(edges, units.durations))
    found = {
        "parameters": np.ravel(model.parameters_),
        "standard_errors": np.ravel(model.standard_errors_),
    }
    return Fitted(found, lambda: {"predicted": model.predict_proba(NEW)})


def _discrete(late: bool) -> Fitted:
    units = assets(n=400, late=late)
    model = DiscreteTimeHazard(6).fit(units.x, units.y, entry=units.entry if late else None)
    return Fitted(
        {"edges": model.edges_, "coefficients": model.coef_},
        lambda: {
            "predicted": model.predict_survival(NEW, [5.0, 25.0], AGES).to_numpy(),
            "rul": model.predict_rul(NEW, AGES).to_numpy(),
        },
    )


def _only_fit(case: Callable[[], Fitted]) -> Fitted:
    """A case that is not asked for what follows: other cases of the same model are."""
    return case()._replace(says=dict)


HELD = Weibull.of(scale=35.0, shape=1.6)

CASES: dict[str, Callable[[], Fitted]] = {
    "accelerated, weibull": _accelerated,
    "accelerated, lognormal": partial(_accelerated, "lognormal"),
    "accelerated, loglogistic": partial(_accelerated, "loglogistic"),
    "accelerated, exponential": partial(_accelerated, "exponential"),
    "accelerated, weibull, late entry": partial(_accelerated, late=True),
    "accelerated, lognormal, late entry": partial(_accelerated, "lognormal", late=True),
    "accelerated, loglogistic, late entry": partial(_accelerated, "loglogistic", late=True),
    "accelerated, exponential, late entry": partial(_accelerated, "exponential", late=True),
    "accelerated, weibull, intervals": partial(_accelerated, intervals=True),
    "accelerated, lognormal, intervals": partial(_accelerated, "lognormal", intervals=True),
    "accelerated, loglogistic, intervals": partial(_accelerated, "loglogistic", intervals=True),
    "accelerated, exponential, intervals": partial(_accelerated, "exponential", intervals=True),
    "accelerated, weibull, intervals, late entry": partial(_accelerated, intervals=True, late=True),
    "accelerated, weibull, weights": partial(_accelerated, weighted=True),
    "accelerated, lognormal, weights": partial(_accelerated, "lognormal", weighted=True),
    "accelerated, weibull, shape on a column": partial(_accelerated, settings={"shape_on": [1]}),
    "accelerated, weibull, histories": partial(_accelerated, changing=True),
    "accelerated, lognormal, histories, late entry": partial(
        _accelerated, "lognormal", changing=True, late=True
    ),
    "accelerated, weibull, ridge": partial(_accelerated, settings={"penalty": 0.05}),
    "accelerated, weibull, lasso": partial(
        _accelerated, settings={"penalty": 0.05, "l1_ratio": 1.0}
    ),
    "accelerated, lognormal, lasso": partial(
        _accelerated, "lognormal", settings={"penalty": 0.4, "l1_ratio": 1.0}
    ),
    "accelerated, weibull, many": partial(_accelerated, n=50_000),
    "accelerated, weibull, few": partial(_accelerated, n=12),
    "scaled, weibull": partial(_scaled, ScaledHazard),
    "scaled, weibull, late entry": partial(_scaled, ScaledHazard, late=True),
    "scaled, weibull, intervals": partial(_scaled, ScaledHazard, intervals=True),
    "scaled, weibull, ridge": partial(_scaled, partial(ScaledHazard, penalty=0.05)),
    "scaled, weibull, histories": partial(_scaled, ScaledHazard, changing=True),
    "scaled, weibull, in two steps": partial(_scaled, partial(ScaledHazard, joint=False)),
    "scaled, weibull held": partial(_scaled, partial(ScaledHazard, HELD, joint=False)),
    "scaled, loglogistic": partial(
        _scaled, partial(ScaledHazard, LogLogistic.of(scale=30.0, shape=1.5))
    ),
    "scaled, mixture": partial(_scaled, lambda: ScaledHazard(WeibullMixture(2))),
    "scaled, mixture, in two steps": partial(
        _scaled, lambda: ScaledHazard(WeibullMixture(2), joint=False)
    ),
    "mixture regression, scale": partial(_mixture, {"on": ["scale"]}),
    "mixture regression, weight": partial(_mixture, {"on": ["weight"]}),
    "mixture regression, both": partial(_mixture, {}),
    "mixture regression, late entry": partial(_only_fit, partial(_mixture, {}, late=True)),
    "mixture regression, weights": partial(_only_fit, partial(_mixture, {}, weighted=True)),
    "mixture regression, intervals": partial(
        _only_fit, partial(_mixture, {"on": ["scale"]}, intervals=True)
    ),
    "mixture regression, histories": partial(
        _only_fit, partial(_mixture, {"on": ["scale"]}, changing=True, n=300)
    ),
    "mixture regression, ridge": partial(
        _only_fit, partial(_mixture, {"on": ["scale"], "penalty": 0.05})
    ),
    "mixture regression, kinds known": partial(_only_fit, _known),
    "mixture regression, pumps": partial(_only_fit, _pumps),
    "deep mixture": _deep,
    "cox, efron": partial(_cox, {}, tied=True),
    "cox, breslow": partial(_cox, {"ties": "breslow"}, tied=True),
    "cox, strata": partial(_cox, {}, strata=True, tied=True),
    "cox, late entry": partial(_cox, {}, late=True),
    "cox, robust": partial(_cox, {"robust": True}, clustered=True),
    "cox, weights": partial(_cox, {"weights": "sampling"}, weighted=True),
    "cox, ridge": partial(_cox, {"penalty": 0.05}),
    "cox, lasso": partial(_cox, {"penalty": 0.02, "l1_ratio": 1.0}),
    "linear": _linear,
    "linear, weights": partial(_linear, True),
    "logistic": partial(_logistic, 1.0, 2),
    "logistic, no ridge, three kinds": partial(_logistic, 0.0, 3),
    "discrete": partial(_discrete, False),
    "discrete, late entry": partial(_discrete, True),
}
