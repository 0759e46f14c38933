"""``--dry-run`` of the verbs that change something: what would change, as a table for people, as JSON for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from wherry.base.errors import WherryError
from wherry.cli import listing

if TYPE_CHECKING:
    from wherry.containers import Change
    from wherry.launch import LaunchPlan

__all__ = ["foresee", "foresee_each", "show_changes", "show_plan"]

_COLUMNS = (("ACTION", "Action"), ("WHAT", "Kind"), ("NAME", "Name"), ("TARGET", "Target"), ("SIZE", "Size"))


def foresee(changes: Iterable[Change], form: str | None) -> int:
    """Show what would change."""
    show_changes(list(changes), form)
    return 0


def foresee_each(names: Iterable[str], plan: Callable[[str], Iterable[Change]], form: str | None) -> int:
    """The same of several names, each tried; the first failure's status, as the verb itself would give it."""
    from wherry.cli.main import complain

    changes: list[Change] = []
    status = 0
    for name in names:
        try:
            changes += plan(name)
        except WherryError as error:
            failed = complain(error)
            status = status or failed
    if changes or not status:
        show_changes(changes, form)
    return status


def show_changes(changes: list[Change], form: str | None) -> None:
    if changes or form not in (None, "table", ""):
        listing.show(map(_row, changes), _COLUMNS, form)
    else:
        print("nothing would change")


def show_plan(plan: LaunchPlan, command: tuple[str, ...], form: str | None) -> None:
    """The plan of a start, as JSON or step by step."""
    from wherry.launch import show, show_json

    print(show_json(plan).decode() if form == "json" else show(plan, command).rstrip("\n"))


def _row(change: Change) -> dict[str, Any]:
    return {
        "Action": change.action,
        "Kind": change.kind,
        "Name": change.name,
        "Target": change.target,
        "Digest": change.digest,
        "Size": "" if change.bytes is None else listing.bytes_for_people(change.bytes),
        "Bytes": change.bytes,
    }
