"""What a start imports: every module costs each cold start a fraction of a millisecond."""

from __future__ import annotations

import subprocess
import sys

import pytest

from wherry import containers

HEAVY = {
    "asyncio", "click", "concurrent.futures", "http", "isal", "json", "logging", "rich", "socket", "ssl", "subprocess",
    "tempfile", "tomllib", "typing_extensions", "urllib3", "zstandard",
}  # fmt: skip


def imported_by(statement: str) -> set[str]:
    script = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_every_public_name_is_there() -> None:
    for name in containers.__all__:
        assert getattr(containers, name) is not None, name
    with pytest.raises(AttributeError):
        _ = containers.nosuch  # type: ignore[attr-defined]


def test_the_package_alone_imports_nothing() -> None:
    found = imported_by("import wherry.containers")
    assert {name for name in found if name.startswith("wherry")} == {"wherry", "wherry.containers"}
    assert "msgspec" not in found


def test_a_start_imports_nothing_heavy() -> None:
    rooms = "wherry.cli.main, wherry.cli.verbs.run, wherry.cli.launching, wherry.image.local, wherry.image.tree"
    found = imported_by(f"import {rooms}, wherry.registry.names; from wherry.containers import prepare, resolve, sweep")
    assert not found & HEAVY
