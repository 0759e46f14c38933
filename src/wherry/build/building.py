"""``build``: recipe, graph, steps, image. The order is fixed; each part is a module that knows nothing of others."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import TYPE_CHECKING

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import Interrupted, WherryError
from wherry.base.progress import silent
from wherry.build.dockerfile import RecipeError, parse, placed
from wherry.build.graph import Graph, SourceStep, Step
from wherry.build.made import Made, Report
from wherry.build.recipes import Text, recipe_of
from wherry.build.request import BuildOptions
from wherry.build.translate import Arguments, Base, Needs, translate

if TYPE_CHECKING:
    from wherry.base.progress import Progress
    from wherry.base.reference import Reference
    from wherry.build.context import Context, Ignore
    from wherry.build.dockerfile import Recipe
    from wherry.build.site import Site
    from wherry.build.unchanged import Consulted
    from wherry.containers import World
    from wherry.image import Image

__all__ = [
    "Built",
    "Plan",
    "build",
    "carried_out",
    "contexts_of",
    "plan_build",
    "planned_build",
    "text_of",
]


class Plan(msgspec.Struct, frozen=True):
    """What a build would do, and with which recipe."""

    recipe: Recipe
    graph: Graph
    bases: dict[tuple[str, str], Base]


class Built(msgspec.Struct, frozen=True):
    """The image and its names; ``config`` is the digest of its configuration, Docker's image id. ``cached`` of
    ``steps`` were there already."""

    image: Image
    names: tuple[str, ...]
    config: Digest
    epoch: int
    steps: int
    cached: int
    seconds: float


class Contexts:
    """The contexts of one build, each opened when it is first needed; what is fetched for them goes with the build."""

    def __init__(
        self, options: BuildOptions, world: World, progress: Progress | None, consulted: Consulted | None = None
    ) -> None:
        self._options = options
        self._consulted = consulted
        self._world = world
        self.progress = progress or silent
        self._opened: dict[str, Context] = {}
        self._ignored: dict[str, Ignore] = {}
        self._lock = threading.RLock()
        self._work = ""
        self.recipe = ""
        """The recipe's path: ``NAME.dockerignore`` beside it counts before ``.dockerignore``."""

    def context(self, name: str) -> Context:
        from wherry.build.context import open_context

        with self._lock:
            if name not in self._opened:
                spec = dict(self._options.contexts)[name] if name else self._options.context
                stdin = sys.stdin.buffer if spec == "-" else None
                found = open_context(
                    spec, work=self._folder, stdin=stdin, settings=self._world.settings, progress=self.progress
                )
                if self._consulted is not None:
                    found = msgspec.structs.replace(found, seen=self._consulted.opened(found, spec))
                self._opened[name] = found
            return self._opened[name]

    def with_ignored(self, name: str) -> tuple[Context, Ignore]:
        from wherry.build.context import read_ignore

        with self._lock:
            context = self.context(name)
            if name not in self._ignored:
                self._ignored[name] = read_ignore(context, "" if name else self.recipe)
            return context, self._ignored[name]

    def commit_time(self, recipe: str) -> int | None:
        """Of the repository that the recipe at this path lies in; a context that was fetched knows its own."""
        from wherry.build.context import commit_time

        main = self._opened.get("")
        if main is not None and (not recipe or os.path.abspath(recipe).startswith(f"{main.root}/")):
            return main.commit_time
        return commit_time(recipe) if recipe else None

    def _folder(self) -> str:
        """A folder for what has to be fetched or unpacked, made when that is so."""
        with self._lock:
            self._work = self._work or self._world.store.new_work()
            return self._work

    def close(self) -> None:
        if self._work:
            self._world.store.discard(self._work)


@contextmanager
def contexts_of(
    options: BuildOptions, world: World, progress: Progress | None, consulted: Consulted | None = None
) -> Iterator[Contexts]:
    contexts = Contexts(options, world, progress, consulted)
    try:
        yield contexts
    finally:
        contexts.close()


def plan_build(options: BuildOptions, *, world: World | None = None) -> Plan:
    """The graph that :func:`build` would carry out; nothing is pulled or made.

    Raises :class:`RecipeError` and, where a base image is not held, :class:`NotFound`.
    """
    from wherry.containers import World

    world = world or World(make_store=False)
    with contexts_of(options, world, None) as contexts:
        text = text_of(options, contexts)
        return planned_with(world, options, text, None, dry_run=True)


def build(
    options: BuildOptions,
    *,
    report: Report,
    planned: Callable[[Plan], None] | None = None,
    progress: Progress | None = None,
    world: World | None = None,
    consulted: Consulted | None = None,
) -> Built:
    """Build the image, name it, and write it out where that is asked for. ``planned`` is told before the first step;
    ``consulted`` takes notes of what is read.

    Raises :class:`RecipeError` with the place, :class:`CommandFailed` for a step that fails (with its status), and what
    pulling, copying and storing raise. What steps made stays in the cache whatever happens.
    """
    from wherry.build.finishing import finish

    began = time.monotonic()
    planning = planned_build(options, report, planned, progress, world, consulted=consulted)
    with planning as (plan, open_site), open_site() as site:
        done = carried_out(site, plan, report)
        image, names = finish(site, plan, done, progress)
        if consulted is not None:
            consulted.note_end(site, plan, done, image, names)
        if options.push:
            _push(site, names, progress or silent)
        made = [each for place, each in done.items() if not isinstance(plan.graph.steps[place], SourceStep)]
        built = Built(
            image=image,
            names=tuple(name.familiar for name in names),
            config=image.manifest.config.digest,
            epoch=site.here.epoch,
            steps=len(made),
            cached=sum(each.cached for each in made),
            seconds=time.monotonic() - began,
        )
    if built.cached < built.steps and site.world.settings.number("store.max_size"):
        from wherry.containers import keep_within

        keep_within(site.world, (image,), progress or silent)
    return built


@contextmanager
def planned_build(
    options: BuildOptions,
    report: Report,
    planned: Callable[[Plan], None] | None,
    progress: Progress | None,
    world: World | None,
    *,
    use_cache: bool = True,
    consulted: Consulted | None = None,
) -> Iterator[tuple[Plan, Callable[[], AbstractContextManager[Site]]]]:
    """The plan, which ``planned`` is told, and what opens a site to carry it out; contexts stay open for the block."""
    from wherry.containers import World

    world = world or World()
    _require_sense(world, options)
    with contexts_of(options, world, progress, consulted) as contexts:
        text = text_of(options, contexts)
        plan = planned_with(world, options, text, progress)
        if planned is not None:
            planned(plan)
        yield plan, lambda: opened_site(world, options, text, contexts, report, use_cache=use_cache)


def _require_sense(world: World, options: BuildOptions) -> None:
    """Raise now, and not after an hour, for names that cannot be given, secrets and agents that cannot be read."""
    from wherry.containers import reference_to_name

    for name in options.names:
        reference_to_name(world, name)
    if options.secrets:
        from wherry.build.secrets import parse_secrets

        parse_secrets(options.secrets, world.outside)
    if options.ssh:
        from wherry.build.agents import parse_agents

        parse_agents(options.ssh, world.outside)


def _push(site: Site, names: tuple[Reference, ...], progress: Progress) -> None:
    from wherry.containers import push

    for name in names:
        push(str(name), progress=progress, world=site.world)


def text_of(options: BuildOptions, contexts: Contexts) -> Text:
    needed = options.recipe is None or not (options.recipe == "-" or os.path.isfile(options.recipe))
    text = recipe_of(options, contexts.context("") if needed else None)
    contexts.recipe = text.path
    return text


def planned_with(
    world: World, options: BuildOptions, text: Text, progress: Progress | None, *, dry_run: bool = False
) -> Plan:
    from wherry.build.bases import base_of
    from wherry.image import here

    recipe = parse(text.text, text.name)
    own = str(here())
    arguments = Arguments(
        build_args=_build_args(options),
        target=options.target,
        platform=options.platform or _plain(own),
        build_platform=_plain(own),
        contexts=dict(options.contexts),
        labels=options.labels,
        network=options.network,
    )
    pull = "always" if options.pull else None
    bases: dict[tuple[str, str], Base] = {}
    while True:
        try:
            found = translate(recipe, arguments, bases)
        except RecipeError as error:
            raise error.within(recipe.name, recipe.lines) from None
        if isinstance(found, Graph):
            if recipe.directives.check:
                from wherry.build.lint import require_clean

                require_clean(recipe)
            return Plan(recipe, found, bases)
        assert isinstance(found, Needs)
        for image, position in zip(found.images, found.positions, strict=True):
            try:
                bases[image] = base_of(world, image, pull=pull, progress=progress, dry_run=dry_run)
            except WherryError as error:
                error = _of_base(error, recipe, image[0])
                raise placed(error, position, recipe.name, recipe.lines) from error.__cause__


def _of_base(error: WherryError, recipe: Recipe, image: str) -> WherryError:
    """The error of an image that cannot be had, with the stage whose name was perhaps meant."""
    import difflib

    names = [stage.source.name for stage in recipe.stages if stage.source.name]
    near = difflib.get_close_matches(image, names, 1, 0.6)
    if near:
        error.hint = f"did you mean the stage '{near[0]}'? else: {error.hint}".removesuffix("? else: ")
    return error


def _plain(platform: str) -> str:
    """Without the level of the processor: what is built is for all of its architecture."""
    system, architecture, *_ = platform.split("/")
    return platform if architecture == "arm" else f"{system}/{architecture}"


def _build_args(options: BuildOptions) -> dict[str, str]:
    """``--build-arg NAME`` without a value takes the caller's variable; one that is not set gives nothing."""
    found = {}
    for name, value in options.build_args:
        value = os.environ.get(name) if value is None else value
        if value is not None:
            found[name] = value
    return found


@contextmanager
def opened_site(
    world: World, options: BuildOptions, text: Text, contexts: Contexts, report: Report, *, use_cache: bool = True
) -> Iterator[Site]:
    """What all steps share; what they found in the cache is held until the block ends."""
    from wherry.build.cache.session import build_cache
    from wherry.build.normalise import chosen, epoch
    from wherry.build.owners import way_of_owners
    from wherry.build.site import Here, Site

    given = dict(options.build_args).get("SOURCE_DATE_EPOCH")
    environ = {**os.environ, **({"SOURCE_DATE_EPOCH": given} if given else {})}
    seconds, _ = epoch(contexts.commit_time(text.path), environ)
    way, note = way_of_owners(world, options.owners)
    if way == "range":
        from wherry.containers import remove_left_work

        remove_left_work(world)
    here = Here(
        options=options,
        recipe=text.name,
        epoch=seconds,
        rules=chosen((*world.settings.items("build.rules_off"), *options.rules_off)),
        owners=way,
        use_cache=use_cache and not options.no_cache,
    )
    told = contexts.progress
    with build_cache(world, options.cache_from, options.cache_to, told) as cache:
        site = Site(world, here, cache, contexts.with_ignored, report)
        if note:
            site.note(note)
        with closing(site.tidying):
            if way == "proot":
                from wherry.build.drafts import Drafts

                site.drafts = Drafts(world.store, site.tidying.lasting)
            yield site


def carried_out(site: Site, plan: Plan, report: Report) -> dict[int, Made]:
    """All steps made; an error of a step says where its instruction stands in the recipe."""
    from wherry.build.executing import carry_out
    from wherry.build.steps import make_step

    for note in plan.graph.notes:
        site.note(note)

    def make(place: int, step: Step, done: dict[int, Made], over: threading.Event | None) -> Made:
        try:
            return make_step(site, place, step, done, over)
        except Interrupted:
            raise
        except WherryError as error:
            raise placed(error, step.origin.position, plan.recipe.name, plan.recipe.lines) from error.__cause__

    jobs = site.here.options.jobs or os.cpu_count() or 1
    return carry_out(plan.graph, make, report, jobs=jobs)
