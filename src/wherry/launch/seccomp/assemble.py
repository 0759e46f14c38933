"""From rules to classic BPF (linux/filter.h, struct seccomp_data in seccomp(2)).

The program looks at the architecture, then finds the system call's number in a balanced tree of ranges: about eight
comparisons, and on kernels from 5.11 none for calls that are always allowed (they keep a bitmap).
"""

from __future__ import annotations

import struct

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

_Code = list[tuple[int, int, int, int]]


def assemble(profile: Profile, architecture: str) -> bytes:
    """The filter's program: an array of struct sock_filter in the machine's (little-endian) order."""
    audit, table, compatible = _ARCHITECTURES[architecture]
    code: _Code = [(_LOAD, 0, 0, _ARCHITECTURE_AT)]
    code += _branch(_EQUAL, audit, _tree(profile, table), [])
    if compatible is not None and profile.compatible:
        code += _branch(_EQUAL, compatible[0], _tree(profile, compatible[1]), [])
    code.append((_RETURN, 0, 0, profile.newer))
    if len(code) > 4096:
        from wherry.base.errors import UsageError

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


def _tree(profile: Profile, table: str) -> _Code:
    from wherry.launch.seccomp.numbers import NUMBERS

    numbers = NUMBERS[table]
    by_name: dict[str, list[Rule]] = {}
    for rule in profile.rules:
        for name in rule.names:
            by_name.setdefault(name, []).append(rule)
    leaves = {number: _leaf(by_name.get(name, []), profile.default) for name, number in numbers.items()}
    return [(_LOAD, 0, 0, _NUMBER_AT), *_search(_segments(leaves, profile))]


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


def _search(segments: list[tuple[int, _Code]]) -> _Code:
    if len(segments) == 1:
        return segments[0][1]
    middle = len(segments) // 2
    return _branch(_GREATER_EQUAL, segments[middle][0], _search(segments[middle:]), _search(segments[:middle]))


def _leaf(rules: list[Rule], default: int) -> _Code:
    """The rules of one call, in their order; each that does not hold falls through to the next."""
    code: _Code = []
    for rule in rules:
        then: _Code = [(_RETURN, 0, 0, rule.action)]
        if not rule.conditions:
            return code + then
        code += _all(rule.conditions, then)
    return [*code, (_RETURN, 0, 0, default)]


def _all(conditions: tuple[Condition, ...], then: _Code) -> _Code:
    """``then`` (which returns) when all hold, else on to what follows."""
    body = then
    for condition in reversed(conditions):
        body = _one(condition, body)
    return body


def _one(condition: Condition, then: _Code) -> _Code:
    """Compare the upper word, then the lower; both masked. ``then`` returns, so what follows it is 'does not hold'."""
    operator, value, mask = condition.operator, condition.value, condition.mask
    low = _load(condition.index, 0, mask & 0xFFFFFFFF)
    high = _load(condition.index, 1, mask >> 32)
    value_low, value_high = value & 0xFFFFFFFF, value >> 32
    if operator in ("!=", "<", "<="):  # the opposite of the other three: swap the ways
        opposite = {"!=": "==", "<": ">=", "<=": ">"}[operator]
        # The opposite jumps over `then`.
        tested = _one(Condition(condition.index, opposite, value, mask), [(_JUMP, 0, 0, len(then))])
        return tested + then
    if operator == "==":
        return [*_if(high, _EQUAL, value_high, [*_if(low, _EQUAL, value_low, then)])]
    compare = _GREATER if operator == ">" else _GREATER_EQUAL
    lower = _if(low, compare, value_low, then)
    equal = _if(high, _EQUAL, value_high, lower)
    return [*_if(high, _GREATER, value_high, then), *equal]


def _if(load: _Code, jump: int, value: int, then: _Code) -> _Code:
    return [*load, *_skip(jump, value, then)]


def _skip(jump: int, value: int, then: _Code) -> _Code:
    if len(then) <= 255:
        return [(jump, 0, len(then), value), *then]
    return [(jump, 1, 0, value), (_JUMP, 0, 0, len(then)), *then]


def _load(index: int, word: int, mask: int) -> _Code:
    code: _Code = [(_LOAD, 0, 0, _ARGUMENTS_AT + 8 * index + 4 * word)]
    if mask != 0xFFFFFFFF:
        code.append((_AND, 0, 0, mask))
    return code


def _branch(jump: int, value: int, then: _Code, otherwise: _Code) -> _Code:
    """``then`` when the comparison holds, else ``otherwise`` (or what follows); both end in returns."""
    if not otherwise:
        return _skip(jump, value, then)
    if len(otherwise) <= 255:
        return [(jump, len(otherwise), 0, value), *otherwise, *then]
    return [(jump, 0, 1, value), (_JUMP, 0, 0, len(otherwise)), *otherwise, *then]
