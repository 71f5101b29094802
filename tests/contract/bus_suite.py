"""What every bus must do, written against the Bus protocol alone.

A test module of a bus subclasses BusSuite and gives two fixtures: `open_bus`, which starts one more process's bus on
the same log (the caller stops it), and `topics`, two fresh topics of four partitions, not declared yet.
"""

import pytest

from parlance.events import TopicInfo
from tests.contract.bus_suite_flow import FlowSuite
from tests.contract.bus_suite_groups import GroupSuite
from tests.contract.bus_suite_log import LogSuite
from tests.contract.bus_suite_tools import OpenBus


class BusSuite(LogSuite, GroupSuite, FlowSuite):
    @pytest.fixture
    def open_bus(self) -> OpenBus:
        raise NotImplementedError

    @pytest.fixture
    def topics(self) -> tuple[TopicInfo, TopicInfo]:
        raise NotImplementedError
