"""A Dockerfile's text to its instructions. Whatever is wrong is a :class:`RecipeError` with line and column."""

from __future__ import annotations

from wherry.build.dockerfile.errors import RecipeError
from wherry.build.dockerfile.instructions import Arg, From, Instruction, Position, Recipe, Stage
from wherry.build.dockerfile.lines import Lines
from wherry.build.dockerfile.readers import read_instruction, read_trigger
from wherry.build.dockerfile.reading import Reading

__all__ = ["decode", "parse", "parse_trigger"]


def decode(data: bytes, name: str = "Dockerfile") -> str:
    """The text of a file; bytes that are no UTF-8 are kept: comments may have them, :func:`parse` refuses others."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        hint = f"iconv -f utf-16 -t utf-8 {name} makes UTF-8 of it"
        raise RecipeError(f"{name} is UTF-16, not UTF-8", hint=hint)
    return data.decode("utf-8", "surrogateescape")


def parse(text: str, name: str = "Dockerfile") -> Recipe:
    """The recipe that ``text`` is; ``name`` is for messages. Raises :class:`RecipeError`."""
    shown: tuple[str, ...] = ()
    try:
        lines = Lines(text)
        shown = lines.lines
        directives = lines.directives()
        args, stages = _stages(lines)
    except RecipeError as error:
        raise error.within(name, shown) from None
    return Recipe(name, lines.lines, directives, args, stages, tuple(lines.comments))


def parse_trigger(text: str, escape: str = "\\") -> Instruction:
    """The instruction that an ONBUILD keeps in an image; raises :class:`RecipeError`."""
    shown: tuple[str, ...] = ()
    try:
        lines = Lines(text, escape)
        shown = lines.lines
        line = lines.read()
        if line is None:
            raise RecipeError("a trigger that says nothing", Position(1))
        found = read_trigger(Reading(lines, line))
        more = lines.read()
        if more is not None:
            raise more.error(0, "a trigger is one instruction", hint="write an ONBUILD for each")
    except RecipeError as error:
        raise error.within("ONBUILD", shown) from None
    return found


def _stages(lines: Lines) -> tuple[tuple[Arg, ...], tuple[Stage, ...]]:
    args: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    said = False
    while (line := lines.read()) is not None:
        found = read_instruction(Reading(lines, line), first=not said)
        said = True
        if isinstance(found, From):
            stages.append((found, []))
        elif stages:
            stages[-1][1].append(found)
        elif isinstance(found, Arg):
            args.append(found)
        else:
            name = type(found).__struct_config__.tag
            why = "only ARG may stand before the first FROM"
            raise RecipeError(
                f"{name} before FROM", found.position, why=why, hint="begin with FROM IMAGE, or FROM scratch"
            )
    if not stages:
        what = "the recipe has no FROM" if said else "the recipe has no instructions"
        raise RecipeError(what, Position(max(len(lines.lines), 1)), hint="begin with FROM IMAGE, or FROM scratch")
    return tuple(args), tuple(Stage(source, tuple(found)) for source, found in stages)
