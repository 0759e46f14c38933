"""``python -m wherry``: the same as the ``wherry`` command, for places where only the module is at hand."""

import sys

from wherry.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
