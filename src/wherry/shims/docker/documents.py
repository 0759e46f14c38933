"""What ``inspect`` tells, in the form of Docker's API v1.44 (ContainerInspect, ImageInspect, Volume, Network)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wherry import containers
from wherry.base.errors import NotFound
from wherry.cli.template import Free
from wherry.shims.docker.emptyfields import CONFIG, CONTAINER, ENDPOINT, HOST_CONFIG, IMAGE, NETWORK_SETTINGS
from wherry.shims.docker.naming import name_for

if TYPE_CHECKING:
    from wherry.containers import Found, Volume, World
    from wherry.image import Image
    from wherry.launch.options import RunOptions
    from wherry.shims.docker.call import Call

__all__ = ["container_document", "image_document", "network_document", "volume_document"]

_NEVER = "0001-01-01T00:00:00Z"


def container_document(call: Call, world: World, found: Found, *, sizes: bool = False) -> dict[str, Any]:
    """One container; what a daemon alone could know is there with Docker's empty value."""
    document = containers.inspect(found.id, world=world)
    options = found.kept.options if found.kept else None
    name = document["Name"].removeprefix("/") or name_for(found.id)
    document["Name"] = name if call.is_podman else f"/{name}"
    image = _image_of(world, found, document["Image"])
    manifest = document["Image"]
    document["Image"] = str(image.manifest.config.digest) if image else manifest
    if options and not call.is_podman:
        document["Config"]["Image"] = options.image  # as it was typed
    if call.is_podman:
        document["Image"] = document["Image"].removeprefix("sha256:")
        document["ImageName"] = document["Config"]["Image"]
    state = document["State"]
    state["Status"] = {"elsewhere": "running"}.get(state["Status"], state["Status"])
    state |= {"Paused": False, "Restarting": False, "Dead": False}
    state["StartedAt"] = state["StartedAt"] or _NEVER
    state["FinishedAt"] = state["FinishedAt"] or _NEVER
    document |= {**CONTAINER, "RestartCount": 0, "Driver": "overlay", "Platform": "linux", "ExecIDs": None}
    document["Config"] = {**CONFIG, **document["Config"]}
    document["Config"] |= _config(image, document["Config"], options)
    document["HostConfig"] = {**HOST_CONFIG, **document["HostConfig"], **_host_config(options)}
    document["Mounts"] = [_mount(world, mount) for mount in document["Mounts"]]
    network = document["HostConfig"]["NetworkMode"]
    document["NetworkSettings"] = {
        **NETWORK_SETTINGS,
        "Networks": {network: ENDPOINT},
    }
    if sizes and found.kept is not None:
        folders = tuple(f"{parent}/{found.id}" for parent in dict.fromkeys(world.kept_parents))
        document["SizeRw"] = containers.scratch_size(folders)
        layers = sum(layer.meta.size for layer in image.layers) if image else 0
        document["SizeRootFs"] = document["SizeRw"] + layers
    return document


def _image_of(world: World, found: Found, digest: str) -> Image | None:
    try:
        return containers.held_image(world, digest)
    except NotFound:
        return None


def _config(image: Image | None, said: dict[str, Any], options: RunOptions | None) -> dict[str, Any]:
    """The container's own, over the image's: Docker shows them merged."""
    own = image.config.config if image else None
    named = {text.partition("=")[0] for text in said["Env"]}
    environment = [*said["Env"], *(text for text in (own.env if own else ()) if text.partition("=")[0] not in named)]
    entry = said["Entrypoint"] if said["Entrypoint"] is not None else (list(own.entrypoint) if own else [])
    command = said["Cmd"] or (list(own.cmd) if own and said["Entrypoint"] is None else [])
    user = said["User"] if said["User"] != "image" else (own.user if own else "")
    return {
        "Env": environment,
        "Cmd": command or None,
        "Entrypoint": entry or None,
        "User": user,
        "WorkingDir": said["WorkingDir"] or (own.working_dir if own else ""),
        "Labels": Free({**(own.labels if own else {}), **said["Labels"]}),
        "Volumes": {path: {} for path in own.volumes} or None if own else None,
        "ExposedPorts": {port: {} for port in own.exposed_ports} if own else {},
        "StopSignal": said["StopSignal"] or (own.stop_signal if own else "") or "SIGTERM",
        "Domainname": "",
        "AttachStdin": said["OpenStdin"],
        "AttachStdout": not (options.detach if options else False),
        "AttachStderr": not (options.detach if options else False),
    }


def _host_config(options: RunOptions | None) -> dict[str, Any]:
    binds = [
        f"{bind.source}:{bind.target}" + (":ro" if bind.read_only else "")
        for bind in (options.binds if options else ())
    ]
    return {
        "Binds": binds or None,
        "Privileged": "ALL" in options.cap_add if options else False,
        "CapAdd": list(options.cap_add) or None if options else None,
        "CapDrop": list(options.cap_drop) or None if options else None,
        "PortBindings": {},
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "LogConfig": {"Type": "json-file", "Config": {}},
        "MemorySwap": (options.memory_swap or 0) if options else 0,
        "Tmpfs": dict(options.tmpfs) if options and options.tmpfs else None,
        "IpcMode": "private",
        "PidMode": "",
        "PidsLimit": (options.pids_limit or None) if options else None,
        "ContainerIDFile": (options.cidfile or "") if options else "",
        "ExtraHosts": [":".join(reversed(line.split("\t"))) for line in options.hosts] or None if options else None,
        "Ulimits": [{"Name": one.name, "Soft": one.soft, "Hard": one.hard} for one in options.ulimits] or None
        if options
        else None,
    }


def _mount(world: World, mount: dict[str, Any]) -> dict[str, Any]:
    volume = next((one for one in containers.all_volumes(world) if one.path == mount["Source"]), None)
    mode = "" if mount["RW"] else "ro"
    more = {"Type": "volume", "Name": volume.name, "Driver": "local"} if volume else {}
    return {**mount, "Mode": mode, "Propagation": "rprivate", **more}


def image_document(call: Call, world: World, image: Image) -> dict[str, Any]:
    """One image, under the names that it has here."""
    config, own = image.config, image.config.config
    names = [reference for reference, name in world.store.names() if name.digest == image.digest]
    digests = _repository_digests(world, image, names)
    shown = [str(name) if call.is_podman else name.familiar for name in names]
    identity = str(image.manifest.config.digest)
    size = sum(layer.meta.size for layer in image.layers)
    record = world.store.image_record(image.digest)
    document = {
        **IMAGE,
        "Id": identity.removeprefix("sha256:") if call.is_podman else identity,
        "RepoTags": shown,
        "RepoDigests": digests
        if call.is_podman
        else [text.removeprefix("docker.io/").removeprefix("library/") for text in digests],
        "Created": config.created,
        "Author": config.author,
        "Config": {
            **CONFIG,
            "User": own.user,
            "ExposedPorts": {port: {} for port in own.exposed_ports},
            "Env": list(own.env),
            "Entrypoint": list(own.entrypoint) or None,
            "Cmd": list(own.cmd) or None,
            "Volumes": {volume: {} for volume in own.volumes} or None,
            "WorkingDir": own.working_dir,
            "Labels": Free(own.labels) if own.labels else None,
            "StopSignal": own.stop_signal,
            "Healthcheck": own.healthcheck or None,
            "Shell": list(own.shell) or None,
            "OnBuild": list(own.on_build) or None,
        },
        "Architecture": config.architecture,
        "Variant": config.variant,
        "Os": config.os,
        "Size": size,
        "VirtualSize": size,
        "GraphDriver": {
            "Name": "overlay",
            "Data": {"LowerDir": ":".join(layer.tree for layer in reversed(image.layers))},
        },
        "RootFS": {"Type": "layers", "Layers": [str(digest) for digest in config.rootfs.diff_ids]},
        "Metadata": {"LastTagTime": record.pulled if record and record.pulled else _NEVER},
        "Labels": Free(own.labels),
        "Digest": str(image.digest),
    }
    if call.is_podman:
        document |= {"NamesHistory": shown, "ManifestType": image.media_type, "User": own.user}
    return document


def _repository_digests(world: World, image: Image, names: list[Any]) -> list[str]:
    """Under the repositories that have it; with the digest that Docker tells, the list's where there was one."""
    indexes = {name.index for _, name in world.store.names() if name.digest == image.digest and name.index}
    sources = {source.repository for layer in image.layers for source in world.store.sources(layer)}
    digest = min(indexes, key=str) if indexes else image.digest
    return sorted(f"{name}@{digest}" for name in {reference.name for reference in names} & sources)


def volume_document(volume: Volume) -> dict[str, Any]:
    """One volume: a directory of the user's."""
    return {
        "CreatedAt": volume.created,
        "Driver": "local",
        "Labels": Free(volume.labels),
        "Mountpoint": volume.path,
        "Name": volume.name,
        "Options": None,
        "Scope": "local",
    }


def network_document(name: str) -> dict[str, Any]:
    """One of the two that there are; raise :class:`NotFound` for any other."""
    if name not in ("host", "none"):
        raise NotFound(f"network {name} not found")
    driver = {"host": "host", "none": "null"}[name]
    return {"Name": name, "Id": name, "Driver": driver, "Scope": "local", "Labels": Free(), "Containers": {}}
