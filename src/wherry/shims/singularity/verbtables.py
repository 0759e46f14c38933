"""The words of the verbs that start nothing, as data."""

from __future__ import annotations

import msgspec

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.shims.singularity.words import ACTIONS, START_ONLY, verb_of

__all__ = ["GROUPS", "TABLES", "Table"]


class Table(msgspec.Struct, frozen=True):
    """A verb, and the function that does it: ``function(face, given, quiet=...)`` in a module of this package."""

    verb: Verb
    module: str
    function: str


def _flag(*names: str) -> Option:
    return Option(names, "as Apptainer's")


def _text(*names: str) -> Option:
    return Option(names, "as Apptainer's", "text", empty=True)


def _nothing(given: Given) -> int:
    return 0


_FROM = (
    *(_flag("--disable-cache"), _flag("--no-https", "--nohttps"), _text("--docker-username"), _text("--docker-host")),
    *(_text("--docker-password"), _flag("--docker-login"), _text("--authfile"), _text("--tmpdir")),
    *(_text("--arch"), _text("--arch-variant"), _text("--platform"), _flag("--no-cleanup"), _text("--library")),
)
_FORCE = _flag("-F", "--force")
_PULL = (
    *(_FORCE, _text("--name"), _text("--dir"), _flag("-U", "--allow-unsigned"), _flag("--allow-unauthenticated")),
    *(_flag("--sandbox"), _flag("--oci"), _flag("--no-oci"), _flag("--keep-layers"), *_FROM),
)
_BUILD = (
    *(_FORCE, _flag("-s", "--sandbox"), _flag("-f", "--fakeroot"), _flag("-T", "--notest"), _flag("--fix-perms")),
    *(_flag("--json"), _flag("-u", "--update"), Option(("--section",), "", "many"), _flag("-r", "--remote")),
    *(_flag("-e", "--encrypt"), _flag("--passphrase"), _text("--pem-path"), Option(("-B", "--bind"), "", "many")),
    *(Option(("--build-arg",), "", "many"), _text("--build-arg-file"), _flag("--nv"), _flag("--rocm"), _flag("--oci")),
    *(Option(("--mksquashfs-args",), "", "many"), Option(("--mount",), "", "many"), _flag("--writable-tmpfs"), *_FROM),
    *(_flag("--userns"), _flag("--ignore-subuid"), _flag("--ignore-fakeroot-command"), _flag("--ignore-userns")),
    *(_flag("--warn-unused-build-args"), _flag("-i", "--isolated")),
)
_INSPECT = (
    *(_flag("-l", "--labels"), _flag("-d", "--deffile"), _flag("-j", "--json"), _flag("--list-apps"), _text("--app")),
    *(_flag("-r", "--runscript"), _flag("-s", "--startscript"), _flag("-t", "--test"), _flag("-e", "--environment")),
    *(_flag("-H", "--helpfile"), _flag("--all")),
)
_IMAGE = Argument("IMAGE")
_INSTANCE = (_IMAGE, Argument("NAME"), Argument("ARGUMENT", required=False, many=True))
_LOGIN = (_text("-u", "--username"), _text("-p", "--password"), _flag("--password-stdin"), _text("--authfile"))
_REGISTRY = (Argument("REGISTRY"),)


def _table(
    name: str, options: tuple[Option, ...], arguments: tuple[Argument, ...], module: str, function: str
) -> tuple[str, Table]:
    return name, Table(verb_of(name, options, _nothing, arguments), module, function)


def _starting(name: str) -> tuple[str, Table]:
    options = tuple(flag.option for flag in (*ACTIONS, *START_ONLY))
    verb = verb_of(name, options, _nothing, _INSTANCE, stops=True)
    return name, Table(verb, "instances", f"do_{name.rpartition(' ')[2]}")


TABLES: dict[str, Table] = dict(
    (
        _table("build", _BUILD, (Argument("TARGET"), Argument("SOURCE")), "bringing", "do_build"),
        _table("cache clean", (_flag("-a", "--all"), _flag("-f", "--force"), _flag("-n", "--dry-run"),
                               _text("-D", "--days"), Option(("-T", "--type"), "", "many")), (), "caching", "do_clean"),
        _table("cache list", (_flag("-a", "--all"), _flag("-s", "--summary"), _flag("-v", "--verbose"),
                              Option(("-t", "--type"), "", "many")), (), "caching", "do_list"),
        _table("delete", (_flag("-F", "--force"), _text("-A", "--arch"), _text("--library")), (_IMAGE,), "caching",
               "do_delete"),
        _table("inspect", _INSPECT, (_IMAGE,), "looking", "do_inspect"),
        _table("instance list", (_flag("-j", "--json"), _flag("-l", "--logs"), _flag("-a", "--all"),
                                 _text("-u", "--user")), (Argument("NAME", required=False),), "instances", "do_list"),
        _starting("instance run"),
        _starting("instance start"),
        _table("instance stats", (_flag("-j", "--json"), _flag("--no-stream"), _text("-u", "--user")),
               (Argument("NAME"),), "instances", "do_stats"),
        _table("instance stop", (_flag("-a", "--all"), _flag("-F", "--force"), _text("-s", "--signal"),
                                 _text("-t", "--timeout"), _text("-u", "--user")),
               (Argument("NAME", required=False),), "instances", "do_stop"),
        _table("pull", _PULL, (Argument("NAME"), Argument("URI", required=False)), "bringing", "do_pull"),
        _table("push", (_flag("-U", "--allow-unsigned"), _text("-D", "--description"), *_FROM),
               (_IMAGE, Argument("URI")), "bringing", "do_push"),
        _table("registry list", (), (), "logins", "do_list"),
        _table("registry login", _LOGIN, _REGISTRY, "logins", "do_login"),
        _table("registry logout", (_text("--authfile"),), _REGISTRY, "logins", "do_logout"),
        _table("remote list", (), (), "logins", "do_list"),
        _table("remote login", _LOGIN, _REGISTRY, "logins", "do_login"),
        _table("remote logout", (_text("--authfile"),), _REGISTRY, "logins", "do_logout"),
        _table("run-help", (_text("--app"),), (_IMAGE,), "looking", "do_run_help"),
        _table("version", (), (), "looking", "do_version"),
    )
)  # fmt: skip
GROUPS = {
    group: tuple(name.split()[1] for name in TABLES if name.startswith(f"{group} "))
    for group in ("cache", "instance", "registry", "remote")
}
