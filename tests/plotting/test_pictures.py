"""Pictures show what the numbers say, and leave everything else alone."""

import itertools
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import survjax
from survjax import WeibullMixture, kaplan_meier
from survjax.estimators.messages import NotFittedError
from survjax.lifetimes import Mixture, Weibull
from survjax.plotting import draw, plot_hazard, plot_history, plot_rul, plot_survival, save
from survjax.plotting.checks.papers import papers
from survjax.plotting.films.weibulls import Weibulls

KINDS = ("survival", "paper", "hazard", "rul", "history")


def line(ax, label):
    """The points of the line with a label."""
    found = {part.get_label(): part for part in ax.get_lines()}
    return np.asarray(found[label].get_xdata(), float), np.asarray(found[label].get_ydata(), float)


def band(ax):
    """Age and both limits of the shaded band, by age."""
    (shade,) = ax.collections
    (path,) = shade.get_paths()
    n = (len(path.vertices) - 3) // 2
    lower, upper = path.vertices[1 : n + 1], path.vertices[n + 2 : -1][::-1]
    return lower[:, 0], lower[:, 1], upper[:, 1]


def test_the_survival_picture_holds_the_curve_its_band_and_the_steps_of_the_data(model, pumps):
    ax = plot_survival(model, unit="years")
    t, curve = line(ax, "2 Weibull components")
    np.testing.assert_allclose(curve, model.survival(t), rtol=1e-12)
    at, lower, upper = band(ax)
    np.testing.assert_array_equal(at, t)
    limits = model.confidence_interval("survival", t, method="delta")
    np.testing.assert_allclose([lower, upper], limits, rtol=1e-9)
    assert np.all((lower < curve) & (curve < upper))
    steps = kaplan_meier(pumps["duration"], pumps["failed"], entry=pumps["entry"])
    x, y = line(ax, "Kaplan-Meier (data)")
    np.testing.assert_allclose(y[2:-1:2], steps(x[2:-1:2]), rtol=1e-12)
    np.testing.assert_allclose(y[1:-1:2], steps.before(x[1:-1:2]), rtol=1e-12)
    assert (x[0], y[0]) == (0.0, 1.0)
    assert x[-1] == pumps["duration"].max()
    # The fit is a good one, so data and curve stay together.
    assert np.max(np.abs(model.survival(x) - y)) < 0.05


def test_on_the_paper_one_weibull_is_a_straight_line_and_the_data_are_points(model, single):
    ax = model.plot("paper", compare=single)
    t, height = line(ax, "one Weibull")
    shape, scale = single.shapes_[0], single.scales_[0]
    np.testing.assert_allclose(height, shape * np.log(t / scale), atol=1e-9)
    assert ax.get_xscale() == "log"
    _, points = line(ax, "failures (Kaplan-Meier)")
    low, high = ax.get_ylim()
    assert np.all((points > low) & (points < high))
    texts = [text.get_text() for text in ax.get_yticklabels()]
    assert "10%" in texts and "50%" in texts
    assert np.isnan(papers()["weibull"].height([0.0, 1.0])).all()


def test_the_parts_of_the_hazard_add_up_and_are_the_memberships(model):
    ax = plot_hazard(model)
    t, hazard = line(ax, "hazard")
    np.testing.assert_allclose(hazard, model.hazard(t), rtol=1e-12)
    parts = np.array([line(ax, f"component {k}")[1] for k in (1, 2)])
    np.testing.assert_allclose(parts.sum(axis=0), hazard, rtol=1e-10)
    member = model.membership(t, np.ones(t.size, bool), level=None).to_numpy().T
    np.testing.assert_allclose(parts, member * hazard, rtol=1e-9, atol=1e-300)
    _, lower, upper = band(ax)
    assert np.all((lower < hazard) & (hazard < upper))


def test_the_plain_formulas_of_moving_pictures_are_those_of_the_lifetimes():
    weights, scales, shapes = [0.2, 0.5, 0.3], [2.0, 30.0, 9.0], [0.7, 3.0, 60.0]
    fleet = Mixture.of(
        np.array(weights), Weibull.of(scale=np.array(scales), shape=np.array(shapes))
    )
    t = np.geomspace(1e-3, 50.0, 40)
    ours = Weibulls.of(weights, scales, shapes)
    np.testing.assert_allclose(ours.survival(t), fleet.survival(t), rtol=2e-4)
    density = np.exp(ours.log_density_parts(t)).sum(axis=0)
    np.testing.assert_allclose(density, fleet.density(t), rtol=2e-4, atol=1e-12)
    np.testing.assert_allclose(ours.shares(t).sum(axis=0), 1.0, rtol=1e-12)


def test_the_picture_of_remaining_life_is_its_table(model, pumps):
    running = pumps.loc[pumps["in_service"], "duration"]
    ages = np.linspace(0.0, 20.0, 64)
    table = model.predict_rul(ages)
    ax = plot_rul(model, ages=ages, running=running)
    for name, label in (("mean", "mean"), ("q50", "median"), ("q10", "10% and 90% of units")):
        np.testing.assert_allclose(line(ax, label)[1], table[name], rtol=1e-12)
    _, lower, upper = band(ax)
    np.testing.assert_allclose(lower, table["mean_lower"], rtol=1e-9)
    np.testing.assert_allclose(upper, table["mean_upper"], rtol=1e-9)
    assert set(line(ax, "units in service")[0]) == set(running)
    same = plot_rul(model, ages=ages, table=table)
    np.testing.assert_array_equal(line(same, "mean")[1], line(ax, "mean")[1])


def test_the_path_ends_at_the_maximum(model):
    (path,) = plot_history(model).get_lines()
    assert path.get_ydata()[-1] == pytest.approx(model.log_likelihood_, abs=1e-6)
    (path,) = plot_history(model, from_guess=True).get_lines()
    assert path.get_ydata()[-1] == pytest.approx(model.log_likelihood_, abs=1e-6)
    assert path.get_ydata()[0] < model.log_likelihood_ - 100.0
    ax = plot_history(model, below_maximum=True)
    (gap,) = ax.get_lines()
    assert ax.get_yscale() == "log"
    assert np.all(gap.get_ydata() > 0)
    assert gap.get_ydata()[-1] < 1e-2 * gap.get_ydata()[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_fits_on_its_page_with_the_legend_below_the_axes(model, single, kind):
    options = {"compare": single} if kind in ("survival", "paper", "hazard") else {}
    ax = model.plot(kind, **options, **({} if kind == "history" else {"unit": "thousand hours"}))
    figure = ax.figure
    figure.draw_without_rendering()
    page, drawn = figure.bbox, figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert drawn.x0 >= page.x0 and drawn.y0 >= page.y0
    assert drawn.x1 <= page.x1 and drawn.y1 <= page.y1
    box = ax.get_window_extent()
    assert box.width > 0.75 * page.width and box.height > 0.55 * page.height
    if ax.get_legend():
        below = ax.xaxis.label.get_window_extent()
        assert ax.get_legend().get_window_extent().y1 <= below.y0 + 1.0
    for axis in (ax.xaxis, ax.yaxis):
        texts = [t.get_window_extent() for t in axis.get_ticklabels() if t.get_text()]
        shown = [t for t in texts if page.overlaps(t)]
        assert not any(a.overlaps(b) for a, b in itertools.pairwise(shown))


def test_units_of_time_stand_in_the_labels(model):
    assert plot_survival(model, unit="years").get_xlabel() == "age (years)"
    assert plot_survival(model).get_xlabel() == "age (unit of the data)"
    assert plot_hazard(model, unit="years").get_ylabel() == "hazard rate (per year)"


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_drawn_on_the_axes_it_is_given(model, kind):
    ax = Figure().add_subplot()
    assert draw(model, kind, ax) is ax
    assert isinstance(ax, Axes) and ax.get_lines()


def test_nothing_global_changes_and_pyplot_is_never_loaded(model, tmp_path):
    before = dict(matplotlib.rcParams)
    for kind in KINDS:
        save(draw(model, kind), tmp_path / f"{kind}.png")
    assert dict(matplotlib.rcParams) == before
    code = (
        "import sys, matplotlib; import survjax.plotting as p; "
        "p.save(p.plot_survival(__import__('survjax').WeibullMixture(1).fit([1., 2., 4.])),"
        f" {str(tmp_path / 'x.png')!r}); "
        "assert 'matplotlib.pyplot' not in sys.modules; "
        "assert matplotlib.rcParams._get_backend_or_none() is None"
    )
    environment = {
        "PATH": "",
        "PYTHONPATH": str(survjax.__path__[0]) + "/..",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_equal_pictures_are_equal_files(model, tmp_path, suffix):
    files = [save(plot_survival(model), tmp_path / f"{i}.{suffix}") for i in range(2)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_notebook_shows_the_axes_themselves(model):
    assert plot_survival(model)._repr_png_().startswith(b"\x89PNG")


def test_a_model_from_a_file_is_drawn_without_its_data(model, tmp_path):
    _ = model.history_  # is saved where it is known
    model.save(tmp_path / "model.json")
    loaded = survjax.load(tmp_path / "model.json")
    for kind in ("survival", "paper", "hazard", "rul"):
        labels = {part.get_label() for part in draw(loaded, kind).get_lines()}
        assert not any("Kaplan" in label for label in labels)
    del vars(loaded)["history_"]
    with pytest.raises(AttributeError, match="rows"):
        loaded.plot("history")


def test_inspection_data_are_shown_as_turnbulls_estimate(inspected):
    ages, steps = line(plot_survival(inspected), "Turnbull (data)")
    assert np.all(np.diff(ages) >= 0) and np.all(np.diff(steps) <= 1e-12)
    rows = inspected._rows
    upper = np.where(rows.interval > 0, rows.upper, np.inf)
    curve = survjax.turnbull(rows.lower, upper, sample_weight=rows.weight)
    # Between two inspections the curve slopes: nobody knows where in between the step is.
    np.testing.assert_array_equal(ages[1:-1:2], curve.starts)
    np.testing.assert_array_equal(ages[2:-1:2], curve.times)
    assert np.any(curve.starts < curve.times)
    t, height = line(inspected.plot("paper"), "failures (Turnbull)")
    inner = np.isfinite(height)
    np.testing.assert_allclose(
        height[inner], papers()["weibull"].height(np.interp(t[inner], ages, steps)), rtol=1e-6
    )


def test_a_large_fleet_is_drawn_with_as_many_marks_as_a_page_holds():
    rng = np.random.default_rng(2)
    lives = rng.weibull(2.0, 5000)
    model = WeibullMixture(1).fit(np.minimum(lives, 1.5), lives <= 1.5)
    t, _ = line(model.plot("paper"), "failures (Kaplan-Meier)")
    assert 100 < t.size < 700 and t[0] == lives.min()
    texts = [text.get_text() for text in model.plot("paper").get_yticklabels()]
    assert {"1%", "10%", "50%"} <= set(texts)
    assert line(plot_rul(model, running=lives), "units in service")[0].size <= 300


def test_a_fit_without_bounds_is_drawn_without_a_band(model):
    bare = WeibullMixture(2)
    vars(bare).update(vars(model))
    bare.covariance_ = np.full_like(model.covariance_, np.nan)
    for kind in ("survival", "paper", "hazard", "rul"):
        assert list(draw(bare, kind).collections) == []


def test_wrong_requests_are_refused_by_name(model):
    with pytest.raises(ValueError, match="kind must be one of survival, .*, got 'survial'"):
        model.plot("survial")
    with pytest.raises(TypeError, match="ax must be a matplotlib Axes or None, got Figure"):
        model.plot("survival", Figure())
    with pytest.raises(NotFittedError, match="not fitted yet"):
        WeibullMixture().plot()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        model.plot(compare=WeibullMixture())
    with pytest.raises(ValueError, match="times must be positive on a log scale, got 0"):
        model.plot("paper", times=[0.0, 1.0])
    with pytest.raises(ValueError, match="must be positive, got 0"):
        model.plot("hazard", times=[0.0, 1.0])
    with pytest.raises(ValueError, match="at least two"):
        model.plot(times=[1.0])
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        model.plot(level=95)
