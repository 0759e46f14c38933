"""kill -9 at random moments: what is visible is complete, the rest lies in tmp/ and is swept by the next one."""

from __future__ import annotations

import os
import random
import signal
import threading
from pathlib import Path

from stores import add_image, content_of, left_over, nothing_runs
from wherry.base.errors import NotFound
from wherry.base.reference import Reference
from wherry.store import Store, open_at, prune, remove_image, usage
from wherry.store.discard import sweep

KILLS = 50
NAMES = {"a:1": ("base", "a"), "b:1": ("base", "b"), "c:1": ("c", "d", "e")}


def pull_and_remove_for_ever(path: str, seed: int) -> None:
    chance, store = random.Random(seed), open_at(path)
    while True:
        name = chance.choice(sorted(NAMES))
        try:
            if chance.random() < 0.5:
                add_image(store, *NAMES[name], names=[name])
            elif chance.random() < 0.7:
                remove_image(store, Reference.parse(name), nothing_runs)
            else:
                prune(store, nothing_runs)
        except NotFound:
            continue


def check(store: Store) -> None:
    """Whatever can be seen is whole."""
    for record in store.image_records():
        assert store.read_blob(record.digest)
        for key in record.layers:
            layer = store.find_layer(key)
            assert layer is not None
            assert layer.meta.diff_id.hex == key
    for key in os.listdir(f"{store.path}/layers") if os.path.exists(f"{store.path}/layers") else []:
        layer = store.find_layer(key)
        assert layer is not None
        assert layer.meta.size == len(content_of(layer))
        assert Path(layer.table).read_text() == "table of " + content_of(layer)
    for _, name in store.names():
        record = store.image_record(name.digest)
        assert record is None or all(store.find_layer(key) for key in record.layers)


def test_fifty_kills_leave_a_store_that_the_next_command_uses_without_repair(tmp_path: Path) -> None:
    path, chance, clock = str(tmp_path / "store"), random.Random(7), threading.Event()
    for kill in range(KILLS):
        child = os.fork()
        if child == 0:
            try:
                pull_and_remove_for_ever(path, kill)
            finally:
                os._exit(1)
        clock.wait(chance.uniform(0.001, 0.08))
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        if not os.path.exists(f"{path}/format"):
            continue
        store = open_at(path)
        check(store)
        if kill % 10 == 9:
            for name, layers in NAMES.items():
                add_image(store, *layers, names=[name])
                found = store.name(Reference.parse(name))
                assert found is not None
                assert store.image_record(found.digest) is not None
    store = open_at(path)
    sweep(path)
    assert left_over(store) == []
    prune(store, nothing_runs, everything=True)
    found = usage(store)
    assert (found.images, found.layers, found.blobs, found.unfinished, found.total) == (0, 0, 0, 0, 0)
    assert list(store.names()) == []
    assert not [name for name in os.listdir(path) if name.startswith(".format")] or os.path.exists(f"{path}/format")
