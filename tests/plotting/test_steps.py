"""Step curves are drawn with their bounds, as far as they are known."""

import numpy as np
import pytest

from survjax import WeibullMixture, aalen_johansen, kaplan_meier, nelson_aalen, turnbull
from survjax.plotting import plot_hazard, plot_steps, plot_survival


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


def test_a_fit_can_be_drawn_over_a_curve():
    lives = [2.0, 3.0, 5.0, 7.0]
    ax = plot_survival(kaplan_meier(lives), compare=WeibullMixture(1).fit(lives))
    assert len(ax.get_lines()) == 2


def test_a_curve_is_not_called_unfitted():
    with pytest.raises(ValueError, match=r"a StepCurve is no model .*: call its plot\(\) method"):
        plot_hazard(kaplan_meier([2, 3]))
    with pytest.raises(TypeError, match="curve must be a StepCurve, got ndarray"):
        plot_steps(np.ones(3))
