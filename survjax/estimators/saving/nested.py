"""Models inside of a model's file: those of several causes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from survjax.estimators.saving.fields import MOST_NUMBERS, Json, shown
from survjax.estimators.saving.persistence import document, restore


@dataclasses.dataclass(frozen=True)
class FittedModels:
    """A dictionary from labels, text or numbers, to fitted models."""

    optional: bool = False

    def encode(self, value: Mapping[Any, Any]) -> Json:
        """To JSON: pairs of a label and the model's document."""
        return [[label, document(model)] for label, model in value.items()]

    def decode(self, value: object, name: str, sizes: dict[str, int]) -> dict[str | float, Any]:
        """From JSON, checked."""
        if not isinstance(value, list) or not 0 < len(value) <= MOST_NUMBERS:
            raise ValueError(f"{name} must be a list of models, got {shown(value)}")
        found = {}
        for pair in value:
            if not isinstance(pair, list) or len(pair) != 2:
                raise ValueError(f"{name} must hold pairs of a label and a model")
            label, content = pair
            if isinstance(label, bool) or not isinstance(label, (str, int, float)):
                raise ValueError(f"{name} must have text or numbers as labels, got {shown(label)}")
            found[label] = restore(content)
        if len(found) < len(value):
            raise ValueError(f"{name} holds a label twice")
        return found
