"""The caller's settings are left as they were: of JAX, NumPy, pandas, matplotlib, warnings."""

import concurrent.futures
import locale
import os
import random
import warnings

import jax
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from survjax import AcceleratedLifetime, MixtureRegression, WeibullMixture, kaplan_meier
from survjax.baselines import LogisticRegression
from survjax.plotting import save

RNG = np.random.default_rng(11)
LIFE = np.where(RNG.random(60) < 0.4, 5 * RNG.weibull(0.8, 60), 40 * RNG.weibull(3.0, 60))
LIMIT = RNG.uniform(10, 60, 60)
T, EVENT = np.minimum(LIFE, LIMIT), LIFE <= LIMIT
X = RNG.normal(size=(60, 1))


def settings():
    """All that belongs to the caller."""
    options = pd.describe_option(_print_desc=False).split("\n")
    names = [line.split(" ")[0] for line in options if line and line[0].isalpha()]
    return {
        "jax": dict(jax.config.values),
        "precision": jax.numpy.ones(1).dtype,
        "numpy errors": np.geterr(),
        "numpy print": np.get_printoptions(),
        "numpy random": np.random.get_state()[1].tolist(),  # noqa: NPY002
        "python random": random.getstate(),
        "pandas": {name: pd.get_option(name) for name in names if not name.startswith("mode.")},
        "matplotlib": dict(mpl.rcParams),
        "backend": mpl.get_backend(),
        "figures": plt.get_fignums(),
        "warnings": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "locale": locale.setlocale(locale.LC_ALL),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
    }


def work(folder):
    """What a user does in a session."""
    model = WeibullMixture("bic", max_components=2).fit(T, EVENT)
    model.summary()
    str(model)
    model._repr_html_()
    model.predict_rul([10.0, 20.0])
    model.confidence_interval("shapes")
    model.sample(5)
    model.save(folder / "model.json")
    save(model.plot("survival"), folder / "survival.png")
    kaplan_meier(T, EVENT)
    target = np.column_stack([T, EVENT])
    AcceleratedLifetime().fit(X, target).summary()
    LogisticRegression().fit(X, EVENT)


@pytest.mark.parametrize("double", [False, True])
def test_a_session_leaves_all_settings_alone(tmp_path, double):
    plt.get_cmap("viridis")  # what matplotlib sets up on first use is not ours
    with jax.enable_x64(double):
        before = settings()
        work(tmp_path)
        after = settings()
    for name, value in before.items():
        assert after[name] == value, name


def test_odd_settings_change_no_number(tmp_path):
    plain = WeibullMixture(2).fit(T, EVENT)
    table = plain.predict_rul([10.0, 20.0])
    with (
        np.errstate(all="raise"),
        pd.option_context("display.max_rows", 2, "future.infer_string", True),
        mpl.rc_context({"axes.grid": True, "font.size": 30.0}),
        np.printoptions(precision=2),
    ):
        model = WeibullMixture(2).fit(T, EVENT)
        np.testing.assert_array_equal(model.parameters_, plain.parameters_)
        np.testing.assert_array_equal(model.predict_rul([10.0, 20.0]), table)
        model.confidence_interval("shapes")
        model.membership([0.0, 1e3])
        model.predict_interval([0.0, 1e3])
        WeibullMixture(3, n_starts=4).fit(T, EVENT)
        str(model)


def test_four_threads_give_the_serial_answers_and_leave_the_settings_alone():
    def one(i):
        kind = (1, 2, "bic")[i % 3]
        model = WeibullMixture(kind, max_components=2).fit(T * (1 + i % 2), EVENT)
        curve = model.confidence_interval("survival", [10.0, 20.0])
        target = np.column_stack([T, EVENT])
        regression = MixtureRegression(2, n_starts=2).fit(X, target).parameters_
        return [model.parameters_, model.covariance_, *curve, regression]

    serial = [one(i) for i in range(6)]
    before = settings()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(one, [0, 1, 2, 3, 4, 5, 5, 2]))
    assert {name: value for name, value in settings().items() if value != before[name]} == {}
    for i, ours in zip([0, 1, 2, 3, 4, 5, 5, 2], found, strict=True):
        for left, right in zip(ours, serial[i], strict=True):
            np.testing.assert_array_equal(left, right)
