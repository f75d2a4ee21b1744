"""`python -m survjax` is the command line."""

import sys

from survjax.cli import main

if __name__ == "__main__":
    sys.exit(main())
