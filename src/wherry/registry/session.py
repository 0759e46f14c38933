"""One session with registries: which endpoint is asked next, how often, as whom; what is told when none helps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from wherry.base.errors import NotInRegistry, WherryError
from wherry.base.progress import Event, Progress, silent
from wherry.registry.auth import Auth, merge_scopes
from wherry.registry.credentials import Wallet
from wherry.registry.endpoints import Endpoint, Rules
from wherry.registry.failures import Asked, Trouble, explain_status
from wherry.registry.pace import Pace
from wherry.registry.transport import Answer, Transport

__all__ = ["Session", "pull_scope", "push_scope"]

T = TypeVar("T")

_MAX_ERROR_BODY = 1 << 16


class Session:
    """Transport, authentication and the memory of endpoints that failed; safe for many threads."""

    def __init__(
        self, rules: Rules, wallet: Wallet, pace: Pace, connections: int = 8, progress: Progress = silent
    ) -> None:
        self.rules = rules
        self.wallet = wallet
        self.pace = pace
        self._progress = progress
        self.transport = Transport(rules, pace, connections)
        self.auth = Auth(self.transport, rules, wallet, pace)
        self._aside: set[str] = set()
        self._lock = threading.Lock()

    def ask(self, endpoints: tuple[Endpoint, ...], attempt: Callable[[Endpoint], T]) -> T:
        """The first endpoint's answer, in order; those whose trouble may pass are asked again after a pause.

        The origin's definite no (401, 404 ...) ends it; a mirror's does not. Raises the origin's error, with what
        the mirrors said.
        """
        left = self._without_aside(endpoints)
        troubles: dict[str, Trouble] = {}
        failures = 0
        while True:
            failures += 1
            again: list[Endpoint] = []
            pause = 0.0
            for endpoint in left:
                try:
                    return attempt(endpoint)
                except Trouble as trouble:
                    troubles[endpoint.name] = trouble
                    if not (endpoint.mirror or trouble.again):
                        raise _verdict(endpoints, troubles, failures) from None
                    if endpoint.mirror and trouble.connect:
                        self.put_aside(endpoint)
                        continue
                    limit = self.pace.connect_attempts if trouble.connect else self.pace.attempts
                    if trouble.again and failures < limit:
                        again.append(endpoint)
                        wait = self.pace.pause(failures, trouble.after)
                        pause = min(pause, wait) if pause else wait
            if not again:
                raise _verdict(endpoints, troubles, failures)
            self.wait(again[0], troubles[again[0].name], pause)
            left = tuple(again)

    def send(
        self,
        endpoint: Endpoint,
        method: str,
        target: str,
        scopes: Iterable[str],
        subject: str,
        *,
        ok: frozenset[int],
        verb: str = "pull",
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        verified: bool = False,
    ) -> Answer:
        """One authenticated request; a status that is not in ``ok`` is a :class:`Trouble`.

        A streamed ``body`` is sent once only: when it meets a 401, the caller starts it anew.
        """
        wanted = merge_scopes(scopes)
        asked = self._asked(endpoint, subject, verb)
        authorization = self.auth.authorization(endpoint, wanted, asked)

        def exchange() -> Answer:
            return self.transport.request(
                endpoint,
                method,
                target,
                asked,
                authorization=authorization,
                headers=headers,
                body=body,
                verified=verified,
            )

        answer = exchange()
        if answer.status in ok:
            return answer
        said = answer.body(_MAX_ERROR_BODY)
        again = False
        if answer.status == 401:
            offered = answer.response.headers.getlist("www-authenticate")
            authorization = self.auth.answer(endpoint, wanted, offered, authorization, asked)
            if authorization and (body is None or isinstance(body, bytes)):
                answer = exchange()
                if answer.status in ok:
                    return answer
                said = answer.body(_MAX_ERROR_BODY)
            else:
                again = bool(authorization)
        trouble = explain_status(
            self._asked(endpoint, subject, verb),
            answer.status,
            answer.headers,
            said,
            now=self.pace.now(),
            patience=self.pace.patience,
            url=answer.url,
        )
        trouble.again = trouble.again or again
        raise trouble

    def wait(self, endpoint: Endpoint, trouble: Trouble, seconds: float) -> None:
        """Pause before another try, and say so."""
        why = trouble.error.why or trouble.error.what
        self._progress(Event(endpoint.host, "waiting", message=f"{why}; trying again in {seconds:.1f} s"))
        self.pace.sleep(seconds)

    def put_aside(self, endpoint: Endpoint) -> None:
        """Do not ask this mirror again in this session, unless nobody else is left."""
        with self._lock:
            self._aside.add(endpoint.address)

    def close(self) -> None:
        self.transport.close()

    def _without_aside(self, endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        with self._lock:
            return tuple(found for found in endpoints if not (found.mirror and found.address in self._aside))

    def _asked(self, endpoint: Endpoint, subject: str, verb: str) -> Asked:
        used = self.auth.used(endpoint)
        return Asked(subject, verb, endpoint.address, endpoint.host, used, endpoint.mirror, self.wallet.note)


def pull_scope(repository: str) -> str:
    return f"repository:{repository}:pull"


def push_scope(repository: str) -> str:
    return f"repository:{repository}:pull,push"


def _verdict(endpoints: tuple[Endpoint, ...], troubles: Mapping[str, Trouble], failures: int) -> WherryError:
    """The origin's error (the last endpoint's), with the number of tries and what the mirrors said."""
    origin = endpoints[-1].name
    trouble = troubles.get(origin) or list(troubles.values())[-1]
    why = trouble.error.why
    if failures > 1 and trouble.again:
        why += f"; tried {failures} times"
    for name, other in troubles.items():
        if other is not trouble and not isinstance(other.error, NotInRegistry):
            why += f"; the mirror '{name}' did not help: {other.error.why or other.error.what}"
    return type(trouble.error)(trouble.error.what, why=why, hint=trouble.error.hint)
