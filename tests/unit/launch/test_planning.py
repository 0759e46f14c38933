"""What a plan holds, by option."""

from __future__ import annotations

import json

import msgspec
import pytest
from launch_fakes import (
    ALLOWED,
    HOST,
    PATHS,
    FakeConfig,
    FakeImage,
    FakeImageConfig,
    FakeLayer,
    FakeTree,
    Meta,
    make_plan,
)

from wherry.base.errors import HostLacks, PolicyDenied, UsageError
from wherry.base.record import StartLine
from wherry.launch import Bind, Kept, LaunchPlan, RunOptions, Surroundings, Ulimit, encode, plan_run
from wherry.launch.fragment import Membership
from wherry.launch.plan import CURRENT, SCRATCH
from wherry.launch.records import OPERATIONS
from wherry.launch.views import Image, Tree
from wherry.policy import Decision


def binds(plan: LaunchPlan) -> dict[str, tuple[str, int]]:
    """Target to (source, bits)."""
    return {str(item.fields[1]): (str(item.fields[0]), int(item.fields[2])) for item in plan.find("BIND")}  # type: ignore[arg-type]


def config(**more: object) -> FakeImage:
    return FakeImage(config=FakeImageConfig(FakeConfig(**more)))  # type: ignore[arg-type]


def test_the_fakes_are_what_planning_takes() -> None:
    """The protocols hold for the fakes (and mypy checks them for the real image)."""
    image: Image = FakeImage()
    tree: Tree = FakeTree()
    assert image.layers
    assert tree.exists("/bin/sh")


def test_the_same_facts_give_the_same_plan() -> None:
    """Planning is pure."""
    assert make_plan() == make_plan()


@pytest.mark.parametrize(
    "name", ["a b", "x\n127.0.0.1 evil", "", "-a", "a-", "a..b", ".a", "a.", "a_b", "größe", "²", "a" * 65, "a\0b"]
)
def test_a_hostname_that_is_none_is_refused(name: str) -> None:
    """It becomes a line of /etc/hosts, where it must not bring lines of its own."""
    with pytest.raises(UsageError, match="cannot be a host's name"):
        make_plan(RunOptions(hostname=name))


@pytest.mark.parametrize(
    "option", ["size=zz", "size=", "size=1.5G", "size=-1", "mode=rwx", "mode=9", "uid=me", "uid=²"]
)
def test_a_value_that_the_kernel_would_refuse_is_told_before_the_start(option: str) -> None:
    """With the option's name, which the kernel's "invalid argument" lacks."""
    with pytest.raises(UsageError, match=f"'--tmpfs /x:{option}': '{option}' cannot be"):
        make_plan(RunOptions(tmpfs=(("/x", option),)))


@pytest.mark.parametrize("option", ["size=64m", "size=50%", "size=2G", "size=0x100000", "mode=0755", "uid=1001"])
def test_values_that_the_kernel_takes_pass(option: str) -> None:
    """tmpfs(5)."""
    plan = make_plan(RunOptions(tmpfs=(("/x", option),)))
    assert any(option in str(item.fields[3]) for item in plan.find("MOUNT") if item.fields[4] == "/x")


@pytest.mark.parametrize("name", ["h", "Node-1", "7", "a.b.example.org", "a" * 64])
def test_a_hostname_of_rfc_1123_is_taken(name: str) -> None:
    """Letters, digits, '-' within, parts with dots between."""
    assert make_plan(RunOptions(hostname=name)).find("HOSTNAME")[0].fields == (name,)


def test_operations_stand_in_the_order_of_their_phases() -> None:
    """HOST before INIT before COMMAND, and the command last."""
    plan = make_plan(RunOptions(hostname="h", read_only=True, network="none", ulimits=(Ulimit("nofile", 10, 10),)))
    phases = [OPERATIONS[item.kind].phase for item in plan.operations]
    assert phases == sorted(phases, key=["HOST", "INIT", "COMMAND"].index)
    assert plan.operations[-1].kind == "EXEC"


def test_the_running_file_is_written_before_the_lease_is_checked() -> None:
    """Else a prune between the two would take the image."""
    kinds = [item.kind for item in make_plan().operations]
    assert kinds.index("RUNNING") < kinds.index("LEASE") < kinds.index("RECORD")


AROUND = Surroundings(hosts=b"127.0.0.1 localhost\n", resolver=b"nameserver 127.0.0.53\n", localtime=b"TZif")


def shown(plan: LaunchPlan) -> dict[str, bytes | int]:
    """The names layer: path to content, or a directory's mode."""
    top = plan.files[0].path
    return {file.path[len(top) :]: file.mode if file.content is None else file.content for file in plan.files[1:]}


def test_by_default_nothing_of_the_host_is_seen_but_its_network() -> None:
    """Only /sys and devices are bound; the files that networking and names need are in a layer of their own."""
    plan = make_plan(surroundings=AROUND)
    devices = ("null", "zero", "full", "random", "urandom", "tty")
    assert set(binds(plan)) == {"/sys", *(f"/dev/{name}" for name in devices)}
    assert [path for path, found in shown(plan).items() if isinstance(found, bytes)] == [
        *("/etc/group", "/etc/hosts", "/etc/localtime", "/etc/passwd", "/etc/resolv.conf")
    ]


def test_the_names_layer_is_named_by_all_that_is_in_it() -> None:
    """Two starts that show the same share it; any difference makes another."""
    one, same = make_plan(surroundings=AROUND).files, make_plan(surroundings=AROUND).files
    assert one == same
    others = [
        make_plan().files,
        make_plan(surroundings=msgspec.structs.replace(AROUND, hosts=b"")).files,
        make_plan(RunOptions(home=True), surroundings=AROUND).files,
        make_plan(RunOptions(hostname="h"), surroundings=AROUND).files,
        make_plan(image=config(volumes=("/data",)), surroundings=AROUND).files,
    ]
    assert len({files[0].path for files in [one, *others]}) == 6


def test_links_of_the_image_do_not_lead_the_names_layer_out() -> None:
    """Its files are written on the host, so '..' and links of the image must end below it."""
    tree = FakeTree({"/etc": "-> ../../../../outside", "/home": "-> /../up"})
    for file in make_plan(tree=tree, surroundings=AROUND).files:
        assert file.path.startswith("/store/shown/")
        assert ".." not in file.path
    assert "/outside/hosts" in shown(make_plan(tree=tree, surroundings=AROUND))


def test_the_names_layer_lies_with_the_other_layers_where_they_are_local() -> None:
    """One file system under an overlay means one device number; on a network file system the node's own folder."""
    assert make_plan().files[0].path.startswith("/store/shown/")
    remote = msgspec.structs.replace(PATHS, scratch=("/tmp/wherry-1001/scratch",))
    assert make_plan(paths=remote).files[0].path.startswith("/run/user/1001/wherry/files/")


def test_directories_are_made_before_what_is_in_them() -> None:
    """write_files goes through them in order."""
    plan = make_plan(RunOptions(tmpfs=(("/a/b/c", ""),)), surroundings=AROUND)
    made = [file.path for file in plan.files]
    for file in plan.files[1:]:
        assert made.index(file.path.rpartition("/")[0]) < made.index(file.path)


def test_layers_go_from_top_to_bottom() -> None:
    """The overlay wants the upper layer first, images list the lower first."""
    (overlay,) = make_plan().find("OVERLAY")
    assert overlay.fields[0][1:] == ("/store/layers/bb/tree", "/store/layers/aa/tree")  # type: ignore[index]
    assert overlay.fields[4] == 3


def test_mount_points_get_a_layer_of_their_own_where_nothing_of_the_start_stays() -> None:
    """In a container that stays they are part of its layer, and so known to be no change of its programs."""
    here = RunOptions(here=True)
    assert make_plan(here).find("OVERLAY")[0].fields[4] == 3 | 8
    assert make_plan(here, kept=Kept("ab" * 32, "box", ("/store/containers",))).find("OVERLAY")[0].fields[4] == 1


def test_a_kept_container_is_synced_at_its_end() -> None:
    """Its upper directory outlives it, so the overlay is not volatile, and no other start may use its plan."""
    plan = make_plan(kept=Kept("ab" * 32, "box", ("/store/containers",)))
    assert plan.find("OVERLAY")[0].fields[4] == 1
    assert plan.find("SCRATCH")[0].fields == (("/store/containers",), 1)
    assert plan.find("ID")[0].fields == ("ab" * 32,)
    assert not plan.reusable


def test_nothing_is_made_from_outside_in_a_layer_that_programs_have_written() -> None:
    """A link that they left as /home would lead a mkdir on the host astray."""
    plan = make_plan(kept=Kept("ab" * 32), surroundings=Surroundings(foreign=True))
    made = [item.fields[0] for item in plan.find("MKDIR")]
    assert made == [f"{SCRATCH}/upper", f"{SCRATCH}/work", f"{PATHS.runtime}/root"]


def test_here_binds_the_slot_and_starts_in_it() -> None:
    """The directory itself is not in the plan: all directories share it."""
    plan = make_plan(RunOptions(here=True))
    assert binds(plan)[CURRENT][0] == CURRENT
    assert plan.find("CWD")[0].fields == (CURRENT, 1)


def test_w_wins_over_here() -> None:
    """The directory is still seen."""
    plan = make_plan(RunOptions(here=True, workdir="/work"))
    assert plan.find("CWD")[0].fields == ("/work", 1)
    assert CURRENT in binds(plan)


def test_the_image_says_where_to_start() -> None:
    """WorkingDir, else the root."""
    assert make_plan(image=config(working_dir="/app")).find("CWD")[0].fields == ("/app", 1)
    assert make_plan().find("CWD")[0].fields == ("/", 1)
    assert make_plan(image=config(working_dir="app")).find("CWD")[0].fields == ("/app", 1)
    assert make_plan(image=config(working_dir=CURRENT)).find("CWD")[0].fields == (f"/{CURRENT}", 1)


def test_the_profile_hpc_shows_here_and_home() -> None:
    """And --no-here, --no-home win over it."""
    from wherry.base.settings import Settings

    hpc = Settings({}).with_flag("run.profile", "hpc", "WHERRY_RUN_PROFILE")
    plan = make_plan(settings=hpc)
    assert {CURRENT, "/home/alice"} <= set(binds(plan))
    plan = make_plan(RunOptions(here=False, home=False), settings=hpc)
    assert not {CURRENT, "/home/alice"} & set(binds(plan))


def test_binds_are_made_parents_first() -> None:
    """Whatever their order on the command line; the source is kept as spelled."""
    options = RunOptions(binds=(Bind("/a/../x", "/data/in"), Bind("/y", "/data", read_only=True)))
    found = binds(make_plan(options))
    assert [path for path in found if path.startswith("/data")] == ["/data", "/data/in"]
    assert found["/data"] == ("/y", 1 | 2)
    assert found["/data/in"] == ("/a/../x", 2)


def test_a_file_system_of_one_mount_only_and_slave_propagation() -> None:
    """--mount bind-recursive=disabled, bind-propagation=slave."""
    found = binds(make_plan(RunOptions(binds=(Bind("/a", "/a", recursive=False, propagation="slave", optional=True),))))
    assert found["/a"][1] == 2 | 16 | 32 | 128


@pytest.mark.parametrize("target", ["/", "/.", "//", "/a/.."])
def test_nothing_is_bound_over_the_root(target: str) -> None:
    """However it is written."""
    with pytest.raises(UsageError, match="hide the whole image"):
        make_plan(RunOptions(binds=(Bind("/x", target),)))


@pytest.mark.parametrize("target", ["/proc", "/proc/self", "/sys/fs"])
def test_the_kernel_is_not_faked(target: str) -> None:
    """As Docker refuses it."""
    with pytest.raises(UsageError, match="must not be faked"):
        make_plan(RunOptions(binds=(Bind("/x", target),)))


def test_two_mounts_at_one_place_are_refused() -> None:
    """One of them would be invisible."""
    with pytest.raises(UsageError, match="two mounts at '/d'"):
        make_plan(RunOptions(binds=(Bind("/x", "/d"),), tmpfs=(("/d/", ""),)))


def test_shared_propagation_is_refused_with_the_reason() -> None:
    """And what to use instead."""
    with pytest.raises(UsageError, match="takes root") as caught:
        make_plan(RunOptions(binds=(Bind("/x", "/d", propagation="shared"),)))
    assert "slave" in caught.value.hint


def test_tmpfs_options_are_dockers() -> None:
    """noexec, nosuid, nodev unless said otherwise; an unknown one is named."""
    plan = make_plan(RunOptions(tmpfs=(("/scratch", "size=1G,exec"), ("/t", ""))))
    tmpfs = {item.fields[4]: item.fields for item in plan.find("MOUNT") if item.fields[0] == "tmpfs"}
    assert tmpfs["/scratch"] == ("tmpfs", "tmpfs", 6, "size=1G,mode=1777", "/scratch")
    assert tmpfs["/t"][2] == 14
    with pytest.raises(UsageError, match="no option 'sise=1'"):
        make_plan(RunOptions(tmpfs=(("/t", "sise=1"),)))


def test_the_hosts_dev_replaces_the_minimal_one() -> None:
    """-v /dev:/dev shows all devices, as GPU users on other engines do."""
    plan = make_plan(RunOptions(binds=(Bind("/dev", "/dev"),)))
    assert "/dev/null" not in binds(plan)
    assert not any(item.fields[4] == "/dev" for item in plan.find("MOUNT"))


def test_without_a_network_there_is_lo_alone() -> None:
    """A namespace of its own, lo up, no name servers."""
    plan = make_plan(RunOptions(network="none"))
    assert plan.find("NAMESPACE")[0].fields[0] & 0x40000000  # type: ignore[operator]
    assert plan.find("LOOPBACK")
    assert "/etc/resolv.conf" not in shown(make_plan(RunOptions(network="none"), surroundings=AROUND))
    assert not make_plan().find("NAMESPACE")[0].fields[0] & 0x40000000  # type: ignore[operator]


def test_an_unknown_network_says_which_there_are() -> None:
    """No bridge without a daemon."""
    with pytest.raises(UsageError, match="no network 'bridge'") as caught:
        make_plan(RunOptions(network="bridge"))
    assert "host" in caught.value.hint


def test_proc_is_bound_where_a_fresh_one_is_refused() -> None:
    """Inside an outer container that masks /proc."""
    plan = make_plan(host=msgspec.structs.replace(HOST, mount_proc=False))
    assert binds(plan)["/proc"][0] == "/proc"
    assert not any(item.fields[0] == "proc" for item in plan.find("MOUNT"))


def test_a_host_name_is_known_inside() -> None:
    """In the UTS namespace, /etc/hostname, /etc/hosts and HOSTNAME."""
    plan = make_plan(RunOptions(hostname="box"), surroundings=AROUND)
    assert plan.find("HOSTNAME")[0].fields == ("box",)
    assert shown(plan)["/etc/hostname"] == b"box\n"
    assert shown(plan)["/etc/hosts"] == b"127.0.0.1 localhost\n127.0.1.1\tbox\n"
    assert shown(make_plan(RunOptions(hostname="box")))["/etc/hosts"] == b"127.0.0.1\tlocalhost\n127.0.1.1\tbox\n"


def test_read_only_comes_last() -> None:
    """All mount points are made before the root is closed."""
    plan = make_plan(RunOptions(read_only=True, binds=(Bind("/x", "/new"),)))
    inside = [item for item in plan.operations if OPERATIONS[item.kind].phase == "INIT"]
    assert (inside[-1].kind, inside[-1].fields) == ("READONLY", ("/",))


def test_volumes_that_the_image_lacks_are_made() -> None:
    """Volumes of the image are plain directories; what lies in the kernel's own is passed over."""
    plan = make_plan(image=config(volumes=("/data/", "/tmp", "relative", "/proc/x", "//dev/y", "/")))
    assert set(shown(plan)) - set(shown(make_plan())) == {"/data"}


def test_root_on_the_host_sees_dockers_masks() -> None:
    """For others the kernel's own permissions are the guard, and each mask would cost a mount."""
    assert not make_plan().find("MASK")
    masked = {item.fields[0] for item in make_plan(host=msgspec.structs.replace(HOST, uid=0)).find("MASK")}
    assert {"/proc/kcore", "/proc/keys", "/sys/firmware"} <= masked


def test_site_layers_get_their_mount_points_beforehand() -> None:
    """The kernel cannot copy up a directory whose owner is not mapped."""
    plan = make_plan(RunOptions(binds=(Bind("/x", "/opt/data/in"),)), surroundings=Surroundings(foreign=True))
    made = shown(plan)
    assert (made["/opt/data"], made["/tmp"], made["/var/tmp"], made["/etc"]) == (0o755, 0o1777, 0o1777, 0o755)


def test_fuse_where_the_kernel_has_no_overlay() -> None:
    """And a note says that it is slower."""
    host = msgspec.structs.replace(HOST, overlay=False, fuse_overlayfs="/usr/bin/fuse-overlayfs")
    plan = make_plan(host=host)
    (fuse,) = plan.find("FUSE")
    assert fuse.fields[0][2].startswith(f"lowerdir={plan.files[0].path}:/store/layers/bb/tree:/store/layers/aa/tree,")  # type: ignore[index, union-attr]
    assert "slower" in plan.notes[0]


def test_a_flattened_tree_where_nothing_else_works() -> None:
    """Read-only, opened up where a mount point is missing; /tmp and home stay writable; a note says what to do."""
    host = msgspec.structs.replace(HOST, overlay=False)
    tree = FakeTree({"/opt/a/x": b"", "/opt/b": None})
    paths = msgspec.structs.replace(PATHS, flat="/store/flat/f/tree")
    plan = make_plan(RunOptions(binds=(Bind("/x", "/opt/new"),)), tree=tree, host=host, paths=paths)
    found = binds(plan)
    assert found["/opt/a"] == ("/store/flat/f/tree/opt/a", 1 | 2 | 4 | 16)
    assert "/opt" not in found
    assert found["/usr"][0] == "/store/flat/f/tree/usr"
    assert found["/tmp"][0] == f"{SCRATCH}/tmp"
    assert found["/home/alice"][0] == f"{SCRATCH}/home"
    assert ("usr/bin", "/bin") in [item.fields for item in plan.find("SYMLINK")]
    assert "-v DIRECTORY:PATH" in plan.notes[0]


def test_a_flattened_tree_is_not_shown_to_who_could_make_it_writable() -> None:
    """With the right to mount, a remount inside would open the store."""
    host, paths = (
        msgspec.structs.replace(HOST, overlay=False),
        msgspec.structs.replace(PATHS, flat="/store/flat/f/tree"),
    )
    with pytest.raises(HostLacks, match="who may mount") as raised:
        make_plan(RunOptions(user="root", cap_add=("ALL",)), host=host, paths=paths)
    assert "--writable-copy" in (raised.value.hint or "")
    make_plan(RunOptions(user="root", cap_add=("ALL",), copy=True), host=host, paths=paths)


def test_where_nothing_else_works_a_private_copy_can_be_written() -> None:
    """Nothing is shown read-only but the names; what a start needs is made in the copy."""
    host = msgspec.structs.replace(HOST, overlay=False)
    paths = msgspec.structs.replace(PATHS, flat="/store/flat/f/tree")
    plan = make_plan(RunOptions(copy=True), host=host, paths=paths, surroundings=Surroundings(hosts=b"x"))
    assert plan.find("COPY")[0].fields == ("/store/flat/f/tree", f"{SCRATCH}/copy")
    assert plan.find("TREE")[0].fields[0] == f"{SCRATCH}/copy"
    assert not {"/usr", "/tmp", "/home/alice"} & set(binds(plan))
    assert "/etc/hosts" in binds(plan)
    assert plan.notes == ()


def test_no_way_to_put_layers_together_is_an_error() -> None:
    """That says what to install."""
    with pytest.raises(HostLacks) as caught:
        make_plan(image=FakeImage(layers=(FakeLayer("/l", Meta(False)),)))
    assert "fuse-overlayfs" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "image", "expected"),
    [
        (RunOptions(), config(), ((), ("python3",), 1)),
        (RunOptions(), config(entrypoint=("/e",), cmd=("c",)), (("/e",), ("c",), 1)),
        (RunOptions(entrypoint=("/x",)), config(entrypoint=("/e",), cmd=("c",)), (("/x",), (), 1)),
        (RunOptions(entrypoint=(), command=("ls",)), config(entrypoint=("/e",), cmd=("c",)), ((), (), 1)),
        (RunOptions(shell=True), config(entrypoint=("/e",)), (("/bin/bash",), (), 1)),
    ],
)
def test_the_command_is_dockers(options: RunOptions, image: FakeImage, expected: object) -> None:
    """Entry point and arguments; the image's default goes when the user names an entry point."""
    assert make_plan(options, image=image).find("EXEC")[0].fields == expected


def test_an_image_without_command_asks_for_one() -> None:
    """Before anything is started."""
    with pytest.raises(UsageError, match="names no command"):
        make_plan(image=config(cmd=()))
    make_plan(RunOptions(command=("ls",)), image=config(cmd=()))


@pytest.mark.parametrize(
    ("options", "bits"),
    [
        (RunOptions(), 0),
        (RunOptions(interactive=True), 1),
        (RunOptions(interactive=True, terminal=True), 3),
        (RunOptions(detach=True), 4),
        (RunOptions(shell=True), 11),
        (RunOptions(shell=True, terminal=True), 3),
    ],
)
def test_streams(options: RunOptions, bits: int) -> None:
    """Empty standard input unless -i; a shell has a terminal when there is one."""
    assert make_plan(options).find("STDIO")[0].fields == (bits,)


def test_limits_have_the_kernels_numbers() -> None:
    """-1 is unlimited; an unknown one is answered with the nearest."""
    plan = make_plan(RunOptions(ulimits=(Ulimit("nofile", 1024, 4096), Ulimit("stack", -1, -1))))
    assert [item.fields for item in plan.find("RLIMIT")] == [(7, 1024, 4096), (3, (1 << 64) - 1, (1 << 64) - 1)]
    with pytest.raises(UsageError) as caught:
        make_plan(RunOptions(ulimits=(Ulimit("nofiles", 1, 1),)))
    assert "nofile" in caught.value.hint


def test_seccomp_can_be_left_out_but_not_the_rest() -> None:
    """unconfined still means no new privileges."""
    plan = make_plan(RunOptions(seccomp="unconfined"))
    assert plan.find("NO_NEW_PRIVS")
    assert not plan.find("SECCOMP")
    assert make_plan().find("SECCOMP")[0].fields[1] == 1 << 63 | 4


def test_only_root_inside_has_capabilities() -> None:
    """Docker's set, in its own namespaces."""
    assert make_plan().find("CAPS")[0].fields == (0,)
    assert make_plan(RunOptions(user="root")).find("CAPS")[0].fields == (0xA80425FB,)


def test_the_fragment_is_the_start_line() -> None:
    """With the launcher's own members it reads as the record's StartLine."""
    plan = make_plan(RunOptions(labels=(("a", 'q"\n'),)))
    fragment = str(plan.find("RECORD")[0].fields[1])
    line = '{"kind":"start","id":"x","time":"t","pid":1,"cwd":"/","command":[],' + fragment + "}"
    start = msgspec.json.decode(line, type=StartLine)
    assert (start.image, start.user, start.labels) == ("docker.io/library/debian:12", "alice", {"a": 'q"\n'})
    assert start.image_digest == "sha256:" + "ab" * 32
    assert "SECRET" not in fragment


def test_the_running_file_tells_how_to_join() -> None:
    """exec needs no plan of the container, only its start line."""
    plan = make_plan(RunOptions(env=("SECRET=1",), here=True))
    fragment = str(plan.find("RUNNING")[0].fields[1])
    line = '{"id":"x","cwd":"/data",' + fragment + "}"
    membership = msgspec.json.decode(line, type=Membership)
    assert membership.join.uid == 1001
    assert ["SECRET=1"] in [list(fields[0])[-1:] for _, fields in membership.join.environment]
    assert json.loads(line)["namespaces"] == plan.find("NAMESPACE")[0].fields[0]


def test_names_of_a_container_that_stays_do_not_lie_in_the_session() -> None:
    """A logout clears the session's folder, and the container may run on."""
    apart = msgspec.structs.replace(PATHS, scratch=("/elsewhere",))
    plan = make_plan(RunOptions(), paths=apart, kept=Kept("ab" * 32, scratch=("/k",)))
    assert plan.files
    assert all(file.path.startswith(f"{apart.store}/containers/{'ab' * 32}/shown/") for file in plan.files)
    assert plan.find("OVERLAY")[0].fields[0][0] == plan.files[0].path
    assert all(file.path.startswith(f"{apart.runtime}/files/") for file in make_plan(RunOptions(), paths=apart).files)


def test_the_running_file_tells_where_the_scratch_folder_is_unless_it_is_kept() -> None:
    """So that a sweep under other settings finds what a killed launcher left."""
    plan = make_plan(RunOptions())
    scratch = plan.find("SCRATCH")[0].fields[0]
    assert json.loads("{" + str(plan.find("RUNNING")[0].fields[1]) + "}")["scratch"] == list(scratch)
    plan = make_plan(RunOptions(), kept=Kept("ab" * 32, scratch=("/k",)))
    assert "scratch" not in json.loads("{" + str(plan.find("RUNNING")[0].fields[1]) + "}")


def test_a_denied_image_is_not_planned() -> None:
    """The rule is named."""
    denied = Decision(False, "only-signed", "it is not signed")
    with pytest.raises(PolicyDenied, match="only-signed"):
        plan_run(
            RunOptions(),
            FakeImage(),
            FakeTree(),
            HOST,
            __import__("wherry.base.settings", fromlist=["Settings"]).Settings({}),
            denied,
            paths=PATHS,
            surroundings=Surroundings(),
        )
    assert ALLOWED.allowed


def test_names_that_are_no_utf8_do_not_stop_a_start() -> None:
    """A label from a foreign shell is shown with a question mark, and a path keeps its bytes."""
    bad = b"\xff".decode("utf-8", "surrogateescape")
    plan = make_plan(RunOptions(labels=(("a", bad),), binds=(Bind(f"/{bad}", "/d"),), env=(f"A={bad}",)))
    assert b"/\xff\0" in encode(plan, 1)
