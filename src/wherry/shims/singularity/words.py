"""What Apptainer and SingularityCE have for options, as data: which verbs take them, which variables stand for them,
and what is done with each: honoured, passed over with a note, or refused.

https://apptainer.org/docs/user/main/cli/apptainer_exec.html, the pages beside it, and those of SingularityCE.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from wherry.cli.grammar import Argument, Given, Option, Verb

__all__ = ["ACTIONS", "SHELL_ONLY", "START_ONLY", "Flag", "verb_of"]


class Flag(msgspec.Struct, frozen=True):
    """One option. ``kind`` as :class:`~wherry.cli.grammar.Option` has it, or ``list``: commas part values as well.

    ``variables`` stand for it with ``APPTAINER_`` or ``SINGULARITY_`` in front. ``note`` says why it is passed over,
    ``refused`` why it cannot be honoured, ``hint`` what to do instead.
    """

    names: tuple[str, ...]
    kind: str = "flag"
    variables: tuple[str, ...] = ()
    note: str = ""
    refused: str = ""
    hint: str = "leave it out"

    @property
    def option(self) -> Option:
        kind = {"list": "many"}.get(self.kind, self.kind)
        return Option(self.names, self.note or self.refused or "as Apptainer's", kind, empty=True)


_MACHINE = "there is no virtual machine"
_CGROUP = "it takes a control group that only an administrator may set up"
_DEVICES = "Wherry does not prepare GPU libraries yet"
_KEYS = "images are not decrypted"
_CHECKPOINT = "processes are not checkpointed"
_ALWAYS = "every container has its own"
_LOGIN = "credentials are taken from where 'docker login' and 'apptainer registry login' put them"

ACTIONS: tuple[Flag, ...] = (
    Flag(("--add-caps",), "text", ("ADD_CAPS",), refused="a user cannot give capabilities that he has not"),
    Flag(("--allow-setuid",), "flag", ("ALLOW_SETUID",), refused="set-id programs never gain rights in a container"),
    Flag(("--app",), "text", ("APP", "APPNAME")),
    Flag(("--apply-cgroups",), "text", ("APPLY_CGROUPS",), refused=_CGROUP, hint="--memory, --cpus, --pids-limit"),
    Flag(("--authfile",), "text", ("AUTHFILE",)),
    Flag(("-B", "--bind"), "list", ("BIND", "BINDPATH")),
    Flag(("--blkio-weight",), "text", ("BLKIO_WEIGHT",), note="a weight counts only among control groups"),
    Flag(
        ("--blkio-weight-device",), "list", ("BLKIO_WEIGHT_DEVICE",), note="a weight counts only among control groups"
    ),
    Flag(("--cdi-dirs",), "list", ("CDI_DIRS",), note="no CDI device is asked for"),
    Flag(("-e", "--cleanenv"), "flag", ("CLEANENV",)),
    Flag(("--compat",), "flag", ("COMPAT",)),
    Flag(("--config",), "text", note="Wherry has its own settings"),
    Flag(("-c", "--contain"), "flag", ("CONTAIN",)),
    Flag(("-C", "--containall"), "flag", ("CONTAINALL",)),
    Flag(("--containlibs",), "list", ("CONTAINLIBS",)),
    Flag(("--cpu-shares",), "text", ("CPU_SHARES",), note="shares count only among control groups"),
    Flag(("--cpus",), "text", ("CPUS",)),
    Flag(
        ("--cpuset-cpus",), "text", ("CPUSET_CPUS",), refused=_CGROUP, hint="taskset -c 0-3 before the command does it"
    ),
    Flag(("--cpuset-mems",), "text", ("CPUSET_MEMS",), refused=_CGROUP, hint="numactl before the command does it"),
    Flag(("--cwd", "--pwd"), "text", ("CWD", "PWD", "TARGET_CWD", "TARGET_PWD")),
    Flag(("--device",), "list", ("DEVICE",), refused=_DEVICES, hint="bind what the device needs with -B"),
    Flag(("--disable-cache",), "flag", ("DISABLE_CACHE",), note="images are kept in the store; 'wherry rmi' removes"),
    Flag(("--dmtcp-launch",), "text", ("DMTCP_LAUNCH",), refused=_CHECKPOINT),
    Flag(("--dmtcp-restart",), "text", ("DMTCP_RESTART",), refused=_CHECKPOINT),
    Flag(("--dns",), "list", ("DNS",)),
    Flag(("--docker-host",), "text", ("DOCKER_HOST",), note="DOCKER_HOST names a docker daemon"),
    Flag(("--docker-login",), "flag", ("DOCKER_LOGIN",), refused=_LOGIN, hint="apptainer registry login"),
    Flag(("--docker-password",), "text", ("DOCKER_PASSWORD",)),
    Flag(("--docker-username",), "text", ("DOCKER_USERNAME",)),
    Flag(("--drop-caps",), "text", ("DROP_CAPS",)),
    Flag(("--env",), "many"),
    Flag(("--env-file",), "many", ("ENV_FILE",)),
    Flag(("-f", "--fakeroot"), "flag", ("FAKEROOT",)),
    Flag(
        ("--fusemount",),
        "list",
        ("FUSESPEC",),
        refused="a container mounts no FUSE file system",
        hint="mount it on the host, and bind it with -B",
    ),
    Flag(("-H", "--home"), "text", ("HOME",)),
    Flag(("--hostname",), "text", ("HOSTNAME",)),
    Flag(("--ignore-fakeroot-command",), "flag", ("IGNORE_FAKEROOT_COMMAND",), note="no such command is used"),
    Flag(("--ignore-subuid",), "flag", ("IGNORE_SUBUID",), note="subordinate ids are used only on request"),
    Flag(("--ignore-userns",), "flag", ("IGNORE_USERNS",), refused="a user's container needs a user namespace"),
    Flag(("-i", "--ipc"), "flag", ("IPC", "UNSHARE_IPC")),
    Flag(("--keep-layers",), "flag", ("KEEP_LAYERS",), note="layers are always kept as layers"),
    Flag(("--keep-privs",), "flag", ("KEEP_PRIVS",), refused="only root on the host has privileges to keep"),
    Flag(("--memory",), "text", ("MEMORY",)),
    Flag(("--memory-reservation",), "text", ("MEMORY_RESERVATION",), note="a soft limit, which nothing needs here"),
    Flag(("--memory-swap",), "text", ("MEMORY_SWAP",)),
    Flag(("--mount",), "many", ("MOUNT",)),
    Flag(("-n", "--net"), "flag", ("NET", "UNSHARE_NET")),
    Flag(
        ("--netns-path",), "text", ("NETNS_PATH",), refused="a user cannot enter another network", hint="--network none"
    ),
    Flag(("--network",), "list", ("NETWORK",)),
    Flag(("--network-args",), "list", ("NETWORK_ARGS",), note="a network without interfaces takes no arguments"),
    Flag(("--no-compat",), "flag", ("NO_COMPAT",), note="it is how containers start anyway"),
    Flag(("--no-eval",), "flag", ("NO_EVAL",)),
    Flag(("--no-home",), "flag", ("NO_HOME",)),
    Flag(("--no-https", "--nohttps"), "flag", ("NO_HTTPS", "NOHTTPS")),
    Flag(("--no-init",), "flag", ("NO_INIT", "NOSHIMINIT"), note="Wherry's own init always runs, and reaps"),
    Flag(("--no-mount",), "list", ("NO_MOUNT",)),
    Flag(("--no-nv",), "flag", ("NO_NV", "NV_OFF")),
    Flag(("--no-oci",), "flag", ("NO_OCI",), note="it is how containers start anyway"),
    Flag(("--no-pid",), "flag", ("NO_PID",), note=f"{_ALWAYS} process ids"),
    Flag(("--no-privs",), "flag", ("NO_PRIVS",), note="a user's container has none"),
    Flag(("--no-rocm",), "flag", ("NO_ROCM", "ROCM_OFF")),
    Flag(("--no-setgroups",), "flag", ("NO_SETGROUPS",), note="your groups stay as they are"),
    Flag(("--no-tmp-sandbox",), "flag", ("NO_TMP_SANDBOX",), note="no sandbox is made for a start"),
    Flag(("--no-umask",), "flag", ("NO_UMASK",)),
    Flag(("--nv",), "flag", ("NV",)),
    Flag(("--nvccli",), "flag", ("NVCCLI",)),
    Flag(("--oci",), "flag", ("OCI",), note="images are started as Apptainer does, not as an OCI runtime would"),
    Flag(("--oom-kill-disable",), "flag", ("OOM_KILL_DISABLE",), refused=_CGROUP),
    Flag(("-o", "--overlay"), "list", ("OVERLAY", "OVERLAYIMAGE")),
    Flag(("--passphrase",), "flag", ("PASSPHRASE",), refused=_KEYS),
    Flag(("--pem-path",), "text", ("PEM_PATH",), refused=_KEYS),
    Flag(("-p", "--pid"), "flag", ("PID", "UNSHARE_PID")),
    Flag(("--pids-limit",), "text", ("PIDS_LIMIT",)),
    Flag(("--proot",), "text", ("PROOT",), note="Wherry chooses its engine itself"),
    Flag(("--rocm",), "flag", ("ROCM",)),
    Flag(("--runscript-timeout",), "text", ("RUNSCRIPT_TIMEOUT",)),
    Flag(("-S", "--scratch"), "list", ("SCRATCH", "SCRATCHDIR")),
    Flag(("--security",), "list", ("SECURITY",)),
    Flag(("--sharens",), "flag", ("SHARENS",), note="each start has its own namespaces, and shares the mounted image"),
    Flag(("--syos",), "flag", ("SYOS",), refused=_MACHINE),
    Flag(("--tmp-sandbox",), "flag", ("TMP_SANDBOX",), note="no sandbox is made for a start"),
    Flag(("--tmpdir",), "text", ("TMPDIR",), note="what is unpacked goes into the store"),
    Flag(("--underlay",), "flag", ("UNDERLAY",), note="an overlay does the same, and faster"),
    Flag(("--unsquash",), "flag", ("UNSQUASH",), note="an image that cannot be mounted is unpacked by itself"),
    Flag(("-u", "--userns"), "flag", ("USERNS", "UNSHARE_USERNS")),
    Flag(("--uts",), "flag", ("UTS", "UNSHARE_UTS")),
    Flag(("--vm",), "flag", ("VM",), refused=_MACHINE),
    Flag(("--vm-cpu",), "text", ("VM_CPU",), refused=_MACHINE),
    Flag(("--vm-err",), "flag", ("VMERROR",), refused=_MACHINE),
    Flag(("--vm-ip",), "text", ("VM_IP",), refused=_MACHINE),
    Flag(("--vm-ram",), "text", ("VM_RAM",), refused=_MACHINE),
    Flag(("-W", "--workdir"), "text", ("WORKDIR",)),
    Flag(("-w", "--writable"), "flag", ("WRITABLE",)),
    Flag(("--writable-tmpfs",), "flag", ("WRITABLE_TMPFS",)),
)
"""Of ``exec``, ``run``, ``shell``, ``test`` and ``instance start``, all releases together."""

START_ONLY: tuple[Flag, ...] = (
    Flag(("--boot",), "flag", ("BOOT",), refused="a system's own init takes root", hint="start the service itself"),
    Flag(("--pid-file",), "text", ("PID_FILE",)),
)
"""Of ``instance start`` and ``instance run`` besides."""

SHELL_ONLY: tuple[Flag, ...] = (Flag(("-s", "--shell"), "text", ("SHELL",)),)

_GLOBAL = (
    Option(("-q", "--quiet"), "say less"),
    Option(("-s", "--silent"), "say errors only"),
    Option(("-v", "--verbose"), "accepted"),
    Option(("-d", "--debug"), "accepted"),
    Option(("--nocolor",), "accepted: nothing is coloured"),
)


def verb_of(
    name: str,
    flags: tuple[Flag | Option, ...],
    run: Callable[[Given], int],
    arguments: tuple[Argument, ...] = (),
    *,
    stops: bool = False,
) -> Verb:
    """A verb with these options and, where no letter is taken, the global ones."""
    options = [flag.option if isinstance(flag, Flag) else flag for flag in flags]
    taken = {each for option in options for each in option.names}
    for option in _GLOBAL:
        names = tuple(each for each in option.names if each not in taken)
        if names:
            options.append(Option(names, option.help))
    return Verb(name, "as Apptainer's", run, tuple(options), arguments, stops=stops)
