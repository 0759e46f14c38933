"""One thing done to several names: each is tried, each failure is shown, the status tells whether all went well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.base.errors import WherryError
from wherry.cli.main import complain

__all__ = ["each"]


def each(names: tuple[str, ...], do: Callable[[str], Any]) -> int:
    """Call ``do`` for each name and print what it returns, the name for None; 0, or the first failure's status."""
    status = 0
    for name in names:
        try:
            result = do(name)
            if result != "":
                print(name if result is None else result, flush=True)
        except WherryError as error:
            failed = complain(error)
            status = status or failed
    return status
