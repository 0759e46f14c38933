"""``inspect``, ``run-help`` and ``version``: what an image says of itself, in the form that programs parse."""

from __future__ import annotations

import json
import os
from typing import Any

from wherry.cli.grammar import Given

__all__ = ["do_inspect", "do_run_help", "do_version"]

_FOLDER = "/.singularity.d"
_LARGEST = 1 << 20
_FILES = {
    "runscript": "runscript",
    "startscript": "startscript",
    "test": "test",
    "helpfile": "runscript.help",
}
"""Attribute -> file in ``.singularity.d`` or in an app's ``scif``."""


class _Files:
    """An image's files, by absolute path in it; and what a SIF file says besides."""

    def __init__(self, text: str) -> None:
        from wherry import containers
        from wherry.containers import World
        from wherry.image import is_packed, packed_facts, view
        from wherry.shims.singularity.images import image_meant

        world = World()
        meant = image_meant(text, world.outside)
        found = containers.resolve(world, meant.name)
        assert isinstance(found, containers.Resolved)
        self._world = world  # holds a mounted image
        self.config = found.image.config.config
        self._tree = view(found.image)
        facts = packed_facts(meant.name) if is_packed(meant.name) else None
        self.labels = dict(facts.labels if facts else {}) or self._labels(f"{_FOLDER}/labels.json")
        self.definition = facts.definition if facts else ""
        self.definition = self.definition or self.text(f"{_FOLDER}/Singularity")

    def text(self, path: str) -> str:
        """Empty for a file that is not there."""
        data = self._tree.read(path, _LARGEST) or b""
        return data.decode("utf-8", "replace").rstrip("\n")

    def names(self, folder: str) -> list[str]:
        return sorted(self._tree.listdir(folder)) if self._tree.exists(folder) else []

    @property
    def apps(self) -> list[str]:
        return [name for name in self.names("/scif/apps") if self._tree.exists(f"/scif/apps/{name}/scif")]

    def attributes(self, wanted: set[str], app: str = "") -> dict[str, Any]:
        """What is there of ``wanted``, of the image or of one of its apps."""
        folder = f"/scif/apps/{app}/scif" if app else _FOLDER
        found: dict[str, Any] = {}
        if "labels" in wanted:
            labels = self._labels(f"{folder}/labels.json") if app else self.labels or dict(self.config.labels)
            found |= {"labels": labels} if labels else {}
        if "deffile" in wanted and not app and self.definition:
            found["deffile"] = self.definition
        for name, file in _FILES.items():
            text = self.text(f"{folder}/{file}") if name in wanted else ""
            found |= {name: text} if text else {}
        if "environment" in wanted:
            environment = self._environment(folder)
            found |= {"environment": environment} if environment else {}
        return found

    def _environment(self, folder: str) -> dict[str, str]:
        """The scripts that an image's maker filled: those of Docker's variables, and of ``%environment``."""
        names = [name for name in self.names(f"{folder}/env") if name.startswith(("10-docker", "9"))]
        names = [name for name in names if name.startswith("10-") or name.endswith("-environment.sh")]
        return {f"{folder}/env/{name}": self.text(f"{folder}/env/{name}") for name in names}

    def _labels(self, path: str) -> dict[str, str]:
        try:
            found = json.loads(self.text(path) or "{}")
        except (ValueError, RecursionError):
            return {}
        return {_plain(name): _plain(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _plain(value: object) -> str:
    """JSON can write halves of characters, which nothing can print."""
    return str(value).encode("utf-8", "replace").decode()


def do_inspect(face: str, given: Given, *, quiet: bool) -> int:
    """Labels where nothing else is asked."""
    from wherry.base.errors import NotFound

    files = _Files(given.word)
    app = given.text("app") or ""
    if app and app not in files.apps:
        raise NotFound(f"'{given.word}' has no app '{app}'", hint=f"{face} inspect --list-apps {given.word}")
    names = ("helpfile", "deffile", "runscript", "startscript", "test", "environment", "labels")
    wanted = {name for name in names if given.flag(name)}
    everything = given.flag("all")
    if everything or not (wanted or given.flag("list_apps")):
        wanted = set(names) if everything else {"labels"}
    attributes = files.attributes(wanted, app)
    apps = files.apps if given.flag("list_apps") or everything else []
    if given.flag("json") or everything:
        found: dict[str, Any] = {} if app else dict(attributes)
        if app or apps:
            found["apps"] = {
                name: files.attributes(wanted, name) if everything or app else {} for name in apps or [app]
            }
        print(json.dumps({"data": {"attributes": found}, "type": "container"}, indent="\t"))
        return 0
    print(_as_text(attributes, apps), end="")
    return 0


def _as_text(attributes: dict[str, Any], apps: list[str]) -> str:
    """Apps and labels line by line; texts as they are, each ended by an empty line; files of variables with names."""
    parts = [f"{name}\n" for name in apps]
    for name in ("helpfile", "deffile", "runscript", "startscript", "test"):
        if name in attributes:
            parts.append(f"{attributes[name]}\n\n")
    for path, text in attributes.get("environment", {}).items():
        parts.append(f"=== {path} ===\n{text}\n\n")
    parts += [f"{name}: {value}\n" for name, value in sorted(attributes.get("labels", {}).items())]
    return "".join(parts)


def do_run_help(face: str, given: Given, *, quiet: bool) -> int:
    """The image's help, or a word that there is none."""
    app = given.text("app") or ""
    found = _Files(given.word).attributes({"helpfile"}, app)
    print(found.get("helpfile") or "No help sections were defined for this image")
    return 0


def do_version(face: str, given: Given, *, quiet: bool) -> int:
    """The number alone."""
    from wherry.shims.singularity import VERSIONS

    print(VERSIONS[face].rpartition(" ")[2])
    return os.EX_OK
