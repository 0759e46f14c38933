"""Where neither overlayfs nor FUSE can be had: the image read-only, or a private copy of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wherry_command import Wherry


@pytest.fixture
def poor(wherry: Wherry, tiny: str) -> Wherry:
    """The command on a machine that is said to have no overlayfs, with the tiny image."""
    wherry.ok("pull", "-q", tiny)
    wherry.ok("tag", tiny, "tiny")
    wherry.ok("run", "tiny", "true")
    known = wherry.folder / "run" / "wherry" / "host.json"
    facts = json.loads(known.read_text())
    facts["host"].update(overlay=False, fuse_overlayfs="")
    known.write_text(json.dumps(facts))
    return wherry


def test_without_one_the_image_is_read_only_and_a_note_says_what_helps(poor: Wherry) -> None:
    result = poor("run", "-e", "A=1", "tiny", "sh", "-c", "echo x > /bin/new || echo refused")
    assert result.stdout == "refused\n"
    assert "--writable-copy" in result.stderr


def test_a_private_copy_can_be_written_everywhere_and_goes(poor: Wherry) -> None:
    script = "echo x > /etc/new && mkdir -p /usr/mine && rm /etc/os-release && ls /etc/new && cd && pwd"
    for _ in range(2):
        result = poor("run", "--writable-copy", "tiny", "sh", "-c", script)
        assert (result.status, result.stderr) == (0, ""), str(result)
        assert result.stdout.startswith("/etc/new\n")
    assert not [path for path in (poor.folder / "store" / "scratch").iterdir() if not path.name.startswith("spare")]
    (flat,) = (poor.folder / "store" / "flat").glob("*/tree")
    assert (flat / "etc" / "os-release").exists()
    assert not (flat / "usr" / "mine").exists()


def test_a_named_container_keeps_its_copy(poor: Wherry, tmp_path: Path) -> None:
    poor.ok("run", "--writable-copy", "--name", "kept", "tiny", "sh", "-c", "echo x >> /etc/starts")
    poor.ok("start", "-a", "kept")
    poor.ok("cp", "kept:/etc/starts", str(tmp_path / "starts"))
    assert (tmp_path / "starts").read_text() == "x\nx\n"
