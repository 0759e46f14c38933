"""A plan for eyes (``--dry-run``) and for programs (``--dry-run --format json``)."""

from __future__ import annotations

import msgspec

from wherry.launch.binds import BIND_PLAIN
from wherry.launch.confine import limit_name
from wherry.launch.fragment import wrapped_of
from wherry.launch.mounts import OVERLAY_UNWRITTEN
from wherry.launch.plan import CURRENT, DIRECTORY, ID, MOUNT, SCRATCH, SELF, Field, LaunchPlan, Operation
from wherry.launch.records import INPUTS, OPERATIONS, Kind

__all__ = ["show", "show_json"]

_SLOTS = {
    SCRATCH: "<scratch>",
    CURRENT: "<current directory>",
    ID: "<id>",
    DIRECTORY: "<start directory>",
    SELF: "<launcher>",
    MOUNT: "<mount>",
}
_NAMESPACES = (
    (0x10000000, "user"),
    (0x00020000, "mount"),
    (0x20000000, "pid"),
    (0x08000000, "ipc"),
    (0x04000000, "uts"),
    (0x02000000, "cgroup"),
    (0x40000000, "network"),
)
_BIND_BITS = ((1, "read-only"), (16, "this mount only"), (32, "if it exists"), (128, "follows later mounts"))
_LONG = 100
_SETTING, _FEW = "WHERRY_", 4


def show(plan: LaunchPlan, arguments: tuple[str, ...] = ()) -> str:
    """What the container will see and be, in the order in which a reader asks; ends with a newline."""
    lines: list[str] = []
    for title, found in (
        ("runs", _runs(plan, arguments)),
        ("as", _who(plan)),
        ("sees", _sees(plan)),
        ("has the variables", _variables(plan)),
        ("is confined by", _confined(plan)),
        ("leaves", _leaves(plan)),
        ("notes", list(plan.notes)),
        ("is planned anew when one of these changes", _inputs(plan)),
    ):
        if found:
            lines += [title, *(f"  {line}" for line in found)]
    return "\n".join(lines) + "\n"


def show_json(plan: LaunchPlan) -> bytes:
    """All records with named fields; bytes as hexadecimal text."""
    document = {
        "inputs": [_named(item, INPUTS) for item in plan.inputs],
        "operations": [_named(item, OPERATIONS) for item in plan.operations],
        "files": {file.path: (file.content or b"").decode("utf-8", "replace") for file in plan.files if file.content},
        "notes": list(plan.notes),
        "starter": list(plan.starter),
        "reusable": plan.reusable,
    }
    return msgspec.json.encode(document)


def _named(item: Operation, table: dict[str, Kind]) -> dict[str, object]:
    kind = table[item.kind]
    fields = {name: _plain(value) for name, value in zip(kind.names, item.fields, strict=True)}
    return {"kind": item.kind, "phase": kind.phase, **fields}


def _plain(value: Field) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_text(part) for part in value]
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    for slot, name in _SLOTS.items():
        text = text.replace(slot, name)
    return text.encode("utf-8", "replace").decode()


def _runs(plan: LaunchPlan, arguments: tuple[str, ...]) -> list[str]:
    found = []
    for item in plan.find("EXEC"):
        entry_point, default, _ = item.fields
        command = [*_words(entry_point), *(arguments or _words(default))]
        found.append(" ".join(_quote(word) for word in command) or "(a command must be given)")
    for item in plan.find("CWD"):
        found.append(f"in {_text(str(item.fields[0]))}")
    return found


def _who(plan: LaunchPlan) -> list[str]:
    for item in plan.find("NAMESPACE"):
        flags, uid, gid = (field if isinstance(field, int) else 0 for field in item.fields)
        names = " ".join(name for bit, name in _NAMESPACES if flags & bit)
        mapped = [sum(map(int, _words(ids.fields[2])[2::3])) for ids in plan.find("IDMAP")]
        others = [f"with {count} ids: yours, and those of your subordinate range" for count in mapped]
        return [f"uid {uid}, gid {gid}", *others, f"in namespaces of its own: {names}"]
    for item in plan.find("WRAP"):
        argv = _words(item.fields[0])
        return [f"what {argv[0]} makes of it: no namespaces of its own"] if argv else []
    return [f"a member of the running container '{_plain(item.fields[2])}'" for item in plan.find("JOIN")]


def _sees(plan: LaunchPlan) -> list[str]:
    found = _shown(plan)
    for item in plan.operations:
        line = _seen(item)
        if line:
            found.append(line)
        if item.kind in ("OVERLAY", "FUSE"):
            found += _made(plan)
    return found


def _shown(plan: LaunchPlan) -> list[str]:
    """What a program of the host shows inside, where there are no mounts."""
    wrapped = wrapped_of(plan) if plan.find("PLAIN") and plan.find("RUNNING") else None
    if wrapped is None:
        return []
    copied = [f"/  a private copy of {_text(str(item.fields[0]))}" for item in plan.find("COPY")]
    shown = [f"{_text(target)}  the host's {_text(source)}" for source, target in wrapped.shown]
    return [*(copied or [f"/  {_text(wrapped.root)}"]), *shown]


def _made(plan: LaunchPlan) -> list[str]:
    """The names layer: its files, and directories with the modes that are not everybody's."""
    found = []
    for file in plan.files[1:]:
        path = file.path[len(plan.files[0].path) :]
        if file.content is not None:
            found.append(f"{path}  made for you")
        elif file.mode != 0o755:
            found.append(f"{path}  an empty directory ({file.mode:o})")
    return found


def _seen(item: Operation) -> str:
    fields = [_text(field) if isinstance(field, str) else "" for field in item.fields]
    if item.kind == "OVERLAY":
        layers = f"/  the image's layers ({len(_words(item.fields[0])) - 1})"
        unwritten = isinstance(item.fields[4], int) and item.fields[4] & OVERLAY_UNWRITTEN
        return layers if unwritten else f"{layers}, changes go to {fields[1]}"
    if item.kind == "FUSE":
        return "/  the image's layers, by fuse-overlayfs"
    if item.kind == "TREE":
        return f"/  {fields[0]}"
    if item.kind == "BIND":
        bits = item.fields[2]
        if isinstance(bits, int) and bits & BIND_PLAIN:
            return f"{fields[1]}  as the layer has it, past the overlay"
        notes = [name for bit, name in _BIND_BITS if isinstance(bits, int) and bits & bit]
        return f"{fields[1]}  the host's {fields[0]}" + (f" ({', '.join(notes)})" if notes else "")
    if item.kind == "MOUNT":
        return f"{fields[4]}  a new {fields[0]}" + (f" ({fields[3]})" if fields[3] else "")
    if item.kind == "SYMLINK":
        return f"{fields[1]}  -> {fields[0]}"
    if item.kind == "MASK":
        return f"{fields[0]}  hidden"
    if item.kind == "READONLY":
        return f"{fields[0]}  read-only"
    if item.kind == "HOSTNAME":
        return f"the host name {fields[0]}"
    if item.kind == "NAMED":
        own = " ".join(_words(item.fields[0]))
        return f"what the command's words name in the host's {own}, where the image lacks it"
    return "the loopback network alone" if item.kind == "LOOPBACK" else ""


def _variables(plan: LaunchPlan) -> list[str]:
    found = []
    for item in plan.operations:
        if item.kind == "ENV_SET":
            found += [_short(_text(line)) for line in _words(item.fields[0])]
        elif item.kind in ("ENV_PASS", "ENV_TAKE"):
            found.append("yours, where set: " + " ".join(_words(item.fields[0])))
        elif item.kind == "ENV_NAMES":
            prefixes = " ".join(_words(item.fields[1]))
            found.append(f"{' '.join(_words(item.fields[0]))}: the names of yours that begin with {prefixes}")
        elif item.kind == "ENV_BARE":
            found.append("yours, without what they begin with: " + " ".join(_words(item.fields[0])))
        elif item.kind == "ENV_WHEN":
            found.append("yours, in a batch job: " + " ".join(_words(item.fields[1])))
    return found


def _confined(plan: LaunchPlan) -> list[str]:
    found = []
    for item in plan.find("CAPS"):
        bits = item.fields[0]
        count = bits.bit_count() if isinstance(bits, int) else 0
        found.append(f"{count} capabilities, in its own namespaces only" if count else "no capabilities")
    for item in plan.find("SECCOMP"):
        program = item.fields[0]
        size = len(program) // 8 if isinstance(program, bytes) else 0
        found.append(f"a system call filter ({size} instructions), no new privileges")
    found += ["no new privileges" for _ in plan.find("NO_NEW_PRIVS")]
    found += [
        f"limit {limit_name(int(str(item.fields[0])))}: {_plain(item.fields[1])} {_plain(item.fields[2])}"
        for item in plan.find("RLIMIT")
    ]
    return found + _bounds(plan)


def _bounds(plan: LaunchPlan) -> list[str]:
    found = []
    for item in plan.find("CGROUP"):
        limits = ", ".join(_words(item.fields[3]))
        place = item.fields[1] or "the launcher's own"
        found.append(f"a control group in {place!s}: {limits}")
    for item in plan.find("WATCH"):
        memory, processes = item.fields
        found += [f"being watched: at most {memory!s} bytes of memory"] if memory else []
        found += [f"being watched: at most {processes!s} processes"] if processes else []
    found += [f"{item.fields[0]!s} of your processors" for item in plan.find("AFFINITY")]
    return found + ["the end of your login or job" for _ in plan.find("UNTIL")]


def _leaves(plan: LaunchPlan) -> list[str]:
    found = []
    for item in plan.find("SCRATCH"):
        parents, keep = item.fields
        what = "changed files stay in" if keep else "nothing of its changed files, which lie in"
        found.append(f"{what} {' or '.join(_words(parents))}")
    found += [f"a record in {_text(str(item.fields[0]))}" for item in plan.find("RECORD")]
    return found


def _inputs(plan: LaunchPlan) -> list[str]:
    files = [str(item.fields[0]) for item in plan.inputs if item.kind in ("FILE", "CONTENT")]
    below = {path: sum(other.startswith(f"{path}/") for other in files) for path in files}
    variables = [item.fields[0] for item in plan.inputs if item.kind == "ENV"]
    settings = sum(str(name).startswith(_SETTING) for name in variables)
    found = []
    for item in plan.inputs:
        if item.kind in ("FILE", "CONTENT"):
            path = str(item.fields[0])
            if not any(path.startswith(f"{other}/") for other in files):
                more = f" and {below[path]} below it" if below[path] else ""
                found.append(f"the file {_text(path)}{more}")
        elif item.kind == "ENV" and settings > _FEW and str(item.fields[0]).startswith(_SETTING):
            line = f"{settings} variables {_SETTING}* ('wherry settings' names them)"
            found += [line] if line not in found else []
        elif item.kind in ("ENV", "ENVS"):
            found.append(f"the variable {_plain(item.fields[0])}{'*' if item.kind == 'ENVS' else ''}")
        elif item.kind == "NEAREST":
            found.append(f"the nearest {_plain(item.fields[0])} upward")
        elif item.kind == "LOCAL":
            found.append(f"a file '{_plain(item.fields[0])}' in the current directory")
        elif item.kind == "CWD":
            found.append("the current directory")
    return found


def _words(value: Field) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _short(line: str) -> str:
    return line if len(line) <= _LONG else f"{line[: _LONG - 3]}..."


def _quote(word: str) -> str:
    safe = word and all(letter.isalnum() or letter in "-_./:=,+@%" for letter in word)
    return word if safe else "'" + word.replace("'", "'\\''") + "'"
