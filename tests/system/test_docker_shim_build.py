"""``docker build``, ``buildx`` and ``podman build`` by Wherry: documented lines, beside the real peers."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from docker_daemon import Docker
from wherry_command import Wherry

RECIPE = """FROM tiny AS first
ARG WHO=nobody
RUN echo $WHO > /who
FROM first
LABEL org.lab.study=7
COPY hello /
CMD ["cat", "/hello", "/who"]
"""
FACES = ("docker", "podman")
SCRATCH = 'FROM scratch\nCOPY bin /bin\nENV A=b\nCMD ["sh"]\n'


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Wherry:
    wherry = Wherry(tmp_path_factory.mktemp("docker-build") / "wherry")
    wherry.ok("pull", "-q", tiny)
    wherry.ok("tag", tiny, "tiny")
    wherry.named("podman")
    return wherry.named("docker")


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(RECIPE)
    (folder / "hello").write_text("hello\n")
    return folder


def packed(folder: Path) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        tar.add(folder, ".")
    return made.getvalue()


def said(shim: Wherry, image: str) -> str:
    return shim.ok("run", "--rm", image)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("build -t made .", "hello\nnobody\n"),
        ("build --tag=made --build-arg WHO=me .", "hello\nme\n"),
        ("build -t made --build-arg WHO .", "hello\nyou\n"),
        ("build -t made -f other .", "hello\nother\n"),
        ("image build -t made --rm --force-rm .", "hello\nnobody\n"),
        ("buildx build --load --progress=plain -t made .", "hello\nnobody\n"),
        ("buildx b --provenance=false --sbom=false --builder default -t made .", "hello\nnobody\n"),
        ("builder build -t made .", "hello\nnobody\n"),
        ("build --network host --pull=false --no-cache -t made .", "hello\nnobody\n"),
        ("build --network=host --memory 256m --ulimit nofile=1024 --shm-size 64m -t made .", "hello\nnobody\n"),
        ("build --cache-from 127.0.0.1:1/never:was -t made .", "hello\nnobody\n"),
        ("build --build-context other=. --add-host db:127.0.0.1 -t made .", "hello\nnobody\n"),
    ],
)
def test_dockers_lines(shim: Wherry, context: Path, words: str, expected: str) -> None:
    (context / "other").write_text(RECIPE.replace("nobody", "other"))
    done = shim(*words.split(), cwd=context, env={"WHO": "you"})
    assert done.status == 0, str(done)
    assert done.stdout == ""  # as BuildKit: what goes on is told on standard error
    assert said(shim, "made") == expected
    shim.ok("rmi", "made")


@pytest.mark.parametrize(
    "words",
    [
        "build -t made .",
        "build -t made",
        "buildx build -t made --layers --format docker --isolation chroot .",
        "image build --pull=never -t made --jobs 2 --squash .",
        "build -t made --os linux --tls-verify=false .",
    ],
)
def test_podmans_lines(shim: Wherry, context: Path, words: str) -> None:
    podman = shim.named("podman")
    done = podman(*words.split(), cwd=context)
    assert done.status == 0, str(done)
    assert re.fullmatch(r"[0-9a-f]{64}", done.stdout.splitlines()[-1])
    assert said(podman, "made") == "hello\nnobody\n"
    podman.ok("rmi", "made")


def test_a_recipe_or_a_context_from_standard_input(shim: Wherry, context: Path, tmp_path: Path) -> None:
    shim.ok("build", "-t", "piped", "-f", "-", ".", cwd=context, stdin=RECIPE.replace("nobody", "piped"))
    assert said(shim, "piped") == "hello\npiped\n"
    shim.ok("build", "-t", "packed", "-", stdin=packed(context))
    assert said(shim, "packed") == "hello\nnobody\n"
    shim.ok("build", "-t", "alone", "-", stdin='FROM tiny\nCMD ["echo", "alone"]\n', cwd=tmp_path)
    assert said(shim, "alone") == "alone\n"


@pytest.mark.parametrize("face", FACES)
def test_quiet_prints_the_id_that_everything_else_shows(shim: Wherry, context: Path, tmp_path: Path, face: str) -> None:
    command = shim.named(face)
    ids = tmp_path / "ids"
    words = ("-q", "-t", "one:1", "-t", "localhost/two:2", "--iidfile", str(ids))
    printed = command.ok("build", *words, ".", cwd=context).strip()
    digits = printed.removeprefix("sha256:")
    assert printed.startswith("sha256:") == (face == "docker")
    assert re.fullmatch(r"[0-9a-f]{64}", digits)
    assert ids.read_text() == f"sha256:{digits}"
    for name in ("one:1", "localhost/two:2"):
        assert command.ok("inspect", "--format", "{{.Id}}", name).strip().removeprefix("sha256:") == digits
    assert command.ok("images", "-q", "--no-trunc", "one").strip().removeprefix("sha256:") == digits
    assert said(command, digits[:12]) == "hello\nnobody\n"


def test_what_was_built_is_inspected_as_any_image(shim: Wherry, context: Path) -> None:
    shim.ok("build", "-q", "-t", "seen:1", "--label", "more=x", ".", cwd=context)
    config = json.loads(shim.ok("inspect", "seen:1"))[0]["Config"]
    assert config["Labels"] == {"org.lab.study": "7", "more": "x"}
    assert config["Cmd"] == ["cat", "/hello", "/who"]
    history = shim.ok("history", "--no-trunc", "--format", "{{.CreatedBy}}", "seen:1")
    assert 'CMD ["cat" "/hello" "/who"]' in history
    assert "echo $WHO > /who" in history
    assert "seen:1" in shim.ok("images", "--format", "{{.Repository}}:{{.Tag}}")


def test_a_target_and_a_secret(shim: Wherry, context: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("xyzzy-1")
    recipe = RECIPE.replace("RUN echo", "RUN --mount=type=secret,id=t wc -c < /run/secrets/t > /count && echo")
    shim.ok("build", "-t", "aim", "--target", "first", "-f", "-", "--secret", f"id=t,src={tmp_path}/token", ".",
            cwd=context, stdin=recipe)  # fmt: skip
    assert shim.ok("run", "--rm", "aim", "cat", "/count").strip() == "7"
    assert shim("run", "--rm", "aim", "cat", "/hello").status != 0  # of the last stage
    assert shim("run", "--rm", "aim", "cat", "/run/secrets/t").status != 0


def test_the_file_of_metadata_has_buildkits_keys(shim: Wherry, context: Path, tmp_path: Path) -> None:
    file = tmp_path / "metadata.json"
    shim.ok("buildx", "build", "--metadata-file", str(file), "-t", "meta:1", ".", cwd=context)
    found = json.loads(file.read_text())
    assert found["containerimage.config.digest"] == shim.ok("inspect", "--format", "{{.Id}}", "meta:1").strip()
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", found["containerimage.digest"])
    assert found["image.name"].endswith("meta:1")


@pytest.mark.parametrize(
    ("face", "words", "status", "message"),
    [
        ("docker", "build", 1, 'ERROR: "docker build" requires exactly 1 argument'),
        ("docker", "build --nope .", 125, "unknown flag: --nope"),
        ("docker", "build -f nope .", 1, "ERROR: failed to solve: there is no recipe 'nope'"),
        ("docker", "build --platform linux/amd64,linux/arm64 .", 1, "ERROR: one platform is built at a time"),
        ("docker", "buildx bake", 1, "'docker buildx bake' is not possible here"),
        ("docker", "buildx create --driver kubernetes", 1, "there is no builder with the driver 'kubernetes'"),
        ("docker", "builder prune -f --filter type=regular", 1, "the filter 'type=regular' is not possible here"),
        ("docker", "build --call outline .", 1, "'--call outline' is not possible here"),
        ("docker", "build --no-cache-filter made .", 1, "cannot do '--no-cache-filter' here"),
        ("docker", "frob", 1, "docker: 'frob' is not a docker command"),
        ("podman", "build --unsetlabel a .", 125, "cannot do '--unsetlabel' here"),
        ("podman", "build --volume /a:/b .", 125, "cannot do '--volume' here: a step sees no host directory"),
        ("podman", "build --cap-add SYS_ADMIN .", 125, "cannot do '--cap-add' here"),
        ("podman", "build --creds a:b .", 125, "passwords do not belong on command lines"),
        ("podman", "build -f nope .", 125, "Error: there is no recipe 'nope'"),
    ],
)
def test_refused(shim: Wherry, context: Path, face: str, words: str, status: int, message: str) -> None:
    done = shim.named(face)(*words.split(), cwd=context)
    assert done.status == status, str(done)
    assert message in done.stderr


@pytest.mark.parametrize("words", ["build --check .", "buildx build --call=check -f Dockerfile ."])
def test_a_check_builds_nothing(shim: Wherry, context: Path, words: str) -> None:
    (context / "Dockerfile").write_text("FROM tiny\nMAINTAINER me\nRUN touch /made\n")
    done = shim(*words.split(), cwd=context)
    assert (done.status, "MaintainerDeprecated" in done.stdout) == (1, True), str(done)
    assert "RUN touch" not in done.stderr


def test_podman_finds_what_it_built_under_localhost(shim: Wherry, context: Path) -> None:
    """It calls what it builds so, and so do its users; a name that is given so is found without that, too."""
    podman = shim.named("podman")
    podman.ok("build", "-t", "local-one", "--timestamp", "1700000000", ".", cwd=context)
    assert said(podman, "localhost/local-one") == "hello\nnobody\n"
    assert podman("image", "exists", "localhost/local-one").status == 0
    assert podman.ok("inspect", "--format", "{{.Created}}", "localhost/local-one").startswith("2023-11-14")
    podman.ok("tag", "localhost/local-one", "localhost/local-two:1")
    assert said(podman, "local-two:1") == "hello\nnobody\n"
    for name in ("localhost/local-one", "local-two:1"):
        (context / "Dockerfile").write_text(f'FROM {name}\nCMD ["cat", "/who"]\n')
        podman.ok("build", "-t", "upon", ".", cwd=context)
        assert said(podman, "upon") == "nobody\n"
    podman.ok("rmi", "localhost/local-one", "localhost/local-two:1", "upon")


def test_a_wrong_recipe_shows_its_line(shim: Wherry, context: Path) -> None:
    done = shim("build", "-f", "-", ".", cwd=context, stdin="FROM tiny\nRUM true\n")
    assert done.status == 1
    assert done.stderr.startswith("ERROR: failed to solve: Dockerfile:2:1: unknown instruction 'RUM'"), str(done)
    assert "2 | RUM true" in done.stderr


@pytest.mark.parametrize(
    ("face", "variables", "status", "message"),
    [
        ("docker", {}, 1, "did not complete successfully: exit code: 7"),
        ("docker", {"DOCKER_BUILDKIT": "0"}, 7, "exit code: 7"),
        ("podman", {}, 7, "exit status 7"),
    ],
)
def test_a_step_that_fails(
    shim: Wherry, context: Path, face: str, variables: dict[str, str], status: int, message: str
) -> None:
    done = shim.named(face, **variables)("build", "-q", "-f", "-", ".", cwd=context, stdin="FROM tiny\nRUN exit 7\n")
    assert (done.status, done.stdout) == (status, "")
    assert message in done.stderr
    assert "'RUN exit 7'" in done.stderr
    again = re.search(r"next: (wherry run .*?) sh,", done.stderr)
    assert again, str(done)
    assert shim.named("wherry").ok(*again[1].replace("-it", "-i").split()[1:], "true") == ""  # the hint can be followed


def test_builders_as_scripts_ask_for_them(shim: Wherry, context: Path) -> None:
    """What setup-buildx and templates of continuous integration call, in their order."""
    assert re.match(r"github.com/docker/buildx v\d+\.\d+\.\d+ ", shim.ok("buildx", "version"))
    made = shim.ok("buildx", "create", "--name", "ci", "--driver", "docker-container", "--use", "--bootstrap").strip()
    assert made == "ci"
    facts = shim.ok("buildx", "inspect", "--bootstrap", "--builder", made)
    assert re.search(r"^Name: +ci$", facts, re.MULTILINE)
    assert re.search(r"^Status: +running$", facts, re.MULTILINE)
    assert "linux/" in facts
    assert shim.ok("buildx", "use", "ci") == ""
    assert shim.ok("buildx", "ls").splitlines()[0].split()[:2] == ["NAME/NODE", "DRIVER/ENDPOINT"]
    shim.ok("buildx", "build", "--builder", made, "-t", "by-ci", ".", cwd=context)
    assert re.search(r"^Total:\s+\d", shim.ok("buildx", "du"), re.MULTILINE)
    assert shim.ok("buildx", "rm", made) == "ci removed\n"
    for words in (("buildx", "ls"), ("builder", "version")):
        assert shim.named("podman")(*words).status == 125  # podman has them not


@pytest.mark.parametrize("face", FACES)
def test_prune_makes_the_next_build_do_all_anew(shim: Wherry, context: Path, face: str) -> None:
    command = shim.named(face)
    recipe = "FROM tiny\nRUN cat /proc/sys/kernel/random/uuid > /when\n"

    def when() -> str:
        command.ok("build", "-t", "chance", "-f", "-", ".", cwd=context, stdin=recipe)
        return command.ok("run", "--rm", "chance", "cat", "/when")

    first = when()
    command.ok("builder", "prune", "-f", *(["--filter", "until=24h"] if face == "docker" else []))
    if face == "docker":
        assert when() == first  # what was used within a day stays
        assert re.fullmatch(r"Total:\t[\d.]+k?B\n", command.ok("buildx", "prune", "-af"))
    command.ok("rmi", "chance")
    assert when() != first
    assert command("builder", "prune").status != 0  # it asks, and nobody is there


def test_what_builds_left_is_a_row_of_df(shim: Wherry, context: Path) -> None:
    shim.ok("build", "-t", "counted", ".", cwd=context)
    rows = dict(
        line.split("|") for line in shim.ok("system", "df", "--format", "{{.Type}}|{{.TotalCount}}").splitlines()
    )
    assert list(rows) == ["Images", "Containers", "Local Volumes", "Build Cache"]  # Docker's
    assert int(rows["Build Cache"]) > 0


@pytest.mark.parametrize("words", ["image prune -af --filter until=24h", "image prune -af --filter label!=keep"])
def test_a_filter_that_is_not_known_removes_no_image(shim: Wherry, words: str) -> None:
    done = shim(*words.split())
    assert (done.status, done.stdout) == (0, "Total reclaimed space: 0B\n")
    assert "nothing is removed" in done.stderr
    assert shim.ok("images", "-q", "tiny") != ""


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A context that every peer builds without a base image."""
    folder = tmp_path / "scratch"
    (folder / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", folder / "bin/busybox")
    (folder / "bin/sh").symlink_to("busybox")
    (folder / "Dockerfile").write_text(SCRATCH)
    return folder


@pytest.fixture
def real_podman() -> Iterator[list[str]]:
    """Podman's own command with storage of its own, whose place may be no longer than 50 letters."""
    place = tempfile.mkdtemp(dir="/var/tmp")
    places = [f"--root={place}/root", f"--runroot={place}/run", "--storage-driver=vfs"]
    yield ["podman", *places, "--cgroup-manager=cgroupfs", "--events-backend=none"]
    subprocess.run(["podman", *places, "unshare", "rm", "-rf", place], capture_output=True, check=True)
    shutil.rmtree(place, ignore_errors=True)  # podman itself writes there once more


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (SCRATCH, "build -q ."),
        (SCRATCH, "build -q -f - ."),
        (SCRATCH, "build -q --iidfile ids -t localhost/a:1 -t localhost/b:2 ."),
        (f"{SCRATCH}RUN exit 7\n", "build -q ."),
        (f"{SCRATCH}RUN nonesuch\n", "build -q ."),
        (f"{SCRATCH}COPY nonesuch /\n", "build -q ."),
        (f"{SCRATCH}WRONG\n", "build -q ."),
        (SCRATCH, "build -q -f nope ."),
        (SCRATCH, "build -q /nope"),
        (SCRATCH, "build --nope ."),
        (SCRATCH, "build . ."),
        (SCRATCH, "buildx ls"),
    ],
)
def test_status_and_output_are_podmans(
    shim: Wherry, scratch: Path, real_podman: list[str], recipe: str, words: str
) -> None:
    (scratch / "Dockerfile").write_text(recipe)
    stdin = recipe if "-f -" in words else ""
    more = ["--isolation=chroot"] if words.startswith("build -q") else []
    first, *rest = words.split()
    environment = {
        **{name: os.environ[name] for name in ("HOME", "USER", "PATH") if name in os.environ},
        "XDG_RUNTIME_DIR": str(shim.folder / "run"),
    }
    real = subprocess.run(
        [*real_podman, first, *more, *rest],
        cwd=scratch, input=stdin, capture_output=True, text=True, env=environment, timeout=120,
    )  # fmt: skip
    theirs = (scratch / "ids").read_text() if (scratch / "ids").exists() else ""
    ours = shim.named("podman")(first, *more, *rest, cwd=scratch, stdin=stdin)
    assert ours.status == real.returncode, f"{ours}\nreal: {real.stderr}"
    made = (scratch / "ids").read_text() if (scratch / "ids").exists() else ""
    assert shape(ours.stdout) == shape(real.stdout)
    assert shape(made) == shape(theirs)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (SCRATCH, "build -q ."),
        (SCRATCH, "build -q --iidfile ids -t a:1 ."),
        (f"{SCRATCH}RUN exit 7\n", "build -q --network none ."),
        (f"{SCRATCH}COPY nonesuch /\n", "build -q ."),
        (f"{SCRATCH}WRONG\n", "build -q ."),
        (SCRATCH, "build -q -f nope ."),
        (SCRATCH, "build -q /nope"),
        (SCRATCH, "build --nope ."),
        (SCRATCH, "build"),
    ],
)
def test_status_and_output_are_dockers(shim: Wherry, scratch: Path, docker: Docker, recipe: str, words: str) -> None:
    """Of its older builder, which is the one that needs no plug-in of its client."""
    (scratch / "Dockerfile").write_text(recipe)
    command = ["docker", "--config", str(docker.folder), "--host", docker.address, *words.split()]
    older = {"DOCKER_BUILDKIT": "0"}
    real = subprocess.run(
        command, cwd=scratch, capture_output=True, text=True, env={**os.environ, **older}, stdin=subprocess.DEVNULL
    )
    theirs = (scratch / "ids").read_text() if (scratch / "ids").exists() else ""
    ours = shim.named("docker", **older)(*words.split(), cwd=scratch)
    assert ours.status == real.returncode, f"{ours}\nreal: {real.stderr}"
    made = (scratch / "ids").read_text() if (scratch / "ids").exists() else ""
    assert shape(ours.stdout) == shape(real.stdout)
    assert shape(made) == shape(theirs).rstrip()  # BuildKit, as we, writes no line's end


def shape(text: str) -> str:
    return re.sub(r"[0-9a-f]{64}", "ID", text)


def test_docker_builds_for_the_platform_that_its_variable_names(shim: Wherry, tmp_path: Path) -> None:
    """Also when the same line was answered before without it; podman reads no such variable."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    time.sleep(2.1)  # of what is as young as that no answer is saved

    def architecture(face: str, *more: str, **variables: str) -> str:
        line = ("build", "-q", "-t", "for-another", *more, str(tmp_path))
        for _ in range(2):
            shim.named(face).ok(*line, env=variables)
        return shim.ok("inspect", "-f", "{{.Architecture}}", "for-another").strip()

    own = architecture("docker")
    assert architecture("docker", DOCKER_DEFAULT_PLATFORM="linux/s390x") == "s390x" != own
    assert architecture("docker") == own
    assert architecture("docker", "--platform", "linux/arm64", DOCKER_DEFAULT_PLATFORM="linux/s390x") == "arm64"
    assert architecture("podman", DOCKER_DEFAULT_PLATFORM="linux/s390x") == own
