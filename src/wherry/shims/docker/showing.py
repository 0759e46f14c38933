"""Tables as the peers arrange them: Docker's columns are ten wide at least, podman's twelve."""

from __future__ import annotations

import time
from collections.abc import Sequence

from wherry.cli import listing
from wherry.shims.docker.call import Call

__all__ = ["show", "wall_time"]


def show(call: Call, rows: Sequence[listing.Row], columns: listing.Columns, form: str | None) -> None:
    """As :func:`wherry.cli.listing.show`."""
    width, between = (12, 2) if call.is_podman else (10, 3)
    listing.show(rows, columns, form, width=width, between=between)


def wall_time(stamp: str) -> str:
    """A stamp of ours as both peers print times: ``2026-11-21 21:20:04 +0000 UTC``, by this machine's clock."""
    seconds = listing.seconds(stamp)
    return stamp if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(seconds))
