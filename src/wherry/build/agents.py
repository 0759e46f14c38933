"""The SSH agents of a build (``--ssh``): the caller's own, another's socket, or one for key files while a step runs.

A step is shown the socket, so keys can be used inside and never be read there.
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wherry.base.errors import HostLacks, NotFound, UsageError

if TYPE_CHECKING:
    from wherry.base.outside import Outside

__all__ = ["agent_socket", "parse_agents"]

_OWN = "SSH_AUTH_SOCK"


def parse_agents(texts: tuple[str, ...], outside: Outside) -> dict[str, tuple[str, ...]]:
    """``NAME`` or ``NAME=SOCKET|KEY[,KEY...]``: by name the paths; without any, the caller's own agent."""
    found = {}
    for text in texts:
        name, _, paths = text.partition("=")
        if not name:
            raise UsageError(f"'--ssh {text}' cannot be", why="it has no name", hint="--ssh default")
        places = tuple(os.path.join(outside.cwd(), path) for path in paths.split(",") if path)
        own = outside.env(_OWN)
        if not places and not own:
            hint = "start one: eval $(ssh-agent) && ssh-add; or name a key: --ssh default=KEY"
            raise NotFound(f"'--ssh {text}' finds no agent", why=f"{_OWN} is not set", hint=hint)
        found[name] = places or (str(own),)
    return found


@contextmanager
def agent_socket(name: str, paths: tuple[str, ...], runtime: str) -> Iterator[str]:
    """A socket behind which an agent has the keys, until the block ends.

    Raises :class:`NotFound` where there is nothing, :class:`HostLacks` without OpenSSH's own agent for key files.
    """
    for path in paths:
        if not os.path.exists(path):
            raise NotFound(f"there is no '{path}'", why=f"'--ssh {name}' names it", hint="check the spelling")
    if len(paths) == 1 and stat.S_ISSOCK(os.stat(paths[0]).st_mode):
        yield paths[0]
        return
    with (
        tempfile.TemporaryDirectory(prefix="agent-", dir=runtime, ignore_cleanup_errors=True) as folder,
        _own_agent(f"{folder}/socket") as socket,
    ):
        for path in paths:
            _add(socket, path)
        yield socket


@contextmanager
def _own_agent(socket: str) -> Iterator[str]:
    """One that ends when the block does; told to stay in the foreground, it says where it listens once it does."""
    try:
        agent = subprocess.Popen(
            ["ssh-agent", "-D", "-a", socket],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError:
        hint = "install openssh-client, or start an agent elsewhere and name its socket: --ssh default=SOCKET"
        raise HostLacks("a key for --ssh needs an agent", why="there is no 'ssh-agent' here", hint=hint) from None
    assert agent.stdout is not None
    try:
        said = agent.stdout.readline().decode(errors="replace").strip()
        if not os.path.exists(socket):
            raise HostLacks("no agent could be started for --ssh", why=said or "'ssh-agent' ended at once")
        yield socket
    finally:
        agent.terminate()
        agent.stdout.close()
        agent.wait()
        with contextlib.suppress(OSError):
            os.unlink(socket)


def _add(socket: str, path: str) -> None:
    asked = {**os.environ, _OWN: socket, "SSH_ASKPASS_REQUIRE": "never"}
    try:
        done = subprocess.run(
            ["ssh-add", "-q", path], env=asked, stdin=subprocess.DEVNULL, capture_output=True, start_new_session=True
        )
    except OSError:
        raise HostLacks("a key for --ssh needs an agent", why="there is no 'ssh-add' here") from None
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        hint = "a key with a passphrase: add it to your agent (ssh-add), then --ssh default"
        raise UsageError(f"'{path}' cannot be used for --ssh", why=words[-1] if words else "", hint=hint)
