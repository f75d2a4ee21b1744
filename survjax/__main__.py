"""`python -m survjax` is the command line."""

import sys

from survjax.cli import command

if __name__ == "__main__":
    sys.exit(command())
