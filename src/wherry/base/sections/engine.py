"""``[engine]``: the programs by which a container may be entered."""

from wherry.base.settings import Key

__all__ = ["KEYS"]

KEYS = (
    Key(
        "engine.proot", "text", "", "the proot to use; empty: the one in PATH, else of the site's or your tools folder"
    ),
)
