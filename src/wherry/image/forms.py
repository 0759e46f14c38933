"""What a file or folder is, by its content, never by its name: which form of an image, or what else it looks like."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Set

import msgspec

__all__ = ["ARCHIVES", "Form", "form_of", "form_of_bytes", "form_of_names", "tar_names"]

ARCHIVES = frozenset({"oci", "archive", "dir"})
"""Forms that hold images with their layers, as :func:`wherry.image.load_file` takes them."""

_BEGINNING = 64 << 10
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_ARCHIVE_NAME = re.compile(
    r"(oci-layout|index\.json|manifest\.json|repositories|blobs(/.*)?|[0-9a-f]{64}(\.json|\.tar|/.*)?)"
)
_ROOT_NAMES = frozenset(
    {
        *("bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "media", "mnt", "opt", "proc"),
        *("root", "run", "sbin", "srv", "sys", "tmp", "usr", "var", ".dockerenv", ".singularity.d", "cvmfs", "afs"),
    }
)
_PAX_LENGTH = re.compile(rb"(\d{1,9}) ")
_LOOKS: tuple[tuple[bytes, str], ...] = (
    (rb"version https://git-lfs", "a Git LFS pointer: 'git lfs pull' fetches what it stands for"),
    (rb"/annex/objects/", "a git-annex pointer: 'git annex get' fetches what it stands for"),
    (rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body)", "a web page: its download went wrong"),
    (rb"\s*<\?xml|\s*<error", "an XML document: its download may have gone wrong"),
    (rb"\x7fELF", "a program"),
    (rb"PK\x03\x04", "a zip archive"),
    (rb"%PDF", "a PDF document"),
    (rb"sqsh", "a squashfs of the other byte order, as very old tools made it"),
    (rb"#!", "a script"),
    (rb"\s*[\[{]", "a JSON document"),
    (rb"([ \t\r]*(#[^\n]*)?\n)*[ \t]*(from|arg) \S", "a Dockerfile: the image has to be built from it first"),
    (
        rb"([ \t\r]*(#[^\n]*)?\n)*[ \t]*bootstrap:",
        "a definition file: the image has to be built from it first",
    ),
)


class Form(msgspec.Struct, frozen=True):
    """``kind`` is one of those below, empty for what is no image; then ``looks`` says in words what it looks like.

    ======== ======================================================================================================
    oci      folder in the OCI image layout
    archive  tar, perhaps compressed, of such a folder or of what ``docker save`` writes; or that unpacked
    dir      folder as skopeo's ``dir:`` writes it
    root     folder with a root file system
    root-tar tar, perhaps compressed, of a root file system
    squashfs file system in one file
    sif      Singularity Image Format
    ======== ======================================================================================================
    """

    kind: str = ""
    looks: str = ""


def form_of(path: str) -> Form:
    """The form of what lies at ``path``; only its beginning is read. Raises :class:`OSError` when nothing can be."""
    os.stat(path)
    if os.path.isdir(path):
        return form_of_names({name for name in os.listdir(path) if os.path.exists(f"{path}/{name}")}, path)
    if not os.path.isfile(path):
        return Form("", "a device, pipe or socket")
    with open(path, "rb", buffering=0) as file:
        head = file.read(_BEGINNING)
        inner = b""
        if _compression(head):
            file.seek(0)
            inner = _inner(file)
    return form_of_bytes(head, inner)


def form_of_names(names: Set[str], path: str = "") -> Form:
    """The form of a folder that holds these names. ``path`` tells what is in ``usr``."""
    if {"oci-layout", "index.json"} <= names:
        return Form("oci")
    if "manifest.json" in names:
        return Form("dir" if "version" in names else "archive")
    if names & {"index.json", "oci-layout"}:
        return Form("", "an incomplete OCI layout: it needs both 'oci-layout' and 'index.json'")
    if "bin" in names or ("usr" in names and (not path or os.path.isdir(f"{path}/usr/bin"))):
        return Form("root")
    return Form("", "a directory without a root file system (it has neither 'bin' nor 'usr/bin')")


def form_of_bytes(head: bytes, inner: bytes = b"") -> Form:
    """The form of a file with this beginning; ``inner`` is what its beginning is uncompressed, if it is compressed."""
    if not head:
        return Form("", "an empty file: a copy or download that went wrong")
    if head[32:41] == b"SIF_MAGIC":
        return Form("sif")
    start = head.find(b"\n") + 1 if head.startswith(b"#!") else 0  # Singularity 2 wrote a line before
    if head[start : start + 4] == b"hsqs":
        return Form("squashfs")
    if head[start + 1080 : start + 1082] == b"\x53\xef":
        return Form("", "an ext file system, as Singularity 2 and sandboxes on loop devices have it")
    compression = _compression(head)
    if compression:
        found = _form_of_tar(inner)
        if found is None:
            return Form("", f"{compression}-compressed data, and not of a tar archive")
        return found
    return _form_of_tar(head) or Form("", _looks(head))


def tar_names(data: bytes) -> Iterator[tuple[str, bool]]:
    """The clean names in the beginning of a tar, each with whether it is a folder; none of what is no tar."""
    position, longer = 0, ""
    while position + 512 <= len(data):
        block = data[position : position + 512]
        size = _octal(block[124:136])
        if size is None or _octal(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * 32:
            return
        kind, content = block[156:157], data[position + 512 : position + 512 + size]
        position += 512 + (size + 511 & ~511 if kind not in b"123456" else 0)
        if kind == b"L":
            longer = content.rstrip(b"\0").decode(errors="replace")
        elif kind in (b"x", b"g"):
            longer = (_pax_path(content) if kind == b"x" else "") or longer
        elif kind != b"K":
            name = longer or block[:100].rstrip(b"\0").decode(errors="replace")
            longer = ""
            yield "/".join(part for part in name.split("/") if part not in ("", ".")), kind == b"5"


def _pax_path(records: bytes) -> str:
    """The name in an extended header, empty without one; each record tells its length (``LENGTH KEY=VALUE``)."""
    at, path = 0, b""
    while found := _PAX_LENGTH.match(records, at):
        length = int(found[1])
        key, _, value = records[found.end() : at + length].partition(b"=")
        if key == b"path":
            path = value.rstrip(b"\n")
        if at + length <= found.end():
            break
        at += length
    return path.decode(errors="replace")


def _form_of_tar(data: bytes) -> Form | None:
    first = None
    for name, folder in tar_names(data):
        first = name if first is None else first
        if not name:
            continue
        if _ARCHIVE_NAME.fullmatch(name):
            return Form("archive")
        if name.partition("/")[0] in _ROOT_NAMES:
            return Form("root-tar")
        if not folder:
            return Form("", f"a tar archive of neither an image nor a root file system (it begins with '{first}')")
    if first is None:
        return None
    return Form("", f"a tar archive of neither an image nor a root file system (it begins with '{first or '.'}')")


def _compression(head: bytes) -> str:
    return next((kind for magic, kind in _COMPRESSED.items() if head.startswith(magic)), "")


def _inner(file: object) -> bytes:
    from typing import cast

    from wherry.base.errors import BrokenArchive
    from wherry.image.decode import Source, decoded

    data = b""
    with contextlib.suppress(BrokenArchive):
        for chunk in decoded(cast("Source", file), "archive"):
            data += chunk
            if len(data) >= _BEGINNING:
                break
    return data[:_BEGINNING]


def _octal(field: bytes) -> int | None:
    if field[:1] in (b"\x80",):  # base 256, for what is too large
        return int.from_bytes(field[1:], "big")
    text = field.strip(b"\0 ")
    if not re.fullmatch(b"[0-7]*", text):  # int() would take a sign, too: a header that leads back
        return None
    return int(text, 8) if text else 0


def _looks(head: bytes) -> str:
    for pattern, words in _LOOKS:
        if re.match(pattern, head, re.IGNORECASE):
            return words
    text = b"\0" not in head
    return "a text file" if text else "data of an unknown kind"
