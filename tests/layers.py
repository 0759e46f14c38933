"""Layers for tests: described as values, written as tars, applied as a pull applies them."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wherry.base.digest import Digest
from wherry.image.layers import wanted_layers
from wherry.image.model import Descriptor
from wherry.image.pipeline import Unpacked, unpack
from wherry.image.settle import Settled, dependent_key, depends, settle
from wherry.store import Layer, LayerMeta

__all__ = ["Item", "apply", "directory", "file", "hardlink", "make_removable", "stack", "symlink"]
__all__ += ["tar_of", "whiteout", "write_layout", "write_packed"]

EPOCH = 1_700_000_000


@dataclass(frozen=True)
class Item:
    """One entry of a tar."""

    name: str
    kind: bytes = tarfile.REGTYPE
    data: bytes = b""
    mode: int = 0o644
    target: str = ""
    uid: int = 0
    gid: int = 0
    mtime: float = EPOCH
    device: tuple[int, int] = (0, 0)
    pax: dict[str, str] = field(default_factory=dict)


def file(name: str, data: bytes = b"", mode: int = 0o644, **more: object) -> Item:
    return Item(name, data=data, mode=mode, **more)  # type: ignore[arg-type]


def directory(name: str, mode: int = 0o755, **more: object) -> Item:
    return Item(name, tarfile.DIRTYPE, mode=mode, **more)  # type: ignore[arg-type]


def symlink(name: str, target: str) -> Item:
    return Item(name, tarfile.SYMTYPE, target=target, mode=0o777)


def hardlink(name: str, target: str, mode: int = 0o644) -> Item:
    return Item(name, tarfile.LNKTYPE, target=target, mode=mode)


def whiteout(name: str) -> Item:
    folder, _, last = name.rpartition("/")
    return Item(f"{folder}/.wh.{last}".lstrip("/"))


def tar_of(items: Iterable[Item], form: int = tarfile.PAX_FORMAT, end: bytes = b"\0" * 1024) -> bytes:
    """The tar stream of the items."""
    out = io.BytesIO()
    for item in items:
        info = tarfile.TarInfo(item.name)
        info.type, info.size, info.mode, info.linkname = item.kind, len(item.data), item.mode, item.target
        info.uid, info.gid, info.mtime, info.pax_headers = item.uid, item.gid, item.mtime, dict(item.pax)
        info.devmajor, info.devminor = item.device
        out.write(info.tobuf(form, "utf-8", "surrogateescape"))
        out.write(item.data + b"\0" * (-len(item.data) % 512))
    return out.getvalue() + end


def apply(tar: bytes, work: Path, *, chunk: int = 1 << 16, size: int = 0, expected: Digest | None = None) -> Unpacked:
    """Apply a (perhaps compressed) tar to ``work/tree``, its table beside it; ``size`` is what its manifest claims."""
    work.mkdir(parents=True, exist_ok=True)
    return unpack(
        lambda: (tar[start : start + chunk] for start in range(0, len(tar), chunk)),
        size or len(tar),
        str(work),
        "layer under test",
        expected=expected,
        cancelled=threading.Event(),
    )


def stack(tars: Sequence[bytes], folder: Path) -> tuple[Layer, ...]:
    """The layers of these tars, bottom first, each completed from those below as a pull does it."""
    digests = tuple(map(Digest.of, tars))
    descriptors = [Descriptor("", digest, 0) for digest in digests]
    layers: list[Layer] = []
    for position, (wanted, tar) in enumerate(zip(wanted_layers(descriptors, digests), tars, strict=True)):
        work = folder / str(position)
        done = apply(tar, work, expected=wanted.diff_id)
        summary = done.summary
        key, settled = wanted.diff_id.hex, Settled(True, summary.closed, summary.open)
        if depends(summary):
            key = dependent_key(wanted.below, wanted.diff_id)
            settled = settle(f"{work}/tree", summary, layers, "layer under test")
        meta = LayerMeta(
            wanted.diff_id,
            summary.bytes,
            summary.entries,
            summary.whiteouts,
            overlay=summary.overlay,
            rebuildable=summary.rebuildable and settled.exact,
            closed=settled.closed,
            open_folders=settled.open,
        )
        layers.append(Layer(key, f"{work}/tree", f"{work}/table.zst", meta))
    return tuple(layers)


def make_removable(folder: Path) -> None:
    """Give back the permissions that removing needs."""
    for path, folders, _ in os.walk(folder):
        for name in folders:
            if not os.path.islink(f"{path}/{name}"):
                os.chmod(f"{path}/{name}", 0o700)


def write_layout(
    folder: Path, tars: Sequence[bytes], *, form: str = "", config: dict[str, object] | None = None
) -> Path:
    """An OCI layout with one image, tagged ``latest``, of these layers; ``form``: plain, ``gzip`` or ``zstd``."""
    import gzip

    import zstandard

    pack = {"": bytes, "gzip": lambda tar: gzip.compress(tar, mtime=0), "zstd": zstandard.compress}[form]
    return write_packed(folder, [(pack(tar), form, Digest.of(tar)) for tar in tars], config=config)


def write_packed(
    folder: Path, layers: Sequence[tuple[bytes, str, Digest]], *, config: dict[str, object] | None = None
) -> Path:
    """The same of layers that are compressed already: their bytes, form and diff id."""
    import json
    import platform

    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

    def blob(data: bytes, kind: str) -> dict[str, object]:
        digest = Digest.of(data)
        (folder / "blobs/sha256" / digest.hex).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": str(digest), "size": len(data)}

    (folder / "blobs/sha256").mkdir(parents=True)
    described = {
        "architecture": machine,
        "os": "linux",
        "config": config or {},
        "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for _, _, diff_id in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(json.dumps(described).encode(), "config.v1+json"),
        "layers": [blob(data, f"layer.v1.tar{'+' if form else ''}{form}") for data, form, _ in layers],
    }
    named = blob(json.dumps(manifest).encode(), "manifest.v1+json")
    named["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder
