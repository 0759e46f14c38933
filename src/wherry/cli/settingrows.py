"""The settings as rows: name, value, where it comes from, its variable, what it means."""

from __future__ import annotations

from typing import Any

from wherry.base.errors import NotFound
from wherry.base.outside import Outside
from wherry.base.settings import Settings, Value, keys, load

__all__ = ["setting_rows"]


def setting_rows(wanted: str) -> list[dict[str, Any]]:
    """All settings, or one section, or one setting; a registry's keys appear once for each registry that has any."""
    settings = load(Outside())
    rows = []
    for key in keys():
        for name in _names(settings, key.name):
            entry = settings.entries[name]
            rows.append(
                {
                    "Name": name,
                    "Value": _shown(entry.value),
                    "Source": entry.source,
                    "Variable": key.environment,
                    "Kind": key.kind,
                    "Help": key.help,
                    "Project": key.project,
                }
            )
    chosen = [row for row in rows if wanted in ("", row["Name"]) or str(row["Name"]).startswith(f"{wanted}.")]
    if not chosen:
        import difflib

        names = [str(row["Name"]) for row in rows]
        sections = list(dict.fromkeys(name.partition(".")[0] for name in names))
        near = difflib.get_close_matches(wanted, [*names, *sections], 1)
        hint = f"did you mean '{near[0]}'?" if near else "'wherry settings' lists them all"
        raise NotFound(f"there is no setting '{wanted}'", hint=hint)
    return chosen


def _names(settings: Settings, name: str) -> list[str]:
    if "*" not in name:
        return [name]
    section, _, last = name.partition(".*.")
    return [known for known in settings.entries if known.startswith(f"{section}.") and known.endswith(f".{last}")]


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)
