"""Docker as a peer: its client, and the daemon that ``scripts/with-docker`` started for the time of the tests.

::

    docker("run", "--rm", "tiny", "true")             # the client's standard output
    docker.take(images.image("tiny"), "tiny")         # an OCI layout, under a name
    docker.load(archive)                              # what `docker save` or `wherry save` made
    with docker.exported("tiny") as tar: ...          # the merged tree, as `docker export` streams it

``make test`` started by root has a daemon; anybody else names one in ``WHERRY_TEST_DOCKER=unix:///PATH/OF/ITS/SOCKET``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Docker", "DockerFailed", "connect"]


class DockerFailed(Exception):
    """What the client wrote when it failed."""


@dataclass(frozen=True)
class Docker:
    """``address`` is the daemon's; ``folder`` holds the client's configuration, nothing of the caller's."""

    address: str
    folder: Path

    def __call__(self, *arguments: str, timeout: float = 120) -> str:
        done = subprocess.run(
            self._command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
        )
        if done.returncode:
            raise DockerFailed(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def load(self, archive: Path) -> None:
        self("load", "--quiet", "--input", str(archive))

    def take(self, layout: Path, name: str) -> None:
        """Load the image of an OCI layout, tagged ``latest`` there, as ``name``."""
        archive = self.folder / f"{name}.tar"
        copy = ["skopeo", "copy", "-q", "--insecure-policy", f"oci:{layout}:latest"]
        try:
            subprocess.run([*copy, f"docker-archive:{archive}:{name}:latest"], check=True, capture_output=True)
            self.load(archive)
        finally:
            archive.unlink(missing_ok=True)

    @contextmanager
    def exported(self, image: str) -> Iterator[tarfile.TarFile]:
        """The tree of a container of the image that was never started, to be read forward."""
        container = self("create", "--network", "none", image, "/none").strip()
        try:
            with (
                subprocess.Popen(self._command("export", container), stdout=subprocess.PIPE) as exporting,
                tarfile.open(fileobj=exporting.stdout, mode="r|", encoding="utf-8") as tar,
            ):
                yield tar
        finally:
            self("rm", "--force", container)

    def _command(self, *arguments: str) -> list[str]:
        return ["docker", "--config", str(self.folder), "--host", self.address, *arguments]


def connect(folder: Path) -> Docker | str:
    """The daemon, or why there is none."""
    told = os.environ.get("WHERRY_TEST_DOCKER", "")
    if not told.startswith("unix://"):
        return told or "only root starts docker's daemon ('make test'); you may name yours in WHERRY_TEST_DOCKER"
    if not shutil.which("docker"):
        return "the client 'docker' is not installed"
    return Docker(told, folder)
