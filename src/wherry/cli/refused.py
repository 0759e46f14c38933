"""Options and verbs that Docker's users know and Wherry does not have: why, and what to do instead.

Loaded only when one was met. Those of a later release are named as what they are: not there yet.
"""

from __future__ import annotations

from wherry.base.errors import UsageError

__all__ = ["REFUSED", "VERBS", "refusal"]

_SHARES = "there is no daemon that would share the machine among containers"
_VOLUMES = "there is no daemon that would keep volumes or other containers' directories"
_NETWORK = "the container uses the host's network, so there is nothing to connect or publish"
_IDENTITY = "an unprivileged user cannot give privileges, and the kernel would not let Wherry keep them"

REFUSED: dict[str, tuple[str, str]] = {
    "--privileged": (_IDENTITY, "name what you need: -v for a device or directory, -u root to appear as root"),
    "--cap-add": (_IDENTITY, "'-u root' gives Docker's default capabilities over the container's own namespaces"),
    "--cap-drop": ("all capabilities are dropped already, unless -u root", "leave it out"),
    "--device": ("devices cannot be made by an unprivileged user", "bind the one you may use: -v /dev/fuse:/dev/fuse"),
    "--plan": ("it must be the first option", "wherry run --plan FILE -- COMMAND"),
    "-c": (_SHARES, "--cpus 1.5 limits the processors' time"),
    "--cpu-shares": (_SHARES, "--cpus 1.5 limits the processors' time"),
    "--cpuset-cpus": ("the container inherits the caller's CPUs", "taskset -c 0-3 wherry run ..."),
    "--gpus": (
        "Wherry does not prepare GPU libraries yet",
        "bind the devices and driver: -v /dev/nvidia0:/dev/nvidia0 -v /dev/nvidiactl:/dev/nvidiactl ...",
    ),
    "--publish": (
        _NETWORK,
        "leave it out: a server that listens in the container is reached at the host's own address",
    ),
    "-p": (_NETWORK, "leave it out: a server that listens in the container is reached at the host's own address"),
    "--publish-all": (_NETWORK, "leave it out"),
    "-P": (_NETWORK, "leave it out"),
    "--expose": (_NETWORK, "leave it out"),
    "--link": (_NETWORK, "reach the other container at localhost"),
    "--add-host": ("/etc/hosts is the host's", "bind a file of your own: -v ./hosts:/etc/hosts:ro"),
    "--dns": ("/etc/resolv.conf is the host's", "bind a file of your own: -v ./resolv.conf:/etc/resolv.conf:ro"),
    "--net": ("it is spelled --network", "--network host or --network none"),
    "--ip": (_NETWORK, "leave it out"),
    "--volumes-from": (_VOLUMES, "bind the same host directories with -v"),
    "--volume-driver": (_VOLUMES, "bind a host directory with -v"),
    "--restart": ("there is no daemon that would start it again", "use a loop, a batch system or a systemd user unit"),
    "--shm-size": ("/dev/shm may grow up to half of the memory", "leave it out"),
    "--ipc": ("each container has its own", "leave it out"),
    "--pid": ("each container has its own process ids", "'wherry exec' enters a running container"),
    "--uts": ("each container has its own host name", "--hostname NAME"),
    "--cgroupns": ("each container has its own", "leave it out"),
    "--runtime": ("Wherry starts containers itself", "leave it out"),
    "--log-driver": ("'wherry logs' reads what -d wrote", "leave it out"),
    "--log-opt": ("'wherry logs' reads what -d wrote", "leave it out"),
    "--sig-proxy": ("signals are always passed on", "leave it out"),
    "--health-cmd": ("there is no daemon that would run health checks", "'wherry exec CONTAINER COMMAND' runs one"),
    "--no-healthcheck": ("health checks are never run", "leave it out"),
    "--sysctl": ("an unprivileged user cannot set kernel parameters", "ask the site's administrator"),
    "--nv": ("it is Apptainer's", "Wherry does not prepare GPU libraries yet: bind devices and driver with -v"),
    "--bind": ("it is Apptainer's", "-v SRC:DST[:ro]"),
    "-B": ("it is Apptainer's", "-v SRC:DST[:ro]"),
    "--pwd": ("it is Apptainer's", "-w DIR"),
    "--cleanenv": ("it is Apptainer's, and Wherry's own default", "leave it out; -e NAME lets a variable in"),
    "--contain": ("it is Apptainer's, and Wherry's own default", "leave it out"),
    "--containall": ("it is Apptainer's, and Wherry's own default", "leave it out"),
    "--writable-tmpfs": ("it is Apptainer's, and Wherry's own default", "leave it out"),
}
"""Option -> (why, what to do instead)."""


_YET = "it comes with a later release"
_GROUPS = "verbs have no groups"

VERBS: dict[str, tuple[str, str]] = {
    "top": (_YET, "wherry exec CONTAINER ps"),
    "info": ("it is spelled otherwise", "'wherry doctor', 'wherry host', 'wherry version', 'wherry df'"),
    "attach": ("a container in the background has no terminal to attach to", "wherry logs -f CONTAINER"),
    "pause": ("an unprivileged user has no freezer", "wherry exec CONTAINER kill -STOP -1"),
    "unpause": ("an unprivileged user has no freezer", "wherry exec CONTAINER kill -CONT -1"),
    "restart": ("it is two verbs", "wherry stop CONTAINER && wherry start CONTAINER"),
    "search": ("registries have no common way to search", "look at the registry's web page"),
    "volume": (_VOLUMES, "bind a directory of yours: -v ./data:/data"),
    "network": ("a user may share the host's network or have none", "wherry run --network none"),
    "image": (_GROUPS, "'wherry images', 'wherry inspect', 'wherry rmi', 'wherry prune'"),
    "container": (_GROUPS, "'wherry ps', 'wherry inspect', 'wherry rm'"),
    "system": (_GROUPS, "'wherry df', 'wherry prune'"),
    "compose": (_YET, "start each one with 'wherry run -d --name NAME'"),
    "daemon": ("there is none", "wherry run IMAGE"),
    "ls": ("it is spelled otherwise", "'wherry images' or 'wherry ps'"),
    "gc": ("it is spelled otherwise", "wherry prune"),
    "config": ("it is spelled otherwise", "wherry settings"),
}
"""Verb -> (why, what to do instead)."""


def refusal(verb: str, option: str) -> UsageError | None:
    """The error that explains an option which is not Wherry's; None for one that nobody knows."""
    if verb not in ("run", "create", "shell") or option not in REFUSED:
        return None
    why, hint = REFUSED[option]
    return UsageError(f"'wherry {verb}' has no '{option}'", why=why, hint=hint)
