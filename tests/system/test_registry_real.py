"""The registry client with Debian's docker-registry and with skopeo: what is pushed comes back, as others see it."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fake_proxy import fake_proxy
from registry_pushes import LAYER, MANIFEST, at, push, trust
from registry_server import RegistryServer, make_authority, serve
from registry_session import Visitor
from wherry.base.digest import Digest
from wherry.base.errors import DigestMismatch, NetworkFailed, Unauthorized
from wherry.registry import login


def test_what_is_pushed_comes_back(plain: RegistryServer, visitor: Visitor) -> None:
    with visitor.connect() as registry:
        reference = at(plain, "round/trip:1.0")
        digest = push(registry, reference)
        fetched = registry.get_manifest(reference)
        assert fetched.digest == digest == registry.resolve(reference)
        assert fetched.media_type == MANIFEST
        assert registry.get_manifest(reference.at(digest)).data == fetched.data
        with registry.open_blob(reference, Digest.of(LAYER), len(LAYER)) as stream:
            assert b"".join(stream) == LAYER
            assert stream.position == len(LAYER)
        assert registry.list_tags(reference) == ("1.0",)


def test_a_blob_is_pushed_once_and_mounted_elsewhere(plain: RegistryServer, visitor: Visitor) -> None:
    data = b"pushed once" * 1000
    digest = Digest.of(data)
    with visitor.connect() as registry:
        first, second = at(plain, "mount/first"), at(plain, "mount/second")
        assert not registry.has_blob(first, digest)
        assert registry.push_blob(first, digest, len(data), lambda: [data]) == "pushed"
        assert registry.push_blob(first, digest, len(data), lambda: [data]) == "exists"
        mounted = registry.push_blob(second, digest, len(data), list, mount_from=("no/such", "mount/first"))
        assert mounted == "mounted"
        assert registry.has_blob(second, digest)


def test_an_empty_blob_can_be_pushed_and_pulled(plain: RegistryServer, visitor: Visitor) -> None:
    with visitor.connect() as registry:
        reference = at(plain, "empty/blob")
        assert registry.push_blob(reference, Digest.of(b""), 0, list) == "pushed"
        assert list(registry.open_blob(reference, Digest.of(b""), 0)) == []


def test_a_registry_refuses_bytes_that_are_not_what_their_digest_says(plain: RegistryServer, visitor: Visitor) -> None:
    from wherry.base.errors import RegistryError

    with visitor.connect() as registry, pytest.raises(RegistryError, match="400 DIGEST_INVALID"):
        registry.push_blob(at(plain, "a/lie"), Digest.of(b"one"), 3, lambda: [b"two"])


def test_a_damaged_blob_in_the_registry_is_noticed(tmp_path: Path, visitor: Visitor) -> None:
    with serve(tmp_path / "damaged") as server, visitor.connect() as registry:
        reference = at(server, "damaged/one:1")
        digest = push(registry, reference)
        layer = Digest.of(LAYER)
        server.blob_file(str(layer)).write_bytes(LAYER[:-1] + bytes([LAYER[-1] ^ 1]))
        with pytest.raises(DigestMismatch):
            list(registry.open_blob(reference, layer, len(LAYER)))
        server.blob_file(str(layer)).write_bytes(LAYER[:-7])
        with pytest.raises(NetworkFailed, match=f"ended too early, {len(LAYER) - 7} of {len(LAYER)} bytes had come"):
            list(registry.open_blob(reference, layer, len(LAYER)))
        file = server.blob_file(str(digest))
        file.write_bytes(file.read_bytes().replace(b"amd64", b"arm64").replace(b"schema", b"Schema"))
        with pytest.raises(DigestMismatch):
            registry.get_manifest(reference)


def test_a_pull_survives_a_restart_of_the_registry(tmp_path: Path, visitor: Visitor) -> None:
    layer = random.Random(4).randbytes(40_000_000)
    digest = Digest.of(layer)
    folder = tmp_path / "restarted"
    with serve(folder) as server, visitor.connect() as registry:
        push(registry, at(server, "big/one:1"), layer)
        stream = registry.open_blob(at(server, "big/one:1"), digest, len(layer))
        got = [next(stream)]
        server.process.kill()
        server.process.wait()
        again = threading.Event()

        def restart(seconds: float) -> None:
            if not again.is_set():
                again.set()
                process = subprocess.Popen(
                    ["docker-registry", "serve", str(folder / "registry.yml")], stderr=-3, stdout=-3
                )
                servers.append(process)
            time_to_start.wait(0.3)

        servers: list[subprocess.Popen[bytes]] = []
        time_to_start = threading.Event()
        import msgspec

        session = registry._session
        session.pace = msgspec.structs.replace(session.pace, sleep=restart)
        try:
            got += list(stream)
        finally:
            for process in servers:
                process.kill()
                process.wait()
        assert b"".join(got) == layer
        assert again.is_set()


def test_many_threads_share_one_client(plain: RegistryServer, visitor: Visitor) -> None:
    blobs = [random.Random(seed).randbytes(700_000) for seed in range(12)]
    reference = at(plain, "many/layers")
    with visitor.connect() as registry, ThreadPoolExecutor(6) as pool:

        def there_and_back(data: bytes) -> bool:
            registry.push_blob(reference, Digest.of(data), len(data), lambda: [data])
            return b"".join(registry.open_blob(reference, Digest.of(data), len(data))) == data

        assert all(pool.map(there_and_back, blobs))


def test_connections_are_kept_alive(tmp_path: Path, visitor: Visitor) -> None:
    with serve(tmp_path / "kept", access_log=True) as server:
        with visitor.connect() as registry:
            push(registry, at(server, "keep/alive:1"))
            for _ in range(5):
                registry.get_manifest(at(server, "keep/alive:1"))
        ports = {line["http.request.remoteaddr"] for line in log_lines(server) if "http.request.remoteaddr" in line}
        assert len(ports) == 2  # the one that found out that the server was ready, and ours


def log_lines(server: RegistryServer) -> list[dict[str, str]]:
    """Each line of the server's log, split into its fields."""
    lines = []
    for line in server.log.splitlines():
        fields = dict(part.partition("=")[::2] for part in line.split(" ") if part.startswith("http.request.remote"))
        lines.append({name: value.strip('"') for name, value in fields.items()})
    return lines


# TLS


def test_a_private_authority_is_trusted_when_it_is_named(locked: RegistryServer, visitor: Visitor) -> None:
    trust(visitor, locked)
    done = login(locked.address, "ada", "count:ess", settings=visitor.settings, outside=visitor.outside)
    assert done.verified
    with visitor.connect() as registry:
        digest = push(registry, at(locked, "tls/one:1"))
        assert registry.resolve(at(locked, "tls/one:1")) == digest
        layer = Digest.of(LAYER)
        assert b"".join(registry.open_blob(at(locked, "tls/one"), layer, len(LAYER))) == LAYER


def test_a_stranger_with_another_certificate_is_refused(
    locked: RegistryServer, visitor: Visitor, tmp_path: Path
) -> None:
    other, _ = make_authority(tmp_path)
    visitor.flags[f"registry.{locked.address}.ca"] = str(other)
    with visitor.connect() as registry, pytest.raises(NetworkFailed, match="is not trusted") as caught:
        registry.get_manifest(at(locked, "tls/one:1"))
    assert f'[registry."{locked.address}"] ca' in caught.value.hint
    assert visitor.waits == []


def test_certificates_of_docker_and_podman_are_found(locked: RegistryServer, visitor: Visitor) -> None:
    assert locked.ca is not None
    folder = visitor.home / ".config/containers/certs.d" / locked.address
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(locked.ca.read_bytes())
    with visitor.connect() as registry, pytest.raises(Unauthorized):
        registry.get_manifest(at(locked, "tls/one:1"))


def test_an_authority_that_is_no_pem_file_is_a_settings_error(locked: RegistryServer, visitor: Visitor) -> None:
    from wherry.base.errors import SettingsError

    broken = visitor.home / "ca.pem"
    for content in (None, "no certificate"):
        if content:
            broken.write_text(content)
        visitor.flags[f"registry.{locked.address}.ca"] = str(broken)
        with (
            visitor.connect() as registry,
            pytest.raises(SettingsError, match=r"cannot use the certificates in '.*ca\.pem"),
        ):
            registry.get_manifest(at(locked, "tls/one:1"))


def test_a_certificate_for_another_host_is_refused(tmp_path: Path, visitor: Visitor) -> None:
    with serve(tmp_path / "other", tls=True, certificate_for="other.example") as server:
        trust(visitor, server)
        with visitor.connect() as registry, pytest.raises(NetworkFailed, match=r"not valid for '127\.0\.0\.1'"):
            registry.get_manifest(at(server, "x:1"))


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_loopback_and_insecure_registries_may_have_any_certificate(tmp_path: Path, visitor: Visitor) -> None:
    with serve(tmp_path / "unknown", tls=True) as server, visitor.connect() as registry:
        push(registry, at(server, "any/certificate:1"))


# Mirrors and proxies


def test_a_mirror_serves_what_the_origin_has(plain: RegistryServer, visitor: Visitor, tmp_path: Path) -> None:
    with visitor.connect() as registry:
        digest = push(registry, at(plain, "mirrored/one:1"))
    with serve(tmp_path / "mirror", mirror_of=plain.url) as mirror:
        visitor.flags[f"registry.{plain.address}.mirrors"] = (mirror.address,)
        with visitor.connect() as registry:
            fetched = registry.get_manifest(at(plain, "mirrored/one:1"))
            assert (fetched.digest, fetched.source) == (digest, f"{mirror.address}/mirrored/one")
            with registry.open_blob(at(plain, "mirrored/one:1"), Digest.of(LAYER), len(LAYER)) as stream:
                assert b"".join(stream) == LAYER
                assert stream.source == f"{mirror.address}/mirrored/one"


def test_the_origin_serves_when_a_mirror_is_down(plain: RegistryServer, visitor: Visitor, tmp_path: Path) -> None:
    with serve(tmp_path / "mirror") as gone:
        pass
    visitor.flags[f"registry.{plain.address}.mirrors"] = (gone.address,)
    with visitor.connect() as registry:
        push(registry, at(plain, "unmirrored/one:1"))
        assert registry.get_manifest(at(plain, "unmirrored/one:1")).source == f"{plain.address}/unmirrored/one"


def test_a_tls_registry_is_reached_through_a_proxy(locked: RegistryServer, visitor: Visitor) -> None:
    trust(visitor, locked)
    with fake_proxy() as proxy:
        visitor.flags[f"registry.{locked.address}.proxy"] = f"http://user:p%40ss@{proxy.address}"
        with visitor.connect() as registry, pytest.raises(Unauthorized):
            registry.get_manifest(at(locked, "x:1"))
        assert set(proxy.seen) == {("CONNECT", locked.address)}
        assert base64.b64decode(proxy.authorizations[0].partition("Basic ")[2]) == b"user:p@ss"


def test_a_plain_registry_is_reached_through_a_proxy(plain: RegistryServer, visitor: Visitor) -> None:
    with fake_proxy() as proxy:
        visitor.flags[f"registry.{plain.address}.proxy"] = proxy.address
        with visitor.connect() as registry:
            push(registry, at(plain, "proxied/one:1"))
        assert any(target.startswith(plain.url) for _, target in proxy.seen)


def test_a_proxy_that_is_down_is_named_as_the_cause(plain: RegistryServer, visitor: Visitor) -> None:
    with fake_proxy() as proxy:
        pass
    visitor.flags[f"registry.{plain.address}.proxy"] = f"http://user:secret@{proxy.address}"
    with visitor.connect() as registry, pytest.raises(NetworkFailed, match="the proxy '127") as caught:
        registry.get_manifest(at(plain, "x:1"))
    assert "secret" not in str(caught.value)
    assert "HTTPS_PROXY" in caught.value.hint


# Others


def skopeo(*arguments: str) -> str:
    done = subprocess.run(["skopeo", *arguments], capture_output=True, text=True, env={**os.environ, "TMPDIR": "/tmp"})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_skopeo_sees_what_was_pushed(plain: RegistryServer, visitor: Visitor) -> None:
    with visitor.connect() as registry:
        digest = push(registry, at(plain, "for/skopeo:1"))
    seen = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{plain.address}/for/skopeo:1"))
    assert seen["Digest"] == str(digest)
    assert seen["Layers"] == [str(Digest.of(LAYER))]


@pytest.mark.parametrize(
    ("form", "media_type"),
    [("oci", MANIFEST), ("v2s2", "application/vnd.docker.distribution.manifest.v2+json")],
)
def test_what_skopeo_pushed_is_pulled(
    plain: RegistryServer, visitor: Visitor, tmp_path: Path, form: str, media_type: str
) -> None:
    with visitor.connect() as registry:
        push(registry, at(plain, "from/wherry:1"))
        source, copy = f"docker://{plain.address}/from/wherry:1", f"docker://{plain.address}/from/skopeo:{form}"
        skopeo("copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--format", form, source, copy)
        fetched = registry.get_manifest(at(plain, f"from/skopeo:{form}"))
        assert fetched.media_type == media_type
        for layer in json.loads(fetched.data)["layers"]:
            digest = Digest.parse(layer["digest"])
            data = b"".join(registry.open_blob(at(plain, "from/skopeo"), digest, layer["size"]))
            assert Digest.of(data) == digest


def test_skopeo_reads_the_credentials_that_were_kept(locked: RegistryServer, visitor: Visitor) -> None:
    trust(visitor, locked)
    named = visitor.home / "auth.json"
    login(locked.address, "ada", "count:ess", settings=visitor.settings, outside=visitor.outside, auth_file=str(named))
    with visitor.connect(str(named)) as registry:
        push(registry, at(locked, "both/ways:1"))
    skopeo("inspect", "--tls-verify=false", "--authfile", str(named), f"docker://{locked.address}/both/ways:1")
