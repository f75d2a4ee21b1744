"""What is written appears whole or not at all, and no cell of it runs in a spreadsheet."""

import csv

import pytest

from survjax.cli._text import Refused, printable
from survjax.cli._writing import Results, escaped, escaped_column, write_csv


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝", "\u00a0@"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(start):
    cell = f"{start}cmd|' /C calc'!A0"
    assert escaped(cell) == f"'{cell}"
    assert list(escaped_column(["pump 1", cell])) == ["pump 1", f"'{cell}"]


def test_ordinary_text_and_columns_of_numbers_stay():
    assert escaped("pump-1 = a@b") == "pump-1 = a@b"
    assert list(escaped_column(["-1", "+2.5e-3", ""])) == ["-1", "+2.5e-3", ""]
    assert list(escaped_column(["-1", "x"])) == ["'-1", "x"]
    assert list(escaped_column(["-1+1", "2"])) == ["'-1+1", "2"]
    assert list(escaped_column(["-١", "2"])) == ["'-١", "2"]


def test_column_names_are_escaped_and_cells_come_back_as_written(tmp_path):
    columns = {"=name": ['a"b', "c,d", "e\nf", "渋谷"], "age": ["1", "-2", "3", "4"]}
    write_csv(tmp_path / "t.csv", columns)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head == ["'=name", "age"]
    assert [list(cells) for cells in zip(*rows, strict=True)] == list(columns.values())


@pytest.mark.parametrize("mark", [";", "\t", "|", ","])
def test_no_cell_begins_with_a_formula_whatever_mark_separates_cells(tmp_path, mark):
    names = [f"pump{mark}=1+1", f'a"{mark}@x', "plain"]
    write_csv(tmp_path / "t.csv", {f"unit{mark}=2": names, "age": ["1", "2", "3"]})
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file, delimiter=mark) for cell in row]
    assert not any(cell.lstrip().startswith(("=", "@")) for cell in cells)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert [row[0] for row in csv.reader(file)][1:] == names


def staged(target, source=None, **files):
    """Results with some files in their hidden folder."""
    results = Results(target, [source] if source else [])
    folder = results.open()
    for name, text in files.items():
        (folder / name).write_text(text)
    return results


def test_a_new_folder_appears_at_once_and_the_hidden_one_is_gone(tmp_path):
    target = tmp_path / "a" / "b"
    results = staged(target, one="1")
    assert not (tmp_path / "a").exists()
    assert [path.name for path in results.commit()] == ["one"]
    results.close()
    assert (target / "one").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_files_in_an_existing_folder_are_replaced_and_others_stay(tmp_path):
    (tmp_path / "one").write_text("old")
    (tmp_path / "mine").write_text("mine")
    results = staged(tmp_path, one="new", two="2")
    assert (tmp_path / "one").read_text() == "old"
    results.commit()
    results.close()
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {"one": "new", "mine": "mine", "two": "2"}


def test_without_a_commit_nothing_remains(tmp_path):
    staged(tmp_path / "a" / "b", one="1").close()
    staged(tmp_path, one="1").close()
    assert list(tmp_path.iterdir()) == []


def test_a_failure_half_way_brings_the_old_files_back(tmp_path, monkeypatch):
    (tmp_path / "one").write_text("old")
    results = staged(tmp_path, one="new", two="2")
    import os

    rename = os.rename

    def failing(source, target):
        if str(target).endswith("two"):
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="No space"):
        results.commit()
    results.close()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"one": "old"}


def test_a_file_in_the_way_is_refused_and_the_source_is_never_replaced(tmp_path):
    source = tmp_path / "rul.csv"
    source.write_text("data")
    for target in (source, source / "below"):
        with pytest.raises(Refused, match="is a file"):
            Results(target).open()
    results = staged(tmp_path, source, **{"rul.csv": "new"})
    with pytest.raises(Refused, match="is the file to fit: choose another --out"):
        results.commit()
    (tmp_path / "one").mkdir()
    results = staged(tmp_path, one="1")
    with pytest.raises(Refused, match="is a folder: choose another --out"):
        results.commit()
    assert source.read_text() == "data"


def test_a_name_that_no_disk_takes_is_refused(tmp_path):
    for name in ("a\0b", "x" * 300):
        with pytest.raises(Refused, match="cannot write to --out"):
            Results(tmp_path / name / "c").open()


def test_what_a_terminal_shows_holds_no_control_characters():
    assert printable("a\x1b[2Jb\n\u202ec") == r"a\x1b[2Jb\x0a\x202ec"
    assert len(printable("x" * 1000)) == 60


def test_pictures_of_an_earlier_run_are_told_from_those_written_now(tmp_path):
    for name in ("hazard.png", "effects_2.svg", "notes.txt", "my_rul.png"):
        (tmp_path / name).write_text("old")
    results = staged(tmp_path, **{"rul.csv": "new"})
    assert results.older(results.commit()) == ["effects_2.svg", "hazard.png"]
    results.close()
