"""Tables as the peers arrange them: Docker's columns are ten wide at least, podman's twelve."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.cli import listing
from wherry.shims.docker.call import Call

__all__ = ["show"]


def show(call: Call, rows: Sequence[listing.Row], columns: listing.Columns, form: str | None) -> None:
    """As :func:`wherry.cli.listing.show`."""
    width, between = (12, 2) if call.is_podman else (10, 3)
    listing.show(rows, columns, form, width=width, between=between)
