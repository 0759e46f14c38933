"""Listing: a store with a thousand images with a name each; what `wherry images` takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from measuring import Case, Command, interleave, table
from peers import wherry
from workplace import Workplace, program

COUNT = 1000
MUST = "under 60 ms"

# Written with the store's own functions, by the interpreter beside the command that is measured.
FILL = """
import sys
from wherry.base.digest import Digest
from wherry.base.reference import Reference
from wherry.store import ImageRecord, Name, open_at
store = open_at(sys.argv[1])
for n in range(int(sys.argv[2])):
    digest = store.put_blob(b"manifest %d" % n)
    made = f"20{n % 25:02}-0{1 + n % 9}-1{n % 10}T0{n % 10}:22:{n % 60:02}Z"
    store.put_image_record(ImageRecord(digest, 30_000_000 + n * 1_234_567, (), created=made, pulled=made))
    store.set_name(Reference.parse(f"registry.example.org/group{n % 20}/tool{n}:1.{n % 10}"), Name(digest))
"""


def measure(at: Workplace, rounds: int) -> str:
    env = wherry.environment(at, "listed")
    store = at.folder / "wherry" / "listed"
    python = Path(program("wherry")).with_name("python")
    if not (store / "names").exists():
        subprocess.run([python, "-c", FILL, str(store), str(COUNT)], check=True, env=env)

    def command(*words: str) -> Command:
        return Command([program("wherry"), *words], env)

    cases = interleave(
        [
            Case("wherry images", lambda n: command("images")),
            Case("wherry images -q", lambda n: command("images", "-q")),
            Case("wherry images --format json", lambda n: command("images", "--format", "json")),
            Case("wherry version", lambda n: command("version", "--format", "{{.Version}}")),
        ],
        min(rounds, 30),
    )
    return f"A store with {COUNT} images with a name each; must reach: {MUST}.\n\n" + table(cases, "wherry images")
