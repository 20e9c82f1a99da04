"""MQTT -> Kafka -> S3, the two pipelines of `pipelines/` as processes of their own.

MQTT is at least once: a message may be in the topic more than once. From there on every record is in the files exactly as often as in the topic.
"""

import collections
import contextlib
import itertools
import re
import time

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from mqtt_publish import Publisher

from .judge import Eyes, Verdict, verify
from .report import Finding
from .steps import at, names
from .world import ROOT, Failed, Worker, payload, services, until

MQTT_TOPICS = 200


class Relay:
    """Use it in a `with`: at the end of it no process of kpipe is left."""

    def __init__(self, opt, name, *, messages, rate, rows):
        self.opt, self.name = opt, f"{name}-{time.time_ns() // 1_000_000}"
        self.topic, self.prefix, self.workers = f"soak-{self.name}", f"soak/{self.name}", []
        admin = AdminClient({"bootstrap.servers": opt.kafka})
        admin.create_topics([NewTopic(self.topic, 4, 1)])[self.topic].result()
        self.first, self.second = self.pipeline("mqtt-to-kafka", rows), self.pipeline("kafka-to-s3-parquet", rows)
        self.to_kafka, self.to_files = self.worker("to-kafka", self.first), self.worker("to-files", self.second)
        self.eyes = Eyes(opt, f"{opt.bucket}/{self.prefix}")
        self.publisher = Publisher(opt.mqtt, self.prefix, MQTT_TOPICS, messages, rate, payload)

    def __enter__(self):
        for worker in self.workers:
            worker.start()
        for worker in self.workers:
            worker.ready()
        self.eyes.open()
        self.publisher.start()
        return self

    def __exit__(self, *_):
        self.eyes.close()
        for worker in self.workers:
            worker.end()

    def pipeline(self, source, rows):
        """One of the project's under a name of its own, with files that close often and a worker that the group knows again."""
        text = (ROOT / "pipelines" / source / "pipeline.yaml").read_text()
        text = re.sub(r"(?m)^pipeline: .*$", f"pipeline: {source}-{self.name}", text)
        text = re.sub(r"(?m)^(\s*flush:).*$", rf"\1 {{ records: {rows}, interval: 5s }}", text)
        text = re.sub(r"(?m)^(source:\n  kafka:\n)", r'\1    group_instance: "${env:KPIPE_WORKER}"\n', text)
        for before, after in [("INTO telemetry SELECT", f"INTO {self.topic} SELECT"), ("FROM telemetry/#", f"FROM {self.prefix}/+"),
                              ("INTO lake:orders", f"INTO {self.opt.bucket}:{self.prefix}"), ("FROM orders", f"FROM {self.topic}")]:
            text = text.replace(before, after)
        path = self.opt.work / f"{source}-{self.name}.yaml"
        path.write_text(text)
        return path

    def worker(self, name, path):
        worker = Worker(self.opt, f"{self.name}-{name}", path, {"KPIPE_WORKER": name})
        self.workers.append(worker)
        return worker

    def under_way(self):
        return self.publisher.is_alive() and self.publisher.error is None

    # ---- the topic

    @contextlib.contextmanager
    def consumer(self):
        with contextlib.closing(Consumer({"bootstrap.servers": self.opt.kafka, "group.id": "soak-look", "log_level": 0})) as consumer:
            yield consumer, consumer.list_topics(self.topic, timeout=10).topics[self.topic].partitions

    def topic_count(self):
        """Records in the topic by its offsets."""
        with self.consumer() as (consumer, partitions):
            return sum(consumer.get_watermark_offsets(TopicPartition(self.topic, p), timeout=10)[1] for p in partitions)

    def topic_ids(self):
        """Ids in the topic, as often as they are there."""
        expected, ids = self.topic_count(), collections.Counter()
        with self.consumer() as (consumer, partitions):
            consumer.assign([TopicPartition(self.topic, p, 0) for p in partitions])
            while ids.total() < expected:
                batch = consumer.consume(10_000, 30)
                if not batch:
                    raise Failed(f"{ids.total()} records of the topic could be read, {expected} are there: the test itself went wrong")
                ids.update(int(message.value().split(b",", 1)[0][6:]) for message in batch if message.error() is None)
        return ids

    def wait_for_topic(self):
        """Until the topic holds as many records as messages, and no more come."""
        last, since, end = -1, time.monotonic(), time.monotonic() + 600
        while time.monotonic() < end:
            count = self.topic_count()
            if count != last:
                last, since = count, time.monotonic()
            if last >= self.publisher.count and time.monotonic() - since > 5:
                return
            time.sleep(0.5)
        raise Failed(f"the topic holds {last} records of {self.publisher.count} messages after 600 s")

    # ---- the end

    def finish(self):
        """Nobody disturbs any more. What is in the files, and how often messages are in the topic beyond once."""
        self.publisher.join()
        if self.publisher.error:
            raise self.publisher.error
        self.to_kafka.keep_up()
        self.to_files.keep_up()
        self.wait_for_topic()
        for worker in self.workers:
            if worker.runs():
                worker.drain()
        last = self.worker("last", self.second)
        last.env = self.to_files.env
        last.command += ["--until-caught-up"]
        last.start()
        if not until(lambda: not last.runs(), 300, 0.1) or last.process.returncode != 0:
            raise last.failed(f"with --until-caught-up ended with {last.process.returncode}")
        self.eyes.close()
        objects, in_topic = self.eyes.look(), self.topic_ids()
        rows = collections.Counter(self.eyes.rows(["id"]).column("id").to_pylist())
        is_verified, said = verify(self.opt, self.second)
        messages = self.publisher.count
        missing = sum(1 for i in range(messages) if not rows[i]) + (in_topic - rows).total()
        verdict = Verdict(records=messages, objects=objects, missing=missing, twice=(rows - in_topic).total(),
                          unknown=sum(1 for i in rows if not 0 <= i < messages), changed=len(self.eyes.changed), verify=said,
                          is_verified=is_verified)
        return verdict, in_topic.total() - messages


# Where the process between MQTT and Kafka dies in half of its deaths.
STEPS = ["mqtt.ack.before", "mqtt.ack.written", "produce.sent", "produce.acknowledged"]


def run(opt, size, chance):
    """Kills of either process at random moments and at named steps, and restarts of both brokers, in one run."""
    names(opt)
    finding, begun, died = Finding("relay", opt.seed, 0, 0), time.monotonic(), dict.fromkeys([*STEPS, "anywhere"], 0)
    with Relay(opt, "relay", messages=2**40, rate=size.rate, rows=5_000) as relay:
        restarts = iter([size.kills * (turn + 1) // (size.restarts + 1) for turn in range(size.restarts)])
        servers, restart = [], next(restarts, None)
        victims, steps = itertools.cycle([relay.to_kafka, relay.to_files]), itertools.cycle(STEPS)
        while sum(died.values()) < size.kills:
            if not relay.under_way():
                raise relay.publisher.error or Failed("the publisher ended by itself")
            for place in kill(chance, victims, relay, steps):
                died[place] += 1
            if restart is not None and sum(died.values()) >= restart:
                servers.append(restart_broker(relay, ["kafka", "mosquitto"][len(servers) % 2]))
                restart = next(restarts, None)
        relay.publisher.stop()
        finding.kills = sum(died.values())
        finding.verdict, repeated = relay.finish()
        finding.notes = [f"killed: to Kafka {relay.to_kafka.kills}, to S3 {relay.to_files.kills}; {', '.join(f'{k} {v}' for k, v in died.items())}",
                         f"restarted: {', '.join(servers) or 'no broker'}",
                         f"{repeated} records in the topic beyond once a message (MQTT is at least once); all of them, and nothing more, are in files"]
    finding.failures = [f"nothing was killed at {step}" for step, count in died.items() if not count]
    finding.wall = time.monotonic() - begun
    return finding


def kill(chance, victims, relay, steps):
    """Either process dies anywhere; the one that reads MQTT dies at a step as soon as it works again. Where it was."""
    worker = next(victims)
    time.sleep(chance.choice([chance.uniform(0, 0.6), chance.uniform(0.3, 3.0)]))
    worker.keep_up()
    worker.kill()
    if worker is relay.to_files:
        worker.start()
        return ["anywhere"]
    step = next(steps)
    worker.start(KPIPE_TEST_KILL_AT=at(chance, step, 30))
    met = until(worker.died_at_step, 15)
    if not met:
        worker.kill()
    worker.start()
    return ["anywhere", step if met else "anywhere"]


def restart_broker(relay, server):
    """Kafka is killed. Mosquitto is stopped in order: it saves every second, and what it acknowledged in the last one is its own to lose."""
    services(*{"kafka": ("kill", "kafka"), "mosquitto": ("down", "mosquitto")}[server])
    time.sleep(1)
    services("up", server)
    # Until both are at work again; a process that was started meanwhile may have ended because a system was away.
    workers = [relay.to_kafka, relay.to_files]
    if not until(lambda: all(worker.keep_up() and worker.metric("kpipe_records_read_total") for worker in workers), 90, 0.2):
        raise Failed(f"a process reads nothing 90 s after {server} came back")
    return server
