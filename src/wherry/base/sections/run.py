"""``[run]``: what a container sees when no flag says otherwise."""

from wherry.base.settings import Key

__all__ = ["KEYS"]

KEYS = (
    Key("run.image", "text", "", "the image of 'wherry run' in this directory, where none is named", project=True),
    Key("run.profile", "text", "isolated", "isolated, or hpc: --here and --home are on", choices=("isolated", "hpc")),
    Key("run.env", "list", (), "variables for every container, as NAME=value or NAME", project=True),
    Key(
        "run.binds",
        "list",
        (),
        "directories to bind in every container, as -v takes them; what a node lacks is left out",
    ),
    Key(
        "run.pull",
        "text",
        "missing",
        "when to ask the registry: missing, always or never",
        choices=("missing", "always", "never"),
    ),
    Key(
        "run.unpacked",
        "list",
        ("/cvmfs/unpacked.cern.ch",),
        "folders with unpacked images as REGISTRY/NAME:TAG, looked through before a pull and used where they lie",
    ),
    Key(
        "run.engine",
        "text",
        "auto",
        "how containers are made: auto, namespace, proot, fakechroot, oci or site",
        choices=("auto", "namespace", "proot", "fakechroot", "oci", "site"),
    ),
    Key(
        "run.userns",
        "text",
        "one",
        "which ids a container has: one (yours alone), or range (your subordinate ids too: other users are real)",
        choices=("one", "range"),
    ),
    Key(
        "run.detached",
        "text",
        "auto",
        "what 'run -d' ends with: job (the batch job), logout, stay (nothing), or auto (what the machine does anyway)",
        choices=("auto", "job", "logout", "stay"),
    ),
    Key(
        "run.mount",
        "text",
        "auto",
        "how squashfs and SIF files are run: namespace or host (mounted there), unpack (into the store), or auto: the "
        "first that works",
        choices=("auto", "namespace", "host", "unpack"),
    ),
    Key("run.mount_grace", "number", 10, "seconds that such a file stays mounted when no container uses it any more"),
    Key("run.interactive", "flag", False, "pass standard input on without -i, for callers that leave it out (cwltool)"),
    Key("run.network", "text", "host", "host or none", choices=("host", "none")),
    Key(
        "run.scratch",
        "text",
        "",
        "node-local folder for writable layers; empty: beside the store, or TMPDIR",
        variable="WHERRY_SCRATCH",
    ),
)
