"""What the fits of all groups found: arrays where they are alike, estimators where not."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np

from survjax.fitting.groups.maxima import GroupMaxima
from survjax.likelihood.vector.template import Template
from survjax.optimize import MESSAGES, ResultCode


@dataclasses.dataclass
class Answers:
    """One answer a group, or a reason why there is none.

    Attributes
    ----------
    template : Template or None
        That of the groups which were fitted side by side.
    x, covariance : arrays of shape (n_groups, p) and (n_groups, p, p)
        Their parameters; NaN for the other groups.
    alone : dict
        The estimators of groups that were fitted by themselves.
    log_likelihood : array of shape (n_groups,)
        At each answer.
    converged : array of shape (n_groups,)
        Whether it is an interior maximum.
    status, message : lists of str
        What each is, and how the iteration ended or why there is no answer.
    own : GroupMaxima or None
        The maxima that were found side by side.
    """

    template: Template | None
    x: np.ndarray
    covariance: np.ndarray
    alone: dict[int, Any]
    log_likelihood: np.ndarray
    converged: np.ndarray
    status: list[str]
    message: list[str]
    own: GroupMaxima | None = None

    @classmethod
    def nothing(cls, n_groups: int, template: Template | None) -> Answers:
        """No answer yet."""
        p = 0 if template is None else template.size
        return cls(
            template,
            np.full((n_groups, p), np.nan),
            np.full((n_groups, p, p), np.nan),
            {},
            np.full(n_groups, np.nan),
            np.zeros(n_groups, bool),
            [""] * n_groups,
            [""] * n_groups,
        )

    def put(self, found: GroupMaxima) -> None:
        """Note the maxima of groups that were fitted side by side."""
        assert self.template is not None
        self.own = found
        which, ends, free = found.which, found.ends, self.template.held.free
        self.x[which] = ends.x
        self.covariance[which] = np.linalg.inv(-ends.hessian) * np.outer(free, free)
        self.log_likelihood[which] = ends.value
        self.converged[which] = True
        for i, code in zip(which.tolist(), ends.code.tolist(), strict=True):
            self.status[i], self.message[i] = "interior maximum", MESSAGES[ResultCode(code)]

    def put_alone(self, i: int, model: Any, warned: str) -> None:
        """Note the fit of one group, and what it warned of."""
        self.alone[i] = model
        self.log_likelihood[i] = model.log_likelihood_
        self.converged[i] = model.converged_
        self.status[i] = model.certificate_.status
        self.message[i] = warned or model.certificate_.message

    def refuse(self, i: int, reason: str) -> None:
        """Note why a group has no answer."""
        self.status[i], self.message[i] = "no finite maximum", reason

    @property
    def side_by_side(self) -> np.ndarray:
        """Which groups have their parameters in the arrays."""
        return np.isfinite(self.x).all(axis=1) if self.x.size else np.zeros(len(self.x), bool)


def unfitted(model: Any) -> Any:
    """The same model without a fit; a random generator in it begins where the other's does."""
    return type(model)(**copy.deepcopy(model.get_params()))
