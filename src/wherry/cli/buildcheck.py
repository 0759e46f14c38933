"""``build --check``: what two builds of one recipe have different, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.cli.buildview import view_of

if TYPE_CHECKING:
    from wherry.build.checking import Checked
    from wherry.build.request import BuildOptions

__all__ = ["check"]

_DIFFERS = 1


def check(options: BuildOptions, *, how: str) -> int:
    """Build twice; 0 and the digest when both are the same, else 1 and what differs."""
    from wherry.build.checking import check_build
    from wherry.cli.moving import shown

    quiet = how == "quiet"
    with view_of(how) as view, shown(quiet) as progress:
        found = check_build(options, report=view.take, planned=view.begin, progress=progress)
    if not found.found:
        print(found.image.digest if quiet else f"the same twice: {found.image.digest}")
        return 0
    for line in _told(found):
        print(line)
    return _DIFFERS


def _told(found: Checked) -> list[str]:
    from wherry.cli.listing import visible

    count = len(found.found)
    lines = [f"two builds differ; the first {count} differences:" if count > 1 else "two builds differ:"]
    layer = None
    for each in found.found:
        if each.layer != layer:
            layer = each.layer
            step = found.steps.get(layer, f"number {layer}")
            lines.append(f"in the layer of {step}:" if layer >= 0 else "in the configuration:")
        at = f" at byte {each.offset}" if each.offset >= 0 else ""
        slash = "/" if each.layer >= 0 else ""
        lines.append(f"  {slash}{visible(each.path)}: {each.what}{at}")
        if each.one or each.two:
            lines.append(f"    {visible(each.one) or '-'} | {visible(each.two) or '-'}")
        if each.cause.why:
            lines.append(f"    {each.cause.why}" + (f"; {each.cause.hint}" if each.cause.hint else ""))
    return lines
