"""The settings as rows: name, value, where it comes from, its variable, what it means."""

from __future__ import annotations

from typing import Any

from wherry.base.errors import NotFound
from wherry.base.outside import Outside
from wherry.base.settings import Settings, Value, keys, load

__all__ = ["setting_rows", "unknown_variables"]

_NOT_SETTINGS = (
    *("WHERRY_DEBUG", "WHERRY_EXPLAIN", "WHERRY_FACE", "WHERRY_SITE_SETTINGS", "WHERRY_LAUNCHER", "WHERRY_UNPACK"),
)
"""Variables that steer Wherry itself, for those who look for a fault or develop it."""


def setting_rows(wanted: str) -> list[dict[str, Any]]:
    """All settings, or one section, or one setting; a registry's keys once for each registry that has any."""
    settings = load(Outside())
    rows = []
    for key in keys():
        for name in _names(settings, key.name):
            entry = settings.entries.get(name)
            rows.append(
                {
                    "Name": name,
                    "Value": _shown(entry.value if entry else key.default),
                    "Source": entry.source if entry else "built in",
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


def unknown_variables() -> list[str]:
    """Sentences about ``WHERRY_*`` variables of this environment that nobody reads: mostly slips of the pen."""
    import difflib
    import os

    settings = sorted(key.environment for key in keys() if key.environment)
    known = {*settings, *_NOT_SETTINGS}
    found = []
    for name in sorted(os.environ):
        if name.startswith("WHERRY_") and not name.startswith("WHERRY_TEST_") and name not in known:
            near = difflib.get_close_matches(name, settings, 1, 0.8)
            found.append(f"{name} is set, and nobody reads it" + (f": did you mean {near[0]}?" if near else ""))
    return found


def _names(settings: Settings, name: str) -> list[str]:
    if "*" not in name:
        return [name]
    section, _, last = name.partition(".*.")
    found = [known for known in settings.entries if known.startswith(f"{section}.") and known.endswith(f".{last}")]
    return [known for known in found if known != f"{section}.{last}"] or [name]


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)
