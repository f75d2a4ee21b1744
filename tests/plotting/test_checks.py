"""Pictures of candidates, papers and quantiles show lines where the family is right."""

import numpy as np
import pytest

from survjax import LifetimeModel, Observations, WeibullMixture, compare, load
from survjax.plotting import draw, plot_comparison, plot_paper, plot_quantiles
from survjax.plotting.checks.papers import papers

RNG = np.random.default_rng(2)
LIVES = 20.0 * RNG.weibull(2.0, 90)
ENDS = RNG.uniform(5.0, 50.0, 90)
T, EVENT = np.minimum(LIVES, ENDS), LIVES <= ENDS


def lines(ax):
    """The data of every line by its label."""
    return {part.get_label(): np.asarray(part.get_data(), float) for part in ax.get_lines()}


@pytest.fixture(scope="module")
def found():
    return compare(["weibull", "exponential", "lognormal"], T, EVENT)


@pytest.mark.parametrize("name", sorted(papers()))
def test_on_its_own_paper_a_family_is_a_straight_line(name):
    model = LifetimeModel(name).fit(T, EVENT)
    ax = plot_paper(model)
    assert ax.get_title(loc="left") == f"{name.capitalize()} probability paper"
    t, height = lines(ax)[type(model.lifetime_).__name__]
    across = np.log(t) if ax.get_xscale() == "log" else t
    inside = np.isfinite(height)
    slope, start = np.polyfit(across[inside], height[inside], 1)
    np.testing.assert_allclose(height[inside], start + slope * across[inside], atol=1e-6)
    if name == "exponential":
        assert start == pytest.approx(0.0, abs=1e-9)
        assert slope == pytest.approx(np.exp(-model.parameters_[0]))


def test_any_model_goes_on_any_paper_and_others_beside_it(found):
    single = found.models["weibull"]
    mixture = WeibullMixture(1).fit(T, EVENT)
    assert plot_paper(mixture).get_title(loc="left") == "Weibull probability paper"
    ax = plot_paper(single, paper="lognormal", compare=found.models["lognormal"])
    t, height = lines(ax)["LogNormal"]
    bend = np.polyfit(np.log(t), height, 2)[0]
    assert bend == pytest.approx(0.0, abs=1e-7)
    with pytest.raises(ValueError, match="paper must be one of"):
        plot_paper(single, paper="gamma")


@pytest.mark.parametrize("family", ["weibull", "normal"])
def test_quantiles_of_model_and_data_stand_on_the_diagonal(family):
    even = (np.arange(300) + 0.5) / 300
    exact = LifetimeModel(family).fit(LIVES)
    lives = np.asarray(exact.lifetime_.quantile(even))
    lives = lives[lives > 0]
    model = LifetimeModel(family).fit(Observations.from_durations(lives))
    drawn = lines(plot_quantiles(model))
    quantile, age = next(value for key, value in drawn.items() if "Kaplan-Meier" in key)
    middle = (age > np.quantile(lives, 0.1)) & (age < np.quantile(lives, 0.9))
    np.testing.assert_allclose(quantile[middle], age[middle], rtol=0.06)


def test_quantiles_need_rows_and_take_another_fit(found, tmp_path):
    weibull, other = found.models["weibull"], found.models["exponential"]
    ax = draw(weibull, "quantiles", compare=other, unit="years")
    assert {"Weibull (Kaplan-Meier)", "Exponential (Kaplan-Meier)", "model = data"} == set(
        lines(ax)
    )
    weibull.save(tmp_path / "model.json")
    with pytest.raises(ValueError, match="rows that were fitted"):
        plot_quantiles(load(tmp_path / "model.json"))


def test_candidates_are_drawn_with_their_weights_over_the_data(found):
    drawn = lines(found.plot(unit="years"))
    assert "Kaplan-Meier (data)" in drawn and len(drawn) == 4
    share = 100 * found.table["weight"].iloc[0]
    t, survival = drawn[f"{found.table.index[0]} ({share:.0f}%)"]
    np.testing.assert_allclose(survival, found.best.survival(t), rtol=1e-10)
    assert len(lines(plot_comparison(found, names=["exponential"]))) == 2
    with pytest.raises(ValueError, match="no candidate with a maximum"):
        found.plot(names=["gamma"])
