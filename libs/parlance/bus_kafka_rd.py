"""The bus on Apache Kafka with librdkafka where records pass: less time and processor for each of them.

Groups, commits, topics and look-ups are `bus_kafka`'s, and aiokafka's: what the two promise is the same, and the same
suite says so.
"""

from parlance.bus_kafka import KafkaBus
from parlance.kafka_rd_feed import RdFeed
from parlance.kafka_rd_producer import RdProducer


class RdKafkaBus(KafkaBus):
    producer = staticmethod(RdProducer)
    feed = staticmethod(RdFeed)
