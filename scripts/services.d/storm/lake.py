"""A topic, a pipeline that writes it into S3, a producer, eyes on every object, and the judgement at the end.

The judge knows nothing of kpipe's code: pyarrow reads every visible object, and each offset that the topic holds must be in them once. A few
records are none: each of those must be in the dead-letter topic, and in no object.
"""

import collections
import contextlib
import signal
import threading
import time

import pyarrow
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from pyarrow import compute

from .judge import Eyes, Verdict, verify
from .world import UNREACHABLE, Failed, Worker, payload, until

PIPELINE = """\
version: 1
pipeline: {name}
delivery: {delivery}
source:
  kafka:
    brokers: ["{kafka}"]
    group: {name}
    {instance}
    client: {{ session.timeout.ms: "{session_ms}", heartbeat.interval.ms: "{heartbeat_ms}" }}
    value: {{ format: json, schema: {{ id: bigint not null, device: string, ts: timestamp, site: string }} }}
sink:
  s3:
    endpoint: "{s3}"
    region: us-east-1
    format: {{ parquet: {{ compression: snappy }} }}
    flush: {{ {flush} }}
    commit: {{ protocol: {protocol} }}
errors: {{ tolerance: all, dead_letter: {name}-dlq }}
kcql: |
  INSERT INTO {bucket}:soak/{name}
  SELECT id, device, ts, site, _partition AS p, _offset AS o FROM {name} PARTITIONBY site
"""
# One record in so many is none, and belongs into the dead-letter topic.
BAD_EVERY = 1_009


class Lake:
    """Use it in a `with`: at the end of it no process of kpipe is left. `is_static`: every worker has a name in the group."""

    def __init__(self, opt, name, *, rate, partitions=4, rows=20_000, is_static=False, session_ms=10_000, kafka=None, s3=None,
                 protocol="ledger"):
        self.opt, self.name, self.rate, self.partitions = opt, f"soak-{name}-{time.time_ns() // 1_000_000}", rate, partitions
        self.prefix, self.workers = f"{opt.bucket}/soak/{self.name}", []
        self.produced, self.stop, self.error, self.protocol = 0, threading.Event(), None, protocol
        self.eyes = Eyes(opt, self.prefix)
        self.path = opt.work / f"{self.name}.yaml"
        instance = 'group_instance: "${env:KPIPE_WORKER}"' if is_static else ""
        self.given = dict(name=self.name, kafka=kafka or opt.kafka, s3=s3 or opt.s3, bucket=opt.bucket, instance=instance,
                          session_ms=session_ms, heartbeat_ms=session_ms // 4, protocol=protocol,
                          delivery="at_least_once" if protocol == "deterministic" else "exactly_once")
        self.write(f"records: {rows}, interval: 2s, idle: 1s")
        admin = AdminClient({"bootstrap.servers": opt.kafka})
        for created in admin.create_topics([NewTopic(self.name, partitions, 1), NewTopic(f"{self.name}-dlq", 1, 1)]).values():
            created.result()

    def write(self, flush):
        """The pipeline's file, for processes that start from now on."""
        self.path.write_text(PIPELINE.format(flush=flush, **self.given))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.eyes.close()
        for worker in self.workers:
            worker.end()

    def worker(self, name="one"):
        worker = Worker(self.opt, f"{self.name}-{name}", self.path, {"KPIPE_WORKER": name})
        self.workers.append(worker)
        return worker

    # ---- records

    def feed(self, records=None):
        """Begins to produce: so many records, or until `stop` is set."""
        self.feeder = threading.Thread(target=self.produce, args=(records,), daemon=True)
        self.feeder.start()
        self.eyes.open()

    def produce(self, records):
        try:
            self.deliver(records)
        except Exception as error:  # in a thread of its own, nobody else would hear of it
            self.error = self.error or Failed(f"the producer ended: {error!r}")
            raise

    def deliver(self, records):
        # Idempotent: what a broken connection repeats is in the topic once.
        producer = Producer({"bootstrap.servers": self.opt.kafka, "linger.ms": 20, "enable.idempotence": True, "log_level": 0})
        started, first = time.monotonic(), self.produced
        while not self.stop.is_set() and self.produced != records:
            i = self.produced
            try:
                value = payload(i) if i % BAD_EVERY else b'{"id":'
                producer.produce(self.name, value, partition=i % self.partitions, on_delivery=self.delivered)
            except BufferError:
                producer.poll(0.1)
                continue
            self.produced += 1
            if i % 1_000 == 0:
                producer.poll(0)
                ahead = (i - first) / self.rate - (time.monotonic() - started)
                if ahead > 0:
                    time.sleep(ahead)
        if producer.flush(120):
            self.error = Failed("the producer could not deliver everything")

    def delivered(self, error, _):
        if error is not None:
            self.error = Failed(f"a record was not delivered: {error}")

    def ends(self):
        """Where the partitions of the topic end."""
        with contextlib.closing(Consumer({"bootstrap.servers": self.opt.kafka, "group.id": "soak-look", "log_level": 0})) as consumer:
            return [consumer.get_watermark_offsets(TopicPartition(self.name, p), timeout=30)[1] for p in range(self.partitions)]

    def bad(self):
        """Places of the records that are none, by how they were produced."""
        return {(i % self.partitions, i // self.partitions) for i in range(0, self.produced, BAD_EVERY)}

    def dead_letters(self):
        """Places that dead letters name, as often as they do."""
        found, topic = collections.Counter(), f"{self.name}-dlq"
        with contextlib.closing(Consumer({"bootstrap.servers": self.opt.kafka, "group.id": "soak-look", "log_level": 0})) as consumer:
            end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)[1]
            consumer.assign([TopicPartition(topic, 0, 0)])
            while found.total() < end:
                batch = consumer.consume(1_000, 30)
                if not batch:
                    raise Failed(f"{found.total()} dead letters could be read, {end} are there: the test itself went wrong")
                for headers in (dict(message.headers()) for message in batch):
                    found[int(headers["__connect.errors.partition"]), int(headers["__connect.errors.offset"])] += 1
        return found

    # ---- the end

    def finish(self):
        """Nobody disturbs any more: the workers drain, one process reads the rest, and everything is compared."""
        self.stop.set()
        self.feeder.join()
        self.eyes.close()
        if self.error:
            raise self.error
        for worker in self.workers:
            if worker.runs():
                if not worker.is_leaving:
                    worker.ready()
                worker.drain()
            elif worker.process and worker.process.returncode not in (0, -signal.SIGKILL, UNREACHABLE):
                raise worker.failed(f"ended by itself with {worker.process.returncode}")
        worker = self.worker("last")
        # By the name that the group knows: it need not wait for its own session to end, and keeps what it had.
        worker.env = self.workers[0].env
        self.take_all(worker)
        # What the drains made visible must not change either.
        self.eyes.look()
        worker.command += ["--until-caught-up"]
        worker.start()
        if not until(lambda: not worker.runs(), 300, 0.1) or worker.process.returncode != 0:
            raise worker.failed(f"with --until-caught-up ended with {worker.process.returncode}")
        return self.judge()

    def take_all(self, worker):
        """Lets it run until every partition is its own: a member with a name that drained holds its partitions until its session ends."""
        worker.start()
        if not until(lambda: not worker.runs() or worker.partitions() == self.partitions, 60, 0.1) or not worker.runs():
            raise worker.failed(f"did not get all of {self.partitions} partitions")
        worker.drain()

    def judge(self):
        ends, bad, letters = self.ends(), self.bad(), self.dead_letters()
        if sum(ends) != self.produced:
            raise Failed(f"the topic holds {sum(ends)} records, {self.produced} were produced: the test itself went wrong")
        objects, rows = self.eyes.look(), self.eyes.rows(["p", "o"])
        counted = rows.group_by(["p", "o"]).aggregate([([], "count_all")])
        wanted = [compute.and_(compute.and_(compute.equal(counted["p"], p), compute.less(counted["o"], end)),
                               compute.invert(compute.is_in(counted["o"], value_set=pyarrow.array([o for q, o in bad if q == p], counted["o"].type))))
                  for p, end in enumerate(ends)]
        known = sum(compute.sum(of_partition).as_py() or 0 for of_partition in wanted)
        twice = compute.sum(compute.greater(counted["count_all"], 1)).as_py() or 0
        verified, said = verify(self.opt, self.path) if self.protocol != "deterministic" else (True, "no ledger")
        return Verdict(records=sum(ends), objects=objects, missing=sum(ends) - len(bad) - known + len(bad - letters.keys()), twice=twice,
                       unknown=counted.num_rows - known + len(letters.keys() - bad), changed=len(self.eyes.changed), verify=said,
                       is_verified=verified, dead_letters=letters.total(), dead_letters_again=letters.total() - len(letters))
