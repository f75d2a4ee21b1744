"""Golden fits of lifetimes without covariates: every kind of row, one to three components."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from survjax import Observations, WeibullMixture
from survjax.datasets import (
    load_air_conditioning,
    load_ball_bearings,
    load_devices,
    load_leukemia,
    load_meters,
    load_pumps,
    load_shock_absorbers,
)
from tests.golden.samples import Fitted, fleet, inspected, weights


def record(model: Any, profile: bool = False) -> Fitted:
    """Keep the parameters of a fitted lifetime; what follows from them on request."""
    found = {
        "log_likelihood": model.log_likelihood_,
        "names": list(model.parameter_names_),
        "parameters": model.parameters_,
        "standard_errors": np.sqrt(np.diag(model.covariance_)),
    }
    return Fitted(found, partial(says, model, profile))


def says(model: Any, profile: bool) -> dict[str, Any]:
    """Curves with bounds, and remaining life at three ages."""
    middle = float(model.quantile(0.4))
    ages, times = np.array([0.0, 0.3, 0.8]) * middle, np.array([0.2, 0.7, 1.3]) * middle
    found: dict[str, Any] = {
        "ages": ages,
        "bounded_rul": model.predict_rul(ages).to_numpy(),
        "failure_probability": model.failure_probability(ages, 0.5 * middle).to_numpy()[:, 0],
        "interval_of_lives": model.predict_interval(ages, 0.9).to_numpy(),
    }
    for curve, where in (("survival", times), ("quantile", np.array([0.1, 0.5]))):
        bounds = model.confidence_interval(curve, where, method="delta")
        found[f"bounded_{curve}"] = np.column_stack([getattr(model, curve)(where), *bounds])
    bounds = model.confidence_interval("scales", method="delta")
    found["bounded_scales"] = np.column_stack([model.scales_, *bounds])
    if profile:
        for part in ("scales", "shapes"):
            bounds = model.confidence_interval(part, method="profile")
            values = getattr(model, f"{part}_")
            found[f"bounded_{part}_by_profile"] = np.column_stack([values, *bounds])
    return found


def _failures(k: Any, load: Callable[[], Any], **options: Any) -> Fitted:
    """A shipped table of durations and events."""
    table = load()
    model = WeibullMixture(k, **options.pop("settings", {}))
    return record(model.fit(table["duration"], table["failed"]), **options)


def _pumps(k: Any, late: bool, **options: Any) -> Fitted:
    table = load_pumps()
    if not late:
        table = table[table["entry"] == 0]
    model = WeibullMixture(k, **options.pop("settings", {}))
    return record(
        model.fit(table["duration"], table["failed"], entry=table["entry"] if late else None),
        **options,
    )


def _meters(k: int, **settings: Any) -> Fitted:
    table = load_meters()
    return record(WeibullMixture(k, **settings).fit(table["duration"], table["failed"]))


def _fleet(k: Any, n: int, late: bool = False, weighted: bool = False, **options: Any) -> Fitted:
    durations, failed, entry = fleet(n, late=late)
    model = WeibullMixture(k, **options.pop("settings", {}))
    weight = weights(n) if weighted else None
    model.fit(durations, failed, entry=entry if late else None, sample_weight=weight)
    return record(model, **options)


def _chosen(criterion: str, n: int) -> Fitted:
    durations, failed, _ = fleet(n)
    model = WeibullMixture(criterion, max_components=3).fit(durations, failed)
    table = model.selection_
    found = {name: table[name].to_numpy(float) for name in ("log_likelihood", "aic", "bic")}
    made = record(model)
    return made._replace(fit=made.fit | {"components": str(model.weights_.size)} | found)


def _inspected(
    k: int, n: int, late: bool = False, weighted: bool = False, **options: Any
) -> Fitted:
    durations, failed, entry = fleet(n, seed=2, late=late)
    weight = weights(n) if weighted else None
    model = WeibullMixture(k).fit_interval(
        *inspected(durations, failed, 2.5), entry=entry if late else None, sample_weight=weight
    )
    return record(model, **options)


def _truncated(k: int, n: int, late: bool = False, **options: Any) -> Fitted:
    """Only units that failed before an age were recorded; some came under observation late."""
    durations, failed, entry = fleet(3 * n, seed=3, late=late)
    rows = np.flatnonzero(failed & (durations < 45.0))[:n]
    observed = Observations.from_durations(
        durations[rows],
        exit=np.full(rows.size, 45.0),
        entry=entry[rows] if late else None,
    )
    return record(WeibullMixture(k).fit(observed), **options)


def _few(durations: list[float], failed: list[int] | None = None) -> Fitted:
    return record(WeibullMixture(1).fit(durations, failed), profile=True)


CASES: dict[str, Callable[[], Fitted]] = {
    "bearings, one": partial(_failures, 1, load_ball_bearings, profile=True),
    "leukemia, one": partial(_failures, 1, load_leukemia),
    "absorbers, one": partial(_failures, 1, load_shock_absorbers),
    "devices, two": partial(_failures, 2, load_devices, profile=True),
    "air conditioning, one": partial(_failures, 1, load_air_conditioning),
    "pumps, two": partial(_pumps, 2, late=False),
    "pumps, one, late entry": partial(_pumps, 1, late=True, profile=True),
    "pumps, two, late entry": partial(_pumps, 2, late=True, profile=True),
    "meters, one, months": partial(_meters, 1, resolution=1.0),
    "meters, two, months": partial(_meters, 2, resolution=1.0),
    "meters, two, months found": partial(_meters, 2, resolution="auto"),
    "meters, two, nearest": partial(_meters, 2, resolution=1.0, rounding="nearest"),
    "fleet, one": partial(_fleet, 1, 400),
    "fleet, two": partial(_fleet, 2, 400, profile=True),
    "fleet, three": partial(_fleet, 3, 1500),
    "fleet, by bic": partial(_chosen, "bic", 400),
    "fleet, by aic": partial(_chosen, "aic", 400),
    "fleet, two, weights": partial(_fleet, 2, 400, weighted=True),
    "fleet, one, weights": partial(_fleet, 1, 400, weighted=True),
    "fleet, two, late entry": partial(_fleet, 2, 400, late=True),
    "fleet, two, late entry, weights": partial(_fleet, 2, 400, late=True, weighted=True),
    "fleet, three, late entry": partial(_fleet, 3, 1500, late=True),
    "fleet, two, many": partial(_fleet, 2, 100_000),
    "fleet, one, many": partial(_fleet, 1, 300_000),
    "fleet, two, many, late entry": partial(_fleet, 2, 50_000, late=True),
    "fleet, two, few": partial(_fleet, 2, 25),
    "intervals, one": partial(_inspected, 1, 400, profile=True),
    "intervals, two": partial(_inspected, 2, 400),
    "intervals, one, late entry": partial(_inspected, 1, 400, late=True),
    "intervals, two, late entry": partial(_inspected, 2, 400, late=True),
    "intervals, two, weights": partial(_inspected, 2, 400, weighted=True),
    "intervals, two, many": partial(_inspected, 2, 20_000),
    "truncated, one": partial(_truncated, 1, 400),
    "truncated, two": partial(_truncated, 2, 1500),
    "truncated, two, late entry": partial(_truncated, 2, 1500, late=True),
    "two failures": partial(_few, [3.0, 5.0]),
    "three failures": partial(_few, [3.0, 5.0, 9.0]),
    "two failures of four": partial(_few, [3.0, 5.0, 9.0, 4.0], [1, 1, 0, 0]),
}
