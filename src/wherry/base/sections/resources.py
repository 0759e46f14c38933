"""``[resources]``: what a container may use when no flag says otherwise."""

from wherry.base.settings import Key

__all__ = ["KEYS"]

KEYS = (
    Key("resources.memory", "size", "", "memory for each container, as 4G; empty: no limit", project=True),
    Key("resources.cpus", "text", "", "processors' time for each container, as 1.5; empty: no limit", project=True),
    Key("resources.pids", "number", 0, "processes and threads in each container; 0: no limit", project=True),
    Key(
        "resources.cgroup",
        "text",
        "",
        "control group (cgroup2 folder) that was handed over to you, by a job's prolog for example",
    ),
)
