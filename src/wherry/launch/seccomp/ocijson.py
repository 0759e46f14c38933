"""A filter in the words of the OCI runtime specification (config-linux.md, "seccomp").

Our rules are tried in their order, while its lists are sets in which a rule with conditions counts beside the others:
"all but these values" is said as the values that differ from each of these in some bit.
"""

from __future__ import annotations

from wherry.base.errors import UsageError
from wherry.launch.seccomp.rules import ALLOW, KILL_PROCESS, KILL_THREAD, LOG, TRAP, Condition, Profile, Rule

__all__ = ["as_oci"]

_ARCHITECTURES = {"amd64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"), "arm64": ("SCMP_ARCH_AARCH64",)}
_ACTIONS = {
    ALLOW: "SCMP_ACT_ALLOW",
    LOG: "SCMP_ACT_LOG",
    TRAP: "SCMP_ACT_TRAP",
    KILL_THREAD: "SCMP_ACT_KILL_THREAD",
    KILL_PROCESS: "SCMP_ACT_KILL_PROCESS",
}
_ERRNO = 0x00050000
_OPERATORS = {
    "!=": "SCMP_CMP_NE",
    "<": "SCMP_CMP_LT",
    "<=": "SCMP_CMP_LE",
    ">": "SCMP_CMP_GT",
    ">=": "SCMP_CMP_GE",
    "==": "SCMP_CMP_EQ",
}
_ALL_BITS = (1 << 64) - 1

Said = dict[str, object]


def as_oci(profile: Profile, architecture: str) -> Said:
    """The member ``linux.seccomp``. Raises :class:`UsageError` for rules that it has no words for."""
    by_name: dict[str, list[Rule]] = {}
    for rule in profile.rules:
        for name in rule.names:
            by_name.setdefault(name, []).append(rule)
    found: list[Said] = []
    alike: dict[int, list[str]] = {}
    for name, rules in by_name.items():
        if not rules[0].conditions:
            alike.setdefault(rules[0].action, []).append(name)
        else:
            found += _conditional(name, rules, profile)
    merged = [
        {"names": sorted(names), **_action(action)} for action, names in alike.items() if action != profile.default
    ]
    architectures = _ARCHITECTURES.get(architecture, ())[: 2 if profile.compatible else 1]
    default = {f"default{key[0].upper()}{key[1:]}": value for key, value in _action(profile.default).items()}
    return {**default, "architectures": list(architectures), "syscalls": [*merged, *found]}


def _conditional(name: str, rules: list[Rule], profile: Profile) -> list[Said]:
    """First what is refused by conditions, then what is left; or what is allowed by conditions, else the default."""
    refused = [rule for rule in rules if rule.conditions and rule.action != ALLOW]
    allowed = [rule for rule in rules if rule.conditions and rule.action == ALLOW]
    last = next((rule for rule in rules if not rule.conditions), None)
    if not refused and (last is None or last.action == profile.default):
        return [_entry(name, ALLOW, rule.conditions) for rule in allowed]
    if not allowed and last is not None and last.action == ALLOW and _are_values(refused, profile.default):
        index, mask = refused[0].conditions[0].index, refused[0].conditions[0].mask
        values = {rule.conditions[0].value for rule in refused}
        return [_entry(name, ALLOW, (Condition(index, "==", value, bits),)) for value, bits in _others(values, mask)]
    raise UsageError(
        f"the rules for '{name}' cannot be said in OCI's form", hint="leave out conditions, or the profile"
    )


def _are_values(refused: list[Rule], default: int) -> bool:
    first = refused[0].conditions[0]
    return all(
        rule.action == default
        and len(rule.conditions) == 1
        and rule.conditions[0].operator == "=="
        and (rule.conditions[0].index, rule.conditions[0].mask) == (first.index, first.mask)
        for rule in refused
    )


def _others(values: set[int], mask: int) -> list[tuple[int, int]]:
    """(value, bits): every number (of those bits of ``mask``) that is not in ``values``, each in one of these."""
    found = []
    known = 0
    prefixes = {0}
    for bit in range(mask.bit_length() - 1, -1, -1):
        if not mask >> bit & 1:
            continue
        known |= 1 << bit
        longer = {value & known for value in values}
        found += [
            (other, known)
            for prefix in sorted(prefixes)
            for other in (prefix, prefix | 1 << bit)
            if other not in longer
        ]
        prefixes = longer
    return found


def _entry(name: str, action: int, conditions: tuple[Condition, ...]) -> Said:
    return {"names": [name], **_action(action), "args": [_argument(name, item) for item in conditions]}


def _argument(name: str, item: Condition) -> Said:
    if item.mask == _ALL_BITS:
        return {"index": item.index, "value": item.value, "op": _OPERATORS[item.operator]}
    if item.operator != "==":
        raise UsageError(f"the rules for '{name}' cannot be said in OCI's form", why=f"a mask with '{item.operator}'")
    return {"index": item.index, "value": item.mask, "valueTwo": item.value, "op": "SCMP_CMP_MASKED_EQ"}


def _action(action: int) -> Said:
    if action & 0xFFFF0000 == _ERRNO:
        return {"action": "SCMP_ACT_ERRNO", "errnoRet": action & 0xFFFF}
    return {"action": _ACTIONS[action]}
