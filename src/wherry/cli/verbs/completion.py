"""``wherry completion``: the script that makes a shell complete verbs, options and names."""

from __future__ import annotations

from wherry.cli.grammar import Argument, Given, Verb

__all__ = ["VERB"]


def _run(given: Given) -> int:
    from wherry.cli.completion import script

    print(script(given.word))
    return 0


VERB = Verb(
    "completion",
    "print the script that makes bash, zsh or fish complete",
    _run,
    arguments=(Argument("SHELL", complete="shell"),),
    examples=(
        ('eval "$(wherry completion bash)"', "in ~/.bashrc"),
        ('eval "$(wherry completion zsh)"', "in ~/.zshrc"),
        ("wherry completion fish | source", "in ~/.config/fish/config.fish"),
    ),
)
