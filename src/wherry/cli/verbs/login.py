"""``wherry login``: credentials for a registry."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import AUTHFILE, CHANGES

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.credentials import login

    return login(given)


VERB = Verb(
    "login",
    "keep credentials for a registry",
    _run,
    options=(
        Option(("-u", "--username"), "user name; asked for when missing", "text", "NAME"),
        Option(
            ("-p", "--password"), "password; visible to others in the process list, prefer the next", "text", "TEXT"
        ),
        Option(("--password-stdin",), "read the password from standard input"),
        AUTHFILE,
        *CHANGES,
    ),
    arguments=(Argument("REGISTRY", required=False),),
    examples=(
        ("wherry login registry.example.org", "asks for name and password, tries them, keeps them"),
        ("wherry login -u robot --password-stdin quay.io < token", "for scripts"),
    ),
    details="They are kept where Docker and Podman look too: ~/.docker/config.json, or its credential helper.",
)
