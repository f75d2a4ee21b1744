"""Fits of groups that borrow strength from each other."""

from __future__ import annotations

import warnings

import numpy as np

from survjax._core.callers import users_level
from survjax.estimators.groups.answers import Answers
from survjax.estimators.groups.fits import GroupFits
from survjax.estimators.groups.saved import Counts
from survjax.estimators.messages import FitWarning, NoFiniteMaximum
from survjax.fitting.groups.pooling import pooled


def pooled_fits(fits: GroupFits) -> GroupFits:
    """The same groups, each drawn to what all have in common."""
    answers, groups = fits._answers, fits._groups
    template = answers.template
    assert not isinstance(groups, Counts)  # those of a file are not pooled again
    if template is None or template.constraints.is_any or template.n_components > 1:
        raise ValueError(
            "pooling='empirical-bayes' is for lifetimes of one component whose family is given "
            f"before the data and of which nothing is held, got {fits.estimator!r}"
        )
    assert answers.own is not None
    found = pooled(template, groups, answers.own, fits.estimator._settings())
    if found is None:
        raise NoFiniteMaximum(
            f"pooling='empirical-bayes' learns from groups that have a maximum of their own what "
            f"groups have in common, and only {int(answers.converged.sum())} of {len(fits)} have "
            f"one: at least {template.size + 2} are needed"
        )
    if not found.settled:
        warnings.warn(
            "what the groups have in common did not settle: bounds of pooled groups are rough. "
            "Leave out groups that are of another kind, or pool more of them",
            FitWarning,
            stacklevel=users_level(),
        )
    own = answers.converged
    shrunk = Answers(
        template,
        found.x,
        found.covariance,
        {},
        np.full(len(fits), np.nan),
        found.converged,
        ["pooled" if good else "not converged" for good in found.converged],
        [
            "has a maximum of its own" if good else f"no maximum of its own: {reason}"
            for good, reason in zip(own, answers.message, strict=True)
        ],
        answers.own,
    )
    return GroupFits.of(fits.keys, fits.estimator, groups, shrunk, fits._duration, fits, found)
