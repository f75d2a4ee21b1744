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
}


@pytest.mark.parametrize("call", CALLS)
def test_labels_in_another_order_are_refused_with_the_remedy(call):
    with pytest.raises(ValueError, match=r"in another order.*\.loc\["):
        CALLS[call](TURNED)


def test_other_labels_and_arrays_go_by_position():
    expected = sj.LifetimeModel("weibull").fit(FRAME["duration"], FRAME["failed"])
    for failed in (FRAME["failed"].to_numpy(), FRAME["failed"].reset_index(drop=True)):
        found = sj.LifetimeModel("weibull").fit(FRAME["duration"], failed)
        assert found.log_likelihood_ == expected.log_likelihood_
    both = sj.LifetimeModel("weibull").fit(TURNED["duration"], TURNED["failed"])
    np.testing.assert_allclose(both.log_likelihood_, expected.log_likelihood_, rtol=1e-12)
