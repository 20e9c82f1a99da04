"""MQTT -> Kafka -> S3 on real services while processes are killed, a broker or the store goes away, a second worker joins.

Publishes --messages with an id each (QoS 1, --topics topics), runs the two pipelines of `pipelines/` as processes of their own, disturbs
them, then reads the Parquet files back with pyarrow and counts: every id must be there. Rows beyond the distinct ids are
duplicates; they are printed, and how many of them the topic held already. Fails if an id is missing.

Needs: scripts/services up (kafka, mosquitto, s3), and a built kpipe.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from pyarrow import fs, parquet

from mqtt_publish import Publisher

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENARIOS = ["kill", "broker", "store", "rebalance"]


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def payload(i):
    return (f'{{"id":{i},"device":"device-{i % 200:05d}","amount":{i % 90000 / 100},"ts":{1_700_000_000_000 + i},"site":"site-{i % 3}",'
            f'"firmware":"v1.{i % 9}.2","online":true}}').encode()


class Worker:
    """A kpipe process that can be killed and started again."""

    def __init__(self, opt, name, pipeline, port):
        self.name, self.port, self.kills, self.process = name, port, 0, None
        self.log = open(opt.work / f"{name}.log", "ab")
        self.command = [opt.kpipe, "apply", str(pipeline), "--yes", "--log-format", "json", "--http", f"127.0.0.1:{port}"]

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return answer.read().decode()
        except (urllib.error.URLError, OSError):
            return None

    def ready(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended with {self.process.returncode}: see {self.log.name}")
            if self.get("/readyz") is not None:
                return
            time.sleep(0.1)
        sys.exit(f"{self.name} is not ready after {seconds} s: see {self.log.name}")

    def metric(self, name):
        found = re.findall(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", self.get("/metrics") or "", re.M)
        return sum(float(value) for value in found)

    def kill(self):
        if self.process.poll() is not None:
            sys.exit(f"{self.name} ended by itself with {self.process.returncode}: see {self.log.name}")
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.kills += 1

    def drain(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(120)
        if code != 0:
            sys.exit(f"{self.name} did not drain: exit code {code}, see {self.log.name}")


def services(*words):
    subprocess.run([ROOT / "scripts/services", *words], check=True, stdout=subprocess.DEVNULL)


def topic_count(opt, topic):
    """Records in the topic by its offsets; None while the broker is away."""
    with contextlib.closing(Consumer({"bootstrap.servers": opt.kafka, "group.id": "kpipe-crash-test-look", "log_level": 0})) as consumer:
        try:
            partitions = consumer.list_topics(topic, timeout=5).topics[topic].partitions
            return sum(consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=5)[1] for p in partitions)
        except Exception:
            return None


def topic_ids(opt, topic, expected):
    """Ids in the topic, as often as they are there."""
    with contextlib.closing(Consumer({"bootstrap.servers": opt.kafka, "group.id": "kpipe-crash-test-read", "log_level": 0})) as consumer:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
        ids = []
        while len(ids) < expected:
            batch = consumer.consume(10_000, 10)
            if not batch:
                break
            ids += [int(message.value().split(b",", 1)[0][6:]) for message in batch if message.error() is None]
        return ids


def file_ids(opt, prefix):
    """Ids in the Parquet files, as often as they are there, and the number of files."""
    found = opt.store.get_file_info(fs.FileSelector(f"{opt.bucket}/{prefix}", recursive=True))
    files = [info.path for info in found if info.is_file and info.path.endswith(".parquet")]
    ids = []
    for path in files:
        ids += parquet.read_table(path, columns=["id"], filesystem=opt.store, partitioning=None).column("id").to_pylist()
    return ids, len(files)


def pipelines(opt, name):
    """The two pipelines of the project under names of their own, with files that close often."""
    topic, prefix = f"crash-{name}", f"crash/{name}"
    out = {}
    for source in ["mqtt-to-kafka", "kafka-to-s3-parquet"]:
        text = (ROOT / "pipelines" / source / "pipeline.yaml").read_text()
        text = re.sub(r"(?m)^pipeline: .*$", f"pipeline: {source}-{name}", text)
        text = re.sub(r"(?m)^(\s*flush:).*$", rf"\1 {{ records: {opt.rows}, interval: 10s }}", text)
        for before, after in [("INTO telemetry SELECT", f"INTO {topic} SELECT"), ("FROM telemetry/#", f"FROM crash/{name}/+"),
                              ("INTO lake:orders", f"INTO {opt.bucket}:{prefix}"), ("FROM orders", f"FROM {topic}")]:
            text = text.replace(before, after)
        path = opt.work / f"{source}-{name}.yaml"
        path.write_text(text)
        out[source] = path
    return topic, prefix, out


def disturb(opt, scenario, workers, publisher, second):
    """Does what the scenario says while messages are on their way; returns what was done."""
    done = []

    def under_way():
        return publisher.is_alive() and publisher.error is None

    share = opt.messages / (opt.kills + 1)
    if scenario == "kill":
        for turn in range(opt.kills):
            while under_way() and publisher.acknowledged < share * (turn + 1):
                time.sleep(0.02)
            for worker in workers:
                if not under_way():
                    break
                # A worker that was killed leaves its partitions to nobody for the group's session timeout: its successor waits as long.
                end = time.monotonic() + 40
                gauge = "kpipe_open_files" if worker is workers[-1] else "kpipe_records_read_total"
                while not worker.metric(gauge) and time.monotonic() < end and under_way():
                    time.sleep(0.02)
                if not under_way():
                    break
                open_files = worker.metric("kpipe_open_files")
                worker.kill()
                done.append(f"{worker.name} killed at {publisher.acknowledged} messages, {open_files:.0f} files open")
                worker.start()
        return done
    while under_way() and publisher.acknowledged < opt.messages / 3:
        time.sleep(0.02)
    if scenario == "broker":
        services("kill", "kafka")
        time.sleep(3)
        services("up", "kafka")
        done.append("kafka killed and started again")
    elif scenario == "store":
        services("kill", "s3")
        time.sleep(opt.outage)
        services("up", "s3")
        done.append(f"the S3 server was away for {opt.outage} s")
    elif scenario == "rebalance":
        second.start()
        second.ready()
        time.sleep(5)
        second.kill()
        second.start()
        second.ready()
        time.sleep(5)
        second.drain()
        done.append("a second worker joined, was killed, joined again and drained")
    done.append(f"{publisher.acknowledged} messages acknowledged by then")
    return done


def wait_for_topic(opt, topic):
    """Until the topic holds as many records as messages, and no more come."""
    last, since, end = -1, time.monotonic(), time.monotonic() + 600
    while time.monotonic() < end:
        count = topic_count(opt, topic)
        if count != last:
            last, since = count, time.monotonic()
        if last is not None and last >= opt.messages and time.monotonic() - since > 5:
            return
        time.sleep(0.5)
    sys.exit(f"the topic holds {last} records of {opt.messages} after 600 s")


def run(opt, scenario):
    name = f"{scenario}-{int(time.time())}-{os.getpid()}"
    topic, prefix, files = pipelines(opt, name)
    admin = AdminClient({"bootstrap.servers": opt.kafka})
    admin.create_topics([NewTopic(topic, 4, 1)])[topic].result()
    to_kafka = Worker(opt, f"mqtt-to-kafka-{name}", files["mqtt-to-kafka"], 28471)
    to_files = Worker(opt, f"kafka-to-s3-{name}", files["kafka-to-s3-parquet"], 28472)
    second = Worker(opt, f"second-{name}", files["kafka-to-s3-parquet"], 28473)
    workers = [to_kafka, to_files]
    started = time.monotonic()
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.ready()
        publisher = Publisher(opt.mqtt, f"crash/{name}", opt.topics, opt.messages, opt.rate, payload)
        publisher.start()
        for line in disturb(opt, scenario, workers, publisher, second):
            say(f"  {line}")
        publisher.join()
        if publisher.error:
            raise publisher.error
        wait_for_topic(opt, topic)
        for worker in workers:
            worker.drain()
        rest = subprocess.run([opt.kpipe, "apply", str(files["kafka-to-s3-parquet"]), "--yes", "--until-caught-up"], stdout=to_files.log,
                              stderr=to_files.log, timeout=300, check=False)
        if rest.returncode != 0:
            sys.exit(f"--until-caught-up ended with {rest.returncode}: see {to_files.log.name}")
    finally:
        for worker in [*workers, second]:
            if worker.process and worker.process.poll() is None:
                worker.process.kill()
    rows, count = file_ids(opt, prefix)
    in_topic = topic_ids(opt, topic, topic_count(opt, topic))
    distinct = set(rows)
    missing = set(range(opt.messages)) - distinct
    kills = ", ".join(f"{worker.name.split('-' + scenario)[0]} {worker.kills}" for worker in workers)
    say(f"{scenario}: {opt.messages} messages, {opt.topics} topics, killed: {kills}; {time.monotonic() - started:.0f} s")
    say(f"  {len(distinct)} distinct ids in {len(rows)} rows of {count} files; missing {len(missing)}; duplicates {len(rows) - len(distinct)}, "
        f"of which {len(in_topic) - len(set(in_topic))} were in the topic already (MQTT is at least once)")
    if missing:
        say(f"  MISSING, the first: {sorted(missing)[:10]}; in the topic: {len(set(in_topic))} distinct")
    if scenario == "kill" and min(worker.kills for worker in workers) < opt.kills:
        say(f"  only {kills} kills while messages were on their way")
        return False
    # From Kafka into files every record is there exactly as often as in the topic.
    once_more = collections.Counter(rows) - collections.Counter(in_topic)
    if once_more:
        say(f"  WRITTEN MORE OFTEN than they are in the topic: {sum(once_more.values())}, the first: {sorted(once_more)[:10]}")
    verified = subprocess.run([opt.kpipe, "verify", str(files["kafka-to-s3-parquet"])], capture_output=True, text=True, timeout=300, check=False)
    say("  " + (verified.stdout.strip().splitlines() or verified.stderr.strip().splitlines() or ["verify said nothing"])[-1])
    if verified.returncode != 0:
        say(f"  kpipe verify ended with {verified.returncode}:\n{verified.stdout}{verified.stderr}")
        return False
    return not missing and not once_more and len(distinct) == opt.messages


def settings(args):
    """The arguments with what every test of this kind needs: the binary, a folder to work in, the services."""
    args.add_argument("--kpipe", help="the binary; default: target/debug/kpipe")
    opt = args.parse_args()
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    opt.kpipe = opt.kpipe or str(target / "debug" / "kpipe")
    opt.work = target / "crash-test"
    opt.work.mkdir(parents=True, exist_ok=True)
    exported = subprocess.run([ROOT / "scripts/services", "env"], capture_output=True, text=True, check=True).stdout
    given = dict(re.findall(r"^export KPIPE_TEST_(\w+)=(.*)$", exported, re.M))
    opt.kafka, opt.mqtt, opt.s3, opt.bucket = (given.get(key) for key in ["KAFKA", "MQTT", "S3", "S3_BUCKET"])
    os.environ |= {"AWS_ACCESS_KEY_ID": given["USER"], "AWS_SECRET_ACCESS_KEY": given["PASSWORD"], "AWS_REGION": "us-east-1",
                   "KAFKA_BROKERS": opt.kafka, "S3_ENDPOINT": opt.s3, "MQTT_USERNAME": "", "MQTT_PASSWORD": ""}
    if opt.mqtt:
        os.environ["MQTT_URL"] = f"mqtt://{opt.mqtt}"
    opt.store = fs.S3FileSystem(endpoint_override=opt.s3.removeprefix("http://"), scheme="http", access_key=given["USER"],
                                secret_key=given["PASSWORD"], region="us-east-1")
    return opt


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--messages", type=int, default=1_000_000)
    args.add_argument("--kills", type=int, default=10, help="of each process")
    args.add_argument("--topics", type=int, default=200)
    args.add_argument("--rate", type=float, default=6_000, help="messages a second at most")
    args.add_argument("--rows", type=int, default=20_000, help="records a file set")
    args.add_argument("--outage", type=float, default=60, help="seconds that the S3 server is away")
    args.add_argument("--scenario", choices=SCENARIOS, action="append", help="default: kill; can be repeated")
    opt = settings(args)
    results = [run(opt, scenario) for scenario in opt.scenario or ["kill"]]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
