"""The help of the command line in the documentation; `python -m tests.help_pages` writes it."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from unittest import mock

from survjax.cli import main

PAGE = Path(__file__).resolve().parent.parent / "docs" / "command-line.md"
PLACE = re.compile(r"<!-- help of (\w+) -->\n.*?<!-- end of help -->", flags=re.DOTALL)


def printed(command: str) -> str:
    """What `survjax COMMAND --help` prints on a terminal of 90 columns."""
    words = [] if command == "survjax" else [command]
    said = io.StringIO()
    columns = mock.patch.dict("os.environ", {"COLUMNS": "90"})
    with columns, contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    return said.getvalue().rstrip()


def page_with_help(text: str) -> str:
    """The page with the help of each command in its place."""

    def block(match: re.Match[str]) -> str:
        help_text = printed(match[1])
        return f"<!-- help of {match[1]} -->\n```text\n{help_text}\n```\n<!-- end of help -->"

    return PLACE.sub(block, text)


if __name__ == "__main__":
    PAGE.write_text(page_with_help(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
