"""Launch: from what was asked to a running process.

Words: *options* (:class:`RunOptions`, what the user asked), *surroundings* (what of the outside world matters for
them, read through the recorder), *plan* (:class:`LaunchPlan`: inputs and operations, the table of which is
``native/launcher/ops.def``), *slots* (what the launcher fills in at each start: scratch folder, current directory, id).

:func:`plan_run` is pure; :func:`survey` before it and :func:`with_inputs`, :func:`write_files`, :func:`save`,
:func:`execute` after it touch the world.

This room never fetches an image and keeps no state but saved plans and the small files that they show. It may import
``wherry.image``, ``wherry.host``, ``wherry.policy`` and ``wherry.base``.
"""

from typing import TYPE_CHECKING

from wherry.launch.codec import decode, encode
from wherry.launch.engines import Choice, choose, tree_kind
from wherry.launch.environment import BATCH_MARKERS, Variable, variables_of
from wherry.launch.execute import execute, launcher_path, start
from wherry.launch.fragment import Membership, Wrapped, wrapped_of
from wherry.launch.inputs import with_inputs
from wherry.launch.options import Bind, ExecOptions, RunOptions, Scripts, Ulimit
from wherry.launch.plan import MOUNT, SCRATCH, Kept, LaunchPlan, Mounted, Operation, Paths
from wherry.launch.planning import plan_run
from wherry.launch.saved import save, save_answer, write_files
from wherry.launch.surroundings import Surroundings, survey

if TYPE_CHECKING:
    from wherry.launch.idmap import inside_ids, outside_ids
    from wherry.launch.installed import as_installed
    from wherry.launch.joining import plan_exec
    from wherry.launch.scripts import scripted_exec
    from wherry.launch.showing import show, show_json

__all__ = [
    "BATCH_MARKERS",
    "MOUNT",
    "SCRATCH",
    "Bind",
    "Choice",
    "ExecOptions",
    "Kept",
    "LaunchPlan",
    "Membership",
    "Mounted",
    "Operation",
    "Paths",
    "RunOptions",
    "Scripts",
    "Surroundings",
    "Ulimit",
    "Variable",
    "Wrapped",
    "as_installed",
    "choose",
    "decode",
    "encode",
    "execute",
    "inside_ids",
    "launcher_path",
    "outside_ids",
    "plan_exec",
    "plan_run",
    "save",
    "save_answer",
    "scripted_exec",
    "show",
    "show_json",
    "start",
    "survey",
    "tree_kind",
    "variables_of",
    "with_inputs",
    "wrapped_of",
    "write_files",
]


_LATER = {
    "as_installed": "installed",
    "inside_ids": "idmap",
    "outside_ids": "idmap",
    "plan_exec": "joining",
    "scripted_exec": "scripts",
    "show": "showing",
    "show_json": "showing",
}
"""What few starts need."""


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
