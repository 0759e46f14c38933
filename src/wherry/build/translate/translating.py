"""Which stages are built, what they begin with, and the graph of all their steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from wherry.build.dockerfile import Position, RecipeError, parse_trigger
from wherry.build.dockerfile.instructions import Instruction, Recipe, Stage
from wherry.build.graph import Files, Graph, HistoryLine, Origin, SourceStep, Step
from wherry.build.translate.configuring import Config, add_labels, env_of, fresh, inherited
from wherry.build.translate.scope import PREDEFINED, Scope, platform_arguments

__all__ = ["Arguments", "Base", "Needs", "Stages", "Work", "translate"]

SCRATCH = "scratch"


class Arguments(msgspec.Struct, frozen=True, kw_only=True):
    """What a recipe is translated with. ``contexts`` are the further contexts, NAME to what was given for it;
    platforms are ``OS/ARCHITECTURE[/VARIANT]``. ``conda`` and the like are not of the recipe's language and not here.
    """

    build_args: Mapping[str, str] = {}
    target: str = ""
    platform: str = "linux/amd64"
    build_platform: str = "linux/amd64"
    contexts: Mapping[str, str] = {}
    labels: tuple[tuple[str, str], ...] = ()
    network: str = ""


class Base(msgspec.Struct, frozen=True):
    """An image that a recipe names: its configuration as a document, and its manifest's digest."""

    document: Config
    digest: str = ""


class Needs(msgspec.Struct, frozen=True):
    """The images, (reference, platform), whose configurations must be known to go on; and where each is named."""

    images: tuple[tuple[str, str], ...]
    positions: tuple[Position, ...]


class _Missing(Exception):
    """Not an error: who catches it looks the image up."""

    def __init__(self, image: tuple[str, str], position: Position) -> None:
        super().__init__(image)
        self.image = image
        self.position = position


class Work:
    """The stage that is being translated: its configuration, its variables, the place of its last step."""

    def __init__(self, name: str, document: Config, scope: Scope, step: int, platform: str) -> None:
        self.name = name
        self.document = document
        self.scope = scope
        self.step = step
        self.platform = platform
        self.history: list[HistoryLine] = []
        self.has_cmd = False
        self.arguments: list[str] = []
        """Names of the arguments declared so far, for the history."""

    @property
    def config(self) -> Config:
        config: Config = self.document["config"]
        return config


class Stages:
    """All that grows while a recipe is translated: steps, and the stages that are done."""

    def __init__(self, recipe: Recipe, arguments: Arguments, bases: Mapping[tuple[str, str], Base]) -> None:
        self.recipe = recipe
        self.arguments = arguments
        self.bases = bases
        self.steps: list[Step] = []
        self.done: dict[int, Work] = {}
        self.sources: dict[tuple[str, str], int] = {}
        self.notes: list[str] = []
        self.escape = recipe.directives.escape
        self.consumed: set[str] = set()
        self.globals = self._globals()

    def _globals(self) -> Scope:
        given = self.arguments.build_args
        automatic = platform_arguments(self.arguments.platform, self.arguments.build_platform, self.arguments.target)
        scope = Scope(given, automatic, self.escape)
        scope.arguments = {**automatic, **{name: given[name] for name in automatic if name in given}}
        for instruction in self.recipe.args:
            scope.declare(instruction)
        return scope

    def add(self, step: Step) -> int:
        self.steps.append(step)
        return len(self.steps) - 1

    def number_of(self, name: str, before: int) -> int | None:
        """The stage that ``name`` means for the stage at place ``before``: an earlier one's name or number."""
        for place in reversed(range(before)):
            if self.recipe.stages[place].source.name.lower() == name.lower() != "":
                return place
        if name.isascii() and name.isdigit() and int(name) < before:
            return int(name)
        return None

    def stage(self, place: int) -> Work:
        """The stage, translated when it was not yet; others that it needs are translated first."""
        if place not in self.done:
            self.done[place] = self._translated(place)
        return self.done[place]

    def _translated(self, place: int) -> Work:
        from wherry.build.translate.staged import carry_out

        stage = self.recipe.stages[place]
        work = self._begun(stage, place)
        triggers = work.config.pop("OnBuild", None) or ()
        for text in triggers:
            carry_out(self, work, self._triggered(text, stage), place)
        for instruction in stage.instructions:
            carry_out(self, work, instruction, place)
        self.consumed |= work.scope.consumed
        return work

    def _triggered(self, text: str, stage: Stage) -> Instruction:
        """A trigger of the base image, at the place of the FROM that pulled it."""
        instruction = parse_trigger(text, self.escape)
        return msgspec.structs.replace(instruction, position=stage.source.position, last_line=stage.source.last_line)

    def _begun(self, stage: Stage, place: int) -> Work:
        source = stage.source
        image = self.globals.expand(source.image, source.position)
        if not image:
            raise RecipeError(
                f"'FROM {source.image}' names no image",
                source.position,
                why="its variable is empty here",
                hint="give it a default before the first FROM: ARG NAME=value, or --build-arg NAME=value",
            )
        asked = self.globals.expand(source.platform, source.position)
        platform = asked or self.arguments.platform
        name = source.name or f"stage-{place}"
        number = self.number_of(image, place)
        if number is not None and image not in self.arguments.contexts:
            base = self.stage(number)
            document = inherited(base.document)
            return self._work(name, document, base.step, base.platform, base.history)
        step = self.source_step(image, platform, Origin(source.position, f"FROM {image}", name))
        given = self.arguments.contexts.get(image, "")
        if image == SCRATCH and not given:
            return self._work(name, fresh(platform), step, platform, ())
        known = self.bases[self.key_of(image, platform)]
        return self._work(name, inherited(known.document), step, platform, ())

    def _work(self, name: str, document: Config, step: int, platform: str, history: Any) -> Work:
        defaults = platform_arguments(platform, self.arguments.build_platform, self.arguments.target)
        defaults |= self.globals.arguments
        defaults |= platform_arguments(platform, self.arguments.build_platform, self.arguments.target)
        scope = Scope(self.arguments.build_args, defaults, self.escape, env_of(document["config"]))
        work = Work(name, document, scope, step, platform)
        work.history = list(history)
        return work

    def key_of(self, image: str, platform: str) -> tuple[str, str]:
        """How the image is known among the bases: what a named context puts in its place, else itself."""
        return (self.arguments.contexts.get(image, image), platform)

    def source_step(self, image: str, platform: str, origin: Origin) -> int:
        """The step that begins with this image, one for all who do; raises :class:`_Missing` where it is not known."""
        key = self.key_of(image, platform)
        if key in self.sources:
            return self.sources[key]
        if key[0] == SCRATCH:
            step = SourceStep(origin=origin, reference=SCRATCH, platform=platform)
        else:
            if key not in self.bases:
                raise _Missing(key, origin.position)
            step = SourceStep(origin=origin, reference=key[0], platform=platform, digest=self.bases[key].digest)
        self.sources[key] = self.add(step)
        return self.sources[key]

    def files_of(self, name: str, place: int, platform: str, origin: Origin, paths: tuple[str, ...]) -> Files:
        """Where ``--from=NAME`` leads: an earlier stage, a named context, else an image."""
        number = self.number_of(name, place)
        if number is not None and name not in self.arguments.contexts:
            return Files(kind="step", step=self.stage(number).step, paths=paths)
        if name.isascii() and name.isdigit():
            raise RecipeError(f"there is no stage {name} before this one", origin.position, hint=self._stages(place))
        given = self.arguments.contexts.get(name, "")
        if given and not _is_image(given):
            return Files(kind="context", name=name, paths=paths)
        later = [stage.source.name for stage in self.recipe.stages[place:] if stage.source.name.lower() == name.lower()]
        if later:
            raise RecipeError(
                f"the stage '{name}' comes later, or is this one", origin.position, hint=self._stages(place)
            )
        return Files(kind="step", step=self.source_step(name, platform, origin), paths=paths)

    def _stages(self, place: int) -> str:
        names = [stage.source.name or str(number) for number, stage in enumerate(self.recipe.stages[:place])]
        return f"earlier stages are {', '.join(names)}" if names else "there is no earlier stage"


def translate(
    recipe: Recipe, arguments: Arguments, bases: Mapping[tuple[str, str], Base] | None = None
) -> Graph | Needs:
    """The graph of the target stage and all that it needs.

    Raises :class:`RecipeError`, at its place, for what the recipe cannot mean.
    """
    bases = bases or {}
    stages = Stages(recipe, arguments, bases)
    place = _target(recipe, arguments.target)
    missing: dict[tuple[str, str], Position] = {}
    try:
        work = stages.stage(place)
    except _Missing as found:
        missing = {found.image: found.position, **_others(recipe, arguments, bases, found.image)}
    if missing:
        return Needs(tuple(missing), tuple(missing.values()))
    if arguments.labels:
        add_labels(work.config, list(arguments.labels))
    return Graph(
        steps=tuple(stages.steps),
        target=work.step,
        config=work.document,
        history=tuple(work.history),
        platform=work.platform,
        notes=(*stages.notes, *_unused(stages)),
    )


def _others(
    recipe: Recipe, arguments: Arguments, bases: Mapping[tuple[str, str], Base], missing: tuple[str, str]
) -> dict[tuple[str, str], Position]:
    """Further images that will be missed: translating goes on as if the first one were empty."""
    known = {**bases, missing: Base({"config": {}})}
    found: dict[tuple[str, str], Position] = {}
    while True:
        stages = Stages(recipe, arguments, known)
        try:
            stages.stage(_target(recipe, arguments.target))
        except _Missing as another:
            found[another.image] = another.position
            known[another.image] = Base({"config": {}})
            continue
        except RecipeError:
            pass  # its own configuration would have said more: it is looked at when that is known
        return found


def _target(recipe: Recipe, target: str) -> int:
    """The stage to build: the last, or the one of that name or number."""
    if not recipe.stages:
        raise RecipeError("the recipe has no FROM", Position(max(len(recipe.lines), 1)), hint="FROM debian:12")
    if not target:
        return len(recipe.stages) - 1
    names = [stage.source.name for stage in recipe.stages]
    for place, name in enumerate(names):
        if name.lower() == target.lower():
            return place
    if target.isascii() and target.isdigit() and int(target) < len(names):
        return int(target)
    import difflib

    near = difflib.get_close_matches(target, [name for name in names if name], 1)
    known = ", ".join(name or f"number {place}" for place, name in enumerate(names))
    hint = f"did you mean '{near[0]}'?" if near else f"its stages are: {known}"
    if not any(names) and not near:
        hint = "no stage has a name: leave --target out, or name one with FROM IMAGE AS NAME"
    raise RecipeError(f"there is no stage '{target}' (--target)", recipe.stages[-1].source.position, hint=hint)


def _is_image(given: str) -> bool:
    return given.startswith(("docker-image://", "oci-layout://"))


def _unused(stages: Stages) -> list[str]:
    known = stages.consumed | stages.globals.consumed | set(PREDEFINED) | set(stages.globals.arguments)
    unused = [name for name in stages.arguments.build_args if name not in known and not name.startswith("BUILDKIT_")]
    if not unused or unused == ["SOURCE_DATE_EPOCH"]:
        return []
    return [f"no ARG names the build argument {', '.join(sorted(unused))}: it changed nothing"]
