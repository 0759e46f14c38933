"""Where credentials are found, in which order, and that secrets stay secret."""

from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path

import pytest

from registry_session import Visitor
from wherry.base.errors import NotFound, SettingsError
from wherry.registry.credentials import Credential, Wallet, entry_keys, open_wallet


def encoded(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def wallet_of(tmp_path: Path, document: object, environ: dict[str, str] | None = None) -> Wallet:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(document))
    return Wallet((str(path),), str(path), environ)


def user_of(wallet: Wallet, host: str, repository: str = "") -> str:
    found = wallet.find(host, repository)
    return found.user if found else ""


@pytest.mark.parametrize("key", ["docker.io", "index.docker.io", "https://index.docker.io/v1/", "registry-1.docker.io"])
def test_docker_hub_is_found_by_all_of_its_names(tmp_path: Path, key: str) -> None:
    wallet = wallet_of(tmp_path, {"auths": {key: encoded("ada", "secret")}})
    found = wallet.find("docker.io", "library/debian")
    assert found is not None
    assert (found.user, found.password) == ("ada", "secret")


def test_the_longest_prefix_wins(tmp_path: Path) -> None:
    wallet = wallet_of(
        tmp_path,
        {
            "auths": {
                "x.example": encoded("host", "1"),
                "x.example/team": encoded("team", "2"),
                "x.example/team/tool": encoded("tool", "3"),
            }
        },
    )
    assert user_of(wallet, "x.example", "team/tool") == "tool"
    assert user_of(wallet, "x.example", "team/other") == "team"
    assert user_of(wallet, "x.example", "teams") == "host"
    assert user_of(wallet, "y.example", "team") == ""


def test_old_urls_are_read_as_hosts(tmp_path: Path) -> None:
    wallet = wallet_of(tmp_path, {"auths": {"https://x.example:5000/v2/": encoded("ada", "s")}})
    assert user_of(wallet, "x.example:5000") == "ada"


def test_a_password_may_hold_colons(tmp_path: Path) -> None:
    found = wallet_of(tmp_path, {"auths": {"x.example": encoded("ada", "a:b:c")}}).find("x.example")
    assert found is not None
    assert found.password == "a:b:c"


def test_the_first_file_that_knows_the_host_wins(tmp_path: Path) -> None:
    runtime = tmp_path / "run/containers"
    runtime.mkdir(parents=True)
    (runtime / "auth.json").write_text(
        json.dumps({"auths": {"x.example": encoded("podman", "p"), "y.example": encoded("podman", "p")}})
    )
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": {"x.example": encoded("docker", "p")}}))
    visitor = Visitor(tmp_path, environ={"XDG_RUNTIME_DIR": str(tmp_path / "run")})
    wallet = open_wallet(visitor.settings, visitor.outside)
    assert user_of(wallet, "x.example") == "docker"
    assert user_of(wallet, "y.example") == "podman"


def test_docker_config_moves_the_file(tmp_path: Path) -> None:
    visitor = Visitor(tmp_path, environ={"DOCKER_CONFIG": "/elsewhere"})
    assert open_wallet(visitor.settings, visitor.outside).files[0] == "/elsewhere/config.json"


def test_a_named_file_is_the_only_one(tmp_path: Path) -> None:
    named = tmp_path / "named.json"
    named.write_text("{}")
    visitor = Visitor(tmp_path, environ={"REGISTRY_AUTH_FILE": "/variable.json"})
    assert open_wallet(visitor.settings, visitor.outside).files == ("/variable.json",)
    assert open_wallet(visitor.settings, visitor.outside, str(named)).files == (str(named),)


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    visitor = Visitor(tmp_path)
    with pytest.raises(NotFound, match="--authfile names it"):
        open_wallet(visitor.settings, visitor.outside, str(tmp_path / "missing.json"))


@pytest.mark.parametrize("content", ["{", "[]", '"x"', "\xff"])
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"cannot read the credentials in '.*config\.json'"):
        Wallet((str(path),), str(path)).find("x.example")


@pytest.mark.parametrize("content", ["", "  \n", "{}", '{"auths": null}', '{"auths": {"x.example": {}}}'])
def test_an_empty_file_knows_nobody(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    assert Wallet((str(path),), str(path)).find("x.example") is None


def test_an_auth_that_is_not_base64_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not base64"):
        wallet_of(tmp_path, {"auths": {"x.example": {"auth": "%%%"}}}).find("x.example")


def test_secrets_are_in_no_representation() -> None:
    credential = Credential("/file", "ada", "hunter2", "identity", "token")
    for text in (repr(credential), str(credential), credential.label):
        assert "hunter2" not in text
        assert "identity" not in text
    assert credential.label == "those of 'ada' from /file"


def test_keys_go_from_special_to_general() -> None:
    assert entry_keys("x.example", "a/b") == ("x.example/a/b", "x.example/a", "x.example")


# Helpers


def helper(tmp_path: Path, script: str, name: str = "test") -> dict[str, str]:
    """An environment with a credential helper in its PATH."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


ANSWER = """read server; echo "$1 $server" >> "$(dirname "$0")/calls"; echo '{"Username": "ada", "Secret": "s"}'"""


def test_a_helper_is_asked_once_by_the_hosts_name(tmp_path: Path) -> None:
    wallet = wallet_of(tmp_path, {"credsStore": "test"}, helper(tmp_path, ANSWER))
    for _ in range(2):
        found = wallet.find("x.example:5000", "a/b")
        assert found is not None
        assert (found.user, found.source) == ("ada", "docker-credential-test")
    assert (tmp_path / "bin/calls").read_text() == "get x.example:5000\n"


def test_docker_hub_has_its_old_name_in_helpers(tmp_path: Path) -> None:
    wallet = wallet_of(tmp_path, {"credsStore": "test"}, helper(tmp_path, ANSWER))
    wallet.find("docker.io", "library/debian")
    assert (tmp_path / "bin/calls").read_text() == "get https://index.docker.io/v1/\n"


def test_a_hosts_own_helper_wins(tmp_path: Path) -> None:
    environ = helper(tmp_path, ANSWER) | helper(tmp_path, "exit 9", "other")
    wallet = wallet_of(tmp_path, {"credHelpers": {"x.example": "test"}, "credsStore": "other"}, environ)
    assert user_of(wallet, "x.example") == "ada"


def test_a_helper_that_knows_nothing_leaves_it_to_the_file(tmp_path: Path) -> None:
    environ = helper(tmp_path, "echo 'credentials not found in native keychain'; exit 1")
    document = {"credsStore": "test", "auths": {"x.example": encoded("file", "p")}}
    assert user_of(wallet_of(tmp_path, document, environ), "x.example") == "file"


def test_a_helper_that_is_not_installed_is_a_note_and_no_error(tmp_path: Path) -> None:
    wallet = wallet_of(tmp_path, {"credsStore": "desktop.exe"}, {"PATH": "/usr/bin:/bin"})
    assert wallet.find("x.example") is None
    assert "'docker-credential-desktop.exe' is not installed" in wallet.notes[0]
    assert "config.json" in wallet.notes[0]


def test_an_identity_token_comes_from_a_helper_under_a_special_name(tmp_path: Path) -> None:
    environ = helper(tmp_path, """echo '{"Username": "<token>", "Secret": "refresh"}'""")
    found = wallet_of(tmp_path, {"credsStore": "test"}, environ).find("x.example")
    assert found is not None
    assert (found.identity_token, found.basic) == ("refresh", "")


def test_a_helpers_name_is_never_a_path(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not the name of a credential helper"):
        wallet_of(tmp_path, {"credsStore": "../../evil"}).find("x.example")
