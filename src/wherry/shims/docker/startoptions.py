"""Every option of ``docker run`` and ``podman run`` (also ``create``), and what becomes of it. A test compares this
table with what the real programs offer, so that none is unknown.

``done`` ones are read by :mod:`wherry.shims.docker.asking`, which also refuses single values.
"""

from __future__ import annotations

from wherry.shims.docker.command import MANY, TEXT, Asked, done

__all__ = ["RUN", "START"]

_SHARES = "only a control group of your own could keep it, and the other limits hold without"
_NETWORK = "the container shares the host's network"
_HEALTH = "nobody runs health checks without a daemon"
_WINDOWS = "it is for Windows"
_LOCAL = "a server in the container is reached at the host's own address"


def _idle(*names: str, kind: str = "flag", only: str = "") -> Asked:
    return Asked(names, kind, "idle", "", "", only)


def _note(why: str, *names: str, kind: str = TEXT, only: str = "") -> Asked:
    return Asked(names, kind, "note", why, "", only)


def _refused(why: str, hint: str, *names: str, kind: str = TEXT, only: str = "") -> Asked:
    return Asked(names, kind, "refused", why, hint, only)


_WHAT = (
    done("-i", "--interactive"),
    done("-t", "--tty"),
    done("-a", "--attach", kind=MANY),
    done("--name", kind=TEXT),
    done("--rm"),
    done("--cidfile", kind=TEXT),
    done("-l", "--label", kind=MANY),
    done("--label-file", kind=MANY),
    done("--entrypoint", kind=TEXT),
    done("-w", "--workdir", kind=TEXT),
    done("-u", "--user", kind=TEXT),
    done("--group-add", kind=MANY),
    done("--userns", kind=TEXT),
    done("-e", "--env", kind=MANY),
    done("--env-file", kind=MANY),
    done("-h", "--hostname", kind=TEXT),
    done("--stop-signal", kind=TEXT),
    done("--stop-timeout", kind=TEXT),
    done("--pull", kind=TEXT),
    done("-q", "--quiet"),
    done("--platform", kind=TEXT),
    done("--arch", kind=TEXT, only="podman"),
    done("--os", kind=TEXT, only="podman"),
    done("--variant", kind=TEXT, only="podman"),
    done("--replace", only="podman"),
    done("--rootfs", only="podman"),
    done("--tz", kind=TEXT, only="podman"),
    done("--umask", kind=TEXT, only="podman"),
    done("--preserve-fds", kind=TEXT, only="podman"),
    done("--env-host", only="podman"),
    done("--unsetenv-all", only="podman"),
)

_FILES = (
    done("-v", "--volume", kind=MANY),
    done("--mount", kind=MANY),
    done("--tmpfs", kind=MANY),
    done("--volumes-from", kind=MANY),
    done("--volume-driver", kind=TEXT, only="docker"),
    done("--device", kind=MANY),
    done("--read-only"),
    done("--read-only-tmpfs", only="podman"),
    done("--shm-size", kind=TEXT),
    _idle("--image-volume", kind=TEXT, only="podman"),
)

_NET = (
    done("--net", "--network", kind=MANY),
    done("-p", "--publish", kind=MANY),
    done("--add-host", kind=MANY),
    done("--dns", kind=MANY),
    done("--dns-search", kind=MANY),
    done("--dns-opt", "--dns-option", kind=MANY),
    done("--link", kind=MANY),
    _note(f"{_NETWORK}: {_LOCAL}", "-P", "--publish-all", kind="flag"),
    _idle("--expose", kind=MANY),
    _note(_NETWORK, "--net-alias", "--network-alias", kind=MANY),
    _note(_NETWORK, "--domainname", kind=TEXT, only="docker"),
    _note(_NETWORK, "--mac-address"),
    _refused(_NETWORK, "leave it out, and use the host's address", "--ip"),
    _refused(_NETWORK, "leave it out, and use the host's address", "--ip6"),
    _refused(_NETWORK, "leave it out", "--link-local-ip", kind=MANY, only="docker"),
    _note("/etc/hosts is the host's", "--no-hosts", kind="flag", only="podman"),
    _idle("--http-proxy", only="podman"),
)

_LIMITS = (
    done("-m", "--memory", kind=TEXT),
    done("--memory-swap", kind=TEXT),
    done("--cpus", kind=TEXT),
    done("--cpu-period", kind=TEXT),
    done("--cpu-quota", kind=TEXT),
    done("--cpuset", "--cpuset-cpus", kind=TEXT),
    done("--pids-limit", kind=TEXT),
    done("--ulimit", kind=MANY),
    _note("it is a weight against other containers; --cpus bounds it", "-c", "--cpu-shares"),
    _note("the memory stays where the kernel puts it; numactl in the container chooses", "--cpuset-mems"),
    _note(_SHARES, "--memory-reservation"),
    _note(_SHARES, "--memory-swappiness"),
    _note(_SHARES, "--kernel-memory", only="docker"),
    _note(_SHARES, "--blkio-weight"),
    _note(_SHARES, "--blkio-weight-device", kind=MANY),
    _note(_SHARES, "--oom-score-adj"),
    _note("the kernel decides", "--oom-kill-disable", kind="flag"),
    _note("the container's group is its user's", "--cgroup-parent"),
    _idle("--cgroupns", kind=TEXT),
    _note("the container's group is its user's", "--cgroups", only="podman"),
    _refused("control groups take no other keys here", "leave it out", "--cgroup-conf", kind=MANY, only="podman"),
    *(
        _refused("an unprivileged user cannot bound a device", "ionice COMMAND", f"--device-{how}", kind=MANY)
        for how in ("read-bps", "read-iops", "write-bps", "write-iops")
    ),
    *(_refused("it takes privileges", "--cpus 1.5", f"--cpu-rt-{part}") for part in ("period", "runtime")),
    *(_refused(_WINDOWS, "leave it out", f"--cpu-{part}", only="docker") for part in ("count", "percent")),
    *(_refused(_WINDOWS, "leave it out", f"--io-{part}", only="docker") for part in ("maxbandwidth", "maxiops")),
)

_RIGHTS = (
    done("--privileged"),
    done("--cap-add", kind=MANY),
    done("--cap-drop", kind=MANY),
    done("--security-opt", kind=MANY),
    done("--ipc", kind=TEXT),
    done("--pid", kind=TEXT),
    done("--uts", kind=TEXT),
    done("--isolation", kind=TEXT, only="docker"),
    _idle("--runtime", kind=TEXT, only="docker"),
    _idle("--init"),
    _idle("--init-path", kind=TEXT, only="podman"),
    _refused(
        "Wherry does not prepare GPU libraries yet",
        "--device /dev/nvidia0 --device /dev/nvidiactl --device /dev/nvidia-uvm, and -v for the driver's libraries",
        "--gpus",
    ),
    _note("which devices you may use the host decides", "--device-cgroup-rule", kind=MANY),
    _refused("an unprivileged user cannot set kernel parameters", "ask the administrator", "--sysctl", kind=MANY),
    _refused("a container has the space of its disk", "leave it out", "--storage-opt", kind=MANY, only="docker"),
    *(
        _refused(
            "which ids are mapped /etc/subuid says", "WHERRY_RUN_USERNS=range uses them all", f"--{name}", kind=MANY
        )
        for name in ("uidmap", "gidmap", "subuidname", "subgidname")
    ),
    _refused("one filter is chosen by --security-opt", "leave it out", "--seccomp-policy", only="podman"),
    _refused("programs run as this machine does", "setarch COMMAND", "--personality", only="podman"),
    _refused("secrets are kept by a service", "-v FILE:/run/secrets/NAME:ro", "--secret", kind=MANY, only="podman"),
    _note("no socket of an engine exists", "--use-api-socket", kind="flag", only="docker"),
)

_WATCHING = (
    done("--restart", kind=TEXT),
    done("--log-driver", kind=TEXT),
    _idle("--log-opt", kind=MANY),
    _idle("--sig-proxy"),
    _idle("--detach-keys", kind=TEXT),
    _idle("--disable-content-trust"),
    _idle("--annotation", kind=MANY),
    _idle("--no-healthcheck"),
    *(_note(_HEALTH, f"--health-{part}") for part in ("cmd", "interval", "retries", "start-period", "timeout")),
    _note(_HEALTH, "--health-start-interval"),
    _note(_HEALTH, "--health-on-failure", only="podman"),
    *(
        _note(_HEALTH, f"--health-{part}", only="podman")
        for part in ("log-destination", "max-log-count", "max-log-size")
    ),
    *(_note(_HEALTH, f"--health-startup-{part}", only="podman") for part in ("cmd", "interval", "retries")),
    *(_note(_HEALTH, f"--health-startup-{part}", only="podman") for part in ("success", "timeout")),
)

_PODMANS = (
    _idle("--passwd", only="podman"),
    _idle("--systemd", kind=TEXT, only="podman"),
    _idle("--sdnotify", kind=TEXT, only="podman"),
    _idle("--conmon-pidfile", kind=TEXT, only="podman"),
    done("--tls-verify", kind=TEXT, only="podman"),
    done("--authfile", kind=TEXT, only="podman"),
    _refused("there are no pods", "start each container alone", "--pod", only="podman"),
    _refused("there are no pods", "start each container alone", "--init-ctr", only="podman"),
    _refused("there are no pods", "start each container alone", "--pod-id-file", only="podman"),
    _refused("nobody starts others first", "start those before", "--requires", kind=MANY, only="podman"),
    _refused("nobody watches the time", "timeout SECONDS podman run ...", "--timeout", only="podman"),
    _refused("nobody is there when it ends", "podman rmi IMAGE afterwards", "--rmi", kind="flag", only="podman"),
    _refused("the image's variables are taken as they are", "-e NAME=", "--unsetenv", kind=MANY, only="podman"),
    _refused("the image's variables are taken as they are", "-e NAME=VALUE", "--env-merge", kind=MANY, only="podman"),
    _refused("directories need no preparation", "leave it out", "--chrootdirs", kind=MANY, only="podman"),
    _refused("only you are shown", "wherry run --hostauth", "--hostuser", kind=MANY, only="podman"),
    _refused("Wherry writes the entry itself", "-v ./passwd:/etc/passwd:ro", "--passwd-entry", only="podman"),
    _refused("Wherry writes the entry itself", "-v ./group:/etc/group:ro", "--group-entry", only="podman"),
    _note("'podman inspect' tells it", "--pidfile", only="podman"),
    _note("images are not decrypted", "--decryption-key", kind=MANY, only="podman"),
    _idle("--shm-size-systemd", kind=TEXT, only="podman"),
    _refused("the Intel RDT takes privileges", "leave it out", "--rdt-class", only="podman"),
    *(_idle(f"--retry{part}", kind=TEXT, only="podman") for part in ("", "-delay")),
    _idle("--cert-dir", kind=TEXT, only="podman"),
    _refused("a start takes the credentials that are kept", "podman login first", "--creds", only="podman"),
)

START: tuple[Asked, ...] = (*_WHAT, *_FILES, *_NET, *_LIMITS, *_RIGHTS, *_WATCHING, *_PODMANS)
RUN: tuple[Asked, ...] = (done("-d", "--detach"), *START)
