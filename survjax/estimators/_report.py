"""Tables of a fit, for a terminal and for a notebook."""

from __future__ import annotations

from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


class Report:
    """Summary, history and notebook table of a fitted mixture (filled in next)."""
