"""A lifetime from a plain function of time and named parameters: log hazard, or integral."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from survjax._core.pytree import parameter, pytree
from survjax.lifetimes._base import Lifetime
from survjax.lifetimes._derived.one_function import with_limits
from survjax.lifetimes._limits import inside_life, outside_life

#: A hazard as a plain function of time and of named parameters.
Function = Callable[..., Any]


def lifetime_from(
    *,
    log_hazard: Function | None = None,
    cumulative_hazard: Function | None = None,
    parameters: Mapping[str, ArrayLike],
) -> Lifetime:
    """Make a lifetime of a plain JAX function.

    Parameters
    ----------
    log_hazard, cumulative_hazard : callable
        `f(t, **parameters)` for times 0 < t < inf: the log of the hazard rate, per unit of time;
        and its integral over (0, t). One is enough: the hazard is then the derivative of the
        cumulative hazard, or the cumulative hazard an integral by quadrature.
    parameters : dict
        Name and first guess of each, unconstrained: a number, or an array. A summary shows a
        parameter whose name begins with `log_` as its exponential.

    Returns
    -------
    Lifetime
        Of a class of its own, the same for the same functions.

    Raises
    ------
    ValueError
        For no function, no parameters, names that the function does not take, or one that is not
        written in `jax.numpy`.

    Notes
    -----
    A file of a fitted model names the function by its module and its name, and holds none of its
    code: it must be a `def` at the top of a module, and `lifetime_from` must have been called
    with it before the file is loaded. A lambda can be fitted, not saved.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from survjax import LifetimeModel
    >>> from survjax.lifetimes import lifetime_from
    >>> bathtub = lifetime_from(
    ...     log_hazard=lambda t, log_early, log_late: jnp.logaddexp(log_early - t, log_late),
    ...     parameters={"log_early": 0.0, "log_late": 0.0},
    ... )
    >>> model = LifetimeModel(bathtub).fit([0.2, 0.3, 0.7, 1.5, 4.0, 9.0, 14.0, 21.0])
    >>> list(model.summary().index)[:2]
    ['early', 'late']
    """
    if log_hazard is None and cumulative_hazard is None:
        raise ValueError("lifetime_from needs a function: log_hazard=, cumulative_hazard=, or both")
    if not parameters:
        raise ValueError("lifetime_from needs parameters={name: first guess}, got none")
    for word, function in (("log_hazard", log_hazard), ("cumulative_hazard", cumulative_hazard)):
        if function is not None:
            _check_names(word, function, tuple(parameters))
            _check_written_in_jax(word, function, parameters)
    made = _class(log_hazard, cumulative_hazard, tuple(parameters))
    lifetime: Lifetime = made(*(np.asarray(value, float) for value in parameters.values()))
    return lifetime


@lru_cache(maxsize=256)
def _class(
    log_hazard: Function | None, cumulative_hazard: Function | None, names: tuple[str, ...]
) -> Any:
    """The class of lifetimes of these functions: one, so that each program is compiled once."""
    given = [function for function in (log_hazard, cumulative_hazard) if function is not None]
    called = [getattr(function, "__qualname__", "<unnamed>") for function in given]
    members: dict[str, Any] = {name: parameter() for name in names}
    members["__annotations__"] = dict.fromkeys(names, "ArrayLike")
    module = getattr(given[0], "__module__", __name__)
    # Code that is run by `exec` may be of no module that there is.
    members["__module__"] = module if module in sys.modules else __name__
    members["__doc__"] = f"Lifetimes of {' and '.join(called)}."
    members["__reduce__"] = lambda self: (
        _remade,
        (log_hazard, cumulative_hazard, {name: np.asarray(getattr(self, name)) for name in names}),
    )
    if log_hazard is not None:
        members["log_hazard"] = _log_hazard(log_hazard, names)
    if cumulative_hazard is not None:
        members["cumulative_hazard"] = _cumulative_hazard(cumulative_hazard, names)
    made: Any = pytree(type("OwnLifetime", (Lifetime,), members))
    # A file names the class so; its `__name__` is what messages call it.
    made.__qualname__ = f"{' and '.join(called)}[{', '.join(names)}]"
    return made


def _remade(
    log_hazard: Function | None, cumulative_hazard: Function | None, values: dict[str, Any]
) -> Lifetime:
    """What pickle calls; functions without a name for other processes are its own affair."""
    return lifetime_from(
        log_hazard=log_hazard, cumulative_hazard=cumulative_hazard, parameters=values
    )


def _log_hazard(function: Function, names: tuple[str, ...]) -> Callable[..., jax.Array]:
    def log_hazard(self: Any, t: ArrayLike) -> jax.Array:
        """Log of the hazard rate h(t), per unit of time."""
        given = {name: getattr(self, name) for name in names}
        return with_limits(lambda time: jnp.asarray(function(time, **given)), t)

    return log_hazard


def _cumulative_hazard(function: Function, names: tuple[str, ...]) -> Callable[..., jax.Array]:
    def cumulative_hazard(self: Any, t: ArrayLike) -> jax.Array:
        """H(t), the hazard integrated over (0, t)."""
        t = jnp.asarray(t)
        given = {name: jax.lax.stop_gradient(getattr(self, name)) for name in names}
        inside, safe = inside_life(t)
        # At infinity H is finite only where it stands still long before.
        most = float(jnp.finfo(safe.dtype).max) / 4.0 if jnp.issubdtype(safe.dtype, float) else 1e30
        last, before = (function(jnp.full(t.shape, time), **given) for time in (most, most**0.5))
        level = jnp.where(last <= before * (1.0 + 1e-6), last, jnp.inf)
        outside = jnp.where(jnp.isposinf(t), level, outside_life(t))
        given = {name: getattr(self, name) for name in names}
        return jnp.where(inside, function(safe, **given), outside)

    return cumulative_hazard


def _check_names(word: str, function: Function, names: tuple[str, ...]) -> None:
    """Refuse names that a function does not take, or that a lifetime has already."""
    wrong = [name for name in names if not name.isidentifier() or hasattr(Lifetime, name)]
    if wrong:
        raise ValueError(
            f"{wrong[0]!r} cannot name a parameter: it must be an identifier that is no method of "
            "Lifetime"
        )
    if not callable(function):
        raise ValueError(f"{word} must be a function of t and the parameters, got {function!r}")
    try:
        inspect.signature(function).bind(0.0, **dict.fromkeys(names))
    except (TypeError, ValueError) as reason:
        raise ValueError(
            f"{word} must take t and the parameters {', '.join(names)} by name: {reason}"
        ) from None


def _check_written_in_jax(
    word: str, function: Function, parameters: Mapping[str, ArrayLike]
) -> None:
    """Refuse a function that cannot be compiled and differentiated."""
    time = jax.ShapeDtypeStruct((), float)
    given = {
        name: jax.ShapeDtypeStruct(np.shape(value), float) for name, value in parameters.items()
    }
    try:
        jax.eval_shape(lambda t, given: function(t, **given), time, given)
    except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
        raise ValueError(
            f"{word} must be written in jax.numpy, so that it can be differentiated and compiled: "
            "take jnp.log in place of np.log or math.log, and jnp.where in place of if "
            f"({type(error).__name__})"
        ) from error
