"""The shipped tables are what their scripts write, and readers refuse what they cannot trust."""

import gzip
import runpy
import tomllib

import numpy as np
import pandas as pd
import pytest

from survjax import datasets

SHIPPED = {
    "pumps": datasets.load_pumps,
    "meters": datasets.load_meters,
    "devices": datasets.load_devices,
    "fans": datasets.load_fans,
    "ball_bearings": datasets.load_ball_bearings,
    "leukemia": datasets.load_leukemia,
    "air_conditioning": datasets.load_air_conditioning,
    "shock_absorbers": datasets.load_shock_absorbers,
}


@pytest.fixture(scope="module")
def rewritten(repository, tmp_path_factory):
    """A folder into which every script has written its tables anew."""
    folder = tmp_path_factory.mktemp("tables")
    for script in sorted((repository / "datasets").glob("make_*.py")):
        runpy.run_path(str(script))["main"](folder)
    return folder


def test_the_scripts_write_every_shipped_table_byte_for_byte(repository, rewritten):
    shipped = {path.name: path.read_bytes() for path in (repository / "datasets").glob("*.csv")}
    again = {path.name: path.read_bytes() for path in rewritten.glob("*.csv")}
    assert again == shipped
    assert set(shipped) == {f"{name}.csv" for name in SHIPPED}


def test_every_shipped_table_goes_into_the_wheel(repository):
    with open(repository / "pyproject.toml", "rb") as file:
        wheel = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]
    tables = {f"{name}.csv" for name in SHIPPED} | {"README.md"}
    expected = {f"datasets/{table}": f"survjax/datasets/_tables/{table}" for table in tables}
    assert wheel["force-include"] == expected


@pytest.mark.parametrize("name", SHIPPED)
def test_the_readme_names_every_column_of_every_table(name, repository):
    text = (repository / "datasets" / "README.md").read_text(encoding="utf-8")
    assert f"{name}.csv" in text
    assert [column for column in SHIPPED[name]() if f"`{column}`" not in text] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_table_says_durations_and_failures_in_the_same_words(name):
    table = SHIPPED[name]()
    assert table["failed"].dtype == bool and (table["duration"] > 0).all()
    assert {"age", "time", "months", "event", "event_observed"}.isdisjoint(table)


@pytest.mark.parametrize(("name", "cause"), [("fans", "ended_by"), ("shock_absorbers", "mode")])
def test_causes_are_what_models_of_several_causes_take(name, cause):
    table = SHIPPED[name]()
    running = [what is None for what in table[cause]]
    assert any(running) and not table["failed"][running].any()
    assert {what for what in table[cause] if what is not None} == set(table[cause].dropna())


def test_a_fan_failed_where_a_failure_ended_it():
    fans = datasets.load_fans()
    assert (fans["failed"] == (fans["ended_by"] == "failure")).all()
    assert (fans["duration"] <= fans["would_fail"]).all()


def test_each_pump_failed_or_runs_or_was_retired_after_it_entered():
    pumps = datasets.load_pumps()
    assert not (pumps["failed"] & pumps["in_service"]).any()
    assert (pumps["duration"] > pumps["entry"]).all()
    assert (pumps["entry"] > 0).groupby(pumps["site"]).any().sum() == 2
    assert pumps["unit"].is_unique


def test_simulated_lifetimes_follow_the_law_that_the_script_states():
    # Meters were all seen from installation, so the empirical share that failed within the
    # first 84 months (before anyone was censored: the last campaign began at 90 + 11) is binomial.
    meters = datasets.load_meters()
    truth = 1 - 0.06 * np.exp(-((84 / 20) ** 1.5)) - 0.94 * np.exp(-((84 / 190) ** 5))
    uncensored = meters[meters["campaign"] <= 5]
    share = (uncensored["failed"] & (uncensored["duration"] <= 84)).mean()
    error = np.sqrt(truth * (1 - truth) / len(uncensored))
    assert abs(share - truth) < 4 * error


def test_published_tables_have_the_counts_and_sums_of_their_sources():
    assert datasets.load_devices()["duration"].sum() == pytest.approx(2284.3)
    assert datasets.load_ball_bearings()["duration"].sum() == pytest.approx(1661.08)
    leukemia = datasets.load_leukemia().groupby("treatment")["duration"].sum()
    assert leukemia.to_dict() == {"6-MP": 359, "placebo": 182}
    # Proschan's plane 8044: twelve intervals, 1297 hours.
    planes = datasets.load_air_conditioning().groupby("plane")["duration"]
    assert planes.sum()[8044] == 1297 and planes.size().max() == 30
    modes = datasets.load_shock_absorbers()["mode"].value_counts()
    assert modes.to_dict() == {"mode 1": 7, "mode 2": 4}


@pytest.mark.parametrize(
    ("ours", "file", "duration", "event"),
    [
        ("devices", "literature/aarset1987.csv", "time", None),
        ("ball_bearings", "smrd/lzbearing.csv", "megacycles", None),
        ("leukemia", "r_other/MASS_gehan.csv", "time", "cens"),
        ("shock_absorbers", "smrd/shockabsorber.csv", "miles", "event"),
    ],
)
def test_published_tables_equal_independent_copies(ours, file, duration, event, real_data):
    copy = pd.read_csv(real_data / file)
    table = SHIPPED[ours]()
    failed = copy[event].isin([1, "Failure"]) if event else np.full(len(copy), True)
    theirs = sorted(zip(copy[duration], failed, strict=True))
    assert sorted(zip(table["duration"], table["failed"], strict=True)) == theirs


def write_cmapss(folder, units=(3, 2), end=".txt", columns=26):
    """Write engines of the given numbers of cycles as NASA does."""
    rows = [
        [unit, cycle, *np.round(np.linspace(0.5, 9, columns - 2), 4)]
        for unit, cycles in enumerate(units, start=1)
        for cycle in range(1, cycles + 1)
    ]
    text = "".join(" ".join(map(str, row)) + "  \n" for row in rows)
    opener = gzip.open if end.endswith(".gz") else open
    for stem in ("train_FD001", "test_FD001"):
        with opener(folder / f"{stem}{end}", "wt") as file:
            file.write(text)
    with opener(folder / f"RUL_FD001{end}", "wt") as file:
        file.write("".join(f"{10 * unit} \n" for unit in range(1, len(units) + 1)))


@pytest.mark.parametrize("end", [".txt", ".txt.gz"])
def test_cmapss_reads_the_format_that_nasa_publishes(end, tmp_path):
    write_cmapss(tmp_path, end=end)
    engines = datasets.load_cmapss(tmp_path)
    assert engines.train.shape == (5, 26)
    assert engines.train.groupby("unit")["cycle"].max().to_dict() == {1: 3, 2: 2}
    assert engines.remaining_life.to_dict() == {1: 10.0, 2: 20.0}
    assert engines.train["sensor_21"].iloc[0] == 9.0


def test_cmapss_copies_give_the_published_numbers_of_engines(real_data):
    for subset, trained, tested in (("FD001", 100, 100), ("FD002", 260, 259)):
        engines = datasets.load_cmapss(real_data / "cmapss", subset)
        assert engines.train["unit"].nunique() == trained
        assert len(engines.remaining_life) == tested
        assert (engines.remaining_life > 0).all()


def test_cmapss_errors_say_what_is_wrong_where(tmp_path):
    with pytest.raises(ValueError, match="subset must be one of .* got 'FD009'"):
        datasets.load_cmapss(tmp_path, "FD009")
    with pytest.raises(FileNotFoundError, match=r"no train_FD001\.txt"):
        datasets.load_cmapss(tmp_path)
    write_cmapss(tmp_path, columns=20)
    with pytest.raises(ValueError, match="has 20 columns; expected 26"):
        datasets.load_cmapss(tmp_path)
    write_cmapss(tmp_path)
    (tmp_path / "RUL_FD001.txt").write_text("10\n20\n30\n")
    with pytest.raises(ValueError, match="3 remaining lives, but the test file has 2 engines"):
        datasets.load_cmapss(tmp_path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: [*lines[:1], *lines[2:]], "first row 1: unit 1, cycle 3, expected 2"),
        (lambda lines: [*lines, "a b c"], "not a table of numbers"),
        (lambda lines: [*lines, "3 1"], "1 rows with a missing or infinite number, first row 5"),
        (lambda lines: [], "not a table of numbers"),
        (lambda lines: ["\x00\x01\x02"], "not a table of numbers|has 1 columns"),
    ],
)
def test_cmapss_refuses_damaged_files(edit, message, tmp_path):
    write_cmapss(tmp_path)
    path = tmp_path / "train_FD001.txt"
    path.write_text("\n".join(edit(path.read_text().splitlines())))
    with pytest.raises(ValueError, match=message):
        datasets.load_cmapss(tmp_path)


def write_days(folder, days):
    """Write daily files as Backblaze does: {date: [(serial, failure, power-on hours), ...]}."""
    for date, rows in days.items():
        frame = pd.DataFrame(rows, columns=["serial_number", "failure", "smart_9_raw"])
        frame = frame.assign(date=date, model="ST4000", capacity_bytes=4 * 10**12, smart_1_raw=7)
        frame.to_csv(folder / f"{date}.csv", index=False)


def test_backblaze_folds_days_into_one_row_a_drive(tmp_path):
    write_days(
        tmp_path,
        {
            "2024-01-01": [("007", 0, 240), ("B", 0, 48)],
            "2024-01-02": [("007", 0, None), ("B", 1, 72), ("C", 0, None)],
            "2024-01-04": [("007", 0, 312), ("B", 0, 120), ("C", 0, 0)],
        },
    )
    drives = datasets.load_backblaze(tmp_path).set_index("serial_number")
    assert drives["entry"].to_dict() == {"007": 10.0, "B": 2.0, "C": 0.0}
    # B failed on its second day, and what it reported after that does not count.
    assert drives["duration"].to_dict() == {"007": 14.0, "B": 4.0, "C": 1.0}
    assert drives["failed"].to_dict() == {"007": False, "B": True, "C": False}
    assert drives["first_date"].dt.day.to_dict() == {"007": 1, "B": 1, "C": 4}
    assert drives["last_date"].dt.day.to_dict() == {"007": 4, "B": 2, "C": 4}


def test_backblaze_reads_nested_gzipped_days_the_same(tmp_path):
    days = {"2024-01-01": [("A", 0, 24)], "2024-01-02": [("A", 1, 48)]}
    plain, nested = tmp_path / "plain", tmp_path / "nested" / "data_Q1_2024"
    plain.mkdir()
    nested.mkdir(parents=True)
    write_days(plain, days)
    for path in plain.glob("*.csv"):
        (nested / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    pd.testing.assert_frame_equal(
        datasets.load_backblaze(nested.parent), datasets.load_backblaze(plain)
    )


def test_backblaze_reads_the_snapshot_of_52422_drives(real_data):
    drives = datasets.load_backblaze(real_data / "backblaze")
    assert len(drives) == 52_422
    assert drives["failed"].sum() == 2_885
    assert drives["model"].nunique() == 85


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("A", 2, 24), "failure must be 0 or 1; 1 rows are not, first row 0: 2"),
        (("A", None, 24), "failure must be 0 or 1"),
        (("A", 0, -5), "smart_9_raw must be a number at or above 0; 1 rows are not"),
        (("A", 0, "new"), "smart_9_raw must be a number .* first row 0: new"),
    ],
)
def test_backblaze_refuses_damaged_rows(row, message, tmp_path):
    write_days(tmp_path, {"2024-01-01": [row]})
    with pytest.raises(ValueError, match=message):
        datasets.load_backblaze(tmp_path)


def test_backblaze_errors_say_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no daily file such as 2024-01-01\.csv"):
        datasets.load_backblaze(tmp_path)
    path = tmp_path / "2024-01-01.csv"
    path.write_text("date,model\n2024-01-01,X\n")
    with pytest.raises(ValueError, match="lacks the columns serial_number, capacity_bytes"):
        datasets.load_backblaze(tmp_path)
    path.write_text("")
    with pytest.raises(ValueError, match="not a table with a header"):
        datasets.load_backblaze(tmp_path)
    write_days(tmp_path, {"2024-01-01": [("A", 0, 24)]})
    path.write_text(path.read_text().replace("2024-01-01", "January"))
    with pytest.raises(ValueError, match="not year-month-day"):
        datasets.load_backblaze(tmp_path)
