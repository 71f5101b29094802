"""Access rules of a Kafka cluster against those of the manifest: what is missing is made, what is too much is shown.

aiokafka's admin client has no calls for them, but it knows their requests.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import for_code
from aiokafka.protocol.admin import (
    CreateAclsRequest_v1,
    DeleteAclsRequest_v1,
    DescribeAclsRequest,
)
from aiokafka.protocol.api import Request

from parlance.access import Access
from parlance.access_rules import Rule, ours, rules
from parlance.errors import PermissionDenied, Unavailable
from parlance.kafka_address import CONNECT_S, Address
from parlance.kafka_client import explained
from parlance.kafka_topics import opened_admin

_ANY = 1
_SECURITY_DISABLED, _CLUSTER_AUTHORIZATION_FAILED = 54, 31
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """Rules in order. `extra`: the cluster gives them, the manifest does not."""

    missing: Sequence[Rule]
    same: Sequence[Rule]
    extra: Sequence[Rule]


class AccessRules:
    """Of one cluster; `async with` opens it."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._admin: Any = None

    async def __aenter__(self) -> "AccessRules":
        """Raises Unavailable where no broker answers."""
        self._admin = await opened_admin(self._address)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._admin.close()

    async def plan(self, access: Access) -> Plan:
        """Changes nothing. Raises PermissionDenied where we may not ask, Unavailable where the cluster has no rules."""
        wanted, found = rules(access), await self.found()
        extra = {rule for rule in found - wanted if ours(access, rule)}
        return Plan(sorted(wanted - found), sorted(wanted & found), sorted(extra))

    async def found(self) -> frozenset[Rule]:
        answer = await self._ask(DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY))
        self._check(answer.error_code, answer.error_message)
        return frozenset(
            Rule(principal, kind, name, operation, pattern, permission, host)
            for kind, name, pattern, acls in answer.resources
            for principal, host, operation, permission in acls
        )

    async def grant(self, wanted: Sequence[Rule]) -> None:
        """Returns when the broker goes by them."""
        if wanted:
            answer = await self._ask(_Create(wanted))
            for code, message in answer.creation_responses:
                self._check(code, message)
            await self._until(lambda found: found.issuperset(wanted))

    async def revoke(self, unwanted: Sequence[Rule]) -> None:
        """Returns when the broker goes by it."""
        if unwanted:
            answer = await self._ask(_Delete(unwanted))
            for code, message, _matching in answer.filter_responses:
                self._check(code, message)
            await self._until(lambda found: found.isdisjoint(unwanted))

    async def _until(self, so: Callable[[frozenset[Rule]], bool]) -> None:
        """The controller answers before the brokers know of it."""
        async with explained(self._address), asyncio.timeout(CONNECT_S):
            while True:
                if so(await self.found()):
                    return
                await asyncio.sleep(_LOOK_S)

    async def _ask(self, request: Any) -> Any:
        async with explained(self._address), asyncio.timeout(CONNECT_S):
            return await self._admin._send_request(request)

    def _check(self, code: int, message: str | None) -> None:
        if not code:
            return
        if code == _SECURITY_DISABLED:
            raise Unavailable(f"Kafka at {self._address} has no access lists: set its authorizer.class.name")
        if code == _CLUSTER_AUTHORIZATION_FAILED:
            who = self._address.tls.cert.stem if self._address.tls else "nobody"
            raise PermissionDenied(
                f"'{who}' may not change who may what at {self._address}: the first time the broker itself does "
                "(--as kafka), later the operator"
            )
        raise Unavailable(f"Kafka at {self._address} did not take a rule: {message or for_code(code).__name__}")


class _Create(Request[CreateAclsRequest_v1]):  # type: ignore[misc] # aiokafka has no types
    """Many in one request, which aiokafka's own does not do."""

    API_KEY = CreateAclsRequest_v1.API_KEY

    def __init__(self, wanted: Iterable[Rule]) -> None:
        self._wanted = wanted

    def build(self, request: Any) -> Any:
        return request([_filter(rule) for rule in self._wanted])


class _Delete(Request[DeleteAclsRequest_v1]):  # type: ignore[misc] # aiokafka has no types
    """Each filter fits one rule only."""

    API_KEY = DeleteAclsRequest_v1.API_KEY

    def __init__(self, unwanted: Iterable[Rule]) -> None:
        self._unwanted = unwanted

    def build(self, request: Any) -> Any:
        return request([_filter(rule) for rule in self._unwanted])


def _filter(rule: Rule) -> tuple[Any, ...]:
    return (
        *(int(rule.kind), rule.name, int(rule.pattern), rule.principal),
        *(rule.host, int(rule.operation), int(rule.permission)),
    )
