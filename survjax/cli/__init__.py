"""The command line: `survjax demo`, and `survjax fit` for a table of one's own.

Asking for help loads nothing but the standard library; a command loads what it needs.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence

from survjax.cli._arguments import build_parser

__all__ = ["main"]


def command() -> int:
    """Run the command line as a process of its own, which ends when this returns.

    Returns
    -------
    int
        The exit code of `main`.
    """
    code = main()
    # The interpreter would look for garbage in all that was loaded, for a third of a second.
    gc.freeze()
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; those of the process by default.

    Returns
    -------
    int
        Exit code: 0 done; 1 an error inside survjax; 2 input that cannot be used, nothing
        written; 3 results written, but the fit is not an interior maximum; 130 interrupted,
        nothing written.

    Examples
    --------
    >>> from survjax.cli import main
    >>> main(["fit", "no-such-file.csv", "--duration", "age"])
    2
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 2
    from survjax.cli._session import run

    return run(arguments)
