"""Many processes at once, stopped ones, killed ones: nobody waits for ever, nothing is fetched twice without need."""

from __future__ import annotations

import os
import random
import resource
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stores import add_image, content_of, digest_of
from wherry.base.digest import Digest
from wherry.base.errors import Conflict, NotFound, StoreError, WherryError
from wherry.base.progress import Event, silent
from wherry.base.reference import Reference
from wherry.store import Store, Timing, open_at, prune, remove_image
from wherry.store.processes import current

KEY = "debian:12"
QUICK = Timing(heartbeat=0.05, stale=1.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def spawn(action: Callable[[], object]) -> int:
    """Run ``action`` in a process of its own; it ends with 0, or 1 and a traceback."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        action()
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def until(condition: Callable[[], bool], seconds: float = 30.0) -> float:
    """Seconds until ``condition`` holds."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "it never came"
        pause(0.005)
    return time.monotonic() - start


def note(path: Path, line: str) -> None:
    with open(path, "a") as file:
        file.write(line + "\n")


def test_two_hundred_processes_fetch_once_and_wait_cheaply(store: Store, tmp_path: Path) -> None:
    log, key = tmp_path / "log", digest_of("layer").hex

    def pull() -> None:
        with store.flight(KEY, silent, lambda: store.find_layer(key) is not None) as mine:
            if mine:
                note(log, "fetched")
                pause(3.0)
                add_image(store, "layer", names=[KEY])
        layer = store.find_layer(key)
        assert layer is not None
        assert content_of(layer) == "layer"

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    children = [spawn(pull) for _ in range(200)]
    assert [ended(child) for child in children] == [0] * 200
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert log.read_text() == "fetched\n"
    assert os.listdir(f"{store.path}/fetching") == []
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used / 200 < 0.15, f"each waiter used {used / 200:.3f} s of processor time"


def test_a_killed_fetcher_is_replaced_at_once(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def hold() -> None:
        with store.flight(KEY, silent, lambda: False):
            note(log, "first")
            pause(600)

    def wait() -> None:
        with store.flight(KEY, lambda event: note(log, event.message), lambda: False) as mine:
            assert mine
            note(log, "second")

    first = spawn(hold)
    until(log.exists)
    second = spawn(wait)
    until(lambda: "waiting" in log.read_text())
    os.kill(first, signal.SIGKILL)
    assert until(lambda: "second" in log.read_text()) < 3.0
    assert ended(second) == 0
    ended(first)
    assert log.read_text().splitlines() == [
        "first",
        f"waiting for node {os.uname().nodename}, process {first}",
        "second",
    ]


def test_a_frozen_fetcher_is_replaced_and_does_no_harm_when_it_thaws(store: Store, tmp_path: Path) -> None:
    log, go = tmp_path / "log", tmp_path / "go"

    def hold() -> None:
        with store.flight(KEY, silent, lambda: False, QUICK):
            note(log, "first")
            until(go.exists, 60)
            add_image(store, "layer", names=[KEY])
        note(log, "first ended")

    def wait() -> None:
        with store.flight(KEY, silent, lambda: False, QUICK) as mine:
            assert mine
            note(log, "second")
            add_image(store, "layer", names=[KEY])
            until(lambda: "first ended" in log.read_text(), 60)
            assert len(os.listdir(f"{store.path}/fetching")) == 1, "the second one's token is its own"

    first = spawn(hold)
    until(log.exists)
    pause(0.3)
    os.kill(first, signal.SIGSTOP)
    second = spawn(wait)
    assert 0.8 < until(lambda: "second" in log.read_text()) < 10
    go.touch()
    os.kill(first, signal.SIGCONT)
    assert (ended(first), ended(second)) == (0, 0)
    assert os.listdir(f"{store.path}/fetching") == []
    assert store.name(Reference.parse(KEY)) is not None


def test_when_the_fetch_fails_the_next_one_tries(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def pull() -> None:
        try:
            with store.flight(KEY, silent, lambda: store.find_layer(digest_of("x").hex) is not None) as mine:
                if mine:
                    note(log, "tried")
                    if log.read_text().count("tried") < 3:
                        raise NotFound("the registry is having a moment")
                    add_image(store, "x")
        except NotFound:
            return

    assert [ended(child) for child in [spawn(pull) for _ in range(10)]] == [0] * 10
    assert log.read_text().count("tried") == 3


def test_many_processes_make_one_store(tmp_path: Path) -> None:
    path = str(tmp_path / "deep" / "store")
    children = [spawn(lambda: open_at(path).put_blob(b"x" * os.getpid())) for _ in range(40)]
    assert [ended(child) for child in children] == [0] * 40
    assert sorted(os.listdir(path)) == ["blobs", "format", "tmp"]


def test_many_processes_name_and_unname(store: Store) -> None:
    """Folders of names come and go under each other's feet."""
    refs = [Reference.parse(f"reg.org/a/b/c:{number}") for number in range(3)]
    image = add_image(store, "x")

    def churn() -> None:
        from wherry.store import Name

        chance = random.Random(os.getpid())
        for _ in range(60):
            ref = chance.choice(refs)
            store.set_name(ref, Name(image))
            store.remove_name(ref)

    assert [ended(child) for child in [spawn(churn) for _ in range(6)]] == [0] * 6
    assert list(store.names()) == []


def test_a_start_that_races_with_removal_never_loses_what_it_runs_from(store: Store, tmp_path: Path) -> None:
    """Pullers, removers, pruners and starters at full speed; starters do what the launcher does, in its order."""
    running, images = tmp_path / "running", {"a": ("base", "a"), "b": ("base", "b"), "c": ("c",)}
    running.mkdir()
    stop, started, me = tmp_path / "stop", tmp_path / "started", current()
    started.touch()

    def runs(digest: Digest) -> list[str]:
        return [name for name in os.listdir(running) if name.startswith(digest.hex)]

    def pull(name: str) -> None:
        try:
            with store.flight(name, silent, lambda: store.name(Reference.parse(name)) is not None) as mine:
                if mine:
                    add_image(store, *images[name], names=[name])
        except StoreError:
            return  # a collector was faster; a real puller begins again

    def start(name: str) -> bool:
        found = store.name(Reference.parse(name))
        record = store.image_record(found.digest) if found else None
        if found is None or record is None:
            return False
        try:
            lease = store.lease(found.digest, me.node, me.boot_id)
        except NotFound:
            return False
        mark = running / f"{found.digest.hex}.{os.getpid()}"
        mark.touch()
        try:
            if not os.path.exists(lease):
                return False  # the saved plan is not used
            for _ in range(5):
                for key in record.layers:
                    layer = store.find_layer(key)
                    assert layer is not None, "a layer went from under a running container"
                    content_of(layer)
            return True
        finally:
            mark.unlink()

    def work(role: str) -> None:
        chance = random.Random(f"{role}{os.getpid()}")
        while not stop.exists():
            name = chance.choice(sorted(images))
            try:
                if role == "pull":
                    pull(name)
                elif role == "start":
                    if start(name):
                        note(started, "started")
                elif role == "remove":
                    pause(chance.uniform(0, 0.02))
                    remove_image(store, Reference.parse(name), runs, force=chance.random() < 0.5)
                else:
                    pause(chance.uniform(0, 0.02))
                    prune(store, runs, everything=chance.random() < 0.5)
            except (Conflict, NotFound):
                continue

    children = [spawn(lambda role=role: work(role)) for role in ["pull"] * 2 + ["start"] * 3 + ["remove", "prune"]]
    try:
        pause(3.0)
        until(lambda: len(started.read_text().splitlines()) > 50, 120)
    finally:
        stop.touch()
        statuses = [ended(child) for child in children]
    assert statuses == [0] * len(children)
    prune(store, lambda digest: [])
    for ref, name in store.names():
        record = store.image_record(name.digest)
        assert record is not None, ref
        assert all(store.find_layer(key) for key in record.layers)


def test_progress_that_fails_does_not_leave_a_token(store: Store) -> None:
    def fails(event: Event) -> None:
        raise WherryError("no terminal")

    with store.flight(KEY, fails, lambda: False) as mine:
        assert mine
        with pytest.raises(WherryError), store.flight(KEY, fails, lambda: False):
            raise AssertionError("two fetch at once")
    assert os.listdir(f"{store.path}/fetching") == []
