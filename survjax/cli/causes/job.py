"""`survjax fit --cause`: fit each cause, tell, draw, write."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from survjax import CompetingRisks
from survjax._core.validation import how_many
from survjax.cli._columns import Units
from survjax.cli._job import note_width, write
from survjax.cli._report import Remaining, certificate_lines, table
from survjax.cli._session import Session, in_words_of_options
from survjax.cli._text import Refused, plain, printable
from survjax.plotting import plot_hazard, plot_incidence, plot_rul, plot_survival, save

#: Causes of one file; a column with more holds something else.
MOST_CAUSES = 20

Causes = list[tuple[str, ...] | None]


def finish(session: Session, units: Units, causes: Causes, unit: str | None) -> int:
    """Fit, tell, write; move everything into place at the end."""
    arguments = session.arguments
    session.begin("fitting")
    model = _fit(session, units, causes)
    for line in (*_summary(model, arguments.level, unit), *certificate_lines(model)):
        session.say(line)
    session.begin("computing remaining lives")
    found = RemainingByCause(
        model, units, arguments.level, arguments.horizon, for_picture=arguments.pictures
    )
    for line in ("", *found.lines(unit)):
        session.say(line)
    return write(session, model, found, partial(_draw, session, model, found, unit))


def labels_of(causes: Causes) -> list[str]:
    """The causes that a file names."""
    labels = sorted({name for names in causes if names is not None for name in names})
    if not labels:
        raise Refused("the column of --cause names no cause: a fit needs units that ended")
    if len(labels) > MOST_CAUSES:
        raise Refused(
            f"the column of --cause holds {len(labels)} causes, such as "
            f"{printable(labels[0], 20)}, and at most {MOST_CAUSES} can be fitted: join some"
        )
    return labels


def _fit(session: Session, units: Units, causes: Causes) -> CompetingRisks:
    """A Weibull for each cause in the file."""
    arguments = session.arguments
    labels = labels_of(causes)
    model = CompetingRisks(
        dict.fromkeys(labels, "weibull"),
        resolution=arguments.resolution,
        rounding=arguments.rounding,
    )
    limits = {"entry": units.entry, "sample_weight": units.weight}
    try:
        note_width(session, units.lower)
        if units.exact:
            model.fit(units.lower, causes, **limits)
        else:
            model.fit_interval(units.lower, units.upper, causes, **limits)
    except ValueError as error:
        session.pass_on_warnings()
        raise Refused(in_words_of_options(str(error))) from None
    session.pass_on_warnings()
    return model


def _summary(model: CompetingRisks, level: float, unit: str | None) -> Iterator[str]:
    """The Weibull of each cause, and the share of new units that it ends."""
    yield (
        f"{how_many(len(model.lifetimes_), 'cause')}: log-likelihood {model.log_likelihood_:.3f}, "
        f"BIC {model.bic_:.2f}, {how_many(model.n_units_, 'unit')}, "
        f"{plain(model.n_events_, 6)} of them ended"
    )
    rows = []
    for cause in model.lifetimes_:
        shape, scale = (
            float(model.summary(level).loc[f"{cause}.{name}", "estimate"])
            for name in ("shape", "scale")
        )
        share = float(model.probability_of(cause, level=level)["probability"].iloc[0])
        cells = [printable(str(cause), 24), f"{100 * share:.1f}%", f"{shape:.3f}"]
        rows.append([*cells, plain(scale, 5)])
    of = f" ({printable(unit, 20)})" if unit else ""
    yield from table(["cause", "ends", "shape", f"scale{of}"], rows)


class RemainingByCause(Remaining):
    """Remaining lives until any cause, with the chance that each cause is what ends the unit."""

    def __init__(
        self,
        model: CompetingRisks,
        units: Units,
        level: float,
        horizon: float | None,
        *,
        for_picture: bool = True,
    ) -> None:
        super().__init__(model, units, level, horizon, for_picture=for_picture)
        if not self.ages.size:
            return

        def share(cause: Hashable) -> Any:
            return model.probability_of(cause, self.ages, level)

        def risk(cause: Hashable) -> Any:
            return model.failure_probability(self.ages, horizon, level, cause=cause)

        self.columns_of |= chances(model.lifetimes_, share, None if horizon is None else risk)


def chances(
    causes: Iterable[Hashable],
    share: Callable[[Hashable], Any],
    risk: Callable[[Hashable], Any] | None,
) -> dict[str, np.ndarray]:
    """Columns with the chance of each cause to end units, sooner or later and within a horizon."""
    found = {}
    for cause in causes:
        found[f"probability_{cause}"] = share(cause)["probability"].to_numpy()
        if risk is not None:
            column = risk(cause)["failure_probability"].to_numpy()
            found[f"failure_probability_{cause}"] = column
    return found


def _draw(
    session: Session, model: CompetingRisks, found: Remaining, unit: str | None, folder: Path
) -> None:
    """Write incidence.png, survival.png, hazard.png and rul.png."""
    level = session.arguments.level
    rul: dict[str, Any] = {"ages": found.grid, "table": found.grid_lives, "running": found.ages}
    jobs = {
        "incidence": lambda: plot_incidence(model, level=level, unit=unit),
        "survival": lambda: plot_survival(model, level=level, unit=unit),
        "hazard": lambda: plot_hazard(model, level=level, unit=unit),
        "rul": lambda: plot_rul(model, level=level, unit=unit, **rul),
    }
    for name, job in jobs.items():
        session.begin(f"drawing {name}")
        save(job(), folder / f"{name}.{session.arguments.format}")
    session.pass_on_warnings()
