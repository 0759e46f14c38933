"""The ground floor: words that every other room uses.

One error type, :class:`~wherry.base.digest.Digest`, :class:`~wherry.base.reference.Reference`, the execution
record, progress events, and settings with their sources. Nothing here knows what an image or a container is, and
nothing does I/O beyond reading settings files. Modules are imported one by one (``from wherry.base.errors import
WherryError``), so that a start pays only for what it uses.
"""

__all__: list[str] = []
