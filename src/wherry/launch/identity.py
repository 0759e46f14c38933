"""Who the user is inside: ids, name, home, and the passwd and group files that say so.

Your uid inside is your uid outside. ``-u`` changes what is shown: the kernel maps one id of yours to the one asked for,
and files outside stay yours. With a subordinate range (subuid(5), ``--userns range``) other ids are really others.
"""

from __future__ import annotations

import msgspec

from wherry.base.decimals import decimal
from wherry.base.errors import HostLacks, NotFound, UsageError
from wherry.host import Host
from wherry.launch.options import RunOptions
from wherry.launch.surroundings import Surroundings
from wherry.launch.views import Image, Tree

__all__ = ["Person", "check_id", "resolve_person"]

_LIMIT = 4 << 20
_MAX_ID = 0xFFFF_FFFE


class Person(msgspec.Struct, frozen=True):
    """``passwd`` and ``group`` are whole files to bind over the image's, None where the image's own will do.

    ``is_caller``: no ``-u`` was given, and ``home`` is a private, empty one (or the caller's own with ``--home``).
    ``private_home``: ``home`` is to be made, 0700. ``is_other``: an id of the subordinate range, whose files are
    not the caller's. ``groups``: supplementary ones to set, empty where the caller's stay.
    """

    uid: int
    gid: int
    name: str
    home: str
    home_source: str
    is_caller: bool
    private_home: bool
    passwd: bytes | None
    group: bytes | None
    is_other: bool = False
    groups: tuple[int, ...] = ()


def resolve_person(
    options: RunOptions, image: Image, tree: Tree, host: Host, surroundings: Surroundings, *, home: bool
) -> Person:
    """Ids and names; raises :class:`NotFound` for a name that the image lacks, :class:`UsageError` for a bad id."""
    if surroundings.subordinate is None and not options.fakeroot:
        _check_groups(options)
    accounts = _records(tree.read("/etc/passwd", _LIMIT), 7)
    groups = _records(tree.read("/etc/group", _LIMIT), 4)
    asked = options.user
    if asked == "image":
        asked = image.config.config.user or "root"
    if not asked:
        found = _caller(options, tree, host, surroundings, accounts, groups, home=home)
    else:
        found = _other(options, asked, image, tree, host, surroundings, accounts, groups, home=home)
    if surroundings.subordinate is None and not options.fakeroot:
        return found
    return _with_groups(found, options, image, host, groups)


def _with_groups(person: Person, options: RunOptions, image: Image, host: Host, groups: list[list[str]]) -> Person:
    """Where ids are real: another user has the groups that the image gives it, as Docker does, and none of ours."""
    is_other = person.uid != 0 if options.fakeroot or options.as_built else person.uid not in (0, host.uid)
    added = [_group_id(name, name, image, groups) for name in options.group_add if name != "keep-groups"]
    keeps = "keep-groups" in options.group_add
    if keeps and added:
        raise HostLacks(
            "cannot keep your own groups and add others",
            why="yours are not mapped, and the kernel sets supplementary groups only all at once",
            hint="leave out one of them",
        )
    if is_other and not keeps:
        numbers = (decimal(record[2]) for record in groups if person.name in record[3].split(","))
        added += [number for number in numbers if number is not None]
    if not added and (keeps or not is_other):
        return msgspec.structs.replace(person, is_other=is_other)
    return msgspec.structs.replace(person, is_other=is_other, groups=tuple(dict.fromkeys((person.gid, *added))))


def _caller(
    options: RunOptions,
    tree: Tree,
    host: Host,
    surroundings: Surroundings,
    accounts: list[list[str]],
    groups: list[list[str]],
    *,
    home: bool,
) -> Person:
    folder = options.home_path or (host.home if home else f"/home/{host.user}")
    line = _account_line(host.user, host.uid, host.gid, folder, _shell(tree, host))
    passwd = [line, *_joined(accounts)]
    group = _missing_groups(host, host.gid, []) + _joined(groups)
    if surroundings.passwd:
        passwd = [line, *_merged(surroundings.passwd, accounts)]
    if surroundings.group:
        group = _merged(surroundings.group, groups)
        group = _missing_groups(host, host.gid, _split(surroundings.group)) + group
    return Person(
        uid=host.uid,
        gid=host.gid,
        name=host.user,
        home=folder,
        home_source="--home" if home else "built in",
        is_caller=True,
        private_home=not (home or options.home_path) or _is_empty(folder, options),
        passwd=_file(passwd),
        group=_file(group),
    )


def _other(
    options: RunOptions,
    asked: str,
    image: Image,
    tree: Tree,
    host: Host,
    surroundings: Surroundings,
    accounts: list[list[str]],
    groups: list[list[str]],
    *,
    home: bool,
) -> Person:
    user, _, group = asked.partition(":")
    account = _find(user, accounts)
    number = decimal(user)
    if number is not None:
        uid = check_id(number, asked)
    elif account is not None:
        uid = check_id(int(account[2]), asked)
    elif user == "root":
        uid = 0
    else:
        raise _no_such("user", user, image, [line[0] for line in accounts])
    own = 0 if uid == 0 or options.as_built else host.gid  # in an image nothing may be the builder's
    gid = _group_id(group, asked, image, groups) if group else _primary(account, own)
    named = account is not None
    name = account[0] if account is not None else ("root" if uid == 0 else host.user)
    folder = "/root" if uid == 0 else f"/home/{name}"
    if account is not None:
        folder = account[5] if account[5].startswith("/") else "/"
    if home:
        folder = host.home
    folder = options.home_path or folder
    line = _account_line(name, uid, gid, folder, _shell(tree, host))
    passwd: list[str] | None = None if named and not options.home_path else [line, *_joined(accounts)]
    groups_file: list[str] | None = None
    if surroundings.passwd:
        passwd = [line, *_merged(surroundings.passwd, accounts)]
    if surroundings.group:
        groups_file = _merged(surroundings.group, groups)
    return Person(
        uid=uid,
        gid=gid,
        name=name,
        home=folder,
        home_source="--home" if home else ("the image's passwd" if named else "built in"),
        is_caller=False,
        private_home=not (named or home or options.home_path or options.as_built) or _is_empty(folder, options),
        passwd=_file(passwd) if passwd is not None else None,
        group=_file(groups_file) if groups_file is not None else None,
    )


def _is_empty(home: str, options: RunOptions) -> bool:
    """Whether the home directory is one of those that are empty at first, and go with the container."""
    return any(target == home for target, _ in options.first_tmpfs)


def _check_groups(options: RunOptions) -> None:
    for name in options.group_add:
        if name != "keep-groups":
            raise HostLacks(
                f"cannot add the group '{name}'",
                why="a user may map no group but the primary one without a subordinate range (subgid)",
                hint="your own give access all the same (--group-add keep-groups); --userns range lets you add others",
            )


def _group_id(group: str, asked: str, image: Image, groups: list[list[str]]) -> int:
    found = _find(group, groups)
    number = decimal(group)
    if number is not None:
        return check_id(number, asked)
    if found is not None:
        return check_id(int(found[2]), asked)
    if group == "root":
        return 0
    raise _no_such("group", group, image, [line[0] for line in groups])


def _primary(account: list[str] | None, otherwise: int) -> int:
    number = decimal(account[3]) if account is not None else None
    return number if number is not None and number <= _MAX_ID else otherwise


def check_id(number: int, asked: str) -> int:
    """The number, if it can be an id (chown(2): all ones mean none); raises :class:`UsageError`."""
    if number > _MAX_ID:
        raise UsageError(f"'{asked}' is no user", why=f"ids go up to {_MAX_ID}")
    return number


def _no_such(kind: str, name: str, image: Image, known: list[str]) -> NotFound:
    import difflib

    if name in known:
        file = "passwd" if kind == "user" else "group"
        why = f"its line in the image's /etc/{file} is broken: it has no number"
        return NotFound(
            f"{kind} '{name}' of '{image.reference}' cannot be used", why=why, hint="give the number itself"
        )
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"give its number, as {1000 if kind == 'user' else 100}"
    return NotFound(f"there is no {kind} '{name}' in '{image.reference}'", hint=hint)


def _find(name: str, records: list[list[str]]) -> list[str] | None:
    """By name first, then by number, as Docker does."""
    for column in (0, 2):
        for record in records:
            if record[column] == name and decimal(record[2]) is not None:
                return record
    return None


def _shell(tree: Tree, host: Host) -> str:
    for shell in (host.shell, "/bin/bash", "/bin/sh"):
        if shell and tree.exists(shell):
            return shell
    return "/bin/sh"


def _account_line(name: str, uid: int, gid: int, home: str, shell: str) -> str:
    return f"{name}:x:{uid}:{gid}::{home}:{shell}"


def _missing_groups(host: Host, gid: int, known: list[list[str]]) -> list[str]:
    names = {record[0] for record in known}
    lines = []
    primary = host.group or host.user
    if primary not in names:
        lines.append(f"{primary}:x:{gid}:")
    for group in host.groups:
        if group.gid != gid and group.name and group.name not in names:
            lines.append(f"{group.name}:x:{group.gid}:{host.user}")
    return lines


def _merged(hosts: bytes, images: list[list[str]]) -> list[str]:
    """The host's lines, then those of the image whose names the host does not have."""
    ours = _split(hosts)
    names = {record[0] for record in ours}
    return _joined(ours) + [":".join(record) for record in images if record[0] not in names]


def _records(data: bytes | None, fields: int) -> list[list[str]]:
    return [record for record in _split(data or b"") if len(record) >= fields]


def _split(data: bytes) -> list[list[str]]:
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    return [line.split(":") for line in lines if line and line[0] not in "#+-"]


def _joined(records: list[list[str]]) -> list[str]:
    return [":".join(record) for record in records]


def _file(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")
