"""Any sequence of pulls, names, containers and removals leaves what a small model in memory says."""

from __future__ import annotations

import os
import shutil
import tempfile

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from stores import add_image, add_layer, content_of, digest_of, keep_container, left_over
from wherry.base.digest import Digest
from wherry.base.errors import Conflict, NotFound
from wherry.base.reference import Reference
from wherry.store import Name, open_at, prune, remove_image, usage
from wherry.store.processes import current

LAYERS = ("l1", "l2", "l3", "l4")
IMAGES = st.lists(st.sampled_from(LAYERS), min_size=1, max_size=3, unique=True).map(tuple)
NAMES = st.sampled_from(["a:1", "a:2", "x.org/a/b:1", "x.org/a:b"])


class StoreModel(RuleBasedStateMachine):
    """``images``: digest to layers; ``names``: name to digest; ``kept``: container to (digest, layers)."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.store = open_at(f"{self.folder}/s")
        self.images: dict[Digest, tuple[str, ...]] = {}
        self.names: dict[Reference, Digest] = {}
        self.kept: dict[str, tuple[Digest, tuple[str, ...]]] = {}
        self.loose: set[str] = set()
        self.running: set[Digest] = set()
        self.foreign: set[Digest] = set()
        self.number = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def runs(self, digest: Digest) -> list[str]:
        return ["container"] if digest in self.running else []

    # ---- what users do

    @rule(layers=IMAGES, name=NAMES)
    def pull(self, layers: tuple[str, ...], name: str) -> None:
        digest = add_image(self.store, *layers, names=[name])
        self.images[digest] = layers
        self.names[Reference.parse(name)] = digest

    @rule(layer=st.sampled_from(LAYERS))
    def pull_half(self, layer: str) -> None:
        if self.store.find_layer(digest_of(layer).hex) is None:
            add_layer(self.store, layer)
        self.loose.add(layer)

    @rule(pick=st.randoms(use_true_random=False))
    def start(self, pick: object) -> None:
        if self.images:
            digest = pick.choice(sorted(self.images))  # type: ignore[attr-defined]
            assert os.path.exists(self.store.lease(digest, current().node, current().boot_id))
            self.running.add(digest)

    @rule()
    def stop_all(self) -> None:
        self.running.clear()

    @rule(pick=st.randoms(use_true_random=False))
    def start_elsewhere(self, pick: object) -> None:
        if self.images:
            digest = pick.choice(sorted(self.images))  # type: ignore[attr-defined]
            self.store.lease(digest, "another-node", "b")
            self.foreign.add(digest)

    @rule(pick=st.randoms(use_true_random=False))
    def keep(self, pick: object) -> None:
        if self.images:
            digest = pick.choice(sorted(self.images))  # type: ignore[attr-defined]
            self.number += 1
            keys = [digest_of(layer).hex for layer in self.images[digest]]
            keep_container(self.store, f"c{self.number}", digest, keys)
            self.kept[f"c{self.number}"] = (digest, self.images[digest])

    @rule()
    def forget_containers(self) -> None:
        for container in self.kept:
            shutil.rmtree(f"{self.store.path}/containers/{container}")
        self.kept.clear()

    @rule(name=NAMES, force=st.booleans())
    def remove(self, name: str, force: bool) -> None:
        ref = Reference.parse(name)
        digest = self.names.get(ref)
        others = [other for other, found in self.names.items() if found == digest and other != ref]
        try:
            remove_image(self.store, ref, self.runs, force=force)
        except NotFound:
            assert digest is None
        except Conflict:
            assert digest is not None
            assert not others
            assert digest in self.running or not force
            assert self.is_used(digest)
        else:
            assert digest is not None
            del self.names[ref]
            self.loose.clear()
            if not others:
                assert digest not in self.running
                assert force or not self.is_used(digest)
                self.forget(digest)

    @rule(everything=st.booleans())
    def prune(self, everything: bool) -> None:
        planned = prune(self.store, self.runs, everything=everything, dry_run=True)
        gone = prune(self.store, self.runs, everything=everything)
        assert planned == gone
        expected = {
            digest
            for digest in self.images
            if not self.is_used(digest) and (everything or digest not in self.names.values())
        }
        assert set(gone.images) == expected
        for digest in expected:
            self.forget(digest)
        self.loose.clear()

    # ---- what must hold

    def is_used(self, digest: Digest) -> bool:
        return digest in self.running | self.foreign or digest in {kept_digest for kept_digest, _ in self.kept.values()}

    def forget(self, digest: Digest) -> None:
        del self.images[digest]
        self.foreign.discard(digest)
        self.names = {ref: found for ref, found in self.names.items() if found != digest}

    @invariant()
    def the_store_is_what_the_model_says(self) -> None:
        if not hasattr(self, "store"):
            return
        assert dict(self.store.names()) == {
            ref: Name(digest, None, "linux/amd64") for ref, digest in self.names.items()
        }
        assert {record.digest for record in self.store.image_records()} == set(self.images)
        needed = set(self.loose)
        for layers in [*self.images.values(), *(layers for _, layers in self.kept.values())]:
            needed.update(layers)
        for layer in LAYERS:
            found = self.store.find_layer(digest_of(layer).hex)
            assert (found is not None) is (layer in needed), layer
            assert found is None or content_of(found) == layer
        for digest in self.images:
            assert self.store.read_blob(digest)
        assert left_over(self.store) == []

    @invariant()
    def nothing_more_can_be_reclaimed_than_is_loose(self) -> None:
        if hasattr(self, "store") and not self.loose and not self.kept:
            assert usage(self.store).reclaimable == 0


StoreModel.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None, database=None)
TestStoreModel = StoreModel.TestCase
