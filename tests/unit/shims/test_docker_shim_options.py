"""No option of the real programs is unknown: each is honoured, noted or refused by name."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from wherry.base.errors import UsageError
from wherry.cli.grammar import Given
from wherry.shims.docker.call import Call
from wherry.shims.docker.command import Command, read
from wherry.shims.docker.startoptions import RUN
from wherry.shims.docker.table import GROUPS, REFUSED, VERBS, find

FATES = ("done", "idle", "note", "refused")
_LINE = re.compile(r"^\s+(?:(-\w), )?(--[a-z0-9][a-z0-9-]*)(?: ([^\s]\S*))?(?:  |$)")
PEERS = ("docker", "podman")
NEVER = {"help"}


def helped(peer: str, *words: str) -> str:
    program = shutil.which(peer, path="/usr/bin:/usr/local/bin")
    assert program, f"'{peer}' is not installed: scripts/setup-debian test"
    done = subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=False)
    return done.stdout


def options_of(peer: str, verb: str) -> set[str]:
    """Long and short spellings in the help of the real program."""
    found: set[str] = set()
    for line in helped(peer, *verb.split()).splitlines():
        match = _LINE.match(line)
        if match and match[2].lstrip("-") not in NEVER:
            found.update(name for name in match.groups()[:2] if name)
    return found


def known(command: Command, peer: str) -> set[str]:
    return {name for option in command.options if option.only in ("", peer) for name in option.names}


def is_of_other(peer: str, verb: str) -> bool:
    """Whether only the other peer has the verb, or a plug-in that Debian's client lacks."""
    first, last = verb.split(" ")[0], verb.split(" ")[-1]
    return first == "buildx" or (last in ("untag", "exists") if peer == "docker" else first == "context")


def verbs() -> list[tuple[str, str]]:
    grouped = [name for words in GROUPS.values() for name in words.values() if " " in name and "list" not in name]
    return [(peer, verb) for peer in PEERS for verb in (*VERBS, *grouped) if not is_of_other(peer, verb)]


@pytest.mark.parametrize(("peer", "verb"), verbs())
def test_every_option_of_a_verb_is_in_its_table(peer: str, verb: str) -> None:
    theirs = options_of(peer, verb)
    missing = theirs - known(find(Call(peer), verb), peer) - {"--help"}
    assert not missing, f"{peer} {verb}: {sorted(missing)}"


@pytest.mark.parametrize(("peer", "verb"), verbs())
def test_the_help_names_them_too(peer: str, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = find(Call(peer), verb)
    assert read(Call(peer, (verb,), verb), command, ["--help"]) is None
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage:  {peer} {verb}")
    assert all(name in shown for name in known(command, peer))


def test_the_table_says_what_becomes_of_each() -> None:
    for option in RUN:
        assert option.fate in FATES
        assert option.why or option.fate in ("done", "idle"), option.names
        assert option.hint or option.fate != "refused", option.names
    assert len(options_of("docker", "run")) > 90
    assert len(options_of("podman", "run")) > 100


@pytest.mark.parametrize("option", [option for option in RUN if option.fate == "refused"], ids=lambda o: o.names[-1])
def test_a_refused_one_says_why_and_what_to_do(option: object) -> None:
    from wherry.shims.docker.command import Asked

    assert isinstance(option, Asked)
    peer = option.only or "docker"
    words = [option.names[-1] + ("=1" if option.kind != "flag" else ""), "tiny"]
    with pytest.raises(UsageError) as caught:
        read(Call(peer, ("run",), "run"), find(Call(peer), "run"), words)
    assert option.names[-1] in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("option", [option for option in RUN if option.fate == "note"], ids=lambda o: o.names[-1])
def test_a_noted_one_is_told_and_the_start_goes_on(option: object, capsys: pytest.CaptureFixture[str]) -> None:
    from wherry.shims.docker.command import Asked

    assert isinstance(option, Asked)
    peer = option.only or "docker"
    words = [option.names[-1] + ("=1" if option.kind != "flag" else ""), "tiny", "true"]
    given = read(Call(peer, ("run",), "run"), find(Call(peer), "run"), words)
    assert given is not None
    assert given.words == ("tiny", "true")
    assert f"note: '{option.names[-1]}' has no effect: {option.why}" in capsys.readouterr().err


def test_words_end_where_the_command_begins() -> None:
    """Options after the image are the command's; two dashes before it only end the options."""

    def given(*words: str) -> Given:
        found = read(Call("docker", ("run",), "run"), find(Call("docker"), "run"), list(words))
        assert found is not None
        return found

    assert given("-it", "--rm", "tiny", "ls", "--rm").words == ("tiny", "ls", "--rm")
    assert given("-w=/x", "tiny").text("workdir") == "/x"
    dashed = given("--rm", "--", "tiny", "-x")
    assert (dashed.words, dashed.prefix) == (("tiny", "-x"), ("--rm", "--", "tiny"))


@pytest.mark.parametrize(
    ("verb", "words", "what"),
    [
        ("run", [], '"docker run" requires at least 1 argument'),
        ("rename", ["a"], '"docker rename" requires exactly 2 arguments'),
        ("version", ["a"], '"docker version" accepts no arguments'),
        ("ps", ["--nosuch"], "unknown flag: --nosuch"),
        ("ps", ["-Z"], "unknown shorthand flag: 'Z'"),
    ],
)
def test_mistakes_are_named(verb: str, words: list[str], what: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(Call("docker", (verb,), verb), find(Call("docker"), verb), words)
    assert what in str(caught.value)


@pytest.mark.parametrize("name", [*REFUSED])
def test_a_verb_that_there_is_not_is_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        find(Call("podman"), name)
    assert "podman" in str(caught.value)
    assert caught.value.hint
    assert "docker CONT" not in caught.value.hint


def test_every_verb_of_the_groups_is_there() -> None:
    for group, words in GROUPS.items():
        for name in words.values():
            assert find(Call("docker"), name).summary, (group, name)


@pytest.mark.parametrize("peer", PEERS)
def test_every_verb_of_the_real_program_is_known_or_refused(peer: str) -> None:
    """None ends in 'is not a command': people read what to do instead."""
    text = helped(peer)
    theirs = set(re.findall(r"^  ([a-z][a-z-]+)\*?   ", text, re.M)) - {"help", "completion"}
    assert len(theirs) > 35
    unknown = theirs - set(VERBS) - set(GROUPS) - {name.split()[0] for name in REFUSED}
    assert not unknown, sorted(unknown)


def test_a_start_imports_nothing_heavy() -> None:
    """What `docker run` needs before the launcher, as `wherry run` (tests/unit/containers/test_imports.py)."""
    heavy = {"asyncio", "click", "http", "ipaddress", "json", "logging", "rich", "socket", "ssl", "tempfile", "tomllib"}
    rooms = "wherry.shims.docker.table, wherry.shims.docker.running, wherry.cli.becoming"
    code = f"import sys; import {rooms}; print(*({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
