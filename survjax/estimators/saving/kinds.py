"""Further kinds of saved attributes: what models with covariates are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from survjax import lifetimes
from survjax.estimators.saving.fields import (
    MOST_NUMBERS,
    Json,
    decode_number,
    encode_number,
    shown,
)
from survjax.lifetimes import Lifetime
from survjax.priors import Prior

#: Lifetimes inside lifetimes go no deeper than this.
DEEPEST = 8


@dataclasses.dataclass(frozen=True)
class Wholes:
    """A tuple of whole numbers from zero on."""

    optional: bool = False

    def encode(self, value: Iterable[int]) -> Json:
        """To JSON."""
        return [int(item) for item in value]

    def decode(self, value: object, name: str, sizes: dict[str, int]) -> tuple[int, ...]:
        """From JSON, checked."""
        if not isinstance(value, list) or len(value) > MOST_NUMBERS:
            raise ValueError(f"{name} must be a list of whole numbers, got {shown(value)}")
        for item in value:
            if isinstance(item, bool) or not isinstance(item, int) or not 0 <= item < 2**31:
                raise ValueError(f"{name} must hold whole numbers, got {shown(item)}")
        return tuple(value)


@dataclasses.dataclass(frozen=True)
class Labels:
    """A tuple of names of groups: text, numbers, flags or None, none twice."""

    optional: bool = False

    def encode(self, value: Iterable[Any]) -> Json:
        """To JSON."""
        found = [item.item() if isinstance(item, np.generic) else item for item in value]
        for item in found:
            if item is not None and not isinstance(item, (str, bool, int, float)):
                raise TypeError(f"{item!r} cannot be saved: labels may be text and numbers")
        return [encode_number(item) if isinstance(item, float) else item for item in found]

    def decode(
        self, value: object, name: str, sizes: dict[str, int]
    ) -> tuple[str | bool | int | float | None, ...]:
        """From JSON, checked."""
        if not isinstance(value, list) or not value or len(value) > MOST_NUMBERS:
            raise ValueError(f"{name} must be a list of labels, got {shown(value)}")
        for item in value:
            if item is not None and not isinstance(item, (str, bool, int, float)):
                raise ValueError(f"{name} must hold text and numbers, got {shown(item)}")
        if len(set(value)) < len(value):
            raise ValueError(f"{name} holds a label twice")
        return tuple(value)


@dataclasses.dataclass(frozen=True)
class Several:
    """A tuple of values of one kind, each with sizes of its own."""

    field: Any
    optional: bool = False

    def encode(self, value: Iterable[Any]) -> Json:
        """To JSON: a list."""
        return [self.field.encode(item) for item in value]

    def decode(self, value: object, name: str, sizes: dict[str, int]) -> tuple[Any, ...]:
        """From JSON, checked."""
        if not isinstance(value, list):
            raise ValueError(f"{name} must be a list, got {shown(value)}")
        return tuple(
            self.field.decode(item, f"{name}[{i}]", dict(sizes)) for i, item in enumerate(value)
        )


@dataclasses.dataclass(frozen=True)
class Distribution:
    """A lifetime of `survjax.lifetimes`: its name and its fields, which may be lifetimes."""

    optional: bool = False

    def encode(self, value: Any) -> Json:
        """To JSON: an object."""
        name = _name(type(value))
        if _known(name) is not type(value):
            raise TypeError(
                f"{type(value).__name__} cannot be saved: it is none of survjax.lifetimes, and no "
                f"class or function of yours at the top of a module ({name})"
            )
        parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {"lifetime": name, "fields": {key: self._part(part) for key, part in parts.items()}}

    def _part(self, value: object) -> Json:
        if isinstance(value, Lifetime):
            return self.encode(value)
        if isinstance(value, str):
            return {"text": value}
        if isinstance(value, tuple):
            return {"tuple": [self.encode(item) for item in value]}
        array = np.asarray(value, np.float64)
        return _nested(array)

    def decode(self, value: object, name: str, sizes: dict[str, int]) -> Lifetime:
        """From JSON, checked."""
        return self._decoded(value, name, DEEPEST)

    def _decoded(self, value: object, name: str, depth: int) -> Lifetime:
        if not isinstance(value, dict) or set(value) != {"lifetime", "fields"} or depth == 0:
            raise ValueError(f"{name} must be a lifetime, got {shown(value)}")
        cls = _known(value["lifetime"])
        if cls is None:
            raise ValueError(
                f"{name} is of an unknown kind, {shown(value['lifetime'])} (a family of your own "
                "must be defined, or made by lifetime_from, before a file that names it is loaded)"
            )
        wanted = [field.name for field in dataclasses.fields(cls)]
        given = value["fields"]
        if not isinstance(given, dict) or sorted(given) != sorted(wanted):
            raise ValueError(f"{name} must have the fields {', '.join(wanted)}")
        parts = {key: self._undo(given[key], f"{name}.{key}", depth - 1) for key in wanted}
        for field in dataclasses.fields(cls):
            if isinstance(parts[field.name], str) and field.metadata.get("kind") != "fixed":
                raise ValueError(f"{name}.{field.name} must be a number, got text")
        return cls(**parts)

    def _undo(
        self, value: object, name: str, depth: int
    ) -> Lifetime | np.ndarray | str | tuple[Lifetime, ...]:
        if isinstance(value, dict) and set(value) == {"tuple"} and isinstance(value["tuple"], list):
            return tuple(self._decoded(item, name, depth) for item in value["tuple"])
        if isinstance(value, dict) and set(value) == {"text"} and isinstance(value["text"], str):
            return value["text"]
        if isinstance(value, dict):
            return self._decoded(value, name, depth)
        return _array(value, name)


def _name(cls: type) -> str:
    """What a file calls a class: those of survjax by their name, others with their module."""
    public = getattr(lifetimes, cls.__name__, None) is cls
    return cls.__name__ if public else f"{cls.__module__}:{cls.__qualname__}"


def _known(name: object) -> Any:
    """A lifetime's class by what a file calls it: one of the public list, or one defined already.

    Nothing is imported for a file: a class of the user's is found among those that are there, the
    newest where several have one name. What stands inside of a function, or is a lambda, has none.
    """
    if not isinstance(name, str):
        return None
    if name in lifetimes.__all__:
        cls = getattr(lifetimes, name)
        return cls if dataclasses.is_dataclass(cls) else None
    waiting: list[type] = [Lifetime]
    found: Any = None
    while waiting and "<" not in name:
        for cls in waiting.pop().__subclasses__():
            if dataclasses.is_dataclass(cls) and _name(cls) == name:
                found = cls
            waiting.append(cls)
    return found


def _nested(array: np.ndarray) -> Json:
    return encode_number(array) if array.ndim == 0 else [_nested(part) for part in array]


def _array(value: object, name: str) -> np.ndarray:
    """A number, or a list of numbers."""
    if not isinstance(value, list):
        return np.array(decode_number(value, name, finite=True))
    if len(value) > MOST_NUMBERS:
        raise ValueError(f"{name} has over {MOST_NUMBERS} entries: this is no saved model")
    return np.array([decode_number(item, name, finite=True) for item in value], np.float64)


@dataclasses.dataclass(frozen=True)
class Known:
    """A prior of `survjax.priors`: its name and its numbers."""

    optional: bool = False

    def encode(self, value: Prior) -> dict[str, Any]:
        """To JSON."""
        each = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        numbers = {
            name: [encode_number(n) for n in own] if isinstance(own, tuple) else encode_number(own)
            for name, own in each.items()
        }
        return {"name": type(value).__name__, **numbers}

    def decode(self, value: Any, name: str, sizes: dict[str, int]) -> Prior:
        """From JSON, checked."""
        kinds: dict[Any, Any] = {cls.__name__: cls for cls in Prior.__subclasses__()}
        kind = value.get("name") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in kinds:
            raise ValueError(f"{name} names an unknown prior, {shown(value)}")
        wanted = {f.name for f in dataclasses.fields(kinds[kind])}
        if set(value) != wanted | {"name"}:
            raise ValueError(f"{name} must hold {', '.join(sorted(wanted))} of a {kind}")
        return kinds[kind](**{n: _array(value[n], f"{name}.{n}").tolist() for n in wanted})
