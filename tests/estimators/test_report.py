"""The tables of a fit say what its attributes say, and show no one else's HTML."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import survjax
from survjax import WeibullMixture


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    lives = np.concatenate([5.0 * rng.weibull(0.8, 80), 40.0 * rng.weibull(3.0, 120)])
    ends = rng.uniform(15.0, 70.0, 200)
    return np.minimum(lives, ends), lives <= ends


@pytest.fixture(scope="module")
def models(data):
    return {k: WeibullMixture(k).fit(*data) for k in (1, 2)}


def test_the_summary_holds_the_estimates_their_errors_and_bounds(models):
    model = models[2]
    table = model.summary()
    assert list(table.index) == [
        *(f"{name}_{i}" for name in ("weight", "scale", "shape") for i in (1, 2)),
        "mean",
        "q10",
        "q50",
    ]
    natural = np.concatenate([model.weights_, model.scales_, model.shapes_])
    np.testing.assert_array_equal(table["estimate"][:6], natural)
    assert np.all((table["lower"] < table["estimate"]) & (table["estimate"] < table["upper"]))
    error = np.sqrt(np.diag(model.covariance_))
    np.testing.assert_allclose(table["standard_error"][2:6], natural[2:] * error[1:], rtol=1e-9)
    for name in ("weights", "scales", "shapes"):
        lower, upper = model.confidence_interval(name)
        rows = [f"{name[:-1]}_{i}" for i in (1, 2)]
        np.testing.assert_array_equal(table.loc[rows, "lower"], lower)
        np.testing.assert_array_equal(table.loc[rows, "upper"], upper)
    assert list(table["bounds"]) == ["profile"] * 6 + ["delta"] * 3


def test_the_summary_of_the_fleet_is_that_of_predict_rul_at_birth(models):
    table, rul = models[2].summary(), models[2].predict_rul([0.0], (0.1, 0.5)).iloc[0]
    for name in ("mean", "q10", "q50"):
        row = table.loc[name, ["estimate", "lower", "upper"]].to_numpy(float)
        np.testing.assert_allclose(row, rul[[name, f"{name}_lower", f"{name}_upper"]], rtol=1e-10)


def test_the_summary_of_one_weibull_has_no_weight(models):
    table = models[1].summary(level=0.9)
    assert list(table.index) == ["scale_1", "shape_1", "mean", "q10", "q50"]
    assert set(table["bounds"]) == {"delta"}
    assert len(str(table).splitlines()[0]) <= 80


@pytest.mark.parametrize("k", [1, 2])
def test_the_history_climbs_from_the_start_to_the_answer(models, k):
    model = models[k]
    table = model.history_
    assert isinstance(table, pd.DataFrame) and table is model.history_
    np.testing.assert_array_equal(table["iteration"], np.arange(len(table)))
    last = table.iloc[-1]
    assert last["log_likelihood"] == pytest.approx(model.log_likelihood_, abs=1e-6)
    assert last["log_likelihood"] >= table["log_likelihood"].iloc[0]
    for name in ("weight", "scale", "shape"):
        found = last[[f"{name}_{i + 1}" for i in range(k)]].to_numpy(float)
        np.testing.assert_allclose(found, getattr(model, f"{name}s_"), rtol=1e-5)
    weights = table[[f"weight_{i + 1}" for i in range(k)]].sum(axis=1)
    np.testing.assert_allclose(weights, 1.0)


def test_a_new_fit_forgets_the_old_ones_tables(data):
    model = WeibullMixture(1).fit(*data)
    before = model.history_
    model.fit(2.0 * data[0], data[1])
    assert model.history_ is not before
    assert model.history_["scale_1"].iloc[-1] == pytest.approx(model.scales_[0], rel=1e-5)


class Balanced(HTMLParser):
    """Collects tags, and fails where they do not close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.open.append(tag)
        assert not any(name.startswith("on") or name in ("src", "href") for name, _ in attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parsed(html):
    found = Balanced()
    found.feed(html)
    assert found.open == []
    return found


def test_the_notebook_table_escapes_every_string_and_asks_no_other_host(data):
    model = WeibullMixture(1, random_state=7).fit(*data)
    model.set_params(rounding="<img src=x onerror=alert(1)>", resolution="</style><script>")
    found = parsed(model._repr_html_())
    assert found.seen <= {"div", "style", "strong", "table", "caption", "thead", "tbody"} | {
        "tr",
        "th",
        "td",
    }
    assert "<img src=x onerror=alert(1)>" in "".join(found.text)
    assert "http" not in model._repr_html_()


def test_the_notebook_table_says_what_the_fit_stands_on(models, data):
    text = " ".join(parsed(models[2]._repr_html_()).text)
    assert "interior maximum" in text and f"{models[2].bic_:.6g}" in text
    assert "not fitted yet" in WeibullMixture()._repr_html_()
    chosen = WeibullMixture("bic", max_components=2).fit(*data)
    assert "Number of components" in chosen._repr_html_()


def test_the_notebook_table_of_several_components_shows_no_bounds_that_are_too_short(data):
    model = WeibullMixture(2).fit(*data)
    assert "call summary()" in model._repr_html_()
    model.summary()
    assert "call summary()" not in model._repr_html_() and "profile" in model._repr_html_()


@pytest.mark.parametrize(
    "model",
    [
        survjax.LifetimeModel("gompertz"),
        survjax.WeibullMixture(1),
        survjax.AcceleratedLifetime(penalty=0.1),
        survjax.CoxPH(),
        survjax.ScaledHazard(),
        survjax.MixtureRegression(1),
    ],
)
def test_printing_a_fit_shows_its_arguments_its_rows_and_its_likelihood(model):
    assert str(model) == repr(model)
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(50, 1)), np.full(50, 40.0)
    y = np.column_stack([rng.weibull(2.0, 50), np.arange(50) % 5 > 0])
    call = (y[:, 0], y[:, 1]) if hasattr(model, "fit_interval") else (x, y)
    model.fit(*call, sample_weight=weight)
    first, *components, counts, last = str(model).splitlines()
    assert first == repr(model)
    assert counts == "2,000 units, 1,600 failures"
    assert last == f"log-likelihood {model.log_likelihood_:.8g}"
    assert components == (["1 component"] if isinstance(model, survjax.WeibullMixture) else [])
    assert repr(model).startswith(f"{type(model).__name__}(") and "units" not in repr(model)
