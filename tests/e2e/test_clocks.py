"""Services on machines whose clocks are minutes apart: it is noticed with the first thing that each writes, and said;
from then on turns and timers are as usual."""

import time
from collections.abc import Iterator

import pytest

from tests import kafka_broker
from tests.processes import Processes

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
# Seconds that each service's clock is ahead of this machine's, which is also the broker's.
CLOCKS = {"gateway": -300, "intent": 300, "dialogue": 300, "actions": -300, "speech": -300, "tts": 300}
_SKEWED = (
    "import runpy, time; from parlance import clock; "
    "clock.use(lambda: time.time_ns() // 1000 + {us}); runpy.run_module('services.{name}', run_name='__main__')"
)


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    folder = tmp_path_factory.mktemp("clocks")
    broker = kafka_broker.broker(folder / "broker")
    broker.start()
    made = Processes(folder, broker.url)
    try:
        assert made.client().cli("topics", "apply").returncode == 0
        for name, process in made.all.items():
            process.start(("-c", _SKEWED.format(us=CLOCKS.get(name, 0) * 1_000_000, name=name)))
        for process in made.all.values():
            process.wait_ready()
        yield made
    finally:
        made.end()
        broker.forget()


def test_clocks_that_are_minutes_apart_are_noticed_and_cost_the_first_turn_at_most(stack: Processes) -> None:
    client = stack.client()
    began = time.time()
    first = client.cli("ask", "what is two plus two")
    assert first.returncode in (0, 1) and "Traceback" not in first.stderr
    assert client.json("ask", "put milk on my shopping list")["outcome"] == "answered"
    told = client.json("ask", "set a timer for three seconds", "--stay", "12")
    assert told["outcome"] == "answered" and "timer" in told["unasked"].lower()
    assert "milk" in client.json("ask", "what is on my shopping list")["reply"]
    assert [t["outcome"] for t in client.json("turns")][:-1] == ["answered"] * 4
    assert time.time() - began < 60
    for name, word in (("gateway", "300 s behind"), ("dialogue", "300 s ahead of"), ("intent", "300 s ahead of")):
        assert f"this machine's clock is {word} that of Kafka at kafka://" in stack[name].log, name
        assert "set the wrong one right (NTP)" in stack[name].log
