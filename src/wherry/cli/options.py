"""The options that several verbs share, as data; those of a start are Docker's, and what science adds.

What only Docker knows is in ``refused``, with the reason and what to do instead.
"""

from __future__ import annotations

from wherry.cli.grammar import Option

__all__ = [
    "AUTHFILE",
    "CHANGES",
    "CHECKSUM",
    "DRY_RUN",
    "EXEC",
    "FORMAT",
    "NO_TRUNC",
    "PLAN",
    "PLATFORM",
    "QUIET",
    "SECTIONS",
    "START",
    "STREAMS",
]

FORMAT = Option(
    ("--format",), "table, json, or a template as '{{.Name}}: {{.Size}}'", "text", "table|json|TEMPLATE", empty=True
)
NO_TRUNC = Option(("--no-trunc",), "show long values whole")
QUIET = Option(("-q", "--quiet"), "no progress, print only the result")
DRY_RUN = Option(("--dry-run",), "show what would be done and do nothing")
CHANGES = (
    DRY_RUN,
    Option(("--format",), "how --dry-run shows it", "text", "table|json|TEMPLATE", empty=True),
)
"""Of the verbs that change something."""

PLAN = (
    DRY_RUN,
    Option(("--format",), "how --dry-run prints the plan", "text", "table|json", ("table", "json")),
)
"""Of the verbs that start something."""
CHECKSUM = Option(
    ("--checksum",), "what the file or URL must have, as sha256:HEX; also written URL#sha256=HEX", "text", "SHA256"
)
AUTHFILE = Option(
    ("--authfile",), "take credentials from FILE instead of ~/.docker/config.json", "text", "FILE", complete="file"
)
PLATFORM = Option(
    ("--platform",), "operating system and architecture of the image, as linux/arm64", "text", "OS/ARCH[/VARIANT]"
)

STREAMS = (
    Option(("-i", "--interactive"), "pass standard input on to the command"),
    Option(("-t", "--tty"), "give the command a terminal"),
)

_ENVIRONMENT = (
    Option(
        ("-e", "--env"), "set NAME to VALUE; NAME alone takes the caller's value at each start", "many", "NAME[=VALUE]"
    ),
    Option(("--env-file",), "read NAME=VALUE lines from FILE", "many", "FILE", complete="file"),
    Option(("-w", "--workdir"), "directory in the container to start in", "text", "DIR"),
    Option(
        ("-u", "--user"),
        "user to appear as: a number, a name in the image, root, or image (its own)",
        "text",
        "USER[:GROUP]",
    ),
)

_OWN = (
    Option(("--here",), "bind the current directory at the same path and start in it"),
    Option(("--home",), "bind your home directory (default: an empty private one)"),
    Option(("--no-here",), "do not bind the current directory, though the settings' profile says so"),
    Option(("--no-home",), "do not bind your home directory, though the settings' profile says so"),
    Option(
        ("--installed",),
        "as if the image's programs were installed here: your files at their places, your directory and environment",
    ),
    Option(("--hostauth",), "show the host's users and groups (/etc/passwd, /etc/group) instead of only you"),
)

_FILES = (
    Option(
        ("-v", "--volume"),
        "bind the host's SRC at DST; OPTIONS: ro, rw, private, slave, rprivate, rslave, z, Z",
        "many",
        "SRC:DST[:OPTIONS]",
        complete="file",
    ),
    Option(
        ("--mount",), "bind or tmpfs mount, as type=bind,source=/data,target=/data,readonly", "many", "KEY=VALUE,..."
    ),
    Option(("--tmpfs",), "a directory in memory at DST", "many", "DST[:OPTIONS]"),
    Option(("--read-only",), "make the container's root read-only (its files are then read as fast as any)"),
)

_IDENTITY = (
    Option(("--name",), "name the container, and keep it until 'wherry rm'", "text", "NAME"),
    Option(("-h", "--hostname"), "host name inside", "text", "NAME"),
    Option(("-l", "--label"), "keep NAME=VALUE with the container and its record", "many", "NAME=VALUE"),
    Option(("--cidfile",), "write the container's id to FILE, which must not exist", "text", "FILE", complete="file"),
)

_RULES = (
    Option(
        ("--entrypoint",), "run PROGRAM instead of the image's entry point ('' for none)", "text", "PROGRAM", empty=True
    ),
    Option(("--network",), "host, or none for a network with only a loopback", "text", "host|none", ("host", "none")),
    Option(
        ("--engine",),
        "how the container is made: auto, namespace, proot, fakechroot, oci or site (default: the setting run.engine)",
        "text",
        "ENGINE",
        complete="engine",
    ),
    Option(
        ("--writable-copy",),
        "where the image would be shown read-only: give the container a private copy of its files",
    ),
    Option(
        ("--userns",),
        "ids of the container: one (yours alone), or range (your subordinate ids too: -u, chown, groups are real)",
        "text",
        "one|range",
        complete="userns",
    ),
    Option(
        ("--fakeroot",),
        "as root, or as -u says: changes of owner, devices and other ids seem to work, and are remembered",
    ),
    Option(
        ("--group-add",),
        "keep-groups: your own supplementary groups, which you keep anyway; with --userns range: a group of the image",
        "many",
        "GROUP",
    ),
    Option(("-m", "--memory"), "memory that it may use, as 512m or 4g; it is ended above it", "text", "SIZE"),
    Option(("--memory-swap",), "memory and swap space together; -1: any of the latter", "text", "SIZE"),
    Option(("--cpus",), "processors' time that it may use, as 1.5", "text", "NUMBER"),
    Option(("--pids-limit",), "processes and threads that it may have", "text", "NUMBER"),
    Option(("--ulimit",), "resource limit, not above your own, as nofile=1024:4096", "many", "NAME=SOFT[:HARD]"),
    Option(
        ("--stop-signal",), "signal that asks the command to end (default: the image's, else TERM)", "text", "SIGNAL"
    ),
    Option(("--init",), "accepted for Docker's sake: Wherry's own init always runs and reaps"),
    Option(("--preserve-fd",), "pass the open file descriptor N on to the command", "many", "N[,N...]"),
    Option(("--security-opt",), "seccomp=FILE, seccomp=unconfined, or no-new-privileges (always on)", "many", "OPTION"),
    Option(
        ("--pull",),
        "ask the registry: when the image is missing, always, or never",
        "text",
        "missing|always|never",
        ("missing", "always", "never"),
    ),
    PLATFORM,
)

START: tuple[Option, ...] = (*_OWN, *_FILES, *_ENVIRONMENT, *STREAMS, *_IDENTITY, *_RULES, *PLAN)
"""The options of ``create`` and ``shell``; ``run`` adds ``-d`` and ``--rm``."""

EXEC: tuple[Option, ...] = (
    *STREAMS,
    *_ENVIRONMENT,
    Option(("-d", "--detach"), "run in the background"),
    *PLAN,
)

SECTIONS: tuple[tuple[str, tuple[Option, ...]], ...] = (
    ("Yours", _OWN),
    ("Files", _FILES),
    ("Environment and user", _ENVIRONMENT),
    ("Streams", STREAMS),
    ("Name and notes", _IDENTITY),
    ("Image, command, limits", _RULES),
    ("Looking ahead", PLAN),
)
"""How the help groups the options of a start."""
