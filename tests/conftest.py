"""What all tests share: property tests that keep no database in the tree and have no deadline on a busy machine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("wherry", database=None, deadline=None)
settings.load_profile("wherry")
