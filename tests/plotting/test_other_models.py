"""A picture that cannot be drawn of a model says what can."""

import numpy as np
import pytest

from survjax import AcceleratedLifetime, CoxPH, ScaledHazard, WeibullMixture, plotting
from survjax.baselines import DiscreteTimeHazard, LogisticRegression, MLPRegressor
from survjax.estimators.messages import NotFittedError
from survjax.plotting.data import PICTURES


def drawn(picture, model, x):
    """Call a picture as its signature asks."""
    more = {
        "plot_partial_survival": (x, 0, [0.0, 1.0], [1.0, 2.0]),
        "plot_asset_rul": (x, np.arange(1.0, len(x) + 1)),
        "plot_decision_regions": (x,),
        "plot_hidden_units": (x,),
    }
    return getattr(plotting, picture)(model, *more.get(picture, ()))


@pytest.mark.parametrize(
    "model",
    [
        AcceleratedLifetime(), CoxPH(), ScaledHazard(), WeibullMixture(1), LogisticRegression(),
        MLPRegressor((2,), n_restarts=1, max_epochs=2), DiscreteTimeHazard(),
    ],
)  # fmt: skip
def test_a_picture_of_another_kind_of_model_says_what_to_draw_instead(model):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 2))
    y = np.column_stack([rng.integers(1, 6, 40), rng.random(40) < 0.8])
    for picture in PICTURES:
        with pytest.raises(NotFittedError, match=f"this {type(model).__name__} is not fitted yet"):
            drawn(picture, model, x)
    if isinstance(model, WeibullMixture):
        model.fit(*y.T)
    else:
        model.fit(x, y[:, 1] if hasattr(model, "at_iteration") else y)
    told = set()
    for picture, (needs, what) in PICTURES.items():
        fits = all(hasattr(model, name) for name in needs)
        if fits or (hasattr(model, "at_iteration") and picture in ("plot_history", "animate_fit")):
            continue
        with pytest.raises(TypeError, match=f"{picture} draws {what}, and .* has none: ") as found:
            drawn(picture, model, x)
        told.add(str(found.value).split("has none: ")[1])
    (advice,) = told
    if isinstance(model, DiscreteTimeHazard):
        assert advice == "draw what it predicts"
        return
    for picture in advice.removeprefix("use ").split(", "):
        if picture != "animate_fit":
            drawn(picture, model, x)
