"""A root file system, as a tar or a folder, becomes an image of one layer. The same files give the same image."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import IO

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import BrokenArchive, ImageError, reason
from wherry.base.progress import Event, Progress, silent
from wherry.image.decode import decoded
from wherry.image.faults import storage_failure, threads_needed
from wherry.image.headers import Member, header
from wherry.image.instructions import changed_config
from wherry.image.layers import finished
from wherry.image.local import Image
from wherry.image.model import OCI_CONFIG, OCI_MANIFEST, read_manifest
from wherry.image.pipeline import Unpacked, unpack
from wherry.image.platforms import Platform, here
from wherry.image.recording import record_image
from wherry.image.sharing import layer_of_clones
from wherry.image.table import read_frames
from wherry.store import Layer, Store

__all__ = ["Imported", "folder_tar", "import_folder", "import_tar"]

_TAR = "application/vnd.oci.image.layer.v1.tar"
_CHUNK = 1 << 20
_BLOCK = 512
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RATIO = 4
"""How much a compressed root file system mostly unpacks to."""


class Imported(msgspec.Struct, frozen=True):
    """What the image is to say of itself: instructions, a message for its history, its platform (default: this
    machine's), and where it came from, for its record."""

    changes: tuple[str, ...] = ()
    message: str = ""
    platform: str | None = None
    reference: str = ""


def import_tar(store: Store, path: str, told: Imported = Imported(), progress: Progress = silent) -> Image:  # noqa: B008
    """The (compressed) tar of a root file system at ``path`` as an image.

    Raises :class:`BrokenArchive` for what is no tar, :class:`HostileArchive`, :class:`StoreFull`.
    """
    size = _size(path)
    store.require_space(size * _RATIO, f"the image '{path}'")
    return _import(store, lambda: _read(path), size, path, told, progress)


def import_folder(
    store: Store,
    path: str,
    told: Imported = Imported(),  # noqa: B008
    progress: Progress = silent,
    *,
    share: bool = False,
) -> Image:
    """A folder's files as an image; what is the caller's own belongs to root in it.

    With ``share`` they share their blocks with the image where the file system can: nothing is copied, and times have
    whole seconds, so that the image is another than by a copy.
    """
    size, sample = _looked_at(path)
    if share and sample:
        document = _document(told)
        made = layer_of_clones(store, path, sample)
        if made is not None:
            progress(Event(_subject(path), "done", size, size))
            return _recorded(store, document, path, told, (made.layer, made.diff_id, made.size))
    return _import(store, lambda: folder_tar(path), size, path, told, progress)


def folder_tar(path: str) -> Iterator[bytes]:
    """A folder's files as a tar, sorted; sockets are left out, devices too (an ordinary user has none)."""
    names: dict[tuple[int, int], str] = {}
    for member, real, status in _walk(path, names):
        yield header(member)
        if member.kind != "file" or not member.size:
            continue
        left = member.size
        with _opened(real, status) as file:
            while left and (chunk := file.read(min(left, _CHUNK))):
                left -= len(chunk)
                yield chunk
        if left:
            raise ImageError(f"'{real}' became shorter while it was read", hint="again, when nothing writes there")
        yield bytes(-member.size % _BLOCK)
    yield bytes(2 * _BLOCK)


def _opened(path: str, status: os.stat_result) -> IO[bytes]:
    """The file that was there when it was looked at: what came there since may be another's, or a pipe without end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOENT, errno.ENXIO):
            raise
        descriptor = -1
    if descriptor >= 0:
        if os.path.samestat(os.fstat(descriptor), status):
            return open(descriptor, "rb", buffering=0)
        os.close(descriptor)
    raise ImageError(f"'{path}' was replaced while it was read", hint="again, when nothing writes there")


def _import(
    store: Store,
    chunks: Callable[[], Iterable[bytes]],
    size: int,
    path: str,
    told: Imported,
    progress: Progress,
) -> Image:
    document = _document(told)  # a wrong instruction is told before anything is unpacked
    subject = _subject(path)
    with threads_needed(f"import '{path}'"):
        work = store.new_work()
        try:
            counted = lambda: _counted(chunks(), subject, size, progress)  # noqa: E731
            done = unpack(counted, size, work, subject, expected=None, cancelled=threading.Event())
            if not done.summary.entries:
                raise BrokenArchive(f"'{path}' holds no files", why="an image needs some")
            layer, length = _publish(store, work, done, chunks, subject)
        except OSError as error:
            store.discard(work)
            raise storage_failure(error, path, store.path) from error
        except BaseException:
            store.discard(work)
            raise
    progress(Event(subject, "done", size, size))
    return _recorded(store, document, path, told, (layer, done.diff_id, length))


def _subject(path: str) -> str:
    return os.path.basename(path.rstrip("/")) or path


def _recorded(
    store: Store, document: dict[str, object], path: str, told: Imported, made: tuple[Layer, Digest, int]
) -> Image:
    """The image of a layer, its diff id and the bytes of its tar."""
    layer, diff_id, length = made
    document["rootfs"] = {"type": "layers", "diff_ids": [str(diff_id)]}
    config = msgspec.json.encode(document)
    data = _manifest(config, diff_id, length)
    reference = f"{told.reference}@{Digest.of(data)}" if told.reference else ""
    return record_image(store, reference, (data, None), read_manifest(data, OCI_MANIFEST, path), config, (layer,))


def _publish(
    store: Store, work: str, done: Unpacked, chunks: Callable[[], Iterable[bytes]], subject: str
) -> tuple[Layer, int]:
    """The layer, and the bytes of its tar; where the tree cannot give the tar back, the tar is kept."""
    key, meta = finished(work, done, None, (), (), subject)
    if meta.rebuildable:
        length = sum(len(frame.raw) + frame.elided for frame in read_frames(f"{work}/table.zst"))
    else:
        length = _keep(store, done.diff_id, chunks, subject)
    return store.publish_layer(work, key, meta), length


def _keep(store: Store, diff_id: Digest, chunks: Callable[[], Iterable[bytes]], subject: str) -> int:
    folder = store.new_work()
    try:
        hasher = diff_id.hasher()
        length = 0
        with open(f"{folder}/layer.tar", "xb") as file:
            for chunk in decoded(_Source(iter(chunks())), subject):
                hasher.update(chunk)
                length += file.write(chunk)
        if hasher.digest() != diff_id:
            raise ImageError(f"'{subject}' was changed while it was read", hint="try again")
        store.keep_blob(f"{folder}/layer.tar", diff_id)
    finally:
        store.discard(folder)
    return length


class _Source:
    """Chunks as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def read(self, size: int, /) -> bytes:
        data = self._left or next(self._chunks, b"")
        data, self._left = data[:size], data[size:]
        return data


def _document(told: Imported) -> dict[str, object]:
    platform = Platform.parse(told.platform) if told.platform else here()
    step = {"created_by": "wherry import", **({"comment": told.message} if told.message else {})}
    return {
        "architecture": platform.architecture,
        "os": platform.os,
        **({"variant": platform.variant} if told.platform and platform.variant else {}),
        "config": changed_config({"Env": [_PATH], "Cmd": ["/bin/sh"]}, told.changes),
        "history": [step],
    }


def _manifest(config: bytes, diff_id: Digest, length: int) -> bytes:
    return msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": str(Digest.of(config)), "size": len(config)},
            "layers": [{"mediaType": _TAR, "digest": str(diff_id), "size": length}],
        }
    )


def _read(path: str) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK // 4):
            yield chunk


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError as error:
        raise ImageError(f"'{path}' cannot be read", why=reason(error)) from None


def _counted(chunks: Iterable[bytes], subject: str, size: int, progress: Progress) -> Iterator[bytes]:
    position = 0
    for chunk in chunks:
        position += len(chunk)
        progress(Event(subject, "reading", position, size))
        yield chunk


def _looked_at(path: str) -> tuple[int, str]:
    """The bytes of the folder's tar, about, and the path of one of its files where all can be taken as they are: they
    are the caller's, and no name marks what an image removes."""
    total, sample, usual = _BLOCK, "", True
    try:
        for member, real, status in _walk(path, {}):
            total += member.size
            usual = usual and not (member.uid or member.gid or os.path.basename(member.path).startswith(".wh."))
            if not sample and member.size and stat.S_ISREG(status.st_mode):
                sample = real
    except OSError as error:
        raise ImageError(f"'{path}' cannot be read", why=reason(error)) from None
    return total, sample if usual else ""


_KINDS = {stat.S_IFDIR: "dir", stat.S_IFREG: "file", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo"}


def _walk(top: str, names: dict[tuple[int, int], str]) -> Iterator[tuple[Member, str, os.stat_result]]:
    """Each entry, where it is, and what was seen there. Folders may be deeper than calls can nest."""
    pending = [iter([""])]
    while pending:
        path = next(pending[-1], None)
        if path is None:
            pending.pop()
            continue
        real = f"{top}/{path}" if path else top
        status = os.lstat(real) if path else os.stat(real)
        member = _member(path, real, status, names)
        if member is None:
            continue
        yield member, real, status
        if member.kind == "dir":
            pending.append(iter([f"{path}/{name}".lstrip("/") for name in sorted(os.listdir(real))]))


def _member(path: str, real: str, found: os.stat_result, names: dict[tuple[int, int], str]) -> Member | None:
    kind = _KINDS.get(stat.S_IFMT(found.st_mode))
    if kind is None:
        return None
    target, size = "", found.st_size if kind == "file" else 0
    if kind == "symlink":
        target = os.readlink(real)
    elif kind == "file" and found.st_nlink > 1:
        first = names.setdefault((found.st_dev, found.st_ino), path)
        if first != path:
            kind, target, size = "link", first, 0
    uid = 0 if found.st_uid == os.geteuid() else found.st_uid
    gid = 0 if found.st_gid == os.getegid() else found.st_gid
    return Member(path, kind, stat.S_IMODE(found.st_mode), uid, gid, size, found.st_mtime_ns, target)
