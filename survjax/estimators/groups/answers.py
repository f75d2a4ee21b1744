"""What the fits of all groups found: arrays where they are alike, estimators where not."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from survjax.data.recording import has_ties
from survjax.fitting.groups.maxima import GroupMaxima
from survjax.fitting.groups.mixtures.ranked import Ranked
from survjax.fitting.groups.newton import Ends
from survjax.fitting.groups.rows import GroupedRows
from survjax.likelihood.vector.template import Template
from survjax.optimize import MESSAGES, ResultCode
from survjax.uncertainty.groups.maxima import ManyMaxima, maxima_of

if TYPE_CHECKING:
    from survjax.estimators.lifetime.estimator import LifetimeEstimator


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
    #: Of groups whose mixtures were fitted side by side: what their searches found.
    searched: Ranked | None = None
    #: All maxima that count, of the groups whose parameters are in the arrays, in their order.
    maxima: ManyMaxima | None = None

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

    @classmethod
    def joined(cls, parts: list[Answers]) -> Answers:
        """Those of several shares of the groups, one after the other."""
        begins = np.cumsum([0, *(len(part.x) for part in parts)])
        numbers = [np.arange(a, b) for a, b in itertools.pairwise(begins)]
        each = list(zip(parts, numbers, strict=True))
        whole = cls(
            parts[0].template,
            np.concatenate([part.x for part in parts]),
            np.concatenate([part.covariance for part in parts]),
            {int(own[i]): model for part, own in each for i, model in part.alone.items()},
            np.concatenate([part.log_likelihood for part in parts]),
            np.concatenate([part.converged for part in parts]),
            [status for part in parts for status in part.status],
            [message for part in parts for message in part.message],
        )
        side = [(part.own, own) for part, own in each if part.own is not None]
        if side:
            which = np.concatenate([own[found.which] for found, own in side])
            whole.own = GroupMaxima(which, Ends.joined([found.ends for found, _ in side]))
        searched = [part.searched.of(own) for part, own in each if part.searched is not None]
        if searched and whole.template is not None:
            whole.searched = Ranked.joined(searched)
            whole.maxima = maxima_of(whole.template, whole.searched)
        return whole

    def put(self, found: GroupMaxima) -> None:
        """Note the maxima of groups that were fitted side by side."""
        assert self.template is not None
        self.own = found
        which, ends, free = found.which, found.ends, self.template.constraints.free
        self.x[which] = ends.x
        self.covariance[which] = np.linalg.inv(-ends.hessian) * np.outer(free, free)
        self._arrived(which, ends.value, ends.code)

    def put_searched(self, found: Ranked) -> None:
        """Note the maxima of groups whose mixtures were fitted side by side."""
        assert self.template is not None
        self.searched, self.maxima = found, maxima_of(self.template, found)
        which, best = found.which, self.maxima.begins[:-1]
        self.x[which] = self.maxima.parameters[best]
        self.covariance[which] = self.maxima.covariances[best]
        self._arrived(which, found.ends.value[found.best], found.ends.code[found.best])

    def _arrived(self, which: np.ndarray, value: np.ndarray, code: np.ndarray) -> None:
        """Note where the iterations of groups ended, at interior maxima, and how."""
        self.log_likelihood[which], self.converged[which] = value, True
        messages = {each: MESSAGES[ResultCode(each)] for each in np.unique(code).tolist()}
        for i, each in zip(which.tolist(), code.tolist(), strict=True):
            self.status[i], self.message[i] = "interior maximum", messages[each]

    def as_searched(self, i: int, estimator: LifetimeEstimator, groups: GroupedRows) -> Any:
        """The estimator of a group whose mixture was fitted side by side; None of another."""
        if self.searched is None or self.template is None:
            return None
        place = int(np.searchsorted(self.searched.which, i))
        if not (self.searched.which[place : place + 1] == i).any():
            return None
        rows, model = groups.observed(i), unfitted(estimator)
        rows = rows.compressed() if has_ties(rows.lower) else rows
        model._keep(self.template, rows, self.searched.maximum(place))
        return model

    def maxima_that_count(self) -> tuple[np.ndarray, ManyMaxima]:
        """The groups whose parameters are in the arrays, and the maxima of each."""
        which = np.flatnonzero(self.side_by_side)
        if self.maxima is not None:
            return which, self.maxima
        return which, ManyMaxima.of_one_each(self.x[which], self.covariance[which])

    def put_alone(self, i: int, model: LifetimeEstimator, warned: str) -> None:
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


def unfitted(model: LifetimeEstimator) -> LifetimeEstimator:
    """The same model without a fit; a random generator in it begins where the other's does."""
    return type(model)(**copy.deepcopy(model.get_params()))
