"""Logging in and out at a real registry, and the tokens that it takes."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from fake_registry import Handler, fake_registry
from registry_pushes import LAYER, at, push, trust
from registry_server import RegistryServer, make_authority, serve
from registry_session import Visitor
from wherry.base.digest import Digest
from wherry.base.errors import NotInRegistry, RegistryError, Unauthorized, UsageError
from wherry.registry import login, logout


def test_a_login_is_kept_and_used_and_forgotten(locked: RegistryServer, visitor: Visitor) -> None:
    trust(visitor, locked)
    who = {"settings": visitor.settings, "outside": visitor.outside}
    file = visitor.home / ".docker/config.json"
    file.parent.mkdir()
    file.write_text('{"auths": {"other.example": {"auth": "YTpi"}}, "psFormat": "kept"}')
    done = login(f"https://{locked.address}/v2/", "ada", "count:ess", **who)
    assert (done.host, done.kept_in, done.verified, done.encoded) == (locked.address, str(file), True, True)
    assert file.stat().st_mode & 0o777 == 0o600
    document = json.loads(file.read_text())
    assert document["psFormat"] == "kept"
    assert base64.b64decode(document["auths"][locked.address]["auth"]) == b"ada:count:ess"
    with visitor.connect() as registry, pytest.raises(NotInRegistry):
        registry.get_manifest(at(locked, "nothing:1"))
    assert logout(locked.address, **who) == (str(file),)
    assert logout(locked.address, **who) == ()
    assert list(json.loads(file.read_text())["auths"]) == ["other.example"]
    with visitor.connect() as registry, pytest.raises(Unauthorized):
        registry.get_manifest(at(locked, "nothing:1"))


def test_a_wrong_password_is_refused_and_not_kept(locked: RegistryServer, visitor: Visitor) -> None:
    trust(visitor, locked)
    with pytest.raises(Unauthorized, match="refuses these credentials") as caught:
        login(locked.address, "ada", "wrong", settings=visitor.settings, outside=visitor.outside)
    assert "wrong" not in str(caught.value)
    assert not (visitor.home / ".docker").exists()
    with pytest.raises(UsageError):
        login(locked.address, "ada", "", settings=visitor.settings, outside=visitor.outside)


def test_a_login_to_an_open_registry_says_that_nothing_was_verified(plain: RegistryServer, visitor: Visitor) -> None:
    done = login(plain.address, "ada", "any", settings=visitor.settings, outside=visitor.outside)
    assert not done.verified


def test_an_authfile_is_written_and_read_in_place_of_the_usual(locked: RegistryServer, visitor: Visitor) -> None:
    trust(visitor, locked)
    named = visitor.home / "named.json"
    who = {"settings": visitor.settings, "outside": visitor.outside}
    assert login(locked.address, "bob", "b", auth_file=str(named), **who).kept_in == str(named)
    assert not (visitor.home / ".docker").exists()
    with visitor.connect(str(named)) as registry, pytest.raises(NotInRegistry, match="'bob'"):
        registry.get_manifest(at(locked, "nothing:1"))
    assert logout(locked.address, auth_file=str(named), **who) == (str(named),)


def test_a_login_that_cannot_be_kept_leaves_the_old_file_as_it_was(locked: RegistryServer, visitor: Visitor) -> None:
    trust(visitor, locked)
    folder = visitor.home / ".docker"
    folder.mkdir()
    (folder / "config.json").write_text('{"auths": {}}')
    folder.chmod(0o500)
    try:
        with pytest.raises(RegistryError, match=r"cannot write '.*config\.json': permission denied"):
            login(locked.address, "bob", "b", settings=visitor.settings, outside=visitor.outside)
        assert os.listdir(folder) == ["config.json"]
        assert (folder / "config.json").read_text() == '{"auths": {}}'
    finally:
        folder.chmod(0o700)


def test_a_link_to_the_credentials_stays_a_link(locked: RegistryServer, visitor: Visitor) -> None:
    trust(visitor, locked)
    real = visitor.home / "dotfiles.json"
    (visitor.home / ".docker").mkdir()
    (visitor.home / ".docker/config.json").symlink_to(real)
    login(locked.address, "bob", "b", settings=visitor.settings, outside=visitor.outside)
    assert (visitor.home / ".docker/config.json").is_symlink()
    assert locked.address in real.read_text()


def test_a_credential_helper_keeps_and_gives_and_forgets(
    locked: RegistryServer, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(visitor, locked)
    folder = visitor.home / "bin"
    folder.mkdir()
    program = folder / "docker-credential-box"
    program.write_text(
        f"""#!/bin/sh
case $1 in
store) cat > {folder}/kept;;
get) cat > /dev/null; cat {folder}/kept 2> /dev/null || {{ echo 'credentials not found in native keychain'; exit 1; }};;
erase) cat > /dev/null; rm {folder}/kept;;
esac
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    file = visitor.home / ".docker/config.json"
    file.parent.mkdir()
    file.write_text('{"credsStore": "box"}')
    who = {"settings": visitor.settings, "outside": visitor.outside}
    done = login(locked.address, "ada", "count:ess", **who)
    assert (done.kept_in, done.encoded) == ("docker-credential-box", False)
    assert "count" not in file.read_text()
    with visitor.connect() as registry, pytest.raises(NotInRegistry, match="'ada' from docker-credential-box"):
        registry.get_manifest(at(locked, "nothing:1"))
    assert "docker-credential-box" in logout(locked.address, **who)
    assert not (folder / "kept").exists()


def test_a_real_registry_takes_the_tokens_that_were_fetched(tmp_path: Path, visitor: Visitor) -> None:
    ca, key = make_authority(tmp_path)
    with fake_registry() as tokens:
        granted: list[dict[str, object]] = []

        def issue(handler: Handler) -> None:
            if handler.headers.get("authorization") != "Basic " + base64.b64encode(b"ada:s").decode():
                handler.fail(401, "UNAUTHORIZED", "no")
                return
            claims = access_of(handler.path)
            granted.append(claims)
            handler.reply(200, json.dumps({"token": sign(claims, ca, key), "expires_in": 300}).encode())

        tokens.intervene("GET", "/token", issue)
        realm = {
            "realm": f"http://{tokens.address}/token",
            "service": "svc",
            "issuer": "iss",
            "rootcertbundle": str(ca),
        }
        with serve(tmp_path / "r", extra={"auth": {"token": realm}}) as server:
            done = login(server.address, "ada", "s", settings=visitor.settings, outside=visitor.outside)
            assert done.verified
            with visitor.connect() as registry:
                reference = at(server, "token/one:1")
                push(registry, reference)
                assert b"".join(registry.open_blob(reference, Digest.of(LAYER), len(LAYER))) == LAYER
                assert (
                    registry.push_blob(
                        at(server, "token/two"), Digest.of(LAYER), len(LAYER), list, mount_from=("token/one",)
                    )
                    == "mounted"
                )
                registry.list_tags(reference)
        assert len(granted) <= 6


def access_of(path: str) -> dict[str, object]:
    from urllib.parse import parse_qs, urlsplit

    access = []
    for scope in parse_qs(urlsplit(path).query).get("scope", []):
        kind, name, actions = scope.split(":")
        access.append({"type": kind, "name": name, "actions": actions.split(",")})
    now = int(time.time())
    times = {"exp": now + 300, "nbf": now - 10, "iat": now}
    return {"iss": "iss", "sub": "ada", "aud": "svc", "jti": os.urandom(8).hex(), "access": access, **times}


def sign(claims: dict[str, object], ca: Path, key: Path) -> str:
    """A JSON web token, ES256, with its certificate (RFC 7515)."""

    def encode(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    pem = "".join(ca.read_text().splitlines()[1:-1])
    header = {"typ": "JWT", "alg": "ES256", "x5c": [pem]}
    text = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(claims).encode())}"
    signed = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", str(key)], input=text.encode(), check=True, capture_output=True
    ).stdout
    numbers, rest = [], signed[2:]
    for _ in range(2):  # DER: two integers, as JWT wants them in 32 bytes each
        length = rest[1]
        numbers.append(rest[2 : 2 + length].lstrip(b"\0").rjust(32, b"\0"))
        rest = rest[2 + length :]
    return f"{text}.{encode(b''.join(numbers))}"
