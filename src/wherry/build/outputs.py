"""``--output``: the image of a build as a file or a directory, beside its place in the store."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from typing import TYPE_CHECKING

from wherry.base.errors import Conflict, UsageError, reason, remedy
from wherry.build.request import Output

if TYPE_CHECKING:
    from wherry.base.progress import Progress
    from wherry.build.site import Site
    from wherry.containers import World
    from wherry.image import Image

__all__ = ["TYPES", "parse_output", "write_output"]

TYPES = ("oci", "docker", "sif", "squashfs", "dir", "local", "tar", "image")
_SAVED = {"oci": "oci-archive", "docker": "docker-archive"}
_COMPRESSIONS = ("gzip", "zstd", "uncompressed")


def parse_output(text: str) -> Output:
    """``type=TYPE,dest=PATH``; a text that names no type is a directory, as with Docker. Raises :class:`UsageError`."""
    if "=" not in text:
        return Output("tar" if text == "-" else "dir", text)
    found: dict[str, str] = {}
    for part in re.split(r",(?=[a-z-]+=)", text):
        name, equals, value = part.partition("=")
        if not equals or name not in ("type", "dest", "compression", "name", "tar", "rewrite-timestamp", "push"):
            raise UsageError(f"'--output {text}' cannot be read", why=f"'{part}'", hint="type=oci,dest=image.tar")
        found[name] = value
    kind, dest = found.get("type", "dir"), found.get("dest", "")
    if kind not in TYPES:
        raise UsageError(f"there is no output of type '{kind}'", hint=", ".join(TYPES))
    if found.get("compression", "gzip") not in _COMPRESSIONS:
        raise UsageError(f"'{found['compression']}' is no compression", hint=", ".join(_COMPRESSIONS))
    if not dest and kind != "image":
        raise UsageError(f"'--output type={kind}' names no place", hint=f"--output type={kind},dest=PATH")
    return Output(kind, dest, found.get("compression", ""))


def write_output(site: Site, image: Image, output: Output, progress: Progress | None) -> None:
    """Write it to its place. A file that is there is replaced; a directory must be empty or missing.

    Raises :class:`Conflict` for a directory that holds something, and what writing raises.
    """
    from wherry import containers
    from wherry.base.progress import silent

    told, world, name = progress or silent, site.world, str(image.digest)
    path = "/dev/stdout" if output.dest == "-" else output.dest
    if output.type in _SAVED:
        how = "" if output.compression == "uncompressed" else output.compression
        containers.save(name, path, _SAVED[output.type], compression=how, progress=told, world=world)
    elif output.type in ("sif", "squashfs"):
        containers.pack(name, path, form=output.type, world=world, progress=told)
    elif output.type == "tar":
        _write_tar(world, name, path, told)
    elif output.type in ("dir", "local"):
        _write_folder(image, path, told)


def _write_tar(world: World, name: str, path: str, progress: Progress) -> None:
    from wherry.containers import export_root

    partial = path if path == "/dev/stdout" else f"{path}.{os.getpid()}.part"
    try:
        try:
            with open(partial, "wb") as file:
                export_root(name, file, progress=progress, world=world)
            if partial != path:
                os.replace(partial, path)
        except BaseException:
            if partial != path:
                with contextlib.suppress(OSError):
                    os.unlink(partial)
            raise
    except OSError as error:
        raise UsageError(f"cannot write '{path}'", why=reason(error), hint=remedy(error, write=True)) from None


def _write_folder(image: Image, path: str, progress: Progress) -> None:
    from wherry.image import write_out

    try:
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(path)
        write_out(image, path, progress)
        os.chmod(path, 0o755)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise Conflict(f"'{path}' is there already", hint="name a directory that is new or empty") from None
        raise UsageError(f"cannot write '{path}'", why=reason(error), hint=remedy(error, write=True)) from None
