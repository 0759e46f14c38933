"""Blobs from registries that lie, stall, truncate and send without end; nothing is believed without a digest."""

from __future__ import annotations

import random
import select
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from fake_registry import FakeRegistry, Handler, fake_registry
from registry_attacks import BLOB, DIGEST, at, pull, send_part
from registry_session import Visitor
from wherry.base.digest import Digest
from wherry.base.errors import (
    DigestMismatch,
    NetworkFailed,
    NotInRegistry,
    WherryError,
)


def test_a_blob_whose_bytes_differ_from_its_digest_is_refused_at_its_end(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.blobs[str(DIGEST)] = BLOB[:-1] + b"?"
    with pytest.raises(DigestMismatch, match=r"is not what its digest says.*gave bytes with the digest sha256:"):
        pull(visitor, fake)


def test_a_broken_connection_is_resumed_where_it_broke(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.intervene("GET", "/blobs/", send_part(300_000), times=3)
    assert pull(visitor, fake) == BLOB
    ranges = [int(seen.headers["range"][6:].partition("-")[0]) for seen in fake.seen if "range" in seen.headers]
    assert len(ranges) == 3
    assert ranges == sorted(ranges)
    assert sum(ranges[1:]) > 0
    assert all(wait > 0 for wait in visitor.waits)


def test_a_server_that_never_sends_more_is_given_up_with_the_number_of_bytes(
    fake: FakeRegistry, visitor: Visitor
) -> None:
    fake.intervene("GET", "/blobs/", send_part(100_000), times=1)
    fake.intervene("GET", "/blobs/", send_part(0))
    with pytest.raises(NetworkFailed, match=r"100000 of 1500000 bytes had come; tried 5 times") as caught:
        pull(visitor, fake)
    assert "goes on where this one stopped" in caught.value.hint
    assert visitor.waits == [0.5, 1.0, 2.0, 4.0]


def test_a_server_that_ignores_ranges_is_read_over(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.intervene("GET", "/blobs/", send_part(300_000), times=1)
    fake.intervene("GET", "/blobs/", lambda handler: handler.reply(200, BLOB))
    assert pull(visitor, fake) == BLOB


def test_a_server_that_answers_with_another_range_is_refused(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.intervene("GET", "/blobs/", send_part(300_000), times=1)
    fake.intervene(
        "GET",
        "/blobs/",
        lambda handler: handler.reply(206, BLOB[900_000:], content_range=f"bytes 900000-1499999/{len(BLOB)}"),
    )
    with pytest.raises(DigestMismatch, match="another range"):
        pull(visitor, fake)


@pytest.mark.parametrize("size", [len(BLOB) - 1, len(BLOB) + 1])
def test_a_length_that_differs_from_the_manifest_is_refused_before_any_byte(
    fake: FakeRegistry, visitor: Visitor, size: int
) -> None:
    with (
        visitor.connect() as registry,
        registry.open_blob(at(fake), DIGEST, size) as stream,
        pytest.raises(DigestMismatch, match=f"has 1500000 bytes where the manifest says {size}"),
    ):
        next(stream)


def test_an_endless_body_is_read_no_further_than_the_size(fake: FakeRegistry, visitor: Visitor) -> None:
    sent = []

    def flood(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        for _ in range(4000):
            handler.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            sent.append(0x10000)
        handler.hang_up()

    fake.intervene("GET", "/blobs/", flood)
    with pytest.raises(DigestMismatch):
        pull(visitor, fake)
    assert sum(sent) < 100_000_000


def test_a_body_without_a_length_is_taken_when_its_bytes_are_right(fake: FakeRegistry, visitor: Visitor) -> None:
    def unmeasured(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("connection", "close")
        handler.end_headers()
        handler.wfile.write(BLOB)
        handler.hang_up()

    fake.intervene("GET", "/blobs/", unmeasured)
    assert pull(visitor, fake) == BLOB


def test_a_stalled_connection_is_given_up_and_resumed(fake: FakeRegistry, visitor: Visitor) -> None:
    def stall(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(len(BLOB)))
        handler.end_headers()
        handler.wfile.write(BLOB[:200_000])
        handler.wfile.flush()
        handler.connection.recv(1)  # until the client goes
        handler.close_connection = True

    visitor.read_timeout = 0.2
    fake.intervene("GET", "/blobs/", stall, times=1)
    assert pull(visitor, fake) == BLOB
    assert fake.seen[-1].headers["range"] == f"bytes=200000-{len(BLOB) - 1}"


def test_a_server_that_always_stalls_ends_in_a_clear_error(fake: FakeRegistry, visitor: Visitor) -> None:
    def stall(handler: Handler) -> None:
        handler.connection.recv(1)
        handler.close_connection = True

    visitor.read_timeout = 0.1
    fake.intervene("GET", "/blobs/", stall)
    with pytest.raises(NetworkFailed, match=r"went silent; tried 5 times"):
        pull(visitor, fake)


def test_a_trickle_counts_as_a_stall(fake: FakeRegistry, visitor: Visitor) -> None:
    def trickle(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(len(BLOB)))
        handler.end_headers()
        try:
            for index in range(4000):
                handler.wfile.write(BLOB[index : index + 1])
                visitor.time += 5.0  # what the client's clock shows
                select.select([], [], [], 0.001)
        except ConnectionError:
            handler.close_connection = True

    fake.intervene("GET", "/blobs/", trickle, times=1)
    assert pull(visitor, fake) == BLOB
    assert len(fake.paths("GET")) >= 2


def test_a_pull_is_continued_by_another_process_with_what_it_has(fake: FakeRegistry, visitor: Visitor) -> None:
    hasher = DIGEST.hasher()
    hasher.update(BLOB[:1_000_000])
    with visitor.connect() as registry:
        rest = b"".join(registry.open_blob(at(fake), DIGEST, len(BLOB), offset=1_000_000, hasher=hasher))
    assert BLOB[1_000_000:] == rest
    assert fake.seen[-1].headers["range"] == f"bytes=1000000-{len(BLOB) - 1}"


@pytest.mark.parametrize("offset", [-1, 1, len(BLOB) + 1])
def test_an_offset_needs_the_hash_of_what_is_before_it(fake: FakeRegistry, visitor: Visitor, offset: int) -> None:
    with visitor.connect() as registry, pytest.raises(ValueError, match="needs a hasher"):
        registry.open_blob(at(fake), DIGEST, len(BLOB), offset=offset)


def test_a_wrong_beginning_is_noticed_when_a_pull_is_continued(fake: FakeRegistry, visitor: Visitor) -> None:
    hasher = DIGEST.hasher()
    hasher.update(bytes(1_000_000))
    with visitor.connect() as registry, pytest.raises(DigestMismatch):
        list(registry.open_blob(at(fake), DIGEST, len(BLOB), offset=1_000_000, hasher=hasher))


def test_a_stream_that_another_thread_closes_ends_at_once(fake: FakeRegistry, visitor: Visitor) -> None:
    begun, ended = threading.Event(), threading.Event()

    def stall(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(len(BLOB)))
        handler.end_headers()
        handler.wfile.flush()
        begun.set()
        ended.wait(10)
        handler.close_connection = True

    fake.intervene("GET", "/blobs/", stall)
    with visitor.connect() as registry, ThreadPoolExecutor(1) as pool:
        stream = registry.open_blob(at(fake), DIGEST, len(BLOB))
        reading = pool.submit(lambda: b"".join(stream))
        assert begun.wait(5)
        select.select([], [], [], 0.1)
        started = time.monotonic()
        stream.close()
        with pytest.raises(NetworkFailed, match="it was closed"):
            reading.result(5)
        assert time.monotonic() - started < 2
        ended.set()


def test_nothing_is_asked_for_an_empty_blob(fake: FakeRegistry, visitor: Visitor) -> None:
    assert pull(visitor, fake, 0, Digest.of(b"")) == b""
    assert fake.seen == []


def test_a_mirror_that_lies_about_the_size_is_passed_over(fake: FakeRegistry, visitor: Visitor) -> None:
    with fake_registry() as mirror:
        mirror.blobs[str(DIGEST)] = BLOB + b"more"
        visitor.flags[f"registry.{fake.address}.mirrors"] = (mirror.address,)
        assert pull(visitor, fake) == BLOB


def test_a_mirror_that_breaks_in_the_middle_is_left_for_the_origin(fake: FakeRegistry, visitor: Visitor) -> None:
    with fake_registry() as mirror:
        mirror.intervene("GET", "/blobs/", send_part(200_000), times=1)
        mirror.intervene("GET", "/blobs/", send_part(0))
        visitor.flags[f"registry.{fake.address}.mirrors"] = (mirror.address,)
        assert pull(visitor, fake) == BLOB
        assert len(mirror.seen) == 2
        assert len(fake.seen) == 1


def test_a_blob_that_is_missing_means_an_incomplete_image(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.blobs.clear()
    with pytest.raises(NotInRegistry, match="lacks a part of") as caught:
        pull(visitor, fake)
    assert "push it again" in caught.value.hint


FAULTS: dict[str, Callable[[Handler, random.Random], None]] = {
    "honest": lambda handler, chance: handler.answer(),
    "error": lambda handler, chance: handler.fail(chance.choice([408, 500, 502, 503]), "UNKNOWN", "?"),
    "limit": lambda handler, chance: handler.fail(429, "TOOMANYREQUESTS", "", retry_after=str(chance.randrange(9))),
    "hang up": lambda handler, chance: handler.hang_up(),
    "part": lambda handler, chance: send_part(chance.randrange(len(BLOB)))(handler),
    "no range": lambda handler, chance: handler.reply(200, BLOB),
    "moved": lambda handler, chance: handler.reply(307, location=f"/v2/elsewhere/blobs/{DIGEST}"),
    "wrong bytes": lambda handler, chance: handler.reply(200, chance.randbytes(1000) + BLOB[1000:]),
    "other range": lambda handler, chance: handler.reply(206, BLOB[9:], content_range=f"bytes 9-1499999/{len(BLOB)}"),
    "empty": lambda handler, chance: handler.reply(200),
    "garbage": lambda handler, chance: (handler.wfile.write(chance.randbytes(200)), handler.hang_up())[0],
}


@pytest.mark.parametrize("seed", range(40))
def test_any_sequence_of_faults_gives_the_right_bytes_or_an_error_of_ours(
    fake: FakeRegistry, visitor: Visitor, seed: int
) -> None:
    chance = random.Random(seed)
    for _ in range(chance.randrange(1, 8)):
        name = chance.choice(sorted(FAULTS))
        fake.intervene("GET", "/v2/a/b/blobs/", lambda handler, name=name: FAULTS[name](handler, chance), 1)
    try:
        assert pull(visitor, fake) == BLOB
    except WherryError as error:
        assert error.what
        assert fake.address in str(error)
