"""Policy: the pure decision whether an image may be used by this user for this action.

Words: *facts* are what is known of image and user, a *decision* is allow or deny with the rule that decided and the
reason. There is one rule so far, ``allow-all``.

This room never fetches, never asks. It may import only ``wherry.base``.
"""

from wherry.policy.decision import Decision, ImageFacts, UserFacts, decide, require

__all__ = ["Decision", "ImageFacts", "UserFacts", "decide", "require"]
