"""The workers of a cluster sum the rows of a Dask DataFrame; losing one changes nothing."""

import os
import signal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from survjax import LifetimeModel, Observations, WeibullMixture, fit_groups, fit_stream
from survjax.fitting.groups.rows import GroupedRows
from survjax.fitting.streams import cluster as module

dd = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")

# Of Dask itself, about ports in use and workers that are slow to start or to end.
pytestmark = pytest.mark.filterwarnings("default")
HOW = {"duration": "age", "event": "failed", "entry": "entry"}


@pytest.fixture(scope="module")
def client():
    """A cluster inside of this process."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def frame(fleet):
    return dd.from_pandas(pd.DataFrame(fleet), npartitions=5)


def agree(ours, theirs):
    errors = np.sqrt(np.diag(theirs.covariance_))
    assert np.abs((ours.parameters_ - theirs.parameters_) / errors).max() < 1e-9
    assert (ours.n_units_, ours.n_events_) == (theirs.n_units_, theirs.n_events_)


def test_a_dask_frame_has_the_optimum_of_its_rows_in_memory(
    client, frame, fleet, little_memory, read_again
):
    theirs = WeibullMixture(2).fit(fleet["age"], fleet["failed"], entry=fleet["entry"])
    agree(fit_stream(frame, model=WeibullMixture(2), **HOW), theirs)


def test_ages_that_repeat_are_counted_by_the_workers(client, fleet, little_memory):
    whole = pd.DataFrame({"age": np.ceil(fleet["age"]), "failed": fleet["failed"]})
    ours = fit_stream(dd.from_pandas(whole, npartitions=7), duration="age", event="failed")
    agree(ours, LifetimeModel().fit(whole["age"], whole["failed"]))
    assert ours._rows.n_rows < 130


def test_wrong_input_is_said_with_its_partition(client, frame, fleet):
    with pytest.raises(ValueError, match="has no column 'years': it has age, failed"):
        fit_stream(frame, duration="years")
    with pytest.raises(ValueError, match="leave devices= out"):
        fit_stream(frame, devices="all", **HOW)
    bad = pd.DataFrame({"age": np.where(np.arange(20_000) == 9000, -1.0, fleet["age"])})
    with pytest.raises(ValueError, match=r"partition 2 .*: durations .* got -1 in row 1000"):
        fit_stream(dd.from_pandas(bad, npartitions=5), duration="age")


def test_without_a_cluster_it_says_how_to_make_one(frame, monkeypatch):
    def none():
        raise ValueError("no client")

    monkeypatch.setattr(distributed, "get_client", none)
    with pytest.raises(ValueError, match="make a client first"):
        fit_stream(frame, **HOW)


@pytest.mark.slow
def test_a_worker_that_is_killed_in_a_fit_changes_nothing(
    fleet, little_memory, read_again, tmp_path, monkeypatch
):
    for i in range(6):
        part = {name: column[i::6] for name, column in fleet.items()}
        pq.write_table(pa.table(part), tmp_path / f"{i}.parquet")
    theirs = WeibullMixture(2).fit(fleet["age"], fleet["failed"], entry=fleet["entry"])
    plain = module.OnWorkers.sum
    killed = []

    def sum_after_a_death(self, *given):
        if not killed:
            pids = self.cluster.client.run(os.getpid)
            killed.append(min(pids.values()))
            os.kill(killed[0], signal.SIGKILL)
        return plain(self, *given)

    monkeypatch.setattr(module.OnWorkers, "sum", sum_after_a_death)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster),
    ):
        frame = dd.read_parquet(f"{tmp_path}/*.parquet")
        agree(fit_stream(frame, model=WeibullMixture(2), **HOW), theirs)
    assert killed


@pytest.fixture(scope="module")
def sites():
    rng = np.random.default_rng(5)
    n = np.array([12, 40, 25, 60, 9, 33, 50, 18])
    site = np.repeat(np.arange(8), n)
    rng.shuffle(site)
    life, end = 30.0 * rng.weibull(1.8, site.size), rng.uniform(10.0, 60.0, site.size)
    # Nothing has failed at one of them.
    failed = (life <= end) & (site != 4)
    return pd.DataFrame(
        {"site": site, "age": np.where(failed, life, end), "failed": failed, "entry": 0.1 * life}
    )


@pytest.mark.parametrize(
    "model",
    [LifetimeModel(), pytest.param(WeibullMixture(2), marks=pytest.mark.slow)],
    ids=["one", "two"],
)
def test_groups_fitted_by_a_cluster_have_the_answers_of_one_process(client, sites, model):
    how = {**HOW, "model": model}
    here = fit_groups(sites, "site", **how)
    for there in (
        fit_groups(sites, "site", client=client, **how),
        fit_groups(dd.from_pandas(sites, npartitions=3), "site", **how),
    ):
        pd.testing.assert_frame_equal(there.table, here.table, rtol=1e-7)
        lives = there.predict_rul(sites[:20])
        pd.testing.assert_frame_equal(lives, here.predict_rul(sites[:20]), rtol=1e-6)
        assert there.model(3).n_units_ == 60
        assert repr(there) == repr(here)
        assert there.table.loc[4, "status"] == "no finite maximum"


def test_shares_of_groups_are_all_of_them(sites):
    rows = Observations.from_durations(sites["age"], sites["failed"], entry=sites["entry"])
    groups = GroupedRows.of(rows, sites["site"].to_numpy(), 8)
    parts = [groups.part(a, b) for a, b in ((0, 3), (3, 4), (4, 8))]
    np.testing.assert_array_equal(np.concatenate([p.n_units for p in parts]), groups.n_units)
    for i, (part, j) in enumerate((p, j) for p in parts for j in range(p.n_units.size)):
        np.testing.assert_array_equal(part.observed(j).lower, groups.observed(i).lower)
        found, whole = (g.batch(np.array([k]), 80) for g, k in ((part, j), (groups, i)))
        np.testing.assert_array_equal(found.lower, whole.lower)
        np.testing.assert_array_equal(found.weight, whole.weight)


@pytest.mark.slow
def test_groups_of_a_worker_that_is_killed_are_fitted_by_another(sites, monkeypatch):
    killed, result = [], distributed.Future.result

    def result_after_a_death(self, *given, **named):
        if not killed:
            pids = self.client.run(os.getpid)
            killed.append(min(pids.values()))
            os.kill(killed[0], signal.SIGKILL)
        return result(self, *given, **named)

    here = fit_groups(sites, "site", **HOW)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        monkeypatch.setattr(distributed.Future, "result", result_after_a_death)
        there = fit_groups(sites, "site", client=client, **HOW)
    pd.testing.assert_frame_equal(there.table, here.table, rtol=1e-7)
    assert killed
