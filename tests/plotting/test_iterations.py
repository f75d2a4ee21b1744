"""Pictures of iterated maps show the numbers that they are about."""

import jax
import numpy as np
import pytest

from survjax.optimize import Basins, basins, iterate, orbit
from survjax.plotting import plot_basins, plot_bifurcation, plot_iterates


def parabola(x):
    return (x**2 + 21) / 10


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_numbers_are_drawn_against_where_they_end():
    found = basins(parabola, [-8.0, -3.0, 0.0, 6.0, 7.0])
    ax = plot_basins(found)
    assert labels(ax) == ["3: 3 of 5 starts", "7: 1 of 5 starts", "nowhere: 1"]
    drawn = ax.get_lines()[0].get_data()
    np.testing.assert_allclose(drawn, [[-3.0, 0.0, 6.0], [3.0, 3.0, 3.0]])


def test_vectors_are_drawn_in_the_plane_that_is_asked_for():
    starts = np.array([[0.0, 1.0, 5.0], [0.0, 2.0, 6.0], [9.0, 9.0, 9.0]])
    ends = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [np.nan] * 3])
    found = Basins.from_ends(starts, ends, [0.25, 0.25, 0.0])
    ax = plot_basins(found, axes=(1, 2), names=("scale", "shape"))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("scale", "shape")
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), starts[:2, 1:])
    assert labels(ax) == ["0.25 at 1, 1, 1: 2 of 3 starts", "nowhere: 1"]


def test_iterates_are_paths_from_every_start():
    path = iterate(parabola, np.array([0.0, 6.0]), 20)
    drawn = plot_iterates(path).get_lines()
    assert len(drawn) == 2
    np.testing.assert_allclose(drawn[1].get_ydata(), path[:, 1])


def test_the_diagram_is_dark_where_orbits_stay():
    a = np.linspace(2.8, 3.3, 26)
    with jax.enable_x64(True):
        kept = orbit(lambda x, a: a * x * (1 - x), 0.3, a, 2000, 100)
    ax = plot_bifurcation(a, kept, bins=200, name="rate")
    image = ax.get_images()[0]
    dark = np.asarray(image.get_array()) > 0
    assert dark.shape == (200, 26)
    # One state below 3 (settling is slow just beside it), two above.
    counts = dark.sum(axis=0)
    assert np.all(counts[a < 2.95] == 1) and np.all(counts[a > 3.05] == 2)
    low, high = image.get_extent()[2:]
    height = low + (np.argmax(dark[:, 0]) + 0.5) * (high - low) / 200
    assert height == pytest.approx(1 - 1 / 2.8, abs=(high - low) / 200)
    assert ax.get_xlabel() == "rate"
    with pytest.raises(ValueError, match="one column for each of the values of a"):
        plot_bifurcation(a, np.asarray(kept).T)
