"""Every estimator finds and says today what it found and said when the table was written.

`python -m tests.golden.record` writes the table, and says what moved.
"""

import json

import pytest

from tests.golden.record import CASES, TABLE, differences, run

GOLDEN = json.loads(TABLE.read_text())
#: Cases whose fit takes seconds of compiling; all others fit in much less than a minute together.
SLOW_TO_FIT = {
    "fleet, three, late entry",
    "fleet, two, many",
    "fleet, two, many, late entry",
    "intervals, two, late entry",
    "truncated, two",
    "accelerated, lognormal, intervals",
    "accelerated, loglogistic, intervals",
    "accelerated, weibull, histories",
    "accelerated, lognormal, histories, late entry",
    "scaled, weibull, late entry",
    "scaled, weibull, intervals",
    "scaled, weibull, histories",
    "scaled, weibull, in two steps",
    "scaled, weibull held",
    "scaled, mixture",
    "scaled, mixture, in two steps",
    "mixture regression, weight",
    "mixture regression, late entry",
    "mixture regression, weights",
    "mixture regression, intervals",
    "mixture regression, histories",
    "mixture regression, ridge",
    "mixture regression, kinds known",
    "mixture regression, pumps",
    "logistic, no ridge, three kinds",
}
#: Cases that are asked for all they say at every run; the others when slow tests run.
ASKED = ("fleet, one", "accelerated, weibull")


def marked(names, slow):
    """Names as parameters of a test, some of them slow."""
    return [pytest.param(n, marks=[pytest.mark.slow] if slow(n) else []) for n in names]


def test_the_table_holds_exactly_the_cases():
    assert list(GOLDEN) == list(CASES)
    assert set(CASES) > SLOW_TO_FIT


@pytest.mark.parametrize(
    "name", marked([n for n in GOLDEN if GOLDEN[n]["fit"]], SLOW_TO_FIT.__contains__)
)
def test_a_fit_finds_what_it_found(name):
    assert list(differences(GOLDEN[name]["fit"], run(name, all_of_it=False)["fit"])) == []


@pytest.mark.parametrize(
    "name", marked([n for n in GOLDEN if GOLDEN[n]["says"]], lambda name: name not in ASKED)
)
def test_a_fitted_model_says_what_it_said(name):
    assert list(differences(GOLDEN[name]["says"], run(name)["says"])) == []


def test_a_number_that_moves_is_noticed():
    old = GOLDEN["fleet, one"]
    fit = old["fit"]
    errors = fit["standard_errors"]
    for name, by in (
        ("log_likelihood", 2e-9 * abs(fit["log_likelihood"])),
        ("parameters", 2e-5 * errors[0]),
        ("standard_errors", 2e-4 * errors[0]),
    ):
        moved = [fit[name][0] + by, *fit[name][1:]] if name != "log_likelihood" else fit[name] + by
        assert len(list(differences(fit, {**fit, name: moved}))) == 1
    says = old["says"]
    first = says["bounded_survival"][0]
    moved = [[first[0] + 2e-4 * (first[2] - first[1]), *first[1:]], *says["bounded_survival"][1:]]
    assert len(list(differences(says, {**says, "bounded_survival": moved}))) == 1
    assert list(differences(says, says)) == []
    assert len(list(differences(says, {k: v for k, v in says.items() if k != "ages"}))) == 1
