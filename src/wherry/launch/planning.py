"""``plan_run``: from options, image, host, settings and surroundings to a plan. Pure: it reads and changes nothing.

(Look-ups in the image's tree read the store; an image's content never changes.)
"""

from __future__ import annotations

import posixpath

import msgspec

from wherry import __version__
from wherry.base.errors import UsageError
from wherry.base.settings import Settings
from wherry.host import Host
from wherry.launch.engines import NAMESPACE, Choice, engine_named, require_features
from wherry.launch.environment import describe, env_operations
from wherry.launch.identity import Person, resolve_person
from wherry.launch.job import Job
from wherry.launch.names import names_layer
from wherry.launch.options import RunOptions
from wherry.launch.plan import CURRENT, Kept, LaunchPlan, Paths
from wherry.launch.surroundings import Surroundings, wants_here, wants_home
from wherry.launch.views import Image, Tree
from wherry.policy import Decision, ImageFacts, require

__all__ = ["plan_run"]


def plan_run(
    options: RunOptions,
    image: Image,
    tree: Tree,
    host: Host,
    settings: Settings,
    decision: Decision,
    *,
    paths: Paths,
    surroundings: Surroundings,
    choice: Choice = NAMESPACE,
    kept: Kept | None = None,
    drop_dashes: bool = True,
) -> LaunchPlan:
    """What one start of ``image`` does; its inputs are added by :func:`wherry.launch.with_inputs`.

    ``choice`` is the engine (:func:`wherry.launch.choose`), ``kept`` the container that stays, None for one that goes
    when it ends. ``drop_dashes``: one ``--`` directly after the image is not the command's. Raises
    :class:`UsageError`, :class:`NotFound` (user or group), and :class:`HostLacks` where something asked cannot be had,
    :class:`PolicyDenied`.
    """
    require(decision, ImageFacts(image.reference, image.digest), "run")
    if options.hostname is not None:
        _check_hostname(options.hostname)
    if options.fakeroot:
        from wherry.launch.supervising import as_root

        options = as_root(options, choice.engine, host)
    here, home = wants_here(options, settings), wants_home(options, settings)
    isolated = _network(options, settings) == "none"
    person = resolve_person(options, image, tree, host, surroundings, home=home)
    engine = engine_named(choice.engine)
    if surroundings.subordinate is not None:
        from wherry.launch.idmap import require_range

        require_range(choice.engine)
    require_features(engine, options, person, host, isolated_network=isolated)
    if options.first_tmpfs and "tmpfs" not in engine.features(host):  # its own empty directories take their place
        options = msgspec.structs.replace(options, first_tmpfs=())
    names = names_layer(options, image, tree, person, surroundings, paths, isolated_network=isolated, kept=kept)
    plan = engine.plan(
        Job(
            engine=choice.engine,
            options=options,
            image=image,
            tree=tree,
            host=host,
            settings=settings,
            paths=paths,
            surroundings=surroundings,
            person=person,
            names=names,
            environment=tuple(env_operations(describe(options, image, tree, host, person, settings, surroundings))),
            directory=options.workdir
            or (CURRENT if here or options.home_or_root else _directory(image, person if options.from_home else None)),
            here=here,
            home=home,
            isolated_network=isolated,
            version=__version__,
            kept=kept,
            machine=choice.machine,
            notes=choice.notes,
            drop_dashes=drop_dashes and not options.keep_dashes,
        )
    )
    if not (options.limits or options.detach):
        return plan
    from wherry.launch.resources import bounded

    return bounded(
        plan,
        options,
        surroundings.control,
        surroundings.lifetime,
        ending=settings.text("run.detached"),
        stop_signal=options.stop_signal or image.config.config.stop_signal or "",
    )


def _check_hostname(name: str) -> None:
    """RFC 1123, section 2.1, and the kernel's 64 bytes: it becomes a line of /etc/hosts."""
    good = len(name) <= 64 and name.isascii()
    for label in name.split("."):
        good = good and label.replace("-", "a").isalnum() and label[0] != "-" != label[-1]
    if not good:
        raise UsageError(
            f"{name!a} cannot be a host's name",
            why="it has at most 64 letters, digits, '-' and '.', and no part is empty or begins or ends with '-'",
            hint="as --hostname node-1",
        )


def _directory(image: Image, person: Person | None) -> str:
    """``person``: starts at home where the image names no directory."""
    if person is not None and not image.config.config.working_dir:
        return person.home
    # A relative one is taken from the root, as Docker does; so an image cannot name a slot either.
    return posixpath.normpath(f"/{(image.config.config.working_dir or '').lstrip('/')}")


def _network(options: RunOptions, settings: Settings) -> str:
    network = options.network or settings.text("run.network")
    if network not in ("host", "none"):
        raise UsageError(
            f"there is no network '{network}'",
            why="a user may share the host's network or have none",
            hint="--network host (the default) or --network none",
        )
    return network
