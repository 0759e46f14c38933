"""``login`` and ``logout``: ask a person for what is missing, never print a secret."""

from __future__ import annotations

import sys

from wherry.base.errors import UsageError
from wherry.cli.foreseeing import foresee
from wherry.cli.grammar import Given

__all__ = ["ask", "login", "logout"]


def login(given: Given) -> int:
    """Take name and password from options, standard input or the terminal; try and keep them."""
    from wherry import containers

    world, auth_file = containers.World(make_store=False), given.text("authfile") or ""
    host = given.word if given.words else world.settings.text("registry.default")
    if given.flag("dry_run"):
        return foresee(containers.plan_login(host, auth_file=auth_file, world=world), given.text("format"))
    name, password = ask(given, host)
    done = containers.login(host, name, password, auth_file=auth_file, world=world)
    print(f"logged in to {done.host} as {name}; kept in {done.kept_in}")
    if not done.verified:
        print(f"  note: {done.host} did not ask for a password, so it could not be tried", file=sys.stderr)
    if done.encoded:
        print("  note: the file holds the password readable; a credential helper would not", file=sys.stderr)
    return 0


def logout(given: Given) -> int:
    """Forget, and say where from."""
    from wherry import containers

    world, auth_file = containers.World(make_store=False), given.text("authfile") or ""
    host = given.word if given.words else world.settings.text("registry.default")
    if given.flag("dry_run"):
        return foresee(containers.plan_logout(host, auth_file=auth_file, world=world), given.text("format"))
    places = containers.logout(host, auth_file=auth_file, world=world)
    if places:
        print(f"logged out of {host}: removed from {', '.join(places)}")
    else:
        print(f"there were no credentials for {host}")
    return 0


def ask(given: Given, host: str) -> tuple[str, str]:
    """Name and password for a registry: as given, else asked for."""
    name = given.text("username") or _ask_name(host, given)
    return name, _password(given, host)


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
