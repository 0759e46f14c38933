"""What a start imports: every module costs each cold start a fraction of a millisecond."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import images
from wherry import containers
from wherry_command import Wherry

HEAVY = {
    "asyncio", "click", "concurrent.futures", "http", "isal", "json", "logging", "rich", "socket", "ssl", "subprocess",
    "tempfile", "tomllib", "typing_extensions", "urllib3", "zstandard",
}  # fmt: skip

UNUSED = {
    "datetime", "inspect", "platform", "textwrap", "uuid",
    "wherry.containers.bringing", "wherry.image.apptainer", "wherry.image.flattening", "wherry.image.forms",
    "wherry.image.sources", "wherry.launch.idmap", "wherry.launch.joining",
}  # fmt: skip
"""What a start of an image that is held by a registry's name has no use for."""


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


def test_planning_a_start_imports_only_what_it_uses(tmp_path: Path) -> None:
    wherry = Wherry(tmp_path / "at")
    digest = wherry.ok("load", "-q", str(images.image("tiny"))).strip()
    wherry.ok("tag", digest, "lab/tiny:1")
    wherry.ok("run", "--dry-run", "lab/tiny:1", "true")  # looks at the machine, which is known from then on
    command = "from wherry.cli import main; main.main(['run', '--dry-run', 'lab/tiny:1', 'true'])"
    code = f"import sys; {command}; print('modules', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=wherry.environment
    )
    assert "runs\n  true\n" in done.stdout
    found = set(done.stdout.partition("modules ")[2].split())
    assert {"wherry.launch.planning", "wherry.image.local"} <= found
    assert not found & (UNUSED | HEAVY)
