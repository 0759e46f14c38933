"""Other ways from a registry, or from a file, to a tree on disk: skopeo with umoci, and tar alone."""

from __future__ import annotations

import shutil

from measuring import Command
from workplace import Workplace, program, remove


def skopeo_umoci(at: Workplace, name: str) -> Command:
    oci, bundle = at.folder / "skopeo", at.folder / "umoci"
    script = (
        f"{program('skopeo')} copy -q --insecure-policy --src-tls-verify=false"
        f" docker://{at.reference(name)} oci:{oci}:{name}"
        f" && {program('umoci')} unpack --rootless --image {oci}:{name} {bundle} && sync"
    )
    return Command(["/bin/sh", "-c", script], at.environment)


def tar(at: Workplace, name: str) -> Command:
    place = at.folder / "tar"
    script = f"mkdir -p {place} && tar -xzf {at.layer(name)} -C {place} --exclude='./dev/*' && sync"
    return Command(["/bin/sh", "-c", script], at.environment)


def gzip(at: Workplace, name: str) -> Command:
    return Command(["/bin/sh", "-c", f"gzip -dc {at.layer(name)} >/dev/null"], at.environment)


def forget(at: Workplace) -> None:
    shutil.rmtree(at.folder / "skopeo", ignore_errors=True)
    remove(at.folder / "umoci")
    remove(at.folder / "tar")
