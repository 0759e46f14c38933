"""Images of another architecture: they run where the kernel knows an interpreter for it (binfmt_misc)."""

from __future__ import annotations

from wherry.base.errors import HostLacks

__all__ = ["require_emulation"]

_QEMU = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "arm": "arm",
    "386": "i386",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}


def require_emulation(reference: str, wanted: str, architecture: str) -> None:
    """Raise :class:`HostLacks` unless an interpreter for ``wanted`` is registered that works inside a container.

    It does with the flag F, which opens the interpreter when it is registered
    (https://docs.kernel.org/admin-guide/binfmt-misc.html).
    """
    name = _QEMU.get(wanted, wanted)
    try:
        with open(f"/proc/sys/fs/binfmt_misc/qemu-{name}") as file:
            lines = file.read().splitlines()
    except OSError:
        lines = []
    flags = next((line.removeprefix("flags: ") for line in lines if line.startswith("flags: ")), "")
    if "enabled" in lines and "F" in flags:
        return
    is_built = " " in reference  # a build's stage is in no registry
    hint = (
        f"build it with --platform linux/{architecture}"
        if is_built
        else (f"pull the other variant: wherry pull --platform linux/{architecture} {reference}")
    )
    raise HostLacks(
        f"'{reference}' is for {wanted}, this machine is {architecture}",
        why="no emulator for it is registered with the kernel" if not lines else "its emulator does not work inside",
        hint=f"{hint}; or ask the administrator for qemu-user-static",
    )
