"""What a fit of several causes leaves behind, and what follows from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar

import numpy as np

from survjax._core.numerics import diagonal_blocks
from survjax.data.observations import Observations
from survjax.estimators.certificate import Certificate, certify
from survjax.estimators.lifetime.model import LifetimeModel
from survjax.estimators.lifetime.state import FittedState
from survjax.estimators.saving.kinds import Distribution
from survjax.fitting.search import Maximum
from survjax.lifetimes import Lifetime
from survjax.likelihood.causes_template import CausesTemplate
from survjax.likelihood.vector.template import Template
from survjax.uncertainty.bootstrap import Bootstrap
from survjax.uncertainty.causes.bounds import joined


class CausesState(FittedState):
    """Parameters of all causes end to end, and each cause as a model of its own."""

    causes: Any
    lifetimes_: dict[Hashable, Lifetime]
    bootstrap_: Bootstrap
    _template: CausesTemplate
    _labels: Callable[[], tuple[Hashable, ...]]
    _model_of_cause: Callable[[Hashable], LifetimeModel]
    _groups: Callable[[CausesTemplate], np.ndarray]
    #: Each cause as if no other were at work, with its own part of the covariance.
    _models: dict[Hashable, LifetimeModel]
    _rows: Observations
    _allowed: np.ndarray

    _saved: ClassVar[Mapping[str, Any]] = {
        **{
            name: kind
            for name, kind in FittedState._saved.items()
            if name not in ("selection_", "history_", "_profiles")
        },
        "lifetime_": Distribution(),
    }

    def _keep_separate(self, models: dict[Hashable, LifetimeModel], rows: Observations) -> None:
        """Set the fitted attributes from fits of each cause alone."""
        parts = list(models.values())
        self._forget()
        self._template = CausesTemplate(list(models), [part._template for part in parts])
        self.parameters_ = np.concatenate([part.parameters_ for part in parts])
        self.converged_ = all(part.converged_ for part in parts)
        self.covariance_ = diagonal_blocks([part.covariance_ for part in parts])
        if not self.converged_:
            self.covariance_ = np.full_like(self.covariance_, np.nan)
        self.log_likelihood_ = float(sum(part.log_likelihood_ for part in parts))
        self.n_iter_ = max(part.n_iter_ for part in parts)
        self.certificate_ = joined_certificate(models)
        self._maxima = None
        if self.converged_:
            self._maxima = joined(
                [part.parameters_ for part in parts],
                [part.covariance_ for part in parts],
                [part._maxima for part in parts],
            )
        self.n_units_, self.n_events_ = rows.n_units, rows.n_events
        self._derive()
        self._models = models

    def _keep_together(self, template: CausesTemplate, found: Maximum, rows: Observations) -> None:
        """Set the fitted attributes from a fit of all causes at once."""
        self._forget()
        self._template = template
        x, hessian = found.best.x.copy(), found.best.hessian
        change = [
            part.reordering(part.median_order(x[own]))
            for part, own in zip(template.parts, template.slices, strict=True)
        ]
        turn = diagonal_blocks(change)
        back = np.linalg.inv(turn)
        self.parameters_ = template.constraints.placed(turn @ x)
        hessian = back.T @ hessian @ back
        self.converged_ = not found.violations
        self.covariance_ = np.full_like(hessian, np.nan)
        if self.converged_:
            merging = template.merging
            # Of entries that are one parameter the differences have no errors.
            only = merging @ (merging.T / merging.sum(axis=0)[:, None])
            self.covariance_ = only @ template.constraints.covariance(hessian) @ only
        self.log_likelihood_ = float(found.best.value)
        self.n_iter_ = found.best.n_iter
        at_bounds = tuple(template.read_names[i] for i in template.constraints.at_bounds)
        self.certificate_ = certify(found, hessian, rows.n_units, at_bounds)
        self._maxima = None
        self.n_units_, self.n_events_ = rows.n_units, rows.n_events
        self._derive()

    def _derive(self) -> None:
        super()._derive()
        labels = self._template.labels
        self.lifetimes_ = dict(zip(labels, self.lifetime_.causes, strict=True))
        self._models = {
            label: self._part(label, part, own)
            for label, part, own in zip(
                labels, self._template.parts, self._template.slices, strict=True
            )
        }
        if "bootstrap_" in self.__dict__:
            self._share_replicates(self.bootstrap_)

    def _share_replicates(self, found: Bootstrap) -> None:
        """Give each cause its part of the replicates of all."""
        for model, own in zip(self._models.values(), self._template.slices, strict=True):
            model.bootstrap_ = dataclasses.replace(
                found, parameters=found.parameters[:, own], skewness=found.skewness[own, own, own]
            )

    def _part(self, label: Hashable, template: Template, own: slice) -> LifetimeModel:
        """One cause as a fitted model, which has no rows of its own."""
        model = self._model_of_cause(label)
        model._template = template
        model.parameters_ = self.parameters_[own]
        model.covariance_ = self.covariance_[own, own]
        model.converged_, model.certificate_ = self.converged_, self.certificate_
        model.log_likelihood_ = float("nan")
        model.n_units_, model.n_events_ = self.n_units_, self.n_events_
        model._profiles = {}
        model._derive()
        return model

    def _saved_template(self) -> Template:
        lifetimes = self.lifetime_.causes
        labels = self._labels()
        if len(labels) != len(lifetimes):
            raise ValueError(
                f"lifetime_ has {len(lifetimes)} causes, and causes names {len(labels)}"
            )
        parts = [
            self._model_of_cause(label)._constrained(Template(lifetime))
            for label, lifetime in zip(labels, lifetimes, strict=True)
        ]
        template = CausesTemplate(labels, parts)
        return template.sharing(self._groups(template))

    def _constrained(self, template: Template) -> Template:
        # Each cause's template came with what it holds.
        return template

    def _constraint_words(self, words: list[str]) -> list[str]:
        """Where bounds come from, cause by cause."""
        found: list[str] = []
        for model in self._models.values():
            size = len(model._template.quantities)
            found += model._constraint_words(words[len(found) : len(found) + size])
        return found


def joined_certificate(models: dict[Hashable, Any]) -> Certificate:
    """What the verdict stands on where each cause was fitted alone."""
    found = [model.certificate_ for model in models.values()]
    return Certificate(
        decrement=float(np.sqrt(np.sum([part.decrement**2 for part in found]))),
        gradient=max(part.gradient for part in found),
        smallest_eigenvalue=min(part.smallest_eigenvalue for part in found),
        n_starts=sum(part.n_starts for part in found),
        n_agreeing=sum(part.n_agreeing for part in found),
        violations=tuple(
            f"cause {label!r}: {word}"
            for label, model in models.items()
            for word in model.certificate_.violations
        ),
        other_maxima=(),
        message="; ".join(dict.fromkeys(part.message for part in found)),
        at_bounds=tuple(
            f"{label}.{name}"
            for label, model in models.items()
            for name in model.certificate_.at_bounds
        ),
    )
