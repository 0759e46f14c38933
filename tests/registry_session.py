"""A registry client for tests: a home of its own, and time that passes without waiting."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from wherry.base import settings as settings_module
from wherry.base.outside import Outside
from wherry.base.progress import Event
from wherry.base.settings import Settings, Value
from wherry.registry import Pace, Registry, connect

__all__ = ["Visitor"]


@dataclass
class Visitor:
    """Somebody with an empty home directory, who sees no file of this machine. ``waits`` are the pauses made."""

    home: Path
    flags: dict[str, Value] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    connect_timeout: float = 5.0
    read_timeout: float = 5.0
    stall_window: float = 60.0
    waits: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    time: float = 1_700_000_000.0

    @property
    def _environ(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": os.environ.get("PATH", ""),
            "WHERRY_SITE_SETTINGS": "/nonexistent",
            "CONTAINERS_REGISTRIES_CONF": "/nonexistent",
        }

    @property
    def outside(self) -> Outside:
        return Outside({**self._environ, **self.environ})

    @property
    def settings(self) -> Settings:
        """The settings of a fresh user with the flags."""
        settings = settings_module.load(self.outside)
        for name, value in self.flags.items():
            settings = settings.with_flag(name, value, "--test")
        return settings

    @property
    def pace(self) -> Pace:
        def sleep(seconds: float) -> None:
            self.waits.append(seconds)
            self.time += seconds

        return Pace(
            sleep=sleep,
            clock=lambda: self.time,
            now=lambda: self.time,
            chance=lambda: 1.0,
            connect_timeout=self.connect_timeout,
            read_timeout=self.read_timeout,
            stall_window=self.stall_window,
        )

    def connect(self, auth_file: str = "") -> Registry:
        return connect(self.settings, self.outside, auth_file=auth_file, pace=self.pace, progress=self.events.append)
