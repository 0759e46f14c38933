"""``wherry rmi``: remove images."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import CHANGES

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.removing import remove_images

    return remove_images(given)


VERB = Verb(
    "rmi",
    "remove images",
    _run,
    options=(Option(("-f", "--force"), "remove all names of an image, and ignore missing images"), *CHANGES),
    arguments=(Argument("IMAGE", many=True, complete="image"),),
    examples=(
        ("wherry rmi debian:12", "remove a name, and the image when it was its last"),
        ("wherry rmi -f 3f1c2a77b0de", "remove an image by its id, with all its names"),
    ),
    details="An image that a container uses, on any node that shares the store, is not removed.",
)
