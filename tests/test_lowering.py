"""Every compiled entry point lowers for GPUs and TPUs, though these tests run on a CPU.

Entry points are found, not listed: a new one needs a call among `calls` that reaches it.
"""

import contextlib
import importlib
import pkgutil
import sys
import warnings
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from jax import export

import survjax
from survjax import (
    AcceleratedLifetime,
    CompetingRegression,
    CompetingRisks,
    DeepWeibullMixture,
    LifetimeModel,
    MixtureRegression,
    Observations,
    ScaledHazard,
    WeibullMixture,
    compute_hazard,
    fit_groups,
)
from survjax._core.precision import double_precision
from survjax._core.programs import Program, clear_programs
from survjax.baselines import LinearRegression, LogisticRegression, MLPRegressor
from survjax.data.truncation_rows import with_truncation_rows
from survjax.fitting.corrections import Correction
from survjax.fitting.local_maxima import Limits, maximize_from
from survjax.lifetimes import Lifetime, LogNormal, Mixture, Weibull
from survjax.likelihood.causes.rows import SortedRows
from survjax.likelihood.causes.terms import cause_scores
from survjax.likelihood.objective import Objective
from survjax.likelihood.regression.histories import Histories
from survjax.likelihood.regression.history_likelihood import HistoryLikelihood
from survjax.likelihood.rows import membership_entropy
from survjax.likelihood.vector.template import Template
from survjax.likelihood.weibulls import weibull_template
from survjax.optimize import fixed_point, iterate, orbit
from survjax.prediction.curves import membership_logits
from survjax.prediction.incidence import incidences_at
from survjax.uncertainty import targets
from survjax.uncertainty.bootstrap import Bootstrap, bootstrap_bounds
from survjax.uncertainty.profile import compressed
from survjax.uncertainty.targets import Target

RNG = np.random.default_rng(11)
T = np.round(40 * RNG.weibull(2.0, 60) + 0.5, 1)
EVENT = RNG.random(60) < 0.7
X = RNG.normal(size=(60, 1))
Y = np.column_stack([T, EVENT])
FLEET = pd.DataFrame({"site": np.arange(60) % 3, "age": T, "failed": EVENT})
#: What fits a model; of all others no more than the shapes of their results is needed.
RUN = (
    "local_maxima.maximize_from",
    "groups.newton.maximize_groups",
    "mixtures.queue.run_queue",
    "regression.maxima.maximize_regression_from",
    "objective._packed",
    "devices.sum_on_devices",
    "causes.search._maximize",
    "causes.starts._log_hazards",
    "causes.with_columns._derivatives",
    "causes.with_columns._rates",
    "panels._rates",
    "regression.likelihood._derivatives",
    "regression.likelihood._values",
)


class Recorder:
    """Stands in for one compiled function: notes the shapes of a call, and returns ones."""

    def __init__(self, name, function):
        self.name, self.function, self.call, self.count = name, function, None, 0

    def __call__(self, *args, **kwargs):
        self.call = self.call or jax.tree.map(abstract, (args, kwargs))
        if self.name.endswith(RUN):
            return self.function(*args, **kwargs)
        self.count += 1
        if self.count > 50:
            raise RuntimeError("ones end no loop")
        shapes = jax.eval_shape(jitted(self.function), *args, **kwargs)
        return jax.tree.map(lambda s: np.ones(s.shape, s.dtype), shapes)

    def __getattr__(self, name):
        return getattr(self.function, name)


def abstract(leaf):
    """The shape of an array, which may be one that is being traced."""
    if isinstance(leaf, (jax.Array, np.ndarray)):
        return jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype)
    return leaf


def jitted(function):
    """What JAX knows of a program."""
    return function.jitted if isinstance(function, Program) else function


def entry_points():
    """All compiled functions at the top of a module, by name."""
    kinds = type(jax.jit(len)), Program
    found = {}
    for part in pkgutil.walk_packages(survjax.__path__, "survjax."):
        if not part.name.endswith("__main__"):
            module = importlib.import_module(part.name)
            for name, value in vars(module).items():
                if isinstance(value, kinds) and value.__module__ == part.name:
                    found[f"{part.name.removeprefix('survjax.')}.{name}"] = value
    return found


def calls():
    """What reaches the programs; a call may end in an error where ones are no answer."""
    yield from several_causes()
    yield from on_devices()
    few = Observations.from_durations(T, EVENT)
    model = WeibullMixture(1).fit(few)
    two = Mixture(np.zeros(1), Weibull(np.zeros(2), np.zeros(2)))
    yield from (
        lambda: model.history_,
        lambda: model.survival(3.0),
        lambda: membership_logits(two, np.eye(5), np.ones(2), np.zeros(2, bool)),
        lambda: model.score(T, EVENT),
        lambda: Lifetime.with_quantiles(Weibull(0.0, 0.0), [0.1, 0.5], [1.0, 2.0]),
        lambda: model.predict_interval([3.0]),
        lambda: model.predict_interval(np.linspace(0.0, 9.0, 5000)),
        lambda: model.mean(),
        lambda: model.sample(5),
        lambda: compute_hazard(model.lifetime_, [3.0], jacobian=True),
        lambda: model.confidence_interval("survival", 3.0, method="profile"),
        lambda: model.confidence_interval("shapes", method="delta"),
        lambda: model.bootstrap(20),
        lambda: model.bootstrap(20, kind="parametric"),
        lambda: model.goodness_of_fit(19),
        lambda: (
            WeibullMixture(1)
            .fit(Observations.from_durations(T, exit=np.full(60, 400.0)))
            .goodness_of_fit(19)
        ),
    )
    resampled = Bootstrap(np.zeros((30, 2)), "rows", 30, 0, np.zeros(2))
    many = Observations.from_durations(np.linspace(1.0, 2.0, 70_000))
    yield from (
        lambda: bootstrap_bounds(
            model.lifetime_, np.eye(2), resampled, "survival", Target(t=np.ones(1)), 0.9
        ),
        lambda: compressed(model._template, model.parameters_, many),
        lambda: Objective(weibull_template(1), many)(model.parameters_),
        lambda: WeibullMixture(2).fit_interval(np.floor(T), np.floor(T) + 1.0),
    )
    if find_spec("blackjax") is not None:
        drawn = LifetimeModel("weibull").fit(T, EVENT)
        yield lambda: drawn.posterior(100, n_warmup=100).predict_interval([3.0])
    aft = AcceleratedLifetime().fit(X, Y)
    yield from (
        lambda: aft.predict_rul(X[:3]),
        lambda: aft.predict_interval(X[:3]),
        lambda: aft.predict_path(X[:3], [0.0, 1.0, 2.0, 3.0]),
        lambda: aft.score(X, Y),
        lambda: AcceleratedLifetime().fit(X, Y, unit=np.arange(60), entry=np.zeros(60)),
        lambda: ScaledHazard(joint=False).fit(X, Y),
        lambda: AcceleratedLifetime(penalty="firth").fit(X, Y),
    )
    mixed = MixtureRegression(2, n_starts=1, max_iter=20).fit(X, Y)
    found = mixed._fitted
    units = Histories.from_rows(few, np.arange(60))
    bound = HistoryLikelihood(found.form, found.layout, units, X, found.columns)
    yield from (
        lambda: bound.memberships(found.theta),
        lambda: bound.failed_shapes(found.theta),
        lambda: mixed.membership(X[:3]),
        lambda: mixed.membership(X[:3], level=None),
        lambda: membership_entropy(model.lifetime_, few),
    )
    deep = DeepWeibullMixture(1, n_members=2, max_epochs=2, layers=(2,))
    yield from (
        lambda: deep.fit(X, Y),
        lambda: deep.predict_quantile(X[:3]),
        lambda: deep.membership(X[:3]),
        lambda: deep.predict_path(X[:3], [0.0, 1.0, 2.0, 3.0]),
        lambda: deep.score(X, Y, unit=np.arange(60)),
    )
    network = MLPRegressor((2,), n_restarts=1, max_epochs=2)
    yield from (
        lambda: network.fit(X, T),
        lambda: network.predict(X),
        lambda: LinearRegression("newton").fit(X, T),
        lambda: LogisticRegression(solver="gd").fit(X, EVENT),
        lambda: iterate(jnp.cos, 1.0, 3),
        lambda: orbit(jnp.multiply, 1.0, 0.5, 2, 2),
        lambda: fixed_point(jnp.cos, 1.0),
        lambda: fit_groups(FLEET, "site", duration="age", event="failed").predict_rul(FLEET),
        lambda: fit_groups(FLEET, "site", duration="age", event="failed").bootstrap(20),
        lambda: fit_groups(FLEET, "site", duration="age", event="failed", model=WeibullMixture(2)),
        lambda: WeibullMixture(1).fit(T, EVENT).refit(T[:5]).moved_by(),
        lambda: AcceleratedLifetime().fit(X, Y).refit(X[:5], Y[:5]).moved_by(),
    )


def on_devices():
    """The sums of a fit whose rows are shared out over devices."""
    return (lambda: WeibullMixture(1).fit(T, EVENT, devices="all"),)


def several_causes():
    """Calls of a model of several causes, some of which are narrowed down, or in intervals."""
    cause = np.where(EVENT, np.where(np.arange(60) % 2 == 0, "wear", "shock"), None)
    narrowed = [{"wear", "shock"} if c and i % 5 == 0 else c for i, c in enumerate(cause)]
    make = lambda: CompetingRisks({"wear": "weibull", "shock": "exponential"})  # noqa: E731
    known = make().fit(T, cause)
    causes = {"wear": AcceleratedLifetime(), "shock": "exponential"}
    moved = CompetingRegression(causes).fit(X, T, cause)
    return (
        lambda: moved.failure_probability(X[:2], [3.0, 9.0], cause="wear"),
        lambda: make().fit(T, narrowed).score(T, narrowed),
        lambda: CompetingRegression(causes).fit(X, T, narrowed),
        lambda: known.cumulative_incidence([3.0, 9.0], "wear"),
        lambda: known.failure_probability([3.0], 1.0, cause="wear"),
        lambda: known.probability_of("wear", [3.0]),
        lambda: targets.target_expansion(
            known.lifetime_, Target(t=np.float64(3.0)), curve="survival"
        ),
        lambda: incidences_at(
            known.lifetime_, known.parameters_[None], 0, np.array([3.0]), np.zeros(1)
        ),
        lambda: cause_scores(
            known.lifetime_, SortedRows.of(known._rows, known._allowed), known._rows.n_rows
        ),
    )


@pytest.fixture(scope="module")
def recorded():
    """Recorders of all entry points, after the calls."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        recorders = {name: Recorder(name, point) for name, point in entry_points().items()}
        stands_in = {id(recorder.function): recorder for recorder in recorders.values()}
        for module in [m for name, m in sys.modules.items() if name.startswith("survjax.")]:
            for name, value in list(vars(module).items()):
                if id(value) in stands_in:
                    patch.setattr(module, name, stands_in[id(value)])
        for call in calls():
            with contextlib.suppress(Exception):
                double_precision(call)()
    # What was traced meanwhile holds ones in place of programs: neither these tests nor later ones
    # may take it for the real thing.
    jax.clear_caches()
    clear_programs()
    return recorders


def test_every_entry_point_is_reached(recorded):
    missing = [name for name, recorder in recorded.items() if recorder.call is None]
    assert missing == [], "add calls that reach these"
    assert len(recorded) > 20


def test_every_entry_point_lowers_for_gpus_and_tpus(recorded):
    with jax.enable_x64(True):
        reached = {name: r for name, r in recorded.items() if r.call is not None}
        for name, recorder in reached.items():
            args, kwargs = recorder.call
            lowered = export.export(jitted(recorder.function), platforms=["cuda", "tpu"])(
                *args, **kwargs
            )
            assert lowered.platforms == ("cuda", "tpu"), name
            assert lowered.mlir_module_serialized, name


ZERO = np.zeros(2)
SEVERAL = Mixture(np.zeros(3), (Weibull(ZERO, ZERO), LogNormal(ZERO, ZERO)))
INSPECTED = Observations.from_intervals(np.floor(T), np.floor(T) + 1.0, entry=0.1 * np.floor(T))


@pytest.mark.parametrize(
    ("template", "rows"),
    [
        (weibull_template(1), Observations.from_durations(T, EVENT)),
        (weibull_template(3), Observations.from_durations(T, EVENT, entry=0.1 * T)),
        (weibull_template(2), INSPECTED),
        (Template(SEVERAL), INSPECTED),
    ],
)
def test_a_whole_search_from_many_starts_lowers_as_one_program(template, rows):
    p = template.size
    starts, rows = np.zeros((16, p)), with_truncation_rows(rows)
    given = template.lifetime, starts, rows, Limits.of(1e-9, 100), Correction.none(p)
    with jax.enable_x64(True):
        lowered = export.export(jitted(maximize_from), platforms=["cuda", "tpu"])(*given)
        assert lowered.platforms == ("cuda", "tpu")
        text = lowered.mlir_module()
    # The loop is inside, and nothing in it goes back to the host.
    assert "stablehlo.while" in text and "callback" not in text
