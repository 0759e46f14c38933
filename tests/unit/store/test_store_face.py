from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import wherry.store
from stores import add_image
from wherry.base.reference import Reference
from wherry.store import open_at
from wherry.store.durable import read_small


@pytest.mark.parametrize("name", wherry.store.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(wherry.store, name) is not None


def test_there_are_no_other_names() -> None:
    with pytest.raises(AttributeError, match="'nothing'"):
        wherry.store.nothing  # type: ignore[attr-defined]  # noqa: B018


HEAVY = ("hashlib", "ctypes", "threading", "subprocess", "tempfile", "json", "urllib.request", "zstandard")
LATER = ("collect", "flight", "removal", "publish", "discard", "space", "disk", "marks", "faults", "processes")


def test_what_a_start_needs_loads_nothing_that_it_does_not(tmp_path: Path) -> None:
    """Looking up a name and its layers is on the path of every start; a module costs a millisecond."""
    store = open_at(str(tmp_path / "s"))
    add_image(store, "a", "b", names=["reg.org/a:1"])
    script = """
import sys
import msgspec
before = set(sys.modules)
from wherry.base.reference import Reference
from wherry.store import open_at
store = open_at(sys.argv[1])
name = store.name(Reference.parse("reg.org/a:1"))
assert all(store.find_layer(key) for key in store.image_record(name.digest).layers)
print("\\n".join(set(sys.modules) - before))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(wherry.store.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script, store.path], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "wherry.store.store" in loaded
    assert loaded & (set(HEAVY) | {f"wherry.store.{name}" for name in LATER}) == set()


def test_a_file_replaced_on_its_server_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_text("new")
    real, failures = os.read, [1, 1]

    def stale_twice(fd: int, size: int) -> bytes:
        if failures:
            failures.pop()
            raise OSError(errno.ESTALE, "stale file handle")
        return real(fd, size)

    monkeypatch.setattr(os, "read", stale_twice)
    assert read_small(str(tmp_path / "f")) == b"new"


def test_a_store_that_stays_stale_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wherry.base.errors import StoreError

    store = open_at(str(tmp_path / "s"))
    add_image(store, "a", names=["a:1"])

    def stale(fd: int, size: int) -> bytes:
        raise OSError(errno.ESTALE, "stale file handle")

    monkeypatch.setattr(os, "read", stale)
    with pytest.raises(StoreError, match="stale file handle"):
        store.name(Reference.parse("a:1"))
