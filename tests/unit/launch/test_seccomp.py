"""The system call filter: the program says what the rules say, for every call and all kinds of arguments."""

from __future__ import annotations

import json
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from launch_bpf import run

from wherry.base.errors import HostLacks, UsageError
from wherry.launch import seccomp
from wherry.launch.seccomp.assemble import assemble, decide
from wherry.launch.seccomp.dockerjson import read_profile
from wherry.launch.seccomp.numbers import numbers
from wherry.launch.seccomp.rules import (
    ALLOW,
    DEFAULT,
    ENOSYS,
    EPERM,
    TIOCLINUX,
    TIOCSTI,
    Condition,
    Profile,
    Rule,
    errno_action,
)

ARCHITECTURES = ("amd64", "arm64")
EDGES = (0, 1, 8, 40, 0x20000, 0x20008, TIOCSTI, TIOCLINUX, 0x7E020000, 0xFFFFFFFF, 1 << 32, (1 << 32) | TIOCSTI)
ARGUMENT = st.one_of(st.sampled_from(EDGES), st.integers(0, (1 << 64) - 1))
ARGUMENTS = st.tuples(*[ARGUMENT] * 6)


def program(architecture: str) -> bytes:
    return seccomp.default_filter(architecture).program


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_shipped_filter_is_the_compiled_one(architecture: str) -> None:
    """scripts/make-seccomp was run after the last change of the rules."""
    shipped = resources.files("wherry.launch.seccomp").joinpath(f"default-{architecture}.bpf").read_bytes()
    assert shipped == assemble(DEFAULT, architecture)


@pytest.mark.parametrize(("architecture", "table"), [("amd64", "amd64"), ("amd64", "386"), ("arm64", "arm64")])
def test_every_call_has_the_fate_that_the_rules_say(architecture: str, table: str) -> None:
    """All numbers of the table, with arguments that are all 0, all 1, TIOCSTI, and full of bits."""
    code = program(architecture)
    for name, number in numbers(table).items():
        for value in (0, 1, TIOCSTI, (1 << 64) - 1):
            arguments = (value,) * 6
            assert run(code, table, number, arguments)[0] == decide(DEFAULT, architecture, name, arguments), name


@pytest.mark.parametrize(("architecture", "table"), [("amd64", "amd64"), ("amd64", "386"), ("arm64", "arm64")])
def test_pretending_answers_for_what_needs_other_ids_and_for_nothing_else(architecture: str, table: str) -> None:
    found = seccomp.pretending(architecture)
    assert found.refuses_tiocsti
    usual, done = program(architecture), errno_action(0)
    changed = set()
    for name, number in numbers(table).items():
        for mode in (0o010644, 0o100644, 0o020644, 0o060600):
            for at in (1, 2):
                arguments = tuple(mode if place == at else 0 for place in range(6))
                answer = run(found.program, table, number, arguments)[0]
                if answer != run(usual, table, number, arguments)[0]:
                    assert answer == done, name
                    changed.add((name, at, mode) if "mknod" in name else name)
    ids = {
        name for name in numbers(table) if name.startswith("set") and name[3:6] in ("uid", "gid", "fsu", "fsg", "res")
    }
    ids |= {name for name in numbers(table) if name.removesuffix("32") in ("setgroups", "setreuid", "setregid")}
    owners = {name for name in numbers(table) if "chown" in name}
    devices = {("mknodat", 2, 0o020644), ("mknodat", 2, 0o060600)}
    if "mknod" in numbers(table):
        devices |= {("mknod", 1, 0o020644), ("mknod", 1, 0o060600)}
    assert changed == ids | owners | devices


@settings(deadline=None)
@given(st.sampled_from(sorted(numbers("amd64"))), ARGUMENTS)
def test_arguments_count_as_the_rules_say(name: str, arguments: tuple[int, ...]) -> None:
    """Any call with any arguments."""
    expected = decide(DEFAULT, "amd64", name, arguments)
    assert run(program("amd64"), "amd64", numbers("amd64")[name], arguments)[0] == expected


OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
CONDITIONS = st.builds(Condition, st.integers(0, 5), OPERATORS, ARGUMENT, st.one_of(st.just((1 << 64) - 1), ARGUMENT))
NAMES = st.sampled_from(["read", "ioctl", "clone", "socket", "mmap", "futex"])
RULES = st.builds(
    Rule,
    st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    st.sampled_from([ALLOW, errno_action(5), errno_action(EPERM)]),
    st.lists(CONDITIONS, max_size=3).map(tuple),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(RULES, max_size=6).map(tuple), NAMES, ARGUMENTS)
def test_any_rules_compile_to_what_they_say(rules: tuple[Rule, ...], name: str, arguments: tuple[int, ...]) -> None:
    """The compiler is right for all comparisons, masks and orders of rules."""
    profile = Profile(rules)
    code = assemble(profile, "amd64")
    expected = decide(profile, "amd64", name, arguments)
    assert run(code, "amd64", numbers("amd64")[name], arguments)[0] == expected


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_unknown_calls_do_not_exist(architecture: str) -> None:
    """Newer calls, holes, x32 numbers, and other architectures give ENOSYS, so that libraries fall back."""
    code = program(architecture)
    for number in (470, 1000, 0x40000000, 0x40000001, 0xFFFFFFFF):
        assert run(code, architecture, number)[0] == errno_action(ENOSYS)
    assert run(code, "arm", 0)[0] == errno_action(ENOSYS)


@pytest.mark.parametrize("high", [0, 1 << 32, 0xFFFFFFFF << 32])
@pytest.mark.parametrize("request_number", [TIOCSTI, TIOCLINUX])
def test_the_terminal_cannot_be_typed_into(request_number: int, high: int) -> None:
    """Also with bits in the upper half of the argument, which the kernel ignores (CVE-2019-10063)."""
    for architecture in ARCHITECTURES:
        number = numbers(architecture)["ioctl"]
        arguments = (0, high | request_number, 0, 0, 0, 0)
        assert run(program(architecture), architecture, number, arguments)[0] == errno_action(EPERM)


def test_what_science_needs_is_allowed() -> None:
    """MPI's copies between processes, debuggers, memory policies, terminals, threads."""
    for name in (
        "process_vm_readv",
        "process_vm_writev",
        "ptrace",
        "mbind",
        "set_mempolicy",
        "move_pages",
        "ioctl",
        "execve",
    ):
        assert decide(DEFAULT, "amd64", name, (0,) * 6) == ALLOW, name
    threads = 0x3D0F00
    assert decide(DEFAULT, "amd64", "clone", (threads, 0, 0, 0, 0, 0)) == ALLOW


def test_what_docker_refuses_is_refused() -> None:
    """New namespaces, mounts, modules, keys, BPF, io_uring."""
    for name in (
        "unshare",
        "mount",
        "init_module",
        "keyctl",
        "bpf",
        "io_uring_setup",
        "reboot",
        "userfaultfd",
        "setns",
    ):
        assert decide(DEFAULT, "amd64", name, (0,) * 6) == errno_action(EPERM), name
    assert decide(DEFAULT, "amd64", "clone", (0x10000000, 0, 0, 0, 0, 0)) == errno_action(EPERM)
    assert decide(DEFAULT, "amd64", "clone3", (0,) * 6) == errno_action(ENOSYS)
    assert decide(DEFAULT, "amd64", "socket", (40, 1, 0, 0, 0, 0)) == errno_action(EPERM)


def test_frequent_calls_are_decided_quickly() -> None:
    """The tree is balanced: no call takes more than a dozen and a half steps to be allowed."""
    code = program("amd64")
    worst = max(run(code, "amd64", numbers("amd64")[name])[1] for name in ("read", "write", "futex", "openat", "mmap"))
    assert worst <= 14


def test_a_profile_in_dockers_format_is_read() -> None:
    """Names, arguments, errno values, conditions by capability and architecture."""
    document = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            {"names": ["read", "nosuchcall"], "action": "SCMP_ACT_ALLOW"},
            {"name": "write", "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
            {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_CHROOT"]}},
            {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
            {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
            {
                "names": ["clone"],
                "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
            },
        ],
    }
    profile = read_profile(json.dumps(document).encode(), "p.json", "amd64", "5.14.0-el9", 1 << 18)
    answers = {name: decide(profile, "amd64", name, (1 << 28, *[0] * 5)) for name in ("read", "write", "bpf", "chroot")}
    assert answers == {"read": ALLOW, "write": errno_action(28), "bpf": errno_action(1), "chroot": ALLOW}
    assert decide(profile, "amd64", "arch_prctl", (0,) * 6) == errno_action(1)
    assert decide(profile, "amd64", "ptrace", (0,) * 6) == ALLOW
    assert decide(profile, "amd64", "clone", (1 << 28, *[0] * 5)) == errno_action(1)
    assert decide(profile, "amd64", "clone", (0,) * 6) == ALLOW
    assert profile.compatible


def test_a_profile_that_allows_all_allows_new_calls_too() -> None:
    """Numbers that this Wherry does not know share the default of a permissive profile."""
    found = seccomp.compile_json(b'{"defaultAction":"SCMP_ACT_ALLOW"}', "p.json", "amd64", "6.1", 0)
    assert run(found.program, "amd64", 5000)[0] == ALLOW
    assert not found.refuses_tiocsti


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "p.json"),
        (b"{}", "defaultAction"),
        (b'{"defaultAction":"SCMP_ACT_TRACE"}', "a process that answers"),
        (b'{"defaultAction":"SCMP_ACT_DANCE"}', "SCMP_ACT_DANCE"),
        (
            b'{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO",'
            b'"args":[{"index":9,"value":1,"op":"SCMP_CMP_EQ"}]}]}',
            "argument 9",
        ),
    ],
)
def test_a_bad_profile_says_what_is_bad(text: bytes, message: str) -> None:
    """The message names the file or the word."""
    with pytest.raises(UsageError, match=message):
        seccomp.compile_json(text, "p.json", "amd64", "6.1", 0)


def test_an_architecture_without_filter_says_so() -> None:
    """Nobody runs unfiltered without having asked for it."""
    with pytest.raises(HostLacks, match="riscv64"):
        seccomp.default_filter("riscv64")
