"""The command: find the verb, read its words, call it; the only place where an error becomes text and a status.

Exit statuses are Docker's: 125 when Wherry failed, 126 and 127 when the command cannot be executed or is not there,
130 after Ctrl-C, otherwise the command's own.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable
from typing import Any

from wherry.base.errors import UsageError, WherryError, reason
from wherry.cli import catalogue
from wherry.cli.grammar import Given, Verb

__all__ = ["complain", "main", "no_such_verb", "read", "serve"]

FAILED = 125
INTERRUPTED = 130
PIPE_CLOSED = 141
"""The reader of our output went away (``| head``): end as a command does that SIGPIPE ended, without a word."""


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; return the status for the shell."""
    return serve(_dispatch, sys.argv[1:] if arguments is None else arguments)


def serve(do: Callable[[list[str]], int], words: list[str]) -> int:
    """The status of ``do(words)``, after every error became text: for any face, also the peers' (``wherry.shims``)."""
    _prepare_streams()
    status = _do(do, words)
    lost = _lost_output()
    if isinstance(lost, BrokenPipeError):
        return PIPE_CLOSED
    return complain(_not_written(lost)) if lost is not None and status == 0 else status


class _Output(io.FileIO):
    """Standard output that remembers why it could not be written: a full disk behind it is not a full store."""

    lost: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.lost = error
            raise


def _prepare_streams() -> None:
    """Where the caller closed a standard stream (``2>&-``) it leads nowhere: else the next file opened would be it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 - it stays open; takes the closed number
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
    # Names need not fit the caller's locale, hence 'backslashreplace'.
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__:
        buffer, encoding = io.BufferedWriter(_Output(1, "w", closefd=False)), sys.stdout.encoding
        sys.stdout = io.TextIOWrapper(buffer, encoding, "backslashreplace", line_buffering=sys.stdout.line_buffering)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")


def _do(do: Callable[[list[str]], int], words: list[str]) -> int:
    try:
        return do(words)
    except WherryError as error:
        return complain(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _silence_output()
        return PIPE_CLOSED
    except MemoryError:
        return complain(WherryError("out of memory", hint="ask for more in the batch job, or raise 'ulimit -v'"))
    except OSError as error:
        lost = _lost_output()
        return complain(_translate(error) if lost is None else _not_written(lost))
    except UnicodeEncodeError as error:  # bytes that are no text, where only text can be kept (JSON)
        from wherry.cli.listing import visible

        what = f"'{visible(error.object[:60])}' is not text in UTF-8"
        return complain(UsageError(what, hint="only the command of a container that is not kept may be any bytes"))
    except Exception as error:
        return _bug(error)


def _dispatch(words: list[str]) -> int:
    if "_WHERRY_COMPLETE" in os.environ or not words or words[0] in ("-h", "--help", "help"):
        from wherry.cli import commands

        return commands.main(words)
    if words[0] in ("-v", "--version"):
        words = ["version", "--format", "wherry {{.Version}}"]
    if words[0] not in catalogue.NAMES:
        raise no_such_verb(words[0])
    verb = catalogue.load(words[0])
    given = read(verb, words[1:])
    return 0 if given is None else verb.run(given)


def read(verb: Verb, words: list[str]) -> Given | None:
    """What ``words`` say to ``verb``; None when they asked for help and got it. Raise :class:`UsageError`."""
    from wherry.cli.parse import NotUnderstood, parse

    try:
        given = parse(verb, words)
    except NotUnderstood as reason:
        from wherry.cli import commands, refused

        error = refused.refusal(verb.name, reason.option)
        if error is not None:
            raise error from None
        return commands.explain(verb, words)
    verb.check(given)
    return given


def complain(error: WherryError) -> int:
    """Say what failed and what to do next; return the status that it asks for."""
    if os.environ.get("WHERRY_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    from wherry.cli.listing import visible

    shown = "".join(f"\n  {visible(line)}" for line in error.shown)
    _say(f"wherry: {visible(str(error))}{shown}" + (f"\n  next: {visible(error.hint)}" if error.hint else ""))
    return error.exit_code


def no_such_verb(name: str) -> UsageError:
    """The error for a verb that is not there, with the nearest one or what to use instead."""
    from wherry.cli import refused

    if name.startswith("-"):
        hint = "options come after the verb: wherry VERB [OPTIONS] ..., see wherry --help"
        return UsageError(f"no such option '{name}'", hint=hint)
    if name in refused.VERBS:
        why, hint = refused.VERBS[name]
        return UsageError(f"there is no verb '{name}'", why=why, hint=hint)
    import difflib

    near = difflib.get_close_matches(name, sorted(catalogue.NAMES), 1, 0.6)
    hint = f"did you mean 'wherry {near[0]}'?" if near else "'wherry --help' lists them all"
    return UsageError(f"there is no verb '{name}'", hint=hint)


def _translate(error: OSError) -> WherryError:
    import errno

    subject = f"'{error.filename}'" if error.filename else "the operation"
    if error.errno == errno.ENOSPC:
        return WherryError(
            f"no space left for {subject}", hint="'wherry df' shows what the store holds, 'wherry prune' frees it"
        )
    if error.errno == errno.EDQUOT:
        return WherryError(
            f"quota exceeded at {subject}", hint="'wherry prune' frees space, WHERRY_STORE moves the store"
        )
    if error.errno == errno.EMFILE:
        return WherryError("too many open files", hint="raise the limit: ulimit -n 4096")
    if error.errno == errno.EROFS:
        return WherryError(
            f"{subject} is on a read-only file system", hint="WHERRY_STORE names a store that you may write"
        )
    if os.environ.get("WHERRY_DEBUG") == "1":
        raise error
    return WherryError(f"{subject} failed", why=reason(error), hint="WHERRY_DEBUG=1 shows where")


def _bug(error: Exception) -> int:
    if os.environ.get("WHERRY_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    _say(
        f"wherry: this is a bug in wherry: {type(error).__name__}: {error}\n"
        "  next: report it with the output of the same command under WHERRY_DEBUG=1"
    )
    return FAILED


def _lost_output() -> OSError | None:
    """Write what is left for standard output; why it could not be written, if so. Later calls give None."""
    lost: OSError | None = None
    try:
        sys.stdout.flush()
    except OSError as error:
        lost = error
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(raw, _Output):  # what print() could not write may be gone from the buffer
        lost, raw.lost = lost or raw.lost, None
    if lost is not None:
        _silence_output()
    return lost


def _silence_output() -> None:
    """What is still kept for standard output goes nowhere, so that Python's own end has nothing to complain of."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)


def _not_written(error: OSError) -> WherryError:
    return WherryError("cannot write standard output", why=reason(error))


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # when nobody listens, the status still tells
        print(text, file=sys.stderr, flush=True)
