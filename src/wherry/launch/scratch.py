"""Where writable layers go: the site's or user's choice, else what :mod:`wherry.host` finds fit."""

from __future__ import annotations

from wherry.base.outside import Outside
from wherry.base.settings import Settings
from wherry.host import Host, runtime_dir
from wherry.host import scratch_parents as find_parents

__all__ = ["scratch_parents"]


def scratch_parents(settings: Settings, host: Host, outside: Outside, store: str) -> tuple[str, ...]:
    """Parent folders for scratch folders; raises :class:`HostLacks` when there is no fit place (``run.scratch``)."""
    setting = settings.text("run.scratch")
    return find_parents(outside, host, setting=setting, store=store, runtime=runtime_dir(outside))
