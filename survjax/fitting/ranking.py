"""Ends of iterations in their order: which are answers, which are one, which are worth going on."""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.fitting.interior import Interior, violations_of
from survjax.fitting.local_maxima import ARRIVED, LocalMaximum
from survjax.fitting.settings import ROUGH
from survjax.fitting.starts import canonical
from survjax.likelihood.vector.template import Template

#: Two ends this close (logs of weights, scales and shapes) are one maximum: on few rows, on all.
SAME_ROUGHLY, SAME = 0.05, 1e-3


class Ranking:
    """Judges ends by a rule, and tells them apart."""

    def __init__(self, template: Template, rule: Interior, n_units: float) -> None:
        self.template, self.rule, self.n_units = template, rule, n_units
        #: What speaks against local maxima, by their Hessians' identities; those are kept.
        self.known: dict[int, tuple[np.ndarray, tuple[str, ...]]] = {}

    def judge(self, ends: list[LocalMaximum]) -> None:
        """Look at several local maxima at once, and remember what speaks against each."""
        new = {id(end.hessian): end for end in ends if id(end.hessian) not in self.known}
        if new:
            every = violations_of(list(new.values()), self.template, self.rule, self.n_units)
            for (name, end), reasons in zip(new.items(), every, strict=True):
                self.known[name] = end.hessian, reasons

    def violations(self, end: LocalMaximum) -> tuple[str, ...]:
        """What speaks against a local maximum as an answer."""
        self.judge([end])
        return self.known[id(end.hessian)][1]

    def is_good(self, end: LocalMaximum) -> bool:
        """Whether an iteration ended at an interior maximum."""
        return not self.violations(end)

    def good(self, ends: list[LocalMaximum]) -> list[LocalMaximum]:
        """Those that ended at an interior maximum."""
        self.judge(ends)
        return [end for end in ends if self.is_good(end)]

    def candidates(
        self, found: list[LocalMaximum], most: int, margin: float, rough: bool = False
    ) -> list[LocalMaximum]:
        """Ends worth an iteration on more rows: those that lie within a margin of the best."""
        if len(found) == 1:
            return found
        ranked = self.distinct(found, rough)
        least = ranked[0][0].value - margin
        good = [c for c, is_good in ranked if is_good and c.value > least]
        return (good or [c for c, _ in ranked])[:most]

    def distinct(
        self, found: list[LocalMaximum], rough: bool = False
    ) -> list[tuple[LocalMaximum, bool]]:
        """Different ends, interior maxima (True) first, then by falling log-likelihood."""
        level, reach = (ROUGH**2, SAME_ROUGHLY) if rough else (0.0, SAME)

        def rank(item: tuple[LocalMaximum, bool]) -> tuple[bool, float]:
            c, is_good = item
            return not is_good, -c.value if np.isfinite(c.value) else np.inf

        self.judge(found)
        ranked = sorted(((c, self.is_good(c)) for c in found), key=rank)
        same = self._same([c for c, _ in ranked], level, reach)
        kept: dict[int, tuple[LocalMaximum, bool]] = {}
        for i, (end, is_good) in enumerate(ranked):
            first = next((j for j in kept if same[i, j]), None)
            if first is None:
                kept[i] = end, is_good
            else:
                c, was_good = kept[first]
                n = c.n_agreeing + end.n_agreeing
                kept[first] = dataclasses.replace(c, n_agreeing=n), was_good
        return list(kept.values())

    def _same(self, ends: list[LocalMaximum], level: float, reach: float) -> np.ndarray:
        """Which ends (m, m) lie as high as each other and as close, components in one order."""
        values = np.array([end.value for end in ends])
        finite = np.isfinite(values)
        values = np.where(finite, values, 0.0)
        same = np.abs(values[:, None] - values) < level + 1e-6 * (1 + np.abs(values))
        same &= finite[:, None] & finite
        np.fill_diagonal(same, False)
        # Points that lie as high as no other need no order.
        some = np.flatnonzero(same.any(axis=1))
        if some.size:
            points = self._in_order([ends[i].x for i in some])
            gap = np.abs(points[:, None] - points).max(axis=-1)
            same[np.ix_(some, some)] &= gap < reach
        return same

    def _in_order(self, points: list[np.ndarray]) -> np.ndarray:
        """Points to compare with each other: components in the order of their medians."""
        template = self.template
        if template.is_weibulls:
            return canonical(np.stack(points))
        return np.stack([template.reordering(template.median_order(x)) @ x for x in points])


def beyond(ends: list[LocalMaximum]) -> np.ndarray:
    """Where a Newton step leads from ends that stopped near a maximum."""
    points = np.stack([c.x for c in ends])
    for i, c in enumerate(ends):
        if c.code in ARRIVED:
            points[i] -= np.linalg.solve(c.hessian, c.gradient)
    return points
