"""Containers as rows, with the field names and headings of ``docker ps``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from wherry.base.errors import UsageError
from wherry.cli import listing
from wherry.cli.grammar import Given
from wherry.cli.naming import familiar

if TYPE_CHECKING:
    from wherry.containers import ContainerSummary

__all__ = ["container_rows"]

_FILTERS = ("name", "id", "label", "status", "exited", "ancestor", "node")
_STATES = ("created", "running", "exited", "lost", "elsewhere")
_DOCKERS_STATES = ("paused", "restarting", "removing", "dead")
"""Scripts ask for them; no container of Wherry's is ever in one."""


def container_rows(given: Given) -> list[dict[str, Any]]:
    """What ``ps`` shows: those that run, or all, youngest first, that fit every ``--filter``."""
    from wherry import containers

    last = 1 if given.flag("latest") else given.number("last")
    filters = [_filter(text) for text in given.many("filter")]
    everything = given.flag("all") or last is not None or any(key in ("status", "exited") for key, _ in filters)
    found = [
        summary
        for summary in containers.ps(all=everything)
        if all(_fits(summary, key, value) for key, value in filters)
    ]
    if last is not None and last >= 0:
        found = found[:last]
    return [_row(summary, whole=given.flag("no_trunc")) for summary in found]


def _filter(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if key not in _FILTERS or not equals:
        raise UsageError(f"'--filter {text}' is not understood", hint=f"KEY=VALUE, KEY one of {', '.join(_FILTERS)}")
    if key == "status" and value not in (*_STATES, *_DOCKERS_STATES):
        raise UsageError(f"there is no state '{value}'", hint=f"the states are: {', '.join(_STATES)}")
    return key, value


def _fits(summary: ContainerSummary, key: str, value: str) -> bool:
    if key == "name":
        return any(value in name for name in summary.names)
    if key == "id":
        return summary.id.startswith(value)
    if key == "status":
        return summary.state == value
    if key == "exited":
        return summary.state == "exited" and str(summary.exit_code) == value
    if key == "node":
        return summary.node == value
    if key == "ancestor":
        known = (summary.image, summary.image_digest)
        return value in known or familiar(value) == familiar(summary.image) or _is_digest(value, summary.image_digest)
    name, equals, wanted = value.partition("=")
    return name in summary.labels and (not equals or summary.labels[name] == wanted)


def _is_digest(value: str, digest: str) -> bool:
    return len(value) >= 6 and digest.removeprefix("sha256:").startswith(value)


def _row(summary: ContainerSummary, *, whole: bool) -> dict[str, Any]:
    command = listing.shortened(shlex.join(summary.command), 20, whole=whole)
    return {
        "ID": summary.id if whole else summary.id[:12],
        "Image": familiar(summary.image),
        "Command": f'"{command}"',
        "CreatedAt": summary.created,
        "RunningFor": listing.since(summary.created),
        "State": summary.state,
        "Status": summary.status,
        "Names": ",".join(summary.names),
        "Labels": ",".join(f"{name}={value}" for name, value in sorted(summary.labels.items())),
        "ExitCode": summary.exit_code,
        "Pid": summary.pid,
        "Node": summary.node,
        "Kept": summary.kept,
    }
