"""Draws from likelihood times priors by the no-U-turn sampler (Hoffman and Gelman 2014).

Chains run side by side, in coordinates in which the posterior's mode is zero and its inverse
curvature the identity: what is left to the adaptation is little. They begin at normal draws around
the mode.
"""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from survjax._core.programs import program
from survjax._core.pytree import data, pytree, ravel_parameters
from survjax.data.observations import Observations
from survjax.lifetimes import Lifetime
from survjax.likelihood.rows import log_likelihood
from survjax.likelihood.vector.template import Template
from survjax.uncertainty.profile import compressed

#: A first point that lies this far below the mode is none to begin at.
DEEPEST = 30.0
#: Chance to accept that the step is adapted to.
ACCEPTANCE = 0.9


@dataclasses.dataclass(frozen=True)
class Chains:
    """Draws of unconstrained parameters.

    Attributes
    ----------
    points : array of shape (C, N, p)
        In the order of each chain.
    n_divergent : int
        Draws at which the trajectory left the posterior's surface.
    """

    points: np.ndarray
    n_divergent: int


@program(static_argnames=("n_warmup", "n_draws", "sampler"), draft=False)
def _run(
    lifetime: Lifetime,
    rows: Observations,
    prior: Any,
    tilt: jax.Array,
    root: jax.Array,
    keys: jax.Array,
    *,
    n_warmup: int,
    n_draws: int,
    sampler: str,
) -> tuple[jax.Array, jax.Array]:
    """Points (C, N, f), away from the mode in units of the root, and whether each diverged.

    `root` (p, f) is a root of the covariance of the f parameters that are free; `keys` (C, 2).
    `sampler` is the version of blackjax, on which the program depends.
    """
    import blackjax

    mode, unravel = ravel_parameters(lifetime)

    def log_density(away: jax.Array) -> jax.Array:
        moved = root @ away
        x = mode + moved
        value = log_likelihood(unravel(x), rows) + tilt @ moved
        return value if prior is None else value + prior.derivatives(x)[0]

    adaptation = _Adaptation(n_warmup)
    kernel = blackjax.nuts.build_kernel()

    def chain(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        first, second = jax.random.split(key)
        away = jax.random.normal(first, (root.shape[1],))
        # One call site of the density and its gradient for both places.
        ends = jax.vmap(lambda at: blackjax.nuts.init(at, log_density))(
            jnp.stack([jnp.zeros_like(away), away])
        )
        begin = jnp.where(ends.logdensity[1] > ends.logdensity[0] - DEEPEST, 1, 0)
        state = jax.tree.map(lambda part: part[begin], ends)

        def step(carry: Any, given: Any) -> Any:
            state, tuned = carry
            key, phase = given
            state, info = kernel(key, state, log_density, tuned.step_size, tuned.metric)
            tuned = adaptation.update(tuned, phase, state.position, info.acceptance_rate)
            return (state, tuned), (state.position, info.is_divergent)

        phases = adaptation.phases(n_draws)
        keys = jax.random.split(second, phases.size)
        found = jax.lax.scan(step, (state, adaptation.start(away)), (keys, phases))[1]
        return found[0][n_warmup:], found[1][n_warmup:]

    found: tuple[jax.Array, jax.Array] = jax.vmap(chain)(keys)
    return found


@pytree
class Tuned:
    """Step size and metric of a chain, and what they come from."""

    step_size: Any = data()
    metric: Any = data()
    averaging: Any = data()
    spread: Any = data()


class _Adaptation:
    """The step size by dual averaging, the diagonal metric by one window of draws.

    As Stan's windows (Carpenter and others 2017), but for one that suffices here: the coordinates
    are scaled by the curvature already. Warmup and draws are one loop, so that the sampler is
    compiled once.
    """

    FAST, SLOW, END, LAST, DRAW = range(5)

    def __init__(self, n_warmup: int) -> None:
        from blackjax.adaptation.mass_matrix import mass_matrix_adaptation
        from blackjax.adaptation.step_size import dual_averaging_adaptation

        self.n_warmup = n_warmup
        self.averaging = dual_averaging_adaptation(ACCEPTANCE)
        self.spread = mass_matrix_adaptation(True)

    def phases(self, n_draws: int) -> np.ndarray:
        """What each iteration is for."""
        n = self.n_warmup
        found = np.full(n + n_draws, self.DRAW)
        found[:n] = self.FAST
        found[n // 5 : n - n // 5] = self.SLOW
        found[n - n // 5 - 1], found[n - 1] = self.END, self.LAST
        return found

    def start(self, position: jax.Array) -> Tuned:
        """Before the first iteration."""
        one = jnp.ones_like(position)
        return Tuned(
            jnp.asarray(0.5, position.dtype), one, self.averaging[0](0.5), self.spread[0](one.size)
        )

    def update(
        self, tuned: Tuned, phase: jax.Array, position: jax.Array, acceptance: jax.Array
    ) -> Tuned:
        """After an iteration."""
        spread = self.spread[1](tuned.spread, position)
        metric = self.spread[2](spread).inverse_mass_matrix
        averaging = self.averaging[1](tuned.averaging, acceptance)
        ending = phase == self.END
        step_size = jnp.exp(averaging.log_step_size)
        average = self.averaging[2](averaging)
        anew = self.averaging[0](average)
        averaging = jax.tree.map(lambda a, b: jnp.where(ending, a, b), anew, averaging)
        step_size = jnp.where(ending | (phase == self.LAST), average, step_size)
        next_ = Tuned(step_size, jnp.where(ending, metric, tuned.metric), averaging, spread)
        slow = (phase == self.SLOW) | ending
        kept = jax.tree.map(lambda a, b: jnp.where(slow, a, b), spread, tuned.spread)
        next_ = dataclasses.replace(next_, spread=kept)
        return jax.tree.map(lambda a, b: jnp.where(phase == self.DRAW, a, b), tuned, next_)


def draw_chains(
    template: Template,
    x: np.ndarray,
    covariance: np.ndarray,
    rows: Observations,
    *,
    n_draws: int,
    n_chains: int,
    n_warmup: int,
    seed: int,
) -> Chains:
    """Draw from the posterior around its mode x (p,).

    Parameters
    ----------
    template : Template
        The model, with its priors.
    x, covariance : arrays of shape (p,), (p, p)
        The mode, and the inverse of the curvature there; zero along what is held.
    rows : Observations
        What was fitted. Plain rows that are many are compressed.
    n_draws, n_chains, n_warmup : int
        Draws kept of each chain, and iterations before them.
    seed : int
        Of all chains.
    """
    small, tilt = compressed(template, x, rows)
    free = template.constraints.free > 0
    root = np.zeros((x.size, int(free.sum())))
    root[free] = np.linalg.cholesky(covariance[np.ix_(free, free)])
    keys = np.asarray(jax.random.split(jax.random.PRNGKey(seed), n_chains))
    given = (template.at(x), small, template.prior, tilt, root, keys)
    away, diverged = _run(*given, n_warmup=n_warmup, n_draws=n_draws, sampler=version("blackjax"))
    return Chains(x + np.asarray(away) @ root.T, int(np.sum(np.asarray(diverged))))
