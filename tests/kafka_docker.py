"""The broker of the Kafka tests in a container (Testcontainers)."""

import time
from typing import Any

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tests.kafka_broker import answers

IMAGE = "apache/kafka:4.1.1"


class DockerBroker:
    def __init__(self, port: int, advertised: int = 0) -> None:
        self.url = f"kafka://127.0.0.1:{advertised or port}"
        self._port = port
        self._started = False
        made = DockerContainer(IMAGE).with_bind_ports(9092, port)
        for name, value in _settings(advertised or port).items():
            made = made.with_env(name, value)
        self._container: Any = made.waiting_for(LogMessageWaitStrategy("Kafka Server started"))

    def start(self) -> None:
        if self._started:
            self._container.get_wrapped_container().start()
        else:
            try:
                self._container.start()
            except BaseException:  # it runs, and nobody would end it
                self._container.stop()
                raise
        self._started = True
        until = time.monotonic() + 60
        while not answers(self._port):
            assert time.monotonic() < until, "the broker does not answer"
            time.sleep(0.05)

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def freeze(self) -> None:
        self._container.get_wrapped_container().pause()

    def thaw(self) -> None:
        self._container.get_wrapped_container().unpause()

    def forget(self) -> None:
        self._container.stop()


def _settings(port: int) -> dict[str, str]:
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    }
