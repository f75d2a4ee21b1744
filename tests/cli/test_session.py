"""How a command ends: its codes, its one line, and nothing left behind when it is stopped."""

import gc
import os
import pty
import signal
import subprocess
import sys

import pytest

import survjax
from survjax.cli import main

# A shell that runs the tests in the background has them inherit an ignored SIGINT.
SLOW = (
    "import signal, sys, time, survjax.cli._commands as c\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "def fit(session):\n"
    "    (session.results.open() / 'rul.csv').write_text('half')\n"
    "    session.begin('fitting')\n"
    "    while True:\n"
    "        {busy}\n"
    "c.fit = fit\n"
    "from survjax.cli import main\n"
    "sys.exit(main(['fit', 'x.csv', '--duration', 'age', '--progress']))\n"
)


@pytest.fixture
def started(tmp_path, repository):
    """Start a command that never ends by itself, and wait until it works."""
    running = []

    def start(busy="time.sleep(0.01)"):
        process = subprocess.Popen(
            [sys.executable, "-c", SLOW.format(busy=busy)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(repository)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stderr.readline() == "survjax: fitting\n"
        assert len(list(tmp_path.iterdir())) == 1
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("busy", ["time.sleep(0.01)", "sum(range(10**8))"], ids=["idle", "busy"])
def test_ctrl_c_leaves_one_line_code_130_and_nothing_on_disk(started, tmp_path, busy):
    process = started(busy)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "survjax: interrupted, nothing written\n"
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_termination_leaves_nothing_on_disk_either(started, tmp_path):
    process = started()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_shows_progress_and_clears_it(tmp_path, repository):
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW.format(busy="time.sleep(0.3); break").replace(
            "'--progress'", "'--debug'")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository)},
        stdout=subprocess.DEVNULL,
        stderr=child,
    )  # fmt: skip
    process.wait(timeout=60)
    os.close(child)
    seen = b""
    while True:
        try:
            part = os.read(parent, 4096)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(parent)
    assert b"fitting, 0 s" in seen
    assert seen.endswith(b"\r")


def test_an_error_inside_survjax_is_one_line_and_code_1(tmp_path, monkeypatch, capsys):
    from survjax.cli import _commands

    def fails(session):
        session.results.open()
        raise RuntimeError("broken\nin two lines")

    monkeypatch.setattr(_commands, "fit", fails)
    arguments = ["fit", "x.csv", "--duration", "age", "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    line = "survjax: internal error: RuntimeError: broken in two lines (--debug says where)\n"
    assert capsys.readouterr().err == line
    assert list(tmp_path.iterdir()) == []
    assert main([*arguments, "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


WRONG = {
    "unknown option": (["fit", "x", "--durations", "age"], "unrecognized arguments"),
    "no file": (["compare"], "the following arguments are required: FILE"),
    "components": (["fit", "x", "--components", "0"], "from 1 to 20, bic, aic or icl, got '0'"),
    "many components": (["fit", "x", "--components", "9" * 99], "from 1 to 20"),
    "level": (["fit", "x", "--level", "95"], "between 0 and 1, such as 0.95, got '95'"),
    "level nan": (["fit", "x", "--level", "nan"], "between 0 and 1"),
    "resolution": (["fit", "x", "--resolution", "-1"], "a positive number, got '-1'"),
    "horizon": (["fit", "x", "--horizon", "soon"], "a positive number, got 'soon'"),
    "no folder": (["fit", "x", "--out", ""], "must name a folder, got an empty name"),
    "separator": (["fit", "x", "--separator", "ab"], "one mark such as ; or the word tab"),
    "command": (["fitt"], "invalid choice: 'fitt'"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
def test_wrong_options_are_one_line_and_code_2(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_help_and_version_are_for_readers(capsys):
    for arguments in (["--help"], ["fit", "--help"], ["demo", "--help"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
        said = capsys.readouterr().out
        assert "exit codes:" in said
        assert max(map(len, said.splitlines())) <= 100
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"survjax {survjax.__version__}\n"
    assert main([]) == 2
    assert "usage: survjax" in capsys.readouterr().out


def test_a_reader_that_goes_away_does_not_stop_the_work(tmp_path, repository):
    code = (
        "import sys, time, survjax.cli._commands as c\n"
        "def fit(session):\n"
        "    for i in range(20000):\n"
        "        session.say('line')\n"
        "    (session.results.open() / 'rul.csv').write_text('whole')\n"
        "    session.results.commit()\n"
        "    return 0\n"
        "c.fit = fit\n"
        "from survjax.cli import main\n"
        "sys.exit(main(['fit', 'x.csv', '--duration', 'age']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0, error
    assert error == b""
    assert (tmp_path / "survjax-fit" / "rul.csv").read_text() == "whole"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_report_that_cannot_be_written_is_one_line_and_no_error_inside(tmp_path, repository):
    (tmp_path / "a.csv").write_text("age\n1\n2\n3\n5\n")
    command = "from survjax.cli import main; import sys; sys.exit(main(sys.argv[1:]))"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", command, "fit", "a.csv", "--duration", "age", "--no-pictures"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(repository)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    said = done.stderr.splitlines()[-1]
    assert said == "survjax: error: cannot write to standard output: No space left on device"
    assert done.returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_fit_loads_neither_scikit_learn_nor_special_functions_of_scipy(repository):
    code = (
        "import sys, survjax.cli._job\n"
        "assert not [name for name in ('sklearn', 'scipy.special') if name in sys.modules]\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_collector_of_garbage_is_as_before_after_a_command(tmp_path):
    before = gc.get_threshold()
    main(["fit", str(tmp_path / "none.csv"), "--duration", "age"])
    assert gc.get_threshold() == before


def test_the_process_of_a_command_looks_for_no_garbage_as_it_ends(repository):
    code = (
        "import atexit, gc, sys\n"
        "from survjax.cli import command\n"
        "atexit.register(lambda: print('frozen', gc.get_freeze_count() > 0))\n"
        "sys.argv = ['survjax', 'fit', 'none.csv', '--duration', 'age']\n"
        "sys.exit(command())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and done.stdout == "frozen True\n"


def test_a_fit_with_all_its_files_needs_no_pandas(tmp_path, repository):
    code = (
        "import sys; from survjax.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "assert 'matplotlib' in sys.modules and 'pandas' not in sys.modules\n"
    )
    done = subprocess.run(
        [
            sys.executable, "-c", code, "fit", str(repository / "datasets" / "pumps.csv"),
            "--duration", "duration", "--event", "failed", "--entry", "entry", "--out", "out",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "rul.png").exists()


def test_files_are_read_before_heavy_libraries_are_loaded(tmp_path, repository):
    heavy = ("jax", "pandas", "matplotlib", "sklearn", "scipy")
    code = (
        "import sys; from survjax.cli import main\n"
        "assert main(['fit', 'none.csv', '--duration', 'age']) == 2\n"
        f"assert not [name for name in {heavy} if name in sys.modules]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("usable", [True, False], ids=["a folder", "no folder"])
def test_a_program_keeps_what_it_compiled_where_it_can(tmp_path, repository, usable):
    cache = tmp_path / "cache"
    if not usable:
        cache.write_text("a file stands where the folder would be")
    (tmp_path / "units.csv").write_text("age\n" + "\n".join(map(str, range(1, 40))))
    without = ("JAX_COMPILATION_CACHE_DIR", "SURVJAX_CACHE_DIR")
    environment = {k: v for k, v in os.environ.items() if k not in without}
    environment |= {"PYTHONPATH": str(repository), "XDG_CACHE_HOME": str(cache)}
    arguments = ["fit", "units.csv", "--duration", "age", "--components", "1", "--no-pictures"]
    done = subprocess.run(
        [sys.executable, "-m", "survjax", *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "survjax-fit" / "model.json").exists()
    if usable:
        (folder,) = (cache / "survjax").iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert any(folder.iterdir())


def test_a_call_from_python_leaves_the_settings_of_jax_alone(tmp_path, capsys):
    import jax

    before = jax.config.jax_compilation_cache_dir
    path = tmp_path / "units.csv"
    path.write_text("age\n" + "\n".join(map(str, range(1, 40))))
    arguments = ["fit", str(path), "--duration", "age", "--components", "1", "--no-pictures"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert jax.config.jax_compilation_cache_dir == before
