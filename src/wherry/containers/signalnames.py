"""Names of signals, as ``kill``, ``stop`` and ``--stop-signal`` take them and containers keep them."""

from __future__ import annotations

import signal

from wherry.base.decimals import decimal
from wherry.base.errors import UsageError

__all__ = ["signal_name", "signal_number"]


def signal_number(text: str) -> int:
    """``SIGTERM``, ``term``, ``15`` or ``RTMIN+3`` as a number; raise :class:`UsageError`."""
    number = decimal(text)
    if number is None:
        name, _, offset = text.upper().removeprefix("SIG").partition("+")
        member = signal.Signals.__members__.get(f"SIG{name}")
        after = decimal(offset) if offset else 0
        number = 0 if member is None or after is None or (after and name != "RTMIN") else int(member) + after
    if number not in signal.valid_signals():
        raise UsageError(f"'{text}' is not a signal", hint="a name as TERM, INT, KILL, USR1, or a number")
    return number


def signal_name(text: str) -> str:
    """The same as ``SIGTERM``, or ``SIGRTMIN+3``."""
    number = signal_number(text)
    known = {int(member): member.name for member in signal.Signals}
    return known.get(number) or f"SIGRTMIN+{number - signal.SIGRTMIN}"
