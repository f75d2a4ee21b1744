"""Run notebooks, and compare what they print with what is stored in them.

`python -m tests.notebooks notebooks/*.ipynb` fails where a notebook fails or prints something else;
with `--write` it stores what is printed. Numbers may differ by a little between machines. What may
differ by more, such as times, stands in cells with the tag `varies`. Pictures are only counted.
"""

from __future__ import annotations

import copy
import math
import os
import re
import sys
from pathlib import Path
from typing import Any

#: Relative difference of two numbers that say the same.
CLOSE = 5e-3
#: Characters of one output that a notebook in the repository may hold.
LARGEST = 300_000
#: What a notebook prints where the data that it is about are not there.
WITHOUT_DATA = "SURVJAX_DATA is not set"
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def run(notebook: Any) -> Any:
    """The notebook with fresh outputs."""
    from nbclient import NotebookClient

    fresh = copy.deepcopy(notebook)
    # A backend that the caller chose, such as Agg, would keep pictures out of the outputs.
    environment = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    NotebookClient(fresh, timeout=900, kernel_name="python3").execute(env=environment)
    for cell in fresh.cells:
        cell.metadata.pop("execution", None)
    fresh.metadata = notebook.metadata
    return fresh


def without_films(notebook: Any) -> Any:
    """The notebook without outputs that are too large to store: films run when it is run."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            for kind in [kind for kind, value in data.items() if len(str(value)) > LARGEST]:
                del data[kind]
                data.setdefault("text/plain", "a film: run the cell to see it")
    return notebook


def printed(cell: Any) -> tuple[str, int]:
    """What a cell prints on stdout or gives back, and how many pictures it shows."""
    text, pictures = [], 0
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        pictures += "image/png" in data
        if output["output_type"] == "stream" and output.get("name") == "stdout":
            text.append(output["text"])
        elif "text/plain" in data and "image/png" not in data:
            text.append(data["text/plain"])
    return "\n".join("".join(part) for part in text), pictures


def agree(stored: str, fresh: str) -> bool:
    """Whether two texts say the same, but for digits that machines round differently."""
    if NUMBER.sub("#", stored).split() != NUMBER.sub("#", fresh).split():
        return False
    pairs = zip(NUMBER.findall(stored), NUMBER.findall(fresh), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=CLOSE, abs_tol=1e-9) for a, b in pairs)


def differences(stored: Any, fresh: Any) -> list[str]:
    """Cells whose outputs are not those of the present code; none where data are not at hand."""
    if any(WITHOUT_DATA in printed(cell)[0] for cell in fresh.cells):
        return []
    found = []
    for number, (old, new) in enumerate(zip(stored.cells, fresh.cells, strict=True)):
        if old.cell_type != "code" or "varies" in old.metadata.get("tags", []):
            continue
        (before, shown), (now, shows) = printed(old), printed(new)
        if not agree(before, now):
            found.append(f"cell {number}:\n  stored: {before[:400]}\n  now:    {now[:400]}")
        if shown != shows:
            found.append(f"cell {number}: {shown} pictures stored, {shows} shown now")
    return found


def main(arguments: list[str]) -> int:
    """Run each notebook; the exit code says whether any of them is not as stored."""
    import nbformat

    write = "--write" in arguments
    failed = 0
    for name in (name for name in arguments if name != "--write"):
        path = Path(name)
        stored = nbformat.read(path, as_version=4)
        fresh = without_films(run(stored))
        found = differences(stored, fresh)
        print(f"{name}: {'as stored' if not found else 'differs'}", *found, sep="\n", flush=True)
        if write:
            nbformat.write(fresh, path)
        failed += bool(found) and not write
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
