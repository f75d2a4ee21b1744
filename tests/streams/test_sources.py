"""Every kind of source gives the same rows, and what is wrong with one is said in one line."""

import glob

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from survjax import CompetingRisks, CoxPH, WeibullMixture, fit_stream
from survjax.data.streams.batches import Lives, Roles, in_blocks, joined_lives, lives_of
from survjax.data.streams.sources import source_of
from tests.streams.conftest import cut

ROLES = Roles("age", "failed", "entry", "n")


def rows_of(source, roles=ROLES):
    read = source_of(source)
    read.check(roles)
    found = [lives_of(batch, roles) for batch in read.read(roles) if batch.columns.num_rows]
    return joined_lives(found)


@pytest.fixture(scope="module")
def folder(fleet, tmp_path_factory):
    """The fleet in three Parquet files, with a column that nobody needs, and as CSV."""
    folder = tmp_path_factory.mktemp("fleet")
    table = pa.table({**fleet, "name": np.arange(20_000).astype(str)})
    for i, start in enumerate((0, 5000, 15_000)):
        size = (5000, 10_000, 5000)[i]
        pq.write_table(table.slice(start, size), folder / f"part-{i}.parquet", row_group_size=3000)
    csv.write_csv(table, folder / "all.csv")
    return folder


def test_all_kinds_of_sources_give_the_same_rows(fleet, batches, folder):
    duckdb = pytest.importorskip("duckdb")
    table = pa.Table.from_batches(batches)
    pattern = f"{folder}/part-*.parquet"
    query = f"select * from read_parquet('{pattern}') order by name::int"
    sources = {
        "pattern": pattern,
        "folder": folder,
        "paths": sorted(glob.glob(pattern), reverse=True),
        "csv": folder / "all.csv",
        "dataset": ds.dataset(sorted(glob.glob(pattern))),
        "table": table,
        "batches": batches,
        "tables": [table.slice(0, 7000), table.slice(7000)],
        "pandas": table.to_pandas(),
        "polars": pl.from_arrow(table),
        "lazy": pl.scan_parquet(pattern),
        "duckdb": duckdb.sql(query),
        "reader": duckdb.connect().sql(query).to_arrow_reader(4096),
        "function": lambda: duckdb.sql(query),
        "generator": (batch for batch in batches),
    }
    for name, source in sources.items():
        found = rows_of(source)
        for ours, theirs in zip(found, fleet.values(), strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


@pytest.mark.parametrize("size", [1, 7, 64, 100])
def test_blocks_are_the_same_however_rows_were_cut(size):
    t = np.arange(100.0)
    for cuts in ([], [50], [1, 2, 3, 99], [13, 13, 77]):
        parts = [Lives(a, a > 3) for a in np.split(t, cuts) if a.size]
        blocks = list(in_blocks(parts, size))
        assert [b.n_rows for b in blocks] == [size] * (100 // size) + [100 % size] * (
            100 % size > 0
        )
        np.testing.assert_array_equal(np.concatenate([b.durations for b in blocks]), t)


@pytest.mark.parametrize(
    "flags",
    [
        pa.array([True, False, True]),
        pa.array([1, 0, 1], pa.int8()),
        pa.array([1.0, 0.0, 1.0]),
        pa.array([1, 0, 1]).dictionary_encode(),
    ],
)
def test_events_may_be_flags_or_numbers(flags):
    batch = pa.record_batch({"age": pa.array([3, 5, 9], pa.int32()), "failed": flags})
    found = rows_of([batch], Roles("age", "failed"))
    np.testing.assert_array_equal(found.events, [True, False, True])
    assert found.durations.dtype == np.float64


def fit(source, **more):
    return fit_stream(source, **{"duration": "age", "event": "failed", **more})


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_bad_row_is_found_by_its_batch_and_row(fleet):
    for bad, words in (
        (np.nan, "must be numbers"),
        (-3.0, "at least zero, got -3"),
        (np.inf, "finite"),
    ):
        age = fleet["age"].copy()
        age[7003:7005] = bad
        with pytest.raises(ValueError, match=words) as error:
            fit(cut({**fleet, "age": age}, 10))
        words = one_line(error)
        assert "the source, batch 700 (row 0 here is row 7000)" in words
        assert "in row 3 (2 such rows)" in words


def test_a_file_that_is_given_twice_is_refused(fleet, tmp_path):
    pq.write_table(pa.table({"age": [1.0, 2.0], "failed": [1, 1]}), tmp_path / "a.parquet")
    (tmp_path / "b.parquet").symlink_to(tmp_path / "a.parquet")
    for names in (["*.parquet"], ["a.parquet", "./a.parquet"]):
        with pytest.raises(ValueError, match="is given twice: its units would count twice"):
            fit([str(tmp_path / name) for name in names])


def test_a_bad_row_of_a_file_is_found_by_the_files_name(fleet, tmp_path):
    for i in range(3):
        age = np.where((i == 1) & (np.arange(50) == 7), -1.0, fleet["age"][:50])
        pq.write_table(pa.table({"age": age, "failed": [1] * 50}), tmp_path / f"{i}.parquet")
    with pytest.raises(ValueError, match="got -1 in row 7") as error:
        fit(tmp_path)
    assert one_line(error).startswith(repr(str(tmp_path / "1.parquet")))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"AGE": [1.0], "failed": [1]}, "no column 'age': it has AGE, failed"),
        ({"age": ["3"], "failed": [1]}, "column 'age' must hold numbers, got the type string"),
        (
            {"age": [1.0], "failed": ["yes"]},
            "must hold 1 = failed, 0 = still running, got the type",
        ),
        ({"age": [True], "failed": [1]}, "'age' must hold numbers, got the type bool"),
        ({"age": pd.to_datetime(["2020-01-01"]), "failed": [1]}, "got the type timestamp"),
    ],
)
def test_one_wrong_file_among_many_is_named_before_anything_is_read(
    columns, words, tmp_path, fleet
):
    for i in range(20):
        table = {"age": fleet["age"][:10], "failed": fleet["failed"][:10]}
        pq.write_table(pa.table(table if i != 13 else columns), tmp_path / f"{i:02d}.parquet")
    with pytest.raises(ValueError, match=words) as error:
        fit(f"{tmp_path}/*.parquet")
    assert f"{str(tmp_path / '13.parquet')!r} (file 14 of 20)" in one_line(error)


def test_a_column_that_is_there_twice_is_refused(fleet):
    age, failed = (pa.array(fleet[name]) for name in ("age", "failed"))
    twice = pa.Table.from_arrays([age, failed, age], names=["age", "failed", "age"])
    with pytest.raises(ValueError, match="batch 0 has 2 columns 'age'") as error:
        fit(twice)
    one_line(error)


@pytest.mark.parametrize("share", [0.0, 0.4, 0.99])
def test_a_truncated_file_is_named(share, folder, tmp_path):
    whole = (folder / "part-1.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="cut.parquet' cannot be read") as error:
        fit(tmp_path / "cut.parquet")
    one_line(error)


def test_a_file_that_is_damaged_inside_is_named(folder, tmp_path):
    content = bytearray((folder / "part-1.parquet").read_bytes())
    content[200:4000] = b"\xff" * 3800
    (tmp_path / "bad.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad.parquet'( cannot be read|, batch \d)") as error:
        fit(tmp_path / "bad.parquet")
    one_line(error)


def test_text_among_the_numbers_of_a_csv_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "a.csv").write_text("age,failed\n3,1\nsoon,0\n")
    with pytest.raises(ValueError, match=r"a.csv' cannot be read: .*'soon'") as error:
        fit(tmp_path / "a.csv")
    one_line(error)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nowhere.parquet", "'nowhere.parquet' cannot be read: No such file"),
        ("nowhere-*.parquet", "no file matches 'nowhere"),
        ([], "the source has no rows"),
        ([pa.record_batch({"age": pa.array([], pa.float64()), "failed": pa.array([], pa.int8())})],
         "the source has no rows"),
    ],
)  # fmt: skip
def test_nothing_to_read_is_said(given, words):
    with pytest.raises(ValueError, match=words):
        fit(given)


def test_what_is_no_source_is_refused(tmp_path):
    for given in (3, {"age": [1.0]}, [1.0, 2.0]):
        with pytest.raises(TypeError, match="must be files, a dataset"):
            fit(given)
    with pytest.raises(ValueError, match=r"no file \*.parquet in the folder"):
        fit(tmp_path)


def test_models_and_columns_that_are_none_are_refused(batches):
    for model in (3, None, CoxPH(), WeibullMixture, CompetingRisks({"wear": "weibull"})):
        with pytest.raises(ValueError, match="model must be the name of a family, a Lifetime"):
            fit(batches[:1], model=model)
    for name in (None, ["age"]):
        with pytest.raises(ValueError, match="duration must name a column"):
            fit_stream(batches[:1], duration=name)


def test_empty_batches_change_nothing(batches):
    empty = batches[0].slice(0, 0)
    ours = fit([empty, *batches[:3], empty, empty, *batches[3:5], empty])
    np.testing.assert_array_equal(ours.parameters_, fit(batches[:5]).parameters_)


def test_an_iterator_that_would_be_read_twice_is_refused_with_what_to_do(
    batches, little_memory, read_again
):
    reader = pa.RecordBatchReader.from_batches(batches[0].schema, batches)
    for source in (iter(batches), (b for b in batches), reader):
        with pytest.raises(
            ValueError, match="pass files, a table, a list of batches, or a function"
        ):
            fit(source)
    used = iter(batches)
    with pytest.raises(ValueError, match="20000 rows in the first pass and 0 in pass 2"):
        fit(lambda: used)


def test_one_column_may_have_two_roles(fleet):
    batch = pa.record_batch({"age": fleet["age"][:500], "failed": fleet["failed"][:500]})
    ours = fit_stream([batch], duration="age", event="failed", weight="failed")
    assert ours.n_units_ == ours.n_events_ == fleet["failed"][:500].sum()
