"""Write pumps.csv: a simulated fleet of pumps that fail in two ways.

A pump is either badly assembled and fails young, or it wears out:

    P(T > t) = w exp(-(t / 1.8)^1.3) + (1 - w) exp(-(t / 17)^4.2),    t in years,

with w = 0.12 for maker Arden and 0.32 for maker Borel, each of which supplied half of the
pumps: 0.22 over the fleet. Pumps were put into service evenly over 24 years. Two sites joined
the register late, so their pumps are known only if they still ran on that day: late entry.
Some pumps were taken out of service running (retired), at a constant rate of 0.8 % a year.

Run `python make_pumps.py [FOLDER]`; the same bytes come out on every machine, because Python
promises that `random.Random(seed).random()` never changes.
"""

import csv
import math
import random
import sys
from pathlib import Path

SEED = 1951
INSTALLED = 560
WINDOW = 24.0  # years from the first pump to the day of the extract
EARLY_SHARE = {"Arden": 0.12, "Borel": 0.32}
EARLY = (1.3, 1.8)  # shape, scale in years
WEAR_OUT = (4.2, 17.0)
RETIREMENT_RATE = 0.008  # a year
JOINED = {"Eastdock": 0.0, "Hilltop": 0.0, "Marsh": 9.0, "Quarry": 14.0}  # year of joining
COLUMNS = ("unit", "site", "maker", "entry", "duration", "failed", "in_service")


def weibull(rng: random.Random, shape: float, scale: float) -> float:
    """Draw one Weibull lifetime by inverting its survival function."""
    return scale * (-math.log(1.0 - rng.random())) ** (1.0 / shape)


def one_pump(rng: random.Random) -> dict[str, object] | None:
    """Simulate one pump; None where it left before its site joined the register."""
    site = tuple(JOINED)[int(rng.random() * len(JOINED))]
    maker = tuple(EARLY_SHARE)[int(rng.random() * len(EARLY_SHARE))]
    installed = WINDOW * rng.random()
    lifetime = weibull(rng, *(EARLY if rng.random() < EARLY_SHARE[maker] else WEAR_OUT))
    retirement = weibull(rng, 1.0, 1.0 / RETIREMENT_RATE)
    entry = round(max(0.0, JOINED[site] - installed), 3)
    age = round(min(lifetime, retirement, WINDOW - installed), 3)
    if age <= entry:
        return None
    failed = lifetime <= min(retirement, WINDOW - installed)
    in_service = WINDOW - installed < min(lifetime, retirement)
    return {
        "site": site,
        "maker": maker,
        "entry": f"{entry:.3f}",
        "duration": f"{age:.3f}",
        "failed": int(failed),
        "in_service": int(in_service),
    }


def main(folder: Path) -> None:
    """Write the fleet as comma-separated values."""
    rng = random.Random(SEED)
    pumps = [pump for _ in range(INSTALLED) if (pump := one_pump(rng)) is not None]
    with open(folder / "pumps.csv", "w", newline="", encoding="ascii") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for number, pump in enumerate(pumps, start=1):
            writer.writerow({"unit": f"P{number:03d}", **pump})


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
