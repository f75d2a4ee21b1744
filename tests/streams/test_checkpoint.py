"""A fit that was interrupted goes on with the pass that it lacks; a file is whole or not there."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from survjax import WeibullMixture, fit_stream
from survjax.fitting.streams import checkpoint as module

HOW = {"duration": "age", "event": "failed", "model": WeibullMixture(2)}
ROOT = Path(__file__).resolve().parents[2]


class Interrupted:
    """Batches that end in an error in one pass."""

    def __init__(self, batches, bad):
        self.batches, self.bad, self.n = batches, bad, 0

    def __call__(self):
        self.n += 1
        if self.n == self.bad:
            raise KeyboardInterrupt
        return self.batches


def test_an_interrupted_fit_goes_on_with_its_next_pass(
    batches, little_memory, read_again, tmp_path
):
    place = tmp_path / "fit.npz"
    expected = fit_stream(batches, **HOW)
    with pytest.raises(KeyboardInterrupt):
        fit_stream(Interrupted(batches, 2), checkpoint=place, **HOW)
    assert [path.name for path in tmp_path.iterdir()] == ["fit.npz"]
    again = Interrupted(batches, None)
    found = fit_stream(again, checkpoint=place, **HOW)
    assert again.n == 1
    np.testing.assert_array_equal(found.parameters_, expected.parameters_)
    np.testing.assert_array_equal(found.covariance_, expected.covariance_)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_a_file_from_which_another_goes_on(fleet, tmp_path):
    pq.write_table(pa.table(fleet), tmp_path / "fleet.parquet")
    code = textwrap.dedent(
        f"""
        import os, signal
        from survjax import WeibullMixture, fit_stream
        from survjax.fitting.streams import checkpoint, interpolated, stream, ties

        ties.MOST_ROWS, interpolated.PLACE = 3000, 0.0
        first = stream.Stream.sum

        def killed(self, *given):
            os.kill(os.getpid(), signal.SIGKILL)

        stream.Stream.sum = killed
        fit_stream({str(tmp_path / "fleet.parquet")!r}, duration="age", event="failed",
                   model=WeibullMixture(2), checkpoint={str(tmp_path / "fit.npz")!r})
        """
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    passes = set()
    with pytest.MonkeyPatch.context() as patch:
        from survjax.estimators.streams import fit_stream as entry

        patch.setattr(entry, "_shown", lambda progress: lambda number, n: passes.add(number))
        found = fit_stream(
            tmp_path / "fleet.parquet", checkpoint=tmp_path / "fit.npz", progress=True, **HOW
        )
    assert 1 not in passes
    theirs = WeibullMixture(2).fit(fleet["age"], fleet["failed"])
    errors = np.sqrt(np.diag(theirs.covariance_))
    assert np.abs((found.parameters_ - theirs.parameters_) / errors).max() < 1e-9


def test_a_full_disk_is_said_and_the_fit_goes_on(
    batches, little_memory, read_again, tmp_path, monkeypatch
):
    def full(*given, **named):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.np, "savez", full)
    with pytest.warns(UserWarning, match="cannot be written .No space left on device.: the fit"):
        found = fit_stream(batches, checkpoint=tmp_path / "fit.npz", **HOW)
    assert found.converged_ and list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_something_else_is_refused(batches, little_memory, read_again, tmp_path):
    place = tmp_path / "fit.npz"
    with pytest.raises(KeyboardInterrupt):
        fit_stream(Interrupted(batches, 2), checkpoint=place, **HOW)
    with pytest.raises(ValueError, match="is of a fit to other data"):
        fit_stream(batches, checkpoint=place, entry="entry", **HOW)
    for content in (b"", b"something", place.read_bytes()[:-30]):
        place.write_bytes(content)
        with pytest.raises(ValueError, match=r"is none of survjax, or damaged: delete it"):
            fit_stream(batches, checkpoint=place, **HOW)
    with pytest.raises(ValueError, match="must be in a folder that exists"):
        fit_stream(batches, checkpoint=tmp_path / "no" / "fit.npz", **HOW)
