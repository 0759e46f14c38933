"""Listings: rows of named fields as a table for people, as JSON or by a template for programs (``--format``).

Field names and headings are Docker's where Docker has them. JSON is one object a line, as Docker's; sizes and times
come twice, for people (``Size``, ``CreatedSince``) and for programs (``Bytes``, ``CreatedAt``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import zip_longest
from time import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime, timezone

    from wherry.cli.grammar import Given

__all__ = [
    "Columns",
    "Row",
    "ago",
    "bytes_for_people",
    "json_text",
    "seconds",
    "shortened",
    "show",
    "show_ids_or",
    "since",
    "table",
    "visible",
]

Row = Mapping[str, Any]
Columns = Sequence[tuple[str, str]]
"""Pairs of heading and field."""

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def show(rows: Iterable[Row], columns: Columns, form: str | None, *, width: int = 0, between: int = 3) -> None:
    """Print rows as ``--format`` asks: ``table`` (also None), ``json``, ``table TEMPLATE``, ``TEMPLATE``.

    ``width`` and ``between`` as in :func:`table`.
    """
    if form in (None, "table", ""):
        known = list(rows)
        cells = zip(*(_column([row.get(field) for row in known]) for _, field in columns), strict=True)
        print(table(list(cells), [name for name, _ in columns], width=width, between=between))
        return
    assert form is not None
    if form == "json":
        for row in rows:
            print(json_text(dict(row)))
        return
    from wherry.cli import template

    template.require(form)
    named = template.fields(form)  # also where there are no rows: a template that is not closed is a mistake
    if form.startswith("table "):
        pattern = form.removeprefix("table ")
        names = {field: name for name, field in columns}
        heading = [names.get(field, field.upper()) for field in named]
        lines = [template.render(pattern, row).split("\t") for row in rows]
        print(table(lines, heading, width=width, between=between))
        return
    for row in rows:
        print(template.render(form, row))


def show_ids_or(rows: Sequence[Row], columns: Columns, given: Given) -> int:
    """What a listing verb prints: with ``-q`` each id once, else the rows as ``--format`` asks."""
    if given.flag("quiet"):
        for identity in dict.fromkeys(row["ID"] for row in rows):
            print(identity)
    else:
        show(rows, columns, given.text("format"))
    return 0


def shortened(text: str, length: int, *, whole: bool) -> str:
    """The text, cut to ``length`` characters unless it is wanted whole (``--no-trunc``)."""
    return text if whole or len(text) <= length else text[: length - 1] + "…"


def table(rows: Sequence[Sequence[str]], heading: Sequence[str], *, width: int = 0, between: int = 3) -> str:
    """Columns side by side with ``between`` spaces between, each at least ``width`` wide; nothing after the last."""
    padded = []
    for column in zip_longest(heading, *rows, fillvalue=""):
        wide = max(width, between + max(map(len, column)))
        padded.append([cell.ljust(wide) for cell in column])
    return "\n".join(map(str.rstrip, map("".join, zip(*padded, strict=True))))


def bytes_for_people(size: int) -> str:
    """As Docker shows sizes: decimal units, three digits (``124MB``, ``1.31GB``)."""
    value, unit = float(size), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value /= 1000
        unit += 1
    return f"{value:.3g}{_UNITS[unit]}"


def ago(seconds: float) -> str:
    """A length of time as Docker shows it: ``3 days``, ``About an hour``."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    minutes = whole // 60
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    hours = (whole + 1800) // 3600
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    days = whole // 86400
    for limit, length, name in ((14, 1, "days"), (60, 7, "weeks"), (730, 30, "months")):
        if days < limit:
            return f"{days // length} {name}"
    return f"{days // 365} years"


def since(moment: str) -> str:
    """How long ago an RFC 3339 time was, ``N/A`` for none (or one that image builders zero: before 1971)."""
    then = seconds(moment)
    if then is None or then < 365 * 86400:
        return "N/A"
    return ago(max(0.0, time() - then)) + " ago"


def seconds(moment: str) -> float | None:
    """An RFC 3339 time (any number of digits after the second) as seconds since 1970; None when it is none."""
    if not moment:
        return None
    parse, utc, epoch = _calendar()
    try:
        parsed = parse(moment)
    except ValueError:
        return None
    return ((parsed if parsed.tzinfo else parsed.replace(tzinfo=utc)) - epoch).total_seconds()


@cache
def _calendar() -> tuple[Callable[[str], datetime], timezone, datetime]:
    """How a time is read, and 1970; imported once, as a listing reads thousands, and only where there are any."""
    from datetime import UTC, datetime

    return datetime.fromisoformat, UTC, datetime(1970, 1, 1, tzinfo=UTC)


def _column(values: Iterable[Any]) -> list[str]:
    cells = [value if type(value) is str else _cell(value) for value in values]
    return cells if "".join(cells).isprintable() else list(map(visible, cells))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value)


def json_text(value: Any) -> str:
    """As JSON on one line. A name's bytes need not be text, and JSON is: such a name comes as a table has it."""
    import msgspec

    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(_as_text(value)).decode()


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        return "".join(_escaped(letter) if "\udc80" <= letter <= "\udcff" else letter for letter in value)
    if isinstance(value, dict):
        return {_as_text(key): _as_text(item) for key, item in value.items()}
    return [_as_text(item) for item in value] if isinstance(value, list | tuple) else value


def visible(text: str) -> str:
    """The text with control characters, and bytes that are no UTF-8, written as ``\\n`` or ``\\xff``.

    Names come from images and containers: they must not steer the terminal.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else letter.encode("unicode_escape").decode()
