"""The image of a build that is done: configuration, history, names, and the files that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wherry.base.errors import UsageError, reason, remedy
from wherry.build.graph import SourceStep
from wherry.build.translate import Base

if TYPE_CHECKING:
    from wherry.base.progress import Progress
    from wherry.base.reference import Reference
    from wherry.build.building import Plan
    from wherry.build.made import Made
    from wherry.build.site import Site
    from wherry.image import Image
    from wherry.store import Layer

__all__ = ["finish", "image_document"]

_COMMENT = "wherry build"


def finish(
    site: Site, plan: Plan, done: dict[int, Made], progress: Progress | None
) -> tuple[Image, tuple[Reference, ...]]:
    """Write the image, name it as asked; write ``--iidfile`` and the outputs."""
    from wherry.build.activating import activated
    from wherry.build.cache import inline_member
    from wherry.containers import reference_to_name
    from wherry.image import make_image

    options = site.here.options
    references = [reference_to_name(site.world, name) for name in options.names]
    layers, history = done[plan.graph.target].layers, _history(plan, done)
    site.cache.result = done[plan.graph.target].diff_ids
    said = inline_member(site.cache, options.cache_to) if not options.squash else {}  # one layer is of no single step
    if options.squash:
        layers, history = _squashed(site, plan, done)
    config = activated(site, plan.graph, done[plan.graph.target])
    document = image_document(config, layers, history, site.here.epoch) | said
    image = make_image(site.world.store, references, document, layers, base=_base_image(site, plan))
    if options.iidfile:
        _write(options.iidfile, f"{image.manifest.config.digest}")
    for output in options.outputs:
        from wherry.build.outputs import write_output

        write_output(site, image, output, progress)
    return image, tuple(references)


def image_document(
    config: dict[str, Any], layers: Sequence[Layer], history: list[dict[str, Any]], epoch: int
) -> dict[str, Any]:
    """The configuration as a document (config.md). It is made of content and the epoch alone, so that the same steps
    give the same bytes anywhere."""
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        **config,
        "created": created,
        "rootfs": {"type": "layers", "diff_ids": [str(layer.meta.diff_id) for layer in layers]},
        "history": [{"created": created, **line} if "created" not in line else line for line in history],
    }


def _history(plan: Plan, done: dict[int, Made]) -> list[dict[str, Any]]:
    """The base's lines as they are, then ours; a line has a layer when its step changed a file."""
    found = _base_lines(plan)
    for line in plan.graph.history:
        said: dict[str, Any] = {"created_by": line.created_by, "comment": line.comment or _COMMENT}
        if line.step < 0 or done[line.step].own is None:
            said["empty_layer"] = True
        found.append(said)
    return found


def _base(plan: Plan) -> Base:
    """What the target's first stage begins with."""
    step = plan.graph.steps[_root(plan)]
    assert isinstance(step, SourceStep)
    return plan.bases.get((step.reference, step.platform), Base({}))


def _base_image(site: Site, plan: Plan) -> Image | None:
    """Whose manifest says how the lowest layers are stored in registries."""
    from wherry.image import open_image

    digest = _base(plan).digest
    return open_image(site.world.store, digest) if digest else None


def _root(plan: Plan) -> int:
    place = plan.graph.target
    while not isinstance(step := plan.graph.steps[place], SourceStep):
        place = step.parent
    return place


def _squashed(site: Site, plan: Plan, done: dict[int, Made]) -> tuple[tuple[Layer, ...], list[dict[str, Any]]]:
    """What was made here as one layer, in which nothing is that a later step removed."""
    from wherry.image import squash

    below, layers = done[_root(plan)].layers, done[plan.graph.target].layers
    own = layers[len(below) :]
    history = [{**line, "empty_layer": True} for line in _history(plan, done)[len(_base_lines(plan)) :]]
    if not own:
        return layers, [*_base_lines(plan), *history]
    made = squash(site.world.store, own, below)
    if made is None:
        return below, [*_base_lines(plan), *history]
    line = {"created_by": f"wherry build --squash: {len(own)} layers", "comment": _COMMENT}
    return (*below, made.layer), [*_base_lines(plan), *history, line]


def _base_lines(plan: Plan) -> list[dict[str, Any]]:
    return list(_base(plan).document.get("history") or ())


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"cannot write '{path}'", why=reason(error), hint=remedy(error, write=True)) from None
