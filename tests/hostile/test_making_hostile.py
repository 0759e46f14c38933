"""Layers that are made while everything goes wrong: kills, a full disk, files that are not what they were."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import wherry
from making import tar_bytes
from waiting import until
from wherry.base.errors import ImageError
from wherry.image import copy_layer, make_layer
from wherry.store import open_at

SOURCES = str(Path(wherry.__file__).parents[1])

_MAKE = """
import sys
from wherry.image import make_layer
from wherry.store import open_at
made = make_layer(open_at(sys.argv[1]), (), sys.argv[2], compress="gzip")
print(made.diff_id)
"""


def _fill(upper: Path, files: int, size: int) -> None:
    upper.mkdir(parents=True)
    for number in range(files):
        folder = upper / str(number % 20)
        folder.mkdir(exist_ok=True)
        (folder / f"file{number}").write_bytes(b"%d" % number * size)


def test_a_maker_killed_at_any_moment_leaves_a_store_that_needs_no_repair(tmp_path: Path) -> None:
    chance = random.Random(6)
    store = open_at(str(tmp_path / "store"))
    for attempt in range(8):
        upper = tmp_path / f"box{attempt}/upper"
        _fill(upper, 600, 20_000)
        making = subprocess.Popen(
            [sys.executable, "-c", _MAKE, store.path, str(upper)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": SOURCES},
        )
        until(lambda upper=upper, making=making: not upper.exists() or making.poll() is not None)  # type: ignore[misc]
        threading.Event().wait(chance.uniform(0, 0.3))
        making.send_signal(signal.SIGKILL)
        making.communicate()
        layers = os.listdir(f"{store.path}/layers") if os.path.isdir(f"{store.path}/layers") else []
        assert len(layers) <= 1
        for key in layers:
            layer = store.find_layer(key)
            assert layer is not None
            assert len(tar_bytes(layer)) == layer.meta.tar_size
            store.discard(f"{store.path}/layers/{key}")
    last = tmp_path / "last/upper"
    _fill(last, 5, 10)
    done = subprocess.run(
        [sys.executable, "-c", _MAKE, store.path, str(last)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": SOURCES},
        check=True,
    )
    assert done.stdout.startswith("sha256:")
    assert os.listdir(f"{store.path}/tmp") == []  # what the dead had begun is swept


_ON_A_SMALL_DISK = """
import os, sys
from pathlib import Path
from wherry.base.errors import StoreFull
from wherry.image import copy_layer, make_layer
from wherry.store import open_at
disk, elsewhere = sys.argv[1], Path(sys.argv[2])
store = open_at(disk + "/store")
def fill(upper, size):
    os.makedirs(upper)
    for number in range(30):
        Path(upper, str(number)).write_bytes(os.urandom(size))
for form in ("gzip", "zstd", ""):
    # Taken: the files are there already, what does not fit is the blob. Copied: the files themselves.
    upper = disk + "/upper" if form else str(elsewhere / "upper")
    fill(upper, 1 << 20)
    try:
        make_layer(store, (), upper, compress=form)
    except StoreFull as error:
        print("full", form)
    assert os.listdir(store.path + "/tmp") == [], os.listdir(store.path + "/tmp")
    assert not os.path.isdir(store.path + "/layers") or os.listdir(store.path + "/layers") == []
"""


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """On 40 MB files of 30 MB fit; with a blob of them, or a second time, they do not."""
    (tmp_path / "disk").mkdir()
    script = 'mount -t tmpfs -o size=40m none "$1"; exec "$3" -c "$4" "$1" "$2"'
    command = ["unshare", "-Urm", "sh", "-ec", script, "sh", str(tmp_path / "disk"), str(tmp_path / "elsewhere")]
    done = subprocess.run(
        [*command, sys.executable, _ON_A_SMALL_DISK],
        env={**os.environ, "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["full gzip", "full zstd", "full "]


def test_what_a_running_container_swaps_leads_nowhere(tmp_path: Path) -> None:
    """Directories that become links while they are read: nothing from outside comes into the layer."""
    secret = tmp_path / "home"
    secret.mkdir()
    (secret / "key").write_text("PRIVATE")
    store = open_at(str(tmp_path / "store"))
    upper = tmp_path / "box/upper"
    for number in range(40):
        (upper / f"d{number}").mkdir(parents=True)
        (upper / f"d{number}/key").write_text("mine")
    stop = threading.Event()

    def swap() -> None:
        number = 0
        while not stop.is_set():
            place = upper / f"d{number % 40}"
            aside = upper.parent / "aside"
            try:
                os.rename(place, aside)
                os.symlink(secret, place)
                os.unlink(place)
                os.rename(aside, place)
            except OSError:
                break
            number += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        end, came = time.monotonic() + 3, 0
        while time.monotonic() < end:
            try:
                made = copy_layer(store, (), str(upper))
            except ImageError as error:
                assert "was replaced" in str(error) or "was changed" in str(error)
                continue
            assert made is not None
            came += 1
            assert b"PRIVATE" not in tar_bytes(made.layer)
            store.discard(os.path.dirname(made.layer.tree))
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("value", [b"", b"0", b"0:0", b"-1:0:644", b"0:0:888", b"0:0:644:x:1:2", b"1" * 60_000])
def test_owners_that_nobody_wrote_are_errors_of_our_own(tmp_path: Path, value: bytes) -> None:
    upper = tmp_path / "box/upper"
    upper.mkdir(parents=True)
    (upper / "a").write_text("1")
    try:
        os.setxattr(upper / "a", "user.wherry.owner", value)
    except OSError:
        os.setxattr(upper / "a", "user.wherry.owner", value[:1000])  # ext4 has room for less
    with pytest.raises(ImageError):
        make_layer(open_at(str(tmp_path / "store")), (), str(upper))


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"uid": 1}', '{"path": 1}', '{"path": "a", "xattrs": {"b": "!"}}', "\\xff"]
)
def test_a_list_of_owners_that_nobody_wrote_is_an_error_of_our_own(tmp_path: Path, line: str) -> None:
    upper = tmp_path / "box/upper"
    upper.mkdir(parents=True)
    (upper / "a").write_text("1")
    (tmp_path / "box/owners").write_bytes(line.encode())
    with pytest.raises(ImageError):
        make_layer(open_at(str(tmp_path / "store")), (), str(upper))


def test_holes_stay_holes_and_are_zeros_in_the_tar(tmp_path: Path) -> None:
    upper = tmp_path / "box/upper"
    upper.mkdir(parents=True)
    with (upper / "sparse").open("wb") as file:
        file.truncate(100 << 20)
    made = make_layer(open_at(str(tmp_path / "store")), (), str(upper))
    assert made is not None
    assert made.size == (100 << 20) + 512 + 1024
    assert os.stat(f"{made.layer.tree}/sparse").st_blocks < 100
    assert tar_bytes(made.layer).count(0) > 100 << 20
