"""Workflow systems and continuous integration on the ``docker`` and ``podman`` shims: their own lines, run for real."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tool_venv import tool_folder
from wherry_command import Result, Wherry

TOOL = """
cwlVersion: v1.2
class: CommandLineTool
requirements:
  DockerRequirement: {dockerPull: "%s"}
  EnvVarRequirement: {envDef: {GREETING: "good day"}}
  ResourceRequirement: {coresMin: 1, ramMin: 64}
  InitialWorkDirRequirement:
    listing:
      - entryname: settings
        entry: "staged"
baseCommand: [sh, -c]
arguments: ['echo "$GREETING"; cat settings; echo; cat "$0"; id -u; pwd > where; echo "$HOME" >> where']
inputs:
  table: {type: File, inputBinding: {position: 1}}
stdout: out.txt
outputs:
  out: {type: stdout}
  where: {type: File, outputBinding: {glob: where}}
"""


def script(wherry: Wherry, text: str, folder: Path, **variables: str) -> Result:
    """A script in which the shims are in PATH."""
    environment = {**wherry.environment, **variables}
    done = subprocess.run(
        ["bash", "-c", text], capture_output=True, text=True, env=environment, cwd=folder, timeout=120
    )
    return Result(("bash", "-c", text), done.returncode, done.stdout, done.stderr)


@pytest.fixture
def held(wherry: Wherry, tiny: str) -> Wherry:
    wherry.ok("pull", "-q", tiny)
    wherry.ok("tag", tiny, "lab/tiny:1")
    wherry.named("podman")
    return wherry.named("docker")


@pytest.mark.parametrize("words", [(), ("--podman",), ("--strict-memory-limit", "--strict-cpu-limit")])
def test_cwltool(held: Wherry, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Its own lines of docker and podman: mounts, user, workdir, read-only root, network, cidfile."""
    (tmp_path / "table").write_text("1 2 3\n")
    (tmp_path / "tool.cwl").write_text(TOOL % "lab/tiny:1")
    cwltool = tool_folder("cwltool") / "cwltool"
    command = [str(cwltool), "--outdir", f"{tmp_path}/results", "--cidfile-dir", str(tmp_path), *words]
    done = subprocess.run(
        [*command, f"{tmp_path}/tool.cwl", "--table", f"{tmp_path}/table"],
        cwd=tmp_path,
        env=held.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = {name: Path(item["path"]).read_text() for name, item in json.loads(done.stdout).items()}
    assert found["out"] == f"good day\nstaged\n1 2 3\n{os.getuid()}\n"
    where, home = found["where"].split()
    assert where == home
    assert held.ok("ps", "-aq") == ""  # nothing stays


PEGASUS = r"""
cont_name=job-1-cont; cont_image=%s
cont_user=$(id -nu); cont_userid=$(id -u); cont_group=$(id -ng); cont_groupid=$(id -g)
docker run --user root -v $PWD:/scratch -w=/scratch --entrypoint /bin/sh --name $cont_name $cont_image -c "set -e;
export root_path=\$PATH;
if ! grep -q -E \"^$cont_group:\" /etc/group ; then
  groupadd -f --gid $cont_groupid $cont_group;
fi;
if ! id $cont_user 2>/dev/null >/dev/null; then
  useradd -o --uid $cont_userid --gid $cont_groupid $cont_user;
fi;
su $cont_user -c ./job.sh"
status=$?
docker rm --force $cont_name 1>&2
exit $status
"""


def test_pegasus_line(wherry: Wherry, small_image: str, tmp_path: Path) -> None:
    """With one id users and groups are made, and becoming one is not possible, which is said; with subordinate ids
    (WHERRY_RUN_USERNS=range) the job runs as the user that was made."""
    wherry.ok("pull", "-q", small_image)
    docker = wherry.named("docker")
    (tmp_path / "job.sh").write_text("#!/bin/sh\nid -un; echo done > out/result\n")
    (tmp_path / "job.sh").chmod(0o755)
    tmp_path.chmod(0o755)
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o777)  # the job is another id than yours, as its files are
    alone = script(docker, PEGASUS % small_image, tmp_path)
    assert alone.status != 0
    assert "su: cannot set groups" in alone.stderr, str(alone)
    ranged = script(docker, PEGASUS % small_image, tmp_path, WHERRY_RUN_USERNS="range")
    assert ranged.status == 0, str(ranged)
    assert ranged.stdout.splitlines()[0] == os.environ["USER"]
    assert (tmp_path / "out/result").read_text() == "done\n"
    assert docker.ok("ps", "-aq") == ""


CI = r"""
set -eu
docker --version
docker info >/dev/null
docker login -u ci -p token "$REGISTRY" >/dev/null 2>&1
docker pull "$IMAGE" >/dev/null
cid=$(docker run -d --rm -e MODE=test -v "$PWD":/src:ro -w /src "$IMAGE" sleep 60)
trap 'docker rm -f "$cid" >/dev/null 2>&1 || true' EXIT
[ "$(docker inspect --format '{{.State.Running}}' "$cid")" = true ]
docker exec "$cid" sh -c 'cat input; echo $MODE'
docker cp "$cid":/etc/os-release ./release
grep -c tiny release
test -z "$(docker ps -q --filter status=exited)"
docker stop -t 1 "$cid" >/dev/null
docker images --format '{{.Repository}}:{{.Tag}}' | grep -c tiny
docker tag "$IMAGE" "$REGISTRY/ci/out:$GITHUB_SHA"
docker push -q "$REGISTRY/ci/out:$GITHUB_SHA"
docker image rm "$REGISTRY/ci/out:$GITHUB_SHA" >/dev/null
docker run --rm -v "$PWD":"$PWD" -w "$PWD" -u "$(id -u):$(id -g)" "$IMAGE" sh -c 'echo built > artefact; id -u'
docker logout "$REGISTRY" >/dev/null
docker system prune -af >/dev/null
"""


def test_a_script_of_continuous_integration(wherry: Wherry, pushed: Callable[..., str], tmp_path: Path) -> None:
    """The verbs that such scripts use, with ``set -e``."""
    image = pushed("tiny")
    docker = wherry.named("docker")
    (tmp_path / "input").write_text("data\n")
    registry = image.partition("/")[0]
    variables = {"IMAGE": image, "REGISTRY": registry, "GITHUB_SHA": "abc123", "DOCKER_CONFIG": f"{tmp_path}/config"}
    result = script(docker, CI, tmp_path, **variables)
    assert result.status == 0, str(result)
    lines = result.stdout.splitlines()
    assert lines[1:3] == ["data", "test"]
    assert lines[-2:] == [f"{registry}/ci/out:abc123", str(os.getuid())]
    assert (tmp_path / "artefact").read_text() == "built\n"


GITLAB = r"""
set -euo pipefail
docker info
docker login -u "$CI_REGISTRY_USER" -p "$CI_JOB_TOKEN" $CI_REGISTRY
docker pull "$CI_REGISTRY_IMAGE:latest" || true
docker build --cache-from "$CI_REGISTRY_IMAGE:latest" --pull=false --build-arg BASE="$BASE" \
  --build-arg VERSION=$CI_COMMIT_SHORT_SHA --label org.opencontainers.image.revision=$CI_COMMIT_SHORT_SHA \
  --tag "$CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA" --tag "$CI_REGISTRY_IMAGE:latest" .
docker run --rm "$CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA" > said
docker push "$CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA" && docker push "$CI_REGISTRY_IMAGE:latest"
docker image prune -f
docker builder prune -f --filter until=24h
docker logout $CI_REGISTRY
"""

GITHUB = r"""
set -euo pipefail
docker buildx version
docker buildx create --name builder-1 --driver docker-container \
  --buildkitd-flags '--allow-insecure-entitlement network.host' --use
docker buildx inspect --bootstrap --builder builder-1
docker buildx build --builder builder-1 --build-arg BASE="$BASE" \
  --cache-from type=local,src=cache --cache-to type=local,dest=cache,mode=max \
  --iidfile iid --metadata-file metadata.json --provenance=false --tag "$CI_REGISTRY_IMAGE:hub" --push .
docker buildx rm builder-1
"""


@pytest.mark.parametrize(("text", "tag"), [(GITLAB, "0a1b2c"), (GITLAB, "latest"), (GITHUB, "hub")])
def test_what_continuous_integration_builds_is_in_the_registry(
    wherry: Wherry, pushed: Callable[..., str], tmp_path: Path, text: str, tag: str
) -> None:
    """Templates of GitLab and GitHub: build, try, push; then another tool takes the image from the registry."""
    base = pushed("tiny")
    registry = base.partition("/")[0]
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        'ARG BASE\nFROM $BASE\nARG VERSION=none\nRUN echo $VERSION > /version\nCMD ["cat", "/version"]\n'
    )
    image = f"{registry}/group/{tmp_path.name.replace('_', '-')}"
    variables = {"BASE": base, "CI_REGISTRY": registry, "CI_REGISTRY_USER": "ci", "CI_JOB_TOKEN": "token"}
    variables |= {"CI_REGISTRY_IMAGE": image, "CI_COMMIT_SHORT_SHA": "0a1b2c", "DOCKER_CONFIG": f"{tmp_path}/config"}
    for _ in range(2):  # the second pipeline finds what the first one left
        result = script(wherry.named("docker"), text, folder, **variables)
        assert result.status == 0, str(result)
    copy = ["skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false"]
    subprocess.run([*copy, f"docker://{image}:{tag}", f"dir:{tmp_path}/pulled"], check=True, capture_output=True)
    config = json.loads((tmp_path / "pulled/manifest.json").read_text())["config"]["digest"]
    found = json.loads((tmp_path / "pulled" / config.removeprefix("sha256:")).read_text())["config"]
    assert found["Cmd"] == ["cat", "/version"]
    if text is GITLAB:
        assert (folder / "said").read_text() == "0a1b2c\n"
        assert found["Labels"]["org.opencontainers.image.revision"] == "0a1b2c"
    else:
        assert (folder / "iid").read_text() == config
        assert json.loads((folder / "metadata.json").read_text())["containerimage.config.digest"] == config


def test_nextflows_podman_line(held: Wherry, tmp_path: Path) -> None:
    (tmp_path / ".command.sh").write_text("echo $NXF_TASK_WORKDIR > result; id -u\n")
    line = (
        'podman run -i -e "NXF_TASK_WORKDIR" -v /tmp:/tmp -v "$PWD":"$PWD":rw -w "$NXF_TASK_WORKDIR" '
        "--entrypoint /bin/sh --cpu-shares 1024 --memory 256m --name nxf-1 lab/tiny:1 .command.sh; podman rm nxf-1"
    )
    result = script(held, line, tmp_path, NXF_TASK_WORKDIR=str(tmp_path))
    assert result.stdout.splitlines() == ["0", "nxf-1"], str(result)
    assert (tmp_path / "result").read_text() == f"{tmp_path}\n"
    assert (tmp_path / "result").stat().st_uid == os.getuid()
