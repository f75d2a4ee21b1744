"""A fit for each group of a table, all of them in a few runs of compiled programs."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from survjax._core.precision import double_precision
from survjax.data.observations import Observations
from survjax.data.tables import Columns, Frame
from survjax.estimators.groups.answers import Answers, unfitted
from survjax.estimators.groups.cluster import answers_of_workers, gathered
from survjax.estimators.groups.fits import GroupFits
from survjax.estimators.groups.keys import grouped, key_columns, key_names
from survjax.estimators.groups.pooling import pooled_fits
from survjax.estimators.lifetime.estimator import LifetimeEstimator
from survjax.estimators.messages import NoFiniteMaximum
from survjax.estimators.streams.given import estimator_of
from survjax.fitting.groups.maxima import maxima_of_groups
from survjax.fitting.groups.mixtures.rows import tied_failures
from survjax.fitting.groups.mixtures.search import mixtures_of_groups
from survjax.fitting.groups.requests import Steps
from survjax.fitting.groups.rows import MOST_ROWS, GroupedRows
from survjax.fitting.groups.together import together
from survjax.fitting.local_maxima import LocalMaximum
from survjax.lifetimes import Lifetime

#: Hears how many groups are done, of how many.
Progress = Callable[[int, int], None]


@double_precision
def fit_groups(
    frame: Frame,
    by: str | Sequence[str],
    *,
    duration: str | None = None,
    event: str | None = None,
    lower: str | None = None,
    upper: str | None = None,
    entry: str | None = None,
    exit: str | None = None,
    weight: str | None = None,
    model: str | Lifetime | LifetimeEstimator | None = None,
    pooling: str | None = None,
    progress: bool = False,
    client: Any = None,
) -> GroupFits:
    """Fit one model to each group of a table, all groups in a few runs of compiled programs.

    Parameters
    ----------
    frame : table
        One row a unit: of pandas, polars or pyarrow, or whatever streams Arrow data, such as a
        query of DuckDB. Groups of a Dask DataFrame are fitted by its cluster.
    by : str or list of str
        Columns that say the group of each row; none may be missing.
    duration, event : str, optional
        Columns of durations, in any one unit of time, and of events (1 where the failure was
        seen), as for `WeibullMixture.fit`.
    lower, upper : str, optional
        Columns of bounds instead, as for `WeibullMixture.fit_interval`.
    entry, exit, weight : str, optional
        Columns of the ages at which units came under observation, of the latest ages at which
        their failures would have been recorded, and of how many units each row stands for.
    model : str, Lifetime, LifetimeModel or WeibullMixture, optional
        What to fit, with all its options; one Weibull by default. `resolution="auto"` is read off
        all groups together.
    pooling : {None, "empirical-bayes"}
        "empirical-bayes" lets groups borrow strength: their parameters are taken for draws from a
        normal distribution, on their unbounded scales, that is fitted to all groups, and each is
        drawn to its mean the more the less its own units say. Groups without failures have
        estimates and bounds as well. For families of one component.
    progress : bool, default False
        Whether to say on stderr how many groups are done.
    client : dask.distributed.Client, optional
        The cluster whose workers fit the groups, a share each at a time; the answers are the same.
        The share of a worker that is lost is fitted by another.

    Returns
    -------
    GroupFits
        A table with one row a group, remaining lives of units of all groups, and the model of each.

    Raises
    ------
    ValueError
        For columns that are missing or hold what is no lifetime; the same for a key that is missing
        in some row. A group whose data admit no fit raises nothing: its row in the table says why.
    NoFiniteMaximum
        Where pooling is asked for and too few groups have a maximum to learn from.

    Notes
    -----
    Each group's answer is the one that its own fit would find. Lifetimes of one component go side
    by side from start to end: groups are filled up to few sizes with rows of no weight, Newton's
    iterations of hundreds of them are one program, and those that are done leave it. So do mixtures
    of two Weibulls with all their starts: these come near their maxima in 32 bits, those that come
    together go on as one, and the different ends are found in 64. Of other mixtures, of
    models that choose their number of components, of groups with mostly tied failures, and of
    groups without an interior maximum, the search is the model's own, and what many of them ask
    Newton's method for at a time is answered by one run. Groups of more than 2,048 rows are fitted
    by themselves.

    Pooling is parametric empirical Bayes (Morris 1983; Efron 2010, chapter 1); what it does to
    errors and bounds is measured in `docs/studies/pooling.md`.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from survjax import fit_groups
    >>> rng = np.random.default_rng(0)
    >>> fleet = pd.DataFrame({"site": np.repeat(["Aachen", "Brno", "Cork"], 40)})
    >>> fleet["age"] = 30.0 * rng.weibull(2.0, 120)
    >>> fleet["failed"] = fleet.index % 3 > 0
    >>> fits = fit_groups(fleet, "site", duration="age", event="failed")
    >>> fits.table[["n_events", "status"]]
            n_events            status
    site
    Aachen      26.0  interior maximum
    Brno        27.0  interior maximum
    Cork        27.0  interior maximum
    >>> list(fits.predict_rul(fleet[:2], age="age").columns[:3])
    ['mean', 'mean_lower', 'mean_upper']
    """
    model = estimator_of(
        "weibull" if model is None else model,
        ": models with covariates take the group as a column, and of several causes of failure "
        "each is fitted by a call of its own, units that failed by another still running",
    )
    model._check_parameters()
    names = key_names(by)
    roles = (duration, event, lower, upper, entry, exit, weight)
    needed = [*names, *(name for name in roles if name is not None)]
    frame, client = gathered(frame, needed, client)
    column = Columns(frame)
    keys, group = grouped(key_columns(column, names), names)
    rows = Observations.from_frame(
        column.table,
        duration=duration,
        event=event,
        lower=lower,
        upper=upper,
        entry=entry,
        exit=exit,
        weight=weight,
        # Bounds say by themselves how wide they are.
        resolution=None if duration is None else model.resolution,
        rounding=model.rounding,
        zeros=model._fails_at_zero,
    )
    groups = GroupedRows.of(rows, group, len(keys))
    if pooling not in (None, "empirical-bayes"):
        raise ValueError(f"pooling must be None or 'empirical-bayes', got {pooling!r}")
    if client is None:
        answers = _answers(model, groups, _shown(progress))
    else:
        answers = answers_of_workers(_answers, model, groups, _shown(progress), client)
    fits = GroupFits.of(keys, unfitted(model), groups, answers, duration)
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

    if template is not None and template.n_components > 1:
        _put_mixtures(answers, model, groups)
        done(int(answers.converged.sum()))
    elif template is not None:
        usual = (groups.n_events > 0) & (groups.sizes <= MOST_ROWS)
        maxima = maxima_of_groups(template, groups, np.flatnonzero(usual), model._settings())
        answers.put(maxima)
        done(maxima.which.size)
    left = np.flatnonzero(~answers.converged)
    models = {}

    def begun(i: int) -> Steps[list[str]]:
        models[i] = unfitted(model)
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


def _put_mixtures(answers: Answers, model: LifetimeEstimator, groups: GroupedRows) -> None:
    """Search the mixtures of all groups at once, but of those that have more to say."""
    template, usual = answers.template, tied_failures(groups) <= 0.5 * groups.n_events
    assert template is not None
    found = mixtures_of_groups(template, groups, np.flatnonzero(usual), model._settings())
    if found is not None and found.which.size:
        answers.put_searched(found)
    some = np.flatnonzero(answers.converged)
    warned = model._may_warn(answers.x[some], answers.covariance[some])
    for i in some[warned].tolist():
        own = answers.as_searched(i, model, groups)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            own._warn(groups.observed(i))
        answers.message[i] = "; ".join(str(each.message) for each in caught) or answers.message[i]


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


def _shown(progress: bool) -> Progress:
    """What says how many groups are done: on stderr, or nowhere."""

    def say(done: int, wanted: int) -> None:
        end = "\n" if done >= wanted else ""
        print(f"\r{done} of {wanted} groups", end=end, file=sys.stderr, flush=True)

    return say if progress else lambda done, wanted: None
