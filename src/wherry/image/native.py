"""The program that unpacks (``native/unpack``)."""

from __future__ import annotations

import os

from wherry.base.errors import HostLacks

__all__ = ["program"]


def program() -> str:
    """The path of ``wherry-unpack``: beside this package, or as ``WHERRY_UNPACK`` says (for those who develop it).

    Raises :class:`HostLacks` when the installation has none.
    """
    path = os.environ.get("WHERRY_UNPACK") or os.path.join(
        os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "_native", "wherry-unpack"
    )
    if not os.access(path, os.X_OK):
        raise HostLacks(
            "layers cannot be unpacked",
            why=f"there is no program '{path}'",
            hint="install wherry again: pip install --force-reinstall . in its source",
        )
    return path
