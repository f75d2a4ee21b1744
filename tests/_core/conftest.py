"""An empty folder for programs, and how often they are packed and loaded."""

import pytest

from survjax._core.programs import files as program_files
from tests._core.kept import PROGRAM, Counts


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for programs, and none in memory."""
    place = tmp_path / "kept"
    monkeypatch.setenv(program_files.VARIABLE, str(place))
    PROGRAM.clear_cache()
    yield place
    PROGRAM.clear_cache()


@pytest.fixture
def counts(monkeypatch):
    return Counts(monkeypatch)
