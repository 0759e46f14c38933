"""The same recipe built here and by buildah: the same configuration, the same tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import images
from build_recipes import RECIPES, context_in
from tree_entries import entries
from wherry_command import Wherry

pytestmark = pytest.mark.skipif(
    shutil.which("buildah") is None or shutil.which("newuidmap") is None, reason="buildah is not installed here"
)

ALIKE = ("copies", "archives", "removals", "stages", "configuration", "entrypoint", "ignored")
"""Recipes that both read alike. Not those of devices, which buildah cannot make without root, nor those in which
WORKDIR follows links or belongs to a user: there BuildKit is followed, and buildah does otherwise."""
ONLY_BUILDKITS = {" 90-92": "", 'SHELL ["/bin/sh", "-ec"]\n': ""}
"""Buildah reads these in another way: it keeps ranges of ports as written, and gives ENTRYPOINT the usual shell."""
BUILDAHS_OWN = "io.buildah.version"
SET_GID = 0o2000


class Buildah:
    """An ordinary user's, with a storage of its own, its subordinate ids and no runtime."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._words = ["buildah", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]
        self._environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "BUILDAH_ISOLATION": "chroot"}
        self.folder = folder

    def __call__(self, *words: str) -> str:
        done = subprocess.run(
            [*self._words, *words], capture_output=True, text=True, env=self._environment, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def forget(self) -> None:
        """What it keeps belongs to other ids, too."""
        subprocess.run([*self._words, "unshare", "rm", "-rf", str(self.folder)], env=self._environment, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Wherry, Buildah]]:
    """The command and buildah, each with the image ``tiny``."""
    folder = tmp_path_factory.mktemp("buildah")
    wherry, buildah = Wherry(folder / "wherry"), Buildah(folder / "buildah")
    wherry.ok("tag", wherry.ok("load", "-q", f"oci:{images.image('tiny')}:latest").strip(), "tiny")
    wherry.ok("save", "-o", f"{folder}/tiny.tar", "tiny")
    identity = buildah("pull", "-q", f"docker-archive:{folder}/tiny.tar").strip()
    buildah("tag", identity, "localhost/tiny")
    yield wherry, buildah
    buildah.forget()


@pytest.mark.parametrize("name", ALIKE)
def test_buildah_makes_the_same(both: tuple[Wherry, Buildah], tmp_path: Path, name: str) -> None:
    wherry, buildah = both
    context = context_in(tmp_path / name)
    recipe = RECIPES[name]
    for words, instead in ONLY_BUILDKITS.items():
        recipe = recipe.replace(words, instead)
    (context / "Dockerfile").write_text(recipe)
    wherry.ok("build", "-q", "-t", "ours", str(context))
    (context / "Dockerfile").write_text(recipe.replace("FROM tiny", "FROM localhost/tiny"))
    buildah("bud", "-q", "--format", "docker", "--pull=false", "--layers", "-t", "theirs", str(context))
    buildah("push", "-q", "theirs", f"docker-archive:{tmp_path}/theirs.tar:theirs:latest")
    wherry.ok("load", "-q", "-i", f"{tmp_path}/theirs.tar")
    assert _config(wherry, "ours") == _config(wherry, "theirs")
    ours, theirs = _tree(wherry, "ours", tmp_path), _tree(wherry, "theirs", tmp_path)
    assert sorted(ours) == sorted(theirs)
    assert {path: (ours[path], theirs[path]) for path in ours if ours[path] != theirs[path]} == {}


def _config(wherry: Wherry, name: str) -> dict[str, Any]:
    config = json.loads(wherry.ok("inspect", name))[0]["Config"]
    config["Labels"] = {key: value for key, value in (config["Labels"] or {}).items() if key != BUILDAHS_OWN}
    config["Env"] = sorted(config["Env"])
    return {key: value for key, value in config.items() if value}


def _tree(wherry: Wherry, name: str, folder: Path) -> dict[str, Any]:
    wherry.ok("export", "-o", f"{folder}/{name}-root.tar", name)
    with tarfile.open(folder / f"{name}-root.tar") as archive:
        # buildah mounts something in /run and leaves the place, and makes a WORKDIR only for a command.
        found = entries(archive, left_out="run|w")
    # It takes the set-group-ID bit from folders that it copies; BuildKit leaves it.
    return {
        path: seen._replace(mode=seen.mode & ~SET_GID) if seen.kind == tarfile.DIRTYPE else seen
        for path, seen in found.items()
    }
