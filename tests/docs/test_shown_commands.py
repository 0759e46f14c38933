"""What the documentation shows is run: every ``$`` line of a ``console`` block, page by page, in a home of its own.

A page's commands run in one shell, in order, each of which must succeed; the images come from a loopback registry. The
real ``debian:12`` has no Python: pages take ``python:3.12`` where they need one.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import images
from registry_server import serve
from wherry_command import Wherry

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^( *)```console\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
PYTHON_IN_DEBIAN = re.compile(r"debian:12 .*python3|python3.* debian:12")
IMAGES = ("debian:12", "python:3.12")
PAGES = sorted(page for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")] if BLOCK.search(page.read_text()))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a registry that has the images which the pages name."""
    with serve(tmp_path_factory.mktemp("library")) as server:
        copy = ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false"]
        for name in IMAGES:
            target = f"docker://{server.address}/{name}"
            subprocess.run([*copy, f"oci:{images.image('small')}:latest", target], check=True)
        yield server.address


def test_the_pages_show_commands() -> None:
    """The search for commands finds the README and the tutorial."""
    assert {"README.md", "first-steps.md"} <= {page.name for page in PAGES}


def test_python_is_asked_of_an_image_that_has_it() -> None:
    """No page runs Python in ``debian:12``: what a reader pulls of that name has none."""
    wrong = [f"{page.name}: {line}" for page in PAGES for line in shown(page) if PYTHON_IN_DEBIAN.search(line)]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_shown_succeeds(page: Path, library: str, tmp_path: Path) -> None:
    """Each command of the page ends with status 0, after those before it."""
    command = Wherry(tmp_path / "w", {"WHERRY_REGISTRY_DEFAULT": library})
    script = "\n".join(["set -e", "trap 'echo \"failed: $BASH_COMMAND\" >&2' ERR", *shown(page)])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path / "w/home",
        env=command.environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def shown(page: Path) -> list[str]:
    """The commands of a page, continuation lines included."""
    lines: list[str] = []
    for _, block in BLOCK.findall(page.read_text()):
        for line in block.splitlines():
            text = line.strip()
            if text.startswith("$ "):
                lines.append(text[2:])
            elif text.startswith("> "):
                lines[-1] += "\n" + text[2:]
    return lines
