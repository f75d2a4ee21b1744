"""What a user is told when a fit has no answer, or only a weak one."""

from __future__ import annotations


class FitWarning(UserWarning):
    """A fit ended with something its user should know; the message says what, and what to do."""


class NoFiniteMaximum(ValueError):
    """The data admit no fit: the likelihood rises without end. The message says why."""


class NotFittedError(ValueError, AttributeError):
    """A method was called that needs a fit first."""
