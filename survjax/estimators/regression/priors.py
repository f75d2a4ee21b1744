"""Priors on the parameters of a regression, and Firth's penalty on its effects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from survjax.data.observations import Observations
from survjax.estimators.effects.unseen import refuse_unseen_cured
from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.regression.firth import FirthPenalty
from survjax.fitting.regression.penalties import NaturalPriors, Penalty
from survjax.likelihood.regression.columns import Columns, to_natural
from survjax.likelihood.regression.constraints import named_coefficients, shared_weights
from survjax.likelihood.regression.forms import Form, Layout, without_offset
from survjax.likelihood.vector.constraints import Constraints
from survjax.likelihood.vector.prior_terms import terms_at, whole
from survjax.likelihood.vector.template import Template

#: The name of the penalty that is half the log determinant of the information.
FIRTH = "firth"


class WithPriors:
    """A regression that may have `priors`, by the names of its summary, or Firth's penalty."""

    #: Estimators that take priors set these.
    priors: Any = None
    penalty: Any
    l1_ratio: float
    log_likelihood_: float
    log_posterior_: float
    aic_: float
    bic_: float
    _constraints_in: Callable[[Layout, Columns], Constraints]
    _names: Callable[[Layout], tuple[str, ...]]

    @property
    def _is_firth(self) -> bool:
        """Whether the penalty is Firth's."""
        return isinstance(self.penalty, str) and self.penalty == FIRTH

    def _check_firth(self) -> None:
        """Refuse what cannot go with Firth's penalty."""
        if not self._is_firth:
            return
        others = ("fixed", "bounds", "unpenalized", "on", "shape_on", "priors")
        given = [name for name in others if getattr(self, name, None) is not None]
        given += ["l1_ratio"] if self.l1_ratio else []
        given += [] if getattr(self, "joint", True) else ["joint=False"]
        if given:
            raise ValueError(
                f"penalty='firth' is of the effects of all columns on one predictor together: "
                f"leave out {' and '.join(given)}"
            )

    def _with_firth(
        self, form: Form, layout: Layout, columns: Columns, rows: Observations, x: np.ndarray
    ) -> Penalty:
        """Firth's penalty."""
        stacks = Template(form.template).stacks
        if not all(stack.lifetime.inner()[1].has_fourth_derivatives for stack in stacks):
            raise ValueError(
                "penalty='firth' needs derivatives to fourth order, which gamma functions have not "
                "here: take priors= of the effects, or another family"
            )
        nothing = Penalty.nothing(sum(len(item.columns) for item in layout))
        return nothing._replace(firth=FirthPenalty(form, layout, columns, rows, x))

    def _with_priors(
        self, penalty: Penalty | None, layout: Layout, columns: Columns, rows: Observations
    ) -> Penalty | None:
        """The penalty, with the priors in it; an error where rows cannot tell what these leave."""
        if self.priors and penalty is not None:
            raise ValueError("penalty and priors say the same in two ways: leave out penalty")
        if layout[0].offset:
            layout = without_offset(layout)
            columns = Columns(columns.center[:-1], columns.scale[:-1])
        names = self._names(layout)
        fixed = self._constraints_in(layout, columns).fixed

        def moving(name: str) -> list[tuple[int, str]]:
            found = named_coefficients(names, name, "priors")
            if any(fixed[place.position] for place in found):
                raise ValueError(f"{name} is fixed, and so has no prior")
            return [(place.position, place.link) for place in found]

        terms = terms_at(self.priors, names, moving, shared_weights(names))
        refuse_unseen_cured(rows, names, fixed | (False if terms is None else terms.has > 0))
        if terms is None:
            return penalty
        change = to_natural(layout, columns)
        nothing = Penalty.nothing(len(names))
        return nothing._replace(priors=NaturalPriors(terms, change))

    def _keep_priors(self, penalty: Penalty | None, found: LocalMaximum) -> None:
        """Set the log posterior; criteria are of maxima of a likelihood, and this is none."""
        self.log_posterior_ = self.log_likelihood_
        if penalty is not None and penalty.priors is not None:
            self.log_posterior_ += float(penalty.priors.derivatives(found.x)[0])
            self.aic_ = self.bic_ = float("nan")

    def _prior_words(self, names: tuple[str, ...]) -> list[str]:
        """The prior of each parameter, for a summary."""
        words = ["flat"] * len(names)
        for name, prior in (self.priors or {}).items():
            if whole(name) in ("weight", "weights"):
                at = shared_weights(names)
            else:
                at = [place.position for place in named_coefficients(names, name, "priors")]
            for position in at:
                words[position] = str(prior)
        return words
