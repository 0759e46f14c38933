"""``inspect``: Docker's JSON for images and containers, with Wherry's additions; and where each variable comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wherry.base.errors import NotFound
from wherry.cli.grammar import Given

if TYPE_CHECKING:
    from wherry.base.reference import Reference
    from wherry.containers import World
    from wherry.image import Image

__all__ = ["show", "show_environment"]


def show(given: Given) -> int:
    """Print an array with one object a name, or a template's text a name; what is missing is said at the end."""
    from wherry.cli.main import complain
    from wherry.containers import World

    world, kind, form = World(), given.text("type"), given.text("format")
    found, status = [], 0
    for text in given.words:
        try:
            found.append(_document(world, text, kind))
        except NotFound as error:
            status = complain(error)
    if form in (None, "json"):
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(found), indent=4).decode())
        return status
    from wherry.cli.template import render, require

    assert form is not None
    require(form)
    for document in found:
        print(render(form.removeprefix("table "), document))
    return status


def show_environment(given: Given) -> int:
    """Print each variable that a command would find, with its source."""
    from wherry import containers
    from wherry.cli import listing

    columns = (("NAME", "Name"), ("VALUE", "Value"), ("SOURCE", "Source"))
    rows = []
    for text in given.words:
        try:
            variables = containers.environment(text)
        except NotFound as error:
            raise _neither(text, error.hint) from None
        rows += [{"Name": found.name, "Value": found.value or "", "Source": found.source} for found in variables]
    listing.show(rows, columns, given.text("format"))
    return 0


def _document(world: World, text: str, kind: str | None) -> dict[str, Any]:
    from wherry import containers
    from wherry.containers import held_image

    if kind == "container":
        return containers.inspect(text)
    if kind == "image":
        return _image(world, held_image(world, text))
    try:
        return containers.inspect(text)
    except NotFound:
        pass
    try:
        return _image(world, held_image(world, text))
    except NotFound as error:
        raise _neither(text, error.hint) from None


def _neither(text: str, hint: str) -> NotFound:
    return NotFound(f"there is no container and no image '{text}' here", hint=hint)


def _image(world: World, image: Image) -> dict[str, Any]:
    """Docker's "docker image inspect" (API v1.44, ImageInspect), with manifest and layers under ``Wherry``."""
    from wherry.image import directory_of

    config, record = image.config, world.store.image_record(image.digest)
    names = [reference for reference, name in world.store.names() if name.digest == image.digest]
    return {
        "Id": "" if directory_of(image) else str(image.digest),  # what is used where it lies is never read whole
        "RepoTags": [reference.familiar for reference in names],
        "RepoDigests": sorted({f"{repository}@{image.digest}" for repository in _repositories(world, image, names)}),
        "Created": config.created,
        "Author": config.author,
        "Architecture": config.architecture,
        "Variant": config.variant,
        "Os": config.os,
        "Size": sum(layer.meta.size for layer in image.layers),
        "Config": _config(image),
        "RootFS": {"Type": "layers", "Layers": [str(digest) for digest in config.rootfs.diff_ids]},
        "Wherry": {
            "MediaType": image.media_type,
            "ConfigDigest": str(image.manifest.config.digest),
            "Pulled": record.pulled if record else "",
            "Layers": [
                {
                    "DiffId": str(layer.meta.diff_id),
                    "Tree": layer.tree,
                    "Size": layer.meta.size,
                    "Entries": layer.meta.entries,
                    "Sources": [f"{source.repository}@{source.digest}" for source in world.store.sources(layer)],
                }
                for layer in image.layers
            ],
            "Annotations": image.manifest.annotations,
        },
    }


def _repositories(world: World, image: Image, names: list[Reference]) -> set[str]:
    """The repositories that have the image: those of its names from which its layers came, or to which they went."""
    sources = {source.repository for layer in image.layers for source in world.store.sources(layer)}
    return {reference.name for reference in names} & sources


def _config(image: Image) -> dict[str, Any]:
    config = image.config.config
    return {
        "User": config.user,
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "Env": list(config.env),
        "Entrypoint": list(config.entrypoint) or None,
        "Cmd": list(config.cmd) or None,
        "Volumes": {volume: {} for volume in config.volumes},
        "WorkingDir": config.working_dir,
        "Labels": config.labels,
        "StopSignal": config.stop_signal,
        "Shell": list(config.shell) or None,
        "Healthcheck": config.healthcheck or None,
        "OnBuild": list(config.on_build) or None,
    }
