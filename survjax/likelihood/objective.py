"""The log-likelihood of a model on any number of rows: value, gradient and Hessian.

Where the rows are is theirs to know (`all_rows`). The parts of them are added in a fixed order, so
that the number of threads changes no digit.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.programs import program
from survjax._core.pytree import ravel_parameters
from survjax.data.observations import Observations
from survjax.lifetimes import Lifetime
from survjax.likelihood.all_rows import AllRows, InMemory
from survjax.likelihood.rows import derivatives
from survjax.likelihood.vector.constraints import only_free
from survjax.likelihood.vector.template import Template

#: Value, gradient and Hessian.
Derivatives = tuple[float, np.ndarray, np.ndarray]


@program
def _packed(lifetime: Lifetime, x: jax.Array, rows: Observations) -> jax.Array:
    """Value, gradient and Hessian at x (p,) in one vector."""
    value, gradient, hessian = derivatives(ravel_parameters(lifetime)[1](x), rows)
    return jnp.concatenate([value[None], gradient, hessian.ravel()])


class Objective:
    """Value, gradient and Hessian of the log-likelihood of one set of rows, with the priors.

    Parameters
    ----------
    template : Template
        The model.
    rows : Observations
        Any number; truncation becomes rows of negative weight. Of `Compressed` rows, all that they
        stand for.
    """

    def __init__(self, template: Template, rows: Observations) -> None:
        self.template = template
        elsewhere: AllRows | None = rows.everything
        #: The rows as arrays of this process; None where they are elsewhere.
        self.in_memory: InMemory | None = None
        if elsewhere is None:
            self.in_memory = InMemory(rows)
        self.sum = (self.in_memory or elsewhere).sum  # type: ignore[union-attr]

    def __call__(self, x: np.ndarray) -> Derivatives:
        """At x (p,)."""
        return self.at_all([x])[0]

    def at_all(self, points: Sequence[np.ndarray]) -> list[Derivatives]:
        """At several points (p,), with one look at the rows."""
        stacked = np.stack(points)
        totals = self.sum(_packed, self.template.lifetime, stacked)
        return [self._unpacked(total, x) for total, x in zip(totals, points, strict=True)]

    def _unpacked(self, total: np.ndarray, x: np.ndarray) -> Derivatives:
        """Value, gradient and Hessian at x from the one vector, along what is free."""
        p = x.size
        parts = float(total[0]), total[1 : p + 1], total[p + 1 :].reshape(p, p)
        prior = self.template.prior
        if prior is not None:
            more = prior.derivatives(x)
            parts = parts[0] + float(more[0]), parts[1] + more[1], parts[2] + more[2]
        return only_free(parts, self.template.constraints.free, -1.0)
