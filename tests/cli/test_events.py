"""Which rows failed: words for it, a forgotten --event, and how numbers are shown."""

from pathlib import Path

import numpy as np
import pytest

from survjax.cli import main
from survjax.cli._flags import all_failed
from survjax.cli._reading import read_table
from survjax.cli._report import Remaining
from survjax.cli._session import in_words_of_options
from survjax.cli._text import plain
from tests.cli.test_reading import parquet, units

AGES = [1.5, 2.5, 3.5, 4.0, 5.5, 6.0]


def table(**columns):
    """CSV text: ages, and more columns."""
    names = ["age", *columns]
    rows = zip(AGES, *columns.values(), strict=True)
    return "\n".join(",".join(map(str, row)) for row in [names, *rows]) + "\n"


def failed(found):
    return np.isfinite(found[0].upper).tolist()


def test_yes_and_no_are_events(file):
    for yes, no in (("Yes", "No"), ("y", "n"), ("TRUE", "false"), ("1", "0")):
        path = file(table(event=[yes, no, no, yes, yes, no]))
        found = units(path, "--duration", "age", "--event", "event")
        assert failed(found) == [True, False, False, True, True, False]


def test_words_for_a_failure_are_named_by_an_option(file, refusal):
    path = file(table(status=["Broken", "ok", " Broken", "burnt", "sold", "ok"]))
    base = ("--duration", "age", "--event", "status")
    found = units(path, *base, "--failed-value", "Broken", "--failed-value", "burnt")
    assert failed(found) == [True, False, True, True, False, False]
    assert "--failed-value" in refusal("fit", path, *base)
    said = refusal("fit", path, *base, "--failed-value", "broken")
    assert said == (
        "column 'status' nowhere holds --failed-value 'broken': it holds Broken, ok, burnt, sold"
    )
    said = refusal("fit", path, "--duration", "age", "--failed-value", "ok")
    assert said.startswith("--failed-value goes with --event COL")
    gap = file(table(status=["Broken", "", "ok", "ok", "ok", "ok"]))
    said = refusal("fit", gap, *base, "--failed-value", "Broken")
    assert said.startswith("column 'status' has no value in line 3")


def test_numbers_for_a_failure_are_named_too(tmp_path, file):
    expected = [True, False, True, False, False, True]
    codes = [2, 1, 2, 1, 1, 2]
    options = ("--duration", "age", "--event", "code", "--failed-value", "2")
    assert failed(units(file(table(code=codes)), *options)) == expected
    pytest.importorskip("pyarrow", reason="pyarrow is missing")
    path = parquet(tmp_path / "codes.parquet", {"age": AGES, "code": codes})
    assert failed(units(str(path), *options)) == expected


COLUMNS = {
    "site": ["A", "B", "A", "B", "A", "B"],
    "load": [0, 1, 2, 0, 1, 2],
    "in_service": [0, 0, 1, 1, 0, 1],
    "only": [1, 1, 1, 1, 1, 1],
    "failed": ["Yes", "no", "No", "yes", "Yes", "no"],
    "gap": [1, "", 0, 1, 0, 1],
}


def test_columns_of_flags_are_found_in_csv_and_parquet(tmp_path, file):
    path = Path(file(table(**COLUMNS)))
    found = read_table(path, ["age"], flags=True)
    assert found.flags == ("in_service", "failed")
    assert read_table(path, ["age"]).flags == ()
    assert read_table(path, ["age", "failed"], flags=True).flags == ("in_service",)
    pytest.importorskip("pyarrow", reason="pyarrow is missing")
    flags = {"broken": [True, False, True, True, False, False], "n": [1, 2, 1, 2, 1, 2]}
    same = parquet(tmp_path / "flags.parquet", {"age": AGES, "word": ["yes", "no"] * 3, **flags})
    assert read_table(Path(same), ["age"], flags=True).flags == ("word", "broken")


def test_the_note_on_a_forgotten_event_asks_for_the_likeliest_column():
    start = "every one of the 528 rows was counted as a failure, since --event is not given"
    assert all_failed(528, ()) == start
    assert all_failed(528, ("in_service", "failed")) == f"{start}; did you mean --event failed?"
    assert all_failed(528, ("hot", "died")) == (
        f"{start}; did you mean --event died? (or --event hot)"
    )
    assert all_failed(528, ("censored",)).endswith(
        "'censored' holds flags: --event needs 1 = failed"
    )
    assert all_failed(1, ()).startswith("the only row was counted")


def test_a_forgotten_event_is_noted_once_on_stderr_and_an_event_is_not(file, tmp_path, capsys):
    path = file(table(failed=[1, 0, 1, 1, 1, 0]))
    more = ("--components", "1", "--no-pictures", "--out", str(tmp_path / "out"))
    assert main(["fit", path, "--duration", "age", *more]) == 0
    said = capsys.readouterr().err
    assert said == (
        "survjax: note: every one of the 6 rows was counted as a failure, since --event is not "
        "given; did you mean --event failed?\n"
    )
    assert main(["fit", path, "--duration", "age", "--event", "failed", *more]) == 0
    assert capsys.readouterr().err == ""


def test_a_covariate_with_decimal_commas_is_refused_with_the_option_for_them(file, refusal):
    for some in (["1,5", "2,5"] * 3, [f"{i},25" for i in range(6)]):
        rows = zip(AGES, some, strict=True)
        text = "age;failed;load\n" + "".join(f"{age};1;{load}\n" for age, load in rows)
        said = refusal(
            "fit", file(text), "--duration", "age", "--event", "failed", "--covariates", "load"
        )
        assert said == (
            f"column 'load' holds text, '{some[0]}': pass --decimal , if commas are decimal marks"
        )


def test_numbers_are_shown_without_powers_of_ten():
    assert plain(123_290.2, 5) == "123,290"
    assert plain(12_346_000.0) == "12,350,000"
    assert [plain(x) for x in (0.0, 1.0, 9999.0, 0.5, -20000.0)] == [
        "0", "1", "9999", "0.5", "-20,000",
    ]  # fmt: skip
    assert plain(float("nan")) == "nan" and plain(float("inf")) == "inf"
    assert plain(3e300) == "3e+300" and plain(2e-7) == "2e-07"


def test_rows_that_stand_for_several_units_are_not_called_units(file):
    path = file(table(failed=[1, 0, 0, 1, 1, 0], n=[1, 20, 3, 1, 2, 4]))
    found, _ = units(path, "--duration", "age", "--event", "failed", "--weight", "n")
    shown = Remaining.__new__(Remaining)
    shown._choose(found, 0.95, None)
    assert shown._count(3) == "27 units in 3 rows"
    found, _ = units(path, "--duration", "age", "--event", "failed")
    shown._choose(found, 0.95, None)
    assert shown._count(3) == "3 units"


def test_advice_on_units_is_in_words_of_the_command_line():
    said = in_words_of_options("x: effects are wrong. Pass unit= (which); unit=numpy.arange(n) so")
    assert said == (
        "x: effects are wrong. Give one row for each unit, or fit in Python, where fit takes unit="
    )


def test_advice_for_python_is_said_to_be_for_python():
    said = in_words_of_options(
        "a fit needs failures (event_observed = 1). With a shape, survjax.weibayes gives one; check"
        " entry, or pass entry= and resolution= so; with priors= on all"
    )
    assert said == (
        "a fit needs failures. With a shape, survjax.weibayes in Python gives one; check --entry, "
        "or pass --entry  and --resolution  so; with priors on all"
    )


def test_one_unit_is_no_units(file, refusal):
    said = refusal("fit", file("age,failed\n3,1\n"), "--duration", "age", "--event", "failed")
    assert said.startswith("the likelihood of 1 unit (1 failure) has no finite maximum")
    assert "in Python: fixed={'shape': 2.0}" in said
