"""A build that found everything is answered by the front the next time: what it says is saved with all that it read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wherry.base.errors import WherryError

if TYPE_CHECKING:
    from wherry.base.progress import Event, Progress
    from wherry.build.request import BuildOptions
    from wherry.build.unchanged import Consulted
    from wherry.containers import World

__all__ = ["Answer", "answer_to", "words_of"]


def answer_to(words: tuple[str, ...] | None, options: BuildOptions, world: World, *, how: str) -> Answer | None:
    """For the command line ``words`` (face, all arguments), before it is done; None for a build that does more than
    name an image, or would not be the same again. ``how`` it is shown is that of :func:`~wherry.cli.buildview.view_of`.
    """
    from wherry.build.unchanged import Consulted, may_repeat

    if words is None or not may_repeat(options):
        return None
    if how == "auto":
        world.outside.terminal(2)
        world.outside.env("NO_COLOR")
    return Answer(words, world, Consulted(world.outside, options))


class Answer:
    """What a command line says, and what of that was consulted; saved when it is known to be the same again."""

    def __init__(self, words: tuple[str, ...], world: World, consulted: Consulted) -> None:
        self.consulted = consulted
        self._words = words
        self._world = world
        self._is_moved = False

    def heard(self, progress: Progress) -> Progress:
        """The same progress; what moves something is done but once."""

        def take(event: Event) -> None:
            self._is_moved = True
            progress(event)

        return take

    def save(self, said: str, output: str) -> None:
        """The command is done, and made nothing: ``said`` will go to standard error the next time, ``output`` went to
        standard output. Never fails: without it the next build finds all steps by itself."""
        if self._is_moved or not self.consulted.repeats or not (said + output).isascii():
            return
        from wherry.launch import save_answer

        try:
            save_answer(
                said.encode(),
                output.encode(),
                self.consulted.used,
                self._words,
                self._world.outside,
                self._world.runtime,
                self.consulted.since,
            )
        except (OSError, WherryError):
            return


def words_of(verb: str, said: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The command line of Wherry's own face, or of a link to it."""
    return None if said is None else (os.environ.get("WHERRY_FACE", "wherry"), verb, *said)
