"""``--network``, ``-p``, ``--add-host``, ``--dns``, ``--link``: a container has the host's network, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.base.errors import UsageError
from wherry.cli.grammar import Given
from wherry.shims.docker.call import Call

if TYPE_CHECKING:
    from wherry.containers import World

__all__ = ["hosts", "network", "resolver"]

_SHARED = ("bridge", "default", "nat", "podman", "private", "slirp4netns", "pasta")
_LOCAL = "127.0.0.1"


def network(call: Call, given: Given) -> str:
    """``host``, ``none``, or empty where nothing was said (Wherry's setting holds)."""
    chosen = ""
    for text in given.many("network"):
        name = text.partition(":")[0]
        if name in ("host", "none"):
            chosen = name
        elif name in _SHARED or not name:
            chosen = "host"
            call.note(f"'--network {text}' has no effect: the container shares the host's network")
        elif name in ("container", "ns"):
            raise UsageError(
                f"'--network {text}' is not possible here",
                why="containers share the host's network, or have none",
                hint="leave it out: they reach each other at localhost",
            )
        else:
            raise UsageError(
                f"network {text} not found",
                why="containers share the host's network, and no other can be made",
                hint="leave it out: they reach each other at localhost",
            )
    for text in given.many("publish"):
        _publish(call, text)
    return chosen


def _publish(call: Call, text: str) -> None:
    """The program itself listens on the host: right where both ports are the same, else not to be had."""
    plain = text.partition("/")[0]
    address, _, ports = plain.rpartition("]:") if plain.startswith("[") else ("", "", plain)
    parts = ports.split(":")
    inside, outside = parts[-1], parts[-2] if len(parts) > 1 else ""
    if not all(port.isdecimal() for part in (inside, outside) if part for port in part.split("-")):
        raise UsageError(f"invalid publish format '{text}'", hint="-p 8080:8080")
    if outside not in ("", inside):
        raise UsageError(
            f"'-p {text}' is not possible here",
            why=f"the container shares the host's network, so its server listens at port {inside} itself",
            hint=f"let the server listen at {outside}, or use -p {inside}:{inside}",
        )
    where = address.lstrip("[") or (parts[0] if len(parts) > 2 else "")
    only = (
        f", at the addresses that the program chooses, not only {where}" if where not in ("", "0.0.0.0", "::") else ""
    )
    call.note(f"'-p {text}' has no effect: the container shares the host's network and listens at port {inside}{only}")


def hosts(given: Given) -> tuple[str, ...]:
    """Lines for ``/etc/hosts``."""
    if not (given.many("add_host") or given.many("link")):
        return ()
    import ipaddress

    found = []
    for text in given.many("add_host"):
        sign = "=" if "=" in text else ":"
        names, _, address = text.partition(sign)
        address = _LOCAL if address == "host-gateway" else address.strip("[]")
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise UsageError(f"invalid argument '{text}' for '--add-host'", hint="--add-host NAME:ADDRESS") from None
        _check_names(names, "--add-host", text)
        found.append(f"{address}\t{names.replace(';', ' ')}")
    for text in given.many("link"):
        name, _, alias = text.partition(":")
        _check_names(f"{alias or name};{name}", "--link", text)
        found.append(f"{_LOCAL}\t{alias or name} {name}".rstrip())
    return tuple(found)


def _check_names(names: str, option: str, text: str) -> None:
    """Names that are joined by ``;``: they become a line of /etc/hosts, and must not bring lines of their own."""
    for name in names.split(";"):
        if not name or not name.isascii() or not all(letter.isalnum() or letter in "-._" for letter in name):
            hint = {"--link": "--link NAME[:ALIAS]"}.get(option, "--add-host NAME:ADDRESS")
            raise UsageError(f"invalid argument {text!a} for '{option}'", hint=hint)


def resolver(given: Given, world: World) -> tuple[str, ...]:
    """Lines of ``/etc/resolv.conf``; what was not said is the host's."""
    servers, domains, details = given.many("dns"), given.many("dns_search"), given.many("dns_option")
    if not (servers or domains or details):
        return ()
    for text in (*servers, *domains, *details):
        if not text or not text.isprintable() or " " in text:
            raise UsageError(f"'{text!a}' cannot stand in /etc/resolv.conf", hint="--dns 9.9.9.9")
    host = (world.outside.read("/etc/resolv.conf") or b"").decode(errors="replace").splitlines()
    asked = {"nameserver": servers, "search": domains, "options": details}
    found = [line for line in host if not asked.get(line.split(" ")[0]) and line and line[0] not in "#;"]
    found += [f"nameserver {server}" for server in servers]
    if domains and domains != (".",):
        found.append(f"search {' '.join(domains)}")
    return (*found, *([f"options {' '.join(details)}"] if details else []))
