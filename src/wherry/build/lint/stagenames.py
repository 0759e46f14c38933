"""Rules on stages and their names, and on the variables in FROM."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.build.dockerfile.instructions import Arg, Copy, From
from wherry.build.lint.texts import keyword, logical_line
from wherry.build.lint.values import Found, Rule
from wherry.build.lint.view import View, literal, missing

__all__ = ["PLATFORM_ARGUMENTS", "RULES"]

PLATFORM_ARGUMENTS = frozenset(
    f"{where}{what}" for where in ("BUILD", "TARGET") for what in ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")
) | {"TARGETSTAGE"}


_AS = re.compile(r"\s([Aa][Ss])\s+(\S+)\s*$")


def _named(view: View) -> Iterator[tuple[int, From, str]]:
    """Stages with a name, as it is written."""
    for stage in view.stages:
        if stage.source.name:
            found = _AS.search(logical_line(view.recipe, stage.source)[0].text)
            yield stage.index, stage.source, found[2] if found else stage.source.name


def _case(view: View) -> Iterator[Found]:
    for _, source, name in _named(view):
        if name != name.lower():
            yield Found(view.at(source, name), f"the stage's name '{name}' has capitals", name.lower())


def _duplicate(view: View) -> Iterator[Found]:
    seen: dict[str, int] = {}
    for _, source, name in _named(view):
        if name.lower() in seen:
            message = f"a stage '{name}' begins in line {seen[name.lower()]} already"
            yield Found(view.at(source, name), message, "give each stage a name of its own")
        seen.setdefault(name.lower(), source.position.line)


def _reserved(view: View) -> Iterator[Found]:
    for _, source, name in _named(view):
        if name.lower() in ("scratch", "context"):
            yield Found(view.at(source, name), f"'{name}' means something else in FROM and --from", "another name")


def _stage_sources(view: View) -> Iterator[tuple[int, Copy, str]]:
    for stage in view.stages:
        for copy in stage.of(Copy):
            name = literal(copy.from_)
            if name:
                yield stage.index, copy, name


def _unknown(view: View) -> Iterator[Found]:
    for index, copy, name in _stage_sources(view):
        earlier = {stage.source.name.lower() for stage in view.stages[:index]} | {str(each) for each in range(index)}
        here = view.stages[index].source.name.lower()
        if name.lower() in earlier or name.lower() == here or name == str(index) or re.search("[:/@.]", name):
            continue
        later = any(stage.source.name.lower() == name.lower() for stage in view.stages[index + 1 :])
        hint = "move that stage before this one" if later else _nearest(name, earlier)
        which = "begins later" if later else "is not in this recipe"
        yield Found(view.at(copy, copy.from_), f"the stage '{name}' {which}", hint)


def _nearest(name: str, known: set[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name.lower(), sorted(word for word in known if not word.isdigit()), 1)
    return (
        f"did you mean '{near[0]}'?"
        if near
        else "for an image: NAME:TAG; for a context that the build is given, leave it so"
    )


def _itself(view: View) -> Iterator[Found]:
    for index, copy, name in _stage_sources(view):
        if name.lower() == view.stages[index].source.name.lower() or name == str(index):
            yield Found(view.at(copy, copy.from_), f"stage '{name}' copies from itself", "RUN cp -a SOURCE TARGET")


def _undefined_in_from(view: View) -> Iterator[Found]:
    known = set(view.defaults) | PLATFORM_ARGUMENTS
    for stage in view.stages:
        for word in (stage.source.platform, stage.source.image):
            for name in missing(word):
                if name not in known:
                    elsewhere = any(
                        pair.name == name for each in view.stages for arg in each.of(Arg) for pair in arg.pairs
                    )
                    hint = f"ARG {name} before the first FROM" + (
                        "; the one in a stage does not count here" if elsewhere else ""
                    )
                    yield Found(
                        view.at(stage.source, word),
                        f"FROM uses '{name}', which no ARG before the first FROM declares",
                        hint,
                    )


def _no_default(view: View) -> Iterator[Found]:
    for stage in view.stages:
        word = stage.source.image
        empty = {name: value or "" for name, value in view.defaults.items()}
        if not any(name in view.defaults and not view.defaults[name] for name in missing(word)):
            continue
        value = literal(word, empty)
        if value is not None and (not value or value.endswith((":", "@", "/")) or value.startswith((":", "/"))):
            message = (
                f"without a --build-arg, '{word}' is '{value}'"
                if value
                else f"without a --build-arg, '{word}' is empty"
            )
            yield Found(view.at(stage.source, word), message, "give the ARG a default")


def _as_case(view: View) -> Iterator[Found]:
    for _, source, _ in _named(view):
        located, _ = logical_line(view.recipe, source)
        word, _ = keyword(located.text)
        found = _AS.search(located.text)
        if found and word and word.isupper() != found[1].isupper() and (word.isupper() or word.islower()):
            position = located.position(found.start(1))
            right = found[1].upper() if word.isupper() else found[1].lower()
            yield Found(position, f"'{found[1]}' and '{word}' differ in case", right)


def _descriptions(view: View) -> Iterator[Found]:
    comments = dict(view.recipe.comments)
    for instruction in view.all:
        names = [pair.name for pair in instruction.pairs] if isinstance(instruction, Arg) else []
        names += [instruction.name] if isinstance(instruction, From) and instruction.name else []
        comment = comments.get(instruction.position.line - 1)
        if (
            names
            and comment is not None
            and comment.split()[:1]
            and comment.split()[0] not in names
            and "lint" not in comment
        ):
            message = f"the comment before '{names[0]}' is taken for its description and does not begin with its name"
            yield Found(instruction.position, message, f"# {names[0]} ..., or an empty line between")


RULES = (
    Rule(
        "stage-name-case",
        ("StageNameCasing",),
        "info",
        "a stage's name has capitals",
        "names of stages do not tell capitals from small letters, so two that differ only so are one",
        _case,
    ),
    Rule(
        "duplicate-stage",
        ("DL3024", "DuplicateStageName"),
        "error",
        "two stages have one name",
        "--from and --target take the last one, whichever was meant",
        _duplicate,
    ),
    Rule(
        "reserved-stage",
        ("ReservedStageName",),
        "error",
        "a stage has a name that means something else",
        "'scratch' is the empty image and 'context' the build's files: the stage cannot be reached",
        _reserved,
    ),
    Rule(
        "unknown-stage",
        ("DL3022",),
        "warning",
        "COPY --from names a stage that is not there",
        "it is taken for an image of that name, and fetched from a registry",
        _unknown,
    ),
    Rule(
        "copy-from-itself",
        ("DL3023",),
        "error",
        "a stage copies from itself",
        "a stage can only copy from stages that are finished",
        _itself,
    ),
    Rule(
        "undefined-arg-in-from",
        ("UndefinedArgInFrom",),
        "warning",
        "FROM uses a variable that is not declared",
        "it is empty there: only ARGs before the first FROM and the platform arguments count",
        _undefined_in_from,
    ),
    Rule(
        "empty-arg-in-from",
        ("InvalidDefaultArgInFrom",),
        "warning",
        "FROM is no image's name unless an argument is given",
        "the recipe cannot be built without knowing what to give",
        _no_default,
    ),
    Rule(
        "as-case",
        ("FromAsCasing",),
        "info",
        "FROM and AS differ in case",
        "keywords that look alike are found by readers and by tools",
        _as_case,
    ),
    Rule(
        "definition-comment",
        ("InvalidDefinitionDescription",),
        "info",
        "a comment before a stage or an argument is no description of it",
        "tools show the comment before ARG or FROM as its description, if it begins with the name",
        _descriptions,
        optional=True,
    ),
)
