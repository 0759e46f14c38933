"""The build cache: what a step made is found again by the step's meaning, here or in a registry or directory.

Words: a step's *key* is the digest of its meaning; a *hold* keeps what a running build found; a *remote cache* is a
registry's repository or a directory that several machines fill and read. A remote cache is believed in what a step
makes, so whoever may write it decides what is built with it; bytes are verified all the same.
On disk: ``docs/design/build-cache.md``.
"""

from __future__ import annotations

from wherry.build.cache.keys import step_key
from wherry.build.cache.session import build_cache, inline_member
from wherry.build.cache.steps import Cache, Found, Remote

__all__ = ["Cache", "Found", "Remote", "build_cache", "inline_member", "step_key"]
