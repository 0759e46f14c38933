"""``wherry run``: what a container sees, what passes in and out of it, and how it ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

import images
from wherry_command import Wherry


def configured(folder: Path, **config: object) -> str:
    """An image file (an OCI layout) above the tiny one, with a configuration of its own; how to name it for ``run``."""
    layout = folder / "image"
    images.write_layout(layout, [], config, base=images.image("tiny"))
    return f"{layout}/"


def lines(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


# ---- how it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 3, 124, 255])
def test_the_status_is_the_commands_own(seeded: Wherry, status: int) -> None:
    assert seeded("run", "tiny", "sh", "-c", f"exit {status}").status == status


@pytest.mark.parametrize(("name", "number"), [("TERM", 15), ("KILL", 9), ("SEGV", 11), ("USR1", 10)])
def test_a_command_that_a_signal_ended_has_128_and_its_number(seeded: Wherry, name: str, number: int) -> None:
    assert seeded("run", "tiny", "sh", "-c", f"kill -{name} $$").status == 128 + number


def test_a_command_that_is_missing_has_127(seeded: Wherry) -> None:
    result = seeded("run", "tiny", "pyhton3")
    assert result.status == 127
    assert "'pyhton3'" in result.stderr


def test_a_command_that_cannot_be_executed_has_126(seeded: Wherry) -> None:
    result = seeded("run", "tiny", "/etc/os-release")
    assert result.status == 126
    assert "'/etc/os-release'" in result.stderr


def test_what_wherry_cannot_do_has_125(seeded: Wherry) -> None:
    assert seeded("run", "--pull", "never", "nosuchimage", "true").status == 125
    assert seeded("run", "-v", "/nonexistent:/data", "tiny", "true").status == 125


def test_the_same_statuses_hold_when_the_plan_is_reused(seeded: Wherry) -> None:
    for _ in range(2):
        assert seeded("run", "tiny", "sh", "-c", "exit 9").status == 9
        assert seeded("run", "tiny", "nosuch").status == 127


# ---- streams --------------------------------------------------------------------------------------------------------


def test_output_and_errors_stay_apart(seeded: Wherry) -> None:
    result = seeded("run", "tiny", "sh", "-c", "echo out; echo err >&2")
    assert (result.stdout, result.stderr) == ("out\n", "err\n")


def test_without_i_standard_input_is_empty(seeded: Wherry) -> None:
    assert seeded.ok("run", "tiny", "cat", stdin="data") == ""


def test_with_i_standard_input_goes_in_byte_by_byte(seeded: Wherry) -> None:
    data = bytes(range(256)) * 4096
    done = subprocess.run(
        ["wherry", "run", "-i", "tiny", "cat"], input=data, capture_output=True, env=seeded.environment, check=True
    )
    assert done.stdout == data


def test_a_closed_pipe_ends_the_command_as_everywhere(seeded: Wherry) -> None:
    done = subprocess.run(
        ["sh", "-c", "wherry run tiny yes | head -n 1; echo ${PIPESTATUS:-}"],
        capture_output=True,
        env=seeded.environment,
        timeout=20,
        text=True,
    )
    assert done.stdout.startswith("y\n")


# ---- what it sees ---------------------------------------------------------------------------------------------------


def test_nothing_of_the_callers_environment_leaks(seeded: Wherry) -> None:
    outside = {"LD_LIBRARY_PATH": "/x", "PYTHONPATH": "/y", "SECRET": "z", "PKG_CONFIG_PATH": "/p", "LD_PRELOAD": ""}
    found = lines(seeded.ok("run", "tiny", "env", env=outside))
    assert not set(outside) & set(found)
    assert set(found) <= {"PATH", "HOME", "HOSTNAME", "TERM", "TZ", "container", "LANG", "PWD", "SHLVL"}


def test_the_time_zone_terminal_and_proxies_pass(seeded: Wherry) -> None:
    outside = {"TERM": "vt100", "TZ": "Asia/Tokyo", "https_proxy": "http://proxy:3128", "no_proxy": "localhost"}
    found = lines(seeded.ok("run", "tiny", "env", env=outside))
    assert outside.items() <= found.items()


def test_batch_variables_pass_in_a_job_only(seeded: Wherry) -> None:
    assert "OMP_NUM_THREADS" not in lines(seeded.ok("run", "tiny", "env", env={"OMP_NUM_THREADS": "4"}))
    job = {"SLURM_JOB_ID": "17", "SLURM_PROCID": "3", "OMP_NUM_THREADS": "4", "PMI_RANK": "3"}
    assert job.items() <= lines(seeded.ok("run", "tiny", "env", env=job)).items()


def test_the_home_is_private_empty_and_writable(seeded: Wherry) -> None:
    (seeded.folder / "home" / "secret").write_text("mine")
    found = seeded.ok("run", "tiny", "sh", "-c", "echo $HOME; cd; pwd; ls -A; touch x && echo written")
    home, where, *rest = found.splitlines()
    assert home == where
    assert home.startswith("/home/")
    assert rest == ["written"]


def test_tmp_is_private_and_the_hosts_files_are_not_there(seeded: Wherry, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert seeded.ok("run", "tiny", "sh", "-c", f"ls -A /tmp; [ -e {tmp_path} ] || echo absent") == "absent\n"


def test_i_am_who_i_am(seeded: Wherry) -> None:
    assert seeded.ok("run", "tiny", "id", "-u") == f"{os.getuid()}\n"
    assert seeded.ok("run", "tiny", "id", "-g") == f"{os.getgid()}\n"
    assert seeded.ok("run", "tiny", "id", "-un").strip() != str(os.getuid())


@pytest.mark.parametrize(("asked", "seen"), [("root", "0:0"), ("0", "0:0"), ("1234:77", "1234:77"), ("1234", "1234:")])
def test_u_shows_me_as_somebody_else(seeded: Wherry, asked: str, seen: str) -> None:
    assert seeded.ok("run", "-u", asked, "tiny", "sh", "-c", "echo $(id -u):$(id -g)").startswith(seen)


def test_u_takes_names_of_the_image_and_refuses_others(seeded: Wherry, tmp_path: Path) -> None:
    layer = images.Layer().file("etc/passwd", b"root:x:0:0::/root:/bin/sh\nada:x:815:816::/home/ada:/bin/sh\n")
    layout = tmp_path / "named"
    images.write_layout(layout, [layer.tar()], {"User": "ada"}, base=images.image("tiny"))
    image = f"{layout}/"
    assert seeded.ok("run", "-u", "ada", image, "sh", "-c", "id -u; id -g; echo $HOME") == "815\n816\n/home/ada\n"
    assert seeded.ok("run", "-u", "image", image, "id", "-u") == "815\n"
    assert seeded.ok("run", image, "id", "-u") == f"{os.getuid()}\n"
    wrong = seeded("run", "-u", "adaa", image, "true")
    assert wrong.status == 125
    assert "'ada'" in wrong.stderr


def test_files_that_root_makes_inside_are_mine_outside(seeded: Wherry, tmp_path: Path) -> None:
    seeded.ok("run", "-u", "root", "-v", f"{tmp_path}:/out", "tiny", "sh", "-c", "touch /out/x; chown root /out/x")
    assert (tmp_path / "x").stat().st_uid == os.getuid()


def test_here_shows_this_directory_and_starts_in_it(seeded: Wherry, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("here")
    found = seeded.ok("run", "--here", "tiny", "sh", "-c", "pwd; cat data; echo new > made", cwd=tmp_path)
    assert found == f"{tmp_path}\nhere"
    assert (tmp_path / "made").read_text() == "new\n"


def test_w_wins_over_here_and_is_made_when_missing(seeded: Wherry, tmp_path: Path) -> None:
    assert seeded.ok("run", "--here", "-w", "/new/place", "tiny", "pwd", cwd=tmp_path) == "/new/place\n"


def test_here_in_a_directory_that_is_gone_is_told_so(seeded: Wherry, tmp_path: Path) -> None:
    line = f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; wherry run --here tiny pwd"
    done = subprocess.run(["sh", "-c", line], env=seeded.environment, capture_output=True, text=True)
    assert done.returncode == 125
    assert "the current directory is gone" in done.stderr and "part of the system" not in done.stderr


def test_here_in_a_system_directory_is_refused(seeded: Wherry) -> None:
    result = seeded("run", "--here", "tiny", "true", cwd=Path("/usr"))
    assert result.status == 125
    assert "--here" in result.stderr


def test_home_shows_the_home_directory(seeded: Wherry) -> None:
    home = seeded.folder / "home"
    (home / "mine").write_text("x")
    assert seeded.ok("run", "--home", "tiny", "sh", "-c", "echo $HOME; cat ~/mine") == f"{home}\nx"


def test_the_profile_hpc_makes_here_and_home_the_default(seeded: Wherry, tmp_path: Path) -> None:
    found = seeded.ok("run", "tiny", "pwd", cwd=tmp_path, env={"WHERRY_RUN_PROFILE": "hpc"})
    assert found == f"{tmp_path}\n"


# ---- binds ----------------------------------------------------------------------------------------------------------


def test_a_directory_is_bound_and_written_to(seeded: Wherry, tmp_path: Path) -> None:
    seeded.ok("run", "-v", f"{tmp_path}:/data", "tiny", "sh", "-c", "echo x > /data/y")
    assert (tmp_path / "y").read_text() == "x\n"


def test_a_file_is_bound_onto_a_path_that_the_image_lacks(seeded: Wherry, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    assert (
        seeded.ok("run", "-v", f"{tmp_path}/file:/no/such/folder/name", "tiny", "cat", "/no/such/folder/name")
        == "content"
    )
    assert seeded("run", "tiny", "test", "-e", "/no").status == 1  # the image did not change


def test_ro_covers_the_bind(seeded: Wherry, tmp_path: Path) -> None:
    result = seeded("run", "-v", f"{tmp_path}:/data:ro", "tiny", "touch", "/data/x")
    assert result.status == 1
    assert "ead-only" in result.stderr


def test_a_missing_source_is_told_by_name(seeded: Wherry, tmp_path: Path) -> None:
    result = seeded("run", "-v", f"{tmp_path}/none:/data", "tiny", "true")
    assert result.status == 125
    assert f"{tmp_path}/none" in result.stderr


def test_a_symbolic_link_as_source_is_resolved_at_each_start(seeded: Wherry, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(name)
        (tmp_path / "current").unlink(missing_ok=True)
        (tmp_path / "current").symlink_to(name)
        assert seeded.ok("run", "-v", f"{tmp_path}/current:/data", "tiny", "cat", "/data/name") == name


def test_mount_and_tmpfs_have_dockers_form(seeded: Wherry, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("y")
    mount = f"type=bind,source={tmp_path},target=/data,readonly"
    assert seeded.ok("run", "--mount", mount, "tiny", "cat", "/data/x") == "y"
    found = seeded.ok("run", "--tmpfs", "/fast:size=1m", "tiny", "sh", "-c", "mount | grep ' /fast '; touch /fast/x")
    assert "tmpfs" in found
    assert "size=1024k" in found


def test_a_file_can_be_bound_over_a_symbolic_link_of_the_image(seeded: Wherry, tmp_path: Path) -> None:
    layout = tmp_path / "linked"
    layer = images.Layer().directory("run").file("run/real", b"image").symlink("etc/resolv.conf", "../run/real")
    images.write_layout(layout, [layer.tar()], {}, base=images.image("tiny"))
    host = Path("/etc/resolv.conf").read_text()
    assert seeded.ok("run", f"{layout}/", "cat", "/etc/resolv.conf") == host


def test_the_images_own_directory_may_be_bound_over(seeded: Wherry, tmp_path: Path) -> None:
    assert seeded.ok("run", "-v", f"{tmp_path}:/usr", "tiny", "ls", "/usr") == ""


# ---- other options --------------------------------------------------------------------------------------------------


def test_e_sets_takes_and_wins(seeded: Wherry, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# comment\nA=file\nB=file\n")
    found = lines(
        seeded.ok(
            "run", "--env-file", str(tmp_path / "env"), "-e", "A=flag", "-e", "TAKEN", "-e", "ABSENT", "tiny", "env",
            env={"TAKEN": "mine"},
        )
    )  # fmt: skip
    assert (found["A"], found["B"], found["TAKEN"]) == ("flag", "file", "mine")
    assert "ABSENT" not in found


def test_taken_variables_are_taken_at_each_start_from_one_plan(seeded: Wherry) -> None:
    for value in ("one", "two"):
        assert lines(seeded.ok("run", "-e", "X", "tiny", "env", env={"X": value}))["X"] == value


def test_read_only_leaves_tmp_and_home_out(seeded: Wherry) -> None:
    result = seeded("run", "--read-only", "tiny", "touch", "/x")
    assert result.status == 1
    assert "ead-only" in result.stderr


@pytest.fixture(scope="module")
def many(lab: Wherry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image whose layers share ``/opt``, and in it one has a directory with many files alone."""
    recipe = tmp_path_factory.mktemp("many") / "Dockerfile"
    recipe.write_text(
        "FROM tiny\nRUN mkdir -p /opt/a /opt/b && touch /opt/a/old\n"
        "RUN mkdir -p /opt/many && cd /opt/many && for n in $(seq 300); do echo $n > $n; done && ln -s 7 seven\n"
    )
    return lab.ok("build", "-q", str(recipe.parent)).strip()


def test_read_only_shows_what_one_layer_holds_alone_without_the_overlay(lab: Wherry, many: str) -> None:
    """The same files as ever, by a plain mount, which cannot be written either."""
    look = "cd /opt; find . | sort | xargs ls -ldn; cat many/seven; grep ' /opt' /proc/mounts | cut -d' ' -f2,3"
    usual = lab.ok("run", many, "sh", "-c", look)
    plain = lab.ok("run", "--read-only", many, "sh", "-c", look)
    assert plain.startswith(usual)
    path, kind = plain[len(usual) :].split()
    assert path == "/opt/many"
    assert kind != "overlay"
    for target in ("/opt/many/7", "/opt/many/new", "/opt/new", "/etc/new"):
        assert "ead-only" in lab("run", "--read-only", many, "sh", "-c", f"echo x > {target}").stderr


def test_read_only_still_takes_mounts_at_paths_that_the_image_lacks(lab: Wherry, many: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("mine")
    options = ("-v", f"{tmp_path}:/opt/many/deep/er", "--tmpfs", "/opt/many/fresh", "-v", f"{tmp_path}/f:/opt/file")
    script = "touch /opt/many/fresh/x && cat /opt/many/deep/er/f /opt/file /opt/many/7"
    assert lab.ok("run", "--read-only", *options, many, "sh", "-c", script) == "minemine7\n"
    here = lab.ok("run", "--read-only", "--here", many, "sh", "-c", "pwd; cat f", cwd=tmp_path)
    assert here == f"{tmp_path}\nmine"


def test_read_only_gives_the_home_and_tmp_as_the_image_has_them(lab: Wherry, many: str) -> None:
    assert "ead-only" in lab("run", "--read-only", many, "sh", "-c", "echo x > /tmp/x").stderr
    assert lab.ok("run", "--read-only", "--tmpfs", "/tmp", many, "sh", "-c", "echo x > /tmp/x; cat /tmp/x") == "x\n"


def test_the_root_is_writable_and_forgotten(seeded: Wherry) -> None:
    assert seeded.ok("run", "tiny", "sh", "-c", "echo x > /etc/new; rm /bin/ls; cat /etc/new") == "x\n"
    assert seeded.ok("run", "tiny", "sh", "-c", "ls /etc/new 2>/dev/null || echo gone") == "gone\n"


def test_hostname(seeded: Wherry) -> None:
    assert seeded.ok("run", "--hostname", "lab7", "tiny", "hostname") == "lab7\n"
    assert seeded.ok("run", "tiny", "hostname") == f"{socket.gethostname()}\n"


def test_network_none_has_only_a_loopback_that_is_up(seeded: Wherry) -> None:
    found = seeded.ok("run", "--network", "none", "tiny", "ip", "-o", "addr")
    assert {line.split()[1] for line in found.splitlines()} == {"lo"}
    assert "127.0.0.1" in found
    talk = "echo hello | nc -l -p 7007 & sleep 0.3; nc 127.0.0.1 7007 < /dev/null"
    assert "hello" in seeded.ok("run", "--network", "none", "tiny", "sh", "-c", talk)


def test_network_host_is_the_hosts(seeded: Wherry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert seeded("run", "tiny", "nc", "127.0.0.1", str(port), "-e", "true").status == 0


def test_entrypoint_replaces_the_images(seeded: Wherry, tmp_path: Path) -> None:
    image = configured(tmp_path, Entrypoint=["/bin/echo", "entry"], Cmd=["default"])
    assert seeded.ok("run", image) == "entry default\n"
    assert seeded.ok("run", image, "word", "-x") == "entry word -x\n"
    assert seeded.ok("run", "--entrypoint", "/bin/echo", image, "mine") == "mine\n"
    assert seeded.ok("run", "--entrypoint", "/bin/echo", image) == "\n"


def test_the_images_directory_environment_and_volumes_are_obeyed(seeded: Wherry, tmp_path: Path) -> None:
    image = configured(
        tmp_path, WorkingDir="/srv/work", Env=["PATH=/bin", "OWN=image", "TERM=image"], Volumes={"/vol": {}}
    )
    found = seeded.ok("run", image, "sh", "-c", "pwd; echo $OWN $TERM; ls -d /vol", env={"OWN": "host"})
    assert found == "/srv/work\nimage image\n/vol\n"


def test_an_image_without_command_says_so(seeded: Wherry, tmp_path: Path) -> None:
    result = seeded("run", configured(tmp_path))
    assert result.status == 125
    assert "command" in result.stderr


def test_ulimit_and_the_callers_limits(seeded: Wherry) -> None:
    assert seeded.ok("run", "--ulimit", "nofile=99:100", "tiny", "sh", "-c", "ulimit -n; ulimit -Hn") == "99\n100\n"
    inherited = subprocess.run(
        ["sh", "-c", "ulimit -s 7777; umask 027; wherry run tiny sh -c 'ulimit -s; umask'"],
        env=seeded.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert inherited.stdout == "7777\n0027\n"


def test_a_limit_that_cannot_be_had_is_told_by_name(seeded: Wherry) -> None:
    for limit in ("nofile=99999999999", "memlock=-1", "rttime=99999999999"):
        low = f"ulimit -n 100; ulimit -l 64; exec prlimit --rttime=1000:1000 wherry run --ulimit {limit} tiny true"
        done = subprocess.run(["bash", "-c", low], env=seeded.environment, capture_output=True, text=True)
        assert done.returncode == 125
        assert f"cannot set the limit '{limit.partition('=')[0]}': it is above your hard limit" in done.stderr


def test_cidfile_holds_the_id_and_is_never_overwritten(seeded: Wherry, tmp_path: Path) -> None:
    file = tmp_path / "id"
    seeded.ok("run", "--cidfile", str(file), "tiny", "true")
    assert len(file.read_text().strip()) == 64
    again = seeded("run", "--cidfile", str(file), "tiny", "true")
    assert again.status == 125
    assert str(file) in again.stderr


def test_preserved_descriptors_pass_and_others_do_not(seeded: Wherry) -> None:
    script = 'exec 7</etc/hostname 8</etc/hostname; wherry run {} tiny sh -c "ls /proc/self/fd"'
    for option, kept in (("--preserve-fd 7", True), ("", False)):
        done = subprocess.run(
            ["sh", "-c", script.format(option)], env=seeded.environment, capture_output=True, text=True, check=True
        )
        assert ("7" in done.stdout.split()) is kept
        assert "8" not in done.stdout.split()


def test_privileged_is_refused_with_the_reason(seeded: Wherry) -> None:
    result = seeded("run", "--privileged", "tiny", "true")
    assert result.status == 125
    assert "--privileged" in result.stderr


def test_group_add_is_refused_with_the_reason_and_keep_groups_accepted(seeded: Wherry) -> None:
    assert seeded("run", "--group-add", "keep-groups", "tiny", "true").status == 0
    result = seeded("run", "--group-add", "audio", "tiny", "true")
    assert result.status == 125
    assert "subgid" in result.stderr


def test_no_capabilities_and_no_new_privileges(seeded: Wherry) -> None:
    status = dict(
        line.split(":\t", 1)
        for line in seeded.ok("run", "tiny", "cat", "/proc/self/status").splitlines()
        if ":\t" in line
    )
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


def test_root_has_dockers_capabilities(seeded: Wherry) -> None:
    text = seeded.ok("run", "-u", "root", "tiny", "cat", "/proc/self/status")
    effective = next(line.split()[1] for line in text.splitlines() if line.startswith("CapEff"))
    assert int(effective, 16) == 0x00000000A80425FB


def test_seccomp_unconfined_and_a_profile_of_ones_own(seeded: Wherry, tmp_path: Path) -> None:
    def mode(*options: str) -> str:
        text = seeded.ok("run", *options, "tiny", "cat", "/proc/self/status")
        return next(line.split()[1] for line in text.splitlines() if line.startswith("Seccomp:"))

    assert mode("--security-opt", "seccomp=unconfined") in ("0", "2")  # 2 where an outer container filters already
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
    }
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    result = seeded("run", "--security-opt", f"seccomp={tmp_path}/profile.json", "tiny", "mkdir", "/tmp/x")
    assert result.status == 1
    assert "not permitted" in result.stderr


def test_labels_and_what_else_is_known_are_in_the_record(seeded: Wherry) -> None:
    seeded.ok("run", "--label", "study=7", "tiny", "sh", "-c", "exit 0; #labelled")
    rows = map(json.loads, seeded.ok("record", "-n", "0", "--no-trunc", "--format", "json").splitlines())
    record = next(row for row in rows if "labelled" in row["Command"])
    assert record["Start"]["labels"] == {"study": "7"}
    assert record["Start"]["command"][0] == "sh"
    assert record["End"]["exit"] == 0
    assert record["Start"]["umask"]


def test_the_locale_that_the_image_lacks_becomes_c_utf_8(seeded: Wherry) -> None:
    found = lines(seeded.ok("run", "tiny", "env", env={"LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8"}))
    assert found.get("LANG", "C.UTF-8") == "C.UTF-8"
    assert found.get("LC_ALL", "C.UTF-8") == "C.UTF-8"


def test_hostauth_shows_the_hosts_accounts(seeded: Wherry) -> None:
    assert "\nroot:" in "\n" + seeded.ok("run", "--hostauth", "tiny", "cat", "/etc/passwd")
    assert "daemon:" in seeded.ok("run", "--hostauth", "tiny", "cat", "/etc/passwd")


def test_a_dash_dash_after_the_image_is_dropped_once(seeded: Wherry) -> None:
    assert seeded.ok("run", "tiny", "--", "echo", "--", "x") == "-- x\n"
    assert seeded.ok("run", "tiny", "--", "echo", "--", "x") == "-- x\n"


def test_devices_proc_and_sys_are_as_programs_expect(seeded: Wherry) -> None:
    script = "echo x > /dev/null; head -c 4 /dev/urandom | wc -c; ls /dev/pts /dev/shm /dev/mqueue > /dev/null; "
    script += (
        "readlink /dev/stdin; cat /proc/self/comm; ls /sys/devices/system/cpu | grep -c cpu0; echo x > /dev/shm/y; "
    )
    script += "touch /sys/x 2>/dev/null || echo readonly; echo $$"
    found = seeded.ok("run", "tiny", "sh", "-c", script).splitlines()
    assert found[0] == "4"
    assert found[1] == "/proc/self/fd/0" or found[1] == "fd/0"
    assert found[2] == "cat"
    assert found[-2] == "readonly"
    assert int(found[-1]) < 10


def test_orphans_are_reaped_and_end_with_the_command(seeded: Wherry) -> None:
    found = seeded.ok("run", "tiny", "sh", "-c", "(sleep 0.1 &) ; sleep 0.5; ps -o stat,comm; sleep 300 &", timeout=20)
    assert "sleep" not in found
    assert "Z" not in found


def test_an_image_file_wins_over_a_name_and_both_readings_are_told(seeded: Wherry, tmp_path: Path) -> None:
    image = configured(tmp_path, Cmd=["echo", "file"])
    subprocess.run(["tar", "-C", image, "-cf", tmp_path / "tiny", "oci-layout", "index.json", "blobs"], check=True)
    assert seeded.ok("run", "tiny", cwd=tmp_path) == "file\n"
    (tmp_path / "cont.sqsh").write_text("no image")
    result = seeded(
        "run",
        "cont.sqsh",
        "true",
        cwd=tmp_path,
        env={"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"},
    )
    assert result.status == 125
    assert "the file 'cont.sqsh' here is not an image" in result.stderr
    assert "read as an image's name" in result.stderr


def test_no_image_at_all_says_what_to_write(seeded: Wherry, tmp_path: Path) -> None:
    result = seeded("run", cwd=tmp_path)
    assert result.status == 125
    assert "wherry.toml" in result.stderr


def test_the_image_of_the_project_is_used(seeded: Wherry, tmp_path: Path) -> None:
    (tmp_path / "wherry.toml").write_text('[run]\nimage = "tiny"\n')
    (tmp_path / "below").mkdir()
    assert seeded.ok("run", "--", "echo", "hello", cwd=tmp_path / "below") == "hello\n"
