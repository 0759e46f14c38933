"""Names that nobody gave: an adjective and what floats, told by the container's id or made anew."""

from __future__ import annotations

import os

__all__ = ["fresh_name", "name_for"]

_HOW = (
    *("able", "amber", "balmy", "bold", "brave", "brisk", "calm", "candid", "clear", "coral", "dapper", "eager"),
    *("early", "fair", "fleet", "fond", "frank", "gentle", "glad", "golden", "hardy", "honest", "humble", "jolly"),
    *("keen", "kind", "light", "lively", "lucid", "merry", "mild", "modest", "nimble", "noble", "patient", "placid"),
    *("proud", "quick", "quiet", "ready", "serene", "silver", "sober", "steady", "sturdy", "swift", "tidal", "tidy"),
    *("trim", "upbeat", "vivid", "warm", "wary", "willing", "windy", "wise", "witty", "zesty", "mellow", "azure"),
    *("breezy", "crisp", "deep", "agile"),
)
_WHAT = (
    *("ark", "barge", "bark", "brig", "buoy", "canoe", "caravel", "catboat", "clipper", "coble", "cog", "coracle"),
    *("currach", "cutter", "dhow", "dinghy", "dory", "felucca", "ferry", "frigate", "galleon", "galley", "gig"),
    *("gondola", "hooker", "hoy", "junk", "kayak", "keel", "ketch", "knarr", "launch", "lighter", "longboat"),
    *("lugger", "packet", "pinnace", "pirogue", "pram", "proa", "punt", "raft", "sampan", "schooner", "scow"),
    *("scull", "shallop", "skiff", "sloop", "smack", "snow", "tender", "trawler", "tug", "umiak", "wherry", "xebec"),
    *("yacht", "yawl", "smack", "skerry", "trimaran", "shell", "racer"),
)


def name_for(container_id: str) -> str:
    """The name of a container that has none: the same for the same id."""
    number = int(container_id[:8], 16)
    return f"{_HOW[number % len(_HOW)]}_{_WHAT[number // len(_HOW) % len(_WHAT)]}"


def fresh_name(containers: str) -> str:
    """A name that no kept container has; with a number where the plain ones are many."""
    for attempt in range(20):
        name = name_for(os.urandom(4).hex()) + (str(attempt) if attempt > 5 else "")
        if not os.path.lexists(f"{containers}/names/{name}"):
            return name
    return name_for(os.urandom(4).hex()) + os.urandom(3).hex()
