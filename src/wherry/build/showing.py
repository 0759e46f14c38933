"""A graph as people read it: one line a step, or Graphviz's language for a picture. Pure."""

from __future__ import annotations

from wherry.build.executing import needed_by
from wherry.build.graph import CopyStep, Graph, RunStep, SourceStep, Step

__all__ = ["as_dot", "as_text", "titles"]

_WIDTH = 100


def titles(graph: Graph) -> tuple[str, ...]:
    """What each step is called while it is made: ``[stage 2/5] RUN make``."""
    total: dict[str, int] = {}
    for step in graph.steps:
        total[step.origin.stage] = total.get(step.origin.stage, 0) + 1
    seen: dict[str, int] = {}
    found = []
    for step in graph.steps:
        stage = step.origin.stage
        seen[stage] = seen.get(stage, 0) + 1
        label = f"{stage} " if len(total) > 1 else ""
        found.append(f"[{label}{seen[stage]}/{total[stage]}] {step.origin.text}")
    return tuple(found)


def as_text(graph: Graph) -> str:
    """One line a step: its number, what it needs, the instruction; then what the image will be."""
    lines = []
    for place, step in enumerate(graph.steps):
        needs = ",".join(str(need) for need in needed_by(step)) or "-"
        lines.append(f"{place:>3}  {_kind(step):<6}  after {needs:<8} {_short(step.origin.text)}")
        lines += [f"{'':>27}{line}" for line in _details(step)]
    lines.append(f"target {graph.target}, {graph.platform}")
    config = graph.config.get("config") or {}
    for name in ("Entrypoint", "Cmd", "User", "WorkingDir", "ExposedPorts", "Volumes"):
        if config.get(name):
            value = config[name]
            lines.append(f"     {name}: {' '.join(value) if isinstance(value, list | dict) else value}")
    return "".join(f"{line}\n" for line in lines)


def as_dot(graph: Graph) -> str:
    """For ``dot -Tsvg``: a box a step, a cluster a stage; dashed arrows where only files are taken."""
    stages: dict[str, list[int]] = {}
    for place, step in enumerate(graph.steps):
        stages.setdefault(step.origin.stage, []).append(place)
    lines = ["digraph build {", "  rankdir=TB;", '  node [shape=box, fontname="sans-serif"];']
    for number, (stage, places) in enumerate(stages.items()):
        lines += [f"  subgraph cluster_{number} {{", f"    label={_quoted(stage)};"]
        lines += [f"    s{place} [label={_quoted(_short(graph.steps[place].origin.text, 60))}];" for place in places]
        lines.append("  }")
    for place, step in enumerate(graph.steps):
        parent = getattr(step, "parent", None)
        for need in dict.fromkeys(needed_by(step)):
            style = "" if need == parent else " [style=dashed]"
            lines.append(f"  s{need} -> s{place}{style};")
    lines += [f"  s{graph.target} [penwidth=2];", "}"]
    return "".join(f"{line}\n" for line in lines)


def _kind(step: Step) -> str:
    if isinstance(step, SourceStep):
        return "source"
    return "run" if isinstance(step, RunStep) else "copy" if isinstance(step, CopyStep) else "meta"


def _details(step: Step) -> list[str]:
    if isinstance(step, SourceStep):
        return [f"{step.platform} {step.digest}".rstrip()] if step.digest else []
    if isinstance(step, CopyStep):
        return [f"from {files.kind} {files.name or files.step}" for files in step.sources if files.kind != "context"]
    if isinstance(step, RunStep):
        found = [f"as {step.user}"] if step.user else []
        return found + [f"{mount.type} at {mount.target}" for mount in step.mounts]
    return []


def _short(text: str, width: int = _WIDTH) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 3]}..."


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
