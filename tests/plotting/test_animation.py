"""Moving pictures: the same frames as a GIF and as a player that asks no other host."""

import re

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from survjax.plotting import animate


def draw(figure, i):
    figure.subplots().plot([0, 1], [0, i])


def test_a_gif_holds_every_frame_at_its_speed(tmp_path):
    path = animate(draw, 5, tmp_path / "line.gif", frames_per_second=10)
    with Image.open(path) as movie:
        assert movie.n_frames == 5
        assert movie.info["loop"] == 0
        assert movie.info["duration"] == 100
        frames = []
        for i in range(5):
            movie.seek(i)
            frames.append(np.asarray(movie.convert("L"), float))
    assert all(np.any(a != b) for a, b in zip(frames[1:], frames[:-1], strict=True))


def test_without_a_path_the_player_is_text_that_a_notebook_shows():
    player = animate(draw, 3)
    assert player._repr_html_() == player
    assert len(re.findall(r"frames\[\d+\] = ", player)) == 3
    assert re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", player) == []
    assert "<link" not in player and "<i class" not in player


def test_an_html_file_stands_alone(tmp_path):
    path = animate(draw, 2, tmp_path / "line.html")
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_each_frame_is_drawn_on_an_empty_figure_of_the_users_choice(tmp_path):
    figure, seen = Figure(figsize=(2, 1)), []

    def note(figure, i):
        seen.append((i, len(figure.axes)))
        draw(figure, i)

    canvas = figure.canvas
    animate(note, 3, tmp_path / "line.gif", figure=figure, dpi=50)
    assert figure.canvas is canvas
    assert {n for _, n in seen} == {0}
    assert [i for i, _ in seen][-3:] == [0, 1, 2]
    with Image.open(tmp_path / "line.gif") as movie:
        assert movie.size == (100, 50)


def test_settings_of_matplotlib_stay(tmp_path):
    before = dict(matplotlib.rcParams)
    animate(draw, 2, tmp_path / "line.gif")
    animate(draw, 2)
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("path", ["film.mp4", "film"])
def test_other_files_are_refused(path):
    with pytest.raises(ValueError, match=r"path must end in \.gif or \.html, got 'film"):
        animate(draw, 2, path)
    with pytest.raises(ValueError, match="n_frames must be at least 1, got 0"):
        animate(draw, 0)
