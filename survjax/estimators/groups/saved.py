"""What a file holds of the fits of many groups: everything but their rows."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from survjax.estimators.groups.answers import Answers
from survjax.estimators.saving.fields import (
    MOST_NUMBERS,
    Flag,
    Floats,
    Json,
    Record,
    Strings,
    Text,
    shown,
)
from survjax.estimators.saving.kinds import Labels, Several, Wholes
from survjax.estimators.saving.persistence import document, restore
from survjax.fitting.groups.pooling import Pooled
from survjax.fitting.groups.prior import Prior
from survjax.uncertainty.groups.maxima import ManyMaxima

if TYPE_CHECKING:
    import pandas as pd

    from survjax.estimators.groups.fits import GroupFits


@dataclasses.dataclass(frozen=True)
class Model:
    """A fitted model inside of another, as a document of its own."""

    optional: bool = False

    def encode(self, value: Any) -> Json:
        """To JSON."""
        return document(value)

    def decode(self, value: object, name: str, sizes: dict[str, int]) -> Any:
        """From JSON, checked."""
        try:
            return restore(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


@dataclasses.dataclass(frozen=True)
class Levels:
    """The different entries of a column of keys: labels, or dates, periods and time differences.

    The latter are whole numbers of what their type counts: of time zones, in UTC.
    """

    optional: bool = False

    def encode(self, value: Any) -> Json:
        """To JSON."""
        if hasattr(value, "asi8"):
            return {"type": str(value.dtype), "counts": value.asi8.tolist()}
        return Labels().encode(value)

    def decode(self, value: object, name: str, sizes: dict[str, int]) -> Any:
        """From JSON, checked."""
        if not isinstance(value, dict):
            return Labels().decode(value, name, sizes)
        import pandas as pd

        kind, counts = value.get("type"), value.get("counts")
        if set(value) != {"type", "counts"} or not isinstance(kind, str):
            raise ValueError(f"{name} must have a type and counts, got {shown(value)}")
        if not isinstance(counts, list) or not 0 < len(counts) <= MOST_NUMBERS:
            raise ValueError(f"{name}.counts must be a list of whole numbers, got {shown(counts)}")
        if any(type(n) is not int or not abs(n) < 2**63 for n in counts):
            raise ValueError(f"{name}.counts must hold whole numbers")
        try:
            known = pd.api.types.pandas_dtype(kind)
            if isinstance(known, pd.PeriodDtype):
                return pd.PeriodIndex.from_ordinals(counts, freq=known.freq)
            if known.kind in "mM":
                base = f"{known.kind}8[{np.datetime_data(known.base)[0]}]"
                found = pd.Index(np.array(counts, np.int64).view(base))
                zone = getattr(known, "tz", None)
                return found if zone is None else found.tz_localize("UTC").tz_convert(zone)
        except (TypeError, ValueError, KeyError):
            pass
        raise ValueError(f"{name} is of an unknown type, {shown(kind)}")


@dataclasses.dataclass(frozen=True)
class Counts:
    """Units and failures of each group, where its rows are not at hand."""

    n_units: np.ndarray
    n_events: np.ndarray


#: Fields of a file; `g` is the number of groups, `p` that of parameters.
FIELDS: dict[str, Any] = {
    "key_names": Several(Text()),
    "key_levels": Several(Levels()),
    "key_codes": Several(Wholes()),
    "duration_name": Text(optional=True),
    "n_units": Floats(("g",)),
    "n_events": Floats(("g",)),
    "x": Floats(("g", "p"), finite=False),
    "covariance": Floats(("g", "p", "p"), finite=False),
    "log_likelihood": Floats(("g",), finite=False),
    "converged": Wholes(),
    "status": Strings("g"),
    "message": Strings("g"),
    "alone": Wholes(),
    "alone_models": Several(Model()),
    "maxima": Record(
        ManyMaxima,
        {
            "begins": Wholes(),
            "parameters": Floats(("m", "p")),
            "covariances": Floats(("m", "p", "p")),
            "weights": Floats(("m",)),
        },
        optional=True,
    ),
    "unpooled": Model(optional=True),
    "prior": Record(
        Prior,
        {
            "mean": Floats(("p",)),
            "covariance": Floats(("p", "p")),
            "mean_covariance": Floats(("p", "p")),
        },
        optional=True,
    ),
    "drawn": Floats(("g",), finite=False, optional=True),
    "settled": Flag(optional=True),
}


def state_of(fits: GroupFits) -> SimpleNamespace:
    """What a file says of fits, by the names of `FIELDS`."""
    answers: Answers = fits._answers
    size = answers.covariance.size
    size = max(size, 0 if answers.maxima is None else answers.maxima.covariances.size)
    if size > MOST_NUMBERS:
        raise ValueError(
            f"these {len(fits)} groups have {size} numbers in their covariances, and a file holds "
            f"no more than {MOST_NUMBERS} of a kind: save the groups in parts"
        )
    codes, levels = zip(*(_coded(fits.keys, i) for i in range(fits.keys.nlevels)), strict=True)
    found = SimpleNamespace(
        key_names=[str(name) for name in fits.keys.names],
        key_levels=levels,
        key_codes=codes,
        duration_name=fits._duration,
        n_units=fits._groups.n_units,
        n_events=fits._groups.n_events,
        alone=list(answers.alone),
        alone_models=list(answers.alone.values()),
        unpooled=fits.unpooled,
        maxima=answers.maxima,
    )
    for name in ("x", "covariance", "log_likelihood", "converged", "status", "message"):
        setattr(found, name, getattr(answers, name))
    if fits.pooling is not None:
        found.prior, found.drawn = fits.pooling.prior, fits.pooling.drawn
        found.settled = fits.pooling.settled
    return found


def _coded(keys: pd.Index, level: int) -> tuple[np.ndarray, Any]:
    """Numbers of the entries of one column of the keys, and the different entries."""
    import pandas as pd

    codes, levels = pd.factorize(keys.get_level_values(level))
    return codes, levels


def keys_of(fits: SimpleNamespace) -> pd.Index:
    """The keys that a file describes."""
    import pandas as pd

    names, levels, codes = fits.key_names, fits.key_levels, fits.key_codes
    n = fits.n_units.size
    if not len(names) == len(levels) == len(codes) or not names:
        raise ValueError("key_names, key_levels and key_codes must be of the same columns")
    columns = []
    for level, code in zip(levels, codes, strict=True):
        if len(code) != n or (n and max(code) >= len(level)):
            raise ValueError(f"key_codes must say one of the key_levels of each of {n} groups")
        columns.append(pd.Index(level).take(list(code)))
    if len(columns) == 1:
        keys = columns[0].rename(names[0])
    else:
        keys = pd.MultiIndex.from_arrays(columns, names=list(names))
    if not keys.is_unique:
        raise ValueError("key_codes hold a group twice")
    return keys


def answers_of(fits: SimpleNamespace, template: Any) -> Answers:
    """The answers that a file describes, of the template that its estimator has."""
    n, p = fits.x.shape
    if p != (0 if template is None else template.size):
        raise ValueError(f"x has {p} columns, which does not fit the estimator")
    converged = np.array(fits.converged, bool)
    alone = [int(i) for i in fits.alone]
    if converged.size != n or len(alone) != len(fits.alone_models) or max(alone, default=-1) >= n:
        raise ValueError(f"converged and alone must be of the {n} groups")
    answers = Answers(
        template,
        fits.x,
        fits.covariance,
        dict(zip(alone, fits.alone_models, strict=True)),
        fits.log_likelihood,
        converged,
        list(fits.status),
        list(fits.message),
    )
    state = getattr(fits, "maxima", None)
    if state is not None:
        begins = np.array(state.begins, int)
        count = int(np.count_nonzero(answers.side_by_side))
        inside = begins.size == count + 1 and begins[0] == 0 and begins[-1] == state.weights.size
        if not (inside and (np.diff(begins) > 0).all()):
            raise ValueError(f"maxima must be of {count} groups, got {shown(state.begins)}")
        answers.maxima = dataclasses.replace(state, begins=begins)
    return answers


def pooling_of(fits: SimpleNamespace, answers: Answers) -> Pooled | None:
    """What pooling found, where groups are pooled."""
    given: list[Any] = [
        getattr(fits, name, None) for name in ("prior", "drawn", "settled", "unpooled")
    ]
    if all(part is None for part in given):
        return None
    if any(part is None for part in given):
        raise ValueError("prior, drawn, settled and unpooled must be there together")
    prior, drawn, settled, _ = given
    return Pooled(prior, answers.x, answers.covariance, drawn, answers.converged, settled)
