"""The same recipe built here without root and, by root, by docker's BuildKit: the same configuration, the same tree."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import images
from build_recipes import RECIPES, context_in
from docker_daemon import Docker
from tree_entries import built_by_root, entries
from wherry_command import Wherry


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, docker: Docker) -> Iterator[tuple[Wherry, Path]]:
    """The command with the image ``tiny``, which docker has under the same name; and a folder for contexts."""
    folder = tmp_path_factory.mktemp("compared")
    wherry = Wherry(folder / "wherry")
    wherry.ok("load", f"oci:{images.image('tiny')}:latest")
    wherry.ok("tag", json.loads(wherry.ok("images", "--format", "json").splitlines()[0])["ID"], "tiny")
    docker.take(images.image("tiny"), "tiny")
    wherry.ok("tag", wherry.ok("load", "-q", "-i", str(images.image("small"))).split()[-1], "small")
    docker.take(images.image("small"), "small")
    yield wherry, folder


@pytest.mark.parametrize("name", RECIPES)
def test_root_and_buildkit_make_the_same(ready: tuple[Wherry, Path], docker: Docker, name: str) -> None:
    wherry, folder = ready
    context = context_in(folder / name)
    (context / "Dockerfile").write_text(RECIPES[name])
    result = wherry("build", "--progress", "plain", "-t", f"made-{name}", str(context))
    assert result.status == 0, str(result)
    theirs = built_by_root(docker, context, f"made-{name}")
    assert _config(wherry, f"made-{name}") == _plain(json.loads(docker("inspect", theirs))[0]["Config"])
    path = folder / f"{name}.tar"
    wherry.ok("export", "-o", str(path), f"made-{name}")
    with tarfile.open(path) as archive, docker.exported(theirs) as other:
        ours, expected = entries(archive), entries(other)
    assert sorted(ours) == sorted(expected)
    different = {path: (ours[path], expected[path]) for path in ours if ours[path] != expected[path]}
    assert different == {}


def _config(wherry: Wherry, name: str) -> dict[str, Any]:
    found = json.loads(wherry.named("docker").ok("inspect", name))
    return _plain(found[0]["Config"])


_IGNORED = ("Image", "Hostname", "Domainname", "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin")


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """What recipes say; empty is not said."""
    left_out = (*_IGNORED, "StdinOnce", "ArgsEscaped")
    return {name: value for name, value in config.items() if value and name not in left_out}
