"""Folders that go with a build, or beside its steps."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from wherry.base.errors import StoreError
from wherry.build.tidying import Tidying
from wherry.store import open_at


def test_what_a_step_left_goes_before_the_build_ends_and_what_lasts_goes_with_it(tmp_path: Path) -> None:
    store = open_at(str(tmp_path / "store"))
    tidying, work = Tidying(store), store.new_work()
    lasting = tidying.lasting()
    os.makedirs(f"{work}/upper/deep")
    tidying.remove(work)
    assert os.path.isdir(lasting)
    tidying.close()
    assert os.listdir(tmp_path / "store/tmp") == []


def test_nobody_waits_for_a_removal_and_one_that_fails_holds_up_no_other(tmp_path: Path) -> None:
    store, going = open_at(str(tmp_path / "store")), threading.Event()
    removed: list[str] = []

    class Slow:
        def discard(self, path: str) -> None:
            going.wait()
            if path == "bad":
                raise StoreError("it cannot be removed")
            removed.append(path)

        def new_work(self) -> str:
            return store.new_work()

    tidying = Tidying(Slow())  # type: ignore[arg-type]
    for folder in ("one", "bad", "two"):
        tidying.remove(folder)
    assert removed == []
    going.set()
    tidying.close()
    assert removed == ["one", "two"]


def test_a_build_that_leaves_nothing_starts_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    tidying = Tidying(open_at(str(tmp_path / "store")))
    tidying.close()
    assert threading.active_count() == before
