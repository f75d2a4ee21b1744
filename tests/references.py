"""Rows and results of other programs, read from the folder that SURVJAX_DATA names."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from survjax import Observations


def results(folder: Path, name: str) -> dict[str, Any]:
    """The cases of one file of reference results."""
    return json.loads((folder / "reference" / f"{name}.json").read_text())["cases"]


def rows_of(folder: Path, file: str, formula: str = "") -> Observations:
    """The rows of one fit: columns are found by R's formula, or by the names they go by."""
    table = pd.read_csv(folder / file)
    weight = "count" if "count" in table else None
    if file.endswith("nh4_left.csv"):
        found = table["cens"] == 0
        lower = table["NH4.mg.per.L"].where(found, 0.0)
        return Observations.from_intervals(lower, table["NH4.mg.per.L"])
    if "lower" in table or "left" in table:
        low, high = ("lower", "upper") if "lower" in table else ("left", "right")
        return Observations.from_frame(table, lower=low, upper=high, weight=weight)
    named = re.match(r"Surv\((\S+), (\S+)\)", formula)
    pairs = [named.groups()] if named else []
    pairs += [
        ("time", "event"),
        ("time", "status"),
        ("hours", "status"),
        ("T", "E"),
        ("age", "death"),
        ("T", "D"),
    ]
    time, event = next(pair for pair in pairs if set(pair) <= set(table.columns))
    entry = next((c for c in ("entry", "ageentry", "W") if c in table), None)
    return Observations.from_frame(table, duration=time, event=event, entry=entry, weight=weight)
