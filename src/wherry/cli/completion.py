"""The script that a shell evaluates to complete ``wherry``: bash 4.4, zsh, fish.

zsh's and fish's are click's. click's for bash breaks at the colon of an image's name, so that one is our own; what it
calls is click's all the same.
"""

from __future__ import annotations

from wherry.base.errors import UsageError

__all__ = ["script"]


_BASH = """\
_wherry_completion() {
    local line="${COMP_LINE:0:COMP_POINT}" IFS=$' \\t\\n' words current prefix response completion kind value
    read -ra words <<< "$line"
    current="${line##*[[:space:]]}"
    local count=${#words[@]}
    [[ -n $current ]] && count=$((count - 1))
    response=$(COMP_WORDS="$line" COMP_CWORD=$count _WHERRY_COMPLETE=bash_complete "${words[0]}" 2>/dev/null)
    # readline replaces only what follows the last ':' or '=', which image names and options have inside
    prefix="${current%"${current##*[:=]}"}"
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$prefix"}") ;;
        esac
    done <<< "$response"
}
complete -o nosort -F _wherry_completion wherry"""


def script(shell: str) -> str:
    """The script for ``shell``; raise :class:`UsageError` for one that is not known."""
    if shell == "bash":
        return _BASH
    import click
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"there is no completion for '{shell}'", hint="bash, zsh or fish")
    made = kind(click.Command("wherry"), {}, "wherry", "_WHERRY_COMPLETE")
    return (made.source_template % made.source_vars()).strip()
