"""The BuildKit inside docker's daemon, asked by its interface alone: its client needs a plug-in that Debian has not.

::

    ask(docker, "FROM scratch\\nENV a=b\\n")      # the configuration of what was built, or Refused with its words
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import tarfile
from typing import Any
from uuid import uuid4

from docker_daemon import Docker

__all__ = ["Refused", "ask"]


class Refused(Exception):
    """What BuildKit says is wrong."""


class _Wire(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=120)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(docker: Docker, recipe: str) -> dict[str, Any]:
    """Build a recipe whose context is one file ``f``; the image goes again."""
    name = f"asked-{uuid4().hex}"
    lines = _request(docker, "POST", f"/build?version=2&t={name}", _context(recipe)).splitlines()
    for line in lines:
        said = json.loads(line)
        wrong = said.get("error") or said.get("message")
        if wrong:
            raise Refused(wrong)
    found = json.loads(_request(docker, "GET", f"/images/{name}/json"))
    _request(docker, "DELETE", f"/images/{name}")
    config: dict[str, Any] = found["Config"]
    return config


def _context(recipe: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in (("Dockerfile", recipe.encode()), ("f", b"f")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


def _request(docker: Docker, method: str, path: str, body: bytes | None = None) -> bytes:
    wire = _Wire(docker.address.removeprefix("unix://"))
    try:
        wire.request(method, path, body, {"Content-Type": "application/x-tar"} if body else {})
        return wire.getresponse().read()
    finally:
        wire.close()
