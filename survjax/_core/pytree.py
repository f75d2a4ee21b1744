"""Frozen dataclasses that JAX can carry, with parameters told apart from data.

A model object holds three sorts of things: numbers that a fit may move (parameters), numbers
that are given (data: an age, a covariate) and choices that select code (fixed). Derivatives
and covariances are taken with respect to the first sort only, however deep it is nested.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
import numpy as np

T = TypeVar("T")


def parameter(**options: Any) -> Any:
    """Declare a field whose array a fit may move (unconstrained reals).

    Parameters
    ----------
    **options
        As for `dataclasses.field`.
    """
    return dataclasses.field(metadata={"kind": "parameter"}, **options)


def data(**options: Any) -> Any:
    """Declare a field that is given: an array, or a whole object that is held as it is."""
    return dataclasses.field(metadata={"kind": "data"}, **options)


def fixed(**options: Any) -> Any:
    """Declare a static, hashable field: it selects code and is part of the compiled program."""
    return dataclasses.field(metadata={"kind": "fixed"}, **options)


@dataclass_transform(frozen_default=True, field_specifiers=(parameter, data, fixed))
def pytree(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass and a JAX pytree.

    A field without a declaration holds another such object (or a tuple of them), whose own
    declarations count.

    Parameters
    ----------
    cls : type
        Such as a `Lifetime` whose fields are each a `parameter()`.

    Returns
    -------
    type
        The class itself, changed.
    """
    cls = dataclasses.dataclass(frozen=True, eq=False)(cls)
    _say_what_is_missing(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    static = tuple(f.name for f in fields if f.metadata.get("kind") == "fixed")
    leaves = tuple(f.name for f in fields if f.name not in static)
    keys = tuple(map(jax.tree_util.GetAttrKey, leaves))
    make: Callable[..., Any] = cls

    # JAX's own registration of dataclasses compares structures without their class: two classes
    # with the same fields are equal there, and where their hashes meet, a call for one of them
    # runs the program of the other. So the class stands in the structure.
    def flatten(tree: Any) -> tuple[list[Any], tuple[Any, ...]]:
        return [getattr(tree, name) for name in leaves], (
            cls,
            *[getattr(tree, name) for name in static],
        )

    def flatten_with_keys(tree: Any) -> tuple[list[Any], tuple[Any, ...]]:
        children, structure = flatten(tree)
        return list(zip(keys, children, strict=True)), structure

    def unflatten(structure: tuple[Any, ...], children: Iterable[Any]) -> Any:
        named = dict(zip(leaves, children, strict=True))
        return make(**named, **dict(zip(static, structure[1:], strict=True)))

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls


def _say_what_is_missing(cls: Any) -> None:
    """Have a call with other arguments than the fields answered by one that would do."""
    made = cls.__init__

    @wraps(made)
    def init(self: Any, *values: Any, **named: Any) -> None:
        try:
            made(self, *values, **named)
        except TypeError as error:
            if f"{cls.__name__}.__init__() " not in str(error):
                raise
            names = [f.name for f in dataclasses.fields(cls)]
            read = f", or {cls.__name__}.of(...) from its values" if hasattr(cls, "of") else ""
            raise TypeError(
                f"{cls.__name__} takes {', '.join(names)}{read}: {str(error).partition('() ')[2]}"
            ) from None

    cls.__init__ = init


def compiled_method(method: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Run a method of a `pytree` object as one program, also where it is called by itself.

    Otherwise each of its steps would be compiled apart, and the first call of a process would wait
    two to five times as long. Within another program its steps stand there as if written there.

    Parameters
    ----------
    method : callable
        Takes the object and arrays, or what NumPy makes arrays of.

    Returns
    -------
    callable
        With the same arguments and result.
    """
    program = jax.jit(method, inline=True)

    @wraps(method)
    def call(self: Any, *arguments: Any, **named: Any) -> jax.Array:
        if jax.tree_util.treedef_is_leaf(jax.tree.structure(self)):
            # An object of a class that JAX does not know is code to it.
            return method(self, *arguments, **named)
        return program(self, *map(_numbers, arguments), **{k: _numbers(named[k]) for k in named})

    return call


def _numbers(argument: Any) -> Any:
    """What JAX takes as it is, a Python number among it, unchanged; an array of anything else."""
    known = isinstance(argument, (jax.Array, np.ndarray, np.generic, bool, int, float))
    return argument if known else jnp.asarray(argument)


def _parameters(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, array) of every parameter, in the order of the declarations."""
    if isinstance(tree, (tuple, list)):
        for i, item in enumerate(tree):
            yield from _parameters(item, f"{path}[{i}]")
    elif dataclasses.is_dataclass(tree):
        prefix = f"{path}." if path else ""
        for f in dataclasses.fields(tree):
            value = getattr(tree, f.name)
            kind = f.metadata.get("kind")
            if kind == "parameter":
                if value is not None:
                    yield prefix + f.name, value
            elif kind is None:
                yield from _parameters(value, prefix + f.name)


def _rebuild(tree: Any, arrays: Iterator[Any]) -> Any:
    """Copy a tree with its parameters replaced, taken in the order of `_parameters`."""
    if isinstance(tree, (tuple, list)):
        return type(tree)(_rebuild(item, arrays) for item in tree)
    if not dataclasses.is_dataclass(tree) or isinstance(tree, type):
        return tree
    changed = {}
    for f in dataclasses.fields(tree):
        kind = f.metadata.get("kind")
        value = getattr(tree, f.name)
        if kind == "parameter" and value is not None:
            changed[f.name] = next(arrays)
        elif kind is None:
            changed[f.name] = _rebuild(value, arrays)
    return dataclasses.replace(tree, **changed)


def parameter_items(tree: Any) -> list[tuple[str, Any]]:
    """Dotted name and array of every parameter, in the order of the declarations."""
    return list(_parameters(tree, ""))


def parameter_shapes(tree: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Dotted name and shape of every parameter, in the order of the declarations."""
    return [(name, np.shape(array)) for name, array in _parameters(tree, "")]


def rebuilt(tree: T, arrays: Iterable[Any]) -> T:
    """Copy a tree with its parameters replaced by arrays, in the order of the declarations."""
    copy: T = _rebuild(tree, iter(arrays))
    return copy


def ravel_parameters(tree: T) -> tuple[jax.Array, Callable[[Any], T]]:
    """Lay the free parameters of a tree end to end.

    Parameters
    ----------
    tree : pytree
        An object made of `pytree` classes.

    Returns
    -------
    vector : array of shape (p,)
        All parameters, in the order of their declarations.
    unravel : callable
        Takes a vector of shape (p,) to a copy of the tree; works under every JAX transform.
    """
    arrays = [array for _, array in _parameters(tree, "")]
    shapes = [np.shape(array) for array in arrays]
    if arrays and all(isinstance(array, np.ndarray) for array in arrays):
        # Outside of all traces nothing need be compiled for this.
        vector: Any = np.concatenate([np.ravel(array) for array in arrays])
    elif arrays:
        vector = jnp.concatenate([jnp.ravel(jnp.asarray(array)) for array in arrays])
    else:
        vector = jnp.zeros(0)

    def unravel(vector: Any) -> T:
        pieces, start = [], 0
        for shape in shapes:
            size = math.prod(shape)
            pieces.append(vector[start : start + size].reshape(shape))
            start += size
        return _rebuild(tree, iter(pieces))

    return vector, unravel


def parameter_names(tree: Any) -> tuple[str, ...]:
    """Name each entry of the vector that `ravel_parameters` returns, such as `log_scale[0]`."""
    names: list[str] = []
    for name, array in _parameters(tree, ""):
        shape = np.shape(array)
        if shape == ():
            names.append(name)
        else:
            names += [f"{name}[{', '.join(map(str, i))}]" for i in np.ndindex(*shape)]
    return tuple(names)


def in_double(tree: T) -> T:
    """Copy a tree with all its numbers in double precision, in whatever precision it was made.

    Halves of two precisions would not describe one model: what is computed in the lower one
    differs from what its numbers, taken as they are, say.
    """
    doubled: T = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)
    return doubled


def is_all_parameters(tree: Any) -> bool:
    """Whether every number of an object is a parameter: no data, and nothing held."""
    numbers = sum(int(np.size(leaf)) for leaf in jax.tree.leaves(tree))
    return int(ravel_parameters(tree)[0].size) == numbers
