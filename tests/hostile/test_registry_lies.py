"""Registries that lie, stall, truncate, throttle and send people away; the client believes nothing without a digest."""

from __future__ import annotations

import json
import random
import select
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fake_registry import FakeRegistry, Handler, fake_registry, sha256
from registry_server import make_authority, make_certificate
from registry_session import Visitor
from wherry.base.digest import Digest
from wherry.base.errors import (
    DigestMismatch,
    Forbidden,
    ImageError,
    NetworkFailed,
    NotInRegistry,
    RateLimited,
    RegistryError,
    Unauthorized,
    UnsupportedImage,
    WherryError,
)
from wherry.base.reference import Reference

BLOB = random.Random(7).randbytes(1_500_000)
DIGEST = Digest.of(BLOB)
SMALL = json.dumps({"schemaVersion": 2, "config": {}, "layers": []}).encode()


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with fake_registry() as server:
        server.add_blob(BLOB)
        server.add_manifest("a/b", "1.0", SMALL)
        yield server


@pytest.fixture
def visitor(tmp_path: Path) -> Visitor:
    return Visitor(tmp_path)


def pull(visitor: Visitor, fake: FakeRegistry, size: int = len(BLOB), digest: Digest = DIGEST) -> bytes:
    with visitor.connect() as registry, registry.open_blob(at(fake), digest, size) as stream:
        return b"".join(stream)


def manifest(visitor: Visitor, fake: FakeRegistry, name: str = "a/b:1.0") -> bytes:
    with visitor.connect() as registry:
        return registry.get_manifest(at(fake, name)).data


def at(fake: FakeRegistry, name: str = "a/b:1.0") -> Reference:
    return Reference.parse(f"{fake.address}/{name}")


# Blobs


def send_part(end: int) -> Callable[[Handler], None]:
    """An intervention: promise all that was asked for, send so many bytes of it, hang up."""

    def act(handler: Handler) -> None:
        first = int((handler.headers.get("range") or "bytes=0-")[6:].partition("-")[0])
        handler.send_response(206 if first else 200)
        if first:
            handler.send_header("content-range", f"bytes {first}-{len(BLOB) - 1}/{len(BLOB)}")
        handler.send_header("content-length", str(len(BLOB) - first))
        handler.end_headers()
        handler.wfile.write(BLOB[first : first + end])
        handler.hang_up()

    return act


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


# Manifests


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


# Redirects and credentials


def redirect(location: str, status: int = 307) -> Callable[[Handler], None]:
    return lambda handler: handler.reply(status, location=location)


def test_credentials_do_not_follow_a_redirect_to_another_host(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.scheme, fake.users = "basic", {"ada": "secret"}
    log_in(visitor, fake, "ada", "secret")
    with fake_registry() as other:
        other.add_blob(BLOB)
        allowed = [False]

        def away(handler: Handler) -> None:
            if handler.headers.get("authorization"):
                allowed[0] = True
                handler.reply(307, location=f"http://{other.address}/v2/x/blobs/{DIGEST}")
            else:
                handler.answer()

        fake.intervene("GET", "/blobs/", away)
        assert pull(visitor, fake) == BLOB
        assert allowed == [True]
        assert [seen.authorization for seen in other.seen] == [""]


def test_credentials_stay_with_a_redirect_on_the_same_host(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.scheme, fake.users = "basic", {"ada": "secret"}
    log_in(visitor, fake, "ada", "secret")
    fake.intervene("GET", "/v2/a/b/blobs/", redirect(f"/v2/moved/blobs/{DIGEST}"))
    assert pull(visitor, fake) == BLOB
    assert fake.seen[-1].authorization.startswith("Basic ")


def test_a_circle_of_redirects_ends(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.intervene("GET", "/blobs/", redirect(f"/v2/a/b/blobs/{DIGEST}"))
    with pytest.raises(NetworkFailed, match="redirects more than 5 times"):
        pull(visitor, fake)
    assert len(fake.seen) == 6


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://[", "gopher://x/", "http://host:port/"])
def test_a_redirect_to_nowhere_is_refused(fake: FakeRegistry, visitor: Visitor, location: str) -> None:
    fake.intervene("GET", "/blobs/", redirect(location))
    with pytest.raises(NetworkFailed, match="redirects to"):
        pull(visitor, fake)


def test_a_password_is_not_sent_to_a_token_server_that_speaks_plain_http(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.scheme, fake.users, fake.realm = "bearer", {"ada": "secret"}, "http://tokens.example/token"
    log_in(visitor, fake, "ada", "secret")
    with pytest.raises(RegistryError, match=r"are not sent to 'http://tokens\.example'"):
        manifest(visitor, fake)


def test_a_token_server_elsewhere_gets_the_credentials_of_this_registry_only(
    fake: FakeRegistry, visitor: Visitor
) -> None:
    with fake_registry() as tokens:
        tokens.users = {"ada": "secret"}
        tokens.issued = fake.issued
        fake.scheme, fake.realm = "bearer", f"http://{tokens.address}/token"
        log_in(visitor, fake, "ada", "secret")
        assert manifest(visitor, fake) == SMALL
        assert [seen.authorization.partition(" ")[0] for seen in tokens.seen] == ["Basic"]
        assert all(not seen.authorization.startswith("Basic") for seen in fake.seen)


@pytest.mark.parametrize("realm", ["", "ftp://x/", "token", "http://"])
def test_a_realm_that_is_no_address_is_refused(fake: FakeRegistry, visitor: Visitor, realm: str) -> None:
    challenge = f'Bearer realm="{realm}",service="x"'
    fake.intervene("GET", "/v2/", lambda handler: handler.fail(401, "UNAUTHORIZED", "no", www_authenticate=challenge))
    with pytest.raises(RegistryError, match="no proper token server"):
        manifest(visitor, fake)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"token": 3}', b'{"token": "a\\nb"}', b"x" * 2_000_000])
def test_a_token_that_is_none_is_refused(fake: FakeRegistry, visitor: Visitor, body: bytes) -> None:
    fake.scheme = "bearer"
    fake.intervene("GET", "/token", lambda handler: handler.reply(200, body))
    with pytest.raises(RegistryError, match="gives no token"):
        manifest(visitor, fake)


def log_in(visitor: Visitor, fake: FakeRegistry, user: str, password: str) -> None:
    """Credentials as ``docker login`` leaves them."""
    import base64

    folder = visitor.home / ".docker"
    folder.mkdir(exist_ok=True)
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {fake.address: {"auth": auth}}}))


# TLS


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[FakeRegistry]:
    ca, key = make_authority(tmp_path)
    with fake_registry(make_certificate(tmp_path, ca, key, "127.0.0.1")) as server:
        server.add_blob(BLOB)
        server.add_manifest("a/b", "1.0", SMALL)
        yield server


@pytest.fixture
def trusting(visitor: Visitor, secure: FakeRegistry, tmp_path: Path) -> Visitor:
    visitor.flags[f"registry.{secure.address}.ca"] = str(tmp_path / "ca.pem")
    return visitor


def test_a_blob_may_come_by_plain_http_from_elsewhere_without_credentials(
    secure: FakeRegistry, trusting: Visitor, fake: FakeRegistry
) -> None:
    secure.scheme, secure.users = "basic", {"ada": "secret"}
    log_in(trusting, secure, "ada", "secret")
    secure.intervene("GET", "/a/b/blobs/", redirect(f"http://{fake.address}/v2/x/blobs/{DIGEST}"))
    assert pull(trusting, secure) == BLOB
    assert [seen.authorization for seen in fake.seen] == [""]


def test_a_tag_is_not_looked_up_by_plain_http_elsewhere(secure: FakeRegistry, trusting: Visitor) -> None:
    secure.intervene("GET", "/manifests/", redirect("http://plain.example/v2/a/b/manifests/1.0"))
    with pytest.raises(NetworkFailed, match=r"redirects from https to 'plain\.example' by http"):
        manifest(trusting, secure)


def test_a_registry_that_calls_itself_http_behind_tls_is_understood(secure: FakeRegistry, trusting: Visitor) -> None:
    host = secure.address.partition(":")[0]
    secure.intervene("GET", "/v2/a/b/manifests/", redirect(f"http://{host}/v2/moved/manifests/1.0"), 1)
    secure.add_manifest("moved", "1.0", SMALL)
    assert manifest(trusting, secure) == SMALL
    data = b"pushed"
    place = f"http://{host}/v2/a/b/blobs/uploads/1"
    secure.intervene("POST", "/uploads/", lambda handler: handler.reply(202, location=place))
    with trusting.connect() as registry:
        assert registry.push_blob(at(secure), Digest.of(data), len(data), lambda: [data]) == "pushed"


def test_an_upload_is_not_sent_by_plain_http_to_another_host(secure: FakeRegistry, trusting: Visitor) -> None:
    secure.intervene("POST", "/uploads/", lambda handler: handler.reply(202, location="http://plain.example/up"))
    with trusting.connect() as registry, pytest.raises(RegistryError, match="plain http on another host"):
        registry.push_blob(at(secure), Digest.of(b"x"), 1, lambda: [b"x"])


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_who_once_spoke_tls_is_not_asked_in_plain_http(secure: FakeRegistry, visitor: Visitor, tmp_path: Path) -> None:
    port = int(secure.address.partition(":")[2])
    secure.intervene("GET", "/manifests/", lambda handler: handler.reply(200, SMALL, connection="close"))
    with visitor.connect() as registry:
        registry.get_manifest(at(secure))
        secure.stop()
        with fake_registry(port=port) as impostor:
            impostor.add_manifest("a/b", "1.0", b'{"an": "impostor"}')
            with pytest.raises(NetworkFailed):
                registry.get_manifest(at(secure))
            assert impostor.seen == []


# Tokens


def test_a_token_is_fetched_once_for_many_requests(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.scheme, fake.anonymous = "bearer", True
    with visitor.connect() as registry:
        for _ in range(3):
            registry.get_manifest(at(fake))
        list(registry.open_blob(at(fake), DIGEST, len(BLOB)))
    assert len([path for path in fake.paths() if path.startswith("/token")]) == 1


def test_an_expired_token_is_renewed_before_it_is_refused(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.scheme, fake.anonymous = "bearer", True
    with visitor.connect() as registry:
        registry.get_manifest(at(fake))
        visitor.time += 301
        registry.get_manifest(at(fake))
    assert [path.partition("?")[0] for path in fake.paths()] == [
        "/v2/a/b/manifests/1.0",
        "/token",
        "/v2/a/b/manifests/1.0",
        "/token",
        "/v2/a/b/manifests/1.0",
    ]


def test_a_token_that_ends_in_the_middle_of_a_long_pull_is_renewed(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.scheme, fake.anonymous, fake.token_uses = "bearer", True, 1
    broken = [0]

    def part(handler: Handler) -> None:
        if broken[0] == 3:
            handler.answer()
        elif handler.is_allowed():
            broken[0] += 1
            send_part(300_000)(handler)

    fake.intervene("GET", "/blobs/", part)
    assert pull(visitor, fake) == BLOB
    assert len(fake.issued) == 4


def test_an_identity_token_is_exchanged_by_post(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.scheme, fake.refresh_token = "bearer", "long-lived"
    folder = visitor.home / ".docker"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"auths": {fake.address: {"identitytoken": "long-lived"}}}))
    assert manifest(visitor, fake) == SMALL
    posted = [seen for seen in fake.seen if seen.method == "POST"]
    assert len(posted) == 1
    assert b"grant_type=refresh_token" in posted[0].body


def test_a_mount_asks_for_both_repositories(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.scheme, fake.users = "bearer", {"ada": "secret"}
    log_in(visitor, fake, "ada", "secret")
    fake.intervene("HEAD", "/v2/a/b/blobs/", lambda handler: handler.reply(404))
    with visitor.connect() as registry:
        assert registry.push_blob(at(fake), DIGEST, len(BLOB), list, mount_from=("has/it",)) == "mounted"
    scopes = [scope for scope, _ in fake.issued.values()]
    assert any("repository:a/b:pull,push" in scope and "repository:has/it:pull" in scope for scope in scopes)


def test_wrong_credentials_name_the_user_and_the_file_but_not_the_secret(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.scheme, fake.users = "bearer", {"ada": "secret"}
    log_in(visitor, fake, "ada", "hunter2")
    with pytest.raises(Unauthorized) as caught:
        manifest(visitor, fake)
    text = f"{caught.value} {caught.value.hint}"
    assert "those of 'ada' from" in text
    assert ".docker/config.json" in text
    assert f"wherry login {fake.address}" in text
    assert "hunter2" not in text


def test_a_credentials_file_that_may_not_be_read_does_not_stop_an_anonymous_pull(
    fake: FakeRegistry, visitor: Visitor
) -> None:
    fake.scheme, fake.anonymous = "bearer", True
    log_in(visitor, fake, "ada", "secret")
    (visitor.home / ".docker/config.json").chmod(0)
    assert manifest(visitor, fake) == SMALL
    fake.anonymous = False
    with pytest.raises(Unauthorized, match=r"used no credentials \('.*config\.json' may not be read\)"):
        manifest(visitor, fake)


def test_no_credentials_lead_to_a_login(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.scheme = "basic"
    with pytest.raises(
        Unauthorized, match=r"401 UNAUTHORIZED \(authentication required\); used no credentials"
    ) as caught:
        manifest(visitor, fake)
    assert f"wherry login {fake.address}" in caught.value.hint


# Statuses


def test_a_forbidden_answer_says_who_asked(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.intervene("GET", "/manifests/", lambda handler: handler.fail(403, "DENIED", "requested access is denied"))
    with pytest.raises(Forbidden, match=r"403 DENIED \(requested access is denied\); used no credentials"):
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
    with pytest.raises(NetworkFailed, match=r"500 UNKNOWN \(disk \[31mfull\); used no credentials; tried 5 times"):
        manifest(visitor, fake)


def test_an_absent_registry_is_named_after_three_tries(visitor: Visitor) -> None:
    with fake_registry() as gone:
        pass
    with pytest.raises(NetworkFailed, match="connection refused") as caught:
        manifest(visitor, gone)
    assert "login node" in caught.value.hint
    assert visitor.waits == [0.5, 1.0]


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


# Pushing


def test_a_push_that_breaks_starts_its_stream_again(fake: FakeRegistry, visitor: Visitor) -> None:
    opened = []
    data = b"new layer" * 1000

    def stream() -> Iterator[bytes]:
        opened.append(1)
        yield from (data[:4000], data[4000:])

    fake.intervene("PUT", "/blobs/uploads/", lambda handler: handler.fail(502, "", "bad gateway"), 1)
    with visitor.connect() as registry:
        assert registry.push_blob(at(fake), Digest.of(data), len(data), stream) == "pushed"
    assert len(opened) == 2
    assert fake.blobs[sha256(data)] == data


@pytest.mark.parametrize("data", [b"too little", b"much too much" * 9000])
def test_a_source_of_another_length_is_refused(fake: FakeRegistry, visitor: Visitor, data: bytes) -> None:
    with visitor.connect() as registry, pytest.raises(DigestMismatch, match="cannot be pushed"):
        registry.push_blob(at(fake), Digest.of(b"?"), 1000, lambda: [data])
    assert visitor.waits == []


def test_an_error_of_the_source_is_the_sources_own(fake: FakeRegistry, visitor: Visitor) -> None:
    def stream() -> Iterator[bytes]:
        yield b"x" * 10
        raise PermissionError(13, "cannot read the layer")

    with visitor.connect() as registry, pytest.raises(PermissionError, match="cannot read the layer"):
        registry.push_blob(at(fake), Digest.of(b"?"), 1000, stream)
    assert visitor.waits == []


def test_a_manifest_that_was_changed_on_its_way_is_noticed(fake: FakeRegistry, visitor: Visitor) -> None:
    wrong = "sha256:" + "1" * 64
    fake.intervene("PUT", "/manifests/", lambda handler: handler.reply(201, docker_content_digest=wrong))
    with visitor.connect() as registry, pytest.raises(DigestMismatch, match="changed on its way"):
        registry.put_manifest(at(fake), "application/json", SMALL)


def test_a_token_that_ends_before_the_upload_starts_it_anew(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.scheme, fake.users = "bearer", {"ada": "secret"}
    log_in(visitor, fake, "ada", "secret")
    data = b"a layer"

    def expire(handler: Handler) -> None:
        fake.issued.clear()
        handler.answer()

    fake.intervene("PUT", "/blobs/uploads/", expire, 1)
    with visitor.connect() as registry:
        assert registry.push_blob(at(fake), Digest.of(data), len(data), lambda: [data]) == "pushed"
    assert fake.blobs[sha256(data)] == data


# Any answer


@pytest.mark.parametrize("status", [204, 206, 300, 304, 400, 402, 405, 406, 410, 413, 418, 451, 501, 505, 599])
def test_any_status_is_an_error_of_ours(fake: FakeRegistry, visitor: Visitor, status: int) -> None:
    fake.intervene("GET", "", lambda handler: handler.reply(status, b'{"errors": "none"}' if status != 304 else b""))
    with pytest.raises(WherryError):
        manifest(visitor, fake)
