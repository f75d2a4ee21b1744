"""A fit for each group of a table, all of them in a few runs of compiled programs."""

from __future__ import annotations

import copy
import functools
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from survjax._core.precision import double_precision
from survjax.data.observations import Observations
from survjax.data.tables import Columns
from survjax.estimators.groups.answers import Answers
from survjax.estimators.groups.fits import GroupFits
from survjax.estimators.groups.keys import grouped, key_columns, key_names
from survjax.estimators.groups.pooling import pooled_fits
from survjax.estimators.lifetime.estimator import LifetimeEstimator
from survjax.estimators.lifetime.model import LifetimeModel
from survjax.estimators.messages import NoFiniteMaximum
from survjax.fitting.groups.maxima import maxima_of_groups
from survjax.fitting.groups.requests import Steps
from survjax.fitting.groups.rows import MOST_ROWS, GroupedRows
from survjax.fitting.groups.together import together
from survjax.fitting.local_maxima import LocalMaximum

#: Hears how many groups are done, of how many.
Progress = Callable[[int, int], None]


@double_precision
def fit_groups(
    frame: Any,
    by: Any,
    *,
    duration: str | None = None,
    event: str | None = None,
    lower: str | None = None,
    upper: str | None = None,
    entry: str | None = None,
    exit: str | None = None,
    weight: str | None = None,
    model: Any = None,
    pooling: str | None = None,
    progress: bool = False,
) -> GroupFits:
    """Fit one model to each group of a table."""
    model = LifetimeModel() if model is None else model
    if not isinstance(model, LifetimeEstimator):
        raise ValueError(
            "model must be a LifetimeModel or a WeibullMixture, such as WeibullMixture(2), got "
            f"{type(model).__name__}: models with covariates take the group as a column"
        )
    model._check_parameters()
    names = key_names(by)
    column = Columns(frame)
    keys, group = grouped(key_columns(column, names), names)
    rows = Observations.from_frame(
        column.table, duration=duration, event=event, lower=lower, upper=upper, entry=entry, exit=exit,
        weight=weight, resolution=model.resolution if lower is None else None, rounding=model.rounding,
        zeros=model._fails_at_zero,
    )  # fmt: skip
    groups = GroupedRows.of(rows, group, len(keys))
    if pooling not in (None, "empirical-bayes"):
        raise ValueError(f"pooling must be None or 'empirical-bayes', got {pooling!r}")
    answers = _answers(model, groups, _shown(progress))
    fits = GroupFits(keys, copied(model), groups, answers, duration)
    return fits if pooling is None else pooled_fits(fits)


def _answers(model: LifetimeEstimator, groups: GroupedRows, progress: Progress) -> Answers:
    """The fits of all groups: side by side where they can be, the others one after the other."""
    n = groups.n_units.size
    template = model._template_for_groups()
    answers = Answers.nothing(n, template)
    count = 0

    def done(more: int) -> None:
        nonlocal count
        count += more
        progress(count, n)

    if template is not None:
        usual = (groups.n_events > 0) & (groups.sizes <= MOST_ROWS)
        found = maxima_of_groups(template, groups, np.flatnonzero(usual), model._settings())
        answers.put(found)
        done(found.which.size)
    left = np.flatnonzero(~answers.converged)
    models = {}

    def begun(i: int) -> Steps[None]:
        models[i] = copied(model)
        return _heard(models[i]._fit_steps(groups.observed(i)))

    searches = (functools.partial(begun, i) for i in left.tolist())
    for j, found in together(searches, model._settings().rule):
        i = int(left[j])
        own = models.pop(i)
        if isinstance(found, NoFiniteMaximum):
            answers.refuse(i, str(found))
        elif isinstance(found, Exception):
            raise found
        else:
            answers.put_alone(i, own, "; ".join(found))
        done(1)
    return answers


def _heard(steps: Steps[None]) -> Steps[list[str]]:
    """The steps of a fit, and what it warned of on the way."""
    heard: list[str] = []
    ends: list[LocalMaximum] | None = None
    while True:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                request = next(steps) if ends is None else steps.send(ends)
            except StopIteration:
                return [*heard, *(str(each.message) for each in caught)]
        heard += [str(each.message) for each in caught]
        ends = yield request


def copied(model: Any) -> Any:
    """The same model without a fit; a random generator in it begins where the other's does."""
    return type(model)(**copy.deepcopy(model.get_params()))


def _shown(progress: bool) -> Progress:
    """What says how many groups are done: on stderr, or nowhere."""

    def say(done: int, wanted: int) -> None:
        end = "\n" if done >= wanted else ""
        print(f"\r{done} of {wanted} groups", end=end, file=sys.stderr, flush=True)

    return say if progress else lambda done, wanted: None
