"""Ends of iterations in their order: which are answers, which are one, which are worth going on."""

from __future__ import annotations

import dataclasses

import numpy as np

from survjax.fitting.interior import Interior, violations
from survjax.fitting.local_maxima import LocalMaximum
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

    def violations(self, end: LocalMaximum) -> tuple[str, ...]:
        """What speaks against a local maximum as an answer."""
        if id(end.hessian) not in self.known:
            reasons = violations(end, self.template, self.rule, self.n_units)
            self.known[id(end.hessian)] = end.hessian, reasons
        return self.known[id(end.hessian)][1]

    def is_good(self, end: LocalMaximum) -> bool:
        """Whether an iteration ended at an interior maximum."""
        return not self.violations(end)

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

        kept: list[tuple[LocalMaximum, bool]] = []
        for end, is_good in sorted(((c, self.is_good(c)) for c in found), key=rank):
            for i, (c, _) in enumerate(kept):
                near = abs(c.value - end.value) < level + 1e-6 * (1 + abs(c.value))
                if near and self._gap(c, end) < reach:
                    n = c.n_agreeing + end.n_agreeing
                    kept[i] = dataclasses.replace(c, n_agreeing=n), kept[i][1]
                    break
            else:
                kept.append((end, is_good))
        return kept

    def _gap(self, one: LocalMaximum, other: LocalMaximum) -> float:
        """How far apart two ends are, components in the same order."""
        template = self.template
        if template.is_weibulls:
            pair = canonical(np.stack([one.x, other.x]))
            return float(np.abs(pair[0] - pair[1]).max())
        points = [template.reordering(template.median_order(c.x)) @ c.x for c in (one, other)]
        return float(np.abs(points[0] - points[1]).max())
