"""One thing done to several names: each is tried, each failure is shown, the status tells whether all went well."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from wherry.base.errors import WherryError

__all__ = ["complain", "each"]


def each(names: tuple[str, ...], do: Callable[[str], Any]) -> int:
    """Call ``do`` for each name and print what it returns, else the name; 0, or the first failure's status."""
    status = 0
    for name in names:
        try:
            print(do(name) or name, flush=True)
        except WherryError as error:
            failed = complain(error)
            status = status or failed
    return status


def complain(error: WherryError) -> int:
    """Say what failed without ending; returns the status that it asks for."""
    hint = f"\n  next: {error.hint}" if error.hint else ""
    print(f"wherry: {error}{hint}", file=sys.stderr, flush=True)
    return error.exit_code
