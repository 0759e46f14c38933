"""``version`` and ``info``: what scripts ask before they begin. The version told is that of the command line spoken."""

from __future__ import annotations

import os
import time
from typing import Any

import msgspec

import wherry
from wherry import containers
from wherry.cli.grammar import Given
from wherry.cli.template import render
from wherry.shims.docker.call import Call
from wherry.shims.docker.command import TEXT, Asked, Command, done

__all__ = ["COMMANDS", "version_line"]

_SPOKEN = {"docker": "24.0.9", "podman": "4.9.4"}
_API = "1.43"
_FORMAT = done("-f", "--format", kind=TEXT)


def version_line(call: Call) -> str:
    """What ``--version`` prints: workflow systems read the number."""
    spoken = _SPOKEN[call.face]
    return (
        f"podman version {spoken}" if call.is_podman else f"Docker version {spoken}, build wherry-{wherry.__version__}"
    )


def _version(call: Call, given: Given) -> int:
    machine = os.uname()
    common = {
        "Version": _SPOKEN[call.face],
        "GitCommit": f"wherry-{wherry.__version__}",
        "GoVersion": "none: Python",
        "Os": "linux",
        "Arch": _architecture(machine.machine),
    }
    common |= {"APIVersion": _SPOKEN["podman"], "OsArch": f"linux/{common['Arch']}"} if call.is_podman else {}
    api = {} if call.is_podman else {"ApiVersion": _API}
    document = {
        "Client": {**common, **api, "Context": "default"},
        "Server": {**common, **api, "MinAPIVersion": "1.12", "KernelVersion": machine.release},
    }
    form = given.text("format")
    if form and form != "json":
        print(render(form, document))
    elif form:
        print(msgspec.json.encode(document).decode())
    else:
        for name, facts in document.items():
            print(f"{name}: Wherry {wherry.__version__}")
            print("".join(f" {key + ':':<19}{value}\n" for key, value in facts.items() if key != "Context"))
    return 0


def _info(call: Call, given: Given) -> int:
    world = containers.World()
    document = _podmans(world) if call.is_podman else _dockers(world)
    form = given.text("format")
    if form and form != "json":
        print(render(form, {**document, **_capitals(document)} if call.is_podman else document))
    elif form:
        print(msgspec.json.format(msgspec.json.encode(document), indent=2 if call.is_podman else 0).decode())
    elif call.is_podman:
        print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    else:
        print(f"Client: Wherry {wherry.__version__}\n Context:    default\n\nServer:")
        plain = {key: value for key, value in document.items() if isinstance(value, str | int)}
        print(
            "\n".join(
                f" {_spaced(key)}: {str(value).lower() if value in (True, False) else value}"
                for key, value in plain.items()
            )
        )
    return 0


def _dockers(world: containers.World) -> dict[str, Any]:
    states = [summary.state for summary in containers.ps(all=True, world=world)]
    machine = os.uname()
    return {
        "ID": f"wherry-{world.host.node}-{world.host.uid}",
        "Containers": len(states),
        "ContainersRunning": states.count("running"),
        "ContainersPaused": 0,
        "ContainersStopped": len(states) - states.count("running"),
        "Images": sum(1 for _ in world.store.image_records()),
        "Driver": "overlay2",
        "LoggingDriver": "json-file",
        "CgroupDriver": "none",
        "CgroupVersion": "2",
        "SystemTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "KernelVersion": machine.release,
        "OperatingSystem": _system(),
        "OSType": "linux",
        "Architecture": machine.machine,
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "DockerRootDir": world.store.path,
        "Name": world.host.node,
        "ServerVersion": _SPOKEN["docker"],
        "DefaultRuntime": "wherry",
        "Runtimes": {"wherry": {"path": "wherry"}},
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"],
        "Plugins": {"Volume": ["local"], "Network": ["host", "null"], "Log": ["json-file"]},
        "Swarm": {"LocalNodeState": "inactive"},
        "Labels": [],
        "Warnings": None,
        "ExperimentalBuild": False,
        "IndexServerAddress": "https://index.docker.io/v1/",
        "ClientInfo": {"Version": _SPOKEN["docker"], "Context": "default", "Plugins": []},
    }


def _podmans(world: containers.World) -> dict[str, Any]:
    states = [summary.state for summary in containers.ps(all=True, world=world)]
    machine = os.uname()
    return {
        "host": {
            "arch": _architecture(machine.machine),
            "cgroupVersion": "v2",
            "cpus": len(os.sched_getaffinity(0)),
            "hostname": world.host.node,
            "kernel": machine.release,
            "memTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "networkBackend": "none",
            "ociRuntime": {"name": "wherry", "path": "wherry"},
            "os": "linux",
            "remoteSocket": {"exists": False},
            "security": {"rootless": True, "seccompEnabled": True, "selinuxEnabled": False},
            "serviceIsRemote": False,
        },
        "store": {
            "graphDriverName": "overlay",
            "graphRoot": world.store.path,
            "runRoot": world.runtime,
            "volumePath": f"{world.state}/volumes",
            "containerStore": {
                "number": len(states),
                "running": states.count("running"),
                "paused": 0,
                "stopped": len(states) - states.count("running"),
            },
            "imageStore": {"number": sum(1 for _ in world.store.image_records())},
        },
        "registries": {"search": ["docker.io"]},
        "plugins": {"volume": ["local"], "network": ["host", "none"], "log": ["k8s-file"]},
        "version": {
            "Version": _SPOKEN["podman"],
            "APIVersion": _SPOKEN["podman"],
            "OsArch": f"linux/{_architecture(machine.machine)}",
        },
    }


def _capitals(value: Any) -> Any:
    """podman's templates have the fields' names in Go, its JSON others."""
    if not isinstance(value, dict):
        return value
    return {name[:1].upper() + name[1:]: _capitals(item) for name, item in value.items()}


def _architecture(machine: str) -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _system() -> str:
    from wherry.cli.versions import system_name

    return system_name()


def _spaced(name: str) -> str:
    known = {"NCPU": "CPUs", "MemTotal": "Total Memory", "DockerRootDir": "Docker Root Dir", "OSType": "OSType"}
    return known.get(name) or "".join(
        f" {letter}" if letter.isupper() and at and name[at - 1].islower() else letter for at, letter in enumerate(name)
    )


COMMANDS = {
    "version": Command(
        _version, "[OPTIONS]", "Show the version information", (_FORMAT, Asked(("--kubeconfig",), TEXT, "idle"))
    ),
    "info": Command(
        _info,
        "[OPTIONS]",
        "Display system-wide information",
        (_FORMAT, Asked(("-D", "--debug"), "flag", "idle", only="podman")),
    ),
}
