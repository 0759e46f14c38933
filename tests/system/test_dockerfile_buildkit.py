"""Recipes say to us what they say to BuildKit: words become the same values, and both refuse the same.

Debian's BuildKit (Dockerfile 1.2) knows no heredocs and few modifiers of variables: those are in ``tests/unit`` alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from buildkit import Refused, ask
from docker_daemon import Docker
from wherry.build.dockerfile import RecipeError, expand, expand_words, parse
from wherry.build.dockerfile.instructions import Cmd, Entrypoint, Env, Expose, Label, Shell, StopSignal, User, Volume

WORDS = r"""
$X
${X}
a$X.b
"$X"
'$X'
\$X
"\$X"
${X:-d}
${E:-d}
${U:-d}
${X:+d}
${E:+d}
${U:+d}
${X:-$E}
${U:-$X}
${U:-${X}y}
${U:-"a b"}
"${U:-'a b'}"
"${U:-"a"}"
$
a$
$1
$12a
$X_Y
${X_}
"a'b"
'a"b'
"a\"b"
'a\'
a\ b
"a\b"
"a\\b"
a\\b
a\tb
a"b"c
""
"a"'b'
$X$E$X
${X}${U}
é$Xé
$é
@$@$*$#$?$-$!
${#}
${U:-a\}b}
${U:-a}b}
${U:-{a}}
${U:-\$X}
"${U:-\$X}"
`$X`
$(X)
a=b
=$X
'a'"$X"'$X'
""".strip().splitlines()

REFUSED = (
    r"""
LABEL a=${X
LABEL a=${
LABEL a=${ X}
LABEL a=${X }
LABEL a=${:-a}
LABEL a=${12a}
LABEL a=${X:}
LABEL a=${X:1}
LABEL a=${X^^}
LABEL a=${U:=a}
LABEL a="abc
LABEL a='abc
LABEL a=$X'
LABEL a=${U?no}
ENV A
ENV A=1 B
ENV =1
ENV --x A=1
LABEL a
ARG =1
SHELL a
SHELL []
WORKDIR
USER
EXPOSE
VOLUME
VOLUME []
VOLUME "/a b"
STOPSIGNAL
MAINTAINER
CMD [1]
CMD ["a", 1]
CMD --x
HEALTHCHECK
HEALTHCHECK NONE x
HEALTHCHECK x y
HEALTHCHECK CMD []
HEALTHCHECK --interval=3 CMD a
HEALTHCHECK --retries=-1 CMD a
HEALTHCHECK --intervl=3s CMD a
ONBUILD
ONBUILD ONBUILD RUN x
ONBUILD FROM x
COPY
COPY f
COPY ["f"]
COPY --foo f /
COPY --chown 1:1 f /
COPY --chown=1 --chown=2 f /
COPY "f /
ADD --from=x f /
RUN --mount=type=foo,target=/x y
RUN --mount=type=bind,foo=bar y
RUN --network=foo x
FROM
FROM scratch foo x
FROM scratch AS 1x
FROM --plat=x scratch
FOO
ENV\u00a0A=1
""".strip()
    .replace("\\u00a0", "\u00a0")
    .splitlines()
)

ACCEPTED = [
    'CMD  [ "a\\t" , "\\u00e9" ]  ',
    "CMD a  b # c",
    "CMD ['a']",
    'CMD ["a",]',
    "CMD -- -x",
    "CMD []",
    "CMD a \\\n# c\n\n  b",
    "CMD a \\\\\nLABEL b=c",
    'ENTRYPOINT ["a"]\nCMD b',
    "ENTRYPOINT a  b",
    'SHELL ["a", "b"]\nCMD x',
    "USER a b",
    "USER $X:${U:-us}",
    "EXPOSE 80 $P 81/udp",
    "VOLUME /a $X",
    'VOLUME ["/a b", "/$X"]',
    "STOPSIGNAL SIGKILL",
    "ENV A 1  2\nENV B\tx y",
    'ENV "A B"=1 C=\'x y\' D="x  y" F=x\\ y',
    "ENV A=1 \\\n# c\n\n  B=$A",
    'ENV A="x\\\n  y"',
    "\\\nE\\\nNV A=1",
    "ENV A=1\u00a0B=2",
    "ENV A=1\r\nENV B=2\r\n",
    "  ENV   A=1   B=2  ",
    "LABEL a b c",
    'LABEL a=b"c d"e "f g"=h',
    "LABEL a=b\\",
]


def answer(text: str) -> dict[str, Any]:
    """What the recipe makes of an empty image's configuration, by our reading."""
    recipe = parse(text)
    escape = recipe.directives.escape
    variables: dict[str, str] = {}
    found: dict[str, Any] = {"Env": variables, "Labels": {}}
    shell = ["/bin/sh", "-c"]
    for said in recipe.stages[-1].instructions:
        match said:
            case Env():
                before = dict(variables)
                for pair in said.pairs:
                    variables[expand(pair.name, before, escape).text] = expand(pair.value or "", before, escape).text
            case Label():
                for pair in said.pairs:
                    name = expand(pair.name, variables, escape).text
                    found["Labels"][name] = expand(pair.value or "", variables, escape).text
            case Cmd() | Entrypoint():
                words = said.command.words
                found[type(said).__name__] = [*shell, said.command.text] if words is None else list(words)
            case Shell():
                shell = found["Shell"] = list(said.words)
            case User():
                found["User"] = expand(said.user, variables, escape).text
            case StopSignal():
                found["StopSignal"] = expand(said.signal, variables, escape).text
            case Expose():
                ports = [port for word in said.ports for port in expand_words(word, variables, escape)]
                found["ExposedPorts"] = {port if "/" in port else f"{port}/tcp": {} for port in ports}
            case Volume():
                found["Volumes"] = {expand(path, variables, escape).text: {} for path in said.paths}
    return found


def theirs(config: dict[str, Any]) -> dict[str, Any]:
    """BuildKit's configuration in the same form: without what it says in every image."""
    variables = dict(line.split("=", 1) for line in config["Env"] or ())
    del variables["PATH"]
    names = ("Cmd", "Entrypoint", "Shell", "User", "StopSignal", "ExposedPorts", "Volumes")
    return {
        "Env": variables,
        "Labels": config["Labels"] or {},
        **{key: config[key] for key in names if config.get(key)},
    }


@pytest.mark.parametrize("escape", ["\\", "`"])
def test_words_have_the_same_values(docker: Docker, escape: str) -> None:
    words = [word.replace("\\", escape) for word in WORDS]
    lines = [f"LABEL l{number}={word}" for number, word in enumerate(words)]
    text = "\n".join([f"# escape={escape}", "FROM scratch", "ENV X=ab E=", *lines])
    found = answer(text)["Labels"]
    given = theirs(ask(docker, text))["Labels"]
    assert [(line, found.get(line.split()[1].split("=")[0])) for line in lines] == [
        (line, given.get(line.split()[1].split("=")[0])) for line in lines
    ]


def all_at_once(docker: Docker, recipes: list[str]) -> list[dict[str, Any] | Refused]:
    """What BuildKit makes of each recipe; it waits more than it works."""

    def one(recipe: str) -> dict[str, Any] | Refused:
        try:
            return theirs(ask(docker, recipe))
        except Refused as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, recipes))


def test_recipes_say_the_same(docker: Docker) -> None:
    recipes = [f"FROM scratch\nENV X=ab E= P=7000\n{body}\n" for body in ACCEPTED]
    for recipe, given in zip(recipes, all_at_once(docker, recipes), strict=True):
        found = answer(recipe)
        assert {key: value for key, value in found.items() if value or key in ("Env", "Labels")} == given, recipe


def test_both_refuse(docker: Docker) -> None:
    recipes = [f"FROM scratch\nENV X=ab E=\n{body}\nLABEL z=z\n" for body in REFUSED]
    for recipe, given in zip(recipes, all_at_once(docker, recipes), strict=True):
        assert isinstance(given, Refused), recipe
        with pytest.raises(RecipeError):
            answer(recipe)
