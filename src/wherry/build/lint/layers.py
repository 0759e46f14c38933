"""Rules on layers: what is deleted too late, copied twice, or could be one step."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.build.dockerfile.instructions import Add, Copy, Run
from wherry.build.lint.values import Found, Rule
from wherry.build.lint.view import Command, RunView, View, literal

__all__ = ["RULES"]

_ARCHIVE = re.compile(r"\.(?:tar|tar\.(?:gz|bz2|xz|zst|lzma|Z)|t?gz|tgz|tbz2?|txz|tzst|bz2|xz)$", re.IGNORECASE)
_QUIET = frozenset(("set", "cd", "echo", "true", ":", "export", "printf", "sync"))


def _is_deletion(command: Command) -> bool:
    name, arguments = command.call.name, command.call.arguments
    if name in ("rm", "rmdir", "unlink", "shred"):
        return True
    if name in (
        "apt-get",
        "apt",
        "aptitude",
        "yum",
        "dnf",
        "microdnf",
        "zypper",
        "conda",
        "mamba",
        "micromamba",
        "npm",
        "pip",
        "pip3",
        "yarn",
    ):
        operands = [word for word in arguments if word[:1] != "-"]
        return operands[:1] in (
            ["clean"],
            ["autoclean"],
            ["autoremove"],
            ["cc"],
            ["remove"],
            ["purge"],
            ["uninstall"],
            ["erase"],
        ) or operands[:2] in (
            ["cache", "clean"],
            ["cache", "purge"],
        )
    if name == "apk":
        return "del" in arguments
    return name == "find" and ("-delete" in arguments or "rm" in arguments)


def _deletions(view: View) -> Iterator[Found]:
    for stage in view.stages[-1].lineage() if view.stages else ():
        for run in stage.runs:
            real = [
                command
                for command in run.commands
                if command.call.name not in ("", *_QUIET) and not command.call.nested
            ]
            if not real or not all(map(_is_deletion, real)) or _only_mounted(run):
                continue
            message = "this step only deletes: the files stay in the layers before, and are still pulled"
            hint = "delete in the RUN that made them, or COPY --from a stage only what is needed"
            yield Found(real[0].position, message, hint)


def _only_mounted(run: RunView) -> bool:
    return any(mount.type == "cache" for mount in run.run.mounts)


def _consecutive(view: View) -> Iterator[Found]:
    for stage in view.stages[-1].lineage() if view.stages else ():
        previous: Run | None = None
        count = 0
        for instruction in (*stage.instructions, None):
            if (
                isinstance(instruction, Run)
                and not instruction.mounts
                and not instruction.heredocs
                and len(instruction.text) < 4000
            ):
                count += 1
                previous = previous or instruction
                continue
            if previous is not None and count > 2:
                message = f"{count} RUN instructions follow one another"
                yield Found(previous.position, message, "RUN first && second, or a heredoc: RUN <<EOF")
            previous, count = None, 0


def _archive_copied(view: View) -> Iterator[Found]:
    for stage in view.stages:
        for copy in stage.of(Copy):
            for source in copy.sources:
                name = (literal(source) or "").rpartition("/")[2]
                if not _ARCHIVE.search(name) or copy.from_:
                    continue
                unpacked = any(
                    command.call.name in ("tar", "bsdtar", "gunzip")
                    and any(word.rpartition("/")[2] == name for word in command.call.arguments)
                    for run in stage.runs
                    if run.run.position > copy.position
                    for command in run.commands
                )
                if unpacked:
                    message = f"'{source}' is copied, then unpacked: both are in the image"
                    yield Found(view.at(copy, source), message, f"ADD {source} DIRECTORY/ unpacks it in one step")


def _add(view: View) -> Iterator[Found]:
    remote = re.compile(r"[a-z][a-z0-9+.-]*://|git@", re.IGNORECASE)
    for stage in view.stages:
        for add in stage.of(Add):
            for source in add.sources:
                plain = literal(source)
                if (
                    plain is None
                    or remote.match(plain)
                    or _ARCHIVE.search(plain)
                    or "*" in plain
                    or add.unpack is not None
                ):
                    continue
                yield Found(
                    view.at(add, source),
                    f"ADD of '{source}' does what COPY does",
                    "COPY: it never unpacks or downloads by surprise",
                )


def _owned_again(view: View) -> Iterator[Found]:
    for run in view.runs:
        real = [command for command in run.commands if command.call.name not in ("", *_QUIET)]
        if real and all(
            command.call.name in ("chown", "chmod", "chgrp") and _is_recursive(command) for command in real
        ):
            name = "--chmod" if real[0].call.name == "chmod" else "--chown"
            message = f"{real[0].call.name} in a step of its own stores every file a second time"
            yield Found(real[0].position, message, f"COPY {name}=..., or in the RUN that made the files")


def _is_recursive(command: Command) -> bool:
    return any(word == "--recursive" or re.fullmatch(r"-[a-zA-Z]*R[a-zA-Z]*", word) for word in command.call.arguments)


RULES = (
    Rule(
        "only-deletes",
        (),
        "warning",
        "a layer only deletes files of the layers before",
        "deleted files are hidden, not gone: the image stays as big, and who has it can still read them",
        _deletions,
    ),
    Rule(
        "consecutive-runs",
        ("DL3059",),
        "info",
        "several RUN instructions follow one another",
        "each makes a layer; files that one makes and another deletes stay",
        _consecutive,
    ),
    Rule(
        "archive-copied",
        ("DL3010",),
        "info",
        "an archive is copied, then unpacked",
        "the archive stays in its layer beside what came out of it",
        _archive_copied,
    ),
    Rule(
        "add-for-copy",
        ("DL3020",),
        "warning",
        "ADD is used where COPY does the same",
        "ADD unpacks archives and downloads addresses: a file that is renamed changes what it does",
        _add,
    ),
    Rule(
        "owner-in-own-layer",
        (),
        "info",
        "owners or modes are changed in a step of their own",
        "a layer holds whole files: each one that is changed is stored, pulled and unpacked twice",
        _owned_again,
    ),
)
