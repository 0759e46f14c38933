"""Names of signals, as ``kill``, ``stop`` and ``--stop-signal`` take them."""

from __future__ import annotations

import signal

from wherry.base.errors import UsageError

__all__ = ["signal_name"]


def signal_name(text: str) -> str:
    """``TERM``, ``sigterm`` or ``15`` as ``SIGTERM``; ``RTMIN+3`` as ``SIGRTMIN+3``; raise :class:`UsageError`."""
    name = text.upper().removeprefix("SIG")
    if text.isascii() and text.isdigit():
        if int(text) in signal.valid_signals():
            number = int(text)
            known = {int(member): member.name for member in signal.Signals}
            return known.get(number, f"SIGRTMIN+{number - signal.SIGRTMIN}")
    elif f"SIG{name}" in signal.Signals.__members__:
        return f"SIG{name}"
    else:
        base, _, offset = name.partition("+")
        if (
            base == "RTMIN"
            and offset.isascii()
            and offset.isdigit()
            and signal.SIGRTMIN + int(offset) <= signal.SIGRTMAX
        ):
            return f"SIGRTMIN+{int(offset)}"
    raise UsageError(f"'{text}' is not a signal", hint="a name as TERM, INT, KILL, USR1, or a number")
