"""Deciding, and refusing with the rule's name."""

from __future__ import annotations

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import PolicyDenied

__all__ = ["Decision", "ImageFacts", "UserFacts", "decide", "require"]


class ImageFacts(msgspec.Struct, frozen=True):
    """What a rule may know of an image."""

    reference: str
    digest: Digest


class UserFacts(msgspec.Struct, frozen=True):
    """What a rule may know of who asks."""

    uid: int
    name: str
    node: str


class Decision(msgspec.Struct, frozen=True):
    """Allow or deny; ``rule`` names what decided, ``reason`` is one sentence for the user."""

    allowed: bool
    rule: str
    reason: str


def decide(image: ImageFacts, user: UserFacts, action: str) -> Decision:
    """Whether ``user`` may do ``action`` (run, exec, push, ...) with ``image``. Pure."""
    return Decision(True, "allow-all", "no policy is set")


def require(decision: Decision, image: ImageFacts, action: str) -> None:
    """Raise :class:`PolicyDenied` with rule and reason unless the decision allows."""
    if not decision.allowed:
        raise PolicyDenied(
            f"'{image.reference}' may not be used to {action}", why=f"rule '{decision.rule}': {decision.reason}"
        )
