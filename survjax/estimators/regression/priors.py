"""Priors on the parameters of a regression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from survjax.fitting.local_maxima import LocalMaximum
from survjax.fitting.regression.penalties import NaturalPriors, Penalty
from survjax.likelihood.regression.columns import Columns, to_natural
from survjax.likelihood.regression.forms import Layout, without_offset
from survjax.likelihood.vector.held import Held
from survjax.likelihood.vector.prior_terms import terms_at


class WithPriors:
    """A regression that may have `priors`, by the names of its summary."""

    #: Estimators that take priors set these.
    priors: Any = None
    penalty: Any
    log_likelihood_: float
    log_posterior_: float
    aic_: float
    bic_: float
    _held_in: Callable[[Layout, Columns], Held]
    _names: Callable[[Layout], tuple[str, ...]]

    def _with_priors(
        self, penalty: Penalty | None, layout: Layout, columns: Columns
    ) -> Penalty | None:
        """The penalty, with the priors in it."""
        if not self.priors:
            return penalty
        if penalty is not None:
            raise ValueError("penalty and priors say the same in two ways: leave out penalty")
        if layout[0].offset:
            layout = without_offset(layout)
            columns = Columns(columns.center[:-1], columns.scale[:-1])
        names = self._names(layout)
        first = layout[0].name

        def places(name: str) -> list[tuple[int, str]]:
            for known, link in ((name, "identity"), (f"{first}:{name}", "identity")):
                if known in names:
                    return [(names.index(known), link)]
            if f"log_{name}" in names:
                return [(names.index(f"log_{name}"), "log")]
            raise ValueError(f"priors knows the parameters {', '.join(names)}, got {name!r}")

        fixed = self._held_in(layout, columns).fixed

        def moving(name: str) -> list[tuple[int, str]]:
            found = places(name)
            if any(fixed[position] for position, _ in found):
                raise ValueError(f"{name} is fixed, and so has no prior")
            return found

        terms = terms_at(self.priors, names, moving)
        if terms is None:
            return None
        change = to_natural(layout, columns)
        nothing = Penalty.nothing(len(names))
        return nothing._replace(priors=NaturalPriors(terms, change))

    def _keep_priors(self, penalty: Penalty | None, found: LocalMaximum) -> None:
        """Set the log posterior; criteria are of maxima of a likelihood, and this is none."""
        self.log_posterior_ = self.log_likelihood_
        if penalty is not None and penalty.priors is not None:
            self.log_posterior_ += penalty.priors.derivatives(found.x)[0]
            self.aic_ = self.bic_ = float("nan")

    def _prior_words(self, names: tuple[str, ...]) -> list[str]:
        """The prior of each parameter, for a summary."""
        first = names[0].partition(":")[0]
        known: dict[str, str] = {}
        for name, prior in (self.priors or {}).items():
            known |= dict.fromkeys((name, f"{first}:{name}", f"log_{name}"), str(prior))
        return [known.get(name, "flat") for name in names]
