"""The kernel's errors about files of the store and about threads, as errors that people understand."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from wherry.base.errors import HostLacks, StoreError, StoreFull, WherryError

__all__ = ["storage_failure", "threads_needed"]


@contextmanager
def threads_needed(doing: str) -> Iterator[None]:
    """Say so when the machine refuses another thread: login nodes limit processes, and each thread counts as one."""
    try:
        yield
    except RuntimeError as error:
        if "new thread" not in str(error):
            raise
        hint = "'ulimit -u' shows the limit on your processes; end some, or do it in a batch job"
        raise HostLacks(f"cannot {doing}", why="the machine gives you no more threads", hint=hint) from error


def storage_failure(error: OSError, subject: str, folder: str) -> WherryError:
    """What to raise when ``subject`` cannot be written below ``folder``: :class:`StoreFull` or :class:`StoreError`."""
    number = error.errno or 0
    reason = (error.strerror or str(error)).lower() if number else str(error)
    at = f" ('{os.fsdecode(error.filename)}')" if isinstance(error.filename, str | bytes) else ""
    if number in (errno.ENOSPC, errno.EDQUOT):
        which = "quota" if number == errno.EDQUOT else "space"
        return StoreFull(
            f"'{subject}' does not fit",
            why=f"no {which} left in '{folder}'{at}: {reason}",
            hint="'wherry prune' frees what nothing uses; WHERRY_STORE puts the store elsewhere",
        )
    return StoreError(f"'{subject}' cannot be kept in '{folder}'", why=f"{reason}{at}")
