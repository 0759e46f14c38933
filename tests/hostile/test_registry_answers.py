"""Manifests and statuses from registries that lie, throttle and fail, and what is said about them."""

from __future__ import annotations

import json
import time

import pytest

from fake_registry import FakeRegistry, Handler, fake_registry, sha256
from registry_attacks import SMALL, at, manifest
from registry_session import Visitor
from wherry.base.errors import (
    DigestMismatch,
    Forbidden,
    ImageError,
    NetworkFailed,
    NotInRegistry,
    RateLimited,
    RegistryError,
    UnsupportedImage,
    WherryError,
)
from wherry.base.reference import Reference


def test_a_manifest_is_compared_with_the_digest_that_was_asked_for(fake: FakeRegistry, visitor: Visitor) -> None:
    digest = sha256(SMALL)
    fake.manifests["a/b", digest] = ("application/json", b'{"other": 1}')
    with pytest.raises(DigestMismatch, match="asked for was"):
        manifest(visitor, fake, f"a/b@{digest}")


def test_a_manifest_is_compared_with_the_digest_that_the_registry_announces(
    fake: FakeRegistry, visitor: Visitor
) -> None:
    wrong = "sha256:" + "0" * 64
    fake.intervene("GET", "/manifests/", lambda handler: handler.reply(200, SMALL, docker_content_digest=wrong))
    with pytest.raises(DigestMismatch, match="announced was sha256:0000"):
        manifest(visitor, fake)


@pytest.mark.parametrize("declared", [True, False])
def test_a_giant_manifest_is_refused(fake: FakeRegistry, visitor: Visitor, declared: bool) -> None:
    def flood(handler: Handler) -> None:
        handler.send_response(200)
        if declared:
            handler.send_header("content-length", str(1 << 40))
        else:
            handler.send_header("connection", "close")
        handler.end_headers()
        try:
            for _ in range(1000):
                handler.wfile.write(b" " * 65536)
        except ConnectionError:
            pass
        handler.close_connection = True

    fake.intervene("GET", "/manifests/", flood)
    with pytest.raises(ImageError, match="too large"):
        manifest(visitor, fake)


@pytest.mark.parametrize("broken", [b'{"schemaVersion": 2', b"<html>", b"[1]", b"\xff\xfe", b"[" * 100_000, b""])
def test_a_manifest_that_is_no_json_object_is_an_image_error(
    fake: FakeRegistry, visitor: Visitor, broken: bytes
) -> None:
    fake.add_manifest("a/b", "bad", broken)
    with pytest.raises(ImageError, match="cannot be read"):
        manifest(visitor, fake, "a/b:bad")


def test_dockers_first_schema_is_refused_with_what_to_do(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.add_manifest(
        "a/b", "old", b'{"schemaVersion": 1}', "application/vnd.docker.distribution.manifest.v1+prettyjws"
    )
    with pytest.raises(UnsupportedImage, match="too old") as caught:
        manifest(visitor, fake, "a/b:old")
    assert "skopeo" in caught.value.hint


def test_a_web_page_in_place_of_a_manifest_is_called_one(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.intervene("GET", "/manifests/", lambda handler: handler.reply(200, b"<html>Please log in</html>"))
    with pytest.raises(ImageError) as caught:
        manifest(visitor, fake)
    assert "portal" in caught.value.hint


def test_a_truncated_manifest_is_asked_for_again(fake: FakeRegistry, visitor: Visitor) -> None:
    def truncate(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(len(SMALL)))
        handler.end_headers()
        handler.wfile.write(SMALL[:10])
        handler.hang_up()

    fake.intervene("GET", "/manifests/", truncate, times=2)
    assert manifest(visitor, fake) == SMALL


@pytest.mark.parametrize("garbage", [b"garbage\r\n\r\n", b"HTTP/1.1 999 what\r\n\r\n", b"", b"\0" * 100, b"A" * 70000])
def test_garbage_in_place_of_http_is_a_network_error(fake: FakeRegistry, visitor: Visitor, garbage: bytes) -> None:
    def act(handler: Handler) -> None:
        handler.wfile.write(garbage)
        handler.hang_up()

    fake.intervene("GET", "/manifests/", act)
    with pytest.raises(RegistryError):
        manifest(visitor, fake)


def test_tags_whose_pages_go_in_a_circle_end(fake: FakeRegistry, visitor: Visitor) -> None:
    def circle(handler: Handler) -> None:
        body = json.dumps({"tags": ["one", 2, "two"]}).encode()
        handler.reply(200, body, link='</v2/a/b/tags/list?n=1000&last=two>; rel="next"')

    fake.intervene("GET", "/tags/list", circle)
    with visitor.connect() as registry:
        assert registry.list_tags(at(fake)) == ("one", "two")
    assert len(fake.seen) == 2


def test_a_forbidden_answer_says_who_asked(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.intervene("GET", "/manifests/", lambda handler: handler.fail(403, "DENIED", "requested access is denied"))
    with pytest.raises(Forbidden, match=r"403 DENIED \(requested access is denied\).*; used no credentials"):
        manifest(visitor, fake)


def test_an_unknown_tag_names_near_ones(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.tags["a/b"] = ["bookworm", "trixie"]
    with pytest.raises(NotInRegistry, match=r"has no tag 'bokworm'.*404 MANIFEST_UNKNOWN") as caught:
        manifest(visitor, fake, "a/b:bokworm")
    assert caught.value.hint == f"did you mean '{fake.address}/a/b:bookworm'?"


def test_an_unknown_name_is_told_from_an_unknown_tag(fake: FakeRegistry, visitor: Visitor) -> None:
    with pytest.raises(NotInRegistry, match="there is no repository"):
        manifest(visitor, fake, "a/c:1.0")


def test_a_short_limit_is_waited_for(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.intervene(
        "GET", "/manifests/", lambda handler: handler.fail(429, "TOOMANYREQUESTS", "slow", retry_after="7"), 1
    )
    assert manifest(visitor, fake) == SMALL
    assert len(visitor.waits) == 1
    assert 7 <= visitor.waits[0] < 8


def test_a_long_limit_says_who_is_limited_and_till_when_and_does_not_wait(fake: FakeRegistry, visitor: Visitor) -> None:
    def limit(handler: Handler) -> None:
        handler.fail(
            429,
            "TOOMANYREQUESTS",
            "You have reached your pull rate limit",
            retry_after="10800",
            ratelimit_limit="100;w=21600",
            docker_ratelimit_source="192.0.2.7",
        )

    fake.intervene("GET", "/manifests/", limit)
    with pytest.raises(RateLimited) as caught:
        manifest(visitor, fake)
    assert visitor.waits == []
    for words in ("429 TOOMANYREQUESTS", "the address 192.0.2.7", "100 in 6 h", "in 3 h, at "):
        assert words in caught.value.why
    assert f"wherry login {fake.address}" in caught.value.hint
    assert f'[registry."{fake.address}"] mirrors = ["HOST"]' in caught.value.hint


def test_a_limited_mirror_is_passed_over_and_a_limited_origin_served_by_the_mirror(
    fake: FakeRegistry, visitor: Visitor
) -> None:
    with fake_registry() as mirror:
        mirror.add_manifest("a/b", "1.0", SMALL)
        visitor.flags[f"registry.{fake.address}.mirrors"] = (mirror.address,)
        for limited in (mirror, fake):
            limited.intervene("GET", "/manifests/", lambda handler: handler.fail(429, "TOOMANYREQUESTS", ""), 1)
            assert manifest(visitor, fake) == SMALL
    assert visitor.waits == []


def test_a_server_error_is_retried_with_growing_pauses(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.intervene("GET", "/manifests/", lambda handler: handler.fail(503, "UNAVAILABLE", "starting"), 3)
    assert manifest(visitor, fake) == SMALL
    assert visitor.waits == [0.5, 1.0, 2.0]


def test_each_pause_is_told(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.intervene("GET", "/manifests/", lambda handler: handler.fail(503, "UNAVAILABLE", "starting"), 1)
    with visitor.connect() as registry:
        registry.get_manifest(at(fake))
    (event,) = visitor.events
    assert (event.item, event.stage) == (fake.address, "waiting")
    assert "503 UNAVAILABLE (starting)" in event.message
    assert event.message.endswith("trying again in 0.5 s")


def test_a_lasting_server_error_says_how_often_it_was_asked(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.intervene("GET", "/manifests/", lambda handler: handler.fail(500, "UNKNOWN", "disk \x1b[31mfull\n"))
    with pytest.raises(
        NetworkFailed, match=r"500 UNKNOWN \(disk \[31mfull\) to .*; used no credentials; tried 5 times"
    ):
        manifest(visitor, fake)


def test_an_absent_registry_is_named_after_three_tries(visitor: Visitor) -> None:
    with fake_registry() as gone:
        pass
    with pytest.raises(NetworkFailed, match="connection refused") as caught:
        manifest(visitor, gone)
    assert "this machine" in caught.value.hint
    assert visitor.waits == [0.5, 1.0]


def test_a_name_that_is_unknown_here_leads_to_the_proxy_and_the_login_node(visitor: Visitor) -> None:
    with visitor.connect() as registry, pytest.raises(NetworkFailed, match="cannot be resolved") as caught:
        registry.get_manifest(Reference.parse("registry.invalid/a/b:1"))
    assert "login node" in caught.value.hint
    assert "HTTPS_PROXY" in caught.value.hint


def test_an_absent_mirror_costs_one_try_a_session(fake: FakeRegistry, visitor: Visitor) -> None:
    with fake_registry() as gone:
        pass
    visitor.flags[f"registry.{fake.address}.mirrors"] = (gone.address,)
    started = time.monotonic()
    with visitor.connect() as registry:
        assert registry.get_manifest(at(fake)).source == f"{fake.address}/a/b"
        registry.get_manifest(at(fake))
    assert visitor.waits == []
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("status", [204, 206, 300, 304, 400, 402, 405, 406, 410, 413, 418, 451, 501, 505, 599])
def test_any_status_is_an_error_of_ours(fake: FakeRegistry, visitor: Visitor, status: int) -> None:
    fake.intervene("GET", "", lambda handler: handler.reply(status, b'{"errors": "none"}' if status != 304 else b""))
    with pytest.raises(WherryError):
        manifest(visitor, fake)
