"""Host: one frozen description of this machine and this user, found by doing, not by version numbers.

Words: a *trial* is a child process that does the thing in question (new namespaces, an overlay mount, a fresh
``/proc``) and reports; a *place* is a folder of the user's own (runtime, state, scratch). Trials are made once a boot
and kept in ``RUNTIME/host.json``; a refusal is never kept, because an administrator may lift it without a reboot.
This room describes and never decides. It may import only ``wherry.base``.
"""

from wherry.host.filesystems import filesystem_type, is_remote
from wherry.host.machine import Group, Host, probe, require_containers
from wherry.host.places import runtime_dir, state_dir
from wherry.host.scratch import scratch_parents

__all__ = [
    "Group",
    "Host",
    "filesystem_type",
    "is_remote",
    "probe",
    "require_containers",
    "runtime_dir",
    "scratch_parents",
    "state_dir",
]
