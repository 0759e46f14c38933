"""``wherry build``: an image from a Dockerfile."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Option, Verb
from wherry.cli.options import DRY_RUN

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli import building

    return building.build(given)


VERB = Verb(
    "build",
    "make an image from a Dockerfile, without root",
    _run,
    options=(
        Option(
            ("-f", "--file"), "the recipe; '-' is standard input (default: Dockerfile of the context)", "text", "FILE"
        ),
        Option(("-t", "--tag"), "name the image; may be given many times", "many", "NAME"),
        Option(("--target",), "build this stage of the recipe", "text", "STAGE"),
        Option(("--build-arg",), "give an ARG a value; NAME alone takes the caller's variable", "many", "NAME[=VALUE]"),
        Option(
            ("--build-context",),
            "a further context for FROM and --from: a directory, URL, docker-image://NAME or oci-layout://DIR",
            "many",
            "NAME=PLACE",
        ),
        Option(("--label",), "add a label to the image", "many", "NAME=VALUE"),
        Option(("--platform",), "build for this platform", "text", "OS/ARCH[/VARIANT]"),
        Option(("--network",), "the network of RUN: host (the default), default or none", "text", "NETWORK"),
        Option(("--add-host",), "a line for /etc/hosts of RUN", "many", "NAME:ADDRESS"),
        Option(("--pull",), "ask the registry for newer base images"),
        Option(("--no-cache",), "take no step from the cache"),
        Option(("--cache-from",), "take steps from type=registry,ref=NAME or type=local,src=DIR too", "many", "CACHE"),
        Option(("--cache-to",), "write steps to type=registry,ref=NAME or type=local,dest=DIR", "many", "CACHE"),
        Option(("--secret",), "id=ID,src=FILE or id=ID,env=NAME for RUN --mount=type=secret", "many", "SECRET"),
        Option(("--ssh",), "default, or ID=SOCKET|KEY for RUN --mount=type=ssh", "many", "AGENT"),
        Option(("--squash",), "make one layer of all that the recipe adds, without what it deletes"),
        Option(("--conda-env",), "make this environment of conda active wherever the image runs", "text", "NAME|PATH"),
        Option(("--no-rule",), "leave out a rule that makes bytes repeat (docs: build rules)", "many", "RULE"),
        Option(
            ("--owners",),
            "how files get other owners: supervisor, range, proot or pretend (default: the best this machine can)",
            "text",
            "WAY",
            ("supervisor", "range", "proot", "pretend"),
        ),
        Option(("--jobs",), "independent steps side by side (default: one for each processor)", "number", "N"),
        Option(("-m", "--memory"), "limit the memory of each step", "text", "BYTES"),
        Option(("--pids-limit",), "limit the processes of each step", "number", "N"),
        Option(("--check",), "build twice without cache, and name the first file that differs"),
        Option(("--debug-on-failure",), "open a shell where a step failed"),
        Option(
            ("-o", "--output"),
            "write the image: type=oci|docker|sif|squashfs|dir|tar,dest=PATH",
            "many",
            "type=TYPE,dest=PATH",
        ),
        Option(("--push",), "push the image under all its names"),
        Option(
            ("--iidfile",), "write the digest of the image's configuration to FILE", "text", "FILE", complete="file"
        ),
        Option(("--progress",), "auto, plain or quiet", "text", "HOW", ("auto", "plain", "quiet")),
        Option(("-q", "--quiet"), "no progress, print only the image's digest"),
        DRY_RUN,
        Option(
            ("--format",), "how --dry-run shows the graph", "text", "text|dot|json", ("text", "dot", "json", "table")
        ),
    ),
    arguments=(Argument("CONTEXT", required=False, complete="directory"),),
    examples=(
        ("wherry build -t lab:1 .", "build the Dockerfile of this directory"),
        ("wherry build -t lab:1 -f lab.Dockerfile --build-arg VERSION=2.1 .", "another recipe, and an argument"),
        ("wherry build -t lab:1 https://example.org/lab.git#v2:docker", "a directory of a repository, at a tag"),
        ("wherry build --dry-run --format dot . | dot -Tsvg > build.svg", "a picture of what would be done"),
        ("wherry build --check .", "build twice, and say what differs"),
        ("wherry build -o type=sif,dest=lab.sif .", "one file, for those who use Apptainer"),
    ),
    details=(
        "The same recipe and inputs give the same digest, on any machine and day: times are those of "
        "SOURCE_DATE_EPOCH, else of the recipe's last commit, else fixed. Steps that were made before are taken from "
        "the cache. What an ordinary user cannot do (other owners, devices, set-id files) is kept for the image as "
        "root would have made it."
    ),
)
