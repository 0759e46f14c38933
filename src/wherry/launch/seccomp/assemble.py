"""From rules to classic BPF (linux/filter.h, struct seccomp_data in seccomp(2)).

The program looks at the architecture, then finds the system call's number in a balanced tree of ranges: about eight
comparisons, and on kernels from 5.11 none for calls that are always allowed (they keep a bitmap).
"""

from __future__ import annotations

import struct

from wherry.base.errors import UsageError
from wherry.launch.seccomp.rules import Condition, Profile, Rule

__all__ = ["assemble", "decide"]

_LOAD, _AND, _RETURN, _JUMP = 0x20, 0x54, 0x06, 0x05
_EQUAL, _GREATER, _GREATER_EQUAL = 0x15, 0x25, 0x35
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_SPACE = 1 << 32

# OCI's name: (audit's number, table of numbers, the 32-bit one beside it or None)
_ARCHITECTURES = {
    "amd64": (0xC000003E, "amd64", (0x40000003, "386")),
    "arm64": (0xC00000B7, "arm64", None),
}

_Instruction = tuple[int, int, int, int]
_Code = list[_Instruction]
_FAR = 255
"""How many instructions a comparison can leap over; it knows no way back."""


class _Program:
    """Built from its end, so that where a jump goes to is always there already.

    A *place* is an instruction's distance from the end. Pieces that say the same stand there once, as long as they are
    near enough: a start pays for each instruction (the kernel translates them).
    """

    def __init__(self) -> None:
        self._reversed: _Code = []
        self._known: dict[tuple[_Instruction, ...], int] = {}

    def code(self) -> _Code:
        return self._reversed[::-1]

    def add(self, instruction: _Instruction) -> int:
        self._reversed.append(instruction)
        return len(self._reversed)

    def place(self, code: _Code) -> int:
        """Where ``code``, which ends in returns, stands."""
        key = tuple(code)
        known = self._known.get(key)
        if known is None or (len(code) == 1 and self._leap(known) > _FAR // 2):
            for instruction in reversed(code):
                known = self.add(instruction)
            assert known is not None
            self._known[key] = known
        return known

    def compare(self, jump: int, value: int, then: int, otherwise: int) -> int:
        """A comparison of what is loaded; ``then`` and ``otherwise`` are places."""
        if self._leap(then) > _FAR - 1:  # the second bridge moves the first one away by one
            then = self.add((_JUMP, 0, 0, self._leap(then)))
        if self._leap(otherwise) > _FAR:
            otherwise = self.add((_JUMP, 0, 0, self._leap(otherwise)))
        return self.add((jump, self._leap(then), self._leap(otherwise), value))

    def _leap(self, place: int) -> int:
        return len(self._reversed) - place


def assemble(profile: Profile, architecture: str) -> bytes:
    """The filter's program: an array of struct sock_filter in the machine's (little-endian) order."""
    audit, table, compatible = _ARCHITECTURES[architecture]
    program = _Program()
    other = program.place([(_RETURN, 0, 0, profile.newer)])
    if compatible is not None and profile.compatible:
        there = _tree(program, profile, compatible[1])
        other = program.compare(_EQUAL, compatible[0], there, other)
    program.compare(_EQUAL, audit, _tree(program, profile, table), other)
    program.add((_LOAD, 0, 0, _ARCHITECTURE_AT))
    code = program.code()
    if len(code) > 4096:
        raise UsageError("the seccomp profile is too large", why=f"{len(code)} instructions; the kernel takes 4096")
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def decide(profile: Profile, architecture: str, name: str, arguments: tuple[int, ...]) -> int:
    """What the profile says to one call, from the rules themselves: the model that programs are compared with."""
    for rule in profile.rules:
        if name in rule.names and all(_holds(condition, arguments) for condition in rule.conditions):
            return rule.action
    return profile.default


def _holds(condition: Condition, arguments: tuple[int, ...]) -> bool:
    left, right = arguments[condition.index] & condition.mask, condition.value
    return {
        "==": left == right,
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }[condition.operator]


def _tree(program: _Program, profile: Profile, table: str) -> int:
    from wherry.launch.seccomp.numbers import numbers

    by_name: dict[str, list[Rule]] = {}
    for rule in profile.rules:
        for name in rule.names:
            by_name.setdefault(name, []).append(rule)
    leaves = {number: _leaf(by_name.get(name, []), profile.default) for name, number in numbers(table).items()}
    _search(program, _segments(leaves, profile))
    return program.add((_LOAD, 0, 0, _NUMBER_AT))


def _segments(leaves: dict[int, _Code], profile: Profile) -> list[tuple[int, _Code]]:
    """Ranges of numbers with one fate, as (first number, code); together they cover all 32-bit numbers."""
    newer: _Code = [(_RETURN, 0, 0, profile.newer)]
    unused: _Code = [(_RETURN, 0, 0, profile.newer)]
    last = max(leaves)
    segments: list[tuple[int, _Code]] = []
    for number in range(last + 1):
        code = leaves.get(number, unused)
        if not segments or segments[-1][1] != code:
            segments.append((number, code))
    if segments[-1][1] != newer:
        segments.append((last + 1, newer))
    return segments


def _search(program: _Program, segments: list[tuple[int, _Code]]) -> int:
    if len(segments) == 1:
        return program.place(segments[0][1])
    middle = len(segments) // 2
    upper, lower = _search(program, segments[middle:]), _search(program, segments[:middle])
    return program.compare(_GREATER_EQUAL, segments[middle][0], upper, lower)


def _leaf(rules: list[Rule], default: int) -> _Code:
    """The rules of one call, in their order; each that does not hold goes on to the next."""
    code: _Code = []
    for rule in rules:
        code += _tests(rule)
        code.append((_RETURN, 0, 0, rule.action))
        if not rule.conditions:
            return code
    return [*code, (_RETURN, 0, 0, default)]


def _tests(rule: Rule) -> _Code:
    """Goes on behind its end when all conditions hold, else one further (over the return that stands there)."""
    parts = [_test(condition) for condition in rule.conditions]
    code: _Code = []
    end = sum(map(len, parts))
    for part in parts:
        held = len(code) + len(part)
        for operation, when_true, when_false, value in part:
            after = len(code) + 1
            ways = {_NEXT: 0, _HOLDS: held - after, _FAILS: end + 1 - after}
            jump = ways[when_true], ways[when_false]
            if max(jump) > 255:
                raise UsageError("the seccomp profile is too large", why="a rule has more than 30 conditions")
            code.append((operation, *jump, value))
    return code


_NEXT, _HOLDS, _FAILS = 0, 1, 2
"""Where a comparison goes, before distances are known; loads have _NEXT twice."""


def _test(condition: Condition) -> _Code:
    """Compare the upper word, then the lower; both masked."""
    value, mask, holds, fails = condition.value, condition.mask, _HOLDS, _FAILS
    operator = condition.operator
    if operator in ("!=", "<", "<="):  # the opposite of the other three
        operator = {"!=": "==", "<": ">=", "<=": ">"}[operator]
        holds, fails = fails, holds
    high, low = _load(condition.index, 1, mask >> 32), _load(condition.index, 0, mask & 0xFFFFFFFF)
    compare = {"==": _EQUAL, ">": _GREATER, ">=": _GREATER_EQUAL}[operator]
    code = [*high]
    if operator != "==":
        code.append((_GREATER, holds, _NEXT, value >> 32))
    code.append((_EQUAL, _NEXT, fails, value >> 32))
    return [*code, *low, (compare, holds, fails, value & 0xFFFFFFFF)]


def _load(index: int, word: int, mask: int) -> _Code:
    code: _Code = [(_LOAD, 0, 0, _ARGUMENTS_AT + 8 * index + 4 * word)]
    if mask != 0xFFFFFFFF:
        code.append((_AND, 0, 0, mask))
    return code
