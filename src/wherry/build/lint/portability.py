"""Rules on code that runs only where it was built."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.build.dockerfile.instructions import Arg, Env, Run
from wherry.build.lint.texts import heredoc_bodies, logical_line
from wherry.build.lint.values import Found, Rule
from wherry.build.lint.view import View

__all__ = ["RULES"]

_NATIVE = re.compile(
    r"(?<![\w-])(?:-m(?:arch|tune|cpu)[= ]native|-x(?:Host|HOST)\b|/QxHost\b|-tp[= ](?:native|host)\b|-h ?cpu=native"
    r"|-C ?target-cpu=native|target-cpu=native|JULIA_CPU_TARGET=[\"']?native"
    r"|-D(?:ENABLE|USE|WITH|BUILD|GGML|LLAMA|OPTIMIZE_FOR)_NATIVE(?:_\w+)?(?::BOOL)?=(?i:ON|1|TRUE|YES)\b)"
)


def _native(view: View) -> Iterator[Found]:
    hint = (
        "-march=x86-64-v2 (or -v3): the oldest processor that it must run on; -mtune=... alone changes no instructions"
    )
    for instruction in view.all:
        if not isinstance(instruction, Run | Env | Arg):
            continue
        for located in (logical_line(view.recipe, instruction)[0], *heredoc_bodies(view.recipe, instruction)):
            for found in _NATIVE.finditer(located.text):
                position = located.position(found.start())
                if _is_removed(located.text, found.start()):
                    continue
                yield Found(position, f"'{found[0]}' builds for the processor of the machine that builds", hint)


def _is_removed(text: str, offset: int) -> bool:
    """Whether it stands in a ``sed`` or ``grep``: there it is looked for or taken out."""
    before = re.split(r"&&|\|\||[;|\n]", text[max(0, offset - 500) : offset])[-1].split()
    return any(word in ("sed", "grep", "perl", "patch") for word in before)


RULES = (
    Rule(
        "native-code",
        (),
        "warning",
        "code is compiled for the processor of the machine that builds",
        "on an older processor the program ends with 'illegal instruction', and results depend on where it was built",
        _native,
    ),
)
