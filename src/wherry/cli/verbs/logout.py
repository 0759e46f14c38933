"""``wherry logout``: forget credentials."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb
from wherry.cli.options import AUTHFILE, CHANGES

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.credentials import logout

    return logout(given)


VERB = Verb(
    "logout",
    "forget the credentials for a registry",
    _run,
    options=(AUTHFILE, *CHANGES),
    arguments=(Argument("REGISTRY", required=False),),
    examples=(("wherry logout registry.example.org", "removes them from ~/.docker/config.json or its helper"),),
)
