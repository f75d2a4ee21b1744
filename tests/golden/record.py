"""Write the golden fits: `python -m tests.golden.record [name ...]`.

Names (or beginnings of names) record only those cases again. What moved is printed, in the same
units in which the test compares. Record a case again only where the change is meant, and say in the
commit why the new number is right.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from survjax import FitWarning
from tests.golden import regressions, univariate
from tests.golden.samples import Fitted

TABLE = Path(__file__).with_name("fits.json")
CASES: dict[str, Callable[[], Fitted]] = {**univariate.CASES, **regressions.CASES}

#: Log-likelihoods agree to this share of themselves (of one, where they are smaller).
LIKELIHOOD = 1e-9
#: Parameters agree to this share of their standard errors.
PARAMETER = 1e-5
#: Estimates and bounds agree to this share of the distance between the bounds, standard errors
#: and numbers without bounds to this share of themselves.
REST = 1e-4


def run(name: str, all_of_it: bool = True) -> dict[str, dict[str, Any]]:
    """Run one case: its fit, and what the model says. What a fit warns of is for other tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        case = CASES[name]()
        found = {"fit": plain(case.fit)}
        if all_of_it:
            found["says"] = plain(case.says())
    return found


def plain(value: Any) -> Any:
    """Lists, floats and text in place of arrays; what JSON has no number for as text."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return value
    number = float(value)
    return number if np.isfinite(number) else str(number)


def differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Say what differs between two records of a case beyond its tolerance."""
    if old.keys() != new.keys():
        yield f"has {sorted(new)} and not {sorted(old)}"
        return
    for name in old:
        if name in ("names", "components"):
            if old[name] != new[name]:
                yield f"{name} is {new[name]} and not {old[name]}"
            continue
        before, after = (
            np.atleast_1d(np.asarray(part[name], object)).astype(float) for part in (old, new)
        )
        if before.shape != after.shape:
            yield f"{name} has shape {after.shape} and not {before.shape}"
            continue
        unit = units(name, before, old)
        same = (before == after) | (np.isnan(before) & np.isnan(after))
        with np.errstate(invalid="ignore"):
            far = ~(same | (np.abs(after - before) <= unit))
        for place in map(tuple, np.argwhere(far)):
            yield (
                f"{name}{list(place)} is {after[place]!r} and not {before[place]!r}: "
                f"{abs(after[place] - before[place]) / unit[place]:.2g} times what is allowed"
            )


def units(name: str, before: np.ndarray, old: dict[str, Any]) -> np.ndarray:
    """How far each number of one entry may move."""
    size = np.abs(before)
    if name == "log_likelihood":
        return LIKELIHOOD * np.maximum(size, 1.0)
    if name == "parameters" and "standard_errors" in old:
        errors = np.asarray(old["standard_errors"], object).astype(float)
        return np.where(np.isfinite(errors), PARAMETER * errors, REST * np.maximum(size, 1.0))
    if name.startswith("bounded"):
        # Columns come in threes: estimate, lower, upper.
        width = before[..., 2::3] - before[..., 1::3]
        wide = np.repeat(np.where(np.isfinite(width), width, size[..., 0::3]), 3, axis=-1)
        return REST * np.maximum(wide, 1e-9 * size)
    if name.startswith("interval"):
        width = np.broadcast_to(np.abs(before[..., 1:] - before[..., :1]), before.shape)
        return REST * np.where(np.isfinite(width), width, size)
    return REST * size


def write(table: dict[str, Any]) -> None:
    """Write the table, a line for each case."""
    ordered = {name: table[name] for name in CASES if name in table}
    lines = (f"{json.dumps(name)}: {json.dumps(case)}" for name, case in ordered.items())
    TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main() -> None:
    """Fit, print what moved, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="cases, or beginnings of their names")
    parser.add_argument("--check", action="store_true", help="compare only; write nothing")
    chosen = parser.parse_args()
    old = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    new = {name: old[name] for name in CASES if name in old}
    for name in CASES:
        if chosen.names and not name.startswith(tuple(chosen.names)):
            continue
        start = time.process_time()
        new[name] = run(name)
        print(f"{time.process_time() - start:6.2f} s  {name}", flush=True)
        for part in ("fit", "says") if name in old else ():
            for line in differences(old[name][part], new[name][part]):
                print(f"          {line}")
    if not chosen.check:
        write(new)


if __name__ == "__main__":
    main()
