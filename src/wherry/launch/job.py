"""One start, decided as far as it is the same under every engine; engines differ only in how the root is entered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from wherry.base.settings import Settings
from wherry.host import Host
from wherry.launch.fragment import fragment_of
from wherry.launch.identity import Person
from wherry.launch.names import NamesLayer
from wherry.launch.options import RunOptions
from wherry.launch.plan import Kept, Operation, Paths
from wherry.launch.surroundings import Surroundings
from wherry.launch.views import Image, Tree

if TYPE_CHECKING:
    from wherry.host import Machine

__all__ = ["Job"]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine's ``plan`` gets.

    ``environment`` are the ENV operations, ``directory`` is where the command starts (a slot under ``--here``),
    ``names`` the small files that say who and where we are. ``isolated_network``: only a loopback. ``machine`` is what
    the choice looked at, None for namespaces. ``notes`` were made
    by the choice of the engine; a plan begins with them. ``drop_dashes`` as :func:`wherry.launch.plan_run`.
    """

    engine: str
    options: RunOptions
    image: Image
    tree: Tree
    host: Host
    settings: Settings
    paths: Paths
    surroundings: Surroundings
    person: Person
    names: NamesLayer
    environment: tuple[Operation, ...]
    directory: str
    here: bool
    home: bool
    isolated_network: bool
    version: str
    machine: Machine | None = None
    kept: Kept | None = None
    notes: tuple[str, ...] = ()
    drop_dashes: bool = True

    @property
    def fragment(self) -> str:
        """The members of the execution record's start line."""
        return fragment_of(self.options, self.image, self.host, self.kept, self.person, self.version, self.engine)
