"""The `wherry` command: parse, call one function of a package, show.

A **verb** (``verbs/``, one file each) is data, its options, arguments, help and examples, and one function that calls
a use case and shows the result. One small parser (``parse``) reads every command line from that data in microseconds;
click, made from the same data (``commands``), is loaded only to say what is wrong, to show help and to complete.

Here are the only ``print`` of the project, and (``main``) the only place where an error becomes text and a status.
No logic: what a program might want to do is a function of a package below, and of ``import wherry``.
"""

__all__: list[str] = []


def _import_msgspec() -> None:
    """Import msgspec without ``typing_extensions``, of which it takes two names that ``typing`` has since Python 3.11.

    Where that package happens to be installed it costs every start 10 to 14 ms (it imports ``inspect``).
    """
    import sys

    if "typing_extensions" in sys.modules or "msgspec" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # "not there", as the import system reads it
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]


_import_msgspec()
