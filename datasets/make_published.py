"""Write the small tables that were published with their numbers.

The numbers are typed here as printed by the sources that README.md names; `+` after a number
marks a unit that was still running (or a patient still in remission) at that time.

Run `python make_published.py [FOLDER]`.
"""

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

DEVICES = """
0.1 0.2 1 1 1 1 1 2 3 6 7 11 12 18 18 18 18 18 21 32 36 40 45 46 47 50 55 60 63 63 67 67 67 67
72 75 79 82 82 83 84 84 84 85 85 85 85 85 86 86
"""

BALL_BEARINGS = """
17.88 28.92 33.00 41.52 42.12 45.60 48.40 51.84 51.96 54.12 55.56 67.80 68.64 68.64 68.88
84.12 93.12 98.64 105.12 105.84 127.92 128.04 173.40
"""

LEUKEMIA = {
    "placebo": "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23",
    "6-MP": "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+",
}

AIR_CONDITIONING = {
    7907: "194 15 41 29 33 181",
    7908: "413 14 58 37 100 65 9 169 447 184 36 201 118 34 31 18 18 67 57 62 7 22 34",
    7909: """90 10 60 186 61 49 14 24 56 20 79 84 44 59 29 118 25 156 310 76 26 44 23 62 130 208
             70 101 208""",
    7910: "74 57 48 29 502 12 70 21 29 386 59 27 153 26 326",
    7911: "55 320 56 104 220 239 47 246 176 182 33 15 104 35",
    7912: """23 261 87 7 120 14 62 47 225 71 246 21 42 20 5 12 120 11 3 14 71 11 14 11 16 90 1 16
             52 95""",
    7913: """97 51 11 4 141 18 142 68 77 80 1 16 106 206 82 54 31 216 46 111 39 63 18 191 18 163
             24""",
    7914: "50 44 102 72 22 39 3 15 197 188 79 88 46 5 5 36 22 139 210 97 30 23 13 14",
    7915: "359 9 12 270 603 3 104 2 438",
    7916: "50 254 5 283 35 12",
    7917: "130 493",
    8044: "487 18 100 7 98 5 85 91 43 230 3 130",
    8045: "102 209 14 57 54 32 67 59 134 152 27 14 230 66 61 34",
}

# Kilometers; a and b are the two ways to fail.
SHOCK_ABSORBERS = """
6700a 6950+ 7820+ 8790+ 9120b 9660+ 9820+ 11310+ 11690+ 11850+ 11880+ 12140+ 12200a 12870+
13150b 13330+ 13470+ 14040+ 14300a 17520a 17540+ 17890+ 18450+ 18960+ 18980+ 19410+ 20100b
20100+ 20150+ 20320+ 20900b 22700a 23490+ 26510a 27410+ 27490a 27890+ 28100+
"""


def durations(text: str) -> Iterator[tuple[str, int]]:
    """Read `6 6+` as (6, failed) and (6, still running)."""
    for word in text.split():
        yield word.rstrip("+"), int(not word.endswith("+"))


def shock_absorbers() -> Iterator[tuple[str, int, str]]:
    """Read the distance, whether it failed, and how (an empty field where it did not)."""
    for word in SHOCK_ABSORBERS.split():
        mode = {"a": "mode 1", "b": "mode 2", "+": ""}[word[-1]]
        yield word[:-1], int(word[-1] != "+"), mode


def write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write one table as comma-separated values."""
    with open(path, "w", newline="", encoding="ascii") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def main(folder: Path) -> None:
    """Write every table into a folder."""
    single = ("duration", "failed")
    write(folder / "devices.csv", single, durations(DEVICES))
    write(folder / "ball_bearings.csv", single, durations(BALL_BEARINGS))
    write(
        folder / "leukemia.csv",
        ("treatment", *single),
        ((group, *row) for group, text in LEUKEMIA.items() for row in durations(text)),
    )
    write(
        folder / "air_conditioning.csv",
        ("plane", *single),
        ((plane, *row) for plane, text in AIR_CONDITIONING.items() for row in durations(text)),
    )
    write(folder / "shock_absorbers.csv", (*single, "mode"), shock_absorbers())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
