"""COPY and ADD: what is copied from where to where (reference: ADD, COPY)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wherry.build.dockerfile import RecipeError
from wherry.build.dockerfile.instructions import Add, Copy, Heredoc
from wherry.build.graph import CopyStep, Files, HistoryLine, Origin
from wherry.build.translate.staged import absolute

if TYPE_CHECKING:
    from wherry.build.translate.translating import Stages, Work

__all__ = ["copy_step"]

_GIT = re.compile(r"(git@|git://|ssh://)|https?://[^#?]+\.git([#?/]|$)|https?://github\.com/[^/]+/[^/]+/?(#|\?|$)")


def copy_step(stages: Stages, work: Work, instruction: Copy | Add, place: int) -> None:
    """Add the step, and its line of history."""
    at = instruction.position

    def expand(word: str) -> str:
        return work.scope.expand(word, at)

    target = expand(instruction.target)
    sources = tuple(expand(word) for word in instruction.sources)
    name = "COPY" if isinstance(instruction, Copy) else "ADD"
    _check(name, sources, target, instruction)
    text = f"{name} {' '.join((*sources, *(f'<<{heredoc.name}' for heredoc in instruction.heredocs), target))}"
    origin = Origin(at, text, work.name)
    add = instruction if isinstance(instruction, Add) else None
    from_ = instruction.from_ if isinstance(instruction, Copy) else ""
    files = _files(stages, work, sources, from_, origin, place, is_add=add is not None)
    files += tuple(_inline(work, heredoc, instruction) for heredoc in instruction.heredocs)
    step = CopyStep(
        origin=origin,
        parent=work.step,
        sources=files,
        target=absolute(work, target),
        owner=expand(instruction.chown),
        mode=expand(instruction.chmod),
        link=instruction.link,
        parents=instruction.parents if isinstance(instruction, Copy) else False,
        exclude=tuple(expand(word) for word in instruction.exclude),
        checksum=expand(add.checksum) if add else "",
        keep_git_dir=add.keep_git_dir if add else False,
        unpack=add.unpack if add else False,
    )
    work.step = stages.add(step)
    work.history.append(HistoryLine(text, work.step))


def _check(name: str, sources: tuple[str, ...], target: str, instruction: Copy | Add) -> None:
    if not target:
        raise RecipeError(f"{name} has no target", instruction.position, why=f"'{instruction.target}' is empty here")
    if len(sources) + len(instruction.heredocs) > 1 and not target.endswith("/") and target not in (".", ".."):
        raise RecipeError(
            f"{name} of several sources needs a directory as its target",
            instruction.position,
            hint=f"end it with a slash: {target}/",
        )
    for source, word in zip(sources, instruction.sources, strict=True):
        if not source:
            raise RecipeError(f"{name} has an empty source", instruction.position, why=f"'{word}' is empty here")


def _files(
    stages: Stages,
    work: Work,
    sources: tuple[str, ...],
    from_: str,
    origin: Origin,
    place: int,
    *,
    is_add: bool,
) -> tuple[Files, ...]:
    """Sources that lie in one place stay together, in their order."""
    found: list[Files] = []
    for source in sources:
        if is_add and _GIT.match(source):
            found.append(Files(kind="git", name=source))
        elif is_add and source.startswith(("http://", "https://")):
            found.append(Files(kind="url", name=source))
        elif from_:
            name = work.scope.expand(from_, origin.position)
            found.append(stages.files_of(name, place, work.platform, origin, (source,)))
        else:
            found.append(Files(kind="context", paths=(source,)))
    return tuple(_together(found))


def _together(files: list[Files]) -> list[Files]:
    found: list[Files] = []
    for each in files:
        last = found[-1] if found else None
        if last is not None and each.paths and (last.kind, last.step, last.name) == (each.kind, each.step, each.name):
            found[-1] = Files(kind=last.kind, step=last.step, name=last.name, paths=(*last.paths, *each.paths))
        else:
            found.append(each)
    return found


def _inline(work: Work, heredoc: Heredoc, instruction: Copy | Add) -> Files:
    content = heredoc.content
    if heredoc.expand:
        content = _expanded(work, content, instruction)
    return Files(kind="inline", name=heredoc.name, content=content.encode("utf-8", "surrogateescape"))


def _expanded(work: Work, content: str, instruction: Copy | Add) -> str:
    """Variables count in it, quotes are what they are."""
    from wherry.build.dockerfile import expand_text

    try:
        return expand_text(content, work.scope.variables)  # a backslash escapes in it, whatever the recipe says
    except RecipeError as error:
        raise error.at(instruction.position) from None
