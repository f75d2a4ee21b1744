"""`posterior` of an estimator of one lifetime for all units."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from survjax._core.annotations import RandomState
from survjax._core.callers import users_level
from survjax._core.precision import double_precision
from survjax._core.validation import check_count, random_generator
from survjax.data.observations import Observations
from survjax.estimators.certificate import Certificate
from survjax.estimators.messages import FitWarning
from survjax.estimators.posterior.draws import Posterior
from survjax.likelihood.vector.template import Template
from survjax.uncertainty.delta import rows_needed
from survjax.uncertainty.posterior.chains import draw_chains
from survjax.uncertainty.posterior.propriety import endless


class WithPosterior:
    """`posterior` of a fitted lifetime."""

    parameters_: np.ndarray
    covariance_: np.ndarray
    converged_: bool
    certificate_: Certificate
    random_state: RandomState
    _check_fitted: Callable[[], None]
    _rows: Observations
    _template: Template

    @double_precision
    def posterior(
        self,
        n_draws: int = 1000,
        *,
        n_chains: int = 4,
        n_warmup: int = 500,
        random_state: RandomState = None,
    ) -> Posterior:
        """Draws from the posterior of the parameters: likelihood times priors.

        The sampler is blackjax's (`pip install survjax[bayes]`): NUTS with an adapted step and
        metric (Hoffman and Gelman 2014), from the fit and its curvature, chains side by side.

        Parameters
        ----------
        n_draws : int, default 1000
            Draws kept of each chain; at least 100.
        n_chains : int, default 4
            Chains; at least 2, so that they can be held against each other.
        n_warmup : int, default 500
            Iterations of each chain before its first draw.
        random_state : int or numpy.random.Generator, optional
            The estimator's own by default.

        Returns
        -------
        Posterior
            With `summary()`, `draws`, `survival`, `predict_rul`, `predict_interval` and `plot`.

        Warns
        -----
        FitWarning
            If the chains have not come to one law, or too few independent draws.

        Raises
        ------
        ValueError
            If the posterior has no finite mass: the likelihood levels off along a parameter without
            a prior. For mixtures, whose weights have none, for `bounds=`, and for a model from a
            file.

        Notes
        -----
        A parameter without a prior is flat on its link scale: of a scale that is 1 / scale. Plain
        rows that are more than 2,048 are compressed, as for profile bounds.

        Examples
        --------
        >>> from survjax import LifetimeModel, priors
        >>> known = priors.LogNormal(2.0, 1.5)
        >>> model = LifetimeModel("weibull", priors={"shape": known})
        >>> model = model.fit([5.0, 8.0, 9.0], [1, 0, 0])
        >>> found = model.posterior(500)  # doctest: +SKIP
        >>> found.predict_rul([9.0])  # doctest: +SKIP
        """
        self._check_fitted()
        check_count(n_chains, "n_chains")
        for value, name, least in ((n_draws, "n_draws", 100), (n_warmup, "n_warmup", 100)):
            if check_count(value, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {value!r}")
        if n_chains < 2:
            raise ValueError(
                "n_chains must be at least 2: one chain cannot show that it has settled"
            )
        self._check_posterior()
        open_ = endless(self._template, self.parameters_, self.covariance_, self._rows)
        if open_:
            raise ValueError(
                f"the posterior has no finite mass: far out along {' and '.join(open_)} it does "
                "not fall off, and a flat prior adds nothing there. Give a prior, such as "
                f"priors={{{open_[-1]!r}: ...}} of survjax.priors, or fix a value"
            )
        rng = random_generator(self.random_state if random_state is None else random_state)
        chains = draw_chains(
            self._template,
            self.parameters_,
            self.covariance_,
            self._rows,
            n_draws=int(n_draws),
            n_chains=int(n_chains),
            n_warmup=int(n_warmup),
            seed=int(rng.integers(2**31)),
        )
        found = Posterior(chains.points, self, chains.n_divergent)
        if found.problems:
            warnings.warn(
                f"the chains cannot be trusted yet: {'; '.join(found.problems)}. Take more draws, "
                "a longer n_warmup, or a tighter prior",
                FitWarning,
                stacklevel=users_level(),
            )
        return found

    def _check_posterior(self) -> None:
        """Refuse what has no posterior that could be drawn from."""
        if not hasattr(self, "_rows"):
            raise rows_needed("posterior")
        if not self.converged_:
            raise ValueError(
                "posterior needs a fit that is an interior maximum, and certificate_ says: "
                f"{self.certificate_.status}"
            )
        if self._template.n_components > 1:
            raise ValueError(
                "posterior is of a lifetime without components: those of a mixture change places "
                "from draw to draw. Take bootstrap()"
            )
        if self._template.constraints.is_bounded:
            raise ValueError("posterior has no bounds=: give those parameters a prior instead")
        if find_spec("blackjax") is None:
            raise ImportError("posterior draws by blackjax: pip install survjax[bayes]")
