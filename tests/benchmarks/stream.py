"""Time and memory of `fit_stream` on Parquet, against one plain reading of the same columns.

`python -m tests.benchmarks.stream [rows] [folder]` writes files of ten million rows to a folder
that it removes, reads them once, and fits one Weibull and two in processes of their own, which
have fitted some rows before: what a process loads is told apart.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS_A_FILE = 10_000_000
ROWS_A_GROUP = 1_000_000


def write(folder: Path, n_rows: int) -> None:
    """Fleets of two kinds of units, continuous lives and ages, in as many files as needed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    for first in range(0, n_rows, ROWS_A_FILE):
        schema = pa.schema([("age", pa.float64()), ("failed", pa.bool_())])
        with pq.ParquetWriter(folder / f"part-{first // ROWS_A_FILE:04d}.parquet", schema) as file:
            for _ in range(0, min(ROWS_A_FILE, n_rows - first), ROWS_A_GROUP):
                n = min(ROWS_A_GROUP, n_rows - first)
                early = rng.random(n) < 0.3
                life = np.where(early, 5.0 * rng.weibull(0.8, n), 40.0 * rng.weibull(3.0, n))
                end = rng.uniform(10.0, 60.0, n)
                file.write(pa.table({"age": np.minimum(life, end), "failed": life <= end}, schema))


def memory() -> float:
    """The most memory that the process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read(folder: str) -> dict[str, float]:
    """Read the columns once, in batches."""
    import pyarrow.parquet as pq

    begin, started, n = time.perf_counter(), time.process_time(), 0
    for path in sorted(Path(folder).glob("*.parquet")):
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            for batch in file.iter_batches(65_536, columns=["age", "failed"]):
                n += batch.num_rows
    seconds = time.perf_counter() - begin
    return {"rows": n, "seconds": seconds, "cpu": time.process_time() - started, "MB": memory()}


def fit(folder: str, k: int) -> dict[str, float]:
    """Fit K Weibulls, and count the passes."""
    import pyarrow as pa

    from survjax import WeibullMixture, fit_stream

    passes: list[int] = []

    def told(number: int, n_rows: int) -> None:
        if number not in passes:
            passes.append(number)

    # What a process loads and compiles takes the same for any number of rows.
    few = pa.table({"age": np.random.default_rng(1).weibull(1.5, 200_000)})
    fit_stream(few.to_batches(), duration="age", model=WeibullMixture(k))
    start_up = time.process_time()
    begin = time.perf_counter()
    model = fit_stream(
        f"{folder}/*.parquet",
        duration="age",
        event="failed",
        model=WeibullMixture(k),
        progress=told,
    )
    seconds = time.perf_counter() - begin
    return {
        "K": k,
        "seconds": seconds,
        "passes": len(passes),
        "seconds_a_pass": seconds / len(passes),
        "cpu_a_pass": (time.process_time() - start_up) / len(passes),
        "start_up": start_up,
        "MB": memory(),
        "log_likelihood": model.log_likelihood_,
        "decrement": model.certificate_.decrement,
    }


def apart(*arguments: str) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.stream", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(n_rows: int, parent: str | None) -> None:
    """Write, measure, print."""
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        write(Path(folder), n_rows)
        plain = apart("read", folder)
        print(
            f"reading once: {plain['seconds']:.2f} s ({plain['cpu']:.2f} s of CPU), "
            f"{plain['MB']:.0f} MB, {n_rows:,} rows"
        )
        for k in (1, 2):
            found = apart("fit", folder, str(k))
            ratio = found["seconds_a_pass"] / plain["seconds"]
            cpu = found["cpu_a_pass"] / plain["cpu"]
            print(
                f"{k} component{'s' * (k > 1)}: {found['passes']} passes, "
                f"{found['seconds']:.2f} s ({ratio:.2f} readings a pass; of CPU {cpu:.2f}), "
                f"{found['start_up']:.1f} s of CPU before, {found['MB']:.0f} MB"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["read"]:
        print(json.dumps(read(sys.argv[2])))
    elif sys.argv[1:2] == ["fit"]:
        print(json.dumps(fit(sys.argv[2], int(sys.argv[3]))))
    else:
        given = sys.argv[1:]
        main(int(float(given[0])) if given else 10**7, given[1] if given[1:] else None)
