"""Users and groups by name, as an image's own files say; and the attribute by which an upper directory keeps owners."""

from __future__ import annotations

import os

import msgspec

from wherry.base.decimals import decimal
from wherry.base.errors import NotFound
from wherry.image import Tree

__all__ = ["OWNER", "Ids", "home_of", "ids_of", "set_owner"]

OWNER = "user.wherry.owner"
_LIMIT = 4 << 20


class Ids(msgspec.Struct, frozen=True):
    uid: int
    gid: int


def ids_of(text: str, tree: Tree, *, same_group: bool = False) -> Ids:
    """``user[:group]``, names or numbers (reference: USER; COPY, "--chown").

    Without a group it is the user's own: that of /etc/passwd, else 0; with ``same_group``, as of ``--chown``, a user
    that is a number has the group of that number (so does BuildKit). Raises :class:`NotFound` for a name that the image
    lacks.
    """
    user, colon, group = text.partition(":")
    accounts = _records(tree, "/etc/passwd", 4)
    number = decimal(user)
    account = next((record for record in accounts if record[0] == user), None)
    if account is None and number is not None:
        account = next((record for record in accounts if record[2] == user), None)
    if account is not None:
        uid, own = int(account[2]), int(account[3])
    elif number is not None:
        uid, own = number, 0
    elif user in ("", "root"):
        uid, own = 0, 0
    else:
        raise _missing("user", user, "passwd")
    if same_group and number is not None:
        own = uid
    return Ids(uid, _group(group, tree) if colon and group else own)


def home_of(text: str, tree: Tree) -> str:
    """The home directory of ``user[:group]`` as the image has it; root's is /root, one that is not named has ``/``."""
    user = text.partition(":")[0] or "root"
    for record in _records(tree, "/etc/passwd", 6):
        if user in (record[0], record[2]) and record[5].startswith("/"):
            return record[5]
    return "/root" if user in ("root", "0") else "/"


def _group(group: str, tree: Tree) -> int:
    number = decimal(group)
    if number is not None:
        return number
    for record in _records(tree, "/etc/group", 3):
        if record[0] == group:
            return int(record[2])
    if group == "root":
        return 0
    raise _missing("group", group, "group")


def _missing(kind: str, name: str, file: str) -> NotFound:
    return NotFound(
        f"there is no {kind} '{name}' in the image",
        why=f"its /etc/{file} does not name one",
        hint=f"make it before (RUN {'useradd' if kind == 'user' else 'groupadd'} {name}), or give its number",
    )


def _records(tree: Tree, path: str, fields: int) -> list[list[str]]:
    data = (tree.read(path, _LIMIT) or b"").decode("utf-8", "surrogateescape")
    lines = (line.split(":") for line in data.split("\n"))
    numbers = slice(2, 4) if fields >= 4 else slice(2, 3)
    return [line for line in lines if len(line) >= fields and all(decimal(part) is not None for part in line[numbers])]


def set_owner(path: str, ids: Ids, mode: int) -> None:
    """Note on a file or directory of an upper directory whose it is in the image; root's needs no note."""
    if ids != Ids(0, 0):
        os.setxattr(path, OWNER, f"{ids.uid}:{ids.gid}:{mode:o}".encode(), follow_symlinks=False)
