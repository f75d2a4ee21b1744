"""Pictures of regressions show the numbers that the tables hold."""

import itertools

import numpy as np
import pandas as pd
import pytest

from survjax import AcceleratedLifetime, CoxPH, FitWarning, kaplan_meier
from survjax.plotting import plot_asset_rul, plot_effects, plot_partial_survival
from survjax.plotting.style import png


@pytest.fixture(scope="module")
def model_and_table():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(80, 2)), columns=["load", "heat"])
    lives = np.exp(2.0 - 0.5 * table["load"].to_numpy()) * rng.weibull(2.0, 80)
    return AcceleratedLifetime().fit(table, lives), table


def test_the_forest_has_one_row_a_covariate_at_its_ratio(model_and_table):
    model, _ = model_and_table
    ax = plot_effects(model)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["load", "heat"]
    points = ax.lines[-1].get_xdata()
    np.testing.assert_allclose(points, np.exp(model.coef_))
    assert ax.get_xlabel() == "factor on life per unit of the covariate"
    with pytest.raises(ValueError, match="there are effects on log_scale"):
        plot_effects(model, predictor="log_shape")


def test_the_forest_leaves_out_the_intercept_and_no_covariate(model_and_table):
    _, table = model_and_table
    named = table.set_axis(["pump:intercept", *table.columns[1:]], axis=1)
    y = np.exp(named["pump:intercept"]) * np.random.default_rng(1).weibull(2.0, len(named))
    ax = plot_effects(AcceleratedLifetime().fit(named, y))
    assert [label.get_text() for label in ax.get_yticklabels()] == list(named.columns)


def test_effects_without_bounds_are_points_on_an_axis_that_can_be_read():
    leak = np.arange(60) % 2
    y = np.column_stack([2.0 + np.arange(60) % 7, leak])
    table = pd.DataFrame({"leak": leak})
    with pytest.warns(FitWarning, match="no proper maximum"):
        model = AcceleratedLifetime().fit(table, y)
    ax = plot_effects(model)
    png(ax)
    assert ax.get_legend() is None and not ax.collections
    ticks = [label for label in ax.get_xticklabels() if label.get_text()]
    boxes = [label.get_window_extent() for label in ticks]
    assert len(boxes) >= 3
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))


def test_names_are_no_formulas_and_leave_room(model_and_table):
    _, table = model_and_table
    names = ["price $x", "$\\frac$" + "ab" * 50]
    named = table.set_axis(names, axis=1)
    y = np.exp(table["load"]) * np.random.default_rng(1).weibull(2.0, len(named))
    model = AcceleratedLifetime().fit(named, y)
    for ax in (
        plot_effects(model),
        plot_partial_survival(model, named, names[1], [0.0, 1.0, 2.0], [1.0, 2.0], unit="$"),
    ):
        png(ax)  # a formula that is none would be an error
        assert ax.get_position().width > 0.4
    assert plot_effects(model).get_yticklabels()[0].get_text() == "price $x"


def test_partial_survival_moves_one_covariate(model_and_table):
    model, table = model_and_table
    times = np.linspace(0.5, 20.0, 9)
    ax = plot_partial_survival(model, table, "load", [-1.0, 1.0], times, unit="days")
    drawn = [line.get_ydata() for line in ax.lines]
    first = table.iloc[[0]].assign(load=1.0)
    expected = model.predict_survival(first, times, level=None).iloc[0]
    np.testing.assert_allclose(drawn[1], expected)
    with pytest.raises(ValueError, match="no column 'lod': there are load, heat"):
        plot_partial_survival(model, table, "lod", [0.0], times)


def test_columns_that_vary_together_are_drawn_as_they_are_predicted(model_and_table):
    model, table = model_and_table
    ax = plot_partial_survival(model, table, ["heat", "load"], [[0, 0], [1, 2]], [1.0, 5.0])
    rows = pd.DataFrame({"load": [0.0, 2.0], "heat": [0.0, 1.0]})
    expected = model.predict_survival(rows, [1.0, 5.0])["survival"].to_numpy()
    for line, curve in zip(ax.lines, expected, strict=True):
        np.testing.assert_allclose(line.get_ydata(), curve)
    assert ax.lines[1].get_label() == "heat = 1, load = 2"


def test_one_assets_picture_has_its_band_and_the_truth(model_and_table):
    model, table = model_and_table
    ages = np.linspace(0.0, 5.0, 80)
    ax = plot_asset_rul(model, table, ages, ages=ages, truth=8.0 - ages)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 8.0 - ages)
    np.testing.assert_allclose(
        ax.lines[0].get_ydata(), model.predict_quantile(table, [0.5], ages)["q50"]
    )


def test_effects_on_a_proportional_hazard_are_hazard_ratios():
    x = np.random.default_rng(0).normal(size=(60, 2))
    model = CoxPH().fit(x, np.exp(-x[:, 0] + np.random.default_rng(1).normal(size=60)))
    ax = plot_effects(model)
    assert ax.get_xlabel() == "hazard ratio per unit of the covariate"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["x0", "x1"]
    np.testing.assert_allclose(ax.lines[1].get_xdata(), model.hazard_ratios_)


def test_curves_of_the_data_are_drawn_beneath_partial_survival(model_and_table):
    model, table = model_and_table
    steps = kaplan_meier([1.0, 2.0, 4.0])
    ax = plot_partial_survival(model, table, "load", [0.0, 1.0], [1.0, 5.0], steps=[None, steps])
    (data,) = [line for line in ax.lines if 4.0 in line.get_xdata()]
    assert data.get_color() == ax.lines[1].get_color()
    np.testing.assert_allclose(data.get_ydata()[-1], 0.0)
    assert ax.get_legend().get_texts()[-1].get_text() == "Kaplan-Meier (data)"
    with pytest.raises(ValueError, match="steps begin at age 0, and survival at age=2"):
        plot_partial_survival(model, table, "load", [0.0], [3.0], age=2.0, steps=[steps])
