"""Hostile files: each is refused in one line that says what is wrong and where."""

import csv
import gzip
import io
import os
from pathlib import Path

import numpy as np
import pytest

from survjax.cli._arguments import build_parser
from survjax.cli._columns import check_units, needed_columns
from survjax.cli._reading import read_table

GOOD = "unit,age,failed\na,1.5,1\nb,2.5,1\nc,3.5,0\nd,4.0,1\n"
USUAL = ("--duration", "age", "--event", "failed", "--id", "unit")


def units(path, *options):
    """What the command line makes of a file, before any fit."""
    arguments = build_parser().parse_args(["fit", path, *options])
    roles = needed_columns(arguments)
    needed = list(dict.fromkeys(roles.values()))
    table = read_table(Path(*arguments.file), needed, arguments.separator, arguments.encoding)
    return check_units(table, roles, arguments), table


BROKEN = {
    "empty": (b"", "is empty"),
    "blank": (b" \r\n\n", "is empty"),
    "header only": ("unit,age,failed\n", "has column names and no rows"),
    "NUL bytes": (GOOD.replace("c,", "c\0,"), "binary or damaged (a NUL byte in line 4)"),
    "UTF-16": (GOOD.encode("utf-16-le"), "or text in UTF-16: try --encoding utf-16-le"),
    "noise": (b"\x00\xff\xfe" * 99, "is binary or damaged: no table of text"),
    "title above": ("Our pumps\n" + GOOD, "(does a title stand above?); it has Our pumps"),
    "told to Excel": ("sep=;\n", "is empty"),
    "gzip": (gzip.compress(GOOD.encode()), "is compressed (gzip): unpack it first"),
    "workbook": (b"PK\x03\x04rest", "Excel workbook: save the sheet as CSV"),
    "latin-1": (GOOD.replace("b,", "é,").encode("latin-1"), "(byte 0xe9 in line 3): save it as"),
    "missing column": (GOOD.replace("age", "Age "), "no column 'age'; did you mean 'Age'?"),
    "twice": (GOOD.replace("unit", "age"), "has 2 columns 'age': rename all but one"),
    "cut off": (GOOD + "e,5", "has 2 cells in line 6, and 3 in its first line"),
    "loose separator": (GOOD.replace("b,", "b,b,"), "has 4 cells in line 3, and 3"),
    "open quote": (GOOD.replace("c,", '"c,'), "is not CSV in line 5: a quote is not closed"),
    "huge cell": (GOOD.replace("c,", "c" * 200_000 + ","), "field larger than field limit"),
    "text": (GOOD.replace("2.5", "old"), "'age' holds text, 'old', in line 3: numbers are needed"),
    "thousands": (GOOD.replace("2.5", '"2,500"'), "with --decimal , if commas are decimal marks"),
    "underscore": (GOOD.replace("2.5", "2_5"), "'age' holds text, '2_5', in line 3"),
    "units": (GOOD.replace("2.5", "2.5 years"), "'2.5 years'"),
    "missing": (GOOD.replace("2.5", "").replace("4.0", "NaN"), "no value in line 3 (2 such rows)"),
    "infinite": (GOOD.replace("2.5", "inf"), "'age' is not finite, 'inf', in line 3"),
    "negative": (GOOD.replace("2.5", "-2.5"), "'age' is negative, '-2.5', in line 3"),
    "zero": (GOOD.replace("2.5", "0"), "'age' is 0 for a failed unit in line 3"),
    "word": (
        GOOD.replace("1.5,1", "1.5,dead"),
        "'failed' holds 'dead' in line 2: write 1 = failed",
    ),
    "one or two": (GOOD.replace(",0\n", ",2\n"), "'failed' holds '2' in line 4"),
    "no event": (GOOD.replace(",0\n", ",\n"), "'failed' has no value in line 4"),
    "escape codes": (GOOD.replace("2.5", "\x1b[31m2"), r"'\x1b[31m2'"),
}


@pytest.mark.parametrize(("content", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_in_one_line_and_nothing_is_written(file, refusal, content, words):
    assert words in refusal("fit", file(content), *USUAL)


def test_what_is_no_file_is_refused(tmp_path, refusal, file):
    assert "there is no file" in refusal("fit", tmp_path / "none.csv", *USUAL)
    assert "is a folder" in refusal("fit", tmp_path, *USUAL)
    assert "there is no encoding" in refusal("fit", file(GOOD), *USUAL, "--encoding", "utf-99")
    os.mkfifo(tmp_path / "pipe")
    assert "is not an ordinary file" in refusal("fit", tmp_path / "pipe", *USUAL)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_that_may_not_be_read_is_refused(file, refusal):
    path = file(GOOD)
    os.chmod(path, 0)
    assert "cannot be read: Permission denied" in refusal("fit", path, *USUAL)


LIMITS = "unit,age,failed,start,n,runs,low,high\na,1.5,1,0.5,2,0,1,1\nb,2.5,0,,1,1,2,\n"
WRONG_LIMITS = {
    "late entry": ("0.5", "1.5", ("--entry", "start"), "not below the unit's age, in line 2"),
    "negative entry": ("0.5", "-0.5", ("--entry", "start"), "'start' is negative, '-0.5',"),
    "negative weight": (",2,0", ",-2,0", ("--weight", "n"), "'n' is negative, '-2', in line 2"),
    "failed and running": (",2,0", ",2,1", ("--in-service", "runs"), "'1' for a failed unit"),
}


@pytest.mark.parametrize(
    ("old", "new", "options", "words"), WRONG_LIMITS.values(), ids=WRONG_LIMITS
)
def test_contradictions_between_columns_are_refused(file, refusal, old, new, options, words):
    path = file(LIMITS.replace(old, new))
    assert words in refusal("fit", path, *USUAL, *options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--weight", "failed"), "column 'failed' is both --event and --weight: name a column"),
        (("--entry", "age"), "column 'age' is both --duration and --entry"),
        (("--in-service", "failed"), "column 'failed' is both --event and --in-service"),
    ],
)
def test_a_column_is_not_asked_for_two_things(file, refusal, options, words):
    assert words in refusal("fit", file(LIMITS), *USUAL, *options)


def test_bounds_must_be_in_order_and_come_without_events(file, refusal):
    path = file("low,high\n1,2\n3,2\n")
    bounds = ("--lower", "low", "--upper", "high")
    assert "'high' is '2', below the lower bound, in line 3" in refusal("fit", path, *bounds)
    assert "--event goes with --duration" in refusal("fit", path, *bounds, "--event", "low")
    assert "--resolution goes with" in refusal("fit", path, *bounds, "--resolution", "1")
    assert "not both" in refusal("fit", path, *bounds, "--duration", "low")
    assert "name the columns" in refusal("fit", path, "--lower", "low")
    assert "name the columns" in refusal("fit", path)


def test_columns_arrive_as_they_stand_in_the_file(file):
    path = file(LIMITS)
    found, _ = units(path, *USUAL, "--entry", "start", "--weight", "n", "--in-service", "runs")
    assert found.lower.tolist() == [1.5, 2.5]
    assert found.upper.tolist() == [1.5, np.inf]
    assert found.entry.tolist() == [0.5, 0.0]
    assert found.weight.tolist() == [2.0, 1.0]
    assert found.running.tolist() == [False, True]
    assert found.names == ["a", "b"]
    found, _ = units(path, "--lower", "low", "--upper", "high")
    assert found.upper.tolist() == [1.0, np.inf]
    assert (found.names, found.title) == (["1", "2"], "row")


DIALECTS = {
    "byte order mark": ("\ufeff" + GOOD).encode(),
    "UTF-16": GOOD.encode("utf-16"),
    "UTF-32": GOOD.encode("utf-32"),
    "Windows line ends": GOOD.replace("\n", "\r\n").encode(),
    "old Mac line ends": GOOD.replace("\n", "\r").encode(),
    "blank lines": GOOD.replace("\n", "\n\n").encode(),
    "quoted numbers": GOOD.replace("2.5", '"2.5"').encode(),
    "spaces": GOOD.replace(",", " , ").encode(),
    "trailing separators": GOOD.replace("\n", ",\n").encode(),
    "trailing separators in rows": GOOD.replace("1\n", "1,\n").replace("0\n", "0,\n").encode(),
    "words for flags": GOOD.replace(",1\n", ",True\n").replace(",0\n", ",FALSE\n").encode(),
    "floats for flags": GOOD.replace(",1\n", ",1.0\n").encode(),
    "semicolons": GOOD.replace(",", ";").encode(),
    "tabs": GOOD.replace(",", "\t").encode(),
}


@pytest.mark.parametrize("content", DIALECTS.values(), ids=DIALECTS)
def test_harmless_dialects_of_csv_read_alike(file, content):
    found, table = units(file(content), *USUAL)
    assert found.lower.tolist() == [1.5, 2.5, 3.5, 4.0]
    assert np.isinf(found.upper).tolist() == [False, False, True, False]
    assert [name.strip() for name in found.names] == ["a", "b", "c", "d"]
    assert bool(table.notes) == (b";" in content or b"\t" in content)


def test_decimal_commas_are_read_when_asked_for_and_points_are_then_refused(file, refusal):
    path = file(GOOD.replace(",", ";").replace(".", ","))
    found, _ = units(path, *USUAL, "--decimal", ",")
    assert found.lower.tolist() == [1.5, 2.5, 3.5, 4.0]
    assert "--decimal ," in refusal("fit", path, *USUAL)
    mixed = file(GOOD.replace(",", ";").replace("2.5", "1.002"))
    assert "'1.5'" in refusal("fit", mixed, *USUAL, "--decimal", ",")
    thousands = file(GOOD.replace(",", ";").replace(".", ",").replace("2,5", "1.002,5"))
    said = refusal("fit", thousands, *USUAL, "--decimal", ",")
    assert said.endswith("numbers are needed, without marks for thousands")


def test_the_line_of_an_error_counts_line_breaks_inside_cells(file, refusal):
    path = file(GOOD.replace("a,", '"a\nb\nc",').replace("2.5", "x"))
    assert "in line 5" in refusal("fit", path, *USUAL)


def test_repeated_names_are_noted(file):
    found, _ = units(file(GOOD.replace("b,", "a,")), *USUAL)
    assert found.notes == ("column 'unit' repeats 'a': each row counts as a unit of its own",)


def parquet(path, columns):
    """Write a Parquet file."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path)
    return str(path)


def test_parquet_reads_as_csv_does(tmp_path, file):
    path = parquet(
        tmp_path / "units.parquet",
        {"unit": ["a", "b", "c", "d"], "age": [1.5, 2.5, 3.5, 4.0], "failed": [1, 1, 0, 1]},
    )
    same, other = units(path, *USUAL)[0], units(file(GOOD), *USUAL)[0]
    assert same.names == other.names
    for name in ("lower", "upper", "running"):
        np.testing.assert_array_equal(getattr(same, name), getattr(other, name))


def test_parquet_columns_of_every_type_are_read_or_refused(tmp_path, refusal):
    pa = pytest.importorskip("pyarrow")
    import datetime
    import decimal

    n = 3
    path = parquet(
        tmp_path / "types.parquet",
        {
            "flag": [True, False, True],
            "word": pa.array(["1", "2", "x"]).dictionary_encode(),
            "whole": pa.array([1, 2, 3], pa.uint8()),
            "exact": [decimal.Decimal("1.25")] * n,
            "gap": [1.0, None, 3.0],
            "day": [datetime.date(2020, 1, 1)] * n,
            "list": [[1.0]] * n,
        },
    )
    found, _ = units(path, "--duration", "whole", "--event", "flag", "--id", "day")
    assert found.names[0] == "2020-01-01"
    assert np.isfinite(found.upper).tolist() == [True, False, True]
    assert units(path, "--duration", "exact")[0].lower.tolist() == [1.25] * n
    assert units(path, "--duration", "whole", "--id", "whole")[0].names == ["1", "2", "3"]
    assert "'word' holds text, 'x', in row 3" in refusal("fit", path, "--duration", "word")
    assert "'gap' has no value in row 2" in refusal("fit", path, "--duration", "gap")
    assert "'day' holds text" in refusal("fit", path, "--duration", "day")
    assert "'list' holds list<" in refusal("fit", path, "--duration", "list")
    assert "no column 'age'" in refusal("fit", path, "--duration", "age")


def test_damaged_parquet_is_refused(tmp_path, refusal):
    path = parquet(tmp_path / "units.parquet", {"age": list(range(1000))})
    whole = Path(path).read_bytes()
    for content in (whole[:-50], whole[:4] + whole[40:], b"PAR1"):
        broken = tmp_path / "broken.parquet"
        broken.write_bytes(content)
        assert "is a damaged Parquet file" in refusal("fit", broken, "--duration", "age")


def test_a_missing_reader_for_parquet_is_named(tmp_path, refusal, monkeypatch):
    path = parquet(tmp_path / "units.parquet", {"age": [1.0]})
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert "needs pyarrow: python -m pip install pyarrow" in refusal(
        "fit", path, "--duration", "age"
    )


def test_random_bytes_never_pass_and_never_break_out(file, refusal):
    rng = np.random.default_rng(7)
    for i in range(60):
        junk = rng.integers(0, 256, rng.integers(1, 400), dtype=np.uint8).tobytes()
        if i % 2:
            junk = GOOD.encode()[:16] + junk
        refusal("fit", file(junk), *USUAL)


def test_random_tables_survive_a_round_trip(file):
    rng = np.random.default_rng(3)
    names = ["=1+1", "a,b", 'say "hi"', "ligne\r\nbrisée", "", " padded ", "渋谷"]
    ages = rng.lognormal(0, 40, len(names))
    text = io.StringIO()
    rows = [[n, repr(float(a)), 1] for n, a in zip(names, ages, strict=True)]
    csv.writer(text).writerows([["unit", "age", "failed"], *rows])
    found, _ = units(file(text.getvalue()), *USUAL)
    assert found.names == names
    assert found.lower.tolist() == ages.tolist()


def test_the_mark_that_a_file_tells_to_excel_is_taken(file):
    path = file("sep=;\r\n" + GOOD.replace(",", ";").replace("\n", "\r\n"))
    found, table = units(path, *USUAL)
    assert found.lower.tolist() == [1.5, 2.5, 3.5, 4.0] and not table.notes
    assert table.places(0) == "line 3"


def test_a_command_without_columns_is_told_those_of_the_file(file, refusal):
    assert refusal("fit", file(GOOD)).endswith("' has unit, age, failed")


def test_arrow_holds_no_bytes_of_python(tmp_path, monkeypatch):
    # A thread of Arrow's that let go of them while Python ended aborted the process.
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"age": [1.0, 2.0]}), tmp_path / "units.parquet")
    monkeypatch.delattr(pa, "BufferReader")
    monkeypatch.delattr(pa, "py_buffer")
    found, _ = units(str(tmp_path / "units.parquet"), "--duration", "age")
    assert found.lower.tolist() == [1.0, 2.0]
