"""An environment of conda (mamba, micromamba, pixi) that a recipe makes active is active wherever the image runs.

Activation is a matter of a shell, and most starts have none: ``exec``, a workflow's task, another engine. So the
difference that it makes is computed once, at the end of the build, and stored as the image's own variables.

Pure: who asks (:func:`activation_request`), what is known from files (:func:`plain_activation`), what a shell has to be
asked because the environment brings scripts (:func:`activation_command`, :func:`read_answer`), and the difference.
Source: conda's documentation, "Managing environments": PATH, CONDA_PREFIX, CONDA_SHLVL, CONDA_DEFAULT_ENV, variables of
``conda-meta/state`` and ``etc/conda/env_vars.d``, then ``etc/conda/activate.d/*.sh`` in their order.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from wherry.base.errors import NotFound

if TYPE_CHECKING:
    from wherry.image import Tree

__all__ = [
    "LABEL",
    "Activation",
    "EnvChanges",
    "activation_command",
    "activation_difference",
    "activation_request",
    "merged",
    "needs_shell",
    "plain_activation",
    "read_answer",
]

LABEL = "wherry.conda.env"
"""Of an image: the environment that is active in it (a name or a path); ``none``: none shall be."""

_PROGRAMS = frozenset({"conda", "mamba", "micromamba", "mamba.exe"})
_ROOTS = (
    *("/opt/conda", "/opt/miniconda3", "/opt/miniforge3", "/opt/mambaforge", "/opt/miniconda", "/opt/anaconda3"),
    *("/opt/micromamba", "/usr/local/conda", "/root/miniconda3", "/root/miniforge3", "/root/micromamba", "/conda"),
)
_ROOT_VARIABLES = ("MAMBA_ROOT_PREFIX", "CONDA_ROOT", "CONDA_DIR", "CONDA_HOME", "CONDA_PATH")
_ACTIVATES = re.compile(
    r"(?:^|[;&|({]|\bthen|\bdo)[ \t]*"
    r"(?:(?:\S*/)?(?:conda|mamba|micromamba)[ \t]+activate|(?:source|\.)[ \t]+(?:\S*/)?activate)"
    r"(?P<name>[ \t]+[^\s;&|)]+)?(?P<rest>[^\n]*)",
    re.MULTILINE,
)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))")
_SHELLS_OWN = frozenset(
    (
        "_",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "PS1",
        "PS2",
        "HOME",
        "HOSTNAME",
        "TERM",
        "IFS",
        "OPTIND",
        "PPID",
        "CONDA_PROMPT_MODIFIER",
    )
)
_MARK = "wherry-activated"
_UNSET = "***unset***"
_MOST = 1 << 20
_LONGEST = 1000
"""Letters of a line, or of a command's end, that are looked through: enough for what people write."""


class Activation(msgspec.Struct, frozen=True):
    """``prefix`` is the environment's directory, ``name`` as conda calls it, ``source`` who asks for it."""

    prefix: str
    name: str
    source: str


class EnvChanges(msgspec.Struct, frozen=True):
    """Variables that activation sets, and those that it takes away."""

    set: tuple[tuple[str, str], ...] = ()
    unset: tuple[str, ...] = ()


def activation_request(
    config: Mapping[str, Any], commands: Iterable[Sequence[str]], tree: Tree, asked: str = ""
) -> Activation | None:
    """The environment that the recipe makes active, None where it makes none.

    ``config`` is the image's configuration (``Env``, ``Shell`` ...), ``commands`` the words of the target's RUN steps
    in their order, ``tree`` its files, ``asked`` what the command line says (a name or a path, or ``none``). In that
    order: the command line, the label, ``conda run -n NAME`` in ENTRYPOINT or SHELL, CONDA_DEFAULT_ENV or micromamba's
    ENV_NAME as ENV, a line of the user's or the system's start files, a RUN that does nothing but activate.

    Raises :class:`NotFound` where the command line or the label names an environment that is not there.
    """
    env = dict(pair.partition("=")[::2] for pair in config.get("Env") or ())
    roots = _roots(env, tree)
    labelled = str((config.get("Labels") or {}).get(LABEL, ""))
    for text, source in ((asked, "--conda-env"), (labelled, f"the label {LABEL}")):
        if text == "none":
            return None
        if text:
            prefix = _prefix(text, roots, tree)
            if prefix is None:
                raise _missing(text, source, roots, tree)
            return Activation(prefix, _name(prefix, roots), source)
    if not roots and "CONDA_DEFAULT_ENV" not in env:
        return None
    for text, source in _said(config, commands, env, tree):
        prefix = _prefix(_expanded(text, env), roots, tree)
        if prefix is not None:
            return Activation(prefix, _name(prefix, roots), source)
    return None


def plain_activation(activation: Activation, tree: Tree, env: Mapping[str, str]) -> dict[str, str]:
    """``env`` after activation as far as files say it: all, unless there are scripts (:func:`needs_shell`)."""
    found = dict(env)
    old = found.get("CONDA_PREFIX", "")
    ours = f"{activation.prefix}/bin"
    path = [part for part in found.get("PATH", "").split(":") if part not in (ours, f"{old}/bin" if old else ours)]
    found["PATH"] = ":".join([ours, *path])
    found |= {"CONDA_PREFIX": activation.prefix, "CONDA_DEFAULT_ENV": activation.name, "CONDA_SHLVL": "1"}
    for name, value in _variables(activation.prefix, tree):
        if value == _UNSET:
            found.pop(name, None)
        else:
            found[name] = value
    return found


def needs_shell(activation: Activation, tree: Tree) -> bool:
    """Whether packages of the environment bring scripts that are read on activation."""
    return bool(_scripts(activation, tree))


def activation_command(activation: Activation, tree: Tree, env: Mapping[str, str]) -> tuple[str, ...]:
    """What prints the variables before and after the scripts, each ended by a zero byte, a mark between."""
    import shlex

    shell = "/bin/bash" if tree.exists("/bin/bash") else "/bin/sh"
    lines = ["env -0", f"printf '{_MARK}\\0'"]
    after = plain_activation(activation, tree, env)
    lines += [f"export {name}={shlex.quote(value)}" for name, value in after.items() if env.get(name) != value]
    lines += [f"unset {name}" for name in env if name not in after]
    lines += [f". {shlex.quote(path)} >&2" for path in _scripts(activation, tree)]
    return (shell, "-c", "\n".join([*lines, "env -0"]))


def read_answer(output: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Before and after, from what the command printed; two empty ones where it did not come to its end."""
    before, mark, after = output.partition(f"{_MARK}\0".encode())
    return (_environment(before), _environment(after)) if mark and after.endswith(b"\0") else ({}, {})


def activation_difference(before: Mapping[str, str], after: Mapping[str, str]) -> EnvChanges:
    """What activation changed, without what every shell sets for itself."""

    def counts(name: str) -> bool:
        return name not in _SHELLS_OWN and not name.startswith("BASH_FUNC_") and "\n" not in name

    changed = sorted((name, value) for name, value in after.items() if counts(name) and before.get(name) != value)
    return EnvChanges(tuple(changed), tuple(sorted(name for name in before if counts(name) and name not in after)))


def merged(env: Sequence[str], changes: EnvChanges) -> list[str]:
    """The image's ``Env`` with the changes; what was there keeps its place."""
    values = dict(changes.set)
    found = []
    for pair in env:
        name, _, value = pair.partition("=")
        if name not in changes.unset:
            found.append(f"{name}={values.pop(name, value)}")
    return [*found, *(f"{name}={value}" for name, value in values.items())]


def _said(
    config: Mapping[str, Any], commands: Iterable[Sequence[str]], env: Mapping[str, str], tree: Tree
) -> list[tuple[str, str]]:
    """Environments that are spoken of, with where."""
    found = [(_run_by(config.get(key) or ()), instruction) for key, instruction in _INSTRUCTIONS]
    found.append((env.get("CONDA_DEFAULT_ENV", ""), "ENV CONDA_DEFAULT_ENV"))
    if any(tree.exists(path) for path in ("/usr/local/bin/_activate_current_env.sh", "/bin/micromamba")):
        found.append((env.get("ENV_NAME", ""), "ENV ENV_NAME"))
    for path in _start_files(config, tree):
        text = (tree.read(path, 1 << 16) or b"").decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if len(line) <= _LONGEST and not line.lstrip().startswith("#")]
        said = [match["name"] or "base" for line in lines for match in _ACTIVATES.finditer(line)]
        if said:
            found.append((said[-1], path))
    found += [(name, "RUN") for words in reversed(list(commands)) if (name := _bare(words))]
    return [(text.strip().strip("\"'"), source) for text, source in found if text.strip()]


_INSTRUCTIONS = (("Entrypoint", "ENTRYPOINT"), ("Shell", "SHELL"), ("Cmd", "CMD"))


def _run_by(words: Sequence[str]) -> str:
    """NAME of ``conda run -n NAME ...``; empty where it is no such command."""
    if len(words) < 3 or posixpath.basename(words[0]) not in _PROGRAMS or words[1] != "run":
        return ""
    rest = list(words[2:])
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        flag, equals, value = word.partition("=")
        if flag in ("-n", "--name", "-p", "--prefix"):
            return value if equals else (rest[0] if rest else "")
        if flag in ("--cwd",) and not equals and rest:
            rest.pop(0)
    return ""


def _bare(words: Sequence[str]) -> str:
    """NAME where a shell's command ends with its activation: it can be meant only for what comes later."""
    whole = words[-1].strip() if words else ""
    text = whole[-_LONGEST:]
    matches = [found for found in _ACTIVATES.finditer(text) if found.start() or text == whole]
    if not matches or matches[-1].end() != len(text) or matches[-1]["rest"].strip(" \t;"):
        return ""
    return (matches[-1]["name"] or "base").strip()


def _start_files(config: Mapping[str, Any], tree: Tree) -> list[str]:
    home = "/root"
    user = str(config.get("User") or "").partition(":")[0]
    if user not in ("", "0", "root"):
        accounts = (tree.read("/etc/passwd", _MOST) or b"").decode("utf-8", "replace").splitlines()
        for fields in (line.split(":") for line in accounts):
            if len(fields) == 7 and user in (fields[0], fields[2]):
                home = fields[5]
    own = [f"{home}/{name}" for name in (".bashrc", ".bash_profile", ".profile", ".zshrc")]
    scripts = [f"/etc/profile.d/{name}" for name in sorted(tree.listdir("/etc/profile.d")) if name.endswith(".sh")]
    return [*own, "/etc/bash.bashrc", "/etc/bashrc", "/etc/profile", *scripts]


def _expanded(text: str, env: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: env.get(found[1] or found[3], found[2] or ""), text).strip("\"'")


def _roots(env: Mapping[str, str], tree: Tree) -> list[str]:
    """Where conda is installed, the likeliest first; each has ``envs`` or is an environment itself."""
    said = [env[name] for name in _ROOT_VARIABLES if env.get(name, "").startswith("/")]
    on_path = [
        posixpath.dirname(part) for part in env.get("PATH", "").split(":") if part.endswith(("/bin", "/condabin"))
    ]
    found = dict.fromkeys(posixpath.normpath(path) for path in (*said, *on_path, *_ROOTS))
    return [path for path in found if any(tree.exists(f"{path}/{name}") for name in ("conda-meta", "envs"))]


def _prefix(text: str, roots: Sequence[str], tree: Tree) -> str | None:
    if not text or "$" in text:
        return None
    if "/" in text:
        candidates = [posixpath.normpath(text)] if text.startswith("/") else []
    elif text in ("base", "root"):
        candidates = list(roots)
    else:
        candidates = [f"{root}/envs/{text}" for root in roots]
    return next((path for path in candidates if tree.exists(f"{path}/conda-meta")), None)


def _name(prefix: str, roots: Sequence[str]) -> str:
    if prefix in roots and posixpath.basename(posixpath.dirname(prefix)) != "envs":
        return "base"
    folder, name = posixpath.split(prefix)
    return name if posixpath.basename(folder) == "envs" else prefix


def _missing(text: str, source: str, roots: Sequence[str], tree: Tree) -> NotFound:
    known = sorted({name for root in roots for name in tree.listdir(f"{root}/envs") if not name.startswith(".")})
    where = f"it has {', '.join(known[:10])}" if known else "no environment of conda was found in it"
    return NotFound(
        f"there is no environment '{text}' in the image, which {source} asks for",
        why=where,
        hint="name one of these, its directory, or none",
    )


def _variables(prefix: str, tree: Tree) -> list[tuple[str, str]]:
    """What packages (``env_vars.d``) and then ``conda env config vars set`` (``state``) give."""
    folder = f"{prefix}/etc/conda/env_vars.d"
    found: list[tuple[str, str]] = []
    for path in [f"{folder}/{name}" for name in sorted(tree.listdir(folder)) if name.endswith(".json")]:
        found += _pairs(_document(path, tree))
    state = _document(f"{prefix}/conda-meta/state", tree)
    return found + _pairs(state.get("env_vars") if isinstance(state, dict) else None)


def _document(path: str, tree: Tree) -> Any:
    try:
        import json

        return json.loads(tree.read(path, _MOST) or b"null")
    except (ValueError, RecursionError):
        return None


def _pairs(document: Any) -> list[tuple[str, str]]:
    if not isinstance(document, dict):
        return []
    texts = [(name, value) for name, value in document.items() if isinstance(value, str) and "\0" not in value]
    return [(name, value) for name, value in texts if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII)]


def _scripts(activation: Activation, tree: Tree) -> list[str]:
    folder = f"{activation.prefix}/etc/conda/activate.d"
    return [f"{folder}/{name}" for name in sorted(tree.listdir(folder)) if name.endswith(".sh")]


def _environment(output: bytes) -> dict[str, str]:
    pairs = (part.decode("utf-8", "surrogateescape").partition("=") for part in output.split(b"\0") if b"=" in part)
    return {name: value for name, _, value in pairs}
