"""Write fans.csv: a simulated fleet of fans that fail, or are taken out before they do.

A fan under load x (0 is the rated load) would fail at age

    P(T > t) = exp(-(t / (9 exp(-0.5 x)))^3),    t in years.

Of half of the fans the bearing can be heard before it fails: such a fan is removed on an alarm,
when 92 to 99 percent of its life is over. Whole stations are shut for maintenance at a constant
rate of 4 % a year, and their fans are replaced whatever their state. Fans were put into service
evenly over 12 years, up to the day of the extract.

Run `python make_fans.py [FOLDER]`; the same bytes come out on every machine, because Python
promises that `random.Random(seed).random()` never changes.
"""

import csv
import math
import random
import sys
from pathlib import Path

SEED = 1974
FANS = 500
WINDOW = 12.0  # years from the first fan to the day of the extract
SHAPE, SCALE, EFFECT = 3.0, 9.0, -0.5
HEARD = 0.5  # share of the fans whose bearing can be heard
MAINTENANCE_RATE = 0.04  # a year
COLUMNS = ("unit", "load", "duration", "failed", "ended_by", "would_fail")


def one_fan(rng: random.Random) -> dict[str, object]:
    """Simulate one fan."""
    load = round(2.0 * rng.random() - 1.0, 2)
    scale = SCALE * math.exp(EFFECT * load)
    life = scale * (-math.log(1.0 - rng.random())) ** (1.0 / SHAPE)
    heard = rng.random() < HEARD
    alarm = life * (0.92 + 0.07 * rng.random()) if heard else math.inf
    maintenance = -math.log(1.0 - rng.random()) / MAINTENANCE_RATE
    service = WINDOW * rng.random()
    age, ended_by = min(
        (life, "failure"), (alarm, "removal"), (maintenance, "maintenance"), (service, "")
    )
    return {
        "load": f"{load:.2f}",
        "duration": f"{max(age, 0.001):.3f}",
        "failed": int(ended_by == "failure"),
        "ended_by": ended_by,
        "would_fail": f"{life:.3f}",
    }


def main(folder: Path) -> None:
    """Write the fleet as comma-separated values."""
    rng = random.Random(SEED)
    with open(folder / "fans.csv", "w", newline="", encoding="ascii") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for number in range(1, FANS + 1):
            writer.writerow({"unit": f"F{number:03d}", **one_fan(rng)})


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
