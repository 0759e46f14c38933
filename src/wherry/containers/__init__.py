"""Containers: the use cases. Resolve, pull if missing, gate by policy, plan, execute; and what remains: state, logs,
records.

Words: a container *runs* while its launcher holds the lock on its RUNNING file; it is *kept* when it has a folder in
the store (``--name``, ``-d`` or ``create``); a *world* is one command's view of settings, store and folders. A start is
*prepared* (all decided, the plan made and saved) and then executed, by becoming the launcher or as a child.

This room parses no command lines and prints nothing. It may import ``wherry.launch`` and all below. Importing it costs
nothing: each function is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.containers.abandoned import abandoned_scratch, remove_left_work, remove_scratch, scratch_size
    from wherry.containers.again import prepare_again
    from wherry.containers.aliases import add_name, protect, remove_name, set_label
    from wherry.containers.archiving import (
        copy_to,
        import_image,
        load,
        load_file_at,
        plan_import,
        plan_load,
        plan_save,
        save,
        saved_as,
    )
    from wherry.containers.artifacts import artifact_of, copy_artifact, fetch_artifact, push_artifact
    from wherry.containers.buildcache import cache_rule
    from wherry.containers.changes import Change
    from wherry.containers.cloning import clone
    from wherry.containers.commandfiles import Exposed
    from wherry.containers.committing import commit, plan_commit
    from wherry.containers.configids import config_id, image_by_config
    from wherry.containers.copying import cp, plan_cp
    from wherry.containers.diagnosing import Diagnosis, EngineState, diagnose
    from wherry.containers.differing import differences
    from wherry.containers.enter import exec_, prepare_exec
    from wherry.containers.exporting import export_bundle, plan_export
    from wherry.containers.exposing import (
        Exposing,
        expose,
        exposed,
        hidden_by,
        plan_expose,
        plan_unexpose,
        plan_update_exposed,
        unexpose,
        update_exposed,
    )
    from wherry.containers.images import (
        Pruned,
        Removals,
        chosen_auth_file,
        plan_prune,
        plan_push,
        plan_tag,
        prune,
        push,
        push_as,
        rmi,
        tag,
    )
    from wherry.containers.importing import Brought, import_store, plan_import_store
    from wherry.containers.keeping import plan_rename, plan_rm, rename, rm
    from wherry.containers.kept import Container, kept_containers
    from wherry.containers.listing import ContainerSummary, inspect, ps
    from wherry.containers.logins import login, logout, plan_login, plan_logout
    from wherry.containers.lookup import Found, find_container
    from wherry.containers.measuring import Measured, measure, smallest_image
    from wherry.containers.naming import held_image, is_digits, is_file, reference_of, reference_to_name, stored_image
    from wherry.containers.output import LogLine, logs
    from wherry.containers.packing import pack, plan_pack
    from wherry.containers.peers import PEERS
    from wherry.containers.processes import processes_shown
    from wherry.containers.pulling import fetch, keep_within
    from wherry.containers.ranged import with_all_ids
    from wherry.containers.records import Record, find_record, read_records, record_files
    from wherry.containers.resolving import MissingImage, Resolved, resolve, source_meant
    from wherry.containers.rooting import export_root, plan_export_root
    from wherry.containers.running import Running, running_containers, running_images
    from wherry.containers.sandboxes import unpack
    from wherry.containers.shimming import (
        Shim,
        install_shims,
        plan_install_shims,
        plan_remove_shims,
        remove_shims,
        shims,
    )
    from wherry.containers.signalnames import signal_name
    from wherry.containers.signals import kill, plan_kill, plan_stop, stop, wait
    from wherry.containers.starting import Preview, Start, create, prepare, preview, preview_start, run, start
    from wherry.containers.stepping import prepare_step
    from wherry.containers.sweeping import sweep
    from wherry.containers.trees import remove_tree
    from wherry.containers.unused import remove_names, unused_names
    from wherry.containers.variables import environment
    from wherry.containers.volumes import (
        Volume,
        all_volumes,
        fill_volume,
        find_volume,
        is_volume_name,
        make_volume,
        remove_volume,
        users_of_volume,
    )
    from wherry.containers.watching import ContainerUse, stats
    from wherry.containers.world import World

_HOMES = {
    "PEERS": "peers",
    "Brought": "importing",
    "Change": "changes",
    "Container": "kept",
    "ContainerSummary": "listing",
    "ContainerUse": "watching",
    "Diagnosis": "diagnosing",
    "EngineState": "diagnosing",
    "Exposed": "commandfiles",
    "Exposing": "exposing",
    "Found": "lookup",
    "LogLine": "output",
    "Measured": "measuring",
    "MissingImage": "resolving",
    "Preview": "starting",
    "Pruned": "images",
    "Record": "records",
    "Removals": "images",
    "Resolved": "resolving",
    "Running": "running",
    "Shim": "shimming",
    "Start": "starting",
    "Volume": "volumes",
    "World": "world",
    "abandoned_scratch": "abandoned",
    "add_name": "aliases",
    "all_volumes": "volumes",
    "artifact_of": "artifacts",
    "cache_rule": "buildcache",
    "chosen_auth_file": "images",
    "clone": "cloning",
    "commit": "committing",
    "config_id": "configids",
    "copy_artifact": "artifacts",
    "copy_to": "archiving",
    "cp": "copying",
    "create": "starting",
    "diagnose": "diagnosing",
    "differences": "differing",
    "environment": "variables",
    "exec_": "enter",
    "export_bundle": "exporting",
    "export_root": "rooting",
    "expose": "exposing",
    "exposed": "exposing",
    "fetch": "pulling",
    "fetch_artifact": "artifacts",
    "fill_volume": "volumes",
    "find_container": "lookup",
    "find_record": "records",
    "find_volume": "volumes",
    "held_image": "naming",
    "hidden_by": "exposing",
    "image_by_config": "configids",
    "import_image": "archiving",
    "import_store": "importing",
    "inspect": "listing",
    "install_shims": "shimming",
    "is_digits": "naming",
    "is_file": "naming",
    "is_volume_name": "volumes",
    "keep_within": "pulling",
    "kept_containers": "kept",
    "kill": "signals",
    "load": "archiving",
    "load_file_at": "archiving",
    "login": "logins",
    "logout": "logins",
    "logs": "output",
    "make_volume": "volumes",
    "measure": "measuring",
    "pack": "packing",
    "plan_commit": "committing",
    "plan_cp": "copying",
    "plan_export": "exporting",
    "plan_export_root": "rooting",
    "plan_expose": "exposing",
    "plan_import": "archiving",
    "plan_import_store": "importing",
    "plan_install_shims": "shimming",
    "plan_kill": "signals",
    "plan_load": "archiving",
    "plan_login": "logins",
    "plan_logout": "logins",
    "plan_pack": "packing",
    "plan_prune": "images",
    "plan_push": "images",
    "plan_remove_shims": "shimming",
    "plan_rename": "keeping",
    "plan_rm": "keeping",
    "plan_save": "archiving",
    "plan_stop": "signals",
    "plan_tag": "images",
    "plan_unexpose": "exposing",
    "plan_update_exposed": "exposing",
    "prepare": "starting",
    "prepare_again": "again",
    "prepare_exec": "enter",
    "prepare_step": "stepping",
    "preview": "starting",
    "preview_start": "starting",
    "processes_shown": "processes",
    "protect": "aliases",
    "prune": "images",
    "ps": "listing",
    "push": "images",
    "push_artifact": "artifacts",
    "push_as": "images",
    "read_records": "records",
    "record_files": "records",
    "reference_of": "naming",
    "reference_to_name": "naming",
    "remove_name": "aliases",
    "remove_names": "unused",
    "remove_left_work": "abandoned",
    "remove_scratch": "abandoned",
    "remove_shims": "shimming",
    "remove_tree": "trees",
    "remove_volume": "volumes",
    "rename": "keeping",
    "resolve": "resolving",
    "rm": "keeping",
    "rmi": "images",
    "run": "starting",
    "running_containers": "running",
    "running_images": "running",
    "save": "archiving",
    "saved_as": "archiving",
    "scratch_size": "abandoned",
    "set_label": "aliases",
    "shims": "shimming",
    "signal_name": "signalnames",
    "smallest_image": "measuring",
    "source_meant": "resolving",
    "start": "starting",
    "stats": "watching",
    "stop": "signals",
    "stored_image": "naming",
    "sweep": "sweeping",
    "tag": "images",
    "unexpose": "exposing",
    "unpack": "sandboxes",
    "unused_names": "unused",
    "update_exposed": "exposing",
    "users_of_volume": "volumes",
    "wait": "signals",
    "with_all_ids": "ranged",
}

__all__ = [
    "PEERS",
    "Brought",
    "Change",
    "Container",
    "ContainerSummary",
    "ContainerUse",
    "Diagnosis",
    "EngineState",
    "Exposed",
    "Exposing",
    "Found",
    "LogLine",
    "Measured",
    "MissingImage",
    "Preview",
    "Pruned",
    "Record",
    "Removals",
    "Resolved",
    "Running",
    "Shim",
    "Start",
    "Volume",
    "World",
    "abandoned_scratch",
    "add_name",
    "all_volumes",
    "artifact_of",
    "cache_rule",
    "chosen_auth_file",
    "clone",
    "commit",
    "config_id",
    "copy_artifact",
    "copy_to",
    "cp",
    "create",
    "diagnose",
    "differences",
    "environment",
    "exec_",
    "export_bundle",
    "export_root",
    "expose",
    "exposed",
    "fetch",
    "fetch_artifact",
    "fill_volume",
    "find_container",
    "find_record",
    "find_volume",
    "held_image",
    "hidden_by",
    "image_by_config",
    "import_image",
    "import_store",
    "inspect",
    "install_shims",
    "is_digits",
    "is_file",
    "is_volume_name",
    "keep_within",
    "kept_containers",
    "kill",
    "load",
    "load_file_at",
    "login",
    "logout",
    "logs",
    "make_volume",
    "measure",
    "pack",
    "plan_commit",
    "plan_cp",
    "plan_export",
    "plan_export_root",
    "plan_expose",
    "plan_import",
    "plan_import_store",
    "plan_install_shims",
    "plan_kill",
    "plan_load",
    "plan_login",
    "plan_logout",
    "plan_pack",
    "plan_prune",
    "plan_push",
    "plan_remove_shims",
    "plan_rename",
    "plan_rm",
    "plan_save",
    "plan_stop",
    "plan_tag",
    "plan_unexpose",
    "plan_update_exposed",
    "prepare",
    "prepare_again",
    "prepare_exec",
    "prepare_step",
    "preview",
    "preview_start",
    "processes_shown",
    "protect",
    "prune",
    "ps",
    "push",
    "push_artifact",
    "push_as",
    "read_records",
    "record_files",
    "reference_of",
    "reference_to_name",
    "remove_left_work",
    "remove_name",
    "remove_names",
    "remove_scratch",
    "remove_shims",
    "remove_tree",
    "remove_volume",
    "rename",
    "resolve",
    "rm",
    "rmi",
    "run",
    "running_containers",
    "running_images",
    "save",
    "saved_as",
    "scratch_size",
    "set_label",
    "shims",
    "signal_name",
    "smallest_image",
    "source_meant",
    "start",
    "stats",
    "stop",
    "stored_image",
    "sweep",
    "tag",
    "unexpose",
    "unpack",
    "unused_names",
    "update_exposed",
    "users_of_volume",
    "wait",
    "with_all_ids",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found
