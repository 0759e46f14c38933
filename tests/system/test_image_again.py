"""Pulling and pushing what is held already: what the registry is asked, and how often."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_registry import FakeRegistry, Handler, fake_registry
from layers import file, tar_of, write_layout
from pulling import pull_here, pull_there, push_here
from registry_session import Visitor
from wherry.base.digest import Digest
from wherry.base.errors import NotInRegistry
from wherry.base.progress import Event
from wherry.base.reference import Reference
from wherry.image import open_image, preview_pull, pull
from wherry.store import Store, open_at

_TARS = tuple(tar_of([file(f"file{number}", b"%d" % number * 1000)]) for number in range(4))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(str(tmp_path / "store"))


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with fake_registry() as registry:
        yield registry


def serve(fake: FakeRegistry, folder: Path, tag: str, tars: tuple[bytes, ...] = _TARS, form: str = "gzip") -> str:
    """Let the registry have an image ``some/image:TAG``; its whole name."""
    layout = write_layout(folder, tars, form=form)
    for blob in (layout / "blobs/sha256").iterdir():
        data = blob.read_bytes()
        fake.blobs[f"sha256:{blob.name}"] = data
        if b'"layers":' in data[:400]:
            fake.add_manifest("some/image", tag, data)
    return f"{fake.address}/some/image:{tag}"


def asked(fake: FakeRegistry) -> list[str]:
    """Method and kind of all requests since the last call."""
    found = [f"{one.method} {one.path.split('/')[4]}" for one in fake.seen]
    fake.seen.clear()
    return found


# ---- the registry is asked as little as possible


def test_what_is_unchanged_costs_one_request_that_no_registry_counts(
    fake: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    name = serve(fake, tmp_path / "layout", "1")
    image = pull_here(store, name)
    asked(fake)
    assert pull_here(store, name) == image
    assert asked(fake) == ["HEAD manifests"]


def test_a_look_at_what_a_pull_would_bring_costs_no_more(fake: FakeRegistry, store: Store, tmp_path: Path) -> None:
    name = serve(fake, tmp_path / "layout", "1")
    with Visitor(tmp_path).connect() as registry:
        before = preview_pull(store, registry, Reference.parse(name))
        assert before.download == sum(size for _, size, _ in before.layers) > 0
        image = pull_here(store, name)
        asked(fake)
        after = preview_pull(store, registry, Reference.parse(name))
    assert asked(fake) == ["HEAD manifests"]
    assert (after.digest, after.download, after.space) == (image.digest, 0, 0)
    assert [held for _, _, held in after.layers] == [True] * len(_TARS)


def test_a_digest_that_is_held_is_not_asked_for(fake: FakeRegistry, store: Store, tmp_path: Path) -> None:
    image = pull_here(store, serve(fake, tmp_path / "layout", "1"))
    asked(fake)
    assert pull_here(store, f"{fake.address}/some/image@{image.digest}").digest == image.digest
    assert asked(fake) == []


def test_a_tag_that_moved_is_fetched(fake: FakeRegistry, store: Store, tmp_path: Path) -> None:
    name = serve(fake, tmp_path / "one", "1")
    first = pull_here(store, name)
    serve(fake, tmp_path / "two", "1", _TARS[:2])
    asked(fake)
    second = pull_here(store, name)
    assert second.digest != first.digest
    assert len(second.layers) == 2
    assert asked(fake) == ["HEAD manifests", "GET manifests", "GET blobs"]


@pytest.mark.parametrize("answer", ["no digest", "405", "404"])
def test_where_head_tells_nothing_the_manifest_is_fetched(
    fake: FakeRegistry, store: Store, tmp_path: Path, answer: str
) -> None:
    def reply(handler: Handler) -> None:
        handler.reply(200 if answer == "no digest" else int(answer), b"{}", content_type="application/json")

    name = serve(fake, tmp_path / "layout", "1")
    image = pull_here(store, name)
    asked(fake)
    fake.intervene("HEAD", "/manifests/", reply)
    assert pull_here(store, name) == image
    assert asked(fake) == ["HEAD manifests", "GET manifests"]


def test_a_tag_that_is_gone_is_told_in_the_registrys_words(fake: FakeRegistry, store: Store, tmp_path: Path) -> None:
    name = serve(fake, tmp_path / "layout", "1")
    pull_here(store, name)
    del fake.manifests["some/image", "1"]
    with pytest.raises(NotInRegistry, match="has no tag '1'") as caught:
        pull_here(store, name)
    assert "MANIFEST_UNKNOWN" in caught.value.why


def test_what_is_damaged_here_is_fetched_though_the_tag_is_unchanged(
    fake: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    name = serve(fake, tmp_path / "layout", "1")
    image = pull_here(store, name)
    path = store.blob_path(image.manifest.config.digest)
    assert path is not None
    Path(path).write_bytes(b"{}")
    assert pull_here(store, name) == image


def test_simultaneous_pulls_of_what_is_held_share_the_answer(fake: FakeRegistry, store: Store, tmp_path: Path) -> None:
    """The first question is answered when all wait; then one of them asks for all."""
    name = serve(fake, tmp_path / "layout", "1")
    image = pull_here(store, name)
    asked(fake)
    first, go = threading.Event(), threading.Event()

    def wait(handler: Handler) -> None:
        first.set()
        assert go.wait(60)
        handler.answer()

    fake.intervene("HEAD", "/manifests/", wait, times=1)
    waiting: list[str] = []
    done: list[Digest] = []

    def one() -> None:
        done.append(pull_here(store, name, progress=lambda event: _note(waiting, event)).digest)

    threads = [threading.Thread(target=one) for _ in range(12)]
    threads[0].start()
    assert first.wait(60)
    for thread in threads[1:]:
        thread.start()
    end = time.monotonic() + 60
    while len(waiting) < 11:
        assert time.monotonic() < end
        go.wait(0.01)
    go.set()
    for thread in threads:
        thread.join(60)
    assert done == [image.digest] * 12
    assert asked(fake) == ["HEAD manifests"] * 2


def _note(waiting: list[str], event: Event) -> None:
    if event.stage == "waiting":
        waiting.append(event.item)


def test_processes_share_an_answer_too(fake: FakeRegistry, store: Store, tmp_path: Path) -> None:
    name = serve(fake, tmp_path / "layout", "1")
    image = pull_here(store, name)
    asked(fake)
    fake.intervene("HEAD", "/manifests/", lambda handler: (threading.Event().wait(4), handler.answer())[1], times=1)
    crowd = [pull_there(store.path, name) for _ in range(10)]
    assert {process.communicate(timeout=120)[0] for process in crowd} == {str(image.digest)}
    assert len(asked(fake)) <= 3


# ---- how many layers at a time


@pytest.mark.parametrize("most", [1, 4])
def test_as_many_layers_come_at_a_time_as_the_setting_says(
    fake: FakeRegistry, store: Store, tmp_path: Path, most: int
) -> None:
    visitor = Visitor(tmp_path, flags={"registry.parallel": most})
    now, peak, lock, all_here = [0], [0], threading.Lock(), threading.Event()

    def count(handler: Handler) -> None:
        with lock:
            now[0] += 1
            peak[0] = max(peak[0], now[0])
            if now[0] == len(_TARS):
                all_here.set()
        all_here.wait(2 if most == len(_TARS) else 0.2)
        with lock:
            now[0] -= 1
        handler.answer()

    name = serve(fake, tmp_path / "layout", "1")
    image = Reference.parse(name)
    config = next(path for path in fake.blobs if b"rootfs" in fake.blobs[path])
    fake.intervene("GET", f"/blobs/(?!{config})", count)
    with visitor.connect() as registry:
        pull(store, registry, image)
    assert peak[0] == most


# ---- what a push need not compress


def test_a_layer_that_came_in_another_compression_is_pushed_as_its_image_has_it(
    fake: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    """The second image's layers were here already, and came from the first one's registry as gzip."""
    pull_here(store, serve(fake, tmp_path / "gzip", "gzip"))
    image = pull_here(store, serve(fake, tmp_path / "zstd", "zstd", form="zstd"))
    with fake_registry() as other:
        assert push_here(store, image, f"{other.address}/some/image:1") == str(image.digest)
        assert {str(layer.digest) for layer in image.manifest.layers} <= set(other.blobs)


def test_a_layer_whose_own_form_is_gone_is_taken_in_another(fake: FakeRegistry, store: Store, tmp_path: Path) -> None:
    zstd = pull_here(store, serve(fake, tmp_path / "zstd", "zstd", form="zstd"))
    image = pull_here(store, serve(fake, tmp_path / "gzip", "gzip"))
    for layer in image.manifest.layers:
        del fake.blobs[str(layer.digest)]
    seen: list[Event] = []
    with fake_registry() as other:
        name = f"{other.address}/some/image:1"
        digest = push_here(store, image, name, seen.append)
        assert digest != str(image.digest)
        pushed = pull_here(open_at(f"{store.path}-2"), name)
    assert [layer.digest for layer in pushed.manifest.layers] == [layer.digest for layer in zstd.manifest.layers]
    assert pushed.manifest.config == image.manifest.config
    assert "compressed anew" not in {event.message for event in seen}
    assert any("another compression" in event.message and digest in event.message for event in seen)


def test_what_was_compressed_anew_once_is_not_again(fake: FakeRegistry, store: Store, tmp_path: Path) -> None:
    image = pull_here(store, serve(fake, tmp_path / "layout", "1"))
    fake.blobs.clear()
    with fake_registry() as other:
        first: list[Event] = []
        digest = push_here(store, image, f"{other.address}/some/image:1", first.append)
        assert [event.message for event in first].count("compressed anew") == len(_TARS)
        again: list[Event] = []
        assert push_here(store, image, f"{other.address}/some/image:1", again.append) == digest
        assert "compressed anew" not in {event.message for event in again}


def test_bytes_that_an_image_merely_claims_to_be_a_layer_get_into_no_other_image(
    fake: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    """A stranger's image says that its layer is ours, in a compression whose bytes nobody here has seen."""
    image = pull_here(store, serve(fake, tmp_path / "ours", "ours", _TARS[:1]))
    stranger = write_layout(tmp_path / "strange", [tar_of([file("evil", b"x")])], form="zstd")
    theirs = serve(fake, tmp_path / "theirs", "theirs", _TARS[:1], form="zstd")
    evil = next(path for path in (stranger / "blobs/sha256").iterdir() if path.read_bytes()[:4] == b"\x28\xb5\x2f\xfd")
    media_type, data = fake.manifests["some/image", "theirs"]
    claimed: str = json.loads(data)["layers"][0]["digest"]
    swapped = data.replace(claimed.encode(), f"sha256:{evil.name}".encode())
    fake.add_manifest("some/image", "theirs", swapped, media_type)
    fake.add_blob(evil.read_bytes())
    pull_here(store, theirs)
    del fake.blobs[str(image.manifest.layers[0].digest)]
    with fake_registry() as other:
        name = f"{other.address}/some/image:1"
        push_here(store, image, name)
        assert f"sha256:{evil.name}" not in other.blobs
        assert pull_here(open_at(f"{store.path}-2"), name).config == image.config


def test_a_pull_counts_as_a_use(fake: FakeRegistry, store: Store, tmp_path: Path) -> None:
    """Of images that nobody runs, those pulled longest ago go first, though they have not changed since."""
    name = serve(fake, tmp_path / "layout", "1")
    record = store.record_path(pull_here(store, name).digest)
    os.utime(record, (1, 1))
    pull_here(store, name)
    assert os.stat(record).st_mtime > 1
    assert open_image(store, name).layers
