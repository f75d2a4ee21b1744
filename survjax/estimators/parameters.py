"""scikit-learn's parameter protocol without importing scikit-learn.

Importing it costs about a second, which a first fit should not pay; `clone`, `set_params` and
cross-validation only need these methods.
"""

from __future__ import annotations

import inspect
from typing import Any, Self


class Parameters:
    """Hyper-parameters live in `__init__` only, and under the same names on the object."""

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Hyper-parameters by name."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: object) -> Self:
        """Set hyper-parameters by name.

        Raises
        ------
        ValueError
            For a name that is not a hyper-parameter.
        """
        known = self._names()
        for name, value in params.items():
            if name not in known:
                raise ValueError(
                    f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(known)}"
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if not _same(value, defaults[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            input_tags=InputTags(one_d_array=True, two_d_array=False, positive_only=True),
        )


def _same(value: object, default: object) -> bool:
    return value is default or (type(value) is type(default) and value == default)
