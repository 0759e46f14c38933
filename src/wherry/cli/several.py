"""One thing done to several names: each is tried, each failure is shown, the status tells whether all went well."""

from __future__ import annotations

import sys
from collections.abc import Callable

from wherry.base.errors import WherryError

__all__ = ["each"]


def each(names: tuple[str, ...], do: Callable[[str], str | None]) -> int:
    """Call ``do`` for each name, print what it returns, else the name; return 0, or the first failure's status.

    A single name's error is raised: there is nothing else to go on with.
    """
    if len(names) == 1:
        print(do(names[0]) or names[0])
        return 0
    status = 0
    for name in names:
        try:
            print(do(name) or name, flush=True)
        except WherryError as error:
            status = status or error.exit_code
            hint = f"\n  next: {error.hint}" if error.hint else ""
            print(f"wherry: {error}{hint}", file=sys.stderr)
    return status
