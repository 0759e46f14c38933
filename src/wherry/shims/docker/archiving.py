"""``load save import export commit``: images and containers' trees as files; the standard streams stand for no file."""

from __future__ import annotations

import sys

from wherry import containers
from wherry.base.errors import UsageError
from wherry.cli.grammar import Given
from wherry.shims.docker.call import Call
from wherry.shims.docker.command import MANY, TEXT, Asked, Command, done
from wherry.shims.docker.failing import Missing
from wherry.shims.docker.finding import container, image, image_name

__all__ = ["COMMANDS"]

_STDIN = "standard input"
_FORMATS = {"oci-dir": "oci", "docker-dir": "dir"}
"""podman's names for forms, where Wherry has others."""


def _load(call: Call, given: Given) -> int:
    from wherry.cli.archives import file_of
    from wherry.cli.moving import shown

    world, path = containers.World(), given.text("input") or "-"
    with file_of(path, world) as real, shown(given.flag("quiet")) as progress:
        loaded = containers.load_file_at(real, _STDIN if path == "-" else path, progress=progress, world=world)
    for each in loaded:
        for name in each.names:
            print(f"Loaded image: {name if call.is_podman else name.familiar}")
        if not each.names:
            print(f"Loaded image ID: {each.image.manifest.config.digest}")
    return 0


def _save(call: Call, given: Given) -> int:
    from wherry.image import FORMATS

    world, path = containers.World(), given.text("output") or "-"
    form = given.text("format") or FORMATS[0]
    form = _FORMATS.get(form, form)
    if form not in FORMATS:
        raise UsageError(f"unknown format '{form}'", hint=", ".join(FORMATS))
    if path == "-" and (sys.stdout.isatty() or form in _FORMATS.values()):
        raise UsageError("cowardly refusing to save to a terminal", hint="use the -o flag or redirect")
    for word in given.words:
        image(world, word)
    names = [image_name(world, word) for word in given.words]
    containers.save(names, "/dev/stdout" if path == "-" else path, form, world=world)
    return 0


def _import(call: Call, given: Given) -> int:
    from wherry.cli.archives import file_of
    from wherry.cli.moving import shown

    world, path = containers.World(), given.words[0]
    with file_of(path, world) as real, shown(given.flag("quiet")) as progress:
        made = containers.import_image(
            real,
            given.words[1] if len(given.words) > 1 else "",
            changes=given.many("change"),
            message=given.text("message") or "",
            platform=given.text("platform"),
            shown=_STDIN if path == "-" else "",
            progress=progress,
            world=world,
        )
    print(made.manifest.config.digest)
    return 0


def _export(call: Call, given: Given) -> int:
    from wherry.cli.exporting import export

    found = container(containers.World(), given.words[0])
    if found.kept is None:
        raise Missing("container", given.words[0])
    return export(Given({key: given.options[key] for key in ("output",) if key in given.options}, (found.id,)))


def _commit(call: Call, given: Given) -> int:
    from wherry.cli.moving import shown

    world = containers.World()
    found = container(world, given.words[0])
    if found.kept is None:
        raise Missing("container", given.words[0])
    with shown(given.flag("quiet")) as progress:
        made = containers.commit(
            found.id,
            given.words[1] if len(given.words) > 1 else "",
            message=given.text("message") or "",
            author=given.text("author") or "",
            changes=given.many("change"),
            pause=bool(given.options.get("pause", True)) and not given.flag("no_pause"),
            squash=given.flag("squash"),
            progress=progress,
            world=world,
        )
    if given.text("iidfile"):
        with open(str(given.text("iidfile")), "w") as file:
            file.write(str(made.manifest.config.digest))
    print(made.manifest.config.digest.hex if call.is_podman else made.manifest.config.digest)
    return 0


COMMANDS = {
    "commit": Command(
        _commit,
        "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
        "Create a new image from a container's changes",
        (
            *(done("-a", "--author", kind=TEXT), done("-c", "--change", kind=MANY), done("-m", "--message", kind=TEXT)),
            *(done("-p", "--pause"), done("--no-pause", only="docker")),
            *(done("-q", "--quiet", only="podman"), done("-s", "--squash", only="podman")),
            *(done("--iidfile", kind=TEXT, only="podman"), Asked(("-f", "--format"), TEXT, "idle", only="podman")),
            Asked(
                ("--include-volumes",),
                "flag",
                "refused",
                "a volume's files are not the container's",
                "podman cp them into the container first",
                "podman",
            ),
        ),
        least=1,
        most=2,
    ),
    "load": Command(
        _load,
        "[OPTIONS]",
        "Load an image from a tar archive or STDIN",
        (
            *(done("-i", "--input", kind=TEXT), done("-q", "--quiet")),
            Asked(("--platform",), TEXT, "idle", only="docker"),
            Asked(("--signature-policy",), TEXT, "idle", only="podman"),
        ),
    ),
    "save": Command(
        _save,
        "[OPTIONS] IMAGE [IMAGE...]",
        "Save one or more images to a tar archive (streamed to STDOUT by default)",
        (
            *(done("-o", "--output", kind=TEXT), done("--format", kind=TEXT, only="podman")),
            Asked(("--platform",), TEXT, "idle", only="docker"),
            *(
                Asked(names, "flag", "idle", only="podman")
                for names in (
                    *(("-q", "--quiet"), ("-m", "--multi-image-archive"), ("--compress",), ("--uncompressed",)),
                )
            ),
        ),
        least=1,
        most=-1,
    ),
    "import": Command(
        _import,
        "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
        "Import the contents from a tarball to create a filesystem image",
        (
            *(done("-c", "--change", kind=MANY), done("-m", "--message", kind=TEXT)),
            *(done("-q", "--quiet", only="podman"), done("--platform", kind=TEXT, only="docker")),
            *(
                Asked((f"--{word}",), TEXT, "refused", "an image is for this machine", "--platform", "podman")
                for word in ("arch", "os", "variant")
            ),
            Asked(("--signature-policy",), TEXT, "idle", only="podman"),
        ),
        least=1,
        most=2,
    ),
    "export": Command(
        _export,
        "[OPTIONS] CONTAINER",
        "Export a container's filesystem as a tar archive",
        (done("-o", "--output", kind=TEXT),),
        least=1,
        most=1,
    ),
}
