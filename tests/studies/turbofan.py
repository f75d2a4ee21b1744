"""Choose the turbofan model of notebook 08 on its training engines alone, and compare it.

Run `python -m tests.studies.turbofan` (some minutes; needs SURVJAX_DATA). The model is the one that
the notebook defines. Five times it is fitted to four fifths of the training engines; each of the
others is asked at six random points of its life. Test engines are looked at for the comparison
alone: gradient boosting on the same columns.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from survjax.datasets import Cmapss, load_cmapss

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "11_history_and_sensors.ipynb"
#: What is compared: the family of the remaining life, and the knots of its splines.
CHOICES = [(f, k) for f in ("weibull", "lognormal", "loglogistic") for k in (3, 4, 5, 6)]
FOLDS, ASKED = 5, 6


def definitions() -> dict[str, Any]:
    """What the notebook's cells of imports and definitions define."""
    names: dict[str, Any] = {}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if "definitions" in cell["metadata"].get("tags", []):
            exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), names)
    return names


def asked_rows(train: pd.DataFrame) -> np.ndarray:
    """Labels of rows at random points of each engine's life, as test records end."""
    rng, found = np.random.default_rng(0), []
    for _, engine in train.groupby("unit"):
        shares = rng.uniform(0.15, 0.97, ASKED)
        rows = np.clip((shares * len(engine)).astype(int), 20, len(engine) - 6)
        found.append(engine.index[rows].to_numpy())
    return np.concatenate(found)


def cross_validated(train: pd.DataFrame, notebook: dict[str, Any], **settings: Any) -> pd.Series:
    """Errors on engines that a fit has not seen."""
    asked = asked_rows(train)
    left = (train.groupby("unit")["cycle"].transform("max") - train["cycle"]).astype(float)
    order = np.random.default_rng(1).permutation(train["unit"].unique())
    found: list[dict[str, float]] = []
    fit: Callable[..., Any] = notebook["fit_engines"]
    for some in np.array_split(order, FOLDS):
        out = train["unit"].isin(some)
        model, columns = fit(train[~out], **settings)
        rows = asked[np.isin(asked, train.index[out])]
        X, truth = columns(train[out]).loc[rows], left.loc[rows].to_numpy()
        found.append(notebook["errors"](model, X, truth))
    table = pd.DataFrame(found)
    squared = [name for name in table if name.startswith("RMSE")]
    table[squared] **= 2
    mean = table.mul(table["engines"] / table["engines"].sum(), axis=0).sum()
    mean[squared] **= 0.5
    return mean.drop("engines")


def boosted(data: Cmapss, notebook: dict[str, Any]) -> float:
    """Root mean square error of gradient boosting on the notebook's columns, test engines."""
    known, left, columns = notebook["prepare"](data.train)
    some = known["age"] >= 20
    model = HistGradientBoostingRegressor(random_state=0).fit(known[some], left[some])
    last = ~data.test["unit"].duplicated(keep="last")
    error = model.predict(columns(data.test)[last]) - data.remaining_life.to_numpy()
    return float(np.sqrt(np.mean(error**2)))


def main() -> None:
    """Print a table for each subset."""
    folder = os.environ.get("SURVJAX_DATA")
    if not folder:
        sys.exit("set SURVJAX_DATA to the folder that holds cmapss")
    notebook = definitions()
    for subset in ("FD001", "FD002"):
        data = load_cmapss(Path(folder) / "cmapss", subset)
        table = {
            (family, knots): cross_validated(data.train, notebook, family=family, n_knots=knots)
            for family, knots in CHOICES
        }
        print(f"{subset}, unseen training engines:")
        print(pd.DataFrame(table).T.round(2).to_string())
        print(f"test engines, gradient boosting: RMSE {boosted(data, notebook):.1f}\n", flush=True)


if __name__ == "__main__":
    main()
