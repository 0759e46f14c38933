"""Squashfs files of the tiny image, and a look at what mounts them leave."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import images
from wherry_command import Wherry

__all__ = ["keepers", "leftovers", "mounts_of", "of_runtime", "squashfs_of_tiny"]


def squashfs_of_tiny(path: Path, further: bytes = b"", options: tuple[str, ...] = ("-all-root",)) -> Path:
    """The tiny image as a squashfs file, with what a tar (``images.Layer().file(...).tar()``) holds beside it."""
    layout = images.image("tiny")
    manifest = _blob(layout, json.loads((layout / "index.json").read_text())["manifests"][0]["digest"])
    layer = gzip.decompress(_blob(layout, json.loads(manifest)["layers"][0]["digest"]))
    words = ["mksquashfs", "-", str(path), "-tar", "-noappend", "-quiet", "-no-progress", "-comp", "zstd", *options]
    subprocess.run(words, input=_joined(layer, further), check=True, capture_output=True)
    return path


def _joined(first: bytes, second: bytes) -> bytes:
    """One tar of two: without the empty blocks that end the first."""
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        last = tar.getmembers()[-1]
    end = last.offset_data + -(-last.size // 512) * 512
    return first[:end] + second if second else first


def _blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()


def mounts_of(wherry: Wherry) -> list[str]:
    """The folders of mounts in this runtime folder."""
    folder = wherry.folder / "run" / "wherry" / "mounts"
    return sorted(os.listdir(folder)) if folder.exists() else []


def of_runtime(wherry: Wherry) -> dict[int, str]:
    """The processes whose command line names this runtime's mounts: keepers and servers, by number."""
    found, mark = {}, os.fsencode(wherry.folder / "run" / "wherry" / "mounts")
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                line = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if mark in line:
                found[int(name)] = line.replace(b"\0", b" ").decode(errors="replace")
    return found


def keepers(wherry: Wherry) -> tuple[list[int], list[int]]:
    """The numbers of keepers and of the programs that serve mounts."""
    processes = of_runtime(wherry)
    ours = [pid for pid, line in processes.items() if line.split(" ", 1)[0].endswith("wherry-keeper")]
    return ours, [pid for pid in processes if pid not in ours]


def leftovers(wherry: Wherry) -> list[str]:
    """All that mounting left: processes, mounts of the host, folders."""
    mark = str(wherry.folder / "run" / "wherry" / "mounts")
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    return [*of_runtime(wherry).values(), *(line for line in table if mark in line), *mounts_of(wherry)]
