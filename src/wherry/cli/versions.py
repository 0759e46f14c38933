"""What a bug report needs to know: this installation, and what this machine lets a user do."""

from __future__ import annotations

import os
import sys

import wherry
from wherry.cli.grammar import Given

__all__ = ["show_version", "system_name"]


def show_version(given: Given) -> int:
    """Print the version, alone or with what it runs on."""
    if given.flag("short"):
        print(wherry.__version__)
        return 0
    machine = os.uname()
    facts = {
        "Version": wherry.__version__,
        "Python": ".".join(str(part) for part in sys.version_info[:3]),
        "Kernel": machine.release,
        "Machine": machine.machine,
        "System": system_name(),
        "Installed": os.path.dirname(os.path.abspath(wherry.__file__)),
    }
    facts |= _machine()
    form = given.text("format")
    if form in (None, "table"):
        for name, value in facts.items():
            print(f"{name + ':':<16}{value}")
        return 0
    from wherry.cli import listing

    listing.show([facts], (), form)
    return 0


def _machine() -> dict[str, str]:
    """What the trials found: can a container be made, how its layers are put together, is ``/proc`` its own."""
    from wherry.base.errors import WherryError
    from wherry.base.outside import Outside
    from wherry.host import probe, require_containers

    try:
        host = probe(Outside())
        require_containers(host)
    except WherryError as error:
        return {"Containers": f"no: {error.why or error.what}" + (f" ({error.hint})" if error.hint else "")}
    layers = "overlayfs" if host.overlay else host.fuse_overlayfs or "flattened trees (no overlayfs for users here)"
    proc = "its own" if host.mount_proc else "the outer container's (a masked /proc forbids a fresh one)"
    return {"Containers": "yes", "Layers": layers, "Process list": proc}


def system_name() -> str:
    """The distribution's name (os-release(5))."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip("\"'")
    return "Linux"
