"""``[record]``: the records of what was executed."""

from wherry.base.settings import Key

__all__ = ["KEYS"]

KEYS = (Key("record.keep_days", "number", 0, "'wherry prune' removes records of more days ago; 0: never"),)
