"""Patterns, several files and queries are fitted in batches, with remaining lives as Parquet."""

import errno
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import survjax
from survjax.cli import main
from survjax.cli.streams import source as module
from survjax.fitting.streams import ties

COLUMNS = ("--duration", "age", "--event", "failed")


@pytest.fixture(scope="module")
def fleet():
    rng = np.random.default_rng(3)
    n = 6000
    life = np.where(rng.random(n) < 0.4, 5 * rng.weibull(0.8, n), 40 * rng.weibull(3.0, n))
    age = np.minimum(life, 30.0 + 5.0 * rng.random(n))
    names = np.array([f"u{i:05d}" for i in range(n)])
    return pd.DataFrame({"unit": names, "age": age, "failed": (life == age).astype(int)})


@pytest.fixture(scope="module")
def folder(fleet, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for i, part in enumerate(np.array_split(np.arange(6000), 3)):
        pq.write_table(pa.Table.from_pandas(fleet.iloc[part]), folder / f"part-{i}.parquet")
    return folder


@pytest.fixture(autouse=True)
def little_memory(monkeypatch):
    monkeypatch.setattr(ties, "MOST_ROWS", 1000)


def fit(out, *options):
    return main(
        ["fit", *map(str, options), "--out", str(out), "--no-pictures", "--components", "2"]
    )


def lives(out):
    return pq.read_table(out / "rul.parquet").to_pandas()


def test_a_pattern_is_fitted_in_batches_and_lives_are_written_as_parquet(
    folder, fleet, tmp_path, capsys
):
    code = fit(tmp_path / "out", f"{folder}/*.parquet", *COLUMNS, "--id", "unit", "--horizon", "2")
    said = capsys.readouterr().out
    assert code == 0 and "2 Weibull components" in said and "remaining life of" in said
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["model.json", "rul.parquet"]
    table, running = lives(tmp_path / "out"), fleet[fleet["failed"] == 0]
    assert table["unit"].tolist() == running["unit"].tolist()
    np.testing.assert_array_equal(table["age"], running["age"])
    model = survjax.load(tmp_path / "out" / "model.json")
    expected = model.predict_rul(running["age"].to_numpy()[:50], quantiles=(0.1, 0.5, 0.9))
    for name in expected:
        np.testing.assert_allclose(table[name][:50], expected[name], rtol=1e-9)
    assert table["failure_probability"].between(0, 1).all()
    shortest = table["unit"][table["mean"].idxmin()]
    assert f"  {shortest}" in said
    theirs, one = (survjax.WeibullMixture(k).fit(fleet["age"], fleet["failed"]) for k in (2, 1))
    gap = one.bic_ - theirs.bic_
    assert f"BIC {one.bic_:.2f}, {gap:.1f} worse: one Weibull misses this fleet" in said
    np.testing.assert_allclose(model.parameters_, theirs.parameters_, rtol=1e-9)


def test_several_files_a_csv_and_a_query_give_the_same(folder, fleet, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    fleet.to_csv(tmp_path / "a-1.csv", index=False)
    with duckdb.connect(tmp_path / "fleet.db") as database:
        database.execute(f"create table units as from read_parquet('{folder}/*.parquet')")
    query = "select unit, age, failed from units order by unit"
    ways = {
        "several": sorted(folder.glob("*.parquet")),
        "csv": [tmp_path / "a-*.csv"],
        "query": ["--query", query, "--database", tmp_path / "fleet.db"],
    }
    found = {}
    for name, way in ways.items():
        assert fit(tmp_path / name, *way, *COLUMNS, "--id", "unit") == 0
        found[name] = lives(tmp_path / name)
    pd.testing.assert_frame_equal(found["csv"], found["several"], rtol=1e-9)
    pd.testing.assert_frame_equal(found["query"], found["several"], rtol=1e-9)


def test_one_large_parquet_file_is_read_in_batches_unasked(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGE", 1000)
    assert fit(tmp_path / "out", folder / "part-0.parquet", *COLUMNS) == 0
    table = lives(tmp_path / "out")
    assert table.columns[0] == "row" and table["row"].iloc[0] >= 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["{}/*.parquet", "--duration", "years"],
            "has no column 'years': it has unit, age, failed",
        ),
        (["{}/*.parquet", "--duration", "unit"], "column 'unit' must hold numbers, got the type"),
        (["{}/none-*.parquet", *COLUMNS], "no file matches"),
        (["{}/*.parquet", *COLUMNS, "--cause", "unit"], "--cause needs one file that fits"),
        (["{}/*.parquet", *COLUMNS, "--covariates", "unit"], "--covariates needs one file"),
        ([*COLUMNS], "name a FILE, or a --query"),
        (["--database", "x.db", *COLUMNS], "--database goes with --query"),
        (["a.csv", "--query", "select 1", *COLUMNS], "name no file besides"),
        (["--query", "select 1", "--database", "none.db", *COLUMNS], "there is no file 'none.db'"),
        (["--query", "selec 1", *COLUMNS], "--query cannot be answered: Parser Error"),
        (
            ["--query", "select 1 as age", *COLUMNS],
            "the query gives no column 'failed'; it gives age",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(options, words, folder, refusal):
    pytest.importorskip("duckdb")
    assert words in refusal("fit", *(str(option).replace("{}", str(folder)) for option in options))


def test_a_bad_row_is_named_and_nothing_is_written(folder, fleet, tmp_path, capsys):
    bad = fleet.iloc[:100].assign(age=-1.0)
    pq.write_table(pa.Table.from_pandas(fleet.iloc[:500]), tmp_path / "a.parquet")
    pq.write_table(pa.Table.from_pandas(bad), tmp_path / "b.parquet")
    assert fit(tmp_path / "out", f"{tmp_path}/*.parquet", *COLUMNS) == 2
    said = capsys.readouterr().err
    assert "b.parquet', batch 0: durations must be at least zero, got -1 in row 0 (100 such" in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]


def test_a_disk_that_is_full_while_lives_are_written_leaves_nothing(
    folder, tmp_path, capsys, monkeypatch
):
    def full(self, table, *more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    assert fit(tmp_path / "out", f"{folder}/*.parquet", *COLUMNS) == 2
    lines = capsys.readouterr().err.splitlines()
    assert sum("No space left on device" in line for line in lines) == 1
    assert not any("Traceback" in line for line in lines)
    assert not (tmp_path / "out").exists()


def test_pictures_are_drawn_of_the_few_rows(folder, tmp_path):
    options = [f"{folder}/*.parquet", *COLUMNS, "--components", "1"]
    assert main(["fit", *options, "--out", str(tmp_path / "out")]) == 0
    names = {path.stem for path in (tmp_path / "out").glob("*.png")}
    assert names == {"survival", "paper", "hazard", "rul"}
