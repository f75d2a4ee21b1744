"""Bootstrap replicates of several causes fitted together, and bounds of what each ends.

Units are drawn with what ended them, so that one replicate moves the parameters of all causes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import islice

import numpy as np

from survjax._core.annotations import RandomState
from survjax._core.numerics import diagonal_blocks
from survjax._core.validation import random_generator
from survjax.data.observations import Observations
from survjax.fitting.causes.rows import coupled
from survjax.fitting.causes.search import (
    STARTS,
    causes_limits,
    ends_from,
    joint_violations,
    search_causes,
)
from survjax.fitting.coreset import compress, is_plain
from survjax.fitting.settings import Settings
from survjax.lifetimes import Competing
from survjax.likelihood.causes.rows import CauseData, SortedRows, cause_data
from survjax.likelihood.causes.terms import cause_scores
from survjax.likelihood.causes_template import CausesTemplate
from survjax.likelihood.panels import rates, rates_from
from survjax.prediction.incidence import incidence_slopes, incidences_at
from survjax.uncertainty.bootstrap import MOST_STARTS, Bootstrap, crosses
from survjax.uncertainty.percentiles import bounds_around
from survjax.uncertainty.replicates import (
    FEW_ROWS,
    MANY_ROWS,
    batch_item,
    recorded,
    resampled,
    simulated,
)

#: Rows with the causes (n, K) that each may have ended of.
Drawn = tuple[Observations, np.ndarray]


def bootstrap_causes(
    template: CausesTemplate,
    x: np.ndarray,
    covariance: np.ndarray,
    rows: Observations,
    allowed: np.ndarray,
    settings: Settings,
    *,
    n_replicates: int,
    kind: str,
    random_state: RandomState,
    recording: tuple[float, str] | None,
    others: np.ndarray | None = None,
) -> Bootstrap:
    """Refit replicates of the data, as `survjax.uncertainty.bootstrap.bootstrap` does.

    `allowed` (n, K) are the causes that each row may have ended of.
    """
    starts = x[None]
    if others is not None:
        starts = np.resize(np.concatenate([starts, others]), (MOST_STARTS, x.size))
    rng = random_generator(random_state)
    lifetime: Competing = template.at(x)
    if kind == "rows":
        rows, allowed = compressed(rows, allowed)
        sorted_rows = SortedRows.of(rows, allowed)
        given = sorted_rows.data(rates_from(lifetime, np.zeros(rows.n_rows)))
        batches = _resampled(rows, allowed, rng, sorted_rows, given)
    else:
        sorted_rows = SortedRows.of(rows, allowed)
        batches = _simulated(lifetime, rows, allowed, rng, recording)
    # What fitted the causes together is compiled, for so many starts.
    width = max(STARTS, len(starts)) if coupled(rows, allowed) else len(starts)
    refit = _Refit(template, starts, width, settings, rows.n_units)
    found = (refit(*replicate) for replicate in islice(batches, n_replicates))
    kept = [point for point in found if point is not None]
    points = np.array(kept).reshape(-1, x.size)
    pairs = zip(template.parts, template.slices, strict=True)
    information = diagonal_blocks(
        [part.constraints.information(covariance[own, own]) for part, own in pairs]
    )
    scores = cause_scores(lifetime, sorted_rows, rows.n_rows)
    scores = np.where(rows.weight[:, None] != 0, scores, 0.0)
    return Bootstrap(
        template.aligned(points, x, information),
        kind,
        n_replicates,
        n_replicates - len(kept),
        np.einsum("n,na,nb,nc->abc", rows.weight, scores, scores, scores),
    )


def compressed(rows: Observations, allowed: np.ndarray) -> Drawn:
    """Few rows that stand for many plain ones, those of each set of causes apart."""
    if not is_plain(rows) or rows.entry is not None or rows.n_rows <= FEW_ROWS:
        return rows, allowed
    kinds, which = np.unique(allowed, axis=0, return_inverse=True)
    parts = [
        compress(rows.take(np.flatnonzero(which.ravel() == i)), FEW_ROWS) for i in range(len(kinds))
    ]
    few = Observations(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("lower", "log_lower", "event", "weight")
        )
    )
    return few, np.repeat(kinds, [part.n_rows for part in parts], axis=0)


def _resampled(
    rows: Observations,
    allowed: np.ndarray,
    rng: np.random.Generator,
    sorted_rows: SortedRows,
    given: CauseData,
) -> Iterator[tuple[CauseData, Observations, np.ndarray]]:
    """Units drawn with replacement: what their likelihood takes, and the rows."""
    counted = np.where(rows.weight > 0, rows.weight, 1.0)
    for batch in resampled(rows, rng):
        for weight in batch.weight:
            yield sorted_rows.drawn(given, weight / counted), rows.reweighted(weight), allowed


def _simulated(
    lifetime: Competing,
    rows: Observations,
    allowed: np.ndarray,
    rng: np.random.Generator,
    recording: tuple[float, str] | None,
) -> Iterator[tuple[CauseData, Observations, np.ndarray]]:
    """Lives drawn from the fit, each ended by a cause with chances as their hazards then."""
    if np.any((allowed.sum(axis=1) > 1) & (rows.weight != 0)):
        raise ValueError(
            "kind='parametric' must know how causes came to be known or not, and some rows have "
            "one of several causes: use kind='rows'"
        )
    if rows.n_rows > MANY_ROWS:
        raise ValueError(
            f"kind='parametric' draws at most {MANY_ROWS} units with causes, got {rows.n_rows}: "
            "use kind='rows'"
        )
    n_causes = allowed.shape[1]
    for batch in simulated(lifetime, rows, rng, None):
        for i in range(len(batch.weight)):
            drawn = batch_item(batch, i)
            ended, time = drawn.event > 0, drawn.lower
            logs = rates(lifetime, time, 0.0 * time)[0]
            chances = np.exp(logs - logs.max(axis=0))
            steps = np.cumsum(chances / chances.sum(axis=0), axis=0)
            cause = (rng.random(time.size) > steps[:-1]).sum(axis=0)
            own = np.eye(n_causes, dtype=bool)[cause] & ended[:, None]
            if recording is not None:
                # The cause is that of the time itself, not of the rounded one.
                life, still = np.where(ended, time, np.inf), np.where(ended, np.inf, time)
                drawn = recorded(life, still, drawn.entry, recording)
            yield cause_data(drawn, own, lifetime), drawn, own


@dataclasses.dataclass(frozen=True)
class _Refit:
    """From a replicate to the parameters of its interior maximum, or None."""

    template: CausesTemplate
    starts: np.ndarray
    width: int
    settings: Settings
    n_units: float

    def __call__(
        self, given: CauseData, rows: Observations, allowed: np.ndarray
    ) -> np.ndarray | None:
        template, rules = self.template, (self.settings, self.n_units)
        if not allowed[rows.weight != 0].any(axis=0)[template.moving].all():
            return None
        limits = causes_limits(template, *rules)
        ends = ends_from(template, given, self.starts, limits, self.width)
        good = [end for end in ends if not joint_violations(end, template, *rules)]
        outside = (
            any(crosses(template, end.x) for end in good) or template.constraints.at_bounds.size
        )
        if outside or (not good and any(part.is_mixture for part in template.parts)):
            # Between bounds, where there are any: others may stand at one here than in the fit.
            free = template.constrained(template.constraints.at(np.empty(0, int), np.empty(0)))
            model, answer = search_causes(free, rows, allowed, self.settings)
            inside = not (answer.violations or crosses(model, answer.best.x))
            good = [answer.best] if inside else []
        best = max(good, key=lambda end: end.value, default=None)
        return None if best is None else best.x


def incidence_bounds(
    template: CausesTemplate,
    x: np.ndarray,
    covariance: np.ndarray,
    replicates: Bootstrap,
    cause: int,
    t: np.ndarray,
    ages: np.ndarray,
    level: float,
    corrected: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (n,) of log(-log(1 - F)), F what a cause ends within times after ages."""
    lifetime = template.at(x)
    values, slopes = incidence_slopes(lifetime, cause, t, ages)
    found = incidences_at(lifetime, replicates.parameters, cause, t, ages)
    return bounds_around(found, values, slopes.T, replicates.skewness, covariance, level, corrected)
