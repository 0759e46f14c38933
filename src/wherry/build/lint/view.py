"""What rules look at: the recipe's stages, what is known of variables there, and the commands that each RUN calls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from wherry.build.dockerfile import RecipeError, expand
from wherry.build.dockerfile.instructions import (
    From,
    Heredoc,
    Instruction,
    Position,
    Recipe,
    Run,
    Shell,
    Stage,
)
from wherry.build.lint.shellwords import Call, Word, calls
from wherry.build.lint.texts import Located, heredoc_bodies, keyword, locate, logical_line
from wherry.build.lint.values import Choices

__all__ = ["DEFAULT_SHELL", "Command", "RunView", "StageView", "View", "literal", "missing", "view_of"]

DEFAULT_SHELL = ("/bin/sh", "-c")
_SHELLS = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh"))
_LOOKUPS = 200
"""Each one reads the instruction: without a limit a line of a million words would take hours."""
_SHEBANG = re.compile(r"#!.*\b(?:sh|bash|dash|ash|zsh|ksh)\b")
_Kind = TypeVar("_Kind", bound=Instruction)


class Command(msgspec.Struct, frozen=True):
    """A simple command of a RUN and where it stands. ``script`` numbers the text it is from: the line itself, then
    each heredoc that is a script."""

    call: Call
    source: Located
    script: int = 0

    @property
    def position(self) -> Position:
        return self.source.position(self.call.offset)

    def at(self, word: Word) -> Position:
        return self.source.position(word.offset)


class RunView(msgspec.Struct, frozen=True):
    """A RUN: its commands, and the shell that reads them; ``command`` empty where no POSIX shell does."""

    run: Run
    shell: tuple[str, ...]
    commands: tuple[Command, ...]

    def called(self, *names: str) -> Iterator[Command]:
        """The commands of these programs."""
        return (command for command in self.commands if command.call.name in names)

    def pipelines(self) -> Iterator[list[Command]]:
        """The commands in groups that pipes join; those in substitutions apart from those that they stand in."""
        for nested in (False, True):
            group: list[Command] = []
            for command in self.commands:
                if command.call.nested == nested:
                    group.append(command)
                    if command.call.after not in ("|", "|&"):
                        yield group
                        group = []
            if group:
                yield group

    @property
    def text(self) -> str:
        """All that is written, heredocs too."""
        return "\n".join((self.run.text, *(heredoc.content for heredoc in self.run.heredocs)))


class StageView(msgspec.Struct, frozen=True):
    """One stage. ``parent`` is the stage that it begins with, where that is one of this recipe; ``image`` the name of
    the image as far as it is known (None: it holds variables without a default)."""

    index: int
    stage: Stage
    image: str | None
    parent: StageView | None
    runs: tuple[RunView, ...]

    @property
    def source(self) -> From:
        return self.stage.source

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        return self.stage.instructions

    def lineage(self) -> Iterator[StageView]:
        """This stage, the one that it begins with, and so on."""
        stage: StageView | None = self
        while stage is not None:
            yield stage
            stage = stage.parent

    def of(self, kind: type[_Kind]) -> list[_Kind]:
        """The stage's instructions of a kind."""
        return [each for each in self.instructions if isinstance(each, kind)]


class View(msgspec.Struct, frozen=True):
    """A recipe as rules see it; ``defaults`` are the arguments before the first FROM."""

    recipe: Recipe
    defaults: dict[str, str | None]
    stages: tuple[StageView, ...]
    choices: Choices
    lookups: dict[int, int] = {}

    def at(self, instruction: Instruction, word: str) -> Position:
        """Where a word of the instruction stands; of many words in one instruction only the first are looked for."""
        line = instruction.position.line
        self.lookups[line] = self.lookups.get(line, 0) + 1
        return locate(self.recipe, instruction, word) if self.lookups[line] <= _LOOKUPS else instruction.position

    @property
    def runs(self) -> Iterator[RunView]:
        return (run for stage in self.stages for run in stage.runs)

    @property
    def commands(self) -> Iterator[Command]:
        return (command for run in self.runs for command in run.commands)

    @property
    def all(self) -> Iterator[Instruction]:
        """Every instruction, also those before the first FROM and the FROMs."""
        yield from self.recipe.args
        for stage in self.recipe.stages:
            yield stage.source
            yield from stage.instructions


def literal(word: str, variables: dict[str, str] | None = None) -> str | None:
    """What a word says once quotes are off, None where it needs a variable that is not known."""
    try:
        expanded = expand(word, variables or {})
    except RecipeError:
        return None
    return None if expanded.missing else expanded.text


def missing(word: str) -> list[str]:
    """The variables of a word that must be known for its value: those with a default in it are none."""
    try:
        return sorted(expand(word, {}).missing)
    except RecipeError:
        return []


def view_of(recipe: Recipe, choices: Choices) -> View:
    """The recipe as rules see it."""
    defaults: dict[str, str | None] = {}
    for arg in recipe.args:
        for pair in arg.pairs:
            defaults[pair.name] = None if pair.value is None else literal(pair.value, _known(defaults))
    stages: list[StageView] = []
    shells: list[tuple[str, ...]] = []
    for index, stage in enumerate(recipe.stages):
        image = literal(stage.source.image, _known(defaults))
        parent = _stage_named(stages, image)
        shell = shells[parent.index] if parent else DEFAULT_SHELL
        runs: list[RunView] = []
        for instruction in stage.instructions:
            if isinstance(instruction, Shell):
                shell = instruction.words
            elif isinstance(instruction, Run):
                runs.append(RunView(instruction, shell, tuple(_commands(recipe, instruction, shell))))
        shells.append(shell)
        stages.append(StageView(index, stage, image, parent, tuple(runs)))
    return View(recipe, defaults, tuple(stages), choices)


def _known(defaults: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in defaults.items() if value is not None}


def _stage_named(stages: list[StageView], image: str | None) -> StageView | None:
    """The last stage of that name; names of stages do not tell capitals."""
    wanted = (image or "").lower()
    return next((each for each in reversed(stages) if wanted and each.source.name.lower() == wanted), None)


def _commands(recipe: Recipe, run: Run, shell: tuple[str, ...]) -> Iterator[Command]:
    line, _ = logical_line(recipe, run)
    _, begin = keyword(line.text)
    source = line.after(begin)
    if run.command.words is not None:
        yield from _exec_form(run.command.words, source)
        return
    if not shell or shell[0].replace("\\", "/").rpartition("/")[2].removesuffix(".exe") not in _SHELLS:
        return
    bodies = list(heredoc_bodies(recipe, run))
    if bodies and source.text.split("<<", 1)[0].strip() == "" and len(source.text.split()) == 1:
        yield from _script(run.heredocs[0], bodies[0], 1)
        return
    found = calls(source.text)
    yield from (Command(call, source) for call in found)
    for number, (heredoc, body) in enumerate(zip(run.heredocs, bodies, strict=True), 1):
        reads = [call for call in found if any(each.target.text == heredoc.name for each in call.redirects)]
        if any(call.name in _SHELLS for call in reads):
            yield from _script(heredoc, body, number)


def _script(heredoc: Heredoc, body: Located, number: int) -> Iterator[Command]:
    if heredoc.content.startswith("#!") and not _SHEBANG.match(heredoc.content):
        return
    yield from (Command(call, body, number) for call in calls(heredoc.content))


def _exec_form(words: tuple[str, ...], source: Located) -> Iterator[Command]:
    """The program itself, and the script where it is a shell that is given one."""
    here = Located("", source.starts[:1])
    call = Call(words=tuple(Word(word, 0, word) for word in words))
    if not words:
        return
    yield Command(call, here)
    if call.name in _SHELLS and len(words) >= 3 and words[-2].startswith("-") and words[-2].endswith("c"):
        yield from (Command(each, here) for each in calls(words[-1]))
