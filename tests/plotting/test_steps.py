"""Step curves are drawn with their bounds, as far as they are known."""

import numpy as np
import pytest

from survjax import (
    CompetingRisks,
    WeibullMixture,
    aalen_johansen,
    kaplan_meier,
    nelson_aalen,
    turnbull,
)
from survjax.plotting import plot_hazard, plot_incidence, plot_steps, plot_survival


def test_a_curve_is_drawn_to_the_end_of_follow_up():
    curve = kaplan_meier([2, 3, 5, 9], [1, 1, 1, 0])
    for ax in (curve.plot(unit="years"), plot_survival(curve, unit="years")):
        line = ax.get_lines()[0]
        assert line.get_xdata().max() == 9
        assert line.get_ydata()[-1] == 0.25
        assert len(ax.collections) == 1
        assert ax.get_xlabel() == "age (years)"


def test_curves_of_several_groups_share_axes_in_colors_of_their_own():
    ax = kaplan_meier([2, 3, 5]).plot(label="old")
    again = kaplan_meier([4, 6, 9]).plot(ax, label="new")
    assert again is ax
    assert len({line.get_color() for line in ax.get_lines()}) == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["old", "new"]


def test_curves_without_bounds_or_without_steps_are_drawn():
    assert len(turnbull([0, 2], [4, 4]).plot().collections) == 0
    assert kaplan_meier([2, 3], [0, 0]).plot().get_lines()[0].get_ydata().tolist() == [1, 1]
    assert nelson_aalen([2, 3]).plot().get_lines()[0].get_ydata()[-1] == 1.5
    ax = aalen_johansen([3, 5, 6, 8], ["wear", None, "shock", "wear"]).plot()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["shock", "wear"]
    with pytest.raises(ValueError, match="no unit failed of any cause"):
        aalen_johansen([3, 5], [0, 0]).plot()


def test_no_curve_is_cut_by_the_limits_of_the_one_drawn_first():
    # "a" is rare and early, "b" frequent and late.
    t = np.arange(1.0, 21.0)
    shares = aalen_johansen(t, np.where(t == 2, "a", "b")).plot()
    hazards = plot_steps({"low": nelson_aalen(t, t == 2), "high": nelson_aalen(t + 30)})
    over = kaplan_meier(t + 30).plot(kaplan_meier(t).plot())
    for ax in (shares, hazards, over):
        for line in ax.get_lines():
            assert np.max(line.get_xdata()) <= ax.get_xlim()[1]
            assert np.max(line.get_ydata()) <= ax.get_ylim()[1]


def test_a_cause_has_one_color_in_both_pictures_of_incidences():
    lives, causes = [3.0, 5.0, 6.0, 8.0, 4.0], ["wear", "shock", None, "wear", "shock"]
    fitted = CompetingRisks({"wear": "exponential", "shock": "exponential"}).fit(lives, causes)
    found = []
    for ax in (plot_incidence(fitted), aalen_johansen(lives, causes).plot()):
        found.append({line.get_label(): line.get_color() for line in ax.get_lines()})
        assert ax.get_ylabel() == "share ended"
    assert all(found[0][cause] == found[1][cause] for cause in ("wear", "shock"))


def test_a_fit_can_be_drawn_over_a_curve():
    lives = [2.0, 3.0, 5.0, 7.0]
    ax = plot_survival(kaplan_meier(lives), compare=WeibullMixture(1).fit(lives))
    assert len(ax.get_lines()) == 2


def test_a_curve_is_not_called_unfitted():
    with pytest.raises(ValueError, match=r"a StepCurve is no model .*: call its plot\(\) method"):
        plot_hazard(kaplan_meier([2, 3]))
    with pytest.raises(TypeError, match="curve must be a StepCurve, got ndarray"):
        plot_steps(np.ones(3))


def test_groups_share_axes_and_show_how_many_are_at_risk():
    groups = {
        "new": kaplan_meier([2, 3, 5, 7], [1, 1, 0, 1]),
        "old": kaplan_meier([1, 4, 6, 20], [1, 1, 1, 0], entry=[0, 0, 3, 0]),
    }
    ax = plot_steps(groups, unit="years", at_risk=True)
    assert ax.get_xlim()[1] > 20 and ax.get_legend() is None
    words = [text.get_text() for text in ax.texts]
    ticks = [tick for tick in ax.get_xticks() if 0 <= tick <= ax.get_xlim()[1]]
    assert words[0] == "at risk" and words[1] == "new "
    shown = [float(word) for word in words[2 : 2 + len(ticks)]]
    assert shown == groups["new"].number_at_risk(ticks).tolist()
    assert words[2 + len(ticks)] == "old "


def test_numbers_at_risk_are_counts_of_units_under_observation():
    rng = np.random.default_rng(3)
    entry, weight = np.maximum(rng.random(200) - 0.5, 0.0), rng.integers(0, 4, 200)
    duration = entry + rng.random(200)
    curve = kaplan_meier(duration, rng.random(200) < 0.5, entry=entry, sample_weight=weight)
    t = np.append(np.linspace(0.1, 1.4, 7), curve.times[5])
    expected = [np.sum(weight[(entry < x) & (duration >= x)]) for x in t]
    np.testing.assert_array_equal(curve.number_at_risk(t), expected)
    np.testing.assert_array_equal(curve.number_at_risk(curve.times), curve.at_risk)
    duration[:] = 0.0  # the curve has a copy
    np.testing.assert_array_equal(curve.number_at_risk(t), expected)


def test_a_curve_that_does_not_know_them_says_so():
    curve = turnbull([1, 2, 4], [2, 5, 6])
    assert np.isnan(curve.number_at_risk(1.0))
    with pytest.raises(ValueError, match="numbers at risk are known of Kaplan-Meier"):
        curve.plot(at_risk=True)


def test_a_frame_has_a_row_for_each_step():
    curve = kaplan_meier([3, 5, 5, 8], [1, 1, 0, 1])
    frame = curve.to_frame()
    assert frame.index.tolist() == [0.0, 3.0, 5.0, 8.0]
    np.testing.assert_array_equal(frame["value"], curve(frame.index))
    np.testing.assert_array_equal(frame["upper"].to_numpy()[1:], curve.upper)


def test_a_curve_from_zero_up_says_what_its_values_are():
    ages, ended = [2.0, 3.0, 5.0, 9.0], ["worn", None, "worn", "shock"]
    ax = nelson_aalen(ages).plot()
    assert (ax.get_title("left"), ax.get_ylabel()) == ("Cumulative hazard", "cumulative hazard")
    # The bound of the last step is several times its value.
    assert ax.get_ylim()[1] < 2.0 * nelson_aalen(ages).values[-1]
    ax = aalen_johansen(ages, ended)["worn"].plot()
    assert ax.get_title("left") == "Cumulative incidence"


def test_the_steps_of_causes_are_named():
    model = CompetingRisks({"worn": "exponential", "shock": "exponential"})
    model.fit([3.0, 5.0, 6.0, 8.0], ["worn", "shock", None, "worn"])
    texts = plot_incidence(model).get_legend().get_texts()
    assert [text.get_text() for text in texts] == ["worn", "shock", "Aalen-Johansen (data)"]
