"""Pictures of the baselines show the numbers that they are about."""

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from survjax.baselines import (
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
)
from survjax.plotting import (
    animate_fit,
    plot_decision_regions,
    plot_hidden_units,
    plot_history,
    plot_training,
)
from survjax.plotting.films.baseline_film import FRAMES, iterations


@pytest.fixture(scope="module")
def data():
    X = np.random.default_rng(0).uniform(size=(300, 2))
    return X, np.where(X[:, 1] >= 2.5 * X[:, 0] * (1 - X[:, 0]), "above", "below")


@pytest.fixture(scope="module")
def network(data):
    return MLPClassifier((2,), n_restarts=3, max_epochs=40, batch_size=64).fit(
        *data, validation_data=(data[0][:60], data[1][:60])
    )


@pytest.fixture(scope="module")
def linear(data):
    return LogisticRegression(solver="gd", learning_rate=0.5, tol=1e-3).fit(*data)


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_training_and_validation_are_columns_of_the_history(network):
    for column in ("objective", "accuracy", "false_positives"):
        drawn = lines(plot_training(network, column=column))
        np.testing.assert_array_equal(drawn["training"].get_ydata(), network.history_[column])
        held = network.history_[f"validation_{column}"]
        np.testing.assert_array_equal(drawn["validation"].get_ydata(), held)
    kept = drawn[f"kept: epoch {network.best_epoch_}"]
    assert set(kept.get_xdata()) == {network.best_epoch_}


def test_the_history_of_any_fit_is_drawn_by_one_name(linear):
    drawn = lines(plot_history(linear))
    np.testing.assert_array_equal(drawn["training"].get_ydata(), linear.history_["objective"])


def test_colors_of_the_regions_are_those_of_the_likelier_class(network, data):
    ax = plot_decision_regions(network, *data, hidden=True)
    image = ax.get_images()[0]
    left, right, bottom, top = image.get_extent()
    pixels = np.asarray(image.get_array())
    n = len(pixels)
    side = np.linspace(0, 1, n)
    grid = np.stack(np.meshgrid(left + (right - left) * side, bottom + (top - bottom) * side), -1)
    share = network.predict_proba(grid.reshape(-1, 2))[:, 1].reshape(n, n)
    # Blue (the second class) has more blue than red, orange the other way round.
    bluer = pixels[..., 2] > pixels[..., 0]
    sure = np.abs(share - 0.5) > 0.05
    np.testing.assert_array_equal(bluer[sure], share[sure] > 0.5)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["above", "below", "hidden unit changes sign"]


def test_the_boundary_of_a_linear_model_is_its_line(linear, data):
    ax = plot_decision_regions(linear, *data)
    (boundary,) = [c for c in ax.collections if type(c).__name__ == "QuadContourSet"]
    points = np.concatenate([path.vertices for path in boundary.get_paths()])
    np.testing.assert_allclose(linear.decision_function(points), 0.0, atol=0.02)


def test_hidden_units_are_drawn_where_the_network_puts_them(network, data):
    ax = plot_hidden_units(network, *data)
    values = network.hidden_activations(data[0])[0]
    drawn = np.concatenate([c.get_offsets() for c in ax.collections])
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(values, axis=0))
    line = lines(ax)["output: even odds"]
    weights, bias = network.parameters_[-1]
    ends = np.column_stack(line.get_data())
    np.testing.assert_allclose(ends @ weights[0] + bias[0], 0.0, atol=1e-9)


def test_units_of_one_column_are_curves():
    x = np.linspace(-1, 1, 100)[:, None]
    model = MLPRegressor((3,), n_restarts=1, max_epochs=5).fit(x, x[:, 0] ** 2)
    drawn = lines(plot_hidden_units(model, x))
    expected = model.hidden_activations(np.linspace(-1, 1, 300)[:, None])[0]
    np.testing.assert_allclose(drawn["unit 3"].get_ydata(), expected[:, 2])


@pytest.mark.parametrize("suffix", ["gif", pytest.param("html", marks=pytest.mark.slow)])
def test_a_boundary_moves_with_the_epochs(network, data, tmp_path, suffix):
    path = animate_fit(network, tmp_path / f"fit.{suffix}", data=data, dpi=30)
    if suffix == "gif":
        with Image.open(path) as film:
            assert film.n_frames > 20
            film.seek(0)
            first = np.asarray(film.convert("RGB"), float)
            film.seek(film.n_frames - 1)
            assert np.abs(np.asarray(film.convert("RGB"), float) - first).max() > 50


def test_a_line_and_a_curve_of_one_column_move_too(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (200, 1))
    line = LinearRegression("gd", learning_rate=0.3, tol=1e-4).fit(x, 3 + 2 * x[:, 0])
    curve = LogisticRegression(solver="gd", tol=1e-3).fit(x, x[:, 0] + rng.normal(size=200) > 0)
    for model, y in ((line, 3 + 2 * x[:, 0]), (curve, x[:, 0] > 0)):
        player = animate_fit(model, data=(x, y), dpi=20)
        assert "<script" in player


def test_long_histories_are_thinned_and_end_at_the_end():
    assert iterations(5) == [0, 1, 2, 3, 4]
    chosen = iterations(5000)
    assert len(chosen) <= FRAMES and chosen[0] == 0 and chosen[-1] == 4999
    assert np.all(np.diff(chosen) > 0)


def test_axes_and_settings_of_matplotlib_are_left_alone(linear, network, data):
    before = dict(matplotlib.rcParams)
    ax = Figure().subplots()
    assert plot_training(linear, ax) is ax
    assert plot_decision_regions(linear, *data, ax=Figure().subplots()).figure is not ax.figure
    assert dict(matplotlib.rcParams) == before


def test_what_cannot_be_drawn_is_said(linear, network, data):
    X, y = data
    with pytest.raises(ValueError, match="column must be one of .*accuracy.*got 'loss'"):
        plot_training(linear, column="loss")
    with pytest.raises(ValueError, match="X must have two columns"):
        plot_decision_regions(linear, X[:, :1], y)
    with pytest.raises(ValueError, match=r"units must be among the 2 of that layer, got \(0, 2\)"):
        plot_hidden_units(network, X, y, units=(0, 2))
    with pytest.raises(ValueError, match=r"pass data=\(X, y\)"):
        animate_fit(linear)
    with pytest.raises(ValueError, match="only fits of one or two columns"):
        animate_fit(linear, data=(X[:, :1], y))
    with pytest.raises(ValueError, match="not fitted yet"):
        plot_training(MLPClassifier())
