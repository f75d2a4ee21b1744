"""`survjax fit --cause --covariates`: effects on each cause, and what ends each unit."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from survjax import AcceleratedLifetime, CompetingRegression, CompetingRisks
from survjax._core.validation import how_many
from survjax.cli._columns import Units
from survjax.cli._job import note_width, write
from survjax.cli._report import certificate_lines
from survjax.cli._session import Session, in_words_of_options
from survjax.cli._text import Refused, plain, printable, quoted
from survjax.cli.causes.job import Causes, chances, labels_of
from survjax.cli.covariates.columns import Covariates, refusal_of_fit
from survjax.cli.covariates.job import RemainingWithCovariates
from survjax.cli.covariates.words import effects, worth
from survjax.data.recording import recording_intervals
from survjax.plotting import plot_effects, save


def finish(
    session: Session, units: Units, causes: Causes, covariates: Covariates, unit: str | None
) -> int:
    """Fit, tell, write; move everything into place at the end."""
    arguments = session.arguments
    X = pd.DataFrame(covariates.values, columns=covariates.names)
    session.begin("fitting")
    labels = labels_of(causes)
    lower, upper = _lives(session, units)
    limits = {"entry": units.entry, "sample_weight": units.weight}
    try:
        model = CompetingRegression({label: AcceleratedLifetime() for label in labels})
        model.fit_interval(X, lower, upper, causes, **limits)
    except ValueError as error:
        session.pass_on_warnings()
        raise Refused(in_words_of_options(refusal_of_fit(error))) from None
    session.pass_on_warnings()
    plainer = _without_covariates(session, labels, lower, upper, causes, limits)
    for line in (
        *_summary(model, arguments.level),
        *worth(model, plainer),
        *certificate_lines(model),
    ):
        session.say(line)
    session.begin("computing remaining lives")
    found = RemainingByCauseAndColumns(model, units, X, arguments.level, arguments.horizon)
    for line in ("", *found.lines(unit)):
        session.say(line)
    return write(session, model, found, partial(_draw, session, model))


def _lives(session: Session, units: Units) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of lives; where durations were rounded, of what failures stand for."""
    arguments = session.arguments
    note_width(session, units.lower)
    if arguments.resolution is None:
        return units.lower, units.upper
    how = arguments.resolution, arguments.rounding
    return recording_intervals(units.lower, np.isfinite(units.upper), *how)


def _without_covariates(
    session: Session,
    labels: list[str],
    lower: np.ndarray,
    upper: np.ndarray,
    causes: Causes,
    limits: dict[str, Any],
) -> CompetingRisks | None:
    """The same causes fitted without covariates; None where that has no maximum."""
    model = CompetingRisks(dict.fromkeys(labels, "weibull"))
    try:
        model.fit_interval(lower, upper, causes, **limits)
    except ValueError:
        return None
    finally:
        session.caught.clear()
    return model if model.converged_ else None


def _summary(model: CompetingRegression, level: float) -> Iterator[str]:
    """What was fitted, and what each covariate does to the life that each cause would leave."""
    yield (
        f"{how_many(len(model.models_), 'cause')} with covariates: log-likelihood "
        f"{model.log_likelihood_:.3f}, BIC {model.bic_:.2f}, "
        f"{how_many(model.n_units_, 'unit')}, "
        f"{plain(model.n_events_, 6)} of them ended"
    )
    for cause, alone in model.models_.items():
        yield ""
        yield f"cause {quoted(str(cause))}, as if no other ended units:"
        # The first line that a table of effects begins with is empty.
        yield from list(effects(alone, level))[1:]
    yield ""


class RemainingByCauseAndColumns(RemainingWithCovariates):
    """Remaining lives until any cause, with the chance that each cause is what ends the unit."""

    def __init__(
        self,
        model: CompetingRegression,
        units: Units,
        X: pd.DataFrame,
        level: float,
        horizon: float | None,
    ) -> None:
        super().__init__(model, units, X, level, horizon)
        if not self.rows.size:
            return
        x, ages = X.iloc[self.rows], self.ages

        def share(cause: Hashable) -> Any:
            return model.probability_of(x, cause, ages, level)

        def risk(cause: Hashable) -> Any:
            return model.failure_probability(x, ages, horizon, level, cause=cause)

        self.columns_of |= chances(model.models_, share, None if horizon is None else risk)


def _draw(session: Session, model: CompetingRegression, folder: Path) -> None:
    """Write effects_1.png and so on, one a cause."""
    level = session.arguments.level
    for number, (cause, alone) in enumerate(model.models_.items(), start=1):
        session.begin(f"drawing effects_{number}")
        ax = plot_effects(alone, predictor="log_scale", level=level)
        ax.set_title(f"Effects on life until {printable(str(cause), 30)}", loc="left")
        ax.set_xlabel("factor per unit of the covariate")
        save(ax, folder / f"effects_{number}.{session.arguments.format}")
    session.pass_on_warnings()
