"""Solvers on pytrees, useful on their own."""

from survjax.optimize._solution import MESSAGES, ResultCode, Solution
from survjax.optimize.newton import newton

__all__ = ["MESSAGES", "ResultCode", "Solution", "newton"]
