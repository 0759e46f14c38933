"""The script that a shell evaluates to complete ``wherry``: click's, for bash 4.4, zsh and fish."""

from __future__ import annotations

from wherry.base.errors import UsageError

__all__ = ["script"]


def script(shell: str) -> str:
    """The script for ``shell``; raise :class:`UsageError` for one that is not known."""
    import click
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"there is no completion for '{shell}'", hint="bash, zsh or fish")
    made = kind(click.Command("wherry"), {}, "wherry", "_WHERRY_COMPLETE")
    return (made.source_template % made.source_vars()).strip()
