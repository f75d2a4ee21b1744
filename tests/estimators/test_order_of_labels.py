"""Columns with the labels of others in another order are refused: rows go by position."""

import numpy as np
import pandas as pd
import pytest

import survjax as sj

FRAME = pd.DataFrame(
    {
        "duration": [3.0, 5.0, 6.0, 8.0, 9.0, 12.0],
        "failed": [1, 0, 1, 1, 0, 1],
        "load": [0.3, 0.1, 0.9, 0.4, 0.2, 0.8],
        "cause": ["wear", None, "shock", "wear", None, "wear"],
    },
    index=[f"unit {i}" for i in range(6)],
)
TURNED = FRAME.iloc[::-1]
WEIBULL = sj.AcceleratedLifetime("weibull")
TARGET = FRAME[["duration", "failed"]]
CALLS = {
    "lifetime": lambda f: sj.LifetimeModel("weibull").fit(FRAME["duration"], f["failed"]),
    "entry": lambda f: sj.LifetimeModel("weibull").fit(
        FRAME["duration"], FRAME["failed"], entry=f["load"]
    ),
    "curve": lambda f: sj.kaplan_meier(FRAME["duration"], f["failed"]),
    "target": lambda f: sj.survival_target(FRAME["duration"], f["failed"]),
    "columns": lambda f: WEIBULL.fit(f[["load"]], TARGET),
    "cox": lambda f: sj.CoxPH().fit(f[["load"]], TARGET),
    "causes": lambda f: sj.CompetingRisks({"wear": "weibull", "shock": "exponential"}).fit(
        FRAME["duration"], f["cause"]
    ),
    "ages": lambda f: WEIBULL.fit(FRAME[["load"]], TARGET).predict_rul(
        FRAME[["load"]], f["duration"]
    ),
    "weights": lambda f: sj.LifetimeModel("weibull").fit(*AGES, sample_weight=f["load"]),
    "horizons": lambda f: (
        sj.LifetimeModel("weibull")
        .fit(*AGES)
        .failure_probability(FRAME["duration"], horizon=f["load"])
    ),
    "horizons of assets": lambda f: WEIBULL.fit(FRAME[["load"]], TARGET).failure_probability(
        FRAME[["load"]], horizon=f["load"]
    ),
    "offset": lambda f: WEIBULL.fit(FRAME[["load"]], TARGET, offset=f["load"]),
    "entry of cox": lambda f: sj.CoxPH().fit(FRAME[["load"]], TARGET, entry=f["load"]),
    "strata": lambda f: sj.CoxPH().fit(FRAME[["load"]], TARGET, strata=f["cause"]),
    "clusters": lambda f: sj.CoxPH().fit(FRAME[["load"]], TARGET, cluster=f["load"]),
    "strata to predict": lambda f: sj.CoxPH().predict_survival(
        FRAME[["load"]], [1.0], strata=f["load"]
    ),
    "incidence": lambda f: sj.aalen_johansen(FRAME["duration"], f["cause"]),
    "intervals": lambda f: sj.turnbull(FRAME["duration"], f["duration"]),
    "groups": lambda f: sj.log_rank(*AGES, groups=f["load"]),
    "pairs of groups": lambda f: sj.pairwise_log_rank(*AGES, groups=f["load"]),
    "risk": lambda f: sj.concordance(*AGES, f["load"]),
    "survival": lambda f: sj.brier_score(*AGES, f["load"], [4.0]),
    "survival at each time": lambda f: sj.integrated_brier_score(*AGES, f, [4.0]),
    "survival of the score": lambda f: sj.log_score(*AGES, f["load"], [4.0]),
    "risk at a time": lambda f: sj.cumulative_dynamic_auc(*AGES, f["load"], [4.0]),
    "probabilities": lambda f: sj.calibration(*AGES, f["load"], 4.0),
    "bounds": lambda f: sj.interval_coverage(*AGES, FRAME["load"], f["duration"]),
    "dates": lambda f: sj.durations_from_dates(DATES, DATES[f.index]),
    "baseline": lambda f: sj.baselines.LinearRegression().fit(FRAME[["load"]], f["duration"]),
    "periods": lambda f: sj.baselines.DiscreteTimeHazard().fit(f[["load"]], TARGET),
}
AGES = FRAME["duration"], FRAME["failed"]
DATES = pd.Series(pd.date_range("2024-01-01", periods=6), index=FRAME.index)


@pytest.mark.parametrize("call", CALLS)
def test_labels_in_another_order_are_refused_with_the_remedy(call):
    with pytest.raises(ValueError, match=r"in another order.*\.loc\["):
        CALLS[call](TURNED)


def test_times_to_look_at_are_no_rows():
    model = WEIBULL.fit(FRAME[["load"]], TARGET)
    found = model.predict_survival(
        FRAME[["load"]], times=pd.Series([1.0, 2, 3, 4, 5, 6], TURNED.index)
    )
    assert found.shape == (6, 18)


def test_other_labels_and_arrays_go_by_position():
    expected = sj.LifetimeModel("weibull").fit(FRAME["duration"], FRAME["failed"])
    for failed in (FRAME["failed"].to_numpy(), FRAME["failed"].reset_index(drop=True)):
        found = sj.LifetimeModel("weibull").fit(FRAME["duration"], failed)
        assert found.log_likelihood_ == expected.log_likelihood_
    both = sj.LifetimeModel("weibull").fit(TURNED["duration"], TURNED["failed"])
    np.testing.assert_allclose(both.log_likelihood_, expected.log_likelihood_, rtol=1e-12)
