"""``wherry doctor``: which engine starts take here, what stands in the way of better ones, and what to ask for."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import FORMAT

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.doctoring import show_diagnosis

    return show_diagnosis(given)


VERB = Verb(
    "doctor",
    "show how containers start on this machine, and what would make them start better",
    _run,
    options=(
        Option(("--measure",), "also measure starts and imports with each engine, with IMAGE or the smallest"),
        FORMAT,
    ),
    arguments=(Argument("IMAGE", required=False, complete="image"),),
    examples=(
        ("wherry doctor", "when a container does not start, or starts slowly"),
        ("wherry doctor --measure debian:12", "what each engine costs here"),
        ("wherry doctor --format json", "for programs, and for a bug report"),
    ),
    details=(
        "Ends with 0 when a container can be run here, with 1 when not. Every obstacle comes with its name, the line "
        "that removes it, and what it is like to live with it; docs/reference/doctor.md lists them all."
    ),
)
