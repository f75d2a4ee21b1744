"""Durations alone mean that all failed; a column that says otherwise is asked for."""

import numpy as np
import pandas as pd
import pytest

from survjax import AcceleratedLifetime, CoxPH, DeepWeibullMixture, FitWarning, Observations

N = 60


@pytest.fixture
def table():
    random = np.random.default_rng(0)
    failed = random.random(N) < 0.7
    return pd.DataFrame(
        {"load": random.normal(size=N), "age": random.weibull(2.0, N), "failed": failed}
    )


@pytest.mark.parametrize(
    "model",
    [CoxPH(), AcceleratedLifetime(), DeepWeibullMixture(1, n_members=2, max_epochs=2)],
    ids=["Cox", "accelerated", "deep"],
)
def test_events_among_covariates_are_asked_for(model, table):
    x = table[["load", "failed"]]
    message = "all 60 rows count as failures, while column 'failed' of X holds 0 and 1: if it says"
    with pytest.warns(FitWarning, match=message) as told:
        model.fit(x, table["age"])
    assert len(told) == 1 and told[0].filename == __file__
    # Events that are given, and columns of other names, are nobody's business.
    model.fit(table[["load"]].assign(hot=table["failed"]), table["age"])
    model.fit(x, np.column_stack([table["age"], np.arange(N) % 5 > 0]))


def test_predictions_and_scores_are_not_asked(table):
    with pytest.warns(FitWarning):
        model = AcceleratedLifetime().fit(table[["load", "failed"]], table["age"])
    model.score(table[["load", "failed"]], table["age"])


@pytest.mark.parametrize("name", ["failed", "Event", "event_observed", "unit_status", "DEATH"])
def test_a_frame_without_an_event_is_asked_for_the_column_that_looks_like_one(table, name):
    renamed = table.rename(columns={"failed": name})
    with pytest.warns(UserWarning, match=f"60 rows counts as a failure.*event='{name}'?") as told:
        rows = Observations.from_frame(renamed, duration="age")
    assert told[0].filename == __file__ and rows.n_events == N
    Observations.from_frame(renamed, duration="age", event=name)


@pytest.mark.parametrize("name", ["red", "eventually", "filed"])
def test_other_flags_are_not_taken_for_events(table, name):
    renamed = table.rename(columns={"failed": name})
    assert Observations.from_frame(renamed, duration="age").n_events == N
    everyone = table.assign(failed=True)
    assert Observations.from_frame(everyone, duration="age").n_events == N
