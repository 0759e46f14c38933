"""Engines: the ways in which a container's root can be entered, one module each, and the choice among them.

Words: an *engine* turns a :class:`~wherry.launch.job.Job` into a plan; a *feature* is what a start may ask of one; an
*obstacle* is why one cannot be used here. :func:`choose` and all engines are pure: they get facts and decide.

Only the engine that is chosen is imported. A package within ``wherry.launch``: it may import that room's modules, and
what the room may import.
"""

from __future__ import annotations

from wherry.launch.engines.choice import (
    NAMESPACE,
    Choice,
    automatic_engines,
    choose,
    engine_named,
    known_engines,
    require_features,
    tree_kind,
)

__all__ = [
    "NAMESPACE",
    "Choice",
    "automatic_engines",
    "choose",
    "engine_named",
    "known_engines",
    "require_features",
    "tree_kind",
]
