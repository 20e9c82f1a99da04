"""Kafka -> S3 on real services, the process killed again and again at random moments; every offset must be in exactly one object.

A producer writes --records records while one kpipe process (static membership, sets by records and by the clock) is killed --kills times, at
moments drawn from --seed. Objects are looked at after every few kills: one that was seen must never change or go. At the end they are read with
pyarrow, which knows nothing of kpipe, and compared with the topic: offset by offset. `kpipe verify` must agree.

Needs: scripts/services up (kafka, s3), and a built kpipe.
"""

import argparse
import collections
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import threading
import time

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from pyarrow import fs, parquet

from crash_test import Worker, payload, say, settings

PARTITIONS = 4
PIPELINE = """\
version: 1
pipeline: {name}
delivery: exactly_once
source:
  kafka:
    brokers: ["{kafka}"]
    group_instance: one
    value: {{ format: json, schema: {{ id: bigint not null, device: string, ts: timestamp, site: string }} }}
sink:
  s3:
    endpoint: "{s3}"
    region: us-east-1
    format: {{ parquet: {{ compression: snappy }} }}
    flush: {{ records: {rows}, interval: 2s, idle: 1s }}
kcql: |
  INSERT INTO {bucket}:{prefix}
  SELECT id, device, ts, site, _partition AS p, _offset AS o FROM {topic} PARTITIONBY site
"""


def produce(opt, topic, done):
    producer = Producer({"bootstrap.servers": opt.kafka, "linger.ms": 20})
    started = time.monotonic()
    for i in range(opt.records):
        while True:
            try:
                producer.produce(topic, payload(i), partition=i % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
        if i % 1_000 == 0:
            producer.poll(0)
            ahead = i / opt.rate - (time.monotonic() - started)
            if ahead > 0:
                time.sleep(ahead)
    producer.flush()
    done.set()


def objects(opt, prefix):
    """Keys of data with what tells one content from another."""
    found = opt.store.get_file_info(fs.FileSelector(f"{opt.bucket}/{prefix}", recursive=True, allow_not_found=True))
    return {info.path: (info.size, info.mtime) for info in found if info.is_file and "/.kpipe/" not in info.path}


def look(opt, prefix, seen):
    """Remembers what is there; says what changed or went."""
    now = objects(opt, prefix)
    wrong = [path for path, was in seen.items() if now.get(path) != was]
    seen.update(now)
    return wrong


def storm(opt, worker, prefix, done):
    chance, starts, wrong, seen = random.Random(opt.seed), [], [], {}
    worker.start()
    begun = time.monotonic()
    while worker.kills < opt.kills:
        # Until it reads, then a moment more: kills fall into starts, takeovers, uploads and commits alike.
        moment = chance.choice([chance.uniform(0, 0.6), chance.uniform(0.3, 3.0)])
        end = begun + moment
        while time.monotonic() < end:
            time.sleep(0.005)
        if moment > 1.5 and worker.metric("kpipe_records_read_total"):
            starts.append(moment)
        worker.kill()
        if worker.kills % 10 == 0:
            wrong += look(opt, prefix, seen)
        worker.start()
        begun = time.monotonic()
    done.wait()
    return seen, wrong


def works_again(worker):
    """Seconds from a start to the first record that is read, as the metrics say."""
    worker.kill()
    begun = time.monotonic()
    worker.start()
    while not worker.metric("kpipe_records_read_total"):
        if time.monotonic() - begun > 60:
            return None
        time.sleep(0.02)
    return time.monotonic() - begun


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--records", type=int, default=1_000_000)
    args.add_argument("--kills", type=int, default=100)
    args.add_argument("--rate", type=float, default=20_000, help="records a second at most")
    args.add_argument("--rows", type=int, default=20_000, help="records a set at most")
    args.add_argument("--seed", type=int, default=int(time.time()))
    opt = settings(args)
    sys.exit(0 if run(opt) else 1)


def run(opt):
    name = f"storm-{int(time.time())}-{os.getpid()}"
    topic, prefix = name, f"storm/{name}"
    admin = AdminClient({"bootstrap.servers": opt.kafka})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result()
    path = opt.work / f"{name}.yaml"
    path.write_text(PIPELINE.format(name=name, kafka=opt.kafka, s3=opt.s3, bucket=opt.bucket, prefix=prefix, topic=topic, rows=opt.rows))
    worker, done, started = Worker(opt, name, path, 28474), threading.Event(), time.monotonic()
    threading.Thread(target=produce, args=(opt, topic, done), daemon=True).start()
    try:
        seen, wrong = storm(opt, worker, prefix, done)
        # Records are there to be read, so that the first one shows when it works again.
        again = []
        for _ in range(3):
            produce(argparse.Namespace(kafka=opt.kafka, records=PARTITIONS * 10, rate=1e9), topic, threading.Event())
            again.append(works_again(worker))
        worker.ready()
        worker.drain()
        rest = subprocess.run([opt.kpipe, "apply", str(path), "--yes", "--until-caught-up"], stdout=worker.log, stderr=worker.log, timeout=300,
                              check=False)
    finally:
        if worker.process and worker.process.poll() is None:
            worker.process.kill()
    if rest.returncode != 0:
        sys.exit(f"--until-caught-up ended with {rest.returncode}: see {worker.log.name}")
    wrong += look(opt, prefix, seen)
    expected = opt.records + 3 * PARTITIONS * 10
    counts = collections.Counter()
    for file in objects(opt, prefix):
        table = parquet.read_table(file, columns=["p", "o"], filesystem=opt.store, partitioning=None)
        counts.update(zip(table.column("p").to_pylist(), table.column("o").to_pylist()))
    every = {(i % PARTITIONS, i // PARTITIONS) for i in range(expected)}
    missing, twice = every - counts.keys(), [key for key, count in counts.items() if count > 1]
    verified = subprocess.run([opt.kpipe, "verify", str(path)], capture_output=True, text=True, timeout=600, check=False)
    say(f"storm: seed {opt.seed}, {expected} records, {worker.kills} kills, {time.monotonic() - started:.0f} s, {len(objects(opt, prefix))} objects")
    say(f"  missing {len(missing)}, in more than one object {len(twice)}, unknown {len(counts.keys() - every)}, objects that changed {len(wrong)}")
    times = [seconds for seconds in again if seconds is not None]
    say(f"  start to the first record after a kill: {', '.join(f'{seconds:.2f}' for seconds in times)} s, median {statistics.median(times):.2f} s")
    say("  verify: " + (verified.stdout.strip().splitlines() or [verified.stderr.strip()])[-1].strip())
    if verified.returncode != 0:
        say(verified.stdout + verified.stderr)
    return not missing and not twice and not wrong and len(counts) == expected and verified.returncode == 0


if __name__ == "__main__":
    main()
