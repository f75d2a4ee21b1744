"""Models in files: one JSON document, read with suspicion.

A file holds the class, the hyper-parameters and what a fit found, and no training rows. It is
never unpickled and names no code: the class is looked up in a table below, and every field is
checked against what that class says it saves.

A class becomes savable by deriving from `Persistent`, listing its fitted attributes with their
kinds in `_saved`, and setting what follows from them in `_rebuild`; its name goes into `CLASSES`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from survjax._core.precision import double_precision
from survjax._core.validation import how_many
from survjax.estimators.messages import NotFittedError
from survjax.estimators.saving.fields import (
    decode_all,
    decode_number,
    encode_all,
    encode_number,
    shown,
)
from survjax.estimators.saving.files import LARGEST_FILE, parsed, read_text, write_whole
from survjax.estimators.saving.kinds import Distribution, Known
from survjax.lifetimes import Lifetime
from survjax.priors import Prior

FORMAT, SCHEMA = "survjax model", 1
#: Where each class that a file may name lives. Nothing else is ever imported for a file.
CLASSES: dict[str, str] = {
    "LifetimeModel": "survjax.estimators.lifetime.model",
    "WeibullMixture": "survjax.estimators.lifetime.weibull_mixture",
    "AcceleratedLifetime": "survjax.estimators.regression.accelerated",
    "ScaledHazard": "survjax.estimators.regression.scaled_hazard",
    "ScaledOdds": "survjax.estimators.odds.scaled_odds",
    "MixtureRegression": "survjax.estimators.regression.mixture_regression",
    "DeepWeibullMixture": "survjax.estimators.deep.model",
    "CoxPH": "survjax.estimators.cox.model",
    "CompetingRisks": "survjax.estimators.competing.model",
    "CompetingRegression": "survjax.estimators.competing.regression",
    "GroupFits": "survjax.estimators.groups.fits",
}
#: Hyper-parameters that came after the first files were written.
ADDED = {"unpenalized", "fixed", "bounds", "on", "cured", "shared", "priors"}
_KEYS = ("format", "schema", "class", "version", "parameters", "fitted", "sha256")


class Persistent:
    """`save`, and what `load` needs, for an estimator that lists what it saves."""

    #: Fitted attributes and their kinds (`survjax.estimators.saving.fields`).
    _saved: ClassVar[Mapping[str, Any]] = {}
    #: Hyper-parameters that files of older versions lack, and what they were then.
    _added_parameters: ClassVar[Mapping[str, Any]] = {}

    n_units_: float
    n_events_: float
    log_likelihood_: float

    def __str__(self) -> str:
        if not hasattr(self, "log_likelihood_"):
            return repr(self)
        counts = f"{how_many(self.n_units_, 'unit')}, {how_many(self.n_events_, 'failure')}"
        end = f"log-likelihood {self.log_likelihood_:.8g}"
        return "\n".join([repr(self), *self._in_words(), counts, end])

    def _in_words(self) -> Iterator[str]:
        """What was fitted, a line each, for `print`."""
        yield from ()

    def _rebuild(self) -> None:
        """Set what follows from the saved attributes; raise ValueError if they disagree."""

    def save(self, path: str | Path) -> None:
        """Write the fitted model to a file that `survjax.load` reads.

        Parameters
        ----------
        path : str or path
            The file to write. It appears whole or not at all: an older file of that name stays
            until the new one is complete.

        Notes
        -----
        One JSON document: format, schema version, class, version of survjax, hyper-parameters,
        fitted attributes and a checksum. Numbers keep all their 64 bits. The training rows are
        not in it, so a loaded model predicts, and has the delta bounds and whatever profile
        bounds or bootstrap replicates were computed before saving, but cannot compute new ones.
        (The steps of the baseline of `CoxPH` lie at the times of failures: these are in it.)
        A `random_state` that is a generator is saved as None.

        Examples
        --------
        >>> import os, tempfile, survjax
        >>> model = survjax.WeibullMixture(1).fit([3.0, 5.0, 8.0, 9.0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "pump.json")
        ...     model.save(path)
        ...     same = survjax.load(path)
        >>> bool(same.survival(4.0) == model.survival(4.0))
        True
        """
        if not hasattr(self, next(iter(self._saved))):
            kind = type(self).__name__
            raise NotFittedError(f"this {kind} is not fitted yet: call fit before save")
        text = json.dumps(document(self), indent=1, allow_nan=False) + "\n"
        if len(text) > LARGEST_FILE:
            raise ValueError(
                f"this {type(self).__name__} takes {len(text) / 2**20:.0f} MiB as text, and load "
                f"reads no more than {LARGEST_FILE // 2**20}: it is too large to be saved"
            )
        write_whole(Path(path), text)

    def _state(self) -> Any:
        """What holds the saved attributes: the model itself, or a copy of what they come from."""
        return self


def document(model: Any) -> dict[str, Any]:
    """Everything that a file says of a model, with its checksum."""
    name = type(model).__name__
    if CLASSES.get(name) != type(model).__module__:
        raise TypeError(
            f"{name} is not a class that survjax.load knows ({', '.join(CLASSES)}), so it cannot "
            "be saved: save the survjax model inside it"
        )
    package = import_module("survjax")
    found = {
        "format": FORMAT,
        "schema": SCHEMA,
        "class": name,
        "version": package.__version__,
        "parameters": _parameters_of(model),
        "fitted": encode_all(model._state(), dict(model._saved)),
    }
    return found | {"sha256": checksum(found)}


def checksum(content: dict[str, Any]) -> str:
    """SHA-256 of the document without its checksum, in a canonical form."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@double_precision
def load(path: str | Path) -> Any:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    estimator
        Fitted; its predictions are bitwise those of the saved one.

    Raises
    ------
    ValueError
        If the file is anything but a complete, unchanged survjax model: other formats, unknown
        classes or fields, wrong types or shapes, numbers that no fit gives, a checksum that
        does not fit. Loading never runs code from the file.
    """
    path = Path(path)
    try:
        return restore(parsed(read_text(path)))
    except (ValueError, RecursionError) as error:
        words = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ValueError(f"{path.name!r} is not a model that survjax can load: {words}") from None


def restore(content: object) -> Any:
    """Build the model that a parsed document describes."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f'it does not say "format": "{FORMAT}"')
    schema = content.get("schema")
    if isinstance(schema, bool) or not isinstance(schema, int) or schema < 1:
        raise ValueError(f"its schema must be a whole number, got {shown(schema)}")
    if schema > SCHEMA:
        raise ValueError(
            f"its schema is {schema}, and this version of survjax knows {SCHEMA}: upgrade survjax"
        )
    wrong = sorted(set(content) ^ set(_KEYS))
    if wrong:
        raise ValueError(f"its entries must be {', '.join(_KEYS)}; check {shown(wrong[0])}")
    if not isinstance(content["version"], str):
        raise ValueError(f"its version must be text, got {shown(content['version'])}")
    name = content["class"]
    if not isinstance(name, str) or name not in CLASSES:
        raise ValueError(f"its class must be one of {', '.join(CLASSES)}, got {shown(name)}")
    if content["sha256"] != checksum(content):
        raise ValueError("its checksum does not fit its content: it was changed or cut")
    cls = getattr(import_module(CLASSES[name]), name)
    model = cls(**_parameters(cls, content["parameters"]))
    values = decode_all(content["fitted"], dict(cls._saved), "fitted", {})
    vars(model).update(values)
    model._rebuild()
    return model


def _parameters(cls: Any, given: object) -> dict[str, Any]:
    """Hyper-parameters: those of the class, each of a plain type.

    One that a file of an earlier version does not have keeps its default, which is what that
    version did.
    """
    wanted = set(cls().get_params(deep=False))
    if isinstance(given, dict):
        given = {**getattr(cls, "_added_parameters", {}), **given}
    if not isinstance(given, dict) or set(given) - wanted or wanted - set(given) - ADDED:
        raise ValueError(f"its parameters must be {', '.join(sorted(wanted))}")
    return {key: _from_plain(value, f"parameters.{key}") for key, value in given.items()}


def _parameters_of(model: Any) -> dict[str, Any]:
    """Hyper-parameters as JSON."""
    return {key: _plain(key, value) for key, value in model.get_params(deep=False).items()}


def _plain(name: str, value: object) -> Any:
    """A hyper-parameter as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)):
        number = encode_number(value)
        # A word would come back as text: floats that JSON cannot write go in an object.
        return {"float": number} if isinstance(number, str) else number
    if isinstance(value, list):
        return [_plain(name, item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_plain(name, item) for item in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"mapping": {key: _plain(name, item) for key, item in value.items()}}
    if isinstance(value, dict):
        return {"pairs": [[_plain(name, key), _plain(name, item)] for key, item in value.items()]}
    if isinstance(value, Prior):
        return {"prior": Known().encode(value)}
    if isinstance(value, Lifetime):
        return {"lifetime": Distribution().encode(value)}
    if CLASSES.get(type(value).__name__) == type(value).__module__:
        return {"model": type(value).__name__, "parameters": _parameters_of(value)}
    if isinstance(value, (np.random.Generator, np.random.RandomState)):
        return None
    raise TypeError(
        f"{name}={value!r} cannot be saved: a file holds numbers, text and lists of them"
    )


def _from_plain(value: object, name: str) -> Any:
    """A hyper-parameter from JSON."""
    if isinstance(value, list):
        return [_from_plain(item, name) for item in value]
    if not isinstance(value, dict):
        return value
    kind, given = next(iter(value.items()), ("", None))
    if set(value) == {"float"}:
        return decode_number(given, name, finite=False)
    if set(value) == {"tuple"} and isinstance(given, list):
        return tuple(_from_plain(item, name) for item in given)
    if set(value) == {"mapping"} and isinstance(given, dict):
        return {key: _from_plain(item, name) for key, item in given.items()}
    if set(value) == {"pairs"} and isinstance(given, list):
        pairs = _from_plain(given, name)
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            raise ValueError(f"{name} must be pairs of a name and a value, got {shown(given)}")
        return {key if isinstance(key, (str, int, float)) else repr(key): v for key, v in pairs}
    if set(value) == {"lifetime"}:
        return Distribution().decode(given, name, {})
    if set(value) == {"prior"}:
        return Known().decode(given, name, {})
    if set(value) == {"model", "parameters"}:
        # An estimator as it was set up: what it learned is in the model around it.
        known = value["model"]
        if not isinstance(known, str) or known not in CLASSES:
            raise ValueError(f"{name} names an unknown class, {shown(known)}")
        cls = getattr(import_module(CLASSES[known]), known)
        return cls(**_parameters(cls, value["parameters"]))
    raise ValueError(f"{name} must be a number, text or a list, got an object with {shown(kind)}")


def derived_agrees(name: str, stored: np.ndarray, derived: np.ndarray) -> None:
    """Check a value kept for other readers against what the model itself gives."""
    stored, derived = np.asarray(stored, float), np.asarray(derived, float)
    if stored.shape != derived.shape or not np.allclose(stored, derived, rtol=1e-9, atol=0.0):
        raise ValueError(f"{name} does not agree with the parameters")


__all__ = ["CLASSES", "Persistent", "load"]
