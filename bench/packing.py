"""An image into one squashfs file, against mksquashfs alone on its unpacked tree, with the same options."""

from __future__ import annotations

from measuring import Case, Command, interleave, table
from peers import wherry
from workplace import Workplace, program

_MUST = "at most 1.1 x mksquashfs alone, with the same compression"
_OPTIONS = {"zstd": ("-comp", "zstd", "-Xcompression-level", "6"), "gzip": ("-comp", "gzip")}


def measure(at: Workplace, rounds: int) -> str:
    # Few rounds: each compresses 1.3 GB twice, and gzip takes several times as long as zstd.
    parts = [_packed(at, "zstd", min(rounds, 4)), _packed(at, "gzip", min(rounds, 1))]
    return f"Debian with scientific Python, 48,000 files; must reach: {_MUST}.\n\n" + "\n\n".join(parts)


def _packed(at: Workplace, compression: str, rounds: int) -> str:
    """The tree and what is written are in the kernel's caches; both end with a sync of the file."""
    alone, ours = at.folder / "alone.sqfs", at.folder / "packed.sqfs"
    name = f"mksquashfs alone, {compression}"

    def clean() -> None:
        alone.unlink(missing_ok=True)
        ours.unlink(missing_ok=True)

    cases = interleave(
        [
            Case(name, lambda n: _alone(at, str(alone), compression), before=clean),
            Case(f"wherry pack, {compression}", lambda n: _ours(at, str(ours), compression), before=clean),
        ],
        rounds,
        warm=0,
    )
    clean()
    return table(cases, name)


def _alone(at: Workplace, path: str, compression: str) -> Command:
    options = (*_OPTIONS[compression], "-no-duplicates", "-quiet", "-no-progress")
    words = [program("mksquashfs"), str(at.rootfs("science")), path, *options]
    return Command(["/bin/sh", "-c", '"$@" && sync "$0"', path, *words], at.environment)


def _ours(at: Workplace, path: str, compression: str) -> Command:
    return Command(
        [program("wherry"), "pack", "-q", "--compression", compression, "science", path], wherry.environment(at)
    )
