"""Facts that are read rather than tried: processors, MPI, batch systems, logind, subordinate ids, outer containers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.base.errors import SettingsError
from wherry.host import cgroups, filesystems, hardware, idmaps, parallel, programs, security, survival, switches
from wherry.host.facts import Batch, Cgroup, Gpu, Mpi

V2 = "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
V3 = f"{V2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
V4 = f"{V3} avx512f avx512bw avx512cd avx512dq avx512vl"


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        ("fpu sse2", "x86-64-v1"),
        (V2, "x86-64-v2"),
        (V3, "x86-64-v3"),
        (V4, "x86-64-v4"),
        (V4.replace(" movbe", ""), "x86-64-v2"),  # a level has all of those below
    ],
)
def test_the_level_of_a_processor(flags: str, level: str) -> None:
    assert hardware.processor_level(frozenset(flags.split())) == level


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mpirun (Open MPI) 4.1.4\n\nReport bugs to http://www.open-mpi.org/community/help/\n", ("openmpi", "4.1.4")),
        ("HYDRA build details:\n    Version:                                 4.0.2\n", ("mpich", "4.0.2")),
        (
            "Intel(R) MPI Library for Linux* OS, Version 2021.9 Build 20230307 (id: d82b3071db)\n",
            ("intel", "2021.9"),
        ),
        ("mpirun (Open MPI) 5.0.0rc9\n", ("openmpi", "5.0.0rc9")),
        ("what?", ("unknown", "")),
    ],
)
def test_an_mpi_is_known_by_what_it_says(text: str, expected: tuple[str, str]) -> None:
    assert parallel.identify_mpi(text) == expected


def program(folder: Path, name: str, text: str = "") -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_mpirun_and_mpiexec_of_one_installation_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "mpirun", "echo 'mpirun (Open MPI) 4.1.4'")
    (tmp_path / "mpiexec").symlink_to("mpirun")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert parallel.find_mpi() == (Mpi("openmpi", "4.1.4", f"{tmp_path}/mpirun"),)


@pytest.mark.parametrize(
    ("environ", "programs_there", "expected"),
    [
        ({"SLURM_JOB_ID": "12"}, ["sbatch"], ("slurm", "12", "sbatch")),
        ({"SLURM_JOB_ID": "12"}, [], ("slurm", "12", "")),
        ({"PBS_JOBID": "3.head"}, ["qsub"], ("pbs", "3.head", "qsub")),
        ({"JOB_ID": "9", "SGE_ROOT": "/sge"}, ["qsub"], ("sge", "9", "qsub")),
        ({"SGE_ROOT": "/sge"}, ["qsub"], ("sge", "", "qsub")),
        ({}, ["qsub"], ("pbs", "", "qsub")),
        ({"LSB_JOBID": "5"}, ["bsub"], ("lsf", "5", "bsub")),
        ({"JOB_ID": "9"}, [], ("", "", "")),
        ({}, ["condor_submit"], ("htcondor", "", "condor_submit")),
    ],
)
def test_the_batch_system_is_that_of_the_job(
    environ: dict[str, str],
    programs_there: list[str],
    expected: tuple[str, str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in programs_there:
        program(tmp_path, name)
    monkeypatch.setenv("PATH", str(tmp_path))
    system, job, submit = expected
    assert parallel.find_batch(environ) == Batch(system, job, f"{tmp_path}/{submit}" if submit else "")


def test_condors_job_is_read_from_its_advertisement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ad").write_text('Owner = "ada"\nClusterId = 41\nProcId = 2\n')
    monkeypatch.setenv("PATH", str(tmp_path))
    assert parallel.find_batch({"_CONDOR_JOB_AD": f"{tmp_path}/ad"}) == Batch("htcondor", "41.2", "")


@pytest.mark.parametrize(
    ("text", "kills"),
    [
        ("[Login]\nKillUserProcesses=yes\n", True),
        ("[Login]\n#KillUserProcesses=yes\n", False),
        ("KillUserProcesses=no\nKillUserProcesses=true\n", True),
        ("KillUserProcesses=yes\nKillExcludeUsers=root ada\n", False),
        ("KillUserProcesses=yes\nKillExcludeUsers=ada\nKillExcludeUsers=\n", True),
        ("KillUserProcesses=yes\nKillOnlyUsers=bob\n", False),
        ("", False),
    ],
)
def test_logind_ends_what_it_is_told_to(text: str, kills: bool) -> None:
    assert survival.kills_leftovers(text, "ada") is kills


def test_a_detached_process_lives_as_long_as_its_surroundings() -> None:
    assert survival.find_survival("ada", Batch("slurm", "7"), "").until == "job"
    assert survival.find_survival("ada", Batch(), "docker").until == "container"
    assert "slurm job 7" in survival.find_survival("ada", Batch("slurm", "7"), "docker").why


def test_subordinate_ids_are_found_by_name_and_by_number() -> None:
    text = "bob:1:2\nada:100000:65536\n1000:200000:10\nbroken\nada:x:1\n"
    assert idmaps._parse(text, "ada", 1000) == [(100000, 65536), (200000, 10)]
    assert idmaps._parse_listing("0: ada 100000 65536\n") == [(100000, 65536)]


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        ({"container": "podman"}, "podman"),
        ({"container": "wherry"}, "wherry"),
        ({"container": "libpod"}, "podman"),
        ({"APPTAINER_CONTAINER": "/x.sif"}, "apptainer"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
    ],
)
def test_the_container_around_is_known_by_its_signs(
    environ: dict[str, str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("container", "APPTAINER_CONTAINER", "SINGULARITY_CONTAINER", "CH_RUNNING", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert switches.outer_container() == kind


def test_proot_is_as_set_or_in_path_or_in_a_tools_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = str(program(tmp_path / "chosen", "my-proot"))
    found = str(program(tmp_path / "bin", "proot"))
    own = str(program(tmp_path / "data/wherry/tools", "proot"))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    assert programs.find_program("proot", setting=chosen, data_home=f"{tmp_path}/data") == chosen
    assert programs.find_program("proot", data_home=f"{tmp_path}/data") == found
    monkeypatch.setenv("PATH", "/nonexistent")
    assert programs.find_program("proot", data_home=f"{tmp_path}/data") == own
    assert programs.find_program("proot") == ""


@pytest.mark.parametrize("setting", ["proot", "/nonexistent/proot", "/etc"])
def test_a_proot_that_is_set_must_be_a_program(setting: str) -> None:
    with pytest.raises(SettingsError, match=r"engine\.proot"):
        programs.find_program("proot", setting=setting)


def test_a_chroot_and_an_initramfs_show_in_the_mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switches, "mounts", lambda: [("/proc", "proc")])
    assert switches.read_namespaces().chroot
    monkeypatch.setattr(switches, "mounts", lambda: [("/", "rootfs")])
    monkeypatch.setattr(filesystems, "mounts", lambda: [("/", "rootfs")])
    found = switches.read_namespaces()
    assert found.initramfs
    assert not found.chroot


def test_the_distributions_family_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, family in (
        ('ID=ubuntu\nID_LIKE="debian"\n', "debian"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "fedora"),
        ("ID=nixos\n", "nixos"),
        ("", ""),
    ):
        monkeypatch.setattr(switches, "read_text", lambda path, text=text: text)
        assert switches.distribution() == family


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_graphics_processors_are_read_from_their_drivers(tmp_path: Path) -> None:
    written(
        tmp_path / "proc/driver/nvidia/version",
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version: 12\n",
    )
    written(
        tmp_path / "proc/driver/nvidia/gpus/0000:17:00.0/information",
        "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 42\nDevice Minor: \t 99\n",
    )
    amd = tmp_path / "sys/class/drm/renderD128/device"
    written(amd / "product_name", "AMD Instinct MI210\n")
    (tmp_path / "sys/drivers/amdgpu").mkdir(parents=True)
    (amd / "driver").symlink_to(tmp_path / "sys/drivers/amdgpu")
    written(tmp_path / "sys/module/amdgpu/version", "6.3.6\n")
    (tmp_path / "sys/class/drm/renderD129/device").mkdir(parents=True)  # of a driver that computes nothing
    (tmp_path / "sys/class/drm/renderD129/device/driver").symlink_to("/nonexistent/virtio_gpu")
    assert hardware.find_gpus(f"{tmp_path}/proc", f"{tmp_path}/sys") == (
        Gpu("nvidia", "NVIDIA H100 80GB HBM3", "/dev/nvidia99", "535.104.05", usable=False),
        Gpu("amd", "AMD Instinct MI210", "/dev/dri/renderD128", "6.3.6", usable=False),
    )


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {
                "/sys/kernel/security/lsm": "lockdown,capability,selinux,bpf\n",
                "/sys/fs/selinux/enforce": "1",
                "/proc/self/attr/current": "unconfined_u:unconfined_r:unconfined_t:s0\0",
            },
            (("lockdown", "capability", "selinux", "bpf"), "enforcing", "unconfined_u:unconfined_r:unconfined_t:s0"),
        ),
        ({"/sys/fs/selinux/enforce": "0"}, ((), "permissive", "")),
        ({"/proc/self/attr/apparmor/current": "docker-default (enforce)\n"}, ((), "", "docker-default (enforce)")),
    ],
)
def test_security_modules_and_their_mode(
    monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: tuple[tuple[str, ...], str, str]
) -> None:
    def number(path: str) -> int | None:
        return int(files[path]) if path in files else None

    monkeypatch.setattr(security, "read_text", lambda path: files.get(path, ""))
    monkeypatch.setattr(security, "read_number", number)
    found = security.find_security(3)
    assert (found.modules, found.selinux, found.label) == expected
    assert (found.landlock, found.no_new_privs) == (3, False)


def test_a_delegated_control_group_takes_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of plain files stands for it: what is made, moved and read is the same, and both children end."""
    own = tmp_path / "job"
    written(own / "cgroup.controllers", "memory pids cpu\n")
    monkeypatch.setattr(cgroups, "mounts", lambda: [(str(tmp_path), "cgroup2")])
    monkeypatch.setattr(cgroups, "_own_path", lambda: "/job")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found = cgroups.find_cgroup(os.geteuid())
    assert found == Cgroup("v2", "/job", str(own), True, ("cpu", "memory", "pids"), False)
    own.chmod(0o555)
    found = cgroups.find_cgroup(os.geteuid())
    own.chmod(0o755)
    assert (found.delegated, found.folder, found.controllers) == (False, "", ())


def test_this_machines_own_facts_are_read() -> None:
    found = hardware.find_processor()
    assert found.count >= found.usable >= 1
    assert found.level.startswith("x86-64-v") or os.uname().machine != "x86_64"
