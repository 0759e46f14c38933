"""``[build]``: what builds leave."""

from wherry.base.settings import Key

__all__ = ["KEYS"]

KEYS = (
    Key(
        "build.cache_limit",
        "size",
        "",
        "what builds leave for the next one takes at most this; empty: a tenth of the disk (or quota), at most 20G",
    ),
    Key("build.rules_off", "list", (), "rules that make bytes repeat and are left out (reference: build rules)"),
    Key(
        "build.authorities",
        "text",
        "own",
        "certificate authorities of this machine that RUN steps trust: own (those that its distribution lacks) or none",
        choices=("own", "none"),
    ),
    Key("build.cache_days", "number", 60, "what no build used for so many days goes; 0: never"),
)
