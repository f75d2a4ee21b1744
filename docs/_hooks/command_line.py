"""Put the help of the command line into the pages, so that they cannot disagree."""

import contextlib
import io
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from survjax.cli import main

_PLACE = re.compile(r"^\{\{ help(?: of (\w+))? \}\}$", flags=re.MULTILINE)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace each line `{{ help of fit }}` by what `survjax fit --help` prints."""

    def replace(match: re.Match[str]) -> str:
        os.environ["COLUMNS"] = "90"
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            main([*filter(None, [match[1]]), "--help"])
        return f"```text\n{printed.getvalue().rstrip()}\n```"

    return _PLACE.sub(replace, markdown)
