"""The settings that exist, one small file a section."""

from wherry.base.sections import build, engine, lint, pack, record, registry, resources, run, store

__all__ = ["KEYS"]

KEYS = (
    run.KEYS
    + resources.KEYS
    + engine.KEYS
    + store.KEYS
    + record.KEYS
    + registry.KEYS
    + pack.KEYS
    + build.KEYS
    + lint.KEYS
)
