"""Programs on disk between processes: filled by two at once, loaded by a third."""

import os
import subprocess
import sys

from survjax._core.programs import files as program_files

#: Programs that call LAPACK (an eigenvalue problem, a root, a system), in a process that traces
#: none of them where they are kept already.
LINEAR = """
import sys
import jax, numpy as np
import jax.numpy as jnp
import survjax._core.programs.compiled as programs
def eigen(a): return jnp.linalg.eigh(a)
def root(a): return jnp.linalg.cholesky(a)
def system(a): return jnp.linalg.solve(a, jnp.ones(3))
counts = {"load": 0}
unpack = programs.unpack
def counted(*given):
    found = unpack(*given)
    counts["load"] += found is not None
    return found
programs.unpack = counted
a = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
with jax.enable_x64(True):
    for f in (eigen, root, system):
        f.__module__ = "survjax.made"
        for part in jax.tree.leaves(programs.program(f)(a)):
            print(np.asarray(part).tobytes().hex())
print(counts["load"])
"""


def in_a_process(code, folder):
    environment = {**os.environ, program_files.VARIABLE: str(folder)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def result(process):
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert err == ""
    *numbers, loaded = out.split()
    return numbers, int(loaded)


def test_two_processes_fill_a_folder_at_once_and_a_third_loads_programs_with_lapack(tmp_path):
    both = [in_a_process(LINEAR, tmp_path / "kept") for _ in range(2)]
    first, second = (result(process)[0] for process in both)
    third, loaded = result(in_a_process(LINEAR, tmp_path / "kept"))
    assert loaded == 3
    assert first == second == third
    assert len(list((tmp_path / "kept").iterdir())) == 3


#: The same program twice, as of two versions of survjax: the second comes from JAX's cache.
TWICE = """
import jax, numpy as np
import jax.numpy as jnp
import survjax._core.programs.compiled as programs
def slopes(x): return jnp.sort(jnp.sin(x)) + jax.lax.cumsum(x)
slopes.__module__ = "survjax.made"
x = np.linspace(0.0, 3.0, 50)
for version in ("1", "2"):
    programs.surroundings = lambda version=version: version
    program = programs.program(slopes)
    print(np.asarray(program(x)).tobytes().hex())
print(0)
"""


def test_a_program_that_jax_took_from_its_own_cache_is_not_kept_broken(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "jax"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    with_both = [result(in_a_process(TWICE, tmp_path / "kept"))[0] for _ in range(2)]
    for name in os.environ:
        if name.startswith("JAX_"):
            monkeypatch.delenv(name)
    alone = [result(in_a_process(TWICE, tmp_path / "kept"))[0] for _ in range(2)]
    assert with_both[0] == with_both[1] == alone[0] == alone[1]
