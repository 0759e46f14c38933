"""Registries that send people away: where credentials, tokens and uploads go, and where they never go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_registry import FakeRegistry, Handler, fake_registry, sha256
from registry_attacks import BLOB, DIGEST, SMALL, at, log_in, manifest, pull, redirect, send_part
from registry_server import make_authority, make_certificate
from registry_session import Visitor
from wherry.base.digest import Digest
from wherry.base.errors import (
    DigestMismatch,
    NetworkFailed,
    RegistryError,
    Unauthorized,
)


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


def test_a_simple_server_that_waits_for_a_line_is_asked_in_plain_http(fake: FakeRegistry, visitor: Visitor) -> None:
    fake.patient, visitor.connect_timeout = True, 0.3
    assert manifest(visitor, fake) == SMALL
    assert visitor.waits == []


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
        Unauthorized, match=r"401 UNAUTHORIZED \(authentication required\) to .*; used no credentials"
    ) as caught:
        manifest(visitor, fake)
    assert f"wherry login {fake.address}" in caught.value.hint


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
