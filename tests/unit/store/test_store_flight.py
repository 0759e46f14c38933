from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from wherry.base.errors import StoreError
from wherry.base.progress import Event
from wherry.store import Store, Timing, flight, open_at
from wherry.store.processes import Process, current

KEY = "docker.io/library/debian:12"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


class World:
    """A clock that moves when somebody sleeps, and what happens at certain times."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []
        self.events: list[Event] = []
        self.happens: list[tuple[float, Callable[[], object]]] = []

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        assert len(self.sleeps) < 100_000, "waits for ever"
        self.sleeps.append(seconds)
        self.now += seconds
        for time, action in [item for item in self.happens if item[0] <= self.now]:
            self.happens.remove((time, action))
            action()

    def timing(self, **changes: float) -> Timing:
        return Timing(clock=lambda: self.now, sleep=self.sleep, **changes)

    def fly(self, store: Store, is_done: Callable[[], bool] = lambda: False, **changes: float) -> bool:
        with store.flight(KEY, self.events.append, is_done, self.timing(**changes)) as mine:
            return mine


def somebody_holds(store: Store, process: Process | None = None, token: str = "t") -> str:
    """Write a token as another process would; return its path."""
    path = f"{store.path}/fetching/{flight._file_name(KEY)}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    them = process or Process("node9", "boot-9", 1, 4123, 77)
    held = flight._Token(them.node, them.boot_id, them.namespace, them.pid, them.starttime, token)
    Path(path).write_bytes(msgspec.json.encode(held))
    return path


def tokens(store: Store) -> list[str]:
    return os.listdir(f"{store.path}/fetching")


def test_who_comes_first_fetches_and_leaves_nothing(store: Store) -> None:
    world = World()
    assert world.fly(store) is True
    assert tokens(store) == []
    assert (world.sleeps, world.events) == ([], [])


def test_what_is_there_is_not_fetched_and_makes_no_file(store: Store) -> None:
    assert World().fly(store, lambda: True) is False
    assert not os.path.exists(f"{store.path}/fetching")


def test_what_arrived_while_the_token_was_taken_is_not_fetched_again(store: Store) -> None:
    answers = iter([False, False, True])
    assert World().fly(store, lambda: next(answers)) is False
    assert tokens(store) == []


def test_a_fetch_that_fails_gives_the_token_back(store: Store) -> None:
    with pytest.raises(ValueError, match="404"), store.flight(KEY, lambda event: None, lambda: False):
        assert len(tokens(store)) == 1
        raise ValueError("404")
    assert tokens(store) == []


def test_who_waits_is_told_for_whom_once(store: Store) -> None:
    world = World()
    path = somebody_holds(store)
    done: list[bool] = []
    for beat in range(1, 30):
        world.happens.append((beat * 2.0, lambda beat=beat: os.utime(path, (beat, beat))))
    world.happens.append((60.0, lambda: done.append(True)))
    assert world.fly(store, lambda: bool(done)) is False
    assert [(event.item, event.stage, event.message) for event in world.events] == [
        (KEY, "waiting", "waiting for node node9, process 4123")
    ]


def test_waiting_is_quick_at_first_and_cheap_later(store: Store) -> None:
    world = World()
    path = somebody_holds(store)
    done: list[bool] = []
    for beat in range(1, 60):
        world.happens.append((beat * 2.0, lambda beat=beat: os.utime(path, (beat, beat))))
    world.happens.append((100.0, lambda: done.append(True)))
    world.fly(store, lambda: bool(done))
    assert world.sleeps[0] < 0.03
    assert max(world.sleeps) <= 1.25
    assert len(world.sleeps) < 160


def test_a_holder_whose_heart_stops_loses_the_token_after_fifteen_seconds(store: Store) -> None:
    world = World()
    path = somebody_holds(store)
    world.happens.append((2.0, lambda: os.utime(path, (5, 5))))
    assert world.fly(store) is True
    assert 17.0 <= world.now < 19.5
    assert tokens(store) == []


def test_a_clock_that_is_wrong_on_the_holders_node_does_not_matter(store: Store) -> None:
    world = World()
    path = somebody_holds(store)
    os.utime(path, (4e9, 4e9))
    assert world.fly(store) is True
    assert 15.0 <= world.now < 17.0


def test_a_holder_that_lives_for_ever_and_never_ends_is_not_waited_for_for_ever(store: Store) -> None:
    world = World()
    path = somebody_holds(store)
    for beat in range(1, 200):
        world.happens.append((beat * 2.0, lambda beat=beat: os.utime(path, (beat, beat))))
    assert world.fly(store, patience=100.0) is True
    assert 100.0 <= world.now < 103.0


def test_a_dead_process_of_this_node_is_not_waited_for(store: Store) -> None:
    world = World()
    me = current()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    somebody_holds(store, msgspec.structs.replace(me, pid=child))
    assert world.fly(store) is True
    assert world.now == 0.0


def test_a_pid_that_is_somebody_elses_now_is_not_waited_for(store: Store) -> None:
    world = World()
    somebody_holds(store, msgspec.structs.replace(current(), starttime=1))
    assert world.fly(store) is True
    assert world.now == 0.0


@pytest.mark.parametrize("field", ["node", "boot_id", "namespace"])
def test_a_process_that_cannot_be_asked_is_waited_for(store: Store, field: str) -> None:
    world = World()
    elsewhere = msgspec.structs.replace(current(), pid=1 << 22, **{field: 1 if field == "namespace" else "elsewhere"})
    somebody_holds(store, elsewhere)
    assert world.fly(store) is True
    assert world.now >= 15.0


def test_a_token_that_was_never_written_is_waited_for_and_taken_over(store: Store) -> None:
    world = World()
    path = somebody_holds(store)
    Path(path).write_bytes(b"")
    assert world.fly(store) is True
    assert world.now >= 15.0
    assert world.events[0].message == "waiting for another process"


def test_where_there_are_no_links_one_still_fetches_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: str, target: str) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    with store.flight(KEY, lambda event: None, lambda: False) as mine:
        assert mine
        assert len(tokens(store)) == 1
        world, done = World(), []
        world.happens.append((1.0, lambda: done.append(1)))
        assert world.fly(store, lambda: bool(done)) is False
    assert tokens(store) == []


def test_a_link_whose_answer_was_lost_counts_as_made(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def twice(source: str, target: str) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", twice)
    assert World().fly(store) is True
    assert tokens(store) == []


def test_a_token_is_never_seen_empty(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed right before or after its name is made, it leaves nothing or a token that can be judged."""
    link, seen = os.link, []

    def watched(source: str, target: str) -> None:
        seen.append(os.path.exists(target))
        link(source, target)
        seen.append(flight._decode(Path(target).read_bytes()))

    monkeypatch.setattr(os, "link", watched)
    World().fly(store)
    assert seen[0] is False
    assert seen[1] is not None
    assert seen[1].pid == os.getpid()


def test_a_new_holder_is_given_its_own_time(store: Store) -> None:
    world = World()
    path = somebody_holds(store)
    world.happens.append((10.0, lambda: (os.unlink(path), somebody_holds(store, token="second"))))
    assert world.fly(store) is True
    assert 25.0 <= world.now < 35.0
    assert len(world.events) == 2


def test_a_holder_that_lost_its_token_does_not_take_the_next_ones(store: Store) -> None:
    path = f"{store.path}/fetching/{flight._file_name(KEY)}"
    with store.flight(KEY, lambda event: None, lambda: False) as mine:
        assert mine
        os.rename(path, path + ".taken")
        somebody_holds(store, token="theirs")
    assert b"theirs" in Path(path).read_bytes()


def test_a_token_taken_by_mistake_is_put_back(store: Store) -> None:
    path = somebody_holds(store, token="new")
    flight._take_away(path, flight._Token("n", "b", 1, 1, 1, "old"))
    assert b"new" in Path(path).read_bytes()
    assert len(tokens(store)) == 1


def test_the_heart_beats_only_for_ones_own_token(store: Store) -> None:
    path = f"{store.path}/fetching/{flight._file_name(KEY)}"
    beaten, timing = threading.Event(), Timing(heartbeat=0.01)
    with store.flight(KEY, lambda event: None, lambda: False, timing):
        os.utime(path, (1, 1))
        for _ in range(500):
            if os.stat(path).st_mtime > 1:
                break
            beaten.wait(0.01)
        assert os.stat(path).st_mtime > 1
        os.rename(path, path + ".taken")
        somebody_holds(store)
        os.utime(path, (1, 1))
        beaten.wait(0.1)
        assert os.stat(path).st_mtime == 1


def test_threads_of_one_process_fly_one_at_a_time(store: Store) -> None:
    done, fetched = threading.Event(), []

    def pull() -> None:
        with store.flight(KEY, lambda event: None, done.is_set) as mine:
            if mine:
                fetched.append(1)
                done.set()

    threads = [threading.Thread(target=pull) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert fetched == [1]


def test_a_store_that_cannot_be_written_is_an_error_and_not_a_wait(store: Store) -> None:
    os.chmod(store.path, 0o500)
    try:
        with pytest.raises(StoreError, match="permission denied"):
            World().fly(store)
    finally:
        os.chmod(store.path, 0o700)


@pytest.mark.parametrize("key", ["a", "a/b:c", "../../etc/passwd", ".hidden", "x" * 500, "ä/ö", "", "sha256:ab"])
def test_any_key_is_one_file_name(key: str) -> None:
    name = flight._file_name(key)
    assert "/" not in name
    assert not name.startswith(".")
    assert 0 < len(name.encode()) <= 255


def test_keys_are_told_apart() -> None:
    keys = ["a/b", "a%2fb", "a%2Fb", "a:b", "x" * 300, "x" * 301, "", "."]
    assert len({flight._file_name(key) for key in keys}) == len(keys)


# ---- a question that many ask


def ask(world: World, store: Store) -> bool:
    with store.shared_flight(KEY, world.events.append, world.timing()) as mine:
        return mine


def answered(store: Store, token: str) -> None:
    """What the holder of ``token`` leaves when it has its answer."""
    folder = f"{store.path}/answered"
    os.makedirs(folder, exist_ok=True)
    Path(f"{folder}/{flight._file_name(KEY)}").write_text(token)


def test_who_asks_alone_asks_every_time_and_waits_for_nobody(store: Store) -> None:
    world = World()
    assert [ask(world, store) for _ in range(3)] == [True] * 3
    assert (world.sleeps, tokens(store)) == ([], [])


def test_an_answer_that_was_asked_for_before_is_not_shared(store: Store) -> None:
    """The tag may have moved between the other's question and ours."""
    world = World()
    path = somebody_holds(store, token="first")
    world.happens.append((1.0, lambda: (answered(store, "first"), os.unlink(path))))
    assert ask(world, store) is True


def test_an_answer_that_was_asked_for_after_we_came_is_shared(store: Store) -> None:
    world = World()
    path = somebody_holds(store, token="first")

    def another_takes_its_turn() -> None:
        answered(store, "first")
        os.unlink(path)
        somebody_holds(store, token="second")

    world.happens += [(1.0, another_takes_its_turn), (2.0, lambda: answered(store, "second"))]
    assert ask(world, store) is False


def test_who_fails_to_get_an_answer_leaves_none_to_share(store: Store) -> None:
    world = World()
    path = somebody_holds(store, token="first")

    def another_fails() -> None:
        os.unlink(path)
        with pytest.raises(ValueError, match="500"), store.shared_flight(KEY, world.events.append):
            raise ValueError("500")

    world.happens.append((1.0, another_fails))
    assert ask(world, store) is True


def test_many_at_once_ask_twice_at_most(store: Store) -> None:
    """One asks; of those who came meanwhile another does, for all of them."""
    asked: list[int] = []
    all_here = threading.Barrier(20)

    def one(number: int) -> None:
        first = number == 0
        if not first:
            all_here.wait()
        with store.shared_flight(KEY, lambda event: all_are_waiting.release()) as mine:
            if mine:
                asked.append(number)
                if first:
                    all_here.wait()
                    for _ in range(19):
                        assert all_are_waiting.acquire(timeout=30)

    all_are_waiting = threading.Semaphore(0)
    threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert asked[0] == 0
    assert len(asked) == 2
