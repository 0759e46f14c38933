"""Where a benchmark works: folders, the registry with its images, root's favour, and plain root file systems."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from measuring import Failure

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import images
from registry_server import RegistryServer


@dataclass
class Workplace:
    """``folder`` is scratch on a real disk; ``registry`` holds ``small``, ``science`` and ``second``."""

    folder: Path
    registry: RegistryServer

    @property
    def memory(self) -> Path:
        """A folder on a tmpfs, which ``bench/measure`` removes at the end."""
        return Path(f"/dev/shm/wherry-bench-{os.getuid()}")

    @property
    def environment(self) -> dict[str, str]:
        """The same for all: nothing but a search path, a home and the user."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "USER": os.environ.get("USER", "user"),
            "LANG": "C.UTF-8",
        }

    def reference(self, name: str) -> str:
        return f"{self.registry.address}/{name}:latest"

    def push(self, name: str, layout: Path) -> None:
        copy = ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false"]
        subprocess.run([*copy, f"oci:{layout}:latest", f"docker://{self.reference(name)}"], check=True)

    def layer(self, name: str) -> Path:
        """The (largest) layer's blob, a gzipped tar."""
        return max((images.image(name) / "blobs" / "sha256").iterdir(), key=lambda blob: blob.stat().st_size)

    def rootfs(self, name: str) -> Path:
        """The image's tree in a plain directory, unpacked by tar as the user."""
        place = self.folder / "rootfs" / name
        if not (place / "etc").exists():
            place.mkdir(parents=True)
            tar = ["tar", "-xzf", str(self.layer(name)), "-C", str(place), "--exclude=./dev/*", "--no-same-owner"]
            subprocess.run(tar, check=True)
        return place

    def clean(self) -> None:
        """Write back and forget what the kernel caches, by root's favour; without root, only write back."""
        os.sync()
        ask_root("drop")


def ask_root(what: str) -> str:
    """A favour of the root part of ``bench/run``: ``drop`` (caches)."""
    address = os.environ.get("WHERRY_BENCH_ROOT", "")
    if not address:
        return ""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(address)
        wire.sendall(what.encode() + b"\n")
        answer = b""
        while piece := wire.recv(4096):
            answer += piece
    return answer.decode()


def program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise Failure(f"{name} is not installed")
    return found


def remove(folder: Path) -> None:
    """Remove a tree of which some directories may not be writable."""
    if folder.exists():
        subprocess.run(["chmod", "-R", "u+rwX", str(folder)], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", str(folder)], check=True)  # which minds no one else who removes there
