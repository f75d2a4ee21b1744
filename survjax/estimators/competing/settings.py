"""Hyper-parameters of several causes: each one's lifetime, what is known of it, what they share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np

from survjax.data.causes import check_labels
from survjax.estimators.lifetime.model import LifetimeModel
from survjax.likelihood.causes_template import CausesTemplate
from survjax.likelihood.vector.constraints import Bounds, Fixed
from survjax.likelihood.vector.template import Template


class CausesSettings:
    """The causes, checked, and the model of each."""

    causes: Any
    fixed: Fixed | None
    bounds: Bounds | None
    shared: Mapping[str, Any] | None
    get_params: Callable[[], dict[str, Any]]

    def _labels(self) -> tuple[Hashable, ...]:
        """The causes."""
        if not isinstance(self.causes, Mapping):
            raise ValueError(
                'causes must be a dict from each cause to its lifetime, such as {"wear": '
                f'"weibull"}}, got {self.causes!r}'
            )
        return check_labels(list(self.causes))

    def _model_of_cause(self, label: Hashable) -> LifetimeModel:
        """The estimator of one cause."""
        settings = self.get_params()
        lifetimes: Mapping[Any, Any] = settings.pop("causes")
        settings.pop("shared")
        for name in ("fixed", "bounds"):
            settings[name] = self._of_cause(label, settings[name], name)
        return LifetimeModel(lifetimes[label], **settings)

    def _of_cause(self, label: Hashable, given: Any, word: str) -> dict[str, Any] | None:
        """What is known of the parameters of one cause, by its own names of them."""
        if given is None:
            return None
        if not isinstance(given, Mapping):
            raise ValueError(f"{word} must be a dict by the names of summary(), got {given!r}")
        labels = self._labels()
        for name in given:
            if not any(str(name).startswith(f"{each}.") for each in labels):
                raise ValueError(
                    f"{word} names the cause first, as in '{labels[0]}.scale': {name!r}"
                )
        own = {
            str(name).removeprefix(f"{label}."): value
            for name, value in given.items()
            if str(name).startswith(f"{label}.")
        }
        return own or None

    def _check_parameters(self) -> None:
        """Check the hyper-parameters."""
        for label in self._labels():
            try:
                self._model_of_cause(label)._check_parameters()
            except ValueError as error:
                raise ValueError(f"cause {label!r}: {error}") from None
        if self.shared is not None and not isinstance(self.shared, Mapping):
            raise ValueError(
                "shared must be a dict from a parameter to the causes that share it, got "
                f"{self.shared!r}"
            )

    def _groups(self, template: CausesTemplate) -> np.ndarray:
        """A number for each entry of the vector (p,), the same for entries that causes share."""
        groups = np.arange(template.size)
        for name, labels in (self.shared or {}).items():
            unknown = [label for label in labels if label not in template.labels]
            if unknown or len(labels) < 2:
                raise ValueError(
                    f"shared[{name!r}] must list two or more of the causes "
                    f"{', '.join(map(repr, template.labels))}, got {labels!r}"
                )
            places = [self._place(template, label, name) for label in labels]
            groups[places] = min(groups[places])
        return np.unique(groups, return_inverse=True)[1]

    def _place(self, template: CausesTemplate, label: Hashable, name: str) -> int:
        """Where a parameter of a cause stands."""
        number = template.labels.index(label)
        part: Template = template.parts[number]
        if name not in part.read_names or part.is_mixture:
            raise ValueError(
                f"cause {label!r} has no parameter {name!r} to share: it has "
                f"{', '.join(part.read_names)}"
            )
        return template.slices[number].start + part.read_names.index(name)
