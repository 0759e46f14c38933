"""The JSON that a plan carries for the execution record, and for those who join the container later."""

from __future__ import annotations

import msgspec

from wherry.host import Host
from wherry.launch.confine import capability_bits
from wherry.launch.identity import Person
from wherry.launch.options import RunOptions
from wherry.launch.plan import Kept, LaunchPlan, Operation
from wherry.launch.views import Image

__all__ = ["Bounds", "Joinable", "Membership", "Wrapped", "exec_fragment", "fragment_of", "joinable_of"]
__all__ += ["wrapped_in", "wrapped_of"]


class Joinable(msgspec.Struct, frozen=True):
    """What ``exec`` must know of a running container: the member ``join`` of its RUNNING file's start line.

    ``directory`` may begin with the slot of the current directory: then the start line's ``cwd`` stands for it.
    ``environment`` are the ENV records as (kind, fields). ``seccomp`` as in :class:`RunOptions`; ``profile`` is that
    file's content. ``groups`` are those that were set. ``ranged``: other ids than the caller's are mapped.
    ``capabilities``: the bits that root has, where they are not the usual ones.
    """

    uid: int
    gid: int
    user: str
    directory: str
    environment: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]
    seccomp: str = ""
    profile: str = ""
    groups: tuple[int, ...] = ()
    ranged: bool = False
    capabilities: int | None = None


class Bounds(msgspec.Struct, frozen=True, omit_defaults=True):
    """What ``exec`` must repeat, and ``group``, the folder in which the container's control group is (empty where that
    is not known before the start): the member ``bounds`` of a RUNNING file's start line."""

    nproc: int = 0
    affinity: bool = False
    group: str = ""


class Wrapped(msgspec.Struct, frozen=True):
    """How a program of the host enters the root of a container without namespaces.

    ``argv`` and ``variables`` are those of WRAP (ops.def), with slots; ``inside``: with INSIDE. Its scratch folder is
    in one of ``parents``. ``lacking``: system calls that must seem not to be there. ``root`` is its tree, and ``shown``
    maps paths of the host to where they appear, later ones over earlier. ``handed``: with HANDOVER, whose words come
    behind ``argv``; ``filtered``: the program installs the filter.
    """

    argv: tuple[str, ...]
    variables: tuple[str, ...]
    parents: tuple[str, ...]
    inside: bool = False
    root: str = ""
    lacking: tuple[str, ...] = ()
    shown: tuple[tuple[str, str], ...] = ()
    handed: bool = False
    filtered: bool = False


class _JoinableByWrap(Joinable, frozen=True):
    wrapped: Wrapped | None = None


class Membership(msgspec.Struct, frozen=True):
    """The part of a RUNNING file's start line that joining needs: ``msgspec.json.decode(details, type=Membership)``."""

    id: str
    cwd: str
    namespaces: int
    join: _JoinableByWrap
    engine: str = "namespace"
    image: str = ""
    image_digest: str = ""
    name: str = ""
    bounds: Bounds = Bounds()


class _Start(msgspec.Struct, frozen=True, omit_defaults=True):
    """:class:`wherry.base.record.StartLine` without what the launcher writes itself."""

    verb: str
    image: str
    image_digest: str
    uid: int
    user: str
    node: str
    wherry: str
    engine: str
    name: str = ""
    boot_id: str = ""
    stop_signal: str = ""
    container: str = ""
    labels: dict[str, str] = {}
    resources: dict[str, int | float] = {}


def fragment_of(
    options: RunOptions,
    image: Image,
    host: Host,
    kept: Kept | None,
    person: Person,
    version: str,
    engine: str = "namespace",
) -> str:
    """The members of the start line that planning knows, without braces."""
    start = _Start(
        verb=kept.verb if kept else ("shell" if options.shell else "run"),
        image=image.reference,
        image_digest=str(image.digest) if image.digest.hex.strip("0") else "",  # what was not measured has none
        uid=host.uid,
        user=host.user,
        node=host.node,
        wherry=version,
        engine=engine,
        name=(kept.name if kept else options.name) or "",
        boot_id=host.boot_id,
        stop_signal=options.stop_signal or image.config.config.stop_signal or "",
        labels=dict(options.labels),
        resources=options.limits,
    )
    return _text(start)[1:-1]


def joinable_of(
    options: RunOptions,
    person: Person,
    directory: str,
    environment: list[Operation],
    profile: bytes,
    *,
    wrapped: Wrapped | None = None,
    ranged: bool = False,
) -> str:
    """A :class:`Joinable` as JSON text."""
    records = tuple((record.kind, _lists(record)) for record in environment)
    text = profile.decode("utf-8", "replace")
    changed = bool(options.cap_add or options.cap_drop)
    bits = capability_bits(0, options.cap_add, options.cap_drop) if changed else None
    fields = (person.uid, person.gid, person.name, directory, records, options.seccomp or "", text)
    if wrapped is not None:
        return _text(_JoinableByWrap(*fields, wrapped=wrapped))
    return _text(Joinable(*fields, person.groups, ranged, bits))


class _Line(msgspec.Struct):
    join: _JoinableByWrap


def wrapped_of(plan: LaunchPlan) -> Wrapped | None:
    """How a container of this plan would be entered, None where it gets namespaces."""
    return wrapped_in("{" + str(plan.find("RUNNING")[0].fields[1]) + "}")


def wrapped_in(line: str) -> Wrapped | None:
    """The member of a start line that says it, None where there is none."""
    return msgspec.json.decode(line, type=_Line).join.wrapped


def exec_fragment(membership: Membership, host: Host, version: str) -> str:
    """The members of the start line of an ``exec``; ``container`` is the id of the container that is joined."""
    start = _Start(
        verb="exec",
        image=membership.image,
        image_digest=membership.image_digest,
        uid=host.uid,
        user=host.user,
        node=host.node,
        wherry=version,
        engine=membership.engine,
        name=membership.name,
        boot_id=host.boot_id,
        container=membership.id,
    )
    return _text(start)[1:-1]


def _lists(record: Operation) -> tuple[tuple[str, ...], ...]:
    return tuple(field for field in record.fields if isinstance(field, tuple))


def _text(value: msgspec.Struct) -> str:
    # Names that are not UTF-8 cannot be in JSON; they are shown with a question mark.
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        plain = msgspec.convert(_cleaned(msgspec.to_builtins(value)), type(value))
        return msgspec.json.encode(plain).decode()


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(found) for key, found in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cleaned(found) for found in value]
    return value
