"""Write meters.csv: a simulated fleet of electricity meters, recorded in whole months.

    P(T > t) = 0.06 exp(-(t / 20)^1.5) + 0.94 exp(-(t / 190)^5),    t in months.

Each meter was installed on the first day of a month, in one of six yearly campaigns. A failure
in the m-th month of service is recorded as m, that is, rounded up: it happened in (m - 1, m].
A meter that still runs has completed its months, so its age is exact.

Run `python make_meters.py [FOLDER]`; the same bytes come out on every machine, because Python
promises that `random.Random(seed).random()` never changes.
"""

import csv
import math
import random
import sys
from pathlib import Path

SEED = 1837
METERS = 12_000
EXTRACT = 180  # months from the first campaign to the day of the extract
CAMPAIGNS = 6
CAMPAIGN_GAP = 18  # months from one campaign to the next
EARLY_SHARE = 0.06
EARLY = (1.5, 20.0)  # shape, scale in months
WEAR_OUT = (5.0, 190.0)


def weibull(rng: random.Random, shape: float, scale: float) -> float:
    """Draw one Weibull lifetime by inverting its survival function."""
    return scale * (-math.log(1.0 - rng.random())) ** (1.0 / shape)


def one_meter(rng: random.Random) -> tuple[int, int, int]:
    """Simulate one meter: its campaign, its age in whole months, and whether it failed."""
    campaign = int(rng.random() * CAMPAIGNS)
    installed = CAMPAIGN_GAP * campaign + int(12 * rng.random())
    lifetime = weibull(rng, *(EARLY if rng.random() < EARLY_SHARE else WEAR_OUT))
    completed = EXTRACT - installed
    failed = lifetime <= completed
    return campaign + 1, math.ceil(lifetime) if failed else completed, int(failed)


def main(folder: Path) -> None:
    """Write the fleet as comma-separated values."""
    rng = random.Random(SEED)
    with open(folder / "meters.csv", "w", newline="", encoding="ascii") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("unit", "campaign", "duration", "failed"))
        for number in range(1, METERS + 1):
            writer.writerow((f"M{number:05d}", *one_meter(rng)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
