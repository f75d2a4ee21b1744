"""What a saved attribute may look like, and how it goes to JSON and back.

Each class writes floats as JSON numbers (Python writes and reads all 64 bits of them) and what
JSON has no number for as "inf", "-inf" or "nan". Reading trusts nothing: every field checks type,
shape and range, and raises one `ValueError` that names it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, SupportsFloat, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from survjax.estimators.frames import frame

if TYPE_CHECKING:
    import pandas as pd

#: What a file holds, as Python's json module writes and reads it.
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
#: More numbers than any model of this library holds; a file that has them is not one.
MOST_NUMBERS = 4_000_000
_WORDS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def encode_number(value: SupportsFloat) -> bool | int | float | str:
    """A JSON number, or a word for what JSON cannot write."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    value = float(value)
    if math.isnan(value):
        return "nan"
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def decode_number(value: object, name: str, finite: bool) -> float:
    """A float from what `encode_number` wrote."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        if not isinstance(value, str) or value not in _WORDS:
            raise ValueError(f"{name} must be a number, got {shown(value)}")
        value = _WORDS[value]
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{name} is a whole number too large for a float") from None
    if finite and not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    return number


def shown(value: object) -> str:
    """A value as an error message may show it: short, whatever the file held."""
    text = repr(value) if not isinstance(value, (list, dict)) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


@dataclasses.dataclass(frozen=True)
class Number:
    """A float, or a whole number."""

    finite: bool = True
    whole: bool = False
    least: float = -math.inf
    optional: bool = False

    def encode(self, value: float) -> Json:
        """To JSON."""
        return encode_number(int(value) if self.whole else float(value))

    def decode(self, value: Any, name: str, sizes: dict[str, int]) -> float:
        """From JSON, checked."""
        if self.whole and (isinstance(value, bool) or not isinstance(value, int)):
            raise ValueError(f"{name} must be a whole number, got {shown(value)}")
        number = decode_number(value, name, self.finite)
        if number < self.least:
            raise ValueError(f"{name} must be at least {self.least:g}, got {number:g}")
        return int(value) if self.whole else number


@dataclasses.dataclass(frozen=True)
class Flag:
    """True or False."""

    optional: bool = False

    def encode(self, value: object) -> Json:
        """To JSON."""
        return bool(value)

    def decode(self, value: object, name: str, sizes: dict[str, int]) -> bool:
        """From JSON, checked."""
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false, got {shown(value)}")
        return value


@dataclasses.dataclass(frozen=True)
class Text:
    """A string, perhaps one of a few."""

    choices: tuple[str, ...] = ()
    optional: bool = False

    def encode(self, value: object) -> Json:
        """To JSON."""
        return str(value)

    def decode(self, value: object, name: str, sizes: dict[str, int]) -> str:
        """From JSON, checked."""
        if not isinstance(value, str):
            raise ValueError(f"{name} must be text, got {shown(value)}")
        if self.choices and value not in self.choices:
            known = ", ".join(self.choices)
            raise ValueError(f"{name} must be one of {known}, got {shown(value)}")
        return value


@dataclasses.dataclass(frozen=True)
class Floats:
    """A float64 array (or a tuple of floats); letters in the shape are sizes that fields share."""

    shape: tuple[int | str, ...]
    finite: bool = True
    optional: bool = False
    as_tuple: bool = False

    def encode(self, value: ArrayLike) -> Json:
        """To JSON: nested lists."""
        array = np.asarray(value, np.float64)
        if np.isfinite(array).all():
            return array.tolist()
        return _nested(array)

    def decode(
        self, value: object, name: str, sizes: dict[str, int]
    ) -> np.ndarray | tuple[float, ...]:
        """From JSON, checked."""
        flat, shape = _flattened(value, name, len(self.shape))
        for size, wanted in zip(shape, self.shape, strict=True):
            known = wanted if isinstance(wanted, int) else sizes.setdefault(wanted, size)
            if size != known:
                raise ValueError(
                    f"{name} has shape {tuple(shape)}, which does not fit the other fields "
                    f"({wanted} = {known})"
                )
        numbers = [decode_number(item, name, self.finite) for item in flat]
        return tuple(numbers) if self.as_tuple else np.array(numbers, np.float64).reshape(shape)


@dataclasses.dataclass(frozen=True)
class Strings:
    """A tuple of strings."""

    length: int | str
    optional: bool = False

    def encode(self, value: Iterable[object]) -> Json:
        """To JSON."""
        return [str(item) for item in value]

    def decode(self, value: object, name: str, sizes: dict[str, int]) -> tuple[str, ...]:
        """From JSON, checked."""
        flat, shape = _flattened(value, name, 1)
        wanted = self.length
        known = wanted if isinstance(wanted, int) else sizes.setdefault(wanted, shape[0])
        if shape[0] != known or not all(isinstance(item, str) for item in flat):
            raise ValueError(f"{name} must be {known} strings, got {shown(value)}")
        return tuple(flat)


@dataclasses.dataclass(frozen=True)
class Record:
    """A frozen dataclass whose attributes have fields of their own."""

    cls: type
    fields: dict[str, Any]
    optional: bool = False
    #: Names that attributes had in earlier files.
    formerly: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def encode(self, value: object) -> Json:
        """To JSON: an object."""
        return encode_all(value, self.fields)

    def decode(self, value: object, name: str, sizes: dict[str, int]) -> object:
        """From JSON, checked."""
        if isinstance(value, dict):
            value = {self.formerly.get(key, key): item for key, item in value.items()}
        return self.cls(**decode_all(value, self.fields, name, sizes))


@dataclasses.dataclass(frozen=True)
class Each:
    """A dictionary from names to values of one kind."""

    field: Any
    optional: bool = False

    def encode(self, value: Mapping[Any, Any]) -> Json:
        """To JSON: an object."""
        return {str(key): self.field.encode(item) for key, item in value.items()}

    def decode(self, value: object, name: str, sizes: dict[str, int]) -> dict[str, Any]:
        """From JSON, checked."""
        if not isinstance(value, dict) or len(value) > 10_000:
            raise ValueError(f"{name} must be an object with named entries, got {shown(value)}")
        return {
            key: self.field.decode(item, f"{name}.{key[:40]}", sizes) for key, item in value.items()
        }


@dataclasses.dataclass(frozen=True)
class Table:
    """A frame whose columns are numbers or flags, with an index that counts; or its columns."""

    optional: bool = False

    def encode(self, value: pd.DataFrame | Mapping[str, Iterable[SupportsFloat]]) -> Json:
        """To JSON: an object of columns."""
        return {str(name): [encode_number(x) for x in value[name]] for name in value}

    def decode(self, value: object, name: str, sizes: dict[str, int]) -> pd.DataFrame:
        """From JSON, checked."""
        if not isinstance(value, dict) or len(value) > 1000:
            raise ValueError(f"{name} must be an object of columns, got {shown(value)}")
        columns = {key: _column(column, f"{name}.{key[:40]}") for key, column in value.items()}
        if len({column.size for column in columns.values()}) > 1:
            raise ValueError(f"{name} has columns of different lengths")
        return frame(columns)


def _column(value: object, name: str) -> np.ndarray:
    """A column of flags, of whole numbers, or of floats."""
    flat, _ = _flattened(value, name, 1)
    if all(isinstance(item, bool) for item in flat):
        return np.array(flat, bool)
    if all(isinstance(item, int) and abs(item) < 2**63 for item in flat):
        return np.array(flat, np.int64)
    return np.array([decode_number(item, name, finite=False) for item in flat])


def encode_all(holder: object, fields: dict[str, Any]) -> dict[str, Any]:
    """Encode the attributes of an object that it has; only optional ones may be missing."""
    found = {}
    for name, field in fields.items():
        # Not getattr: that would compute what is only computed when asked for.
        value = vars(holder).get(name)
        if value is None and field.optional:
            continue
        found[name] = field.encode(value)
    return found


def decode_all(
    value: object, fields: dict[str, Any], name: str, sizes: dict[str, int]
) -> dict[str, Any]:
    """Decode an object of known fields: none missing, none that nobody knows."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object, got {shown(value)}")
    unknown = [key for key in value if key not in fields]
    missing = [key for key, field in fields.items() if key not in value and not field.optional]
    if unknown or missing:
        words = [f"lacks {', '.join(missing)}"] * bool(missing)
        words += [f"has the unknown {', '.join(shown(key) for key in unknown[:3])}"] * bool(unknown)
        raise ValueError(f"{name} {' and '.join(words)}")
    return {
        key: field.decode(value[key], f"{name}.{key}", sizes)
        for key, field in fields.items()
        if key in value
    }


def _nested(array: np.ndarray) -> list[Json]:
    """Nested lists, with words for infinite and missing numbers."""
    return [encode_number(x) if np.ndim(x) == 0 else _nested(x) for x in array]


def _flattened(value: Any, name: str, depth: int) -> tuple[list[Any], list[int]]:
    """The entries of a nested list of exactly this depth, and its shape."""
    level, shape = [value], []
    for _ in range(depth):
        if not all(isinstance(item, list) for item in level):
            raise ValueError(f"{name} must be a {depth}-dimensional list, got {shown(value)}")
        lengths = {len(item) for item in level}
        if len(lengths) > 1:
            raise ValueError(f"{name} has rows of different lengths")
        shape.append(lengths.pop() if lengths else 0)
        level = [entry for item in level for entry in item]
        if len(level) > MOST_NUMBERS:
            raise ValueError(f"{name} has over {MOST_NUMBERS} entries: this is no saved model")
    if any(isinstance(item, (list, dict)) for item in level):
        raise ValueError(f"{name} must be a {depth}-dimensional list, got a deeper one")
    return level, shape
