"""Programs kept on disk: the same numbers with and without, and no harm from whatever lies there.

Most tests forget what this process has compiled and call again: what then is loaded or compiled
is counted.
"""

import gc
import math
import os
import pickle
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from survjax._core.precision import double_precision
from survjax._core.programs import compiled as programs
from survjax._core.programs import executables
from survjax._core.programs import files as program_files
from survjax._core.programs import keys as program_keys
from survjax.lifetimes import Lifetime, parameter, pytree
from survjax.optimize import iterate
from survjax.prediction.points import _log_hazards
from tests._core.kept import AGES, PROGRAM, PUMP, T, assert_same, call, log_hazards, the_file


def test_results_are_bitwise_equal_compiled_loaded_and_without_a_folder(
    folder, counts, monkeypatch
):
    compiled = call()
    assert (counts.packed, counts.loaded) == (1, 0)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert the_file(folder).stat().st_mode & 0o777 == 0o600
    PROGRAM.clear_cache()
    loaded = call()
    assert (counts.packed, counts.loaded) == (1, 1)
    PROGRAM.clear_cache()
    monkeypatch.setenv(program_files.VARIABLE, "")
    plain = call()
    assert (counts.packed, counts.loaded) == (1, 1)
    assert_same(compiled, loaded)
    assert_same(compiled, plain)


def test_an_option_that_the_compiler_does_not_know_is_left_out(folder, monkeypatch):
    expected = call()
    PROGRAM.clear_cache()
    monkeypatch.setenv(program_files.VARIABLE, "")
    monkeypatch.setattr(executables, "DRAFT", {"xla_cpu_no_such_option": True})
    for ours, theirs in zip(call(), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)


def test_one_unknown_option_does_not_take_the_others_with_it():
    level = ("xla_backend_optimization_level", "0")
    known = executables._known((("xla_cpu_no_such_option", True), level))
    assert known == dict([level])


def test_settings_that_are_sets_have_lasting_names():
    # JAX 0.12 has such a one among its settings.
    text = program_keys.lasting((frozenset({"b", "a"}), frozenset(), None))
    assert text == "{'a', 'b'}, {}, None"


def test_an_empty_variable_keeps_nothing(monkeypatch):
    monkeypatch.setenv(program_files.VARIABLE, " ")
    assert program_files.folder() is None


def test_without_the_variable_the_folder_is_in_the_users_cache(monkeypatch):
    monkeypatch.delenv(program_files.VARIABLE)
    assert program_files.folder().parts[-2:] == ("survjax", "programs")


def damaged(path):
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def not_a_program(path):
    place, name = path.parent, path.name
    path.unlink()
    assert program_files.write(place, name, pickle.dumps("something else"))


def of_another_program(path):
    content = program_files.read(path.parent, path.name)
    text, *rest = pickle.loads(content)
    assert program_files.write(path.parent, path.name, pickle.dumps((text + " ", *rest)))


def writable_by_others(path):
    path.chmod(0o666)


def in_a_folder_of_all(path):
    path.parent.chmod(0o777)


@pytest.mark.parametrize(
    "harm",
    [damaged, truncated, empty, not_a_program, of_another_program, writable_by_others,
     in_a_folder_of_all],
)  # fmt: skip
def test_a_file_that_is_not_whole_or_not_ours_is_compiled_anew(folder, counts, harm):
    first = call()
    harm(the_file(folder))
    PROGRAM.clear_cache()
    assert_same(call(), first)
    assert (counts.packed, counts.loaded) == (2, 0)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no such owners")
def test_what_belongs_to_another_user_is_neither_read_nor_written(folder, counts, monkeypatch):
    first = call()
    path = the_file(folder)
    before = path.stat().st_mtime_ns
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    PROGRAM.clear_cache()
    assert_same(call(), first)
    assert (counts.packed, counts.loaded) == (2, 0)
    assert the_file(folder).stat().st_mtime_ns == before


def refused(*_, **__):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("step", ["fdopen", "replace"])
def test_a_full_disk_only_means_that_nothing_is_kept(folder, counts, monkeypatch, step):
    monkeypatch.setattr(program_files.os, step, refused)
    call()
    assert counts.packed == 1
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_only_means_that_nothing_is_kept(folder, counts, monkeypatch):
    folder.write_text("a file stands where the folder should")
    call()
    assert counts.packed == 1
    monkeypatch.setattr(type(folder), "mkdir", refused)
    assert not program_files.write(folder.parent / "other", "name", b"content")


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_still_gives_what_it_has(folder, counts):
    call()
    folder.chmod(0o500)
    PROGRAM.clear_cache()
    call()
    assert (counts.packed, counts.loaded) == (1, 1)
    assert not program_files.write(folder, "name", b"content")
    folder.chmod(0o700)


@pytest.mark.parametrize("what", ["jax.__version__", "version.__version__", "np.__version__"])
def test_another_version_is_another_program(folder, counts, monkeypatch, what):
    call()
    program_keys.surroundings.cache_clear()
    module, name = what.split(".")
    with monkeypatch.context() as patch:
        patch.setattr(getattr(program_keys, module), name, "0.0.1")
        PROGRAM.clear_cache()
        call()
    program_keys.surroundings.cache_clear()
    assert (counts.packed, counts.loaded) == (2, 0)
    assert len(list(folder.iterdir())) == 2


def test_an_edited_source_has_another_digest(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.py").write_text("x = 1\n")
    (tmp_path / "note.txt").write_text("not source")
    first = program_keys.digest_of_source(tmp_path)
    assert program_keys.digest_of_source(tmp_path) == first
    (tmp_path / "note.txt").write_text("still not source")
    assert program_keys.digest_of_source(tmp_path) == first
    (tmp_path / "inner" / "a.py").write_text("x = 2\n")
    assert program_keys.digest_of_source(tmp_path) != first


def test_shapes_types_and_precision_are_programs_of_their_own(folder, counts):
    call()
    double_precision(PROGRAM)(PUMP, T[:4], AGES[:4])
    with jax.enable_x64(False):
        single = PROGRAM(PUMP, T, AGES)
    assert single[0].dtype == np.float32
    assert counts.packed == 3
    assert call()[0].dtype == np.float64
    assert counts.packed == 3


@pytest.mark.parametrize("n", [1, 2.0, "a", None, (1, "b"), True])
def test_plain_static_arguments_have_names(n):
    assert program_keys.name_of(n) == repr(n)


@pytest.mark.parametrize("thing", [lambda x: x, np.sin, os.path.join, object(), np.ones(2)])
def test_what_other_processes_could_not_know_has_no_name(thing):
    with pytest.raises(program_keys.Unnamed):
        program_keys.name_of(thing)


@pytree
class OfTheUser(Lifetime):
    """A constant hazard, defined outside of survjax."""

    log_rate: float = parameter()

    def log_hazard(self, t):
        return self.log_rate + 0.0 * jnp.asarray(t)

    def cumulative_hazard(self, t):
        return jnp.exp(self.log_rate) * jnp.asarray(t)


def test_a_users_own_lifetime_is_computed_but_not_kept(folder, counts):
    values = call(OfTheUser(np.array(-1.0)))[0]
    np.testing.assert_allclose(values, np.log(T + AGES) - 1.0, rtol=1e-14)
    assert counts.packed == 0
    assert not folder.exists()


def test_inside_another_trace_a_program_is_traced(folder, counts):
    with jax.enable_x64(True):
        inside = jax.jit(lambda t: PROGRAM(PUMP, t, AGES)[0])(T)
        slope = jax.grad(lambda t: jnp.sum(PROGRAM(PUMP, t, AGES)[0]))(T)
        # Not one argument is traced here, and yet a trace is under way.
        jax.jit(lambda x: x + PROGRAM(PUMP, T, AGES)[0])(T)
    assert counts.packed == 0
    values, rate = call()
    np.testing.assert_allclose(inside, values, rtol=1e-13)
    np.testing.assert_allclose(slope, rate, rtol=1e-12)


@pytest.mark.parametrize("setting", [jax.disable_jit, jax.debug_nans, jax.debug_infs])
def test_who_asks_jax_to_check_its_programs_gets_jax(folder, counts, setting):
    with jax.enable_x64(True), setting(True):
        PROGRAM(PUMP, T, AGES)
    assert counts.packed == 0


def test_a_function_of_the_users_is_not_held(folder):
    def twice(x):
        return 2.0 * x

    held = weakref.ref(twice)
    assert float(iterate(twice, 1.0, 3)[-1]) == 8.0
    del twice
    jax.clear_caches()
    gc.collect()
    assert held() is None


def test_a_folder_that_holds_too_much_loses_its_oldest_files(tmp_path):
    for i in range(10):
        (tmp_path / str(i)).write_bytes(bytes(100))
        os.utime(tmp_path / str(i), (i, i))
    program_files.prune(tmp_path, most=1000)
    assert len(list(tmp_path.iterdir())) == 10
    program_files.prune(tmp_path, most=800)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["4", "5", "6", "7", "8", "9"]


def test_what_jax_cannot_serialize_is_computed_all_the_same(folder, counts, monkeypatch):
    monkeypatch.setattr(executables.serialize_executable, "serialize", refused)
    call()
    assert counts.packed == 1
    assert not folder.exists()


def test_settings_of_jax_are_left_alone(folder):
    before = dict(jax.config.values)
    call()
    PROGRAM.clear_cache()
    call()
    assert dict(jax.config.values) == before


def test_a_program_is_pickled_by_its_name():
    assert pickle.loads(pickle.dumps(_log_hazards)) is _log_hazards


def scaled(by, x, *, power):
    return by * x**power


scaled.__module__ = "survjax.made"


@pytest.mark.parametrize("options", [{"static_argnums": 0}, {"static_argnames": ("by",)}])
def test_static_arguments_may_be_given_by_place_or_by_name(folder, counts, options):
    found = []
    for _ in range(2):
        made = programs.program(scaled, **options)
        found += [made(3, T, power=2.0), made(by=3, x=T, power=2.0), made(4, T, power=2.0)]
    for values, by in zip(found, (3, 3, 4, 3, 3, 4), strict=True):
        np.testing.assert_allclose(values, by * T**2, rtol=1e-6)
    assert (counts.packed, counts.loaded) == (3, 3)


def test_a_program_of_nobody_in_survjax_is_not_kept(folder, counts):
    other = programs.program(jnp.cos)
    assert float(other(0.0)) == 1.0
    assert counts.packed == 0


def test_a_draft_is_compiled_anew_once_it_has_run_for_long(folder, counts, monkeypatch):
    monkeypatch.setattr(executables, "WORTH", 0.0)
    first = call()
    call()
    # It has not run for as long as it took to compile.
    assert (counts.packed, counts.loaded) == (1, 0)
    PROGRAM.clear_cache()
    monkeypatch.setattr(executables, "BYTES_A_SECOND", math.inf)
    assert_same(call(), first)
    assert (counts.packed, counts.loaded) == (1, 1)
    second = call()
    assert (counts.packed, counts.loaded) == (2, 1)
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)
    call()
    assert counts.packed == 2 and len(list(folder.iterdir())) == 2
    # Another process takes the better of the two.
    PROGRAM.clear_cache()
    assert_same(call(), second)
    assert (counts.packed, counts.loaded) == (2, 2)


def test_many_numbers_and_long_runs_have_no_draft(folder, monkeypatch):
    drafts = []
    monkeypatch.setattr(programs, "Draft", lambda compiled, cost: drafts.append(1) or compiled)
    call()
    assert len(drafts) == 1
    with jax.enable_x64(True):
        many = np.linspace(0.1, 9.0, executables.SMALL)
        PROGRAM(PUMP, many, many)
        long = programs.program(log_hazards, draft=False)
        long(PUMP, T, AGES)
        monkeypatch.setattr(executables, "WORTH", 0.3)
        seconds = programs.program(log_hazards, draft=lambda pump, t, ages: t.size / 10)
        seconds(PUMP, np.linspace(0.1, 9.0, 4), np.zeros(4))
        assert len(drafts) == 1
        seconds(PUMP, np.linspace(0.1, 9.0, 3), np.zeros(3))
    assert len(drafts) == 2


def test_a_users_own_lifetime_is_compiled_in_a_hurry_as_well(folder, counts, monkeypatch):
    drafts = []
    monkeypatch.setattr(programs, "Draft", lambda compiled, cost: drafts.append(1) or compiled)
    call(OfTheUser(np.array(0.3)))
    assert drafts == [1] and counts.packed == 0
