"""Images that tests, the demo and the benchmarks run: made here, from Debian packages and from nothing.

``tiny``     one static busybox: for what needs a shell and milliseconds.
``small``    a Debian (minbase) with python3-minimal, in one layer.
``layered``  on top of ``tiny``: whiteouts, opaque directories, hard links across layers, set-id files, devices, xattrs.
``fetch``    Debian (minbase) with the programs that fetch things: curl, wget, git, pip.
``science``  Debian with numpy, scipy, astropy, matplotlib and more: about 1.3 GB in 48,000 files, one layer.

All are OCI layouts in a cache folder outside the tree (root's set-up makes them for all users of the machine); a lock
makes it safe for several test processes at once.
Standard library only: the set-up script imports it before anything is installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

MIRROR = os.environ.get("WHERRY_DEBIAN_MIRROR", "")  # empty: mmdebstrap's own
SUITE = "bookworm"
EPOCH = 1_700_000_000  # every made file's time, so that digests are the same on every machine
_SCIENCE = ("astropy", "h5py", "matplotlib", "numpy", "pandas", "photutils", "scipy", "sklearn")
RECIPES: Mapping[str, tuple[str, ...]] = {
    "small": ("python3-minimal",),
    "fetch": ("ca-certificates", "curl", "git", "openssl", "python3-pip", "wget"),
    "science": ("ca-certificates", "procps", "python3", *(f"python3-{name}" for name in _SCIENCE)),
}


def cache() -> Path:
    """Where made images are kept: ``$WHERRY_TEST_CACHE``, else ``~/.cache/wherry-test``."""
    folder = Path(os.environ.get("WHERRY_TEST_CACHE") or Path.home() / ".cache" / "wherry-test")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def image(name: str) -> Path:
    """The OCI layout (tag ``latest``) of one of the images above, made if it is not in the cache."""
    key = f"{name}-{_recipe(name)}.oci"
    for folder in (Path(os.environ.get("WHERRY_TEST_IMAGES", "/var/cache/wherry-test")) / key, cache() / key):
        if (folder / "index.json").exists():
            return folder
    with _lock(name):
        if not (folder / "index.json").exists():
            for old in cache().glob(f"{name}-*.oci*"):
                shutil.rmtree(old)
            making = folder.with_suffix(".oci-making")
            _make(name, making)
            making.rename(folder)
    return folder


def picture() -> Path:
    """A picture of 47 Tucanae by the Hubble Space Telescope, which Debian's ``python-drizzle-testdata`` ships."""
    wanted = cache() / "j8bt06nyq_flt.fits"
    with _lock("picture"):
        if not wanted.exists():
            tar = cache() / "picture.tar"
            try:
                debootstrap(tar, ("python-drizzle-testdata",), "extract")
                with tarfile.open(tar) as archive:
                    content = archive.extractfile(f"./usr/share/python-drizzle/test_data/{wanted.name}")
                    assert content is not None
                    wanted.with_suffix(".tmp").write_bytes(content.read())
            finally:
                tar.unlink(missing_ok=True)
            wanted.with_suffix(".tmp").rename(wanted)
    return wanted


def write_layout(
    folder: Path,
    layers: Iterable[Path | bytes],
    config: Mapping[str, object],
    level: int = 6,
    base: Path | None = None,
) -> str:
    """An OCI layout of ``layers`` (plain tars), each gzipped, above those of ``base``; the digest of its manifest.

    ``config`` is the image configuration's ``config`` (``Env``, ``Cmd`` ...).
    """
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    descriptors, diff_ids = _take_base(blobs, base) if base else ([], [])
    for layer in layers:
        descriptor, diff_id = _write_layer(blobs, layer, level)
        descriptors.append(descriptor)
        diff_ids.append(diff_id)
    document = {
        "created": "2023-11-14T22:13:20Z",
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": "2023-11-14T22:13:20Z", "created_by": f"layer {n}"} for n in range(len(diff_ids))],
    }
    media = "application/vnd.oci.image"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{media}.manifest.v1+json",
        "config": _write_json(blobs, document, f"{media}.config.v1+json"),
        "layers": descriptors,
    }
    described = _write_json(blobs, manifest, f"{media}.manifest.v1+json")
    index = {
        "schemaVersion": 2,
        "manifests": [{**described, "annotations": {"org.opencontainers.image.ref.name": "latest"}}],
    }
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps(index))
    return str(described["digest"])


class Layer:
    """A layer's tar, entry by entry, with ownership and times of its own: ``Layer().file('etc/x', b'...').tar()``."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.TarFile(fileobj=self._buffer, mode="w", format=tarfile.PAX_FORMAT)

    def file(self, name: str, content: bytes = b"", mode: int = 0o644, **more: object) -> Layer:
        return self._add(name, tarfile.REGTYPE, mode, content=content, **more)

    def directory(self, name: str, mode: int = 0o755, **more: object) -> Layer:
        return self._add(name, tarfile.DIRTYPE, mode, **more)

    def symlink(self, name: str, target: str, **more: object) -> Layer:
        return self._add(name, tarfile.SYMTYPE, 0o777, linkname=target, **more)

    def hardlink(self, name: str, target: str, **more: object) -> Layer:
        return self._add(name, tarfile.LNKTYPE, 0o644, linkname=target, **more)

    def device(self, name: str, major: int, minor: int, mode: int = 0o666) -> Layer:
        return self._add(name, tarfile.CHRTYPE, mode, devmajor=major, devminor=minor)

    def fifo(self, name: str, mode: int = 0o644) -> Layer:
        return self._add(name, tarfile.FIFOTYPE, mode)

    def whiteout(self, name: str) -> Layer:
        """Remove what earlier layers have at ``name``."""
        folder, _, base = name.rpartition("/")
        return self.file(f"{folder}/.wh.{base}".lstrip("/"), mode=0o000)

    def opaque(self, name: str) -> Layer:
        """Hide all that earlier layers have in directory ``name``."""
        return self.file(f"{name}/.wh..wh..opq", mode=0o000)

    def tar(self) -> bytes:
        self._tar.close()
        return self._buffer.getvalue()

    def _add(self, name: str, kind: bytes, mode: int, content: bytes = b"", **more: object) -> Layer:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.size, entry.mtime = kind, mode, len(content), EPOCH
        for field, value in more.items():
            setattr(entry, "pax_headers" if field == "pax" else field, value)
        self._tar.addfile(entry, io.BytesIO(content))
        return self


def tiny_layer() -> bytes:
    """A root file system around one static busybox (Debian's ``busybox-static``)."""
    busybox = Path("/bin/busybox").read_bytes()
    applets = subprocess.run(["/bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout.split()
    layer = Layer()
    for name in ("bin", "dev", "etc", "home", "proc", "root", "sys", "usr", "usr/bin", "var"):
        layer.directory(name)
    layer.directory("tmp", 0o1777)
    layer.file("bin/busybox", busybox, 0o755)
    for applet in sorted(set(applets) - {"busybox"}):
        layer.symlink(f"bin/{applet}", "busybox")
    layer.symlink("usr/bin/env", "../../bin/busybox")
    layer.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    layer.file("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    layer.file("etc/os-release", b'ID=tiny\nPRETTY_NAME="a busybox, for tests"\n')
    return layer.tar()


def layered_layers() -> list[bytes]:
    """Layers, above ``tiny``'s, with all that applying layers has to get right; ``/expect`` tells what remains."""
    xattr = {"SCHILY.xattr.user.flavour": "vanilla"}
    lower = (
        Layer()
        .directory("data")
        .file("data/stays", b"lower\n")
        .file("data/goes", b"lower\n")
        .file("data/changes", b"lower\n")
        .directory("data/folder")
        .file("data/folder/goes-with-it", b"x")
        .directory("opaque")
        .file("opaque/hidden", b"lower\n")
        .file("link-target", b"one file, two names\n")
        .file("becomes-a-directory", b"file\n")
        .directory("becomes-a-file")
        .file("becomes-a-file/child", b"x")
        .file("bin/set-id", b"#!/bin/sh\nid -u\n", 0o4755)
        .directory("shared", 0o2775, gid=50, gname="staff")
        .file("owned", b"of 1000:1000\n", uid=1000, gid=1000)
        .file("flavoured", b"has an xattr\n", pax=xattr)
        .device("dev/null-of-the-image", 1, 3)
        .fifo("pipe")
    )
    upper = (
        Layer()
        .whiteout("data/goes")
        .whiteout("data/folder")
        .file("data/changes", b"upper\n")
        .directory("opaque")
        .opaque("opaque")
        .file("opaque/shown", b"upper\n")
        .hardlink("link", "link-target")
        .directory("becomes-a-directory")
        .file("becomes-a-directory/child", b"x")
        .file("becomes-a-file", b"file\n")
        .directory("no-access", 0o000)
        .file("no-read", b"secret\n", 0o000)
        .file("long-" + "n" * 200, b"long name\n")
        .file("sp ace\n and newline", b"odd name\n")
        .file("expect", b"data/stays data/changes opaque/shown link becomes-a-directory/child becomes-a-file\n")
    )
    return [tiny_layer(), lower.tar(), upper.tar()]


def _recipe(name: str) -> str:
    """What an image is made of, as a short digest: another recipe is another folder."""
    recipe = repr((SUITE, RECIPES[name])).encode() if name in RECIPES else Path(__file__).read_bytes()
    return hashlib.sha256(recipe).hexdigest()[:10]


def _make(name: str, folder: Path) -> None:
    shell = {"Cmd": ["/bin/sh"], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
    if name == "tiny":
        write_layout(folder, [tiny_layer()], shell)
    elif name == "layered":
        write_layout(folder, layered_layers(), {**shell, "WorkingDir": "/data", "Labels": {"kind": "layered"}})
    else:
        tar = cache() / f"{name}.tar"
        try:
            debootstrap(tar, RECIPES[name])
            write_layout(folder, [tar], {**shell, "Cmd": ["/bin/bash"]})
        finally:
            tar.unlink(missing_ok=True)


def debootstrap(tar: Path, packages: Sequence[str], variant: str = "minbase", suite: str = SUITE) -> None:
    """A Debian root file system in ``tar``; by root as root, else in a user namespace (needs /etc/subuid)."""
    mode = "root" if os.geteuid() == 0 else "unshare"
    command = [
        *("mmdebstrap", f"--mode={mode}", f"--variant={variant}", f"--include={','.join(packages)}"),
        *("--aptopt=Apt::Install-Recommends false", "--aptopt=Acquire::Retries 3", "--dpkgopt=force-unsafe-io"),
        *(suite, str(tar), *filter(None, [MIRROR])),
    ]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "TMPDIR": os.environ.get("TMPDIR", "/var/tmp")}
    made = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if made.returncode:
        raise RuntimeError(f"mmdebstrap ended with {made.returncode}:\n{made.stderr[-3000:]}")


def _take_base(blobs: Path, base: Path) -> tuple[list[dict[str, object]], list[str]]:
    """The layers of another layout, linked or copied; their descriptors and diff ids."""

    def blob(digest: str) -> Path:
        return base / "blobs" / "sha256" / digest.removeprefix("sha256:")

    manifest = json.loads(blob(json.loads((base / "index.json").read_text())["manifests"][0]["digest"]).read_text())
    for layer in manifest["layers"]:
        shutil.copyfile(blob(layer["digest"]), blobs / blob(layer["digest"]).name)
    return manifest["layers"], json.loads(blob(manifest["config"]["digest"]).read_text())["rootfs"]["diff_ids"]


def _write_layer(blobs: Path, layer: Path | bytes, level: int) -> tuple[dict[str, object], str]:
    temporary = blobs / "layer.tmp"
    plain = hashlib.sha256()
    source = io.BytesIO(layer) if isinstance(layer, bytes) else layer.open("rb")
    with source, temporary.open("wb") as raw, gzip.GzipFile("", "wb", level, raw, EPOCH) as packed:
        while piece := source.read(1 << 20):
            plain.update(piece)
            packed.write(piece)
    with temporary.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    size = temporary.stat().st_size
    temporary.rename(blobs / digest)
    media = "application/vnd.oci.image.layer.v1.tar+gzip"
    return {"mediaType": media, "digest": f"sha256:{digest}", "size": size}, f"sha256:{plain.hexdigest()}"


def _write_json(blobs: Path, document: Mapping[str, object], media: str) -> dict[str, object]:
    content = json.dumps(document).encode()
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(content)}


@contextlib.contextmanager
def _lock(name: str) -> Iterator[None]:
    with (cache() / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
