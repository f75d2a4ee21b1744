"""Turn formulas into MathML when the site is built, so that no page needs a script."""

import html
import re

from latex2mathml.converter import convert

# What the arithmatex extension leaves behind (generic mode): \( ... \) inline, \[ ... \] display.
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', flags=re.DOTALL)


def on_page_content(content: str, **_: object) -> str:
    """Replace every formula of a page."""

    def replace(match: re.Match[str]) -> str:
        display = "block" if match[1] == "div" else "inline"
        return convert(html.unescape(match[2]).strip(), display=display)

    return _FORMULA.sub(replace, content)
