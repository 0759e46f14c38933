"""The settings that exist, one small file a section."""

from wherry.base.sections import engine, registry, run, store

__all__ = ["KEYS"]

KEYS = run.KEYS + engine.KEYS + store.KEYS + registry.KEYS
