"""What has to stay as it is for a build to find all its steps and say the same again.

A build that made nothing is answered from then on without Python, as long as every input holds
(``docs/design/plan-format.md``, "Answers"). So all that it consults is noted in its world's ``outside``: places that
the command line names before anybody reads there, files of contexts by whoever looks at them, what steps found in the
store at the end. Where something cannot be noted the build is not repeatable, and nothing is saved.
"""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

from wherry.base.digest import Digest
from wherry.base.outside import Stamp
from wherry.build.graph import CopyStep, RunStep, SourceStep, Step

if TYPE_CHECKING:
    from wherry.base.outside import Outside
    from wherry.base.reference import Reference
    from wherry.build.building import Plan
    from wherry.build.context import Context
    from wherry.build.context.sources import Seen
    from wherry.build.made import Made
    from wherry.build.request import BuildOptions
    from wherry.build.site import Site
    from wherry.containers import World
    from wherry.image import Image
    from wherry.store import Store

__all__ = ["MOST", "Consulted", "may_repeat"]

MOST = 4096
"""Entries of contexts: to compare more takes longer than the front is to take."""

_FILES = ("context", "step", "inline")
_ALONE = ("secret", "ssh")


def may_repeat(options: BuildOptions) -> bool:
    """Whether a build with these options does nothing but name an image, from files that lie here."""
    does_more = (options.cache_to, options.outputs, options.push, options.iidfile, options.check, options.debug)
    asks_more = (options.no_cache, options.pull, options.cache_from, options.secrets, options.ssh)
    if any((*does_more, *asks_more)) or options.recipe == "-":
        return False
    return all(os.path.isdir(place) for place in (options.context, *(place for _, place in options.contexts)))


class Consulted:
    """What one build consults; for any number of threads. ``repeats``: all of it could be noted; ``used`` are the files
    in the store whose mtime is their last use, and ``since`` is when the build began (nanoseconds)."""

    def __init__(self, outside: Outside, options: BuildOptions) -> None:
        self.since = time.time_ns()
        self.repeats = True
        self.used: tuple[str, ...] = ()
        self._outside = outside
        self._seen: set[str] = set()
        self._note_variables(options)
        self._note_places(options)

    def opened(self, context: Context, place: str) -> Seen:
        """``context`` was opened, which the command line calls ``place``; what notes the files that are looked at."""
        if context.root != os.path.abspath(place):
            self.repeats = False  # it was fetched
        return self._saw

    def note_end(
        self, site: Site, plan: Plan, done: dict[int, Made], image: Image, names: tuple[Reference, ...]
    ) -> None:
        """The build is done: note what it found in the store."""
        world = site.world
        asks = site.asked or not _has_fixed_way(site)
        self.repeats = self.repeats and not asks and all(_repeats(world, step) for step in plan.graph.steps)
        if not self.repeats:
            return
        try:
            self._note_store(site, plan, done, image, names)
        except (OSError, ValueError):  # it went, or is not what it was, just now
            self.repeats = False

    def _note_variables(self, options: BuildOptions) -> None:
        asked = [name for name, value in options.build_args if value is None]
        for name in ("SOURCE_DATE_EPOCH", "DOCKER_DEFAULT_PLATFORM", "_WHERRY_COMPLETE", *asked):
            self._outside.env(name)
        self._outside.envs("PYTHON")  # some of them make Python itself write

    def _note_places(self, options: BuildOptions) -> None:
        """Before they are read: what changes later has other stamps."""
        outside, places = self._outside, dict(options.contexts)
        if not all(os.path.isabs(place) for place in (options.context, options.recipe or "/", *places.values())):
            outside.cwd()
        root = os.path.abspath(options.context)
        for place in (root, *map(os.path.abspath, places.values())):
            outside.real(place)
            if outside.entry(f"{place}/objects").exists:  # with HEAD it would be a bare repository
                outside.entry(f"{place}/HEAD")
        recipe = self._note_recipe(options.recipe, root)
        beside = (f"{recipe}.dockerignore", f"{recipe}.containerignore") if recipe else ()
        self._note_first((*beside, f"{root}/.dockerignore", f"{root}/.containerignore"))
        for place in map(os.path.abspath, places.values()):
            self._note_first((f"{place}/.dockerignore", f"{place}/.containerignore"))
        self._note_commit(root)
        if recipe:
            self._note_commit(recipe)

    def _note_recipe(self, given: str | None, root: str) -> str:
        """The path that :func:`wherry.build.recipes.recipe_of` will find; empty for none."""
        from wherry.build.recipes import places_of

        for path in map(os.path.abspath, places_of(given, root)):
            if not os.path.lexists(path):
                self._outside.entry(path)
                continue
            found = self._outside.entry(self._outside.real(path))
            if stat.S_ISREG(found.mode):
                return path
            self.repeats = self.repeats and found.exists  # else a link that leads nowhere yet
        return ""

    def _note_first(self, places: tuple[str, ...]) -> None:
        for path in places:
            if self._outside.entry(path).exists:
                return

    def _note_commit(self, path: str) -> None:
        from wherry.build.context import commit_places

        self._outside.real(path)
        found, asks_git = commit_places(path) or ((), True)
        links = [each for each in found if stat.S_ISLNK(self._outside.entry(each).mode)]
        self.repeats = self.repeats and not links and (not asks_git or (bool(found) and self._note_git()))

    def _note_git(self) -> bool:
        """What git reads wherever it is; False where it is not installed, and may be one day."""
        from shutil import which

        outside, program = self._outside, which("git")
        if program is None:
            return False
        home = outside.env("HOME") or ""
        outside.envs("GIT_")
        configs = f"{home}/.gitconfig", f"{outside.env('XDG_CONFIG_HOME') or f'{home}/.config'}/git/config"
        outside.entry(outside.real(program))
        for path in (*configs, "/etc/gitconfig"):
            outside.stat(path)
        return True

    def _saw(self, path: str, stamp: Stamp) -> bool:
        if path not in self._seen:
            self._seen.add(path)
            self.repeats = self.repeats and len(self._seen) <= MOST
            if self.repeats:
                self._outside.entry(path, stamp)
        return self.repeats

    def _note_store(
        self, site: Site, plan: Plan, done: dict[int, Made], image: Image, names: tuple[Reference, ...]
    ) -> None:
        import msgspec

        outside, store = self._outside, site.world.store
        layers = {layer.key: layer for made in done.values() for layer in made.layers}
        outside.content(f"{store.path}/format")
        steps = [f"{store.path}/built/{step.key}" for step in site.cache.used]
        for path in steps:
            noted = msgspec.json.decode(outside.content(path)).get("layer", "")
            if noted and noted not in layers:
                raise ValueError(noted)  # another build has just done it anew
        for layer in layers.values():
            outside.stat(f"{layer.tree.removesuffix('/tree')}/meta.json")
        for name in names:
            outside.content(store.name_path(name))
        for base in plan.bases.values():
            self._note_record(store, Digest.parse(base.digest))
        self.used = (*steps, self._note_record(store, image.digest))

    def _note_record(self, store: Store, digest: Digest) -> str:
        """While an image's record is there, all that it names is."""
        for each in (store, *store.site):
            path = each.record_path(digest)
            if os.path.exists(path):
                self._outside.content(path)
                return path
        raise FileNotFoundError(str(digest))


def _has_fixed_way(site: Site) -> bool:
    """Whether how files come to other owners depends on nothing but what is noted: where it is not the best way, other
    programs were looked for, and the machine may have a better one tomorrow (:mod:`wherry.build.owners`)."""
    is_best = site.here.owners == "supervisor" and site.world.host.userns
    return is_best or site.here.options.owners == "range"


def _repeats(world: World, step: Step) -> bool:
    """Whether what the step reads is noted: what comes over the net, or from a file that is an image, is not."""
    if isinstance(step, CopyStep):
        return all(files.kind in _FILES for files in step.sources)
    if isinstance(step, RunStep):
        return all(mount.type not in _ALONE for mount in step.mounts)
    return not isinstance(step, SourceStep) or step.reference == "scratch" or _is_held_by_name(world, step.reference)


def _is_held_by_name(world: World, reference: str) -> bool:
    from wherry.containers import is_digits, is_file

    name = reference.removeprefix("docker-image://")
    if "://" in name or is_digits(name) or world.settings.text("run.pull") == "always":
        return False
    return not is_file(world, name)
