"""Names on disk: the path below ``names/`` is the reference.

``names/REGISTRY/REPOSITORY.../:TAG``. The colon keeps the tag ``c`` of ``a/b`` apart from the repository ``a/b/c``;
it can begin neither a registry nor a part of a repository. A file has three lines: the manifest's digest, the digest
of the index that it was chosen from (or nothing), the platform (or nothing).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from wherry.base.digest import Digest
from wherry.base.errors import InvalidName
from wherry.base.reference import Reference
from wherry.store.values import Name

__all__ = ["decode", "encode", "path_of", "reference_of", "walk"]


def path_of(ref: Reference) -> str:
    """The path below ``names/``; ``ref`` must have a tag."""
    if not ref.tag:
        raise InvalidName(f"'{ref}' has no tag", why="only a reference with a tag is a name")
    return f"{ref.registry}/{ref.repository}/:{ref.tag}"


def reference_of(path: str) -> Reference | None:
    """The reference of a path below ``names/``; None for what is no name."""
    folder, separator, tag = path.rpartition("/:")
    registry, slash, repository = folder.partition("/")
    if not (separator and slash and tag and registry and repository) or "/" in tag:
        return None
    return Reference(registry, repository, tag)


def encode(name: Name) -> bytes:
    return f"{name.digest}\n{name.index or ''}\n{name.platform}\n".encode()


def decode(data: bytes) -> Name | None:
    """None when it is not whole (as after a crash of a file system that does not keep its promises)."""
    lines = data.decode(errors="replace").split("\n")
    if len(lines) != 4:
        return None
    try:
        return Name(Digest.parse(lines[0]), Digest.parse(lines[1]) if lines[1] else None, lines[2])
    except InvalidName:
        return None


def walk(folder: str) -> Iterator[str]:
    """The paths of all names below ``folder`` (``names/``), sorted within each folder."""
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            with os.scandir(f"{folder}/{prefix}" if prefix else folder) as entries:
                found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name, is_folder in reversed(found):
            if is_folder:
                pending.append(f"{prefix}{name}/")
        for name, is_folder in found:
            if not is_folder and name.startswith(":") and prefix:
                yield prefix + name
