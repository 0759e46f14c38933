"""``registry login`` and ``logout``: credentials where Docker and Podman look too."""

from __future__ import annotations

from wherry.base.errors import UsageError
from wherry.cli.grammar import Given

__all__ = ["do_list", "do_login", "do_logout"]


def do_login(face: str, given: Given, *, quiet: bool) -> int:
    """``registry login docker://REGISTRY``."""
    from wherry.cli.credentials import login

    return login(_with_host(given))


def do_logout(face: str, given: Given, *, quiet: bool) -> int:
    """Forget them."""
    from wherry.cli.credentials import logout

    return logout(_with_host(given))


def do_list(face: str, given: Given, *, quiet: bool) -> int:
    """Which registries are known is in the files of Docker and Podman."""
    raise UsageError(
        f"'{face} registry list' is not possible",
        why="credentials may be in a helper that lists none",
        hint="look into ~/.docker/config.json",
    )


def _with_host(given: Given) -> Given:
    host = given.word.partition("://")[2] or given.word
    return Given(dict(given.options), (host.partition("/")[0],))
