"""Words of a command line become the values of RunOptions, or an error that says what to write instead."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from wherry.base.errors import SettingsError, UsageError
from wherry.base.outside import Outside
from wherry.base.settings import Settings, load
from wherry.cli import catalogue
from wherry.cli.main import read
from wherry.cli.start import run_options
from wherry.containers.completing import complete
from wherry.launch.options import Bind, RunOptions, Ulimit


def options(*words: str, environ: dict[str, str] | None = None) -> RunOptions:
    given = read(catalogue.load("run"), list(words))
    assert given is not None
    return run_options(given, Outside(environ or {}))


CASES: list[tuple[str, dict[str, Any]]] = [
    ("i", {}),
    ("i -- ls -l", {"command": ("ls", "-l")}),
    ("i ls -- -l", {"command": ("ls", "--", "-l")}),
    ("i -- -- x", {"command": ("--", "x")}),
    ("-v /a:/b i", {"binds": (Bind("/a", "/b"),)}),
    ("-v /a:/b:ro i", {"binds": (Bind("/a", "/b", True),)}),
    ("-v /a:/b:rslave,ro i", {"binds": (Bind("/a", "/b", True, propagation="slave"),)}),
    ("-v /a:/b:z i", {"binds": (Bind("/a", "/b"),)}),
    ("-v /a/../x:/b//c/ i", {"binds": (Bind("/a/../x", "/b/c"),)}),
    ("--mount type=bind,source=/a,target=/b,readonly i", {"binds": (Bind("/a", "/b", True),)}),
    ("--mount type=bind,src=/a,dst=/b,readonly=false i", {"binds": (Bind("/a", "/b"),)}),
    ("--mount src=/a:1,dst=/b,bind-propagation=rslave i", {"binds": (Bind("/a:1", "/b", propagation="slave"),)}),
    ("--mount type=bind,src=/a,dst=/b,bind-nonrecursive i", {"binds": (Bind("/a", "/b", recursive=False),)}),
    ('--mount type=bind,"src=/a,b",dst=/b i', {"binds": (Bind("/a,b", "/b"),)}),
    ("--mount type=tmpfs,dst=/t,tmpfs-size=1g,tmpfs-mode=1777 i", {"tmpfs": (("/t", "size=1g,mode=1777"),)}),
    ("--tmpfs /t --tmpfs /u:size=64m,noexec i", {"tmpfs": (("/t", ""), ("/u", "size=64m,noexec"))}),
    ("-e A=1 -e B -e A=2 i", {"env": ("A=1", "B", "A=2")}),
    ("-w /work -u 1000:1000 i", {"workdir": "/work", "user": "1000:1000"}),
    ("--entrypoint /bin/sh i -c ls", {"entrypoint": ("/bin/sh",), "command": ("-c", "ls")}),
    ("--entrypoint= i ls", {"entrypoint": (), "command": ("ls",)}),
    ("-it --rm --init --read-only i", {"interactive": True, "terminal": True, "remove": True, "read_only": True}),
    ("-d --name lab i", {"detach": True, "name": "lab"}),
    ("-m 512m i", {"memory": 512 << 20}),
    ("--memory 1.5GiB --memory-swap 2g i", {"memory": 3 << 29, "memory_swap": 2 << 30}),
    ("-m 7000000 --memory-swap=-1 i", {"memory": 7000000, "memory_swap": -1}),
    ("-m 6MB --cpus 1.5 --pids-limit 100 i", {"memory": 6 << 20, "cpus": 1.5, "pids_limit": 100}),
    ("-m 0 --cpus 0 --pids-limit=-1 i", {"memory": 0, "cpus": 0.0, "pids_limit": 0}),
    ("-h node --network none i", {"hostname": "node", "network": "none"}),
    ("-l a=1 -l b i", {"labels": (("a", "1"), ("b", ""))}),
    ("--cidfile /tmp/id i", {"cidfile": "/tmp/id"}),
    ("--ulimit nofile=1024:4096 i", {"ulimits": (Ulimit("nofile", 1024, 4096),)}),
    ("--ulimit core=0 --ulimit stack=-1 i", {"ulimits": (Ulimit("core", 0, 0), Ulimit("stack", -1, -1))}),
    ("--ulimit memlock=64:unlimited i", {"ulimits": (Ulimit("memlock", 64, -1),)}),
    ("--stop-signal int i", {"stop_signal": "SIGINT"}),
    ("--stop-signal 15 i", {"stop_signal": "SIGTERM"}),
    ("--stop-signal SIGRTMIN+3 i", {"stop_signal": "SIGRTMIN+3"}),
    ("--group-add keep-groups i", {"group_add": ("keep-groups",)}),
    ("--preserve-fd 5,6 --preserve-fd 9 i", {"preserve_fds": (5, 6, 9)}),
    ("--security-opt seccomp=unconfined i", {"seccomp": "unconfined"}),
    ("--security-opt seccomp:/p.json --security-opt no-new-privileges i", {"seccomp": "/p.json"}),
    ("--pull always --platform linux/arm64 i", {"pull": "always", "platform": "linux/arm64"}),
    ("--no-here --no-home i", {"here": False, "home": False}),
    ("--here --home --hostauth i", {"here": True, "home": True, "hostauth": True}),
]


@pytest.mark.parametrize(("line", "expected"), CASES, ids=[line for line, _ in CASES])
def test_a_command_line_gives_these_options(line: str, expected: dict[str, Any]) -> None:
    assert RunOptions(image="i", **expected) == options(*line.split())


WRONG = [
    ("-v data:/d i", "named volume", "./data"),
    ("-v /data i", "names no target", "-v /data:/data"),
    ("-v :/d i", "source is empty", "unset"),
    ("-v /a:b i", "not an absolute path", "/b"),
    ("-v /a:/ i", "root cannot be replaced", ""),
    ("-v /a:/b:shared i", "never", "slave"),
    ("-v /a:/b:rshared i", "never", "slave"),
    ("-v /a:/b:rx i", "no option 'rx'", "ro, rw"),
    ("-v /a:/b:c:d i", "too many", "--mount"),
    ("-v /a:/x -v /b:/x/ i", "two mounts at '/x'", ""),
    ("-v /a:/x --tmpfs /x i", "two mounts at '/x'", ""),
    ("--mount type=volume,source=v,target=/x i", "named volume", ""),
    ("--mount type=npipe,source=v,target=/x i", "no mount type 'npipe'", "bind or"),
    ("--mount type=bind,source=/v i", "no target", "target="),
    ("--mount type=bind,target=/v i", "no source", "source="),
    ("--mount type=bind,source=/a,target=/b,bind-propagation=shared i", "never", ""),
    ("--mount type=bind,source=/a,target=/b,oops=1 i", "no field 'oops'", "source, target"),
    ("--mount type=bind,source=/a,target=/b,readonly=maybe i", "'maybe'", "readonly=true"),
    ("--tmpfs t i", "not an absolute path", "/t"),
    ("-e =1 i", "names no variable", "NAME=VALUE"),
    ("-e= i", "'--env' is empty", "unset"),
    ("-w work i", "not an absolute path", "--here"),
    ("--name= i", "'--name' is empty", "unset"),
    ("--ulimit files=3 i", "not a limit", "nofile"),
    ("--ulimit nofile i", "missing", "SOFT"),
    ("--ulimit nofile=many i", "not a number", "-1"),
    ("--ulimit nofile=9:3 i", "above the hard", ""),
    ("--stop-signal HELLO i", "not a signal", "TERM"),
    ("--stop-signal 99 i", "not a signal", "TERM"),
    ("--preserve-fd x i", "not a file descriptor", "5,6"),
    ("--security-opt apparmor=unconfined i", "labels", "seccomp"),
    ("--security-opt no-new-privileges=false i", "never gain", "seccomp"),
    ("--label =x i", "names no label", "NAME=VALUE"),
    (" ls", "name is empty", "unset"),
    ("--here --no-here i", "exclude each other", "leave one"),
    ("--plan /p i", "first option", "--plan FILE --"),
    ("--privileged i", "cannot give privileges", "-u root"),
    ("--memory much i", "not an amount of memory", "512m"),
    ("-m 1e3 i", "not an amount of memory", "512m"),
    ("-m 5m i", "no container starts", ""),
    ("--memory-swap 1g i", "needs '--memory'", ""),
    ("-m 2g --memory-swap 1g i", "less than '--memory'", ""),
    ("--cpus none i", "not a number of processors", "1.5"),
    ("--cpus 0.001 i", "not a number of processors", "0.01"),
    ("--pids-limit -5 i", "not a number of processes", "500"),
    ("--cpu-shares 512 i", "no daemon", "--cpus"),
    ("-p 80:80 i", "host's network", "leave it out"),
    ("--gpus all i", "GPU", "bind"),
    ("--restart always i", "no daemon", "loop"),
    ("--bind /a:/b i", "Apptainer", "-v"),
    ("--evn A=1 i", "no option '--evn'", "did you mean '--env'"),
    ("--env", "needs a value", "--help"),
    ("--pull often i", "bad value for '--pull'", "--help"),
    ("--rm=yes i", "'--rm' is true or false", "alone"),
]


@pytest.mark.parametrize(("line", "said", "hinted"), WRONG, ids=[line for line, _, _ in WRONG])
def test_a_wrong_value_is_explained(line: str, said: str, hinted: str) -> None:
    with pytest.raises(UsageError) as caught:
        options(*line.split(" ") if line != "-e= i" else ["-e", "", "i"])
    assert said in str(caught.value)
    assert hinted in caught.value.hint
    assert not str(caught.value).endswith(".")


def test_a_relative_source_is_taken_from_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bound = options(
        "-v", "./a:/a", "-v", "b/c:/b", "-v", ".:/w", "-v", "~/d:/d", "i", environ={"HOME": "/home/me"}
    ).binds
    assert [f"{tmp_path}/./a", f"{tmp_path}/b/c", f"{tmp_path}/.", "/home/me/d"] == [bind.source for bind in bound]


def test_only_a_relative_path_ties_the_plan_to_the_current_directory() -> None:
    for line, tied in (("-v /a:/b i", False), ("-v ./a:/b i", True)):
        outside = Outside({})
        given = read(catalogue.load("run"), line.split())
        assert given is not None
        run_options(given, outside)
        assert tied == any(found.kind == "cwd" for found in outside.inputs)


def test_lines_of_an_environment_file_come_before_the_options(tmp_path: Path) -> None:
    path = tmp_path / "vars"
    path.write_bytes(b"\xef\xbb\xbf# comment\n\nA=1\n  B=two words # kept\r\nC\nD=\n")
    outside = Outside({})
    given = read(catalogue.load("run"), ["-e", "A=9", "--env-file", os.fspath(path), "i"])
    assert given is not None
    assert run_options(given, outside).env == ("A=1", "B=two words # kept", "C", "D=", "A=9")
    assert any(found.kind == "file" and found.name == os.fspath(path) for found in outside.inputs)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"A B=1\n", "line 1': 'A B' is not"), (b"ok=1\n=2\n", "line 2: a variable's name"), (b"\xff\xfe", "UTF-8")],
)
def test_a_bad_environment_file_is_named_with_its_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "vars"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        options("--env-file", os.fspath(path), "i")
    assert said.replace("1':", "1:") in str(caught.value)


def test_a_missing_environment_file_is_an_error() -> None:
    with pytest.raises(UsageError, match="no such file"):
        options("--env-file", "/nonexistent/vars", "i")


def settings_with(*values: str) -> Settings:
    return load(Outside({})).with_flag("run.binds", values, "test")


def test_binds_of_the_settings_are_added_where_the_command_line_leaves_the_place_free() -> None:
    chosen = options("-v", "/mine:/data", "--tmpfs", "/scratch", "i")
    settings = settings_with("/site/data:/data", "/scratch:/scratch", "/opt/tools:/opt/tools:ro")
    expected = (Bind("/opt/tools", "/opt/tools", True, optional=True), Bind("/mine", "/data"))
    assert complete(chosen, settings, Outside({})).binds == expected


def test_a_relative_bind_of_the_settings_is_an_error() -> None:
    with pytest.raises(SettingsError, match="not an absolute path"):
        complete(options("i"), settings_with("./data:/data"), Outside({}))


LOCKS = [
    ("--pull always i", 'pull = "never"', "run.pull", "--pull sets 'run.pull'"),
    ("--network host i", 'network = "none"', "run.network", "--network sets 'run.network'"),
    ("-v /mine:/data i", 'binds = ["/site:/data:ro"]', "run.binds", "the mount at '/data' overrides"),
    ("--tmpfs /data i", 'binds = ["/site:/data:ro"]', "run.binds", "the mount at '/data' overrides"),
    ("-e LICENSE=other i", 'env = ["LICENSE=site"]', "run.env", "'-e LICENSE=other' overrides"),
]


@pytest.mark.parametrize(("line", "setting", "key", "said"), LOCKS, ids=[line for line, *_ in LOCKS])
def test_no_flag_changes_what_the_site_has_locked(tmp_path: Path, line: str, setting: str, key: str, said: str) -> None:
    site = tmp_path / "site.toml"
    site.write_text(f"[run]\n{setting}\n[lock]\nkeys = ['{key}']")
    outside = Outside({"WHERRY_SITE_SETTINGS": str(site)})
    with pytest.raises(SettingsError) as caught:
        complete(options(*line.split()), load(outside), outside)
    assert said in caught.value.what
    assert str(site) in caught.value.why
    site.write_text(f"[run]\n{setting}")
    unlocked = Outside({"WHERRY_SITE_SETTINGS": str(site)})
    complete(options(*line.split()), load(unlocked), unlocked)


@pytest.mark.parametrize("line", ["-m 1g i", "--memory 0 i", "--cpus 2 i", "--pids-limit -1 i"])
def test_no_flag_changes_a_limit_that_the_site_has_locked(tmp_path: Path, line: str) -> None:
    site = tmp_path / "site.toml"
    names = "'resources.memory', 'resources.cpus', 'resources.pids'"
    site.write_text(f"[resources]\nmemory = '2G'\ncpus = '1.5'\npids = 9\n[lock]\nkeys = [{names}]")
    outside = Outside({"WHERRY_SITE_SETTINGS": str(site)})
    with pytest.raises(SettingsError, match="the site has locked it"):
        complete(options(*line.split()), load(outside), outside)
    chosen = complete(options("i"), load(outside), outside)
    assert (chosen.memory, chosen.cpus, chosen.pids_limit) == (2 << 30, 1.5, 9)


def test_a_flag_may_repeat_what_is_locked(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text("[run]\npull = 'never'\nbinds = ['/site:/data']\n[lock]\nkeys = ['run.pull', 'run.binds']")
    outside = Outside({"WHERRY_SITE_SETTINGS": str(site)})
    chosen = complete(options("--pull", "never", "-v", "/mine:/other", "i"), load(outside), outside)
    assert chosen.binds == (Bind("/site", "/data", optional=True), Bind("/mine", "/other"))
