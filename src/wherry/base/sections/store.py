"""``[store]``: where images are kept."""

from wherry.base.settings import Key

__all__ = ["KEYS"]

KEYS = (
    Key("store.path", "text", "", "the store's folder; empty: $XDG_DATA_HOME/wherry", variable="WHERRY_STORE"),
    Key("store.site", "list", (), "read-only stores below the user's own", variable="WHERRY_SITE_STORES"),
    Key("store.max_size", "size", "", "above this size the longest unused images go when others come; empty: never"),
    Key("store.keep_blobs", "flag", False, "keep compressed layers after unpacking, so that a push needs no source"),
)
