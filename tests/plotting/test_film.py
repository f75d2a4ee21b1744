"""The moving picture begins at the first guess and ends at the fit."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from survjax.plotting import animate_fit
from survjax.plotting.films.film import HOLD, Film
from survjax.plotting.films.guess import history_from_guess

PUMPS = ((0.22, 0.78), (1.8, 17.0), (1.3, 4.2))


@pytest.fixture(scope="module")
def film(model):
    return Film(model, history_from_guess(model), PUMPS, "years")


def test_the_frames_lead_from_the_first_guess_to_the_fit(film, model):
    frames = film.frames(4)
    path = history_from_guess(model)
    (first, guess), (last, answer) = frames[0], frames[-1]
    assert (first, last) == (0, int(path["iteration"].iloc[-1]))
    np.testing.assert_allclose(guess.weights, 0.5)
    np.testing.assert_allclose(guess.shapes, 1.0)
    np.testing.assert_allclose(answer.weights, model.weights_, rtol=1e-6)
    np.testing.assert_allclose(answer.shapes, model.shapes_, rtol=1e-6)
    assert [i for i, _ in frames[:HOLD]] == [0] * HOLD
    seen = [i for i, _ in frames]
    assert seen == sorted(seen)
    assert set(seen) == set(path["iteration"])
    for _, mixture in frames:
        assert mixture.weights.sum() == pytest.approx(1.0, abs=1e-12)


def test_a_guess_that_leads_elsewhere_gives_way_to_the_fits_own_iterations(model, monkeypatch):
    elsewhere = model.history_.assign(log_likelihood=model.log_likelihood_ - 1.0)
    monkeypatch.setattr(model, "_history", lambda start: elsewhere, raising=False)
    assert history_from_guess(model) is model.history_


def test_the_answer_is_near_the_truth_and_the_guess_is_not(film):
    def gap(mixture):
        return np.max(np.abs(mixture.survival(film.t) - film.truth.survival(film.t)))

    frames = film.frames(1)
    assert gap(frames[-1][1]) < 0.05
    assert gap(frames[0][1]) > 0.2


def test_a_frame_drawn_alone_equals_the_frame_of_the_film(film):
    frames = film.frames(1)
    chosen = [frames[0], frames[HOLD + 2], frames[-1]]
    drawn = list(film.images(Figure(figsize=(8.0, 3.8), dpi=50), chosen))
    for frame, image in zip(chosen, drawn, strict=True):
        figure = Figure(figsize=(8.0, 3.8), dpi=50)
        film.draw(figure, *frame)
        FigureCanvasAgg(figure).draw()
        alone = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
        # Moving lines lie above the axes' frame in the film, so a few pixels differ.
        assert np.mean(np.abs(alone - np.asarray(image).astype(int)) > 40) < 0.005


def test_a_gif_is_written_and_equal_films_are_equal_files(model, tmp_path):
    paths = [
        model.animate(tmp_path / f"{i}.gif", truth=PUMPS, frames_per_step=1, dpi=40)
        for i in range(2)
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with Image.open(paths[0]) as movie:
        assert movie.n_frames >= 5
        assert movie.size == (320, 152)
        assert movie.info["loop"] == 0
        first = np.asarray(movie.convert("L"), float)
        movie.seek(movie.n_frames - 1)
        assert np.any(first != np.asarray(movie.convert("L"), float))


def test_without_a_truth_and_with_one_component_there_is_a_player(single):
    player = animate_fit(single, frames_per_step=1, dpi=20)
    assert "<script" in player


def test_other_files_and_speeds_are_refused(single):
    with pytest.raises(ValueError, match=r"path must end in \.gif or \.html"):
        animate_fit(single, "film.mp4")
    with pytest.raises(ValueError, match="frames_per_step must be at least 1, got 0"):
        animate_fit(single, frames_per_step=0)


def test_densities_per_hour_have_marks_of_a_few_digits(single):
    film = Film(single, history_from_guess(single), None, "hours")
    film.top = 3.1e-6
    figure = Figure()
    film.draw(figure, *film.frames(1)[0])
    right = figure.axes[1]
    assert right.get_ylabel() == "density (per 1,000,000 hours)"
    assert right.yaxis.get_major_formatter()(2e-6) == "2"
