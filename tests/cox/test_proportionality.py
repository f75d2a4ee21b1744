"""The test of proportional hazards, against R's cox.zph.

The numbers are those of R's survival 3.5-3:

    library(survival)
    i <- 1:40
    d <- data.frame(t = (i * i * 3 + i) %% 19 + 1, e = as.integer(i %% 5 != 0),
                    x = (i * 17) %% 23 / 10, z = as.integer(i %% 3 == 0),
                    s = as.integer(i %% 7 > 3), w = 1 + (i * 5) %% 4)
    d$a <- floor(d$t * ((i * 7) %% 10) / 20)
    exact <- coxph.control(eps = 1e-13, toler.chol = 1e-14)
    show <- function(..., clock = NULL) for (g in c("km", "rank", "log", "identity")) {
      fit <- coxph(..., control = exact)
      found <- cox.zph(fit, if (is.null(clock) || g %in% c("log", "identity")) g else clock[[g]])
      cat(sprintf("%.12g", found$table[, 1]), "\n")
    }
    show(Surv(t, e) ~ x + z + strata(s), d)                                      # strata
    show(Surv(a, t, e) ~ x + z, d)                                               # late
    show(Surv(a, t, e) ~ x + z + strata(s), d)                                   # late strata
    # R's clock counts rows, not their weights: rows of whole weights are repeated, ...
    r <- d[rep(i, d$w), ]
    show(Surv(t, e) ~ x + z, r, ties = "breslow")                                # weights
    show(Surv(a, t, e) ~ x + z + strata(s), r, ties = "breslow")                 # everything
    # ... and fractions are given a clock that counts them.
    f <- d; f$w <- d$w / 3
    curve <- survfit(Surv(t, e) ~ 1, f, weights = w)
    clock <- list(
      km = function(t) 1 - c(1, curve$surv)[findInterval(t, curve$time, left.open = TRUE) + 1],
      rank = function(t) sapply(t, function(u) sum(f$w[f$t < u]) + sum(f$w[f$t == u]) / 2))
    show(Surv(t, e) ~ x + z + strata(s), f, weights = w, ties = "breslow",
         clock = clock)                                                          # fractions
"""

import numpy as np
import pytest

from survjax import CoxPH
from survjax.cox import Penalty, fit_cox, proportionality_test

TRANSFORMS = ("km", "rank", "log", "identity")
NUMBER = np.arange(1, 41)
TIME, EVENT = (NUMBER * NUMBER * 3 + NUMBER) % 19 + 1.0, NUMBER % 5 != 0
X = np.column_stack([(NUMBER * 17) % 23 / 10, NUMBER % 3 == 0])
STRATA, WEIGHT = NUMBER % 7 > 3, 1.0 + (NUMBER * 5) % 4
ENTRY = np.floor(TIME * ((NUMBER * 7) % 10) / 20)

# Options of the fit, and chi-squared of x, of z and of both for each transform.
FROM_R = {
    "strata": (
        {"strata": STRATA},
        [
            [2.55581993949, 0.0135975397353, 2.56983643113],
            [3.60987158887, 0.00122610693099, 3.66472847076],
            [6.62369508392, 0.0199204666284, 6.65807388029],
            [3.11403330162, 0.0374274145715, 3.11605743872],
        ],
    ),
    "late": (
        {"entry": ENTRY},
        [
            [1.29092995685, 0.26269654121, 1.62159065041],
            [1.35531730216, 0.178650578512, 1.59197088877],
            [3.50555883513, 0.272788181531, 3.86477512474],
            [1.00529430812, 0.325621919234, 1.40381431291],
        ],
    ),
    "late strata": (
        {"entry": ENTRY, "strata": STRATA},
        [
            [2.57238210387, 0.0718702829912, 2.58463715178],
            [2.5624290459, 0.0300106095636, 2.5627272584],
            [5.03462326818, 0.115157744282, 5.0764739645],
            [2.1411035575, 0.109368228596, 2.1792269071],
        ],
    ),
    "weights": (
        {"sample_weight": WEIGHT, "ties": "breslow"},
        [
            [5.03480430847, 0.167883456451, 5.05590530464],
            [6.57106426017, 0.0493285631461, 6.57641296692],
            [13.2698692937, 0.236172861058, 13.2751843715],
            [5.98681170057, 0.219489203078, 6.0218736945],
        ],
    ),
    "everything": (
        {"entry": ENTRY, "strata": STRATA, "sample_weight": WEIGHT, "ties": "breslow"},
        [
            [7.8699215886, 0.950038473128, 7.95647277187],
            [6.70634360322, 0.458415572498, 6.71597421326],
            [12.1828266654, 1.18081906839, 12.2377105104],
            [5.96364365828, 0.858252419146, 6.12686007385],
        ],
    ),
    "fractions": (
        {"strata": STRATA, "sample_weight": WEIGHT / 3, "ties": "breslow"},
        [
            [2.61377036658, 0.0967733699499, 2.63006779446],
            [3.12285080508, 0.0408650447131, 3.19492932256],
            [5.160827089, 0.139559406627, 5.21651192],
            [2.83452359607, 0.122338707859, 2.84099773431],
        ],
    ),
}


def drifts(transform, x=X, time=TIME, event=EVENT, ties="efron", penalty=0.0, **rows):
    """The statistics and degrees of freedom of a `CoxPH`, columns first, then overall."""
    y = np.column_stack([time, event])
    return CoxPH(ties=ties, penalty=penalty).fit(x, y, **rows).proportionality(transform)


@pytest.mark.parametrize("place", range(4), ids=TRANSFORMS)
@pytest.mark.parametrize("case", FROM_R)
def test_strata_weights_and_late_entry_agree_with_R(case, place):
    options, expected = FROM_R[case]
    found = drifts(TRANSFORMS[place], **options)["statistic"]
    np.testing.assert_allclose(found, expected[place], rtol=1e-8, atol=1e-9)


def test_the_clock_of_strata_is_the_curve_of_all_rows():
    # Strata without a failure at a time are at risk all the same: the clock is 0, 1/8, ..., 7/8.
    x = np.array([[0, 1, 1, 0, 1, 0, 0, 1]], float).T
    rows = {"x": x, "time": np.arange(1.0, 9.0), "event": np.ones(8), "strata": [0, 1] * 4}
    found = drifts("km", **rows)
    assert found["statistic"]["overall"] == pytest.approx(0.0254777, rel=1e-5)
    even = drifts("identity", **rows)
    np.testing.assert_allclose(found["statistic"], even["statistic"], rtol=1e-10)


def test_ranks_are_those_of_merged_times():
    rows = {"x": np.array([[0, 1, 1, 0, 1, 0, 0, 1]], float).T, "event": [1, 1, 1, 1, 0, 1, 1, 1]}
    found = drifts("rank", time=[0.1, 0.2, 0.3, 0.1 + 0.2, 0.4, 0.6, 0.1 * 7, 0.7], **rows)
    assert found["statistic"]["overall"] == pytest.approx(0.001879986, rel=1e-6)
    whole = drifts("rank", time=[1, 2, 3, 3, 4, 6, 7, 7], **rows)
    np.testing.assert_allclose(found["statistic"], whole["statistic"], rtol=1e-10)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_rows_of_no_weight_change_no_clock(transform):
    options = {"entry": ENTRY, "strata": STRATA}
    plain = drifts(transform, **options)
    copies = {name: np.concatenate([part, part]) for name, part in options.items()}
    more = drifts(
        transform,
        x=np.concatenate([X, X[::-1]]),
        time=np.concatenate([TIME, TIME + 0.5]),
        event=np.concatenate([EVENT, EVENT]),
        sample_weight=np.repeat([1.0, 0.0], 40),
        **copies,
    )
    np.testing.assert_allclose(more["statistic"], plain["statistic"], rtol=1e-9)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_the_unit_of_time_does_not_matter(transform, unit):
    np.testing.assert_allclose(
        drifts(transform, time=TIME * unit)["statistic"], drifts(transform)["statistic"], rtol=1e-8
    )


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_failures_at_one_time_only_are_an_error(transform):
    x = [[0.0], [1.0], [1.0], [0.0], [1.0], [0.0], [0.0], [1.0]]
    with pytest.raises(ValueError, match="two or more times of the clock, got 8 .*them at 3"):
        drifts(transform, x, np.full(8, 3.0), np.ones(8))


def test_failures_with_nobody_else_at_risk_tell_no_drift():
    # Both kinds are at risk together at one time only, in stratum "a".
    rows = {"time": [2, 2, 2, 2, 3, 4.0], "event": [1, 1, 0, 0, 1, 0], "strata": [*"aaaabb"]}
    with pytest.raises(ValueError, match="cannot tell whether any coefficient drifts"):
        drifts("rank", [[0.0], [1.0], [0.0], [1.0], [1.0], [1.0]], **rows)


def test_the_drifts_of_more_columns_than_times_are_counted_by_what_is_told():
    rng = np.random.default_rng(0)
    x, time = rng.normal(size=(30, 5)), np.repeat([1.0, 2.0, 3.0], 10)
    found = proportionality_test(fit_cox(time, None, x, ties="breslow"), "rank")
    # Three risk sets with Breslow's ties: the last has all failures in it, and each has its V.
    assert found.overall.df == 5
    assert np.isfinite(found.statistic).all()
    few = proportionality_test(fit_cox([1, 1, 2, 2, 3, 4], [1, 0, 1, 0, 1, 1], x[:6, :2]), "rank")
    assert few.overall.df == 2


def test_columns_that_repeat_each_other_under_a_penalty_have_one_drift():
    y, double = np.column_stack([TIME, EVENT]), X[:, [0, 0]]
    alone = CoxPH(penalty=0.02).fit(X[:, :1], y).proportionality()
    both = CoxPH(penalty=0.04).fit(double, y).proportionality()
    assert both["df"].tolist() == [1, 1, 1]
    np.testing.assert_allclose(both["statistic"], alone["statistic"]["overall"], rtol=1e-8)


def test_weights_must_be_those_of_the_fit():
    fit = fit_cox(TIME, EVENT, X, sample_weight=WEIGHT, penalty=Penalty())
    with pytest.raises(ValueError, match=r"sample_weight must be what the fit .* rows differ"):
        proportionality_test(fit)


def test_the_log_of_a_failure_at_time_zero_is_an_error():
    time = np.where(NUMBER == 1, 0.0, TIME)
    with pytest.raises(ValueError, match='"log" must be above zero, got 0 .*"rank"'):
        drifts("log", time=time)
    with pytest.raises(ValueError, match=r"must be .* or \"identity\", got 'sqrt'"):
        drifts("sqrt")
