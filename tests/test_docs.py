"""What the documentation shows works."""

import re
import warnings

import matplotlib.pyplot as plt
import pytest

from tests import help_pages

PAGES = [
    "README.md",
    "docs/index.md",
    "docs/getting-started.md",
    "docs/cookbook.md",
    "docs/how-to-choose.md",
    "docs/competing.md",
    "docs/modifiers.md",
    "docs/few-failures.md",
    "docs/pictures.md",
    "docs/baselines.md",
    "docs/optimize.md",
]


def python_blocks(text):
    """Return the fenced Python examples of a page, in order."""
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_run_one_after_the_other(page, repository, tmp_path, monkeypatch):
    text = (repository / page).read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    for number, block in enumerate(python_blocks(text), start=1):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(block, f"{page}, example {number}", "exec"), names)
    plt.close("all")


def test_the_readme_shows_the_two_commands_that_the_checks_run(repository):
    text = (repository / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^python -m pip install.*$", text, flags=re.MULTILINE)
    assert commands == [
        "python -m pip install . && survjax demo",
        "python -m pip install '.[test]' && python -m pytest",
    ]
    assert "grep '^python -m pip install' README.md" in (repository / ".ci/run").read_text()


def test_files_named_in_the_readme_exist(repository):
    text = (repository / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"\]\((?!https:)([\w./-]+)\)", text)
    assert named and [name for name in named if not (repository / name).exists()] == []


def test_the_readme_counts_the_pumps_right(repository):
    from survjax.datasets import load_pumps

    pumps = load_pumps()
    text = " ".join((repository / "README.md").read_text(encoding="utf-8").split())
    assert f"A fleet of {len(pumps)} pumps" in text
    assert f"{pumps['failed'].sum()} failed, {pumps['in_service'].sum()} still run" in text


def test_the_readme_shows_what_its_example_prints(repository, capsys):
    text = (repository / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"^```text\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL).group(1)
    for block in python_blocks(text):
        exec(compile(block, "README.md", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out.split() == shown.split()


def test_the_page_of_the_command_line_shows_its_help(repository):
    text = (repository / "docs/command-line.md").read_text(encoding="utf-8")
    assert len(help_pages.PLACE.findall(text)) == 4
    assert help_pages.page_with_help(text) == text, "run python -m tests.help_pages"
