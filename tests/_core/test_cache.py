"""Compiled programs on disk: what the cache changes, and whose folders it refuses."""

import os
import subprocess
import sys

import pytest

from survjax._core.cache import enable_compile_cache

FIT = """
import sys, warnings
import jax, survjax
import numpy as np
events = []
jax.monitoring.register_event_listener(lambda name, **_: events.append(name))
if sys.argv[2] == "late":
    jax.jit(lambda x: x + 1)(1.0)
print(survjax.enable_compile_cache(sys.argv[1]))
model = survjax.WeibullMixture(1).fit(np.linspace(1.0, 9.0, 50), entry=np.full(50, 0.5))
print(model.log_likelihood_, events.count("/jax/compilation_cache/cache_hits"))
"""


def run(folder, when):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    # Programs that survjax keeps itself never come to JAX's cache.
    environment["SURVJAX_CACHE_DIR"] = ""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FIT, str(folder), when],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    path, rest = done.stdout.splitlines()
    value, hits = rest.split()
    return path, float(value), int(hits)


def test_a_second_process_takes_its_programs_from_disk(tmp_path):
    folder = tmp_path / "a" / "b"
    path, first, hits = run(folder, "early")
    assert path == str(folder)
    assert hits == 0
    assert folder.stat().st_mode & 0o777 == 0o700
    assert any(folder.iterdir())
    _, second, hits = run(folder, "late")
    assert hits > 0
    assert second == first


@pytest.fixture
def settings():
    """JAX's settings, which must not change where the folder is refused."""
    import jax

    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = [getattr(jax.config, name) for name in names]
    yield
    assert [getattr(jax.config, name) for name in names] == before


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no such owners")
def test_a_folder_that_others_may_write_to_is_refused(tmp_path, settings):
    tmp_path.chmod(0o777)
    with pytest.raises(PermissionError, match=r"others may write.*mode 777"):
        enable_compile_cache(tmp_path)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no such owners")
def test_a_folder_of_another_user_is_refused(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(PermissionError, match="belongs to another user"):
        enable_compile_cache(tmp_path)


def test_a_file_is_refused(tmp_path, settings):
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="must be a folder"):
        enable_compile_cache(tmp_path / "file")
