"""Neural networks: what they must learn, restarts, early stopping, a user's own module."""

import jax
import numpy as np
import optax
import pandas as pd
import pytest
from scipy.special import expit, log_expit
from sklearn.base import clone

from survjax.baselines import MLPClassifier, MLPRegressor
from survjax.estimators.messages import FitWarning


def hill(seed, n):
    """Points of the unit square, above the parabola 2.5 x (1 - x) or below."""
    X = np.random.default_rng(seed).uniform(0, 1, (n, 2))
    return X, X[:, 1] >= 2.5 * X[:, 0] * (1 - X[:, 0])


HELD = hill(999, 4000)
QUICK = {"n_restarts": 3, "max_epochs": 30, "batch_size": 64}


@pytest.fixture(scope="module")
def quick():
    return MLPClassifier((2,), **QUICK).fit(*hill(0, 400), validation_data=HELD)


@pytest.mark.slow
def test_two_hidden_units_learn_the_hill_from_restarts_in_nine_seeds_of_ten():
    reached = [
        MLPClassifier((2,), random_state=seed)
        .fit(*hill(seed, 1000), validation_data=HELD)
        .history_["validation_accuracy"]
        .max()
        for seed in range(10)
    ]
    assert sum(accuracy >= 0.97 for accuracy in reached) >= 9, reached


def test_the_best_restart_is_kept_at_its_best_epoch(quick):
    table, history = quick.restarts_, quick.history_
    assert table["kept"].sum() == 1
    assert table["objective"].idxmin() == quick.best_restart_ == table["kept"].idxmax()
    assert history["validation_objective"].idxmin() == quick.best_epoch_
    assert history["validation_objective"].min() == pytest.approx(table["objective"].min())
    logits = quick.decision_function(HELD[0])
    kept = -np.mean(log_expit(np.where(HELD[1], 1, -1) * logits))
    assert kept == pytest.approx(table["objective"].min(), rel=1e-9)


def test_the_history_counts_what_the_network_gets_wrong(quick):
    row = quick.history_.loc[quick.best_epoch_]
    for prefix, (X, y) in {"": hill(0, 400), "validation_": HELD}.items():
        positive = quick.predict(X)
        assert row[prefix + "accuracy"] == pytest.approx(np.mean(positive == y))
        assert row[prefix + "false_positives"] == np.sum(positive & ~y)
        assert row[prefix + "false_negatives"] == np.sum(~positive & y)
        mean = quick.predict_proba(X)[:, 1].mean()
        assert row[prefix + "mean_prediction"] == pytest.approx(mean, rel=1e-9)
    assert list(quick.history_.columns[:3]) == [
        "weights1[0, 0]",
        "weights1[0, 1]",
        "weights1[1, 0]",
    ]
    assert row["bias2[0]"] == quick.parameters_[1][1][0]


def test_the_first_row_of_the_history_is_the_random_beginning(quick):
    first = quick.history_.iloc[0]
    weights = first.filter(like="weights1").to_numpy().reshape(2, 2)
    X, y = hill(0, 400)
    hidden = np.tanh((X - X.mean(0)) / X.std(0) @ weights.T + first.filter(like="bias1").to_numpy())
    logit = hidden @ first.filter(like="weights2").to_numpy() + first["bias2[0]"]
    expected = -np.mean(log_expit(np.where(y, 1, -1) * logit))
    assert first["objective"] == pytest.approx(expected, rel=1e-9)


def test_the_network_of_an_earlier_epoch_can_be_had_back(quick):
    X, y = hill(0, 400)
    then = quick.at_iteration(7)
    assert np.mean(then.predict(X) == y) == pytest.approx(quick.history_["accuracy"].iloc[7])
    best = quick.at_iteration(quick.best_epoch_)
    np.testing.assert_array_equal(best.decision_function(X), quick.decision_function(X))
    wide = MLPClassifier((8,), n_restarts=1, max_epochs=2).fit(X, y)
    with pytest.raises(ValueError, match="at most 20, this one has 33"):
        wide.at_iteration(0)
    with pytest.raises(ValueError, match="one of the 3 in history_, got 5"):
        wide.at_iteration(5)


def test_the_same_seed_gives_the_same_network_and_another_seed_another(quick):
    X, y = hill(0, 400)
    again = clone(quick).fit(X, y, validation_data=HELD)
    np.testing.assert_array_equal(again.decision_function(X), quick.decision_function(X))
    other = MLPClassifier((2,), random_state=1, **QUICK).fit(X, y, validation_data=HELD)
    assert np.max(np.abs(other.decision_function(X) - quick.decision_function(X))) > 1e-3


def test_hidden_activations_lead_to_the_output(quick):
    X = HELD[0][:50]
    (hidden,) = quick.hidden_activations(X)
    assert hidden.shape == (50, 2) and np.max(np.abs(hidden)) <= 1
    weights, bias = quick.parameters_[-1]
    np.testing.assert_allclose(hidden @ weights[0] + bias, quick.decision_function(X), rtol=1e-9)
    assert type(hidden) is np.ndarray


def test_training_stops_when_the_validation_objective_has_not_fallen_for_long():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 5)), rng.random(60) < 0.5  # nothing to learn: it can only overfit
    held = rng.normal(size=(400, 5)), rng.random(400) < 0.5
    model = MLPClassifier((16,), max_epochs=400, patience=5, n_restarts=2).fit(
        X, y, validation_data=held
    )
    assert model.n_epochs_ < 200
    assert model.best_epoch_ <= model.n_epochs_ - 5
    assert len(model.history_) == model.n_epochs_ + 1
    last = model.history_.iloc[-1]
    assert last["validation_objective"] > model.history_["validation_objective"].min()
    assert last["objective"] < model.history_["objective"].iloc[0]


def test_a_share_of_the_rows_can_be_held_out():
    X, y = hill(0, 400)
    model = MLPClassifier((2,), validation_fraction=0.25, **QUICK).fit(X, y)
    row = model.history_.iloc[-1]
    assert "validation_accuracy" in model.history_
    wrong = row["validation_false_positives"] + row["validation_false_negatives"]
    assert wrong == pytest.approx((1 - row["validation_accuracy"]) * 100)


@pytest.mark.parametrize(
    "optimizer",
    ["rmsprop", "adamw", "sgd", optax.adam(0.02), optax.chain(optax.clip(1.0), optax.sgd(0.3))],
    ids=["rmsprop", "adamw", "sgd", "optax", "chain"],
)
def test_every_optimizer_learns(optimizer):
    X, y = hill(0, 400)
    model = MLPClassifier((4,), optimizer=optimizer, n_restarts=4, batch_size=64, max_epochs=150)
    assert model.fit(X, y).score(X, y) > 0.9


def test_weight_decay_shrinks_weights():
    X, y = hill(0, 400)
    sizes = [
        sum(np.sum(w**2) for w, _ in MLPClassifier(
            (4,), optimizer="adamw", weight_decay=decay, n_restarts=1, max_epochs=60
        ).fit(X, y).parameters_)
        for decay in (0.0, 3.0)
    ]  # fmt: skip
    assert sizes[1] < 0.7 * sizes[0]


@pytest.mark.parametrize("layers", [(), (3,), (5, 4, 3)])
def test_layers_of_any_sizes(layers):
    X, y = hill(0, 200)
    model = MLPClassifier(layers, activation="relu", n_restarts=2, max_epochs=5).fit(X, y)
    assert [w.shape[0] for w, _ in model.parameters_] == [*layers, 1]
    assert [h.shape[1] for h in model.hidden_activations(X)] == list(layers)


def test_no_hidden_layer_is_a_logistic_regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 2))
    y = rng.random(2000) < expit(X @ [1.0, -2.0] + 0.5)
    model = MLPClassifier((), batch_size=None, max_epochs=2000, tol=0.0, n_restarts=1).fit(X, y)
    from survjax.baselines import LogisticRegression

    linear = LogisticRegression(0.0).fit(X, y)
    np.testing.assert_allclose(
        model.decision_function(X), linear.decision_function(X), rtol=1e-3, atol=1e-3
    )


def test_several_classes_with_names_and_probabilities_that_sum_to_one():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (600, 2))
    y = np.array(["center", "ring", "corner"])[np.digitize(np.hypot(*X.T), [0.5, 0.9])]
    model = MLPClassifier((8,), n_restarts=2, max_epochs=150, batch_size=64).fit(X, y)
    assert model.score(X, y) > 0.9
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
    shares = model.history_.loc[model.best_epoch_].filter(like="mean_prediction")
    np.testing.assert_allclose(shares, model.predict_proba(X).mean(axis=0), rtol=1e-9)


def test_a_regressor_fits_a_wave_in_its_own_units():
    rng = np.random.default_rng(0)
    X = np.sort(rng.uniform(-3, 3, 500))[:, None]
    y = 1000 + 50 * np.sin(2 * X[:, 0])
    model = MLPRegressor((16,), n_restarts=4).fit(X, y, validation_data=(X[::5], y[::5]))
    assert model.score(X, y) > 0.99
    row = model.history_.loc[model.best_epoch_]
    assert row["objective"] == pytest.approx(np.mean((model.predict(X) - y) ** 2), rel=1e-8)
    held = np.mean((model.predict(X[::5]) - y[::5]) ** 2)
    assert row["validation_objective"] == pytest.approx(held, rel=1e-8)


def test_the_units_of_the_columns_do_not_matter():
    X, y = hill(0, 400)
    plain = MLPClassifier((2,), **QUICK).fit(X, y)
    scaled = MLPClassifier((2,), **QUICK).fit(X * [1e6, 1e-6] + [3.0, 0.0], y)
    np.testing.assert_allclose(
        scaled.predict_proba(X * [1e6, 1e-6] + [3.0, 0.0]), plain.predict_proba(X), rtol=1e-4
    )


def test_frames_and_settings_of_jax_are_left_alone():
    X, y = hill(0, 200)
    frame = pd.DataFrame(X, columns=["a", "b"])
    model = MLPClassifier((2,), n_restarts=1, max_epochs=3).fit(frame, y)
    assert model.predict_proba(frame).dtype == np.float64
    assert not jax.config.jax_enable_x64


def test_training_is_compiled_once_for_rows_of_about_the_same_number():
    from survjax.networks.training import train

    MLPClassifier((2,), n_restarts=2, max_epochs=4).fit(*hill(0, 300))
    before = train._cache_size()
    for n in (301, 310, 320):
        MLPClassifier((2,), n_restarts=2, max_epochs=4, random_state=n).fit(*hill(n, n))
    assert train._cache_size() == before


def test_divergence_is_said():
    X, y = hill(0, 200)
    with pytest.warns(FitWarning, match="lower learning_rate"):
        MLPRegressor((4,), optimizer="sgd", learning_rate=1e9, activation="relu", max_epochs=5).fit(
            X, y.astype(float)
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": (0,)}, r"layers must be sizes of hidden layers such as \(16, 16\)"),
        ({"layers": 7}, "layers must be sizes"),
        ({"activation": "swish"}, "activation must be one of 'tanh', 'relu'.*got 'swish'"),
        ({"optimizer": "adagrad"}, "optimizer must be 'adam', .* optax transformation"),
        ({"n_restarts": 0}, "n_restarts must be a whole number of at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
        ({"learning_rate": 0.0}, "learning_rate must be a finite number above zero"),
        ({"validation_fraction": 1.0}, "validation_fraction must lie between 0 and 1, got 1.0"),
    ],
)
def test_wrong_settings_are_refused_in_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**settings).fit(*hill(0, 50))


class TestFlax:
    """A user's own module trains through the same estimator."""

    def test_a_linen_module_in_place_of_layer_sizes(self):
        linen = pytest.importorskip("flax.linen", reason="the extra flax is not installed")

        class Net(linen.Module):
            @linen.compact
            def __call__(self, x):
                return linen.Dense(1)(linen.tanh(linen.Dense(8, name="inside")(x)))

        X, y = hill(0, 500)
        model = MLPClassifier(Net(), n_restarts=4, batch_size=64, max_epochs=200).fit(X, y)
        assert model.score(X, y) > 0.95
        assert model.hidden_activations(X[:9])[0].shape[0] == 9
        assert clone(model).fit(X, y).score(X, y) == model.score(X, y)

    def test_an_nnx_module_given_as_a_function_of_rngs(self):
        nnx = pytest.importorskip("flax.nnx", reason="the extra flax is not installed")

        class Net(nnx.Module):
            def __init__(self, rngs):
                self.first = nnx.Linear(2, 8, rngs=rngs)
                self.second = nnx.Linear(8, 2, rngs=rngs)

            def __call__(self, x):
                return self.second(nnx.tanh(self.first(x)))

        X, y = hill(0, 500)
        model = MLPClassifier(Net, n_restarts=4, batch_size=64, max_epochs=200).fit(X, y)
        assert model.score(X, y) > 0.95
        assert len(model.restarts_["objective"].unique()) == 4
        with pytest.raises(ValueError, match="hidden activations"):
            model.hidden_activations(X)

    def test_a_module_of_the_wrong_width_is_refused(self):
        linen = pytest.importorskip("flax.linen", reason="the extra flax is not installed")
        with pytest.raises(ValueError, match=r"must put out 2 logits \(or one\).*got shape \(5,\)"):
            MLPClassifier(linen.Dense(5)).fit(*hill(0, 50))
        with pytest.raises(ValueError, match="must put out one number for one row"):
            MLPRegressor(linen.Dense(2)).fit(hill(0, 50)[0], np.arange(50.0))


@pytest.mark.parametrize("held", ["share", "own", "none"])
def test_the_order_of_rows_changes_nothing(held):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(90, 2)).round(1)
    y, order = X[:, 0] * X[:, 1] + 0.1 * rng.normal(size=90).round(1), rng.permutation(90)
    options = {"batch_size": 16, "n_restarts": 2, "max_epochs": 6}
    if held == "share":
        options["validation_fraction"] = 0.3
    other = X[::-1] + 0.1, y[::-1]
    for kind, target in ((MLPRegressor, y), (MLPClassifier, y > 0)):
        pairs = {"validation_data": (other[0], target[::-1])} if held == "own" else {}
        swapped = {"validation_data": (other[0][order], target[::-1][order])} if pairs else {}
        first = kind((4,), **options).fit(X, target, **pairs)
        second = kind((4,), **options).fit(X[order], target[order], **swapped)
        pd.testing.assert_frame_equal(first.history_, second.history_, check_exact=True)
        np.testing.assert_array_equal(first.predict(X), second.predict(X))
