"""Files of a container that has a range of ids (``--userns range``) and does not run: only with the rights over all of
them can they be read and written, so that is done in a child which has these."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import TypeVar

from wherry.base.errors import WherryError
from wherry.containers.kept import Container
from wherry.containers.lookup import Found

__all__ = ["is_ranged", "with_all_ids"]

_Answer = TypeVar("_Answer")


def is_ranged(found: Found | Container) -> bool:
    """Whether a container's files may belong to other ids, and nothing runs that could be joined."""
    if isinstance(found, Container):
        return found.options.userns == "range"
    return found.running is None and found.kept is not None and is_ranged(found.kept)


def with_all_ids(work: Callable[[], _Answer]) -> _Answer:
    """What ``work`` answers; raises the error of ours that it raises, and :class:`HostLacks` without a range."""
    from wherry.host import as_all_ids

    told = os.memfd_create("answer")  # a pipe would have to be read meanwhile
    try:
        as_all_ids(lambda: _tell(told, work))
        os.lseek(told, 0, os.SEEK_SET)
        with os.fdopen(os.dup(told), "rb") as file:
            answer, failed = pickle.load(file)  # of our own child
    finally:
        os.close(told)
    if failed is not None:
        kind, what, why, hint = failed
        raise kind(what, why=why, hint=hint)
    found: _Answer = answer
    return found


def _tell(told: int, work: Callable[[], object]) -> None:
    answer, failed = None, None
    try:
        answer = work()
    except WherryError as error:
        failed = (type(error), error.what, error.why, error.hint)
    with os.fdopen(os.dup(told), "wb") as file:
        pickle.dump((answer, failed), file)
