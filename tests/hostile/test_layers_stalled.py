"""Pulls from a registry that falls silent, and hostile layers that come over the network."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_registry import FakeRegistry, Handler, fake_registry
from layers import file, symlink, tar_of, write_layout
from pulling import pull_here, pull_there
from waiting import until
from wherry.base.digest import Digest
from wherry.base.errors import HostileArchive
from wherry.store import open_at
from wherry_command import Wherry

_GOOD = tar_of([file("good", os.urandom(3 << 20))])
_HOSTILE = tar_of([symlink("out", "/"), file("../out", b"x")])


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with fake_registry() as registry:
        yield registry


@pytest.fixture
def silence() -> Iterator[threading.Event]:
    """Ends when the test does."""
    over = threading.Event()
    yield over
    over.set()


def _serve(fake: FakeRegistry, folder: Path, *tars: bytes) -> str:
    layout = write_layout(folder, tars)
    for blob in (layout / "blobs/sha256").iterdir():
        data = blob.read_bytes()
        fake.add_blob(data)
        if b'"layers"' in data[:4096] and b'"schemaVersion"' in data[:4096]:
            fake.add_manifest("odd", "1", data)
    return f"{fake.address}/odd:1"


def _fall_silent(fake: FakeRegistry, tar: bytes, over: threading.Event) -> threading.Event:
    """Half of the layer comes, then nothing more; the result tells that it is so far."""
    silent = threading.Event()

    def act(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(len(tar)))
        handler.end_headers()
        handler.wfile.write(tar[: len(tar) // 2])
        handler.wfile.flush()
        silent.set()
        over.wait(60)

    fake.intervene("GET", str(Digest.of(tar)), act)
    return silent


def test_ctrl_c_ends_a_pull_from_a_silent_server(fake: FakeRegistry, silence: threading.Event, tmp_path: Path) -> None:
    reference = _serve(fake, tmp_path / "layout", _GOOD)
    silent = _fall_silent(fake, _GOOD, silence)
    process = pull_there(tmp_path / "store", reference)
    assert silent.wait(30)
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert time.monotonic() - before < 5
    assert process.returncode != 0
    assert os.listdir(tmp_path / "store/tmp") == []
    partial = tmp_path / "store/partial" / Digest.of(_GOOD).hex
    assert 0 < partial.stat().st_size <= len(_GOOD) // 2


def test_one_bad_layer_ends_the_pull_though_another_is_stuck(
    fake: FakeRegistry, silence: threading.Event, tmp_path: Path
) -> None:
    reference = _serve(fake, tmp_path / "layout", _GOOD, _HOSTILE)
    _fall_silent(fake, _GOOD, silence)
    store = open_at(str(tmp_path / "store"))
    before = time.monotonic()
    with pytest.raises(HostileArchive, match=r"'\.\.'"):
        pull_here(store, reference)
    assert time.monotonic() - before < 10
    assert list(store.image_records()) == []
    assert list(store.names()) == []
    assert store.find_layer(Digest.of(_HOSTILE).hex) is None
    assert not (tmp_path / "out").exists()


def test_a_user_who_may_start_no_more_threads_is_told(tmp_path: Path, fake: FakeRegistry) -> None:
    """Login nodes limit processes; a thread is one."""
    reference = _serve(fake, tmp_path / "layout", _GOOD)
    script = (
        "import threading, runpy, sys\n"
        'def start(self): raise RuntimeError("can\'t start new thread")\n'
        "threading.Thread.start = start\n"
        f"sys.argv = ['pulling.py', {str(tmp_path / 'store')!r}, {reference!r}]\n"
        f"runpy.run_path({str(Path(__file__).parent.parent / 'pulling.py')!r}, run_name='__main__')\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 125, done.stderr
    assert "Traceback" not in done.stderr
    assert "ulimit -u" in done.stdout or "thread" in done.stdout


@pytest.mark.parametrize(("end", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_pull_says_how_far_it_was_and_leaves_what_helps_the_next(
    fake: FakeRegistry, silence: threading.Event, tmp_path: Path, end: signal.Signals, status: int
) -> None:
    reference = _serve(fake, tmp_path / "layout", _GOOD)
    silent = _fall_silent(fake, _GOOD, silence)
    wherry = Wherry(tmp_path)
    process = wherry.start("pull", reference, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert silent.wait(30)
    partial = tmp_path / "store/partial" / Digest.of(_GOOD).hex
    until(lambda: partial.exists() and partial.stat().st_size > 1 << 20)
    process.send_signal(end)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (status, b"")
    words = rb"wherry: interrupted while pulling: 1\.\d+MB of 3\.15MB, \d+(\.\d+)?[kM]B/s in \d+ s\n"
    assert re.fullmatch(words + rb"  next: the same command goes on where it stopped\n", err), err
    assert os.listdir(tmp_path / "store/tmp") == []
