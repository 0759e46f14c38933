"""The facts about this machine: nested for programs, one a line for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from wherry.base.errors import NotFound
from wherry.cli import listing
from wherry.cli.grammar import Given

__all__ = ["camel", "show_host"]


def show_host(given: Given) -> int:
    """Print all facts, or with a word one, or one group."""
    from wherry.containers import World, diagnose

    facts = msgspec.to_builtins(diagnose(World(make_store=False)).machine)
    form = given.text("format")
    if form not in (None, "table") and not given.words:
        listing.show([camel(facts)], (), form)
        return 0
    rows = [{"Name": name, "Value": value} for name, value in _flat("", facts)]
    if given.words:
        rows = _chosen(rows, given.word)
        if len(rows) == 1 and form is None:
            print(_text(rows[0]["Value"]))
            return 0
    shown = rows if form == "json" else [{**row, "Value": _text(row["Value"])} for row in rows]
    listing.show(shown, (("FACT", "Name"), ("VALUE", "Value")), form)
    return 0


def camel(value: Any) -> Any:
    """The same with Docker's kind of names: ``mount_proc`` is ``MountProc``."""
    if isinstance(value, dict):
        return {"".join(part.capitalize() for part in key.split("_")): camel(inner) for key, inner in value.items()}
    return [camel(inner) for inner in value] if isinstance(value, list | tuple) else value


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else key, inner)
    elif isinstance(value, list | tuple) and value and isinstance(value[0], dict):
        for number, inner in enumerate(value):
            label = inner.get("purpose") or inner.get("name") if "kind" in inner or "path" in inner else ""
            yield from _flat(f"{name}.{label or number}", inner)
    else:
        yield name, value


def _chosen(rows: list[dict[str, Any]], wanted: str) -> list[dict[str, Any]]:
    names = [str(row["Name"]) for row in rows]
    chosen = [row for row in rows if row["Name"] == wanted or str(row["Name"]).startswith(f"{wanted}.")]
    if not chosen:
        import difflib

        near = difflib.get_close_matches(wanted, [*names, *(name.partition(".")[0] for name in names)], 1)
        hint = f"did you mean '{near[0]}'?" if near else "'wherry host' lists them all"
        raise NotFound(f"there is no fact '{wanted}'", hint=hint)
    return chosen


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(":".join(map(str, item)) if isinstance(item, list | tuple) else str(item) for item in value)
    return "" if value is None else str(value)
