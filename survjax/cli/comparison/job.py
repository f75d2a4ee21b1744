"""`survjax compare`: fit each candidate, tell, draw, write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from survjax._core.validation import how_many
from survjax.cli._columns import Units
from survjax.cli._job import note_width
from survjax.cli._report import table
from survjax.cli._session import DONE, NOT_INTERIOR, Session, in_words_of_options
from survjax.cli._text import Refused, printable
from survjax.cli._writing import escaped_column, write_csv
from survjax.cli.comparison.arguments import MIXTURE
from survjax.data.observations import Observations
from survjax.estimators import LifetimeModel, WeibullMixture
from survjax.estimators.choosing.comparison import Comparison, compare
from survjax.lifetimes import families, families_for_failures
from survjax.plotting import plot_comparison, plot_paper, save

#: What a weight of evidence below this is called.
SLIGHT = 0.001


def finish(session: Session, units: Units, unit: str | None) -> int:
    """Fit, tell, write; move everything into place at the end."""
    session.begin("fitting")
    found = _fit(session, units)
    for line in _summary(found):
        session.say(line)
    session.write(lambda folder: _write(session, folder, found, unit))
    return DONE if found.models else NOT_INTERIOR


def _candidates(session: Session) -> dict[str, Any]:
    """Estimators by name, as the options ask for them."""
    arguments = session.arguments
    how = {"resolution": arguments.resolution, "rounding": arguments.rounding}
    asked = arguments.candidates or [*families(), *families_for_failures(), "mixture2"]
    known = {*families(), *families_for_failures()}
    found: dict[str, Any] = {}
    for name in asked:
        mixture = MIXTURE.fullmatch(name)
        if not mixture and name not in known:
            names = ", ".join(sorted(known))
            raise Refused(f"--candidates {printable(name, 30)}: must be {names} or mixture2 to 9")
        found[name] = (
            WeibullMixture(int(mixture[1]), **how) if mixture else LifetimeModel(name, **how)
        )
    return found


def _fit(session: Session, units: Units) -> Comparison:
    """The comparison that was asked for."""
    candidates, criterion = _candidates(session), session.arguments.criterion
    limits: dict[str, Any] = {"entry": units.entry, "sample_weight": units.weight}
    try:
        note_width(session, units.lower)
        if units.exact:
            event = np.isfinite(units.upper)
            return compare(candidates, units.lower, event, criterion=criterion, **limits)
        rows = Observations.from_intervals(units.lower, units.upper, **limits)
        return compare(candidates, rows, criterion=criterion)
    except ValueError as error:
        raise Refused(in_words_of_options(str(error))) from None
    finally:
        session.pass_on_warnings()


def _summary(found: Comparison) -> Iterator[str]:
    """The table in words, the best first, and what it says."""
    criterion = found.criterion
    rows, lost = [], []
    for name, row in found.table.iterrows():
        if np.isnan(row[criterion]):
            lost.append(f"  {name}: {printable(row['status'], 90)}")
            continue
        share = f"{100 * row['weight']:.1f}%" if row["weight"] >= SLIGHT else "less"
        cells = [f"{row['n_parameters']:.0f}", f"{row['log_likelihood']:.3f}"]
        rows.append([str(name), *cells, f"{row[criterion]:.2f}", share])
    if rows:
        best = next(iter(found.models.values()))
        yield f"{how_many(best.n_units_, 'unit')}, {how_many(best.n_events_, 'failure')}"
        yield from table(
            ["candidate", "parameters", "log-likelihood", criterion.upper(), "weight"], rows
        )
        yield from _verdict(found)
    if lost:
        yield "without a maximum:"
        yield from lost


def _verdict(found: Comparison) -> Iterator[str]:
    """Which candidates the criterion cannot tell from the best one."""
    scores = found.table[found.criterion].dropna()
    near = [str(name) for name in scores.index[1:] if scores[name] - scores.iloc[0] < 2.0]
    best = scores.index[0]
    if near:
        words = "lies" if len(near) == 1 else "lie"
        yield f"{best} is best; {', '.join(near)} {words} within 2 of its {found.criterion.upper()}"
    elif scores.size > 1:
        away = scores.iloc[1] - scores.iloc[0]
        yield f"{best} is best, by {away:.1f} of {found.criterion.upper()}"
    yield "the best of several need not be good: look at the pictures"


def _write(session: Session, folder: Path, found: Comparison, unit: str | None) -> None:
    """Write comparison.csv, the best model and pictures."""
    table_ = found.table
    columns = {"candidate": [str(name) for name in table_.index]}
    for name in table_:
        cells = [value if isinstance(value, str) else _cell(value) for value in table_[name]]
        columns[str(name)] = list(escaped_column(cells))
    write_csv(folder / "comparison.csv", columns)
    if not found.models:
        return
    found.best.save(folder / "model.json")
    if session.arguments.pictures:
        for name, draw in (("comparison", plot_comparison), ("paper", _paper)):
            session.begin(f"drawing {name}")
            save(draw(found, unit=unit), folder / f"{name}.{session.arguments.format}")
        session.pass_on_warnings()


def _paper(found: Comparison, unit: str | None) -> Any:
    """The best candidate on its paper, beside the second one."""
    second = list(found.models.values())[1:2]
    return plot_paper(found.best, compare=second[0] if second else None, unit=unit)


def _cell(value: float) -> str:
    """A number with all its digits; nothing where there is none."""
    return "" if np.isnan(value) else repr(float(value))
