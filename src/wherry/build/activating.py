"""The end of a build whose recipe makes an environment of conda active: its variables become the image's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from wherry.base.digest import Digest
from wherry.build.conda import (
    LABEL,
    Activation,
    activation_command,
    activation_difference,
    activation_request,
    merged,
    needs_shell,
    plain_activation,
    read_answer,
)
from wherry.build.graph import Graph, RunStep, SourceStep
from wherry.build.hints import keep, recall

if TYPE_CHECKING:
    from wherry.build.made import Made
    from wherry.build.site import Site

__all__ = ["activated"]

_FORM = 1
_PATIENCE = 60.0
"""Seconds for the scripts that an environment's packages bring."""


def activated(site: Site, graph: Graph, made: Made) -> dict[str, Any]:
    """``graph.config`` with the variables that the environment of its recipe has, and a label that says which it is;
    as it stands where there is none. Raises :class:`NotFound` where ``--conda-env`` names one that is not there.

    Files say it all, and a shell is asked only where packages bring scripts for it: it runs in the finished files,
    without a network, and what it changes there goes.
    """
    document = graph.config
    config: dict[str, Any] = document.get("config") or {}
    tree = site.below(made.layers).view
    request = activation_request(config, _commands(graph), tree, site.here.options.conda)
    if request is None:
        return document
    before = dict(pair.partition("=")[::2] for pair in config.get("Env") or ())
    after = plain_activation(request, tree, before)
    if needs_shell(request, tree):
        asked = _known(site, graph, made, request, before)
        if asked is None:
            site.note(f"the scripts of the environment '{request.name}' failed: its variables come without theirs")
        else:
            before, after = asked
    changes = activation_difference(before, after)
    labels = {**(config.get("Labels") or {}), LABEL: request.prefix}
    return {**document, "config": {**config, "Env": merged(config.get("Env") or (), changes), "Labels": labels}}


def _commands(graph: Graph) -> list[tuple[str, ...]]:
    """Of the RUN steps that the target stands on, first to last."""
    found = []
    step = graph.steps[graph.target]
    while not isinstance(step, SourceStep):
        if isinstance(step, RunStep):
            found.append(step.command)
        step = graph.steps[step.parent]
    return found[::-1]


class _Answer(msgspec.Struct, frozen=True):
    """The variables without and with the scripts."""

    before: dict[str, str]
    after: dict[str, str]


def _known(
    site: Site, graph: Graph, made: Made, request: Activation, env: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]] | None:
    """What a shell says, or said before of the same files and variables."""
    command = activation_command(request, site.below(made.layers).view, env)
    means = (_FORM, command, sorted(env.items()), [str(diff_id) for diff_id in made.diff_ids], graph.platform)
    store, key = site.world.store.path, Digest.of(repr(means).encode("utf-8", "surrogateescape"))
    found = recall(store, "activations", key, _Answer) if site.here.use_cache else None
    if found is not None:
        return found.before, found.after
    asked = _ask(site, graph, made, command, env)
    if asked is not None and keep(store, "activations", key, _Answer(*asked)):
        site.asked = False  # the next build is told the same
    return asked


def _ask(
    site: Site, graph: Graph, made: Made, command: tuple[str, ...], env: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]] | None:
    import subprocess

    from wherry.build.owners import as_owner
    from wherry.build.steps.starting import planned
    from wherry.launch import RunOptions

    site.asked = True
    store = site.world.store
    work = store.new_work()
    try:
        os.mkdir(f"{work}/upper", 0o755)
        options = RunOptions(
            command=command,
            entrypoint=(),
            env=("HOME=/root", *(f"{name}={value}" for name, value in env.items())),
            bare_env=True,
            as_built=True,
            user="root",
            workdir="/",
            network="none",
            here=False,
            home=False,
            upper=work,
            umask=0o022,
            log=False,
        )
        if site.drafts is not None:  # without namespaces there is no network of one's own
            options = as_owner(msgspec.structs.replace(options, network="host"), site.here.owners, "root")
        start = planned(site, options, made, "conda", graph.platform, work)
        process = start.begin(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            output, _ = process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return None
        before, after = read_answer(output)
        return (before, after) if process.returncode == 0 and after else None
    finally:
        store.discard(work)
