r"""Proper priors on parameters: what is known of them before these units were seen.

A fit with `priors=` maximizes the log-likelihood plus the log density of each prior. Densities are
those of the parameter on its link scale (the log of a scale or a shape, the logit of a share), so
that the answer depends neither on the unit of time nor on whether a parameter or its log is asked
for. A parameter without a prior is flat there: of a scale that is the density 1 / scale.

Examples
--------
One failure says nothing of a shape; a prior of earlier units of the kind does:

>>> from survjax import LifetimeModel, priors
>>> known = priors.LogNormal.between(1.5, 3.0)
>>> lives, failed = [500.0, 800.0, 800.0, 1000.0, 1000.0], [1, 0, 0, 0, 0]
>>> model = LifetimeModel("weibull", priors={"shape": known}).fit(lives, failed)
>>> round(float(model.lifetime_.shape), 1)
2.1
"""

from survjax.priors._densities import Beta, Dirichlet, Gamma, LogNormal, Normal, Prior, Terms

__all__ = ["Beta", "Dirichlet", "Gamma", "LogNormal", "Normal", "Prior", "Terms"]
