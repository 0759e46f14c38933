"""Pull until ready to run and synced: one layer, over loopback, caches dropped before each."""

from __future__ import annotations

from measuring import Case, interleave, peak_pss, table
from peers import copying, docker, wherry
from workplace import Workplace


def measure(at: Workplace, rounds: int) -> str:
    few = max(1, min(rounds, 5))

    def clean() -> None:
        wherry.forget(at)
        copying.forget(at)
        try:
            docker.forget(at, "science", "second")
        except Exception as error:  # no docker here: its row says so
            str(error)
        at.clean()

    ours = Case("wherry pull", lambda n: wherry.pull(at, "science"), before=clean)
    cases = [
        ours,
        Case("tar -xzf, sync", lambda n: copying.tar(at, "science"), before=clean),
        Case("docker pull, sync", lambda n: docker.pull(at, "science"), before=clean),
        Case("gzip -dc", lambda n: copying.gzip(at, "science"), before=clean),
        Case("skopeo + umoci, sync", lambda n: copying.skopeo_umoci(at, "science"), before=clean, rounds=min(few, 2)),
    ]
    interleave(cases, few, warm=0)
    if not ours.failure:
        clean()
        ours.extra = f"{peak_pss(wherry.pull(at, 'science')) / 1e6:.0f} MB"
    clean()
    must = "2.5 x faster than docker, faster than `tar -xzf`, peak memory (PSS of all processes) under 150 MB"
    size = at.layer("science").stat().st_size / 1e6
    return f"A layer of {size:.0f} MB (gzip). Must reach: {must}.\n\n" + table(cases, "tar -xzf, sync", "peak memory")
