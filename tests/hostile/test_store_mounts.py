"""A full disk, one without inodes, a read-only mount: real ones, mounted in a namespace of the user's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import wherry

SOURCES = str(Path(wherry.__file__).parents[1])
TESTS = str(Path(__file__).parents[1])

BEGIN = """
import os, sys
from stores import *
from wherry.base.errors import *
from wherry.base.progress import silent
from wherry.base.reference import Reference
from wherry.store import *
from wherry.store.faults import reported
path = sys.argv[1]
"""


def run_with(mount: str, script: str, path: Path) -> str:
    """Run ``script`` where ``mount`` (shell; ``$1`` is ``path``) was done; return what it printed."""
    command = ["unshare", "-Urm", "sh", "-ec", mount + '; exec "$2" -c "$3" "$1"', "sh", path, sys.executable]
    environment = {**os.environ, "PYTHONPATH": f"{SOURCES}:{TESTS}"}
    done = subprocess.run([*command, BEGIN + script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_disk_that_fills_at_any_step_of_a_pull_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    script = """
store = open_at(path + "/store")
before_all = add_image(store, "present", names=["present:1"])

def pull(number):
    image = None
    for part in ("base%d" % number, "top%d" % number):
        work = store.new_work()
        try:
            with reported("unpack a layer", store.path):
                fill(work, part * 3000)
        except StoreError:
            store.discard(work)
            raise
        layer = store.publish_layer(work, digest_of(part).hex, a_meta(part))
    blob = store.put_blob(b"{}" + bytes(20000) + str(number).encode())
    store.put_image_record(ImageRecord(blob, 1, (digest_of("base%d" % number).hex, layer.key)))
    store.set_name(Reference.parse("n%d:1" % number), Name(blob))

def seen():
    return sorted((str(ref), str(name.digest)) for ref, name in store.names())

failures = set()
for number in range(1, 40):
    free = os.statvfs(path)
    room = free.f_bavail * free.f_frsize - number * 4096
    with open(path + "/ballast", "wb") as ballast:
        ballast.write(bytes(max(0, room)))
    before = seen()
    try:
        pull(number)
    except StoreFull as error:
        failures.add(error.what)
        assert path in error.what and "no space is left" in error.why and "wherry prune" in error.hint, error
        assert left_over(store) == [], (number, left_over(store))
        assert seen() == before
    else:
        assert ("docker.io/library/n%d:1" % number) in dict(seen())
    assert store.read_blob(before_all)
    assert os.path.exists(store.lease(before_all, "node%d" % number, "boot")), "what is there starts on a full disk"
    os.unlink(path + "/ballast")
    pull(number)
    remove_image(store, Reference.parse("n%d:1" % number), nothing_runs, force=True)
    assert prune(store, nothing_runs).layers == ()
print("\\n".join(sorted(failures)))
"""
    failures = run_with('mount -t tmpfs -o size=2m none "$1"', script, tmp_path).splitlines()
    steps = {line.removeprefix("cannot ").split(" in '")[0] for line in failures}
    assert {"unpack a layer", "write a blob"} <= steps
    assert len(steps) >= 4, steps


def test_a_disk_without_inodes_says_so(tmp_path: Path) -> None:
    script = """
store = open_at(path + "/store")
try:
    for number in range(100):
        store.put_blob(b"%d" % number)
except StoreFull as error:
    assert left_over(store) == []
    print(error)
"""
    told = run_with('mount -t tmpfs -o size=4m,nr_inodes=40 none "$1"', script, tmp_path)
    assert "no room for further files (inodes)" in told


def test_a_download_that_cannot_fit_is_refused_before_it_begins(tmp_path: Path) -> None:
    script = """
store = open_at(path + "/store")
store.require_space(500_000, "small")
try:
    store.require_space(50_000_000, "the image 'debian:12'")
except StoreFull as error:
    print(error)
"""
    told = run_with('mount -t tmpfs -o size=1m none "$1"', script, tmp_path)
    assert f"the image 'debian:12' needs 50 MB in '{tmp_path}/store': 1.0" in told
    assert "are free there" in told


READ_ONLY = 'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"'


def test_a_store_on_a_read_only_mount_works_for_reading(tmp_path: Path) -> None:
    from stores import add_image
    from wherry.store import open_at

    add_image(open_at(str(tmp_path / "store")), "base", "top", names=["a:1"])
    before = {path: os.stat(path).st_mtime_ns for path in map(str, tmp_path.rglob("*"))}
    script = """
store = open_at(path + "/store")
(ref, name), = store.names()
record = store.image_record(name.digest)
assert [content_of(store.find_layer(key)) for key in record.layers] == ["base", "top"]
assert store.read_blob(name.digest)
assert not store.writable
store.touch_image(name.digest)
assert store.lease(name.digest, "node", "boot") == ""
assert store.leases(name.digest) == []
with store.flight("a:1", silent, lambda: True) as mine:
    assert not mine
store.require_space(0, "nothing")
assert usage(store).images == 1
assert prune(store, nothing_runs, everything=True, dry_run=True).images == (name.digest,)
for change in (
    lambda: store.put_blob(b"new"),
    lambda: store.new_work(),
    lambda: store.set_name(Reference.parse("another:1"), name),
    lambda: store.remove_name(ref),
    lambda: store.put_image_record(record),
    lambda: store.partial_path(name.digest),
    lambda: store.flight("b:1", silent, lambda: False).__enter__(),
    lambda: remove_image(store, ref, nothing_runs),
    lambda: prune(store, nothing_runs, everything=True),
    lambda: open_at(path + "/another"),
):
    try:
        change()
    except StoreFull:
        raise
    except StoreError as error:
        assert error.why == "the file system is read-only" and path in error.what, error
        assert "WHERRY_STORE" in error.hint
    else:
        raise AssertionError("a read-only store was changed")
print("read")
"""
    assert run_with(READ_ONLY, script, tmp_path) == "read\n"
    assert {path: os.stat(path).st_mtime_ns for path in map(str, tmp_path.rglob("*"))} == before


def test_a_damaged_blob_on_a_read_only_mount_is_told(tmp_path: Path) -> None:
    from wherry.store import open_at

    store = open_at(str(tmp_path / "store"))
    digest = store.put_blob(b"good")
    Path(store.blob_path(digest) or "").write_bytes(b"evil")
    script = f"""
from wherry.base.digest import Digest
try:
    open_at(path + "/store").read_blob(Digest.parse("{digest}"))
except DigestMismatch as error:
    print(error)
"""
    assert "was damaged on disk" in run_with(READ_ONLY, script, tmp_path)


def test_a_site_store_on_a_read_only_mount_below_ones_own(tmp_path: Path) -> None:
    from stores import add_image
    from wherry.store import open_at

    (tmp_path / "own").mkdir()
    (tmp_path / "site").mkdir()
    add_image(open_at(str(tmp_path / "site" / "s")), "base", names=["base:1"])
    script = """
store = open_at(path + "/own/s", [path + "/site/s"])
image = add_image(store, "base", "mine", names=["mine:1"])
assert store.lease(image, "node", "boot")
assert store.lease(store.name(Reference.parse("base:1")).digest, "node", "boot") == ""
gone = remove_image(store, Reference.parse("mine:1"), nothing_runs, force=True)
assert gone.layers == (digest_of("mine").hex,)
assert [str(ref) for ref, _ in store.names()] == ["docker.io/library/base:1"]
print("stacked")
"""
    mount = 'mount --bind "$1/site" "$1/site"; mount -o remount,ro,bind "$1/site"'
    assert run_with(mount, script, tmp_path) == "stacked\n"
