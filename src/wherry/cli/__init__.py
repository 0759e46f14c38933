"""The `wherry` command: parse, call one function of a package, show.

A **verb** (``verbs/``, one file each) is data, its options, arguments, help and examples, and one function that calls
a use case and shows the result. One small parser (``parse``) reads every command line from that data in microseconds;
click, made from the same data (``commands``), is loaded only to say what is wrong, to show help and to complete.

Here are the only ``print`` of the project, and (``main``) the only place where an error becomes text and a status.
No logic: what a program might want to do is a function of a package below, and of ``import wherry``.
"""

__all__: list[str] = []


def _import_msgspec() -> None:
    """Import msgspec without what it does not need, which would cost every command 13 to 20 ms.

    It imports ``typing_extensions`` (which imports ``inspect``) for two names that ``typing`` has since Python 3.11;
    ``uuid`` (which imports ``platform``) for a type that is in no document of ours; ``textwrap`` for JSON schemas,
    which are not made here; and of ``datetime`` only what the interpreter's own ``_datetime`` has. While it is
    imported, these have stand-ins; who imports them later gets the real ones.
    """
    import sys

    if "msgspec" in sys.modules:
        return
    stand_ins = {name: module for name, module in _stand_ins().items() if name not in sys.modules}
    sys.modules.update(stand_ins)  # type: ignore[arg-type]  # None: "not there", as the import system reads it
    try:
        import msgspec  # noqa: F401
    except (
        ImportError,
        AttributeError,
    ):  # another msgspec needs more of them
        # The next to import it gets it with all modules, or an error that tells.
        for name in [name for name in sys.modules if name.partition(".")[0] == "msgspec"]:
            del sys.modules[name]
    finally:
        for name in stand_ins:
            sys.modules.pop(name, None)


def _stand_ins() -> dict[str, object]:
    from types import ModuleType

    uuid = ModuleType("uuid")
    uuid.UUID = type("UUID", (), {})  # type: ignore[attr-defined]
    uuid.SafeUUID = type("SafeUUID", (), {"unknown": None})  # type: ignore[attr-defined]
    found: dict[str, object] = {"typing_extensions": None, "uuid": uuid, "textwrap": ModuleType("textwrap")}
    try:
        import _datetime  # type: ignore[import-not-found]
    except ImportError:
        return found
    return {**found, "datetime": _datetime}


_import_msgspec()
