"""Fits: one that fails changes nothing, a wrong call is told the right one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

Fit = TypeVar("Fit", bound=Callable[..., Any])


def shows_the_right_call(example: str) -> Callable[[Fit], Fit]:
    """Make a method say how it is called where its arguments are none that it takes."""

    def decorate(fit: Fit) -> Fit:
        signature = inspect.signature(fit)

        @functools.wraps(fit)
        def checked(model: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                signature.bind(model, *args, **kwargs)
            except TypeError as error:
                name = f"{type(model).__name__}.{fit.__name__}"
                raise TypeError(f"{name}: {error}. {example}; all else goes by name") from None
            return fit(model, *args, **kwargs)

        return checked  # type: ignore[return-value]

    return decorate


def all_or_nothing(fit: Fit) -> Fit:
    """Make a method give its object back its attributes where it fails.

    Otherwise the names of columns would be those of the fit that failed, and the coefficients
    those of the one before. A call that the fit does not take is told how the target is passed.
    """

    @shows_the_right_call(
        "Durations and events go into one y, as in "
        "fit(X, numpy.column_stack([durations, event_observed]))"
    )
    @functools.wraps(fit)
    def guarded(model: Any, *args: Any, **kwargs: Any) -> Any:
        before = dict(vars(model))
        try:
            return fit(model, *args, **kwargs)
        except BaseException:
            vars(model).clear()
            vars(model).update(before)
            raise

    return guarded  # type: ignore[return-value]
