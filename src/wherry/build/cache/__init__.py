"""The build cache: what a step made is found again by the step's meaning, here or in a registry or directory.

Words: a step's *key* is the digest of its meaning; a *hold* keeps what a running build found; a *remote cache* is a
registry's repository or a directory that several machines fill and read. A remote cache is believed in what a step
makes, so whoever may write it decides what is built with it; bytes are verified all the same.
On disk: ``docs/design/build-cache.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.build.cache.keys import step_key
from wherry.build.cache.session import build_cache
from wherry.build.cache.steps import Cache, Found, Remote

if TYPE_CHECKING:
    from wherry.build.cache.places import INLINE, parse_cache_option
    from wherry.build.cache.sending import inline_document

__all__ = [
    "INLINE",
    "Cache",
    "Found",
    "Remote",
    "build_cache",
    "inline_document",
    "parse_cache_option",
    "step_key",
]

_HOMES = {"INLINE": "places", "inline_document": "sending", "parse_cache_option": "places"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
