"""Variables: which names mean what at a place of the recipe (reference: ARG, "Scope"; "Environment replacement")."""

from __future__ import annotations

from collections.abc import Mapping

from wherry.build.dockerfile import Position, RecipeError, expand
from wherry.build.dockerfile.instructions import Arg

__all__ = ["PREDEFINED", "Scope", "platform_arguments"]

PREDEFINED = tuple(
    name
    for upper in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (upper, upper.lower())
)
"""Arguments that no ARG has to name; they are given to RUN, and are no part of its meaning."""


class Scope:
    """The variables of one stage, or of what stands before the first FROM.

    ``given`` are the values of ``--build-arg``, ``defaults`` those that an ARG without a value takes (the arguments
    before the first FROM, and the platform's). A variable of ENV always wins over an argument of the same name.
    """

    def __init__(
        self,
        given: Mapping[str, str],
        defaults: Mapping[str, str],
        escape: str,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.given = given
        self.defaults = defaults
        self.escape = escape
        self.env: dict[str, str] = dict(env or {})
        self.arguments: dict[str, str] = {}
        self.consumed: set[str] = set()

    def copy(self) -> Scope:
        """For a stage that begins with another one: variables go on, arguments do not (reference: ARG, "Scope")."""
        return Scope(self.given, self.defaults, self.escape, self.env)

    @property
    def variables(self) -> dict[str, str]:
        return {**self.arguments, **self.env}

    def expand(self, word: str, position: Position) -> str:
        """The word's value; an error of its own (``${x:?no x}``) is told at ``position``."""
        if "$" not in word and "\\" not in word and '"' not in word and "'" not in word and self.escape not in word:
            return word
        try:
            return expand(word, self.variables, self.escape).text
        except RecipeError as error:
            raise error.at(position) from None

    def declare(self, instruction: Arg) -> tuple[tuple[str, str | None], ...]:
        """Take an ARG in; what each of its names became, None: nothing was given."""
        before = self.copy_of_variables()
        found: list[tuple[str, str | None]] = []
        for pair in instruction.pairs:
            name = before.expand(pair.name, instruction.position)
            self.consumed.add(name)
            value: str | None
            if name in self.given:
                value = self.given[name]
            elif pair.value is not None:
                value = before.expand(pair.value, instruction.position)
            else:
                value = self.defaults.get(name)
            if value is not None:
                self.arguments[name] = value
            found.append((name, value))
        return tuple(found)

    def copy_of_variables(self) -> Scope:
        """The scope as it is now: all words of one instruction see what was before it."""
        scope = self.copy()
        scope.arguments = dict(self.arguments)
        return scope


def platform_arguments(target: str, build: str, stage: str) -> dict[str, str]:
    """``TARGETPLATFORM`` and its kin (reference: ARG, "Automatic platform ARGs in the global scope")."""
    found = {"TARGETSTAGE": stage or "default"}
    for prefix, platform in (("TARGET", target), ("BUILD", build)):
        system, _, rest = platform.partition("/")
        architecture, _, variant = rest.partition("/")
        found |= {
            f"{prefix}PLATFORM": platform,
            f"{prefix}OS": system,
            f"{prefix}ARCH": architecture,
            f"{prefix}VARIANT": variant,
        }
    return found
