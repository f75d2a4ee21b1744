"""One run of a command: what it says, how it ends, and that it can be interrupted at any time.

The work is done in a second thread. The first one waits, shows what is going on, and hears
Ctrl-C at once, also while compiled code runs.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from survjax.cli._arguments import terminal
from survjax.cli._text import Refused
from survjax.cli._writing import Results

#: What messages for Python say, and what the command line says instead.
IN_WORDS_OF_OPTIONS = (
    (r"Pass unit= .*", "Give one row for each unit, or fit in Python, where fit takes unit="),
    (r" \(event_observed = 1\)", ""),
    (r"\bmakes do with one: ", "makes do with one, in Python: "),
    (r"\bsurvjax\.weibayes\b", "survjax.weibayes in Python"),
    (r"\bpriors= on\b", "priors on"),
    (r"\bthe bounds of summary\(\) and predict_rul\b", "the bounds"),
    (r"\bcheck entry\b", "check --entry"),
    (r"\bcauses?=(?=\W|$)", "--cause"),
    (r"\bevent='([^']*)'", r"--event \1"),
    (r"\b(resolution|rounding|event|entry|level)=", r"--\1 "),
)

DONE, BROKEN, UNUSABLE, NOT_INTERIOR, INTERRUPTED = 0, 1, 2, 3, 130
MARKS = "|/-\\"


class Stopped(BaseException):
    """The process was asked to end."""


class Session:
    """What a command needs of its surroundings: a place for results, and a voice."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        source = getattr(arguments, "file", None) or []
        sources = [source] if isinstance(source, str) else source
        self.results = Results(Path(arguments.out), [Path(name) for name in sources])
        shown = arguments.progress
        self.live = terminal() and shown is not False
        self.steps = shown is True and not self.live
        self.lock = threading.RLock()
        self.step, self.since, self.width = "", 0.0, 0
        self.code = BROKEN
        self.caught: list[warnings.WarningMessage] = []

    def say(self, text: str = "") -> None:
        """Print a line of results; a reader that went away is no reason to stop."""
        with self.lock:
            self._wipe()
            try:
                print(text, flush=True)
            except BrokenPipeError:
                sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
            except OSError as error:
                raise Refused(f"cannot write to standard output: {error.strerror}") from None

    def note(self, kind: str, text: object) -> None:
        """Print one line on stderr."""
        with self.lock:
            self._wipe()
            print(f"survjax: {kind}: {' '.join(str(text).split())}", file=sys.stderr, flush=True)

    def pass_on_warnings(self, words: Callable[[str], str] = str) -> None:
        """Print what fits warned of, a line each, once; warnings for programmers are not shown."""
        for text in dict.fromkeys(
            str(w.message) for w in self.caught if issubclass(w.category, UserWarning)
        ):
            self.note("warning", words(in_words_of_options(text)))
        self.caught.clear()

    def begin(self, step: str) -> None:
        """Name what is being done now."""
        with self.lock:
            self.step, self.since = step, time.monotonic()
            if self.steps:
                print(f"survjax: {step}", file=sys.stderr, flush=True)
        self.tick()

    def write(self, put: Callable[[Path], None]) -> None:
        """Have results put into a folder, move them all into place, and say where they are."""
        folder = self.results.folder
        assert folder is not None
        with writing_to_out():
            self.begin("writing")
            put(folder)
            written = self.results.commit()
        names = ", ".join(path.name for path in written)
        self.say(f"\nwritten to {self.results.target}:\n  {names}")
        if older := self.results.older(written):
            self.note("note", f"of an earlier run: {', '.join(older)}")

    def tick(self) -> None:
        """Show in a terminal what is being done, and for how long."""
        if not (self.live and self.step):
            return
        with self.lock:
            seconds = time.monotonic() - self.since
            text = f"{MARKS[int(seconds * 4) % len(MARKS)]} {self.step}, {seconds:.0f} s"
            print(f"\r{text:<{self.width}}", end="", file=sys.stderr, flush=True)
            self.width = len(text)

    def _wipe(self) -> None:
        """Clear the line of progress."""
        if self.width:
            print(f"\r{'':<{self.width}}\r", end="", file=sys.stderr, flush=True)
            self.width = 0

    def end(self) -> None:
        """No more progress to show."""
        with self.lock:
            self.step = ""
            self._wipe()


@contextmanager
def writing_to_out() -> Iterator[None]:
    """Say in one line that results cannot be written, such as on a full disk."""
    try:
        yield
    except OSError as error:
        raise Refused(f"cannot write to --out: {error.strerror or error}") from None


def in_words_of_options(text: str) -> str:
    """Messages name arguments of Python; here they are options."""
    for said, instead in IN_WORDS_OF_OPTIONS:
        text = re.sub(said, instead, text)
    return text


def run(arguments: argparse.Namespace) -> int:
    """Run a command to its end, or to an interruption."""
    session = Session(arguments)
    worker = threading.Thread(target=_work, args=(session,), daemon=True)
    try:
        with _stop_on_termination(), _few_collections():
            worker.start()
            while worker.is_alive():
                worker.join(0.1)
                session.tick()
    except (KeyboardInterrupt, Stopped) as stop:
        return _interrupted(session, worker, 143 if isinstance(stop, Stopped) else INTERRUPTED)
    return session.code


def _interrupted(session: Session, worker: threading.Thread, code: int) -> int:
    """Leave at once and leave nothing behind; unless the results are already in place."""
    session.results.lock.acquire()  # for good: nothing is moved into place any more
    if session.results.done:
        session.results.lock.release()
        worker.join()
        return session.code
    session.results.close()
    with session.lock:
        session._wipe()
        print("survjax: interrupted, nothing written", file=sys.stderr, flush=True)
        sys.stdout.flush()
        # Compiled code in the other thread cannot be stopped in any other way.
        os._exit(code)


@contextmanager
def _few_collections() -> Iterator[None]:
    """Look for garbage in cycles more rarely: a tenth of a short run goes there, and finds none."""
    before = gc.get_threshold()
    gc.set_threshold(before[0] and max(before[0], 100_000), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def _stop_on_termination() -> Iterator[None]:
    """Treat a request to end the process as an interruption."""

    def stop(*_: Any) -> None:
        raise Stopped

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _work(session: Session) -> None:
    """Do the command's work, and turn every error into one line and a code."""
    try:
        with warnings.catch_warnings(record=True, action="always") as caught:
            session.caught = caught
            from survjax.cli import _commands

            session.code = getattr(_commands, session.arguments.command)(session)
    except Refused as error:
        session.note("error", error)
        session.code = UNUSABLE
    except Exception as error:
        if session.arguments.debug:
            traceback.print_exc()
        session.note("internal error", f"{type(error).__name__}: {error} (--debug says where)")
        session.code = BROKEN
    finally:
        session.end()
        session.results.close()
