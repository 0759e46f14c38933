"""Processor and graphics processors, as the kernel shows them."""

from __future__ import annotations

import contextlib
import os

from wherry.host.facts import Gpu, Processor
from wherry.host.switches import read_text

__all__ = ["find_gpus", "find_processor", "processor_level"]

# The levels of the x86-64 psABI, in the kernel's names (pni is SSE3, abm holds LZCNT; xsave stands for OSXSAVE).
_LEVELS = (
    ("x86-64-v2", "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"),
    ("x86-64-v3", "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"),
    ("x86-64-v4", "avx512f avx512bw avx512cd avx512dq avx512vl"),
)
_DRIVERS = {"amdgpu": "amd", "i915": "intel", "xe": "intel"}


def find_processor() -> Processor:
    """Model, instruction set level, and how many there are and may be used."""
    facts: dict[str, str] = {}
    for line in read_text("/proc/cpuinfo").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            facts.setdefault(name.strip(), value.strip())
    machine = os.uname().machine
    level = processor_level(frozenset(facts.get("flags", "").split())) if machine == "x86_64" else machine
    return Processor(facts.get("model name", ""), level, os.cpu_count() or 1, len(os.sched_getaffinity(0)))


def processor_level(flags: frozenset[str]) -> str:
    """The highest x86-64 level of which every instruction, and those of the levels below, are there."""
    level = "x86-64-v1"
    for name, needed in _LEVELS:
        if not flags.issuperset(needed.split()):
            break
        level = name
    return level


def find_gpus(proc: str = "/proc", sys: str = "/sys") -> tuple[Gpu, ...]:
    """Those whose kernel driver is loaded; a device that we may not open is told as not usable."""
    return (*_nvidia(f"{proc}/driver/nvidia"), *_rendering(sys))


def _nvidia(root: str) -> list[Gpu]:
    words = read_text(f"{root}/version").partition("\n")[0].split()
    driver = next((word for word in words if word[0].isdigit() and "." in word), "")
    found = []
    for name in _names(f"{root}/gpus"):
        lines = [line.partition(":") for line in read_text(f"{root}/gpus/{name}/information").splitlines()]
        facts = {key.strip(): value.strip() for key, _, value in lines}
        device = f"/dev/nvidia{facts.get('Device Minor', '')}"
        found.append(Gpu("nvidia", facts.get("Model", "unknown"), device, driver, _opens(device)))
    return found


def _rendering(sys: str) -> list[Gpu]:
    found = []
    for name in _names(f"{sys}/class/drm"):
        if not name.startswith("renderD"):
            continue
        place = f"{sys}/class/drm/{name}/device"
        driver = os.path.basename(os.path.realpath(f"{place}/driver"))
        vendor = _DRIVERS.get(driver)
        if vendor is None:
            continue
        device = f"/dev/dri/{name}"
        usable = _opens(device) and (vendor != "amd" or _opens("/dev/kfd"))
        product = read_text(f"{place}/product_name").strip() or read_text(f"{place}/device").strip()
        version = read_text(f"{sys}/module/{driver}/version").strip()
        found.append(Gpu(vendor, product or "unknown", device, version or driver, usable))
    return found


def _opens(device: str) -> bool:
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _names(folder: str) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(os.listdir(folder))
    return []
