"""``logs``: the lines of a container in the background, each to the stream that it was written to."""

from __future__ import annotations

import sys

from wherry.base.errors import UsageError
from wherry.cli.grammar import Given

__all__ = ["show_log"]


def show_log(given: Given) -> int:
    """Print what is asked for, as it was printed; with ``-f`` until the container ends."""
    from wherry import containers

    streams = {"stdout": sys.stdout, "stderr": sys.stderr}
    stamped, follow = given.flag("timestamps"), given.flag("follow")
    since, until = given.text("since"), given.text("until")
    last = sys.stdout
    for line in containers.logs(given.word, follow=follow, tail=_tail(given.text("tail")), since=since, until=until):
        stream = streams.get(line.stream, sys.stdout)
        if stream is not last:  # both may lead to one place (2>&1 | less), where the order of the lines counts
            last.flush()
            last = stream
        stream.write(f"{line.time} {line.log}" if stamped else line.log)
        if follow:
            stream.flush()
    return 0


def _tail(text: str | None) -> int | None:
    if text is None or text == "all":
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"'--tail {text}' is not a number of lines", hint="--tail 20, or --tail all")
    return int(text)
