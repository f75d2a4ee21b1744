"""Fixtures and settings shared by every test."""

import gc
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jaxlib.version
import pytest
from hypothesis import HealthCheck, settings

from survjax._core.programs import clear_programs, executables
from tests.long_cases import LONG_CASES

# What the tests themselves compile runs once: the compiler should hurry. survjax's own programs are
# compiled as for its users. A flag that a version does not know would end the process.
HURRY = "--xla_backend_optimization_level=0"
if jaxlib.version.__version__.startswith("0.10."):
    HURRY += " --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {HURRY}".strip()
executables.QUICK["xla_backend_optimization_level"] = "0"

# What is traced and compiled stays: looking through all of it for garbage takes long.
gc.set_threshold(200_000, 50, 1_000)

# Whether a draft is replaced depends on the clock, and its last digits differ: here none is.
executables.WORTH = math.inf

# Pictures are drawn without a screen, also where a test starts another process.
os.environ.setdefault("MPLBACKEND", "Agg")
# No test depends on what a user's cache holds, or adds to it. The processes that share one run of
# the tests share what they compile, in a folder that goes with the run; tests of the cache have
# their own.
SHARED = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")
KEPT = Path(tempfile.gettempdir()) / f"survjax-tests-{SHARED}"
os.environ["SURVJAX_CACHE_DIR"] = str(KEPT) if SHARED else ""


def pytest_configure(config: pytest.Config) -> None:
    """Name the folder where this process starts those that run the tests."""
    if not hasattr(config, "workerinput"):
        config.add_cleanup(lambda: [shutil.rmtree(p, True) for p in STARTED])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark single cases that take long: before pytest chooses by marks."""
    for item in items:
        if item.nodeid.removeprefix("tests/") in LONG_CASES:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Note the folder that a process which runs tests will use: it is removed at the end."""
    uid = node.workerinput.get("testrunuid", "")
    STARTED.add(Path(tempfile.gettempdir()) / f"survjax-tests-{uid}")


STARTED: set[Path] = set()

# The same examples on every run; compile times make a deadline meaningless.
settings.register_profile(
    "survjax",
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("survjax")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True, scope="module")
def few_compiled_programs() -> Iterator[None]:
    """Forget compiled programs before they use up what Linux grants one process.

    Each holds some memory maps, of which a process may have 65,530; XLA crashes beyond.
    """
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 20_000:
        jax.clear_caches()
        clear_programs()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data and of other programs' results; skips where there is none."""
    folder = os.environ.get("SURVJAX_DATA")
    if not folder:
        pytest.skip("SURVJAX_DATA is not set: no folder of real data to compare with")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"SURVJAX_DATA={folder!r} is not a folder")
    return path
