"""``login`` and ``logout``: ask a person for what is missing, never print a secret."""

from __future__ import annotations

import sys

from wherry.base.errors import UsageError
from wherry.cli.grammar import Given

__all__ = ["login", "logout"]


def login(given: Given) -> int:
    """Take name and password from options, standard input or the terminal; try and keep them."""
    from wherry.containers import World
    from wherry.registry import login as log_in

    world = World()
    host = given.word if given.words else world.settings.text("registry.default")
    name = given.text("username") or _ask_name(host, given)
    done = log_in(
        host,
        name,
        _password(given, host),
        settings=world.settings,
        outside=world.outside,
        auth_file=given.text("authfile") or "",
    )
    print(f"logged in to {done.host} as {name}; kept in {done.kept_in}")
    if not done.verified:
        print(f"  note: {done.host} did not ask for a password, so it could not be tried", file=sys.stderr)
    if done.encoded:
        print("  note: the file holds the password readable; a credential helper would not", file=sys.stderr)
    return 0


def logout(given: Given) -> int:
    """Forget, and say where from."""
    from wherry.containers import World
    from wherry.registry import logout as log_out

    world = World()
    host = given.word if given.words else world.settings.text("registry.default")
    authfile = given.text("authfile") or ""
    places = log_out(host, settings=world.settings, outside=world.outside, auth_file=authfile)
    if places:
        print(f"logged out of {host}: removed from {', '.join(places)}")
    else:
        print(f"there were no credentials for {host}")
    return 0


def _ask_name(host: str, given: Given) -> str:
    if given.flag("password_stdin") or not sys.stdin.isatty():
        raise UsageError("a user name is needed", why="standard input is no terminal to ask on", hint="-u NAME")
    print(f"user name at {host}: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def _password(given: Given, host: str) -> str:
    password = given.text("password")
    if given.flag("password_stdin"):
        if password is not None:
            raise UsageError("-p and --password-stdin exclude each other", hint="leave -p out")
        return sys.stdin.readline().rstrip("\r\n")
    if password is not None:
        return password
    if not sys.stdin.isatty():
        raise UsageError("a password is needed", why="standard input is no terminal to ask on", hint="--password-stdin")
    import getpass

    return getpass.getpass(f"password or token at {host}: ", sys.stderr)
