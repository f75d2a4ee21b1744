"""Small files to read, and the command line as a function."""

import pytest

from survjax.cli import main


@pytest.fixture
def file(tmp_path):
    """Write a file and return its path as text."""

    def write(content, name="units.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.fixture
def refusal(tmp_path, capsys):
    """Run a command that must be refused: its line on stderr; nothing else may remain."""

    def run(*arguments):
        before = sorted(tmp_path.rglob("*"))
        code = main([*map(str, arguments), "--out", str(tmp_path / "out")])
        said = capsys.readouterr()
        assert code == 2, said.err
        lines = [line for line in said.err.splitlines() if not line.startswith("survjax: note:")]
        assert len(lines) == 1, said.err
        assert lines[0].startswith("survjax: error: ")
        assert "Traceback" not in said.err
        assert said.out == ""
        assert sorted(tmp_path.rglob("*")) == before
        return lines[0].removeprefix("survjax: error: ")

    return run
