"""``wherry images``: what the store holds."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import FORMAT, NO_TRUNC

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli import listing
    from wherry.cli.imagerows import image_rows
    from wherry.containers import World

    pattern = given.word if given.words else ""
    rows = image_rows(World().store, pattern, filters=given.many("filter"), whole=given.flag("no_trunc"))
    columns = [("REPOSITORY", "Repository"), ("TAG", "Tag"), ("IMAGE ID", "ID")]
    if given.flag("digests"):
        columns.insert(2, ("DIGEST", "Digest"))
    return listing.show_ids_or(rows, [*columns, ("CREATED", "CreatedSince"), ("SIZE", "Size")], given)


VERB = Verb(
    "images",
    "list images",
    _run,
    options=(
        Option(("-q", "--quiet"), "print only the ids"),
        Option(("-a", "--all"), "accepted for Docker's sake: there are no hidden images"),
        Option(("--digests",), "show the digests too"),
        Option(("-f", "--filter"), "only those by dangling, reference, label, before, since", "many", "KEY=VALUE"),
        NO_TRUNC,
        FORMAT,
    ),
    arguments=(Argument("NAME", required=False, complete="image"),),
    examples=(
        ("wherry images", "all of them, newest first"),
        ("wherry images debian", "those of one repository; '*' stands for anything"),
        ("wherry images --format '{{.Repository}}:{{.Tag}} {{.Size}}'", "chosen fields"),
        ("wherry images --format json", "one JSON object a line"),
    ),
)
