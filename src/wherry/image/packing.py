"""Packing an image into one file, a SIF or a squashfs, with ``mksquashfs``: the same bytes for the same image.

The file system is written where it is to lie, from the layers' tables and trees, without a second copy of either.
Until all of it is there and on the disk, the file has no name.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import HostLacks, ImageError, StoreFull, UsageError, WherryError, reason, remedy
from wherry.base.progress import Event, Progress, silent
from wherry.image import apptainer, sif
from wherry.image.headers import Member
from wherry.image.local import Image
from wherry.image.packed import NOTE_NAME, PAGE, Note, encode_note
from wherry.image.packtar import Survey, feed, survey
from wherry.image.platforms import here
from wherry.image.squashfs import SIZE, read_superblock
from wherry.image.tree import Tree, view
from wherry.store import Store

__all__ = ["COMPRESSIONS", "PackOptions", "form_of_suffix", "pack"]

COMPRESSIONS = {
    "zstd": ("-comp", "zstd", "-Xcompression-level", "6"),
    "gzip": ("-comp", "gzip"),
    "xz": ("-comp", "xz"),
    "lz4": ("-comp", "lz4", "-Xhc"),
    "lzo": ("-comp", "lzo"),
    "none": ("-noI", "-noId", "-noD", "-noF", "-noX"),
}
"""What tells ``mksquashfs``. Level 6 of zstd is smaller than gzip's best, in a tenth of its time, and read faster."""

_MOUNT_POINTS = ("dev", "etc", "home", "proc", "root", "sys", "tmp", "var", "var/tmp")
_EMPTY_FILES = ("etc/hosts", "etc/resolv.conf")
_NEWEST = (1 << 32) - 1


class PackOptions(msgspec.Struct, frozen=True):
    """``form``: ``sif`` or ``squashfs``; ``compression`` of :data:`COMPRESSIONS`; ``block_size`` in bytes, a power of
    two from 4096 to 1 MiB; ``created`` in seconds since 1970 (None: when the image was made)."""

    form: str = "sif"
    compression: str = "zstd"
    block_size: int = 128 << 10
    created: int | None = None


def form_of_suffix(path: str) -> str:
    """What a file of that name is expected to be: ``squashfs`` by what people call those, else ``sif``."""
    return "squashfs" if path.lower().endswith((".sqfs", ".sqsh", ".squashfs", ".sfs", ".squash")) else "sif"


def pack(
    store: Store, image: Image, path: str, options: PackOptions | None = None, *, progress: Progress = silent
) -> int:
    """Write ``image`` to ``path``, replacing what is there; the bytes of the file.

    Killed or out of space, it leaves what was there before. Raises :class:`HostLacks` without ``mksquashfs`` 4.5 or
    newer, :class:`StoreFull`, :class:`ImageError` when a layer or the file cannot be read or written.
    """
    options = options or PackOptions(form_of_suffix(path))
    _check(options)
    program = _program()
    data = _config_data(store, image)
    seen, tree = survey(image), view(image)
    created = options.created if options.created is not None else _seconds(image.config.created)
    extra = _extra(image, tree, created) if options.form == "sif" else []
    note = Note(data.decode(), tuple(member.path for member, _ in extra))
    objects: list[tuple[sif.NewObject, bytes]] = []
    offset = 0
    if options.form == "sif":
        objects = _objects(image, note)
        sizes = [item for item, _ in objects] + [sif.NewObject(sif.PARTITION, 0)]
        offset = sif.place_objects(sizes)[-1]
    with _written(path, 0o755 if options.form == "sif" else 0o644) as file:
        size = _file_system(program, image, seen, extra, path, file, offset, options, created, progress)
        if options.form == "sif":
            _finish_sif(file, image, objects, offset, size, _identity(data, options, created), created)
        else:
            end = offset + -(-size // PAGE) * PAGE
            _write(file, encode_note(note), end)
        progress(Event(os.path.basename(path), "syncing", size, size))
        os.fsync(file)
        total = os.fstat(file).st_size
    progress(Event(os.path.basename(path), "done", total, total))
    return total


def _check(options: PackOptions) -> None:
    size = options.block_size
    if not 4096 <= size <= 1 << 20 or size & (size - 1):
        raise UsageError(
            f"a squashfs cannot have blocks of {size} bytes",
            why="it takes powers of two from 4096 to 1 MiB",
            hint="--block-size 128K",
        )


def _config_data(store: Store, image: Image) -> bytes:
    """The configuration as it came; of a directory, one that says what is known of it."""
    digest = image.manifest.config.digest
    if store.has_blob(digest):
        return store.read_blob(digest)
    config = image.config.config
    fields = {
        "User": config.user,
        "Env": list(config.env),
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.cmd),
        "WorkingDir": config.working_dir,
        "Labels": config.labels,
    }
    document = {
        "architecture": image.config.architecture or here().architecture,
        "os": "linux",
        "config": {name: value for name, value in fields.items() if value},
        "rootfs": {"type": "layers", "diff_ids": []},
    }
    return msgspec.json.encode(document)


# ---- what Apptainer needs -------------------------------------------------------------------------------------------


def _extra(image: Image, tree: Tree, created: int) -> list[tuple[Member, bytes]]:
    """The entries that Apptainer needs and the image lacks; none of its files where it has its own."""
    mtime = created * 10**9
    found: list[tuple[Member, bytes]] = []
    for path in _MOUNT_POINTS:
        if tree.stat(f"/{path}", follow=False) is None and tree.resolve(f"/{path}") == f"/{path}":
            mode = 0o1777 if path.endswith("tmp") else 0o755
            found.append((Member(path, "dir", mode, mtime_ns=mtime), b""))
    for path in _EMPTY_FILES:
        if tree.stat(f"/{path}", follow=False) is None and tree.resolve(f"/{path}") == f"/{path}":
            found.append((Member(path, "file", mtime_ns=mtime), b""))
    if tree.stat(f"/{apptainer.FOLDER}", follow=False) is not None:
        return found
    folders = ("", "/actions", "/env", "/libs")
    found += [(Member(apptainer.FOLDER + folder, "dir", 0o755, mtime_ns=mtime), b"") for folder in folders]
    config = image.config
    for path, (mode, content) in sorted(apptainer.scaffold(config.config, config.architecture, _source(image)).items()):
        found.append((Member(path, "file", mode, size=len(content), mtime_ns=mtime), content))
    return found


def _source(image: Image) -> str:
    """The image's name or, of one that has none, its digest: not the file that it came from."""
    name = image.reference.partition("@")[0]
    return str(image.digest) if name.startswith(("/", ".")) or name.endswith("/") else image.reference


def _objects(image: Image, note: Note) -> list[tuple[sif.NewObject, bytes]]:
    """What comes before the file system, in the order that Apptainer has."""
    config = json.loads(note.config).get("config") or {}
    labels = apptainer.labels_of(image.config.config, image.config.architecture, _source(image))
    pieces = (
        (sif.DEFINITION, "", apptainer.definition_of(_source(image))),
        (sif.JSON, "oci-config.json", json.dumps(config, sort_keys=True, ensure_ascii=False).encode()),
        (sif.JSON, NOTE_NAME, msgspec.json.encode(note)),
        (sif.LABELS, "", json.dumps(labels, sort_keys=True, ensure_ascii=False).encode()),
    )
    return [(sif.NewObject(kind, len(data), name), data) for kind, name, data in pieces]


def _finish_sif(
    file: int,
    image: Image,
    objects: list[tuple[sif.NewObject, bytes]],
    offset: int,
    size: int,
    identity: bytes,
    created: int,
) -> None:
    stored = -(-size // PAGE) * PAGE
    whole = [item for item, _ in objects] + [sif.NewObject(sif.PARTITION, stored)]
    architecture = image.config.architecture or here().architecture
    for place, (_, data) in zip(sif.place_objects(whole), objects, strict=False):
        _write(file, data, place)
    _write(file, sif.write_header(whole, architecture, identity, created), 0)
    os.ftruncate(file, offset + stored)


def _identity(data: bytes, options: PackOptions, created: int) -> bytes:
    """A UUID (version 8, RFC 9562) that the same image packed in the same way has again."""
    parts = (options.form, options.compression, str(options.block_size), str(created))
    value = bytearray.fromhex(Digest.of(data + "\0".join(parts).encode()).hex[:32])
    value[6] = value[6] & 0x0F | 0x80
    value[8] = value[8] & 0x3F | 0x80
    return bytes(value)


# ---- the file system ------------------------------------------------------------------------------------------------


def _file_system(
    program: str,
    image: Image,
    seen: Survey,
    extra: Sequence[tuple[Member, bytes]],
    path: str,
    file: int,
    offset: int,
    options: PackOptions,
    created: int,
    progress: Progress,
) -> int:
    """Write the squashfs at ``offset`` of the file; its size."""
    command = [
        *_as_root(),
        *(program, "-", f"/proc/self/fd/{file}", "-tar", *COMPRESSIONS[options.compression]),
        *("-b", str(options.block_size), "-offset", str(offset), "-noappend", "-no-progress", "-quiet"),
        # Which of two equal files' ends is kept depends on how its threads meet (4.5.1, -reproducible or not).
        "-no-duplicates",
        *("-root-mode", f"{seen.mode:o}", "-root-uid", str(seen.uid), "-root-gid", str(seen.gid)),
        *("-processors", str(len(os.sched_getaffinity(0)))),
    ]
    # The time of the file system, of its root, and the latest that a file may have.
    latest = created if options.created is not None else max(created, seen.newest)
    variables = {"LC_ALL": "C", "SOURCE_DATE_EPOCH": str(min(max(latest, 0), _NEWEST))}
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=complaints,
                stderr=complaints,
                env=variables,
                cwd="/",
                pass_fds=(file,),
            )
        except OSError as error:
            raise HostLacks(f"'{program}' cannot be started", why=reason(error)) from error
        assert process.stdin is not None
        total = sum(layer.meta.size for layer in image.layers)

        def told(done: int) -> None:
            progress(Event(os.path.basename(path), "packing", done, max(total, done)))

        try:
            feed(image, seen.plain, extra, process.stdin.fileno(), told)
            process.stdin.close()
            process.wait()
        except BrokenPipeError:
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        complaints.seek(0)
        said = complaints.read(1 << 16).decode(errors="replace")
    if process.returncode:
        raise _failed(said, process.returncode, path)
    return _size_written(file, offset, path)


def _as_root() -> tuple[str, ...]:
    """What makes the root directory root's: of tars, mksquashfs 4.5 gives it to who runs it, whatever it is told.

    Where no user namespace can be had it stays so, which changes nothing for who runs the image.
    """
    unshare = shutil.which("unshare")
    if os.geteuid() == 0 or unshare is None:
        return ()
    command = (unshare, "--map-root-user")
    works = subprocess.run([*command, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return command if works.returncode == 0 else ()


def _size_written(file: int, offset: int, subject: str) -> int:
    available = os.fstat(file).st_size - offset
    return read_superblock(os.pread(file, SIZE, offset), available, subject).size


def _failed(said: str, status: int, path: str) -> WherryError:
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("Empty tar filename")]
    why = "; ".join(lines[:3]) or f"it ended with status {status}"
    if "No space left" in said or "quota exceeded" in said:
        return StoreFull(f"'{path}' does not fit", why=why, hint="name a file on another file system")
    if "is not supported" in said or "Invalid option" in said:
        hint = "name another: --compression gzip"
        return HostLacks("the mksquashfs of this machine cannot pack so", why=why, hint=hint)
    return ImageError(f"'{path}' cannot be made", why=f"mksquashfs: {why}")


def _program() -> str:
    """``mksquashfs``, if it is new enough to read tars; raises :class:`HostLacks`."""
    hint = "ask your administrator for the package squashfs-tools (4.5 or newer), or put mksquashfs into your PATH"
    program = shutil.which("mksquashfs")
    if program is None:
        raise HostLacks("images cannot be packed here", why="there is no program 'mksquashfs'", hint=hint)
    said = subprocess.run([program, "-version"], capture_output=True, text=True, errors="replace", check=False).stdout
    found = re.search(r"version (\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < (4, 5):
        raise HostLacks(
            "images cannot be packed here",
            why=f"'{program}' is {found[0] if found else 'of an unknown version'}, and tars are read since 4.5",
            hint=hint,
        )
    return program


@contextmanager
def _written(path: str, mode: int) -> Iterator[int]:
    """A file that gets its name, in place of what has it, when all went well.

    Where the file system can, it has none before, so that nothing of a killed process is left.
    """
    folder, name = os.path.split(os.path.abspath(path))
    if os.path.lexists(path) and not os.path.isfile(path):
        raise UsageError(f"'{path}' cannot be replaced", why="it is no file", hint="name a file")
    temporary = f"{folder}/.{name}.{os.urandom(4).hex()}.partial"
    named = False
    try:
        try:
            file = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, mode)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS):
                raise
            file = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, mode)
            named = True
        try:
            yield file
            if not named:
                os.link(f"/proc/self/fd/{file}", temporary, src_dir_fd=file)  # so that the link is followed
                named = True
            os.rename(temporary, path)
        finally:
            os.close(file)
    except BaseException as error:
        if named:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            kind = StoreFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else ImageError
            raise kind(f"'{path}' cannot be written", why=reason(error), hint=remedy(error, write=True)) from error
        raise


def _write(file: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(file, view, at)
        view, at = view[done:], at + done


def _seconds(created: str) -> int:
    """RFC 3339 as seconds since 1970, 0 for what says nothing."""
    try:
        return int(datetime.fromisoformat(re.sub(r"\.\d+", "", created)).timestamp())
    except ValueError:
        return 0
