"""Every option of Apptainer's and SingularityCE's actions is honoured, passed over with a note, or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from wherry.base.errors import HostLacks, NotFound, UsageError, WherryError
from wherry.base.outside import Outside
from wherry.cli.parse import parse
from wherry.containers import World
from wherry.launch import Bind, RunOptions
from wherry.shims.singularity.given import asked
from wherry.shims.singularity.images import allow_http, image_meant
from wherry.shims.singularity.starting import flags_of, start_options
from wherry.shims.singularity.words import ACTIONS, verb_of

APPTAINER = """
--add-caps --allow-setuid --app --apply-cgroups --authfile -B --bind --blkio-weight --blkio-weight-device -e --cleanenv
--compat -c --contain -C --containall --cpu-shares --cpus --cpuset-cpus --cpuset-mems --cwd --disable-cache
--dmtcp-launch --dmtcp-restart --dns --docker-host --docker-login --drop-caps --env --env-file -f --fakeroot --fusemount
-H --home --hostname -i --ipc --keep-privs --memory --memory-reservation --memory-swap --mount -n --net --netns-path
--network --network-args --no-eval --no-home --no-https --no-init --no-mount --no-privs --no-umask --nv --nvccli
--oom-kill-disable -o --overlay --passphrase --pem-path -p --pid --pids-limit --rocm --runscript-timeout -S --scratch
--security --sharens --underlay --unsquash -u --userns --uts -W --workdir -w --writable --writable-tmpfs --pwd
"""
SINGULARITY_CE = """
--cdi-dirs --device --keep-layers --no-compat --no-oci --no-pid --no-setgroups --no-tmp-sandbox --oci --proot
--tmp-sandbox --vm --vm-cpu --vm-err --vm-ip --vm-ram --syos
"""


def options_of(*words: str, environ: dict[str, str] | None = None, verb: str = "exec") -> RunOptions:
    """What a start with these words in front of ``docker://image true`` is asked for."""
    table = verb_of(verb, flags_of(verb), lambda given: 0, stops=True)
    given = parse(table, [*words, "docker://image", "true"])
    world = World(Outside({"HOME": "/home/alice", "PATH": "/usr/bin", **(environ or {})}))
    found = asked(flags_of(verb), given, world.outside)
    return start_options(verb, given.words[0], given.words[1:], found, world).options


@pytest.mark.parametrize("option", (APPTAINER + SINGULARITY_CE).split())
def test_the_option_is_known(option: str) -> None:
    """Whatever is done with it."""
    assert option in {name for flag in ACTIONS for name in flag.names}


@pytest.mark.parametrize("flag", [flag for flag in ACTIONS if flag.refused], ids=lambda flag: flag.names[-1])
def test_what_cannot_be_is_refused_by_name(flag: object) -> None:
    """With the reason, and what to do instead."""
    name = flag.names[-1]  # type: ignore[attr-defined]
    words = [name] if flag.kind == "flag" else [name, "1"]  # type: ignore[attr-defined]
    with pytest.raises(UsageError) as caught:
        options_of(*words)
    assert name in caught.value.what and caught.value.why and caught.value.hint


@pytest.mark.parametrize("flag", [flag for flag in ACTIONS if flag.note], ids=lambda flag: flag.names[-1])
def test_what_is_harmless_to_ignore_is_passed_over(flag: object, capsys: pytest.CaptureFixture[str]) -> None:
    """The start is the same, and a note says why."""
    name = flag.names[-1]  # type: ignore[attr-defined]
    words = [name] if flag.kind == "flag" else [name, "1"]  # type: ignore[attr-defined]
    assert options_of(*words) == options_of()
    assert f"'{name}' is passed over" in capsys.readouterr().err


HONOURED: dict[str, tuple[tuple[str, ...], str, object]] = {
    "--app": (("--app", "foo"), "scripts.app", "foo"),
    "--bind": (("-B", "/usr:/mnt:ro"), "binds", (Bind("/usr", "/mnt", True),)),
    "--cleanenv": (("-e",), "scripts.variables", "LANG=C"),
    "--compat": (("--compat",), "umask", 0o022),
    "--contain": (("-c",), "here", False),
    "--containall": (("-C",), "shared_ipc", False),
    "--containlibs": (("--containlibs", "/etc/hosts"), "binds", "/.singularity.d/libs/hosts"),
    "--cpus": (("--cpus", "1.5"), "cpus", 1.5),
    "--pwd": (("--pwd", "/srv"), "workdir", "/srv"),
    "--dns": (("--dns", "9.9.9.9,8.8.8.8"), "resolver", ("nameserver 9.9.9.9", "nameserver 8.8.8.8")),
    "--drop-caps": (("-f", "--drop-caps", "CAP_CHOWN"), "cap_drop", ("CAP_CHOWN",)),
    "--env": (("--env", "A=1,B=2"), "env", ("A=1", "B=2")),
    "--fakeroot": (("-f",), "user", "root"),
    "--home": (("-H", "/usr:/srv"), "home_path", "/srv"),
    "--hostname": (("--hostname", "node"), "hostname", "node"),
    "--ipc": (("-i",), "shared_ipc", False),
    "--memory": (("--memory", "1g"), "memory", 1 << 30),
    "--memory-swap": (("--memory", "1g", "--memory-swap", "2g"), "memory_swap", 2 << 30),
    "--mount": (("--mount", "type=bind,src=/usr,dst=/mnt,ro"), "binds", (Bind("/usr", "/mnt", True),)),
    "--net": (("--net", "--network", "none"), "network", "none"),
    "--network": (("--network", "none"), "network", "none"),
    "--no-eval": (("--no-eval",), "scripts.variables", "APPTAINER_NO_EVAL=1"),
    "--no-home": (("--no-home", "-H", "/usr:/srv"), "first_binds", "!/srv"),
    "--no-mount": (("--no-mount", "tmp,dev"), "first_binds", "!/tmp"),
    "--no-umask": (("--no-umask",), "umask", 0o022),
    "--overlay": (("--overlay", "/usr"), "upper", "/usr"),
    "--pids-limit": (("--pids-limit", "50"), "pids_limit", 50),
    "--scratch": (("-S", "/one,/two"), "first_tmpfs", (("/one", "mode=1777,exec"), ("/two", "mode=1777,exec"))),
    "--security": (("--security", "seccomp:/x.json"), "seccomp", "/x.json"),
    "--writable": (("-w",), "in_place", True),
    "--writable-tmpfs": (("--writable-tmpfs",), "read_only", False),
}
"""Option -> words, the field of the start's options that must follow, and what it is (or holds; after "!" has not)."""

SAME = {
    "--authfile": "who fetches an image reads it",
    "--docker-password": "who fetches an image reads it",
    "--docker-username": "who fetches an image reads it",
    "--env-file": "in a test of its own: it needs a file",
    "--no-nv": "takes --nv back",
    "--no-rocm": "takes --rocm back",
    "--nohttps": "in a test of its own",
    "--nv": "in a test of its own: it depends on the machine",
    "--nvccli": "as --nv",
    "--pid": "every container has process ids of its own",
    "--rocm": "as --nv",
    "--runscript-timeout": "a run script may take as long as it likes",
    "--userns": "every container has a user namespace",
    "--uts": "every container has a host name of its own",
    "--workdir": "in a test of its own: it makes folders",
}
"""Those that change nothing of a start's options by themselves."""


def test_each_option_has_its_case() -> None:
    """None is honoured in words only."""
    honoured = {flag.names[-1] for flag in ACTIONS if not (flag.refused or flag.note)}
    assert honoured == set(HONOURED) | set(SAME)


@pytest.mark.parametrize("option", HONOURED)
def test_an_honoured_option_reaches_the_start(option: str) -> None:
    """As the field that it means."""
    words, path, expected = HONOURED[option]
    found: object = options_of(*words)
    before: object = options_of()
    for name in path.split("."):
        found, before = getattr(found, name), getattr(before, name)
    assert found != before or (isinstance(expected, str) and expected.startswith("!"))
    if isinstance(found, tuple) and isinstance(expected, str):
        held = {bind.target if isinstance(bind, Bind) else bind for bind in found}
        assert expected.removeprefix("!") not in held if expected.startswith("!") else expected in held
    else:
        assert found == expected


@pytest.mark.parametrize("option", ["--pid", "--userns", "--uts", "--no-nv", "--no-rocm"])
def test_what_is_always_so_changes_nothing(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And needs no note."""
    assert options_of(option) == options_of()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SINGULARITY_BIND", "/usr:/mnt", ("-B", "/usr:/mnt")),
        ("APPTAINER_BINDPATH", "/usr:/mnt", ("-B", "/usr:/mnt")),
        ("APPTAINER_CONTAINALL", "1", ("-C",)),
        ("SINGULARITY_NO_HOME", "true", ("--no-home",)),
        ("SINGULARITY_CLEANENV", "y", ("-e",)),
        ("APPTAINER_HOME", "/usr:/srv", ("-H", "/usr:/srv")),
        ("APPTAINER_MOUNT", "type=bind,src=/usr,dst=/mnt", ("--mount", "type=bind,src=/usr,dst=/mnt")),
        ("APPTAINER_WRITABLE_TMPFS", "false", ()),
    ],
)
def test_variables_stand_for_options(variable: str, value: str, words: tuple[str, ...]) -> None:
    """With either prefix, and a flag by anything that does not say no."""
    assert options_of(environ={variable: value}) == options_of(*words)


def test_binds_of_variables_and_options_add_up() -> None:
    """As the peer has it; of all others the option wins."""
    found = options_of("-B", "/usr:/one", environ={"APPTAINER_BIND": "/usr:/two", "APPTAINER_HOME": "/usr:/srv"})
    assert {bind.target for bind in found.binds} == {"/one", "/two"} and found.home_path == "/srv"
    assert options_of("-H", "/usr:/a", environ={"APPTAINER_HOME": "/usr:/b"}).home_path == "/a"


def test_a_source_alone_is_shown_at_the_same_path() -> None:
    """Several stand behind each other with commas; a backslash keeps a colon."""
    found = options_of("-B", "/usr,/etc:/mnt:ro").binds
    assert found == (Bind("/usr", "/usr"), Bind("/etc", "/mnt", True))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-B", "/nosuch/dir"), "/nosuch/dir"),
        (("-B", "/usr:/mnt:sometimes"), "sometimes"),
        (("-B", "/usr:/a:ro:b"), "/usr:/a:ro:b"),
        (("-B", "/usr:mnt"), "mnt"),
        (("-H", "a:b:c"), "a:b:c"),
        (("--net",), "bridge"),
        (("--network", "ptp"), "ptp"),
        (("--overlay", "/nosuch"), "/nosuch"),
        (("--overlay", "/etc/passwd"), "/etc/passwd"),
        (("--overlay", "/usr", "--overlay", "/etc"), "two overlays"),
        (("-w", "--overlay", "/usr"), "--writable"),
        (("--security", "uid:1"), "uid:1"),
        (("--env", "novalue"), "novalue"),
        (("--env-file", "/nosuch"), "/nosuch"),
        (("--pwd", "relative"), "relative"),
        (("--memory", "much"), "much"),
    ],
)
def test_values_that_cannot_be_are_told(words: tuple[str, ...], said: str) -> None:
    """With their own words in the message."""
    with pytest.raises(WherryError) as caught:
        options_of(*words)
    assert said in caught.value.what


@pytest.mark.parametrize("image", ["library://lolcow", "shub://x/y", "ipfs://q", "nosuch://x", "nosuch.sif", ""])
def test_images_that_cannot_be_had_are_told(image: str) -> None:
    """A word without a scheme is a file, never a registry's name."""
    world = World(Outside({"HOME": "/home/alice"}))
    with pytest.raises(WherryError):
        start_options(
            "exec", image, ("true",), asked((), parse(verb_of("exec", (), lambda g: 0), []), world.outside), world
        )


def test_a_gpu_that_is_not_there_is_only_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    """As the peer warns; where there is one it is refused, for its libraries would be missed."""
    if Path("/dev/nvidiactl").exists():
        with pytest.raises(HostLacks, match="--nv"):
            options_of("--nv")
    else:
        assert options_of("--nv") == options_of()
        assert "--nv" in capsys.readouterr().err


def test_plain_http_is_for_one_registry_and_one_command() -> None:
    """``--no-https`` says so of the image's own."""
    world = World(Outside({"HOME": "/home/alice"}))
    allow_http(world, image_meant("docker://registry.example:5000/a/b:1", world.outside))
    assert world.settings.flag("registry.registry.example:5000.insecure")
    assert not world.settings.flag("registry.docker.io.insecure")
    allow_http(world, image_meant("/usr", world.outside))  # a directory has no registry


def test_the_file_of_variables_is_read(tmp_path: Path) -> None:
    """Comments, quotes and ``export`` are as in a shell's file; ``--env`` wins over it."""
    file = tmp_path / "env"
    file.write_text("# comment\n\nexport A='one two'\nB=2\nPREPEND_PATH=/opt/bin\n")
    found = options_of("--env-file", str(file), "--env", "B=3")
    assert found.env == ("A=one two", "B=3")
    assert found.scripts is not None and found.scripts.before == "/opt/bin"


def test_a_work_folder_holds_what_is_contained(tmp_path: Path) -> None:
    """``--workdir`` with ``--contain``: /tmp, /var/tmp and the home directory are folders in it."""
    found = options_of("-c", "-W", str(tmp_path), "-S", "/scratch")
    assert {bind.target: bind.source for bind in found.first_binds} == {
        "/tmp": f"{tmp_path}/tmp",
        "/var/tmp": f"{tmp_path}/var_tmp",
        "/home/alice": f"{tmp_path}/home",
        "/scratch": f"{tmp_path}/scratch/scratch",
    }
    assert (tmp_path / "var_tmp").is_dir()


@pytest.mark.parametrize("slashes", ["", "//"])
def test_archives_and_layouts_are_named_with_two_slashes_or_none(slashes: str) -> None:
    """The manuals write ``docker-archive://lolcow.tar``; the file lies in the current directory."""
    for scheme in ("docker-archive", "oci-archive", "oci", "docker-daemon"):
        assert image_meant(f"{scheme}:{slashes}here.tar", Outside({})).name == f"{scheme}:here.tar"
        assert image_meant(f"{scheme}:{slashes}/there/x.tar", Outside({})).name == f"{scheme}:/there/x.tar"


@pytest.mark.parametrize(
    ("text", "hint"),
    [("debian:12", "docker://debian:12"), ("./debian", "path"), ("/no/lab", "path"), ("lab.sif", "path")],
)
def test_a_registry_is_offered_for_what_may_be_a_name_there(text: str, hint: str) -> None:
    with pytest.raises(NotFound) as caught:
        image_meant(text, Outside({}))
    assert hint in caught.value.hint
