"""`survjax fit --covariates`: fit effects, tell, draw, write."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from survjax import (
    AcceleratedLifetime,
    MixtureRegression,
    NoFiniteMaximum,
    WeibullMixture,
    survival_target,
)
from survjax._core.validation import how_many
from survjax.cli._columns import Units
from survjax.cli._job import note_width, write
from survjax.cli._report import QUANTILES, Remaining
from survjax.cli._session import Session, in_words_of_options
from survjax.cli._text import Refused, printable
from survjax.cli.covariates.columns import Covariates, refusal_of_fit
from survjax.cli.covariates.steps import rows_of, steps_of
from survjax.cli.covariates.words import (
    effects,
    in_plain_words,
    predictors,
    summary,
    value_of,
    words_of,
    worth,
)
from survjax.data.recording import recording_intervals
from survjax.plotting import plot_effects, plot_partial_survival, save
from survjax.plotting.style import finish as put_legend

#: Numbers of components that a criterion chooses among; the last only if that before it was better.
TRIED = (1, 2, 3)
#: Covariates whose effect on survival is drawn: those that the data are surest of.
DRAWN = 3
#: Values of a text that one picture shows, the one that effects are against among them.
CURVES = 4


def finish(session: Session, units: Units, covariates: Covariates, unit: str | None) -> int:
    """Fit, tell, write; move everything into place at the end."""
    arguments = session.arguments
    X = pd.DataFrame(covariates.values, columns=covariates.names)
    session.begin("fitting")
    model, tried = _fit(session, units, X)
    plainer = _without_covariates(session, units, getattr(model, "n_components", 1))
    for line in (
        *summary(model, tried, arguments.components),
        *worth(model, plainer),
        *effects(model, arguments.level),
    ):
        session.say(line)
    session.begin("computing remaining lives")
    found = RemainingWithCovariates(model, units, X, arguments.level, arguments.horizon)
    for line in ("", *found.lines(unit)):
        session.say(line)

    def draw(folder: Path) -> None:
        _draw(session, folder, model, X, covariates, units, unit)

    return write(session, model, found, draw)


def _fit(session: Session, units: Units, X: pd.DataFrame) -> tuple[Any, dict[int, Any]]:
    """The fit that was asked for, and those that were compared with it."""
    asked = session.arguments.components
    failed = int(np.sum(np.isfinite(units.upper)))
    if 0 < failed < 5 * (X.shape[1] + 2):
        words = f"{how_many(failed, 'failure')} for {how_many(X.shape[1], 'effect')}"
        session.note("note", f"{words}: bounds will be wide")
    try:
        y = _lives(session, units)
        tried = dict(_tried(session, X, y, {"entry": units.entry, "sample_weight": units.weight}))
    except ValueError as error:
        session.pass_on_warnings()
        raise Refused(in_words_of_options(refusal_of_fit(error))) from None
    proper = [k for k, model in tried.items() if model.converged_] or [next(iter(tried))]
    best = min(proper, key=lambda k: value_of(tried[k], asked))
    if best > 1 and session.arguments.resolution is None:
        _note_ties(session, units)
    return tried[best], tried


def _note_ties(session: Session, units: Units) -> None:
    """Say that failures share their times, which the density of a mixture takes for evidence."""
    exact = units.lower[units.lower == units.upper]
    _, counts = np.unique(exact, return_counts=True)
    tied = int(counts[counts > 1].sum())
    if tied > exact.size / 2:
        session.note(
            "note",
            f"{tied} of {exact.size} failures share their time with another: if durations were "
            "rounded, pass --resolution (a width or auto)",
        )


def _lives(session: Session, units: Units) -> np.ndarray:
    """Lives as they were written; where they were rounded, what failures stand for."""
    arguments = session.arguments
    lower, upper = units.lower, units.upper
    if arguments.resolution is not None:
        note_width(session, lower)
        how = arguments.resolution, arguments.rounding
        lower, upper = recording_intervals(lower, np.isfinite(upper), *how)
    return survival_target(lower, upper)


def _tried(
    session: Session, X: pd.DataFrame, y: ArrayLike, limits: Any
) -> Iterator[tuple[int, Any]]:
    """The fit of the number asked for; or of each, as long as more components are better."""
    asked = session.arguments.components
    least = np.inf
    for k in (asked,) if isinstance(asked, int) else TRIED:
        model = AcceleratedLifetime() if k == 1 else MixtureRegression(k)
        try:
            model.fit(X, y, **limits)
        except NoFiniteMaximum:
            if k in (1, asked):
                raise
            return
        # Of a fit that was only tried, the line of the criterion says whether it is one.
        if k in (1, asked):
            session.pass_on_warnings(partial(in_plain_words, model))
        session.caught.clear()
        yield k, model
        value = value_of(model, asked)
        if k > 1 and not (model.converged_ and value < least):
            return
        least = value if model.converged_ else np.inf


def _without_covariates(session: Session, units: Units, k: int) -> WeibullMixture | None:
    """The same lifetimes fitted without covariates; None where that has no maximum."""
    lower, upper = units.lower, units.upper
    arguments = session.arguments
    if arguments.resolution is not None:
        how = arguments.resolution, arguments.rounding
        lower, upper = recording_intervals(lower, np.isfinite(upper), *how)
    model = WeibullMixture(k)
    try:
        model.fit_interval(lower, upper, entry=units.entry, sample_weight=units.weight)
    except ValueError:
        return None
    finally:
        session.caught.clear()
    return model if model.converged_ else None


class RemainingWithCovariates(Remaining):
    """Remaining lives of the units still running, each with its own covariates."""

    def __init__(
        self, model: Any, units: Units, X: pd.DataFrame, level: float, horizon: float | None
    ) -> None:
        self._choose(units, level, horizon)
        # One row is asked for even where none runs, so that the columns are there.
        some = self.rows if self.rows.size else np.zeros(1, int)
        x, ages = X.iloc[some], units.lower[some]
        lives = model.predict_rul(x, ages, quantiles=QUANTILES, level=level)
        interval = model.predict_interval(x, ages, level=level)
        parts = {str(name): lives[name] for name in lives}
        parts |= {"life_lower": interval["lower"], "life_upper": interval["upper"]}
        if horizon is not None:
            risk = model.failure_probability(x, ages, horizon, level)
            parts["failure_probability"] = risk["failure_probability"]
        n = self.rows.size
        self.columns_of = {name: part.to_numpy()[:n] for name, part in parts.items()}


def _draw(
    session: Session,
    folder: Path,
    model: Any,
    X: pd.DataFrame,
    covariates: Covariates,
    units: Units,
    unit: str | None,
) -> None:
    """Write effects.png (for a mixture one a predictor), and partial_1.png and so on."""
    level = session.arguments.level
    every = predictors(model)
    for name in every:
        short = "" if name == "log_scale" else f"_{name.split('_', 1)[1]}"
        session.begin(f"drawing effects{short}")
        ax = plot_effects(model, predictor=name, level=level)
        ax.set_title(f"Effects on {words_of(name)}", loc="left")
        ax.set_xlabel("factor per unit of the covariate")
        save(ax, folder / f"effects{short}.{session.arguments.format}")
    times = np.linspace(0.0, float(np.max(units.lower)), 120)
    contrasts = islice(_contrasts(model, X, covariates), DRAWN)
    for i, (names, usual, values, levels) in enumerate(contrasts, start=1):
        session.begin(f"drawing partial_{i}")
        found = [steps_of(units, rows) for rows in rows_of(X, names, values, covariates)]
        how: Any = {"level": level, "unit": unit, "steps": found}
        ax = plot_partial_survival(model, usual, names, values, times, **how)
        if levels:
            _name_levels(ax, *levels)
        save(ax, folder / f"partial_{i}.{session.arguments.format}")
    session.pass_on_warnings()


def _name_levels(ax: Any, group: str, levels: list[str]) -> None:
    """Say Arden and Borel where a column of text became zeros and ones."""
    ax.set_title(f"Survival by {printable(group, 40)}", loc="left")
    put_legend(ax, columns=4)
    # Where there are curves of the data, the last text is theirs.
    for text, level in zip(ax.get_legend().get_texts(), levels, strict=False):
        text.set_text(printable(level, 40))


def _contrasts(model: Any, X: pd.DataFrame, covariates: Covariates) -> Iterator[Any]:
    """Covariates with the surest effects, an asset like most others, and values to compare."""
    table = model.summary()
    score = {
        name: max(
            (abs(table.loc[label, "z"]) for label in table.index
             if str(label).partition(":")[2] == name), default=0.0,
        )
        for name in X.columns
    }  # fmt: skip
    usual = X.median().to_frame().T
    for group, others in covariates.levels.items():
        usual[[f"{group}={level}" for level in others[1:]]] = 0.0
    order = sorted(X.columns, key=lambda name: -np.nan_to_num(score[name]))
    kinds = {f"{text}={word}": text for text, every in covariates.levels.items() for word in every}
    for name in order:
        if name not in kinds:
            values = np.unique(X[name])
            if values.size > 3:
                low_to_high = np.quantile(X[name], [0.1, 0.5, 0.9])
                values = np.unique([float(f"{value:.3g}") for value in low_to_high])
            yield [name], usual, values[:, None], None
            continue
        kind = kinds[name]
        same = [other for other in order if kinds.get(other) == kind][: CURVES - 1]
        if name == same[0]:
            levels = [covariates.levels[kind][0], *(other[len(kind) + 1 :] for other in same)]
            yield same, usual, np.vstack([np.zeros(len(same)), np.eye(len(same))]), (kind, levels)
