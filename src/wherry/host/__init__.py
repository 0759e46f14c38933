"""Host: one frozen description of this machine and this user, found by doing, not by version numbers.

Words: a *trial* is a child process that does the thing in question (new namespaces, an overlay mount, a fresh
``/proc``) and reports; a *place* is a folder of the user's own (runtime, state, scratch); an *obstacle* is what keeps
something from working, with the line that removes it. ``Host`` is what every start reads: trials for it are made once a
boot and kept in ``RUNTIME/host.json``. ``Machine`` is all that is known (``docs/design/host.md``), loaded when used.

This room describes and never decides. It may import only ``wherry.base``.
"""

from typing import TYPE_CHECKING

from wherry.host.filesystems import filesystem_type, is_remote
from wherry.host.machine import Group, Host, lacking, probe, require_containers
from wherry.host.places import runtime_dir, state_dir
from wherry.host.scratch import scratch_parents

if TYPE_CHECKING:
    from wherry.host.control import Control, find_control, find_lifetime
    from wherry.host.facts import Machine, Survival
    from wherry.host.idmaps import Subordinate, as_all_ids, find_subordinate
    from wherry.host.obstacles import ENGINES, Obstacle, against, usable_sites
    from wherry.host.programs import find_in_path
    from wherry.host.shortcomings import shortcomings
    from wherry.host.squashfuse import Squashfuse, find_squashfuse, gives_files
    from wherry.host.supervision import supervisor_program
    from wherry.host.survey import survey

__all__ = [
    "ENGINES",
    "Control",
    "Group",
    "Host",
    "Machine",
    "Obstacle",
    "Squashfuse",
    "Subordinate",
    "Survival",
    "against",
    "as_all_ids",
    "filesystem_type",
    "find_control",
    "find_in_path",
    "find_lifetime",
    "find_squashfuse",
    "find_subordinate",
    "gives_files",
    "is_remote",
    "lacking",
    "probe",
    "require_containers",
    "runtime_dir",
    "scratch_parents",
    "shortcomings",
    "state_dir",
    "supervisor_program",
    "survey",
    "usable_sites",
]

_HOMES = {
    "Control": "control",
    "ENGINES": "obstacles",
    "Machine": "facts",
    "Obstacle": "obstacles",
    "Squashfuse": "squashfuse",
    "Subordinate": "idmaps",
    "Survival": "facts",
    "against": "obstacles",
    "as_all_ids": "idmaps",
    "find_control": "control",
    "find_in_path": "programs",
    "find_lifetime": "control",
    "find_squashfuse": "squashfuse",
    "find_subordinate": "idmaps",
    "gives_files": "squashfuse",
    "shortcomings": "shortcomings",
    "supervisor_program": "supervision",
    "survey": "survey",
    "usable_sites": "obstacles",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found
