"""How long a detached process lives: the batch job, the login session and systemd-logind have a say."""

from __future__ import annotations

import os

from wherry.host.facts import Batch, Survival
from wherry.host.switches import read_text

__all__ = ["find_survival", "kills_leftovers"]

_FOLDERS = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd", "/lib/systemd")
_LINGER = "/var/lib/systemd/linger"


def find_survival(user: str, batch: Batch, outer: str) -> Survival:
    """Who ends what nobody waits for; without a word from anyone it stays until the machine stops."""
    linger = bool(user) and os.path.exists(f"{_LINGER}/{user}")
    logind = os.path.isdir("/run/systemd/sessions")
    kills = logind and kills_leftovers(_configuration(), user)
    if batch.job:
        return Survival(
            "job", f"this is inside the {batch.system} job {batch.job}, which ends its processes", linger, kills
        )
    if outer:
        named = "" if outer == "container" else f" ({outer})"
        return Survival("container", f"the container around us{named} ends all that is in it", linger, kills)
    group = read_text("/proc/self/cgroup")
    if kills and "/session-" in group:
        return Survival("logout", "systemd-logind ends what a session leaves (KillUserProcesses=yes)", linger, kills)
    if logind and "/user@" in group and not linger:
        return Survival(
            "logout", "the user's systemd, to which this process belongs, ends after the logout", linger, kills
        )
    why = "lingering is on" if linger and "/user@" in group else "nothing here ends a user's processes at logout"
    return Survival("stop", why, linger, kills)


def kills_leftovers(text: str, user: str) -> bool:
    """What the lines of logind.conf(5) say: the last value of a key counts, an empty list begins anew."""
    kills, only, spared = False, [""][:0], ["root"]
    for line in text.splitlines():
        name, _, value = line.strip().partition("=")
        if name == "KillUserProcesses":
            kills = value.strip().lower() in ("yes", "true", "on", "1")
        elif name == "KillOnlyUsers":
            only = [*only, *value.split()] if value.strip() else []
        elif name == "KillExcludeUsers":
            spared = [*spared, *value.split()] if value.strip() else []
    return kills and user not in spared and (not only or user in only)


def _configuration() -> str:
    """The first main file, then the drop-ins by name, of which the first folder's wins (systemd.unit's order)."""
    main = next((text for folder in _FOLDERS if (text := read_text(f"{folder}/logind.conf"))), "")
    parts: dict[str, str] = {}
    for folder in _FOLDERS:
        try:
            names = os.listdir(f"{folder}/logind.conf.d")
        except OSError:
            continue
        for name in names:
            if name.endswith(".conf"):
                parts.setdefault(name, f"{folder}/logind.conf.d/{name}")
    return "\n".join([main, *(read_text(parts[name]) for name in sorted(parts))])
