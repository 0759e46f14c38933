"""``wherry commit``: an image of what a container became."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import CHANGES, QUIET

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry import containers
    from wherry.cli.moving import shown

    name, target = given.word, given.words[1] if len(given.words) > 1 else ""
    if given.flag("dry_run"):
        from wherry.cli.foreseeing import foresee

        return foresee(containers.plan_commit(name, target), given.text("format"))
    with shown(given.flag("quiet")) as progress:
        image = containers.commit(
            name,
            target,
            message=given.text("message") or "",
            author=given.text("author") or "",
            changes=given.many("change"),
            pause=not given.flag("no_pause"),
            squash=given.flag("squash"),
            progress=progress,
        )
    print(image.digest)
    return 0


VERB = Verb(
    "commit",
    "make an image of what a container became",
    _run,
    options=(
        Option(("-a", "--author"), "who made it, for the image's configuration", "text", "TEXT"),
        Option(
            ("-c", "--change"),
            "apply an instruction: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR",
            "many",
            "INSTRUCTION",
        ),
        Option(("-m", "--message"), "a message for the image's history", "text", "TEXT"),
        Option(("-p", "--pause"), "stop a running container for the time, as without this option"),
        Option(("--no-pause",), "let it run on: a file that changes while it is read is an error"),
        Option(("--squash",), "make one layer, in which nothing is that was removed"),
        QUIET,
        *CHANGES,
    ),
    arguments=(
        Argument("CONTAINER", complete="container"),
        Argument("NAME", required=False, complete="image"),
    ),
    examples=(
        ("wherry commit lab team/lab:2", "what 'wherry diff lab' shows becomes a layer on top of its image"),
        ("wherry commit -c 'CMD [\"python3\"]' -m 'with astropy' lab lab:2", "and what the image runs"),
    ),
    details=(
        "The container stays as it is. Its command, variables (-e), directory, user and labels go into the image, as "
        "with docker commit. Binds and what lies in them do not. SOURCE_DATE_EPOCH gives the dates, so that the same "
        "changes give the same image; a recipe for 'wherry build' is the better way to that."
    ),
)
