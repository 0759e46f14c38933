"""Each sentence of the reference about an instruction's form, as a row: what is written, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.build.dockerfile import parse, script_of
from wherry.build.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Command,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Heredoc,
    Instruction,
    Label,
    Maintainer,
    Mount,
    Onbuild,
    Pair,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)


def one(text: str) -> Instruction:
    """The instruction that stands alone in a stage."""
    (stage,) = parse(f"FROM scratch\n{text}\n").stages
    (found,) = stage.instructions
    return found


def says(found: Instruction, kind: type[Instruction], **fields: Any) -> None:
    assert type(found) is kind
    assert {name: getattr(found, name) for name in fields} == fields


def shell(text: str) -> Command:
    return Command(None, text)


def words(*given: str) -> Command:
    return Command(given)


@pytest.mark.parametrize(
    ("text", "image", "platform", "name"),
    [
        ("FROM debian", "debian", "", ""),
        ("FROM debian:12", "debian:12", "", ""),
        ("FROM debian@sha256:00", "debian@sha256:00", "", ""),
        ("FROM debian AS build", "debian", "", "build"),
        ("from debian as Build", "debian", "", "build"),
        ("FROM --platform=linux/arm64 debian", "debian", "linux/arm64", ""),
        ("FROM --platform=$BUILDPLATFORM a:${V:-1} AS x.y-z_1", "a:${V:-1}", "$BUILDPLATFORM", "x.y-z_1"),
        ("FROM\tdebian \t AS  b", "debian", "", "b"),
    ],
)
def test_from(text: str, image: str, platform: str, name: str) -> None:
    (stage,) = parse(text).stages
    says(stage.source, From, image=image, platform=platform, name=name)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("ARG user", [("user", None)]),
        ("ARG user=", [("user", "")]),
        ("ARG user=me", [("user", "me")]),
        ("ARG a b=1 c", [("a", None), ("b", "1"), ("c", None)]),
        ('ARG a="x y"', [("a", '"x y"')]),
        ("ARG a=x\\ y b='c d'", [("a", "x\\ y"), ("b", "'c d'")]),
        ("ARG a=b=c", [("a", "b=c")]),
    ],
)
def test_arg(text: str, pairs: list[tuple[str, str | None]]) -> None:
    says(one(text), Arg, pairs=tuple(Pair(name, value) for name, value in pairs))


@pytest.mark.parametrize(("word", "kind"), [("ENV", Env), ("LABEL", Label)])
@pytest.mark.parametrize(
    ("text", "pairs", "legacy"),
    [
        ('MY_NAME="John Doe"', [("MY_NAME", '"John Doe"')], False),
        ("MY_DOG=Rex\\ The\\ Dog", [("MY_DOG", "Rex\\ The\\ Dog")], False),
        ("A=1 B=$A C=", [("A", "1"), ("B", "$A"), ("C", "")], False),
        ('"a b"=c', [('"a b"', "c")], False),
        ("A='x' B=\"y\"z", [("A", "'x'"), ("B", '"y"z')], False),
        ("A='#' # x=y", None, False),
        ("A my value", [("A", "my value")], True),
        ("ONE TWO= THREE=world", [("ONE", "TWO= THREE=world")], True),
        ("A  \t b  c", [("A", "b  c")], True),
    ],
)
def test_env_and_label(
    word: str, kind: type[Instruction], text: str, pairs: list[tuple[str, str]] | None, legacy: bool
) -> None:
    if pairs is None:
        with pytest.raises(Exception, match="'#' has no '='"):
            one(f"{word} {text}")
        return
    says(one(f"{word} {text}"), kind, pairs=tuple(Pair(*pair) for pair in pairs), legacy=legacy)


@pytest.mark.parametrize(("word", "kind"), [("RUN", Run), ("CMD", Cmd), ("ENTRYPOINT", Entrypoint)])
@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("echo  hello", shell("echo  hello")),
        ('["/bin/bash", "-c", "echo hello"]', words("/bin/bash", "-c", "echo hello")),
        ('  [ "a" ,"b" ]  ', words("a", "b")),
        ('["a\\tb", "\\u00e9", "c:\\\\d"]', words("a\tb", "é", "c:\\d")),
        ('["c:\\windows"]', shell('["c:\\windows"]')),  # no JSON, so it is for the shell
        ("['a']", shell("['a']")),
        ('["a",]', shell('["a",]')),
        ('["a"] && b', shell('["a"] && b')),
        ("[ -f /x ] && echo y", shell("[ -f /x ] && echo y")),
        ('echo "a b" # c', shell('echo "a b" # c')),
        ("-- --flag", shell("--flag")),
        ("-x", shell("-x")),
        ("echo \\$x \\a", shell("echo \\$x \\a")),  # escapes are the shell's
        ("echo it's", shell("echo it's")),  # so are quotes
    ],
)
def test_shell_and_exec_form(word: str, kind: type[Instruction], text: str, command: Command) -> None:
    says(one(f"{word} {text}"), kind, command=command)


def test_an_empty_list_takes_an_inherited_command_away() -> None:
    says(one("CMD []"), Cmd, command=words())
    says(one("ENTRYPOINT []"), Entrypoint, command=words())


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("type=bind,target=/src", Mount(type="bind", target="/src")),
        ("target=/src", Mount(target="/src")),
        ("target=.,source=a/b,from=build,rw", Mount(target=".", source="a/b", from_="build", read_only=False)),
        ("dst=/a,src=/b", Mount(target="/a", source="/b")),
        ("destination=/a,ro=false", Mount(target="/a", read_only=False)),
        ("target=/a,readonly", Mount(target="/a", read_only=True)),
        ("target=/a,readwrite=true", Mount(target="/a", read_only=False)),
        ("type=cache,target=/c", Mount(type="cache", target="/c")),
        ("type=cache,target=/c,sharing=locked,id=x", Mount(type="cache", target="/c", sharing="locked", id="x")),
        (
            "type=cache,target=/c,mode=0700,uid=$U,gid=2,from=b,source=/s",
            Mount(type="cache", target="/c", mode="0700", uid="$U", gid="2", from_="b", source="/s"),
        ),
        ("TYPE=Cache,Target=/c", Mount(type="cache", target="/c")),
        ("type=tmpfs,target=/t,size=1g", Mount(type="tmpfs", target="/t", size="1g")),
        ("type=secret,id=aws", Mount(type="secret", id="aws")),
        ("type=secret,src=aws", Mount(type="secret", source="aws")),
        (
            "type=secret,id=k,env=KEY,target=/k,required=true,mode=0400,uid=1,gid=2",
            Mount(type="secret", id="k", env="KEY", target="/k", required=True, mode="0400", uid="1", gid="2"),
        ),
        ("type=secret,id=k,required=false", Mount(type="secret", id="k")),
        ("type=ssh", Mount(type="ssh")),
        ("type=ssh,id=default,target=/s,required", Mount(type="ssh", id="default", target="/s", required=True)),
        ("type=bind,'\"target=/a,b\"'", Mount(target="/a,b")),
        ('type=bind,target="/a b"', Mount(target="/a b")),
        ("type=$T,target=/x", Mount(type="$T", target="/x")),
    ],
)
def test_run_mount(text: str, mount: Mount) -> None:
    says(one(f"RUN --mount={text} true"), Run, mounts=(mount,), command=shell("true"))


def test_run_has_many_mounts_a_network_a_security_and_devices() -> None:
    text = "RUN --mount=type=ssh --network=none --mount=type=tmpfs,target=/t --security=sandbox --device=a/b,required x"
    says(
        one(text),
        Run,
        mounts=(Mount(type="ssh"), Mount(type="tmpfs", target="/t")),
        network="none",
        security="sandbox",
        devices=("a/b,required",),
        command=shell("x"),
    )


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("COPY a /b", {"sources": ("a",), "target": "/b"}),
        ("COPY a b* c/", {"sources": ("a", "b*"), "target": "c/"}),
        ('COPY ["a b", "c"]', {"sources": ("a b",), "target": "c"}),
        ('COPY "a" /b', {"sources": ('"a"',), "target": "/b"}),
        ("COPY a\\ b", {"sources": ("a\\",), "target": "b"}),
        ("COPY arr[[]0].txt /d/", {"sources": ("arr[[]0].txt",), "target": "/d/"}),
        ("COPY --from=build /a /b", {"from_": "build", "sources": ("/a",)}),
        ("COPY --chown=55:mygroup --chmod=u=rwX,go=rX a b", {"chown": "55:mygroup", "chmod": "u=rwX,go=rX"}),
        ("COPY --link a b", {"link": True}),
        ("COPY --link=false a b", {"link": False}),
        ("COPY --link=TRUE a b", {"link": True}),
        ("COPY --parents ./x/./y a", {"parents": True, "sources": ("./x/./y",)}),
        ("COPY --exclude=*.txt --exclude=*.md hom* /d/", {"exclude": ("*.txt", "*.md"), "sources": ("hom*",)}),
        ('COPY --chown="a b":c\\ d x y', {"chown": "a b:c d"}),
        ("COPY -- --a b", {"sources": ("--a",)}),
        ("COPY --chown=$U:${G:-1} a b", {"chown": "$U:${G:-1}"}),
    ],
)
def test_copy(text: str, fields: dict[str, Any]) -> None:
    says(one(text), Copy, **fields)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("ADD a b", {"sources": ("a",), "target": "b", "unpack": None, "keep_git_dir": False, "checksum": ""}),
        ("ADD https://x/y.git#v1:docs /d", {"sources": ("https://x/y.git#v1:docs",)}),
        ("ADD --checksum=sha256:00 https://x/y /d", {"checksum": "sha256:00"}),
        ("ADD --keep-git-dir=true git@x:y.git /d", {"keep_git_dir": True}),
        ("ADD --keep-git-dir x /d", {"keep_git_dir": True}),
        ("ADD --unpack=true https://x/y.tar /d", {"unpack": True}),
        ("ADD --unpack=false y.tar /d", {"unpack": False}),
        ("ADD --chown=1 --chmod=644 --link --exclude=x a b", {"chown": "1", "chmod": "644", "exclude": ("x",)}),
    ],
)
def test_add(text: str, fields: dict[str, Any]) -> None:
    says(one(text), Add, **fields)


@pytest.mark.parametrize(
    ("text", "kind", "fields"),
    [
        ('SHELL ["/bin/bash", "-c"]', Shell, {"words": ("/bin/bash", "-c")}),
        ("WORKDIR /a b/$c", Workdir, {"path": "/a b/$c"}),
        ("USER me:group", User, {"user": "me:group"}),
        ("USER ${u:-1}:$g", User, {"user": "${u:-1}:$g"}),
        ("EXPOSE 80/tcp 80/udp $P 7000-7009", Expose, {"ports": ("80/tcp", "80/udp", "$P", "7000-7009")}),
        ("VOLUME /var/log /var/db", Volume, {"paths": ("/var/log", "/var/db")}),
        ('VOLUME ["/var/log/", "/a b"]', Volume, {"paths": ("/var/log/", "/a b")}),
        ("STOPSIGNAL SIGKILL", StopSignal, {"signal": "SIGKILL"}),
        ("STOPSIGNAL 9", StopSignal, {"signal": "9"}),
        ("MAINTAINER A. Person <a@b>", Maintainer, {"name": "A. Person <a@b>"}),
        ("HEALTHCHECK NONE", Healthcheck, {"command": None}),
        ("HEALTHCHECK CMD curl -f x || exit 1", Healthcheck, {"command": shell("curl -f x || exit 1")}),
        ('healthcheck cmd ["a", "b"]', Healthcheck, {"command": words("a", "b")}),
        (
            "HEALTHCHECK --interval=5m --timeout=3s --start-period=1h2m3.5s --start-interval=500ms --retries=4 CMD x",
            Healthcheck,
            {
                "interval": "5m",
                "timeout": "3s",
                "start_period": "1h2m3.5s",
                "start_interval": "500ms",
                "retries": "4",
                "command": shell("x"),
            },
        ),
        ("ONBUILD ADD . /app", Onbuild, {"trigger": "ADD . /app"}),
        ("onbuild  run  a  b", Onbuild, {"trigger": "run  a  b"}),
        ("ONBUILD COPY --from=build /a /b", Onbuild, {"trigger": "COPY --from=build /a /b"}),
    ],
)
def test_the_others(text: str, kind: type[Instruction], fields: dict[str, Any]) -> None:
    says(one(text), kind, **fields)


@pytest.mark.parametrize(
    ("text", "fields", "heredocs"),
    [
        ("RUN <<EOF\n  a\nb\nEOF", {"command": shell("<<EOF")}, [Heredoc("EOF", "  a\nb\n")]),
        ("RUN <<EOF bash\nx\nEOF", {"command": shell("<<EOF bash")}, [Heredoc("EOF", "x\n")]),
        ("RUN << EOF\nx\nEOF", {"command": shell("<< EOF")}, [Heredoc("EOF", "x\n")]),
        ("RUN <<-EOF\n\t\ta\n\tEOF", {}, [Heredoc("EOF", "a\n", dedent=True)]),
        ("RUN <<EOF\n\tEOF\nEOF", {}, [Heredoc("EOF", "\tEOF\n")]),
        ("RUN <<'EOF'\n$x\nEOF", {}, [Heredoc("EOF", "$x\n", expand=False)]),
        ('RUN <<"E F"\nE\nE F', {}, [Heredoc("E F", "E\n", expand=False)]),
        ("RUN <<E'O'F\nEOF", {}, [Heredoc("EOF", "", expand=False)]),
        ("RUN <<E\\ F\nE F", {}, [Heredoc("E F", "")]),
        ("RUN <<$EOF\n$EOF", {}, [Heredoc("$EOF", "")]),
        ("RUN 3<<EOF x\nEOF", {}, [Heredoc("EOF", "", descriptor=3)]),
        (
            "RUN <<FILE1 cat > file1 && <<FILE2 cat > file2\nI am\nfirst\nFILE1\nI am\nsecond\nFILE2",
            {"command": shell("<<FILE1 cat > file1 && <<FILE2 cat > file2")},
            [Heredoc("FILE1", "I am\nfirst\n"), Heredoc("FILE2", "I am\nsecond\n")],
        ),
        ("RUN cat \\\n <<EOF\n# no comment\n\nx \\\nEOF", {}, [Heredoc("EOF", "# no comment\n\nx \\\n")]),
        ('RUN "${x:-"}"}" \'<<A\' <<EOF\nEOF', {}, [Heredoc("EOF", "")]),
        ("COPY <<EOF /x\na $b\nEOF", {"sources": (), "target": "/x"}, [Heredoc("EOF", "a $b\n")]),
        (
            "COPY <<a.txt f <<'b.txt' /d/\n1\na.txt\n2\nb.txt",
            {"sources": ("f",), "target": "/d/"},
            [Heredoc("a.txt", "1\n"), Heredoc("b.txt", "2\n", expand=False)],
        ),
        ("ADD << EOF /x\nEOF", {"sources": ()}, [Heredoc("EOF", "")]),
        ("ONBUILD RUN <<EOF\na\nEOF", {"trigger": "RUN <<EOF\na\nEOF"}, [Heredoc("EOF", "a\n")]),
        ("RUN cat <<< EOF", {"command": shell("cat <<< EOF")}, []),
        ("RUN cat <<<EOF", {}, []),
        ("RUN echo $((1<<2)) a<<b", {}, []),
        ("RUN echo '<<EOF' \"<<EOF\" \\<<EOF", {}, []),
        ("RUN echo it's <<EOF", {}, []),  # a quote without an end: no word of the line is sure
        ('RUN ["cat", "<<EOF"]', {}, []),
        ("CMD cat <<EOF", {"command": shell("cat <<EOF")}, []),
        ("ENV a=<<EOF", {}, []),
        ('COPY ["<<EOF", "/x"]', {"sources": ("<<EOF",)}, []),
    ],
)
def test_heredocs(text: str, fields: dict[str, Any], heredocs: list[Heredoc]) -> None:
    found = one(text)
    assert list(found.heredocs) == heredocs
    assert {name: getattr(found, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("text", "is_script"),
    [
        ("RUN <<EOF\na\nEOF", True),
        ("RUN --network=none << EOF\na\nEOF", True),
        ("RUN <<-'E'OF\na\nEOF", True),
        ("RUN <<EOF bash\na\nEOF", False),
        ("RUN <<A <<B\nA\nB", False),
        ("RUN a", False),
        ('RUN ["<<EOF"]', False),
    ],
)
def test_a_heredoc_by_itself_is_a_script(text: str, is_script: bool) -> None:
    found = one(text)
    assert isinstance(found, Run)
    assert script_of(found) == (found.heredocs[0] if is_script else None)


def test_what_follows_a_heredoc_is_the_next_instruction() -> None:
    (stage,) = parse("FROM a\nRUN <<EOF\nx\nEOF\nUSER me\n").stages
    assert [type(each) for each in stage.instructions] == [Run, User]
    assert [(each.position.line, each.last_line) for each in stage.instructions] == [(2, 4), (5, 5)]


def test_arguments_before_the_first_from_are_the_recipes() -> None:
    recipe = parse("ARG A=1\nARG B\nFROM a:$A AS x\nRUN x\nFROM x\nARG A\n")
    assert [arg.pairs for arg in recipe.args] == [(Pair("A", "1"),), (Pair("B"),)]
    assert [stage.source.image for stage in recipe.stages] == ["a:$A", "x"]
    assert [len(stage.instructions) for stage in recipe.stages] == [1, 1]
