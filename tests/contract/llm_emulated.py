"""What the suites over emulators share: each vendor at each upstream, asked for a case."""

from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from parlance.errors import ParlanceError
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Role
from services.llm.meter import METER, Meter
from services.llm.provider import Reasoning, Usage, Value
from tests.contract import llm_upstreams
from tests.contract.llm_upstreams import UPSTREAMS, Upstream
from tests.contract.llm_vendors import VENDORS, Vendor, connected


def pairs(*cases: str) -> Callable[[Any], Any]:
    """The test once for each case that a vendor has at an upstream, with `case`, `vendor` and `started`."""
    found = [
        pytest.param(
            case, vendor, name, id=f"{name}-{vendor.name}-{case}", marks=[pytest.mark.node] if name == "aimock" else []
        )
        for name, upstream in UPSTREAMS.items()
        for vendor in VENDORS
        for case in cases
        if vendor.has(upstream, case)
    ]
    return pytest.mark.parametrize(("case", "vendor", "upstream"), found, indirect=["upstream"])


@dataclass
class Given:
    """What came of a question, in order; `error`: how it ended where it did not end well."""

    values: list[Value] = field(default_factory=list)
    error: ParlanceError | None = None
    meter: Meter = field(default_factory=Meter)

    @property
    def text(self) -> str:
        return "".join(value for value in self.values if isinstance(value, str))

    @property
    def thoughts(self) -> str:
        return "".join(value.text for value in self.values if isinstance(value, Reasoning))

    @property
    def usages(self) -> list[Usage]:
        return [value for value in self.values if isinstance(value, Usage)]


def question(text: str, *before: ChatMessage, **fields: Any) -> AnswerRequest:
    return AnswerRequest(messages=[*before, ChatMessage(role=Role.ROLE_USER, text=text)], **fields)


async def given(vendor: Vendor, upstream: Upstream, request: AnswerRequest) -> Given:
    found = Given()
    METER.set(found.meter)
    async with connected(vendor, upstream) as provider:
        try:
            async with aclosing(provider.answer(request)) as values:
                async for value in values:
                    found.values.append(value)
        except ParlanceError as exc:
            found.error = exc
    return found


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Upstream]]:
    """Each upstream, started when it is first wanted."""
    from contextlib import ExitStack

    running: dict[str, Upstream] = {}
    with ExitStack() as stack:

        def start(name: str) -> Upstream:
            if why := llm_upstreams.missing(name):
                pytest.skip(why)
            if name not in running:
                folder: Path = tmp_path_factory.mktemp(name)
                running[name] = stack.enter_context(llm_upstreams.serving(name, folder))
            return running[name]

        yield start


@pytest.fixture
def upstream(request: pytest.FixtureRequest, started: Callable[[str], Upstream]) -> Upstream:
    return started(request.param)
