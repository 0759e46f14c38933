"""The `wherry` command: parse, call one function of a package, show.

A **verb** (``verbs/``, one file each) is data, its options, arguments, help and examples, and one function that calls
a use case and shows the result. One small parser (``parse``) reads every command line from that data in microseconds;
click, made from the same data (``commands``), is loaded only to say what is wrong, to show help and to complete.

Here are the only ``print`` of the project, and (``main``) the only place where an error becomes text and a status.
No logic: what a program might want to do is a function of a package below, and of ``import wherry``.
"""

__all__: list[str] = []


def _import_msgspec() -> None:
    """Import msgspec without two modules that it does not need, which would cost every start 10 to 16 ms.

    Of ``typing_extensions`` (which imports ``inspect``) it takes two names that ``typing`` has since Python 3.11; it
    imports ``uuid``, which asks ``platform`` for the system's name, and nothing else of it.
    """
    import os
    import sys
    from types import ModuleType

    if "typing_extensions" in sys.modules or "msgspec" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # "not there", as the import system reads it
    if "platform" not in sys.modules:
        platform = sys.modules["platform"] = ModuleType("platform")
        platform.system = lambda: os.uname().sysname  # type: ignore[attr-defined]
        stand_in: ModuleType | None = platform
    else:
        stand_in = None
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]
        if stand_in is not None and sys.modules.get("platform") is stand_in:
            del sys.modules["platform"]


_import_msgspec()
