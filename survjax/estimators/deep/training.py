"""What surrounds the training of a deep mixture: settings, samples, beginnings, tables."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from survjax._core.precision import double_precision
from survjax._core.validation import check_count, check_fraction, check_positive
from survjax.data.content import content_ranks, group_ranks, runs
from survjax.data.observations import Observations
from survjax.estimators.frames import frame
from survjax.estimators.lifetime.settings import check_parts, part_of
from survjax.estimators.lifetime.weibull_mixture import WeibullMixture
from survjax.estimators.messages import NoFiniteMaximum
from survjax.fitting.regression.starts import location_start
from survjax.likelihood.regression.histories import Histories
from survjax.likelihood.weibulls import weibull_parts, weibull_template, weibull_vector
from survjax.networks.deep_mixture import MixtureNetwork, Training, pick
from survjax.networks.network import make_network
from survjax.networks.training import RATES, Trained, check_optimizer
from survjax.uncertainty.bootstrap import nearby_maxima

if TYPE_CHECKING:
    import pandas as pd

    from survjax.estimators.deep.model import DeepWeibullMixture

#: Learning rates as a share of those for networks that predict numbers.
SLOWER = 0.25
#: Samples without a failure inside, or without one left out, are drawn anew this often.
DRAWS = 50


def check_settings(model: Any) -> tuple[MixtureNetwork, Training]:
    """Check the hyper-parameters, and say what they mean."""
    k = check_count(model.n_components, "n_components")
    for name in ("n_members", "n_restarts"):
        check_count(getattr(model, name), name)
    check_parts(model.on)
    fraction = model.validation_fraction
    if fraction is not None and not 0.0 < check_fraction(fraction, "validation_fraction") < 1.0:
        raise ValueError(f"validation_fraction must lie between 0 and 1, got {fraction!r}")
    bound = check_positive(model.max_shape, "max_shape")
    template = weibull_template(k)
    names = (part_of(name) for name in template.names)
    free = tuple(part in model.on for part in names)
    network = MixtureNetwork(
        make_network(model.layers, model.activation, template.size), k, free, bound
    )
    optimizer, needs_rate = check_optimizer(
        model.optimizer, check_positive(model.weight_decay, "weight_decay", zero=True)
    )
    rate = None
    if needs_rate:
        given = model.learning_rate
        slow = SLOWER * RATES[model.optimizer]
        rate = slow if given is None else check_positive(given, "learning_rate")
    rows_at_once = 2**62 if model.batch_size is None else model.batch_size
    return network, Training(
        optimizer,
        rate,
        check_count(rows_at_once, "batch_size"),
        check_count(model.max_epochs, "max_epochs"),
        check_count(model.patience, "patience"),
        check_positive(model.tol, "tol", zero=True),
        int(check_random_state(model.random_state).randint(2**31 - 1)),
    )


@double_precision
def plain_mixtures(rows: Observations, weight: np.ndarray, k: int) -> np.ndarray:
    """The mixture of each member's sample (M, n) without covariates: (M, 3K - 1).

    Of its maxima the one nearest to that of all rows, and kept where every component can learn.
    """
    log_scale, log_shape = location_start(rows)
    model = WeibullMixture(k)
    try:
        # Without covariates the components may not show; that is no verdict on the model.
        model._fit(rows, warn=False)
        found = nearby_maxima(model._template, model.parameters_, rows, weight, model._settings())
    except NoFiniteMaximum:
        alike = weibull_vector(np.zeros(k), np.full(k, log_scale), np.full(k, log_shape))
        found = np.tile(alike, (len(weight), 1))
    range_below = 10.0 * np.exp(-min(log_shape, 0.0))
    logits, scales, shapes = weibull_parts(found)
    return weibull_vector(
        np.clip(logits, -3.0, 3.0),
        np.clip(scales, log_scale - range_below, log_scale + 5.0),
        np.clip(shapes, np.log(0.3), np.log(15.0)),
    )


def by_content(
    rows: Observations, x: np.ndarray, unit: ArrayLike | None
) -> tuple[Observations, np.ndarray, Histories | None]:
    """Rows that differ, or units that do, in the order of what they hold, with their weights.

    Samples and batches are drawn for places in this order: they stay the same where rows are
    reordered, or where equal ones are collapsed into one with a weight.
    """
    with_weight = np.flatnonzero(rows.weight > 0)
    rows, x = rows.take(with_weight), x[with_weight]
    if unit is not None:
        return _units_by_content(
            rows, x, np.unique(np.asarray(unit)[with_weight], return_inverse=True)[1]
        )
    ranks = content_ranks(_columns(rows, x))
    first = np.unique(ranks, return_index=True)[1]
    return rows.take(first).reweighted(np.bincount(ranks, rows.weight)), x[first], None


def _units_by_content(
    rows: Observations, x: np.ndarray, code: np.ndarray
) -> tuple[Observations, np.ndarray, Histories]:
    """The same for units; those with equal rows are one, and cuts where nothing changes go."""
    unit_weight = np.empty(int(code.max()) + 1)
    unit_weight[code] = rows.weight
    start = np.zeros(rows.n_rows) if rows.entry is None else rows.entry
    first, last = runs(code, start, rows.lower, rows.event, list(x.T))
    code, rows, x = code[last], dataclasses.replace(rows.take(last), entry=start[first]), x[last]
    ranks = content_ranks(_columns(rows, x))
    place = group_ranks(ranks, code)
    kept = np.zeros(place.size, bool)
    kept[np.unique(place, return_index=True)[1]] = True
    some = np.flatnonzero(kept[code])
    some = some[np.argsort(ranks[some], kind="stable")]
    label = place[code[some]]
    rows, x = rows.take(some).reweighted(np.bincount(place, unit_weight)[label]), x[some]
    return rows, x, Histories.from_rows(rows, label)


def _columns(rows: Observations, x: np.ndarray) -> list[np.ndarray]:
    """All that rows hold but their weights."""
    names = ("lower", "event", "upper", "interval", "entry", "exit")
    return [v for v in (getattr(rows, name) for name in names) if v is not None] + list(x.T)


def member_weights(
    model: DeepWeibullMixture, rows: Observations, seed: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Weights (M, n) of what each member is trained on and of what it is stopped by."""
    random = np.random.default_rng(seed)
    if model.n_members > 1:
        drawn = [_bootstrap(rows, random) for _ in range(model.n_members)]
        weight, held_out = (np.array(part) for part in zip(*drawn, strict=True))
        return weight, held_out
    if model.validation_fraction is None:
        return rows.weight[None], None
    held_out = _split(rows, model.validation_fraction, random)
    if rows.weight[held_out] @ _failed(rows)[held_out] == _failed(rows) @ rows.weight:
        raise ValueError(
            f"validation_fraction={model.validation_fraction} of {rows.n_rows} rows leaves no "
            "failure to train on"
        )
    return np.where(held_out, 0.0, rows.weight)[None], np.where(held_out, rows.weight, 0.0)[None]


def _failed(rows: Observations) -> np.ndarray:
    return rows.event if rows.interval is None else rows.event + rows.interval


def _bootstrap(rows: Observations, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Units drawn with replacement (each a Poisson number of times), and those never drawn.

    A row that stands for w units is w of them: those left out are as many as expected.
    """
    units = np.maximum(rows.weight, 1.0)
    each = rows.weight / units
    failed = _failed(rows)
    for _ in range(DRAWS):
        count = random.poisson(units)
        weight = each * count
        held_out = rows.weight * (1.0 - 1.0 / units) ** count
        if weight @ failed > 0 and held_out @ failed > 0:
            return weight, held_out
    # With one failure in all, no sample has one on both sides: it teaches, and stops.
    return rows.weight, rows.weight


def _split(rows: Observations, fraction: float, random: np.random.Generator) -> np.ndarray:
    """True for rows that stand for a random share of the units, of failures and others alike."""
    held_out = np.zeros(rows.n_rows, bool)
    for kind in (True, False):
        some = random.permutation(np.flatnonzero((_failed(rows) > 0) == kind))
        weight = rows.weight[some]
        before = np.cumsum(weight) - weight
        held_out[some[before < fraction * weight.sum()]] = True
    return held_out


def best_of_each(
    trained: Trained, members: int, restarts: int, held_out: bool
) -> tuple[np.ndarray, Any]:
    """Position of each member's best restart, and the parameters of those, members leading."""
    measured = np.asarray(trained.measured["validation_objective" if held_out else "objective"])
    score = measured[np.asarray(trained.epoch), np.arange(members * restarts)]
    finite = np.where(np.isfinite(trained.score), score, np.inf).reshape(members, restarts)
    if np.isinf(finite.min(axis=1)).any():
        raise ValueError("training diverged: lower learning_rate, or look for extreme values in X")
    kept = np.arange(members) * restarts + np.argmin(finite, axis=1)
    return kept, pick(trained.parameters, kept)


def history_table(
    trained: Trained,
    kept: np.ndarray,
    rows: Observations,
    weight: np.ndarray,
    held_out: np.ndarray | None,
) -> pd.DataFrame:
    """Mean log-likelihood of each kept network at each epoch, in the units of the durations."""
    epochs = int(trained.n_epochs)
    logs = rows.event * rows.log_lower
    parts = {"log_likelihood": ("objective", weight)}
    if held_out is not None:
        parts["validation_log_likelihood"] = ("validation_objective", held_out)
    columns = {
        "member": np.repeat(np.arange(kept.size), epochs),
        "epoch": np.tile(np.arange(epochs), kept.size),
    }
    for name, (measure, weights) in parts.items():
        shift = weights @ logs / weights.sum(axis=1)
        values = -np.asarray(trained.measured[measure])[:epochs, kept] - shift
        columns[name] = values.T.ravel()
    return frame(columns)


def members_table(history: pd.DataFrame, epoch: np.ndarray) -> pd.DataFrame:
    """The rows of the history that were kept, one a member."""
    found = history[history["epoch"].to_numpy() == epoch[history["member"].to_numpy()]]
    return found.set_index("member")
