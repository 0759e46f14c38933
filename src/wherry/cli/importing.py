"""``import-store``: a line for each image of another program, as it comes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wherry import containers
from wherry.cli import listing
from wherry.cli.grammar import Given
from wherry.cli.moving import shown

if TYPE_CHECKING:
    from wherry.containers import Brought

__all__ = ["import_store"]

_COLUMNS = (("FROM", "From"), ("NAME", "Name"), ("STATE", "State"), ("IMAGE ID", "ID"), ("SIZE", "Size"))
_FAILED = 125


def import_store(given: Given) -> int:
    """Bring over what there is; the status tells whether all of it came."""
    program, path = given.text("from") or "auto", given.word if given.words else ""
    if given.flag("dry_run"):
        from wherry.cli.foreseeing import foresee

        return foresee(containers.plan_import_store(program, path), given.text("format"))
    with shown(given.flag("quiet")) as progress:
        brought = list(containers.import_store(program, path, progress=progress))
    for each in brought:
        if each.state == "silent":
            print(f"wherry: note: images of {each.theirs.program} are not known: {each.why}", file=sys.stderr)
    brought = [each for each in brought if each.state != "silent"]
    if not brought:
        print("wherry: note: nothing was found", file=sys.stderr)
    elif given.flag("quiet"):
        for identity in dict.fromkeys(each.digest for each in brought if each.digest):
            print(identity)
    else:
        listing.show(map(_row, brought), _COLUMNS, given.text("format"))
    left = [each for each in brought if each.state == "left"]
    for each in left:
        print(f"wherry: '{each.theirs.name}' of {each.theirs.program} is left: {each.why}", file=sys.stderr)
    return _FAILED if left else 0


def _row(each: Brought) -> dict[str, object]:
    theirs = each.theirs
    return {
        "From": theirs.program,
        "Name": ", ".join(each.names) or theirs.name,
        "Theirs": theirs.name,
        "State": each.state,
        "ID": each.digest[7:19],
        "Digest": each.digest,
        "Size": listing.bytes_for_people(theirs.size),
        "Bytes": theirs.size,
        "Why": each.why,
    }
