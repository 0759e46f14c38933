"""What Apptainer and Singularity keep in an image's ``.singularity.d``: read as an OCI configuration, and written.

Their images say in shell what they set and run: ``env/*.sh`` is sourced before anything is executed, ``runscript`` is
what ``run`` executes. ``actions/exec`` does the former and executes its arguments, so it is the entry point.
Others pack root file systems, too: Charliecloud leaves ``ch/environment``, enroot ``etc/environment`` and ``etc/rc``,
which sets up and executes entry point and command.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Protocol

from wherry.image.model import ContainerConfig
from wherry.image.tree import Tree

__all__ = ["DEFINITION", "FOLDER", "Files", "FolderFiles", "container_config", "definition", "scaffold"]

FOLDER = ".singularity.d"
DEFINITION = f"{FOLDER}/Singularity"
_ENVIRONMENT = f"{FOLDER}/env"
_VARIABLES = (f"{_ENVIRONMENT}/10-docker2singularity.sh", f"{_ENVIRONMENT}/10-docker.sh")
_RUNSCRIPT = f"{FOLDER}/runscript"
_EXEC = f"{FOLDER}/actions/exec"
_LABELS = f"{FOLDER}/labels.json"
_EXPORT = re.compile(r'^export (\w+)="(?:\$\{\1:-"(.*)"\}|(.*))"$', re.MULTILINE)
_ESCAPED, _SELF = re.compile(r"\\(.)"), r"\1"

_SOURCE = 'for script in /.singularity.d/env/*.sh; do\n    if [ -f "$script" ]; then . "$script"; fi\ndone\n'
_OLD = 'if [ -f /environment ]; then . /environment; fi; exec "$@"'
"""Images of Singularity before 2.3 have no actions, and their environment in one file."""


class Files(Protocol):
    """An image's files, by paths below its root."""

    def read(self, path: str) -> bytes | None:
        """A regular file's beginning, at most 1 MiB; None when there is none, or it cannot be read."""

    def executable(self, path: str) -> bool:
        """Whether there is a program."""


class FolderFiles:
    """Those of a directory; symbolic links are followed within it."""

    def __init__(self, root: str) -> None:
        self._tree = Tree([root])

    def read(self, path: str) -> bytes | None:
        return self._tree.read(path)

    def executable(self, path: str) -> bool:
        found = self._tree.stat(path)
        return found is not None and found.is_file and os.access(found.real, os.X_OK)


def container_config(files: Files) -> ContainerConfig:
    """How an image is run whose makers left no OCI configuration."""
    start = files.read("etc/rc") or b""
    if b"/etc/rc.local" in start and b"exec " in start and not files.executable(_EXEC):
        return _of_enroot(files, start.decode(errors="replace"))
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ("/bin/sh",)
    if files.executable(_EXEC):
        entrypoint = (f"/{_EXEC}",)
    elif files.read("environment") is not None:
        entrypoint = ("/bin/sh", "-c", _OLD, "sh")
    for script in (_RUNSCRIPT, "singularity"):
        if files.executable(script):
            command = (f"/{script}",)
            break
    return ContainerConfig(env=_variables(files), entrypoint=entrypoint, cmd=command, labels=_labels(files))


def definition(files: Files) -> str:
    """The definition file that the image was built from; empty when it says none."""
    return (files.read(DEFINITION) or files.read("Singularity") or b"").decode(errors="replace")


def _variables(files: Files) -> tuple[str, ...]:
    """What the Docker image set that this one was made from, as NAME=value."""
    for path in _VARIABLES:
        text = (files.read(path) or b"").decode(errors="replace")  # a configuration is JSON
        found = _EXPORT.findall(text)
        if found:
            return tuple(f"{name}={_ESCAPED.sub(_SELF, default or plain)}" for name, default, plain in found)
    return _lines_of(files, "ch/environment")


def _of_enroot(files: Files, script: str) -> ContainerConfig:
    """Its script begins with the labels as comments, and knows what to execute without arguments."""
    labels = dict(re.findall(r"^# (\S+) (.*)$", script.partition("\n\n")[0], re.MULTILINE))
    return ContainerConfig(env=_lines_of(files, "etc/environment"), entrypoint=("/bin/sh", "/etc/rc"), labels=labels)


def _lines_of(files: Files, path: str) -> tuple[str, ...]:
    lines = (files.read(path) or b"").decode(errors="replace").splitlines()
    return tuple(line for line in lines if re.match(r"[A-Za-z_]\w*=", line))


def _labels(files: Files) -> dict[str, str]:
    return parse_labels(files.read(_LABELS) or b"{}")


def parse_labels(data: bytes) -> dict[str, str]:
    """Labels as Apptainer writes them: flat or, in SIF objects of ``inspect``, below ``system-partition``."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, dict) and isinstance(found.get("system-partition"), dict):
        found = found["system-partition"]
    if not isinstance(found, dict):
        return {}
    return {_text(name): _text(value) for name, value in found.items() if isinstance(value, str | int | float | bool)}


def _text(value: str | int | float | bool) -> str:
    """JSON can write halves of characters, which nothing else can."""
    return str(value).encode("utf-8", "replace").decode()


def scaffold(config: ContainerConfig, architecture: str, source: str) -> Mapping[str, tuple[int, bytes]]:
    """The files of ``.singularity.d`` that let Apptainer and Singularity run an OCI image as it says: mode and content.

    Entry point and command are executed as they are; no shell evaluates them again. ``source`` is the image's name.
    """
    shell = b"#!/bin/sh\n"
    exports = "".join(map(_exported, config.env))
    run = 'exec /.singularity.d/runscript "$@"\n'
    interactive = 'if [ -x /bin/bash ]; then exec /bin/bash --norc "$@"; fi\nexec /bin/sh "$@"\n'
    test = 'if [ -x /.singularity.d/test ]; then exec /.singularity.d/test "$@"; fi\n'
    scripts = {
        "actions/exec": _SOURCE + 'exec "$@"\n',
        "actions/run": _SOURCE + run,
        "actions/shell": _SOURCE + interactive,
        "actions/start": _SOURCE,
        "actions/test": _SOURCE + test,
        "env/10-docker2singularity.sh": exports,
        "env/90-environment.sh": "",
        # Apptainer sets what its user asked for (APPTAINERENV_...) directly after this one.
        "env/99-base.sh": 'export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/.singularity.d/libs"\n',
        "runscript": _runscript(config),
        "startscript": "",
    }
    found = {
        f"{FOLDER}/{name}": (0o755, shell + text.encode("utf-8", "surrogateescape")) for name, text in scripts.items()
    }
    labels = labels_of(config, architecture, source)
    text = json.dumps(labels, indent="\t", sort_keys=True, ensure_ascii=False)
    found[_LABELS] = (0o644, text.encode("utf-8", "surrogateescape"))
    found[DEFINITION] = (0o644, definition_of(source))
    return found


def labels_of(config: ContainerConfig, architecture: str, source: str) -> dict[str, str]:
    """The image's labels and, over them, those of Apptainer's that say what this image is.

    Not when it was put together, nor by which version of Apptainer: the same image is the same file on any day.
    """
    own = {
        "schema-version": "1.0",
        "build-arch": architecture,
        "usage.singularity.deffile.bootstrap": "docker",
        "usage.singularity.deffile.from": source,
    }
    return {**config.labels, **{f"org.label-schema.{name}": value for name, value in own.items()}}


def definition_of(source: str) -> bytes:
    """A definition file that names where an image came from."""
    return f"bootstrap: docker\nfrom: {source}\n".encode()


def _exported(variable: str) -> str:
    """As Apptainer does it: its user's variables win, but for PATH."""
    name, _, value = variable.partition("=")
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        return ""
    quoted = re.sub(r'([\\"`$])', r"\\\1", value)
    unless = "" if name == "PATH" else f'[ -n "${{{name}:-}}" ] || '
    return f'{unless}{name}="{quoted}"\nexport {name}\n'


def _runscript(config: ContainerConfig) -> str:
    command = config.cmd if config.cmd or config.entrypoint else ("/bin/sh",)
    default = f"if [ $# -eq 0 ]; then set -- {_words(command)}; fi\n" if command else ""
    return f'{default}exec {_words(config.entrypoint)} "$@"\n'.replace("exec  ", "exec ")


def _words(words: tuple[str, ...]) -> str:
    import shlex

    return " ".join(map(shlex.quote, words))
