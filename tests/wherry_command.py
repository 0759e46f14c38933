"""The installed ``wherry`` as a user would start it, in a home, store and runtime folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Result", "Wherry", "installed"]


@dataclass(frozen=True)
class Result:
    """How a command ended. ``status`` is negative if a signal ended it."""

    command: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        return json.loads(self.stdout)

    def __str__(self) -> str:
        return f"{' '.join(self.command)}: {self.status}\n--- stdout\n{self.stdout}--- stderr\n{self.stderr}"


@dataclass(frozen=True)
class Wherry:
    """``wherry("run", "tiny", "true")`` runs it and gives a :class:`Result`; ``wherry.ok(...)`` insists on success.

    ``folder`` holds ``home``, ``store``, ``run`` (runtime), ``state`` and ``config``; give it away to start afresh.
    ``face`` is a peer's name that it is called by (:meth:`named`).
    """

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    face: str = ""

    def named(self, face: str, **variables: str) -> Wherry:
        """The same under a peer's name, by a link in a folder of its own: what ``wherry shim install`` makes."""
        link = self.folder / "bin" / face
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(installed())
        path = {"PATH": f"{link.parent}:{self.environment['PATH']}"}
        return Wherry(self.folder, {**self.variables, **path, **variables}, face)

    @property
    def program(self) -> Path:
        return self.folder / "bin" / self.face if self.face else installed()

    def __post_init__(self) -> None:
        for name in ("home", "store", "run", "state", "config"):
            (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the caller's but the search path: a test must not depend on who runs it."""
        return {
            "PATH": f"{installed().parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.folder / "home"),
            "USER": os.environ.get("USER", ""),
            "TERM": "dumb",
            "LANG": "C.UTF-8",
            "WHERRY_STORE": str(self.folder / "store"),
            "WHERRY_SITE_SETTINGS": "/nonexistent",
            "CONTAINERS_REGISTRIES_CONF": "/nonexistent",
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            **self.variables,
        }

    def __call__(
        self,
        *arguments: str,
        stdin: str | bytes = b"",
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 120,
    ) -> Result:
        command = (str(self.program), *arguments)
        done = subprocess.run(
            command,
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=cwd or self.folder / "home",
            env={**self.environment, **(env or {})},
            timeout=timeout,
        )
        out, err = done.stdout.decode(errors="surrogateescape"), done.stderr.decode(errors="surrogateescape")
        return Result((self.face or "wherry", *arguments), done.returncode, out, err)

    def ok(self, *arguments: str, **more: Any) -> str:
        """Standard output of a command that must succeed."""
        result = self(*arguments, **more)
        assert result.status == 0, str(result)
        return result.stdout

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
        """The running process, for tests that send signals or talk to it; the caller waits for it."""
        more.setdefault("cwd", self.folder / "home")
        env = {**self.environment, **more.pop("env", {})}
        return subprocess.Popen([str(self.program), *arguments], env=env, **more)


def installed() -> Path:
    """The command that pip wrote beside this interpreter, else the one on the search path."""
    beside = Path(sys.executable).parent / "wherry"
    found = str(beside) if beside.exists() else shutil.which("wherry")
    if not found:
        raise RuntimeError("wherry is not installed here: run 'make test', or 'pip install .' in this environment")
    return Path(found)
