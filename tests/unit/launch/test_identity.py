"""Who the user is inside."""

from __future__ import annotations

import pytest
from launch_fakes import GROUP, HOST, PASSWD, FakeConfig, FakeImage, FakeImageConfig, FakeTree, make_plan

from wherry.base.errors import HostLacks, NotFound, UsageError
from wherry.launch import LaunchPlan, RunOptions, Surroundings


def ids(plan: LaunchPlan) -> tuple[object, ...]:
    return plan.find("NAMESPACE")[0].fields[1:]


def shown(plan: LaunchPlan, target: str) -> list[str]:
    """The lines of a file of the names layer; empty when the image's own is seen."""
    for file in plan.files:
        if file.path == f"{plan.files[0].path}{target}":
            assert file.content is not None
            return file.content.decode().splitlines()
    return []


def variable(plan: LaunchPlan, name: str) -> str:
    """The value that counts: the last one set."""
    lines = [line for item in plan.find("ENV_SET") for line in item.fields[0]]  # type: ignore[union-attr]
    return [str(line).partition("=")[2] for line in lines if str(line).startswith(f"{name}=")][-1]


def test_your_ids_are_your_ids() -> None:
    """Uid and primary group inside as outside."""
    assert ids(make_plan()) == (1001, 1001)


def test_your_name_is_in_passwd_before_the_images_lines() -> None:
    """So that a look-up by number finds it even where the image has another name for it."""
    lines = shown(make_plan(), "/etc/passwd")
    assert lines[0] == "alice:x:1001:1001::/home/alice:/bin/bash"
    assert lines[1:] == PASSWD.decode().splitlines()


def test_your_groups_have_their_names() -> None:
    """Supplementary ones too; one without a name is left out."""
    lines = shown(make_plan(), "/etc/group")
    assert lines[:2] == ["alice:x:1001:", "astro:x:2000:alice"]
    assert lines[2:] == GROUP.decode().splitlines()


@pytest.mark.parametrize("user", ["²", "٣", "1000:²"])
def test_what_only_looks_like_a_number_is_no_id(user: str) -> None:
    """Python's own isdigit takes more than int does."""
    with pytest.raises(NotFound, match=r"there is no (user|group) '[²٣]'"):
        make_plan(RunOptions(user=user))


def test_an_image_with_such_an_id_is_planned_all_the_same() -> None:
    """Its line is passed over, as one that is no account."""
    tree = FakeTree({"/etc/passwd": "odd:x:²:²::/:/bin/sh\neven:x:7:²::/:/bin/sh\n".encode()})
    assert ids(make_plan(RunOptions(user="even"), tree=tree)) == (7, HOST.gid)
    with pytest.raises(NotFound, match=r"user 'odd' .* has no number"):
        make_plan(RunOptions(user="odd"), tree=tree)
    with pytest.raises(NotFound, match="no user 'evn'") as caught:
        make_plan(RunOptions(user="evn"), tree=tree)
    assert caught.value.hint == "did you mean 'even'?"


def test_a_home_that_is_no_absolute_path_is_the_root() -> None:
    tree = FakeTree({"/etc/passwd": b"odd:x:7:7::relative:/bin/sh\n"})
    assert variable(make_plan(RunOptions(user="odd"), tree=tree), "HOME") == "/"


def test_home_is_private_and_empty() -> None:
    """It is made in the names layer, for the user alone; the image's /home may be a link."""
    plan = make_plan()
    assert variable(plan, "HOME") == "/home/alice"
    assert (f"{plan.files[0].path}/home/alice", 0o700) in [(file.path, file.mode) for file in plan.files]
    plan = make_plan(tree=FakeTree({"/home": "-> var/home"}))
    assert (f"{plan.files[0].path}/var/home/alice", 0o700) in [(file.path, file.mode) for file in plan.files]


def test_the_images_home_variable_does_not_move_it() -> None:
    """ENV HOME=/root of an image is about its root; -e HOME is the user's word."""
    image = FakeImage(config=FakeImageConfig(FakeConfig(env=("HOME=/root",))))
    assert variable(make_plan(image=image), "HOME") == "/home/alice"
    assert variable(make_plan(RunOptions(env=("HOME=/x",)), image=image), "HOME") == "/x"
    assert variable(make_plan(RunOptions(user="root"), image=image), "HOME") == "/root"


def test_home_shows_the_callers() -> None:
    """At its own path, and no private one is made."""
    plan = make_plan(RunOptions(home=True))
    assert ("/home/alice", "/home/alice", 2) in [item.fields for item in plan.find("BIND")]
    assert not any(file.path.endswith("/home/alice") for file in plan.files)


@pytest.mark.parametrize(
    ("user", "expected", "home"),
    [
        ("root", (0, 0), "/root"),
        ("0", (0, 0), "/root"),
        ("jovyan", (1000, 100), "/home/jovyan"),
        ("1000", (1000, 100), "/home/jovyan"),
        ("1000:0", (1000, 0), "/home/jovyan"),
        ("jovyan:daemon", (1000, 1), "/home/jovyan"),
        ("4711", (4711, 1001), "/home/alice"),
        ("4711:4712", (4711, 4712), "/home/alice"),
    ],
)
def test_u_shows_you_as_somebody_else(user: str, expected: tuple[int, int], home: str) -> None:
    """Names and numbers, as Docker takes them; a number that the image does not know keeps your name."""
    plan = make_plan(RunOptions(user=user))
    assert ids(plan) == expected
    assert variable(plan, "HOME") == home


def test_a_known_user_leaves_the_images_files_alone() -> None:
    """So that useradd and usermod of root work as in Docker."""
    plan = make_plan(RunOptions(user="root"))
    assert shown(plan, "/etc/passwd") == []
    assert shown(plan, "/etc/group") == []


def test_an_unknown_number_is_added_to_passwd() -> None:
    """Programs that ask for their user's name get an answer."""
    assert shown(make_plan(RunOptions(user="4711")), "/etc/passwd")[0].startswith("alice:x:4711:")


def test_u_image_obeys_the_images_user() -> None:
    """Root where the image says nothing, as Docker."""
    image = FakeImage(config=FakeImageConfig(FakeConfig(user="jovyan")))
    assert ids(make_plan(RunOptions(user="image"), image=image)) == (1000, 100)
    assert ids(make_plan(RunOptions(user="image"))) == (0, 0)
    assert ids(make_plan(image=image)) == (1001, 1001)


def test_a_name_that_the_image_lacks() -> None:
    """The error names the image and the nearest name."""
    with pytest.raises(NotFound, match=r"no user 'jovian' in 'docker.io/library/debian:12'") as caught:
        make_plan(RunOptions(user="jovian"))
    assert "jovyan" in caught.value.hint
    with pytest.raises(NotFound, match="no group 'nogroup'") as caught:
        make_plan(RunOptions(user="root:nogroup"))
    assert caught.value.hint == "give its number, as 100"  # by whichever option it was given


def test_an_id_that_no_kernel_has() -> None:
    """Refused before the kernel says EINVAL."""
    with pytest.raises(UsageError):
        make_plan(RunOptions(user="4294967295"))


def test_group_add_is_refused_with_the_reason() -> None:
    """And keep-groups, which asks for what happens anyway, is accepted."""
    with pytest.raises(HostLacks, match="subordinate range") as caught:
        make_plan(RunOptions(group_add=("video",)))
    assert "keep-groups" in caught.value.hint
    make_plan(RunOptions(group_add=("keep-groups",)))


def test_hostauth_shows_the_hosts_users() -> None:
    """The host's lines win, the image's other names stay known."""
    around = Surroundings(passwd=b"root:x:0:0::/root:/bin/sh\nbob:x:7:7::/h:/bin/sh\n", group=b"astro:x:2000:bob\n")
    plan = make_plan(RunOptions(hostauth=True), surroundings=around)
    names = [line.split(":")[0] for line in shown(plan, "/etc/passwd")]
    assert names == ["alice", "root", "bob", "daemon", "jovyan"]
    assert "astro:x:2000:bob" in shown(plan, "/etc/group")


def test_an_image_without_passwd() -> None:
    """Built from scratch: it gets one with the caller alone."""
    tree = FakeTree()
    del tree.files["/etc/passwd"], tree.files["/etc/group"]
    assert shown(make_plan(tree=tree), "/etc/passwd") == ["alice:x:1001:1001::/home/alice:/bin/bash"]


def test_odd_lines_in_passwd_do_no_harm() -> None:
    """NIS lines, comments, short lines, text for numbers."""
    tree = FakeTree({"/etc/passwd": b"+::::::\n#x\nshort:x\nbad:x:abc:1::/:/bin/sh\nroot:x:0:zero::/root:/bin/sh\n\n"})
    assert ids(make_plan(RunOptions(user="root"), tree=tree)) == (0, 0)
    with pytest.raises(NotFound):
        make_plan(RunOptions(user="bad"), tree=tree)
    assert HOST.user in shown(make_plan(tree=tree), "/etc/passwd")[0]


def test_the_shell_is_one_that_exists() -> None:
    """zsh on the host does not make a container's login shell that is not there."""
    import msgspec

    plan = make_plan(host=msgspec.structs.replace(HOST, shell="/bin/zsh"))
    assert shown(plan, "/etc/passwd")[0].endswith(":/bin/bash")
