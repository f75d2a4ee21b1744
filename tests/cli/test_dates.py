"""Files of dates, and workbooks: what an asset register usually is."""

import datetime as dt

import numpy as np
import pytest

from survjax.cli._arguments import build_parser
from survjax.cli._columns import check_units, needed_columns
from survjax.cli._reading import read_table
from survjax.cli._text import Refused

REGISTER = """unit,installed,failed_on,why,seen
a,2020-01-01,2022-01-01,worn,
b,2021-06-01,,,2022-06-01
c,2019-03-01 12:00,2019-09-01,sold,2018-01-01
"""
DATES = ["--start", "installed", "--end", "failed_on", "--as-of", "2024-06-01"]


def read(path, *options):
    """The units that a command would fit."""
    arguments = build_parser().parse_args(["fit", str(path), *map(str, options)])
    roles = needed_columns(arguments)
    from pathlib import Path

    table = read_table(Path(arguments.file[0]), list(dict.fromkeys(roles.values())))
    return check_units(table, roles, arguments)


def test_dates_become_ages(file):
    units = read(file(REGISTER), *DATES)
    assert units.lower.tolist() == [731.0, 1096.0, 183.5]
    assert units.upper.tolist() == [731.0, np.inf, 183.5]
    assert units.running.tolist() == [False, True, False]
    years = read(file(REGISTER), *DATES, "--per", "years")
    np.testing.assert_allclose(years.lower, units.lower / 365.25, rtol=1e-15)


def test_an_end_that_was_no_failure_is_told_by_the_event(file):
    units = read(
        file(REGISTER), *DATES, "--event", "why", "--failed-value", "worn", "--entry", "seen"
    )
    assert np.isfinite(units.upper).tolist() == [True, False, False]
    assert units.entry.tolist() == [0.0, 365.0, 0.0]


def test_dates_agree_with_those_of_python(file):
    from survjax import durations_from_dates

    table = durations_from_dates(
        ["2020-01-01", "2021-06-01", "2019-03-01 12:00"],
        ["2022-01-01", None, "2019-09-01"],
        as_of=dt.date(2024, 6, 1),
        entry=[None, "2022-06-01", "2018-01-01"],
        per="months",
    )
    units = read(file(REGISTER), *DATES, "--per", "months", "--entry", "seen")
    np.testing.assert_allclose(units.lower, table["duration"], rtol=1e-14)
    np.testing.assert_allclose(units.entry, table["entry"], rtol=1e-14)
    assert np.isfinite(units.upper).tolist() == table["failed"].tolist()


def test_other_forms_of_dates_are_named(file, refusal):
    path = file(REGISTER.replace("2020-01-01", "01.02.2020"))
    said = refusal("fit", path, *DATES)
    assert "'installed' holds '01.02.2020' in line 2" in said and "--date-format" in said
    one = file("unit,from,to\na,01.02.2020,03.02.2020\nb,02.02.2020,10.02.2020\n")
    units = read(one, "--start", "from", "--end", "to", "--date-format", "%d.%m.%Y")
    assert units.lower.tolist() == [2.0, 8.0]


@pytest.mark.parametrize(
    ("one", "other", "forms"),
    [
        ("23.06.2014", "01.02.2015", "%d.%m.%Y"),
        ("6/23/2014", "1/2/2015", "%m/%d/%Y"),
        ("6/3/2014", "1/2/2015", "%m/%d/%Y or %d/%m/%Y"),
        ("23 Jun 2014", "", "%d %b %Y"),
    ],
)
def test_the_form_that_is_suggested_is_one_that_all_cells_have(file, refusal, one, other, forms):
    path = file(f"unit,from,to\na,{one},\nb,{other},\nc,{one},\n")
    said = refusal("fit", path, "--start", "from", "--end", "to", "--as-of", "2024-06-01")
    assert said.endswith(f"name the form, as in --date-format {forms}")


@pytest.mark.parametrize("cell", ["2016-02-30", "still running", "30.02.2016"])
def test_no_form_is_suggested_for_a_cell_among_dates(file, refusal, cell):
    path = file(f"unit,from,to\na,2014-06-23,2015-01-31\nb,2014-06-23,{cell}\n")
    said = refusal("fit", path, "--start", "from", "--end", "to", "--as-of", "2024-06-01")
    assert f"{cell!r} in line 3: no date such as 2024-01-31, as others are: correct it" in said
    assert "(empty: still running)" in said and "%" not in said


def test_ages_of_dates_are_shown_in_the_unit_that_was_asked_for(file, tmp_path, capsys):
    from survjax.cli import main

    ends = "".join(f"u{i},2020-01-01,202{1 + i % 3}-0{1 + i % 9}-01,,\n" for i in range(12))
    path = file("unit,installed,failed_on,why,seen\n" + ends + "z,2021-06-01,,,\n")
    more = ("--components", "1", "--no-pictures", "--out", str(tmp_path / "out"))
    assert main(["fit", str(path), *DATES, "--per", "years", *more]) == 0
    said = capsys.readouterr().out
    assert "a new unit (years)" in said and "1 unit still running, years" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "installed"], "--end is not given"),
        (["--start", "installed", "--end", "failed_on"], "pass --as-of DATE"),
        ([*DATES[:-1], "2020-01-01"], "after --as-of"),
        ([*DATES[:-1], "soon"], "--as-of must be a date"),
        ([*DATES, "--duration", "why"], "not both"),
        ([*DATES, "--resolution", "1"], "--resolution goes with --duration"),
        (["--duration", "why", "--as-of", "2024-01-01"], "--as-of goes with --start"),
        (["--start", "failed_on", "--end", "installed"], "'failed_on' has no value in line 3"),
        (["--start", "installed", "--end", "why", "--as-of", "2024-01-01"], "holds 'worn'"),
    ],
)
def test_what_dates_do_not_say_is_one_line(file, refusal, options, words):
    assert words in refusal("fit", file(REGISTER), *options)


def workbook(path):
    """The register as the first sheet of a workbook."""
    openpyxl = pytest.importorskip("openpyxl", reason="needs the extra excel")
    book = openpyxl.Workbook()
    for row in [
        ["unit", "installed", "failed_on", "age", "broken", None],
        ["a", dt.date(2020, 1, 1), dt.datetime(2022, 1, 1), 731, True, None],
        [None] * 6,
        ["b", dt.date(2021, 6, 1), None, 1096.5, False, None],
    ]:
        book.active.append(row)
    book.save(path)
    return path


def test_a_workbook_is_read_like_a_csv_file(tmp_path):
    path = workbook(tmp_path / "units.xlsx")
    units = read(path, *DATES, "--id", "unit")
    assert units.lower.tolist() == [731.0, 1096.0] and units.names == ["a", "b"]
    ages = read(path, "--duration", "age", "--event", "broken")
    assert ages.lower.tolist() == [731.0, 1096.5]
    assert np.isfinite(ages.upper).tolist() == [True, False]


def test_a_damaged_workbook_is_one_line(tmp_path, refusal):
    path = workbook(tmp_path / "units.xlsx")
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    assert "damaged Excel workbook" in refusal("fit", path, "--duration", "age")
    path.write_bytes(raw.replace(b"xl/worksheets/sheet1.xml", b"xl/worksheets/sheetX.xml"))
    assert "damaged Excel workbook" in refusal("fit", path, "--duration", "age")


def test_a_parquet_column_of_dates_is_read(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow.parquet as pq

    days = [dt.date(2020, 1, 1), dt.date(2021, 6, 1)]
    table = pa.table({"installed": days, "failed_on": [dt.datetime(2022, 1, 1), None]})
    pq.write_table(table, tmp_path / "units.parquet")
    assert read(tmp_path / "units.parquet", *DATES).lower.tolist() == [731.0, 1096.0]


def test_days_as_a_spreadsheet_counts_them_are_said_to_be_such(file):
    path = file("installed,failed_on\n43831,44562\n44348,\n")
    with pytest.raises(Refused, match=r"holds '43831' in line 2 \(2 such rows\): days as Excel"):
        read(path, *DATES)


LENGTHS = {
    "as pandas writes them": ["66 days 03:36:00", "0 days 12:00:00.500000", "3 days"],
    "as Python writes them": ["66 days, 3:36:00", "12:00:00.5", "1 day, 48:00:00"],
    "as Excel writes them": ["1587:36:00", "12:00:00.5", "72:00:00"],
}


@pytest.mark.parametrize("cells", LENGTHS.values(), ids=LENGTHS)
def test_lengths_of_time_become_ages(file, cells):
    text = "age,failed\n" + "".join(f'"{cell}",1\n' for cell in cells)
    units = read(file(text), "--duration", "age", "--per", "hours", "--event", "failed")
    np.testing.assert_allclose(units.lower, [1587.6, 12.0 + 0.5 / 3600, 72.0], rtol=1e-14)
    assert units.unit == "hours"
    assert units.notes == ("lengths of time in 'age' are read in hours: choose others with --per",)


def test_lengths_of_time_in_parquet_become_ages(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    for kind in ("s", "ms", "us", "ns"):
        lower = pa.array([dt.timedelta(hours=36), None], pa.duration(kind))
        upper = pa.array([dt.timedelta(days=2), dt.timedelta(hours=6)], pa.duration(kind))
        pq.write_table(pa.table({"low": lower, "high": upper}), tmp_path / "a.parquet")
        units = read(tmp_path / "a.parquet", "--lower", "low", "--upper", "high")
        assert units.lower.tolist() == [1.5, 0.0] and units.upper.tolist() == [2.0, 0.25]
        assert units.unit == "days"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age,entry\n3 days,0\n", "'entry' holds a number, '0', in line 2: other ages are lengths"),
        ("age,entry\n3 days,\n7,\n", "column 'age' holds text, '3 days', in line 2: numbers"),
        ("age,entry\n12:30,\n", "column 'age' holds text, '12:30', in line 2: numbers"),
        ("age,entry\n-1 days +04:00:00,\n", "column 'age' is negative"),
        ("age,entry\n3 days,4 days\n", "not below the unit's age"),
    ],
)
def test_lengths_beside_numbers_and_what_is_no_length_are_refused(file, text, message):
    with pytest.raises(Refused) as error:
        read(file(text), "--duration", "age", "--entry", "entry")
    assert message in str(error.value)
