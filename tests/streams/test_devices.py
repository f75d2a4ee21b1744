"""Rows that several devices share have the likelihood of one, in one process and in several."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import numpy as np
import pytest
from jax import export
from jax.sharding import AbstractMesh, NamedSharding, PartitionSpec

from survjax import LifetimeModel, Observations, WeibullMixture
from survjax.likelihood.devices import ROWS, sum_on_devices
from survjax.likelihood.objective import _packed
from survjax.likelihood.weibulls import weibull_template

ROOT = Path(__file__).resolve().parents[2]
FLEET = """
import json, sys
import numpy as np
import pandas as pd

def fleet():
    rng = np.random.default_rng(0)
    n = 20_000
    life = np.where(rng.random(n) < 0.4, 5 * rng.weibull(0.8, n), 40 * rng.weibull(3.0, n))
    end = rng.uniform(10.0, 60.0, n)
    age = np.minimum(life, end)
    entry = np.where(rng.random(n) < 0.5, 0.5 * rng.random(n) * age, 0.0)
    return pd.DataFrame({"age": age, "failed": life <= end, "entry": entry})
"""
FITS = """
from survjax import LifetimeModel, WeibullMixture, fit_stream
from survjax.fitting.streams import interpolated, ties

rows = fleet()
one = WeibullMixture(2).fit(
    rows["age"], rows["failed"], entry=rows["entry"], devices="all"
)
ties.MOST_ROWS, interpolated.PLACE = 3000, 0.0
two = fit_stream(rows, duration="age", event="failed", devices="all")
found = [[list(m.parameters_), m.log_likelihood_] for m in (one, two)]
"""


def run(code, flags="", **more):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, **more}
    return subprocess.Popen(
        [sys.executable, "-c", FLEET + textwrap.dedent(code)],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def result(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def alone():
    """The fits of one device."""
    space = {}
    exec(FLEET, space)
    rows = space["fleet"]()
    return (
        WeibullMixture(2).fit(rows["age"], rows["failed"], entry=rows["entry"]),
        LifetimeModel().fit(rows["age"], rows["failed"]),
    )


def agree(found, alone):
    for (parameters, value), model in zip(found, alone, strict=True):
        errors = np.sqrt(np.diag(model.covariance_))
        assert np.abs((np.array(parameters) - model.parameters_) / errors).max() < 1e-9
        assert value == pytest.approx(model.log_likelihood_, rel=1e-12)


def test_eight_devices_find_the_optimum_of_one(alone):
    code = FITS + "import jax\nassert len(jax.devices()) == 8\nprint(json.dumps(found))\n"
    agree(result(run(code, "--xla_force_host_platform_device_count=8")), alone)


@pytest.mark.slow
def test_two_processes_find_the_optimum_of_one(alone):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begin = f"""
import jax
jax.distributed.initialize("127.0.0.1:{port}", 2, NUMBER)
assert len(jax.devices()) == 4 and len(jax.local_devices()) == 2
"""
    flags = "--xla_force_host_platform_device_count=2"
    both = [
        run(begin.replace("NUMBER", str(i)) + FITS + "print(json.dumps(found))\n", flags)
        for i in range(2)
    ]
    first, second = [result(process) for process in both]
    agree(first, alone)
    agree(second, alone)


@pytest.mark.parametrize("template", [weibull_template(1), weibull_template(2)])
def test_the_sums_of_eight_devices_lower_for_gpus_and_tpus(template):
    mesh = AbstractMesh((8,), (ROWS,))
    rows = Observations.from_durations(np.linspace(1.0, 2.0, 8 * 512)).padded(8 * 512)
    shared = NamedSharding(mesh, PartitionSpec(ROWS))
    rows = jax.tree.map(lambda c: jax.ShapeDtypeStruct(c.shape, c.dtype, sharding=shared), rows)
    given = template.lifetime, np.zeros((3, template.size)), rows
    with jax.enable_x64(True):
        lowered = export.export(sum_on_devices.jitted, platforms=["cuda", "tpu"])(
            *given, of_rows=_packed, mesh=mesh
        )
    assert lowered.nr_devices == 8
    text = lowered.mlir_module()
    assert "all_gather" in text and "callback" not in text


def test_devices_are_all_or_a_list():
    for given in ("gpu", [], [3]):
        with pytest.raises(ValueError, match="devices must be 'all' or a list of jax.devices"):
            LifetimeModel().fit([1.0, 2.0, 3.0], devices=given)
