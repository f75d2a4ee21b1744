"""What the README says that one can rely on, for everything that is fitted or estimated.

Nothing changes, beyond rounding, with the unit of time, the order of rows, equal rows written as
one row with a weight, and rows of weight zero.
"""

import dataclasses
import functools
import warnings

import numpy as np
import pytest

from survjax import (
    AcceleratedLifetime,
    CoxPH,
    DeepWeibullMixture,
    FitWarning,
    MixtureRegression,
    ScaledHazard,
    WeibullMixture,
    aalen_johansen,
    brier_score,
    calibration,
    concordance,
    cumulative_dynamic_auc,
    integrated_brier_score,
    interval_coverage,
    kaplan_meier,
    log_rank,
    log_score,
    nelson_aalen,
    turnbull,
)
from survjax.baselines import DiscreteTimeHazard, LinearRegression, LogisticRegression


@dataclasses.dataclass(frozen=True)
class Data:
    """Rows of a small fleet; `hours` is the length of its unit of time."""

    x: np.ndarray
    t: np.ndarray
    event: np.ndarray
    entry: np.ndarray
    risk: np.ndarray
    weight: np.ndarray | None = None
    hours: float = 1.0

    @property
    def y(self):
        return np.column_stack([self.t, self.event])

    @property
    def known(self):
        return {"entry": self.entry, "sample_weight": self.weight}

    def take(self, rows, weight):
        parts = (self.x, self.t, self.event, self.entry, self.risk)
        return Data(*(part[rows] for part in parts), weight)


def fleet(n=60):
    rng = np.random.default_rng(6)
    x = rng.normal(size=(n, 2))
    weak = rng.random(n) < 0.4
    life = np.where(weak, 5 * rng.weibull(1.2, n), 40 * rng.weibull(4.0, n))
    life = life * np.exp(0.2 * x[:, 0])
    limit = rng.uniform(15.0, 70.0, n)
    t = np.minimum(life, limit)
    entry = np.where(rng.random(n) < 0.6, 0.0, 0.5 * rng.random(n) * t)
    risk = 1.0 / (1.0 + np.exp(x[:, 0] + 0.5 * rng.normal(size=n)))
    return Data(x, t, life <= limit, entry, risk)


ONCE = fleet()
COUNT = np.random.default_rng(1).integers(1, 4, ONCE.t.size)
ROWS = np.arange(ONCE.t.size)


def with_empty_rows():
    """The fleet, with seven rows of weight zero that would change everything else."""
    more = np.r_[ROWS, [3, 9, 9, 20, 31, 44, 58]]
    data = ONCE.take(more, np.r_[np.ones(ROWS.size), np.zeros(7)])
    t, event, x = data.t.copy(), data.event.copy(), data.x.copy()
    t[-7:] *= 1.37
    event[-7:] = ~event[-7:]
    x[-7:] += 2.0
    return dataclasses.replace(data, t=t, event=event, x=x)


def in_hours(data, hours=8760.0):
    return dataclasses.replace(data, t=data.t * hours, entry=data.entry * hours, hours=hours)


ORDER = np.random.default_rng(4).permutation(ROWS.size)
CHANGES = {
    "the unit of time": (ONCE, in_hours(ONCE)),
    "the order of rows": (ONCE, ONCE.take(ORDER, None)),
    "equal rows as a weight": (ONCE.take(np.repeat(ROWS, COUNT), None), ONCE.take(ROWS, COUNT)),
    "rows of weight zero": (ONCE, with_empty_rows()),
}

# Each gives times, and numbers that do not depend on the unit of time.


def mixture(k, d):
    model = WeibullMixture(k).fit(d.t, d.event, **d.known)
    times = np.r_[model.scales_, model.predict(np.array([0.0, 20.0]) * d.hours)]
    return times, np.r_[model.shapes_, model.weights_, np.sqrt(np.diag(model.covariance_))]


def intervals(d):
    upper = np.where(d.event, d.t * 1.1, np.inf)
    model = WeibullMixture(1).fit_interval(d.t * 0.9, upper, sample_weight=d.weight)
    return model.scales_, np.r_[model.shapes_, np.sqrt(np.diag(model.covariance_))]


def regression(make, d):
    model = make().fit(d.x, d.y, **d.known)
    ages = np.array([0.0, 10.0]) * d.hours
    times = model.predict_quantile(ONCE.x[:2], (0.1, 0.5), ages=ages).to_numpy()
    survival = model.predict_survival(ONCE.x[:3], np.array([5.0, 20.0]) * d.hours)
    return times.ravel(), survival.to_numpy().ravel()


def cox(d, **settings):
    model = CoxPH(**settings).fit(d.x, d.y, **d.known)
    survival = model.predict_survival(ONCE.x[:3], np.array([5.0, 20.0]) * d.hours)
    return [], np.r_[model.coef_, model.covariance_.ravel(), survival.to_numpy().ravel()]


def penalized(d):
    model = AcceleratedLifetime(penalty="cv").fit(d.x, d.y, **d.known)
    return [], model.parameters_[1:3]


def deep(d):
    model = DeepWeibullMixture(2, layers=(4,), n_members=1, max_epochs=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # five epochs are not meant to be enough
        model.fit(d.x, d.y, sample_weight=d.weight)
    return model.predict(ONCE.x[:3]), []


def linear(d):
    model = LinearRegression().fit(d.x, d.t, sample_weight=d.weight)
    return np.r_[model.predict(ONCE.x[:3])], []


def logistic(d):
    model = LogisticRegression().fit(d.x, d.event, sample_weight=d.weight)
    return [], np.asarray(model.predict_proba(ONCE.x[:3])).ravel()


def periods(d):
    edges = np.array([0.0, 4.0, 12.0, 30.0, 80.0]) * d.hours
    model = DiscreteTimeHazard(edges=edges).fit(d.x, d.y, **d.known)
    return [], model.predict_survival(
        ONCE.x[:3], np.array([5.0, 20.0]) * d.hours
    ).to_numpy().ravel()


def equal_periods(d):
    model = DiscreteTimeHazard(5).fit(d.x, d.y, **d.known)
    return model.edges_, model.coef_


def curve(estimate, d):
    found = estimate(d.t, d.event, **d.known)
    kept = found.events > 0
    table = (found.values, found.lower, found.upper, found.at_risk, found.variance)
    return found.times[kept], np.concatenate([part[kept] for part in table])


def from_intervals(d):
    upper = np.where(d.event, np.ceil(d.t / d.hours) * d.hours, np.inf)
    lower = np.floor(d.t / d.hours) * d.hours
    found = turnbull(lower, upper, sample_weight=d.weight)
    return [], found(np.array([5.0, 10.0, 20.0, 30.0]) * d.hours)


def several_causes(d):
    causes = np.where(d.event, 1 + (d.x[:, 1] > 0), 0)
    if d.weight is not None:
        causes = np.where(d.weight > 0, causes, 0)
    found = aalen_johansen(d.t, causes, **d.known)
    at = np.array([5.0, 10.0, 20.0, 30.0]) * d.hours
    return [], np.concatenate([found.survival(at), *(found[cause](at) for cause in found.causes)])


def two_groups(d):
    strata = (d.x[:, 1] > 0).astype(int)
    found = log_rank(d.t, d.event, groups=(d.x[:, 0] > 0).astype(int), strata=strata, **d.known)
    return [], [found.statistic, found.p_value, found.df]


def predicted(d, at):
    """Survival predicted for each row, at times in its own unit."""
    return np.exp(-np.outer(d.risk, at / 20.0))


AT = np.array([5.0, 10.0, 20.0])


def scores(score, d):
    found = score(d.t, d.event, predicted(d, AT), AT * d.hours, sample_weight=d.weight)
    return [], np.ravel(found)


def pairs(weighting, d):
    horizon = 50.0 * d.hours if weighting == "uno" else None
    found = concordance(
        d.t, d.event, d.risk, weighting=weighting, horizon=horizon, sample_weight=d.weight
    )
    return [], [found.index]


def areas(d):
    found = cumulative_dynamic_auc(d.t, d.event, d.risk, AT * d.hours, sample_weight=d.weight)
    return [], np.r_[found.auc, found.mean]


def groups(d):
    found = calibration(d.t, d.event, d.risk, 10.0 * d.hours, n_groups=4, sample_weight=d.weight)
    return [], np.r_[found.predicted, found.observed, found.lower, found.upper, found.n_units]


def inside(d):
    lower, upper = 5.0 * d.risk * d.hours, 60.0 * d.risk * d.hours
    found = interval_coverage(d.t, d.event, lower, upper, sample_weight=d.weight)
    return [], [found.share, found.below, found.above]


PROCEDURES = {
    "Weibull": functools.partial(mixture, 1),
    "Weibull mixture": functools.partial(mixture, 2),
    "Weibull from intervals": intervals,
    **{
        f"accelerated life, {family}": functools.partial(
            regression, functools.partial(AcceleratedLifetime, family)
        )
        for family in ("weibull", "lognormal", "loglogistic", "exponential")
    },
    "accelerated life, penalty by cross-validation": penalized,
    "scaled hazard": functools.partial(regression, ScaledHazard),
    "mixture regression": functools.partial(
        regression, functools.partial(MixtureRegression, 2, on=("scale",), n_starts=2)
    ),
    "Cox": cox,
    "Cox, Breslow": functools.partial(cox, ties="breslow"),
    "deep mixture": deep,
    "linear regression": linear,
    "logistic regression": logistic,
    "hazards by period": periods,
    "hazards by periods of equal failures": equal_periods,
    "Kaplan-Meier": functools.partial(curve, kaplan_meier),
    "Nelson-Aalen": functools.partial(curve, nelson_aalen),
    "Turnbull": from_intervals,
    "Aalen-Johansen": several_causes,
    "log-rank": two_groups,
    "Brier score": functools.partial(scores, brier_score),
    "integrated Brier score": functools.partial(scores, integrated_brier_score),
    "log score": functools.partial(scores, log_score),
    "Harrell's concordance": functools.partial(pairs, "harrell"),
    "Uno's concordance": functools.partial(pairs, "uno"),
    "dynamic AUC": areas,
    "calibration": groups,
    "interval coverage": inside,
}
CV, DEEP = "accelerated life, penalty by cross-validation", "deep mixture"


def case(name, change):
    return pytest.param(name, change, id=f"{name}: {change}")


@functools.cache
def found(name, first):
    """The result of a procedure on the first data of a change, computed once."""
    data = ONCE if first == "once" else CHANGES["equal rows as a weight"][0]
    return run(name, data)


def run(name, data):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "[0-9]+ of [0-9]+ failures share", FitWarning)
        times, numbers = PROCEDURES[name](data)
    return np.asarray(times, float), np.asarray(numbers, float)


@pytest.mark.parametrize(
    ("name", "change"), [case(name, change) for name in PROCEDURES for change in CHANGES]
)
def test_what_the_readme_promises_not_to_matter_does_not(name, change):
    times, numbers = found(name, "repeated" if change == "equal rows as a weight" else "once")
    data = CHANGES[change][1]
    other_times, other_numbers = run(name, data)
    np.testing.assert_allclose(other_times / data.hours, times, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(other_numbers, numbers, rtol=1e-6, atol=1e-9)
