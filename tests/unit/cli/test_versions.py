"""``wherry version`` says what a bug report needs, also where containers cannot be made."""

from __future__ import annotations

import json

import pytest

import wherry
from wherry import host
from wherry.base.errors import HostLacks
from wherry.cli import main


def test_the_version_and_what_the_machine_allows_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["version", "--format", "json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["Version"] == wherry.__version__
    assert {"Python", "Kernel", "Machine", "System", "Installed", "Containers"} <= set(facts)


def test_a_machine_without_user_namespaces_is_told_with_the_cause(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(found: object) -> None:
        raise HostLacks("no container", why="only root may", hint="ask for: sysctl")

    monkeypatch.setattr(host, "probe", lambda outside: outside)
    monkeypatch.setattr(host, "require_containers", refuse)
    assert main.main(["version"]) == 0
    assert "Containers:     no: only root may (ask for: sysctl)" in capsys.readouterr().out
    assert main.main(["version", "--short"]) == 0
    assert capsys.readouterr().out == f"{wherry.__version__}\n"
