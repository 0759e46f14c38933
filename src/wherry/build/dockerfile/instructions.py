"""The instructions of a Dockerfile as frozen values: what was written, where, and nothing expanded yet.

A *word* is a text as it stands in the recipe, quotes, escapes and ``$`` included; :mod:`.expansion` makes values of
words. Lines and columns are counted from 1; a column counts characters.
"""

from __future__ import annotations

import msgspec

__all__ = [
    "Add",
    "Arg",
    "Cmd",
    "Command",
    "Copy",
    "Directives",
    "Entrypoint",
    "Env",
    "Expose",
    "From",
    "Healthcheck",
    "Heredoc",
    "Instruction",
    "Label",
    "Maintainer",
    "Mount",
    "Onbuild",
    "Pair",
    "Position",
    "Recipe",
    "Run",
    "Shell",
    "Stage",
    "StopSignal",
    "User",
    "Volume",
    "Workdir",
]


class Position(msgspec.Struct, frozen=True, order=True):
    """Where something begins in the recipe."""

    line: int
    column: int = 1


class Heredoc(msgspec.Struct, frozen=True):
    """``<<NAME``: ``content`` as it stands, the last line break included; tabs are taken off already for ``<<-``.

    ``expand``: the name was not quoted, so variables in ``content`` count. ``descriptor`` is the number before ``<<``.
    """

    name: str
    content: str
    expand: bool = True
    dedent: bool = False
    descriptor: int = 0


class Pair(msgspec.Struct, frozen=True):
    """``NAME=VALUE`` of ARG, ENV and LABEL, both as words; ``value`` None: an ARG without a default."""

    name: str
    value: str | None = None


class Command(msgspec.Struct, frozen=True):
    """The exec form (``words``: the JSON list) or the shell form (``text``: for the shell, as it stands but for joined
    lines and comments between them)."""

    words: tuple[str, ...] | None = None
    text: str = ""


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """``RUN --mount``; all texts are words. ``type`` is bind, cache, tmpfs, secret or ssh."""

    type: str = "bind"
    target: str = ""
    source: str = ""
    from_: str = ""
    read_only: bool | None = None  # None: not said; a bind mount is read-only, a cache is not
    id: str = ""
    sharing: str = "shared"  # cache: shared, private or locked
    mode: str = ""
    uid: str = ""
    gid: str = ""
    size: str = ""
    required: bool = False
    env: str = ""


class Instruction(msgspec.Struct, frozen=True, kw_only=True, tag_field="instruction"):
    """What all have: where it begins and ends, and ``text``, its logical line (lines joined, comments out, heredocs'
    contents not in it), for messages and history. ``heredocs`` are in order."""

    position: Position
    last_line: int
    text: str
    heredocs: tuple[Heredoc, ...] = ()


class From(Instruction, frozen=True, kw_only=True, tag="FROM"):
    image: str
    platform: str = ""
    name: str = ""


class Arg(Instruction, frozen=True, kw_only=True, tag="ARG"):
    pairs: tuple[Pair, ...]


class Env(Instruction, frozen=True, kw_only=True, tag="ENV"):
    pairs: tuple[Pair, ...]
    legacy: bool = False  # ``ENV NAME VALUE``


class Label(Instruction, frozen=True, kw_only=True, tag="LABEL"):
    pairs: tuple[Pair, ...]
    legacy: bool = False


class Run(Instruction, frozen=True, kw_only=True, tag="RUN"):
    """``command.text`` keeps ``<<NAME`` words of heredocs; a command that is nothing but one heredoc is a script."""

    command: Command
    mounts: tuple[Mount, ...] = ()
    network: str = ""  # default, none, host
    security: str = ""  # sandbox, insecure
    devices: tuple[str, ...] = ()  # words: a CDI name, perhaps with ``,required``


class Copy(Instruction, frozen=True, kw_only=True, tag="COPY"):
    """``sources`` without those that are heredocs: these are in ``heredocs``, and a file of each name is made."""

    sources: tuple[str, ...]
    target: str
    from_: str = ""
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()


class Add(Instruction, frozen=True, kw_only=True, tag="ADD"):
    sources: tuple[str, ...]
    target: str
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str = ""
    keep_git_dir: bool = False
    unpack: bool | None = None  # None: local archives are unpacked, downloaded ones are not


class Cmd(Instruction, frozen=True, kw_only=True, tag="CMD"):
    command: Command


class Entrypoint(Instruction, frozen=True, kw_only=True, tag="ENTRYPOINT"):
    command: Command


class Shell(Instruction, frozen=True, kw_only=True, tag="SHELL"):
    words: tuple[str, ...]


class Workdir(Instruction, frozen=True, kw_only=True, tag="WORKDIR"):
    path: str


class User(Instruction, frozen=True, kw_only=True, tag="USER"):
    user: str


class Expose(Instruction, frozen=True, kw_only=True, tag="EXPOSE"):
    ports: tuple[str, ...]


class Volume(Instruction, frozen=True, kw_only=True, tag="VOLUME"):
    paths: tuple[str, ...]


class StopSignal(Instruction, frozen=True, kw_only=True, tag="STOPSIGNAL"):
    signal: str


class Healthcheck(Instruction, frozen=True, kw_only=True, tag="HEALTHCHECK"):
    """``command`` None: NONE. Durations are words as written (``30s``); empty: not said."""

    command: Command | None
    interval: str = ""
    timeout: str = ""
    start_period: str = ""
    start_interval: str = ""
    retries: str = ""


class Onbuild(Instruction, frozen=True, kw_only=True, tag="ONBUILD"):
    """``trigger`` is the instruction as text; it is read when another image is built from this one."""

    trigger: str


class Maintainer(Instruction, frozen=True, kw_only=True, tag="MAINTAINER"):
    name: str


class Stage(msgspec.Struct, frozen=True):
    """A FROM and what follows it."""

    source: From
    instructions: tuple[Instruction, ...] = ()


class Directives(msgspec.Struct, frozen=True):
    """Parser directives; empty: not said. ``check`` is as written (``skip=A,B;error=true``)."""

    syntax: str = ""
    escape: str = "\\"
    check: str = ""


class Recipe(msgspec.Struct, frozen=True):
    """A Dockerfile: ``name`` as messages say it, ``lines`` as they are, without line ends; ``args`` stand before the
    first FROM; ``comments`` are (line, text) without ``#``."""

    name: str
    lines: tuple[str, ...]
    directives: Directives
    args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    comments: tuple[tuple[int, str], ...] = ()
