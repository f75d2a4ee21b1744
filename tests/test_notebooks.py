"""Notebooks hold what they print; `python -m tests.notebooks` runs them and compares."""

import json

import pytest

from tests import notebooks


def test_every_notebook_is_numbered_and_holds_outputs(repository):
    paths = sorted((repository / "notebooks").glob("*.ipynb"))
    assert [int(path.name[:2]) for path in paths] == list(range(1, len(paths) + 1))
    for path in paths:
        cells = [
            c for c in json.loads(path.read_text("utf-8"))["cells"] if c["cell_type"] == "code"
        ]
        assert any(cell["outputs"] for cell in cells), path.name
        assert all(cell["execution_count"] for cell in cells), path.name


@pytest.mark.parametrize(
    ("stored", "fresh", "same"),
    [
        ("n = 528, 0.2281", "n = 528, 0.2282", True),
        ("n = 528, 0.2281", "n = 529, 0.3", False),
        ("Weibull 1.0", "lognormal 1.0", False),
        ("1e-3  inf", "0.001 inf", True),
        ("1 2 3", "1 2", False),
    ],
)
def test_outputs_agree_but_for_rounding(stored, fresh, same):
    assert notebooks.agree(stored, fresh) == same


def test_pictures_are_kept_whatever_backend_the_caller_chose(monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    source = "import matplotlib.pyplot as plt\nplt.subplots(figsize=(1, 1));"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    (cell,) = notebooks.run(notebook).cells
    assert notebooks.printed(cell)[1] == 1
