"""The decision: one rule today, and a refusal that names its rule."""

import pytest

from wherry.base.digest import Digest
from wherry.base.errors import PolicyDenied
from wherry.policy import Decision, ImageFacts, UserFacts, decide, require

IMAGE = ImageFacts("docker.io/library/debian:12", Digest("sha256", "0" * 64))


def test_without_a_policy_all_is_allowed() -> None:
    """The rule has a name that records can show."""
    assert decide(IMAGE, UserFacts(1, "a", "n"), "run") == Decision(True, "allow-all", "no policy is set")


def test_a_refusal_names_rule_and_reason() -> None:
    """So that the user knows whom to ask."""
    with pytest.raises(PolicyDenied, match="rule 'only-signed': it is not signed"):
        require(Decision(False, "only-signed", "it is not signed"), IMAGE, "run")
    require(Decision(True, "r", ""), IMAGE, "run")
