"""What a running kpipe costs beside its records: memory with many files open, CPU while it waits, time until the first record is through."""

import statistics
import subprocess
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from measure import Watch, to_end

IDLE_SECONDS = 30
OPEN_FILES = """version: 1
pipeline: {name}
source:
  kafka:
    brokers: ["{kafka}"]
    value: {value}
sink:
  s3:
    endpoint: {s3}
    region: us-east-1
    flush: {{ bytes: 1GiB, interval: 1h, idle: 1h }}
    format: {{ parquet: {{ compression: snappy }} }}
kcql: |
  INSERT INTO {bucket}:bench/{name} SELECT * FROM {topic} PARTITIONBY device
"""
FIRST_FILE = """version: 1
pipeline: {name}
source: {{ kafka: {{ brokers: ["{kafka}"], value: {{ format: json }} }} }}
sink:
  s3:
    endpoint: {s3}
    region: us-east-1
    flush: {{ records: 1 }}
    format: json
kcql: |
  INSERT INTO {bucket}:bench/{name} SELECT * FROM {name}-in
"""
COPY = """version: 1
pipeline: {name}
source: {{ kafka: {{ brokers: ["{kafka}"] }} }}
sink: {{ kafka: {{ brokers: ["{kafka}"] }} }}
kcql: |
  INSERT INTO {name}-out SELECT * FROM {name}-in
"""


def open_files(opt, value):
    """Peak MiB while the records of the bench go into a file for each of their 200 devices."""
    name = f"bench-open-{time.time_ns()}"
    path = opt.work / f"{name}.yaml"
    path.write_text(OPEN_FILES.format(name=name, value=value, topic=opt.topic, **opt.given))
    return to_end(opt, [opt.kpipe, "apply", path, "--yes", "--until-caught-up", "-q"])["mib"]


def given_record(opt, name):
    """The topics NAME-in, with one record, and NAME-out."""
    admin = AdminClient({"bootstrap.servers": opt.kafka})
    for done in admin.create_topics([NewTopic(f"{name}-{end}", 1, 1) for end in ("in", "out")]).values():
        done.result()
    producer = Producer({"bootstrap.servers": opt.kafka})
    producer.produce(f"{name}-in", b'{"id":1}')
    producer.flush()


def started(opt, path):
    with open(opt.work / "bench.log", "ab") as log:
        return subprocess.Popen([opt.kpipe, "apply", path, "--yes"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def stopped(child):
    child.terminate()
    child.wait()


def first_file(opt):
    """Seconds from the start of the process until a record that lay in a topic is in a visible object."""
    from pyarrow import fs
    name = f"bench-file-{time.time_ns()}"
    path = opt.work / f"{name}.yaml"
    path.write_text(FIRST_FILE.format(name=name, **opt.given))
    given_record(opt, name)
    store = fs.S3FileSystem(endpoint_override=opt.s3.removeprefix("http://"), scheme="http", access_key=opt.user, secret_key=opt.password,
                            region="us-east-1")
    folder = fs.FileSelector(f"{opt.bucket}/bench/{name}", recursive=True, allow_not_found=True)
    start = time.monotonic()
    child = started(opt, path)
    try:
        while not any(info.is_file and "/.kpipe/" not in info.path for info in store.get_file_info(folder)):
            if time.monotonic() - start > 30:
                sys.exit(f"the first file did not appear: see {opt.work}/bench.log")
            time.sleep(0.005)
        return time.monotonic() - start
    finally:
        stopped(child)


def first_copy_and_wait(opt):
    """Seconds from the start of the process until a record that lay in one topic is read from another, and CPU per cent while it then waits."""
    name = f"bench-copy-{time.time_ns()}"
    path = opt.work / f"{name}.yaml"
    path.write_text(COPY.format(name=name, **opt.given))
    given_record(opt, name)
    consumer = Consumer({"bootstrap.servers": opt.kafka, "group.id": name + "-look", "fetch.wait.max.ms": 5, "log_level": 0})
    consumer.assign([TopicPartition(f"{name}-out", 0, 0)])
    consumer.poll(1)
    start = time.monotonic()
    child = started(opt, path)
    try:
        message = consumer.poll(30)
        first = time.monotonic() - start
        if message is None or message.error():
            sys.exit(f"the first record did not arrive: see {opt.work}/bench.log")
        time.sleep(2)
        watch = Watch(child.pid)
        before = watch.cpu_s()
        time.sleep(IDLE_SECONDS)
        return first, 100 * (watch.cpu_s() - before) / IDLE_SECONDS
    finally:
        stopped(child)
        consumer.close()


def measure(opt, value):
    """Prints all of it: medians and spreads over the rounds."""
    facts = {"peak memory with 200 files open, MiB": [], "start to the first record in an object, ms": [],
             "start to the first record in another topic, ms": [], "CPU while waiting, % of a core": []}
    for turn in range(opt.rounds):
        print(f"round {turn + 1}: life", file=sys.stderr, flush=True)
        copied, idle = first_copy_and_wait(opt)
        for values, value_now in zip(facts.values(), [open_files(opt, value), first_file(opt) * 1000, copied * 1000, idle]):
            values.append(value_now)
    print()
    for what, values in facts.items():
        print(f"- {what}: {statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})")
