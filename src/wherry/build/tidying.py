"""Folders of one build that go with it, or sooner: to remove one takes as long as to plan the next start, so that
happens beside it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from wherry.base.errors import StoreError

if TYPE_CHECKING:
    from queue import SimpleQueue

    from wherry.store import Store

__all__ = ["Tidying"]


class Tidying:
    """For any number of threads; :meth:`close` waits until all is removed. What a killed build leaves is swept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lasting: list[str] = []
        self._queue: SimpleQueue[str] | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def lasting(self) -> str:
        """A new folder, until the build ends."""
        with self._lock:
            self._lasting.append(self._store.new_work())
            return self._lasting[-1]

    def remove(self, folder: str) -> None:
        """Soon, and whether that works or not."""
        from queue import SimpleQueue

        with self._lock:
            if self._queue is None:
                self._queue = SimpleQueue()
                self._thread = threading.Thread(target=self._work, args=(self._queue,), name="tidying", daemon=True)
                self._thread.start()
            self._queue.put(folder)

    def close(self) -> None:
        for folder in self._lasting:
            self.remove(folder)
        if self._queue is not None and self._thread is not None:
            self._queue.put("")
            self._thread.join()

    def _work(self, queue: SimpleQueue[str]) -> None:
        while folder := queue.get():
            with contextlib.suppress(StoreError):
                self._store.discard(folder)
