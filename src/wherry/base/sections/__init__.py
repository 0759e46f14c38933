"""The settings that exist, one small file a section."""

from wherry.base.sections import registry, run, store

__all__ = ["KEYS"]

KEYS = run.KEYS + store.KEYS + registry.KEYS
