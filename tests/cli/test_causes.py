"""`survjax fit --cause`: what ended each unit, in a file."""

import numpy as np
import pandas as pd
import pytest

import survjax
from survjax.cli import main

DRIVES = """id,hours,mode,load
a,3,wear,1
b,5,shock,2
c,6,,1
d,8,wear,2
e,9,wear,1
f,9.5,shock,3
g,12,wear,1
h,7,0,2
"""
HOW = ("--duration", "hours", "--cause", "mode")


def test_each_unit_gets_the_chance_of_each_cause(file, tmp_path, capsys):
    out = tmp_path / "out"
    more = ("--id", "id", "--horizon", "2", "--no-pictures", "--out", str(out))
    assert main(["fit", file(DRIVES), *HOW, *more]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("2 causes: log-likelihood") and "--event" not in said.err
    found = pd.read_csv(out / "rul.csv", index_col="id").sort_index()
    assert list(found.index) == ["c", "h"]
    model = survjax.load(out / "model.json")
    for cause in ("wear", "shock"):
        expected = model.failure_probability([6.0, 7.0], 2.0, cause=cause)
        np.testing.assert_allclose(
            found[f"failure_probability_{cause}"], expected["failure_probability"], rtol=1e-8
        )
    ends = found["probability_wear"] + found["probability_shock"]
    np.testing.assert_allclose(ends, 1.0, rtol=1e-8)


def test_causes_go_with_covariates(file, tmp_path, capsys):
    """Each running unit gets the chances of each cause by its own covariates."""
    rng = np.random.default_rng(4)
    load = rng.normal(size=80)
    wear = 10.0 * np.exp(-0.4 * load) * rng.weibull(3.0, 80)
    shock = 20.0 * rng.weibull(1.2, 80)
    age = np.minimum(np.minimum(wear, shock), 9.0)
    mode = np.where(age == 9.0, "", np.where(age == wear, "wear", "shock"))
    mode[np.flatnonzero(mode == "wear")[0]] = "shock|wear"
    table = pd.DataFrame({"hours": age, "mode": mode, "load": load})
    out = tmp_path / "out"
    more = ("--covariates", "load", "--horizon", "2", "--no-pictures", "--out", str(out))
    assert main(["fit", file(table.to_csv(index=False)), *HOW, *more]) == 0
    said = capsys.readouterr().out
    assert said.startswith("2 causes with covariates: log-likelihood")
    assert "cause 'wear', as if no other ended units:" in said and "without the covariates" in said
    found = pd.read_csv(out / "rul.csv")
    assert len(found) == np.sum(mode == "")
    model = survjax.load(out / "model.json")
    running = table.loc[mode == "", ["load"]]
    for cause in ("shock", "wear"):
        risk = model.failure_probability(running, 9.0, 2.0, cause=cause)["failure_probability"]
        np.testing.assert_allclose(found[f"failure_probability_{cause}"], risk, rtol=1e-7)
    both = found["failure_probability_shock"] + found["failure_probability_wear"]
    np.testing.assert_allclose(both, found["failure_probability"], rtol=1e-7)
    ends = found["probability_shock"] + found["probability_wear"]
    np.testing.assert_allclose(ends, 1.0, rtol=1e-7)


def test_bounds_and_causes_go_together(file, tmp_path):
    table = "lower,upper,mode\n0,2,1\n2,3,2\n3,5,1\n4,6,2\n5,,\n1,4,1|2\n6,,\n"
    out = tmp_path / "out"
    how = ("--lower", "lower", "--upper", "upper", "--cause", "mode", "--no-pictures")
    assert main(["fit", file(table), *how, "--out", str(out)]) == 0
    model = survjax.load(out / "model.json")
    assert list(model.lifetimes_) == ["1", "2"]


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        (DRIVES, (*HOW, "--event", "load"), "leave out --event"),
        (DRIVES, (*HOW, "--covariates", "load,hours"), "is --duration"),
        (DRIVES.replace("wear,1", "wear|,1", 1), HOW, "column 'mode' holds 'wear|' in line 2"),
        ("hours,mode\n3,\n4,0\n", HOW, "names no cause"),
        ("hours,mode\n3,a\n4,a\n5,b\n", HOW, "cause 'b': the likelihood"),
        (
            "lower,upper,mode\n1,2,\n",
            ("--lower", "lower", "--upper", "upper", "--cause", "mode"),
            "column 'mode' has no value for a unit that ended",
        ),
    ],
)
def test_what_cannot_be_used_is_one_line(file, refusal, content, arguments, words):
    assert words in refusal("fit", file(content), *arguments)
