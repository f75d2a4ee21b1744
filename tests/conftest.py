"""Fixtures and settings shared by every test."""

import os
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest
from hypothesis import HealthCheck, settings

from survjax._core.programs import clear_programs

# Pictures are drawn without a screen, also where a test starts another process.
os.environ.setdefault("MPLBACKEND", "Agg")
# No test depends on what a user's cache holds, or adds to it; those of the cache have their own.
os.environ["SURVJAX_CACHE_DIR"] = ""

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
