"""Covariates and targets as people have them: every kind of table, or an error that names it."""

import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from survjax import AcceleratedLifetime, CoxPH

N = 120


def fleet():
    rng = np.random.default_rng(0)
    x = pd.DataFrame(
        {"load": rng.normal(size=N), "heat": rng.normal(300, 20, N), "flag": rng.random(N) < 0.5}
    )
    lives = np.exp(3 - 0.5 * x["load"] + 0.3 * x["flag"]) * rng.weibull(2, N)
    end = rng.uniform(10, 60, N)
    return x, np.column_stack([np.minimum(lives, end), lives <= end])


X, Y = fleet()
NUMBERS = X.to_numpy(float)
SAME = {
    "sparse matrix": sparse.csr_matrix(NUMBERS),
    "sparse array": sparse.coo_array(NUMBERS),
    "sparse column": X.assign(flag=pd.arrays.SparseArray(NUMBERS[:, 2])),
    "objects": X.astype(object),
    "decimals": X.assign(heat=[decimal.Decimal(repr(v)) for v in X["heat"]]),
    "nullable": X.convert_dtypes(),
    "polars": pl.DataFrame(X),
    "arrow": pa.Table.from_pandas(X),
    "narrow": X.astype({"flag": np.int8}),
}
TARGETS = {
    "objects": pd.DataFrame({"t": Y[:, 0], "e": Y[:, 1] == 1}).astype(object),
    "arrow": pa.table({"t": Y[:, 0], "e": Y[:, 1] == 1}),
    "polars": pl.DataFrame({"t": Y[:, 0], "e": Y[:, 1].astype(int)}),
    "nullable": pd.DataFrame(
        {"t": pd.array(Y[:, 0], dtype="Float64"), "e": pd.array(Y[:, 1] == 1, dtype="boolean")}
    ),
}


@pytest.fixture(scope="module")
def expected():
    return CoxPH().fit(X, Y).coef_


@pytest.mark.parametrize("kind", SAME)
def test_every_kind_of_table_gives_the_same_fit(kind, expected):
    model = CoxPH().fit(SAME[kind], Y)
    np.testing.assert_allclose(model.coef_, expected, rtol=1e-9)
    assert model.predict(SAME[kind]).shape == (N,)


@pytest.mark.parametrize("kind", TARGETS)
def test_every_kind_of_target_gives_the_same_fit(kind, expected):
    np.testing.assert_allclose(CoxPH().fit(X, TARGETS[kind]).coef_, expected, rtol=1e-12)


def test_an_encoder_may_put_out_sparse_columns():
    site = pd.DataFrame({"site": np.random.default_rng(1).choice(list("abcdefgh"), N)})
    model = make_pipeline(OneHotEncoder(drop="first"), AcceleratedLifetime()).fit(site, Y)
    assert np.isfinite(model.predict(site)).all()


def without(column, row, value):
    """The table with one value replaced."""
    return X.assign(**{column: X[column].astype(object).where(np.arange(N) != row, value)})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (without("heat", 4, None), "column 'heat' has 1 missing value, the first in row 4"),
        (without("heat", 4, pd.NA), "column 'heat' has 1 missing value, the first in row 4"),
        (without("flag", 3, None).convert_dtypes(), "column 'flag' has 1 missing value.*row 3"),
        (X.assign(heat=np.where(np.arange(N) == 5, np.inf, 1.0)), "infinity: column 'heat' has 1"),
        (np.where(np.arange(N)[:, None] == 4, np.inf, NUMBERS), r"column 0 \(x0\) has 1 infinite"),
        (np.ma.array(NUMBERS, mask=NUMBERS > 340), r"column 1 \(x1\) has . missing values"),
        (X.assign(heat=X["heat"].astype(str)), "'heat' holds numbers written as text.*to_numeric"),
        (NUMBERS.astype(str).tolist(), r"column 0 \(x0\) holds text, the first '"),
        (np.where(np.arange(N)[:, None] == 2, "new", NUMBERS.astype(object)), "'new' in row 2"),
        (pd.concat([X, X[["load"]]], axis=1), "several columns of X have one name: 'load'"),
        (X.iloc[:, :0], r"Found array with 0 feature\(s\)"),
        (X.assign(site="a").astype({"site": "category"}), "'site' holds categories.*OneHotEncoder"),
        (X.assign(day=pd.Timestamp("2024-01-01")), "'day' holds dates.*FunctionTransformer"),
    ],
)
@pytest.mark.parametrize("model", [CoxPH(), AcceleratedLifetime()], ids=["cox", "accelerated"])
def test_what_is_no_number_is_named(model, table, message):
    with pytest.raises(ValueError, match=message):
        model.fit(table, Y)


def test_a_target_with_words_for_events_says_what_to_do():
    words = pd.DataFrame({"t": Y[:, 0], "e": np.where(Y[:, 1] == 1, "failed", "running")})
    with pytest.raises(ValueError, match=r"got t \(float64\), e \(object\): make the event True"):
        CoxPH().fit(X, words)


def test_a_mask_is_a_weight():
    mask = np.arange(N) % 2 == 0
    for model in (CoxPH(), AcceleratedLifetime()):
        whole = model.fit(X, Y, sample_weight=mask).parameters_.copy()
        np.testing.assert_allclose(whole, model.fit(X[mask], Y[mask]).parameters_, rtol=1e-8)
    with pytest.raises(ValueError, match="sample_weight must be numbers, got text"):
        AcceleratedLifetime().fit(X, Y, sample_weight=["a"] * N)


@pytest.mark.parametrize("model", [CoxPH(), AcceleratedLifetime()], ids=["cox", "accelerated"])
def test_a_horizon_that_fits_no_unit_is_refused_in_our_words(model):
    fitted = model.fit(X, Y)
    with pytest.raises(ValueError, match="horizon must be one number, or one for each of the 120"):
        fitted.failure_probability(X, 1.0, [1.0, 2.0])
    with pytest.raises(ValueError, match="horizon must be numbers, got text"):
        fitted.failure_probability(X, 1.0, "a week")
    with pytest.raises(ValueError, match="ages must be one number, or one for each of the 120"):
        fitted.predict_rul(X, [1.0, 2.0])


def test_a_value_far_from_all_others_is_named_where_a_fit_fails():
    far = X.assign(load=np.where(np.arange(N) == 7, -999999.0, X["load"]))
    y = np.where(np.arange(N)[:, None] == 7, [70.0, 0.0], Y)
    with pytest.warns(UserWarning, match=r"'load' has -999999 in row 7, far from all others"):
        AcceleratedLifetime().fit(far, y)


def test_equal_units_have_equal_risks():
    rng = np.random.default_rng(3)
    kinds = rng.normal(size=(30, 3)) * 10
    x = kinds[rng.integers(0, 30, 227)]
    model = CoxPH().fit(x, rng.exponential(np.exp(-0.02 * x[:, 0])))
    risk, alone = model.predict(x), [model.predict(row[None])[0] for row in x]
    np.testing.assert_array_equal(risk, alone)


@pytest.mark.parametrize("unit", [1e-170, 1e160, 1e300])
@pytest.mark.parametrize("model", [AcceleratedLifetime(), CoxPH()], ids=lambda m: type(m).__name__)
def test_a_column_whose_squares_are_no_numbers_is_named(model, unit):
    # A Cox model called it constant; others gave standard errors of zero or infinity.
    x = np.column_stack([np.arange(8.0) % 3, unit * (np.arange(8.0) % 2)])
    with pytest.raises(ValueError, match=r"column 'x1' has values of size .* unit"):
        model.fit(x, np.arange(1.0, 9.0))
