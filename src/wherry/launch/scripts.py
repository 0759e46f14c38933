"""A start in the manner of Apptainer: its environment, and what ``exec``, ``run``, ``shell``, ``test`` and an instance
execute.

Images made by Apptainer and Singularity have shell scripts in ``.singularity.d``, which only a shell can read: that of
the image does it, in the container, before the command. Others need no shell: their configuration is taken as the
scripts would have been made from it (PATH is the image's; of other variables the caller's values win).
"""

from __future__ import annotations

from wherry.base.errors import NotFound, UsageError
from wherry.launch.environment import DEFAULT_PATH, Variable
from wherry.launch.options import RunOptions, Scripts
from wherry.launch.views import Image, Tree

__all__ = ["SOURCING", "scripted_command", "scripted_exec", "scripted_variables"]

_FOLDER = "/.singularity.d"
_SHELL = "/bin/sh"
_LIBRARIES = f"{_FOLDER}/libs"
"""Where the peer puts libraries of the host; the scripts of its images add it to the search path themselves."""
_PATHS = ("PATH", "PREPEND_PATH", "APPEND_PATH")

SOURCING = r"""
for __w in /.singularity.d/env/*.sh; do if [ -r "$__w" ]; then . "$__w"; fi; done
unset IFS
for __w in $__given $__asked $__now; do
  __n=${__w#*ENV_}
  case $__n in PATH|PREPEND_PATH|APPEND_PATH|HOME) ;; *) eval "export $__n=\"\${$__w}\"";; esac
done
unset $__given $__asked $__now
if [ -n "$__path" ]; then PATH=$__path; fi
export PATH="${__before:+$__before:}$PATH${__after:+:$__after}"
unset __w __n __given __asked __now __path __before __after
"""
"""Reads the image's environment; what the caller asked for by prefixed variables comes last. In the words of POSIX, for
the shell is the image's."""

_VERBS = {
    "exec": """
case $1 in
'') echo "wherry: no command was given" >&2; exit 255;;
*/*) if [ ! -x "$1" ]; then echo "wherry: cannot execute '$1'" >&2; exit 255; fi;;
*) if ! command -v "$1" >/dev/null; then echo "wherry: cannot find '$1' in the container's PATH" >&2; exit 255; fi;;
esac
exec "$@"
""",
    "run": """
for __r in /.singularity.d/runscript /singularity; do if [ -x "$__r" ]; then exec "$__r" "$@"; fi; done
exec /bin/sh "$@"
""",
    "test": """
if [ -x /.singularity.d/test ]; then exec /.singularity.d/test "$@"; fi
echo "wherry: the image has no test script" >&2
""",
    "shell": """
if [ -x /bin/bash ]; then exec /bin/bash --norc "$@"; fi
exec /bin/sh "$@"
""",
    "start": """
if [ -x /.singularity.d/startscript ]; then /.singularity.d/startscript "$@" & fi
""",
}
_STAY = """
trap 'exit 0' TERM INT
while :; do sleep 86400 & wait $!; done
"""
"""An instance lasts until it is stopped, whatever its script does."""


def scripted_command(
    scripts: Scripts, options: RunOptions, image: Image, tree: Tree
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Entry point and default command; raises :class:`UsageError` or :class:`NotFound` where there is none."""
    if scripts.verb == "exec" and not options.command:
        raise UsageError("no command to execute", hint="name it after the image")
    if scripts.app and not tree.exists(f"/scif/apps/{scripts.app}"):
        raise NotFound(f"'{image.reference}' has no app '{scripts.app}'", why=_apps(tree))
    if not _has_scripts(tree):
        return _plain_command(scripts, image, tree)
    action = _VERBS[scripts.verb]
    if scripts.verb == "start":
        action += _STAY
    if scripts.app and scripts.verb in ("run", "test"):
        action = _execute(f"/scif/apps/{scripts.app}/scif/{'runscript' if scripts.verb == 'run' else 'test'}")
    if scripts.verb == "shell" and scripts.shell:
        action = _execute(scripts.shell)
    return (_SHELL, "-c", SOURCING + action, "sh"), ()


def scripted_exec(
    scripts: Scripts, command: tuple[str, ...], env: tuple[str, ...], image: Image, tree: Tree
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Command and variables of a further process in a container that was started so; raises as the former."""
    entry, default = scripted_command(scripts, RunOptions(command=command), image, tree)
    words = (*entry, *(command or default))
    if not _has_scripts(tree):
        return words, env
    return words, tuple(f"{item.name}={item.value}" for item in _asked(scripts, env, "__now"))


def _asked(scripts: Scripts, env: tuple[str, ...], name: str = "__asked") -> list[Variable]:
    """What was asked for on the command line, as the scripts' end takes it: ``name`` lists it."""
    last = scripts.prefixes[-1] if scripts.prefixes else ""
    found = [_set(f"{last}{text}", "--env or --env-file") for text in env]
    return [*found, Variable(name, " ".join(item.name for item in found), "--env or --env-file", "set")]


def _execute(program: str) -> str:
    from shlex import quote

    return f'exec {quote(program)} "$@"\n'


def scripted_variables(scripts: Scripts, options: RunOptions, before: list[Variable], tree: Tree) -> list[Variable]:
    """What is set over the caller's and the image's variables, in the order of application."""
    found = [_set(text, "Apptainer's habit") for text in scripts.variables]
    if _has_scripts(tree):
        raw = [Variable(f"{prefix}*", None, "your environment", "take") for prefix in scripts.prefixes]
        given = Variable("__given", " ".join(scripts.prefixes), "your environment", "names")
        paths = (("__path", scripts.path), ("__before", scripts.before), ("__after", scripts.after))
        return [
            *found,
            *raw,
            given,
            *_asked(scripts, options.env),
            *(Variable(name, value, "built in", "set") for name, value in paths),
        ]
    kept_out = [f"!{prefix}{name}" for prefix in scripts.prefixes for name in (*_PATHS, "HOME")]
    found += [Variable(name, None, "your environment", "bare") for name in (*scripts.prefixes, *kept_out)]
    found += [_set(text, "--env or --env-file") for text in options.env]
    libraries = ":".join(part for part in (_images(before, "LD_LIBRARY_PATH"), _LIBRARIES) if part)
    path = scripts.path or _images(before, "PATH") or DEFAULT_PATH
    path = ":".join(part for part in (scripts.before, path, scripts.after) if part)
    return [_set(f"LD_LIBRARY_PATH={libraries}", "the image"), *found, _set(f"PATH={path}", "the image")]


def _images(before: list[Variable], name: str) -> str:
    return next((item.value or "" for item in reversed(before) if item.name == name and item.how == "set"), "")


def _has_scripts(tree: Tree) -> bool:
    return tree.exists(f"{_FOLDER}/env") and tree.exists(_SHELL)


def _plain_command(scripts: Scripts, image: Image, tree: Tree) -> tuple[tuple[str, ...], tuple[str, ...]]:
    config = image.config.config
    if scripts.verb == "run":
        entry, default = tuple(config.entrypoint or ()), tuple(config.cmd or ())
        return (entry, default) if entry or default else ((), (_SHELL,))
    if scripts.verb == "shell":
        bash = ("/bin/bash", "--norc") if tree.exists("/bin/bash") else (_SHELL,)
        return ((scripts.shell,) if scripts.shell else bash), ()
    if scripts.verb == "test":
        return (_SHELL, "-c", _VERBS["test"], "sh"), ()
    if scripts.verb == "start":
        return (_SHELL, "-c", _STAY, "sh"), ()
    return (), ()


def _apps(tree: Tree) -> str:
    names = sorted(tree.listdir("/scif/apps")) if tree.exists("/scif/apps") else []
    return f"it has {', '.join(names)}" if names else "it has none"


def _set(text: str, source: str) -> Variable:
    name, _, value = text.partition("=")
    return Variable(name, value, source, "set")
