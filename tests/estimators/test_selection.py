"""Choosing the number of components: the table, the criteria by hand, and the right K."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import survjax
from survjax import WeibullMixture

N = 250


def lives(k, seed=0):
    """Lives of k kinds that keep well apart, one in ten still running."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, k, N)
    t = np.array([10.0, 100.0, 1000.0])[kind] * rng.weibull(np.array([5.0, 6.0, 8.0])[kind])
    return t, rng.random(N) < 0.9


@pytest.fixture(scope="module")
def chosen():
    return {c: WeibullMixture(c, max_components=3).fit(*lives(2)) for c in ("bic", "aic", "icl")}


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("criterion", ["bic", "icl"])
def test_the_number_of_kinds_is_found_where_they_keep_apart(k, criterion):
    model = WeibullMixture(criterion, max_components=3).fit(*lives(k, seed=4))
    assert model.weights_.size == k
    assert model.converged_


def test_the_table_holds_every_number_that_was_tried(chosen):
    for criterion, model in chosen.items():
        table = model.selection_
        assert isinstance(table, pd.DataFrame)
        assert list(table.columns) == [
            "n_components", "log_likelihood", "aic", "bic", "icl", "converged",
        ]  # fmt: skip
        assert table["n_components"].tolist() == [1, 2, 3]
        good = table[table["converged"]]
        assert good.loc[good[criterion].idxmin(), "n_components"] == model.weights_.size
        # The same fits compete, whatever the criterion.
        np.testing.assert_allclose(table.iloc[:, :5], chosen["bic"].selection_.iloc[:, :5])


def test_whether_someone_looked_at_the_table_changes_no_file_and_no_copy(tmp_path):
    model = WeibullMixture("bic", max_components=2).fit(*lives(1, seed=4))
    assert not isinstance(vars(model)["selection_"], pd.DataFrame)
    twin = pickle.loads(pickle.dumps(model))
    model.save(tmp_path / "before.json")
    table = model.selection_
    assert model.selection_ is table
    model.save(tmp_path / "after.json")
    assert (tmp_path / "before.json").read_bytes() == (tmp_path / "after.json").read_bytes()
    pd.testing.assert_frame_equal(twin.selection_, table)
    pd.testing.assert_frame_equal(survjax.load(tmp_path / "before.json").selection_, table)
    del model.selection_
    with pytest.raises(AttributeError, match="'WeibullMixture' object has no attribute 'selec"):
        _ = model.selection_


def test_the_criteria_are_those_of_their_definitions(chosen):
    table = chosen["bic"].selection_
    size = 3 * table["n_components"] - 1
    np.testing.assert_allclose(table["aic"], 2 * size - 2 * table["log_likelihood"])
    np.testing.assert_allclose(table["bic"], size * np.log(N) - 2 * table["log_likelihood"])
    assert table["icl"][0] == pytest.approx(table["bic"][0], abs=1e-9)
    model = chosen["bic"]
    t, event = lives(2)
    law = stats.weibull_min(model.shapes_, scale=model.scales_)
    joint = model.weights_ * np.where(event[:, None], law.pdf(t[:, None]), law.sf(t[:, None]))
    member = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(member, model.membership(t, event, level=None), atol=1e-9)
    entropy = stats.entropy(member, axis=1).sum()
    k = model.weights_.size
    assert table["icl"][k - 1] == pytest.approx(table["bic"][k - 1] + 2 * entropy, rel=1e-9)


def test_the_choice_is_the_fit_of_that_number(chosen):
    model = chosen["bic"]
    direct = WeibullMixture(model.weights_.size).fit(*lives(2))
    np.testing.assert_allclose(model.parameters_, direct.parameters_, rtol=1e-8)
    np.testing.assert_allclose(model.covariance_, direct.covariance_, rtol=1e-5, atol=1e-9)
    assert model.bic_ == pytest.approx(direct.bic_, rel=1e-12)
    np.testing.assert_allclose(
        model.predict_rul([5.0, 50.0]), direct.predict_rul([5.0, 50.0]), rtol=1e-6
    )
    assert model.n_components == "bic"
    assert model.history_["log_likelihood"].iloc[-1] == pytest.approx(model.log_likelihood_)


def test_fitting_a_number_afterwards_leaves_no_table_behind(chosen):
    model = WeibullMixture("bic", max_components=2).fit(*lives(2))
    model.set_params(n_components=1).fit(*lives(2))
    assert not hasattr(model, "selection_")
