"""``wherry settings``: each setting, its value and where that comes from."""

from __future__ import annotations

import sys

from wherry.cli.grammar import Argument, Given, Verb
from wherry.cli.options import FORMAT

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli import listing
    from wherry.cli.settingrows import setting_rows, unknown_variables

    for sentence in unknown_variables():
        print(f"wherry: note: {sentence}", file=sys.stderr)
    rows = setting_rows(given.word if given.words else "")
    if given.words and len(rows) == 1 and given.text("format") is None:
        print(rows[0]["Value"])
        return 0
    columns = (("SETTING", "Name"), ("VALUE", "Value"), ("SOURCE", "Source"), ("VARIABLE", "Variable"))
    if given.text("format") in (None, "table"):  # one long list would push all sources out of sight
        rows = [{**row, "Value": listing.shortened(row["Value"], 40, whole=False)} for row in rows]
    listing.show(rows, columns, given.text("format"))
    return 0


VERB = Verb(
    "settings",
    "show each setting, its value and where that comes from",
    _run,
    options=(FORMAT,),
    arguments=(Argument("SETTING", required=False, complete="setting"),),
    examples=(
        ("wherry settings", "all of them"),
        ("wherry settings store.path", "one value, for scripts"),
        ("wherry settings registry", "one section"),
    ),
    details=(
        "Flags win over WHERRY_* variables, these over wherry.toml of the project (the nearest one upward in "
        "directories of yours), of the user (~/.config/wherry/), of the site (/etc/wherry/), and these over what is "
        "built in. A project's file may set only what cannot harm you; a site can lock a setting."
    ),
)
