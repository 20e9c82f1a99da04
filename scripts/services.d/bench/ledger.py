"""What the ledger costs beside the deterministic protocol: requests a set, recovery of 1,000 committed files, opening a ledger of 1,000,000 sets."""

import collections
import hashlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import boto3
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from pyarrow import fs

FOLDERS = 1_000
SETS = 1_000_000
KEPT = 1_064
PIPELINE = """version: 1
pipeline: {name}
source: {{ kafka: {{ brokers: ["{kafka}"], group_instance: one, value: {{ format: json, schema: {{ id: bigint, device: string }} }} }} }}
sink:
  s3:
    endpoint: {s3}
    region: us-east-1
    flush: {{ records: {rows}, interval: 1h, idle: 1h }}
    commit: {{ protocol: {protocol} }}
    format: json
kcql: |
  INSERT INTO {bucket}:bench/{name} SELECT * FROM {name} {partition}
"""


class Counted:
    """A way to the store that counts requests by method."""

    def __init__(self, endpoint):
        host, port = endpoint.removeprefix("http://").split(":")
        self.to, self.methods, self.listener = (host, int(port)), collections.Counter(), socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.to)
            threading.Thread(target=self.pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, False), daemon=True).start()

    def pump(self, source, target, counts):
        tail = b""
        try:
            while block := source.recv(1 << 16):
                if counts:
                    text = tail + block
                    # A request line ends in the block that its last byte is in.
                    for found in re.finditer(rb"(GET|PUT|POST|HEAD|DELETE) /[^\r\n]* HTTP/1\.1\r\n", text):
                        if found.end() > len(tail):
                            self.methods[found.group(1).decode()] += 1
                    tail = text[-4096:]
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def given(opt, name, records):
    admin = AdminClient({"bootstrap.servers": opt.kafka})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result()
    producer = Producer({"bootstrap.servers": opt.kafka})
    for i in range(records):
        producer.produce(name, json.dumps({"id": i, "device": f"device-{i % FOLDERS:04}"}).encode())
        producer.poll(0)
    producer.flush()


def written(opt, name, **settings):
    path = opt.work / f"{name}.yaml"
    path.write_text(PIPELINE.format(name=name, **(opt.given | {"protocol": "ledger", "partition": ""} | settings)))
    return path


def apply(opt, path, *more):
    with open(opt.work / "bench.log", "ab") as log:
        return subprocess.Popen([opt.kpipe, "apply", path, "--yes", *more], stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def finished(child):
    if child.wait(120) != 0:
        sys.exit(f"{' '.join(map(str, child.args))} ended with {child.returncode}")


def store(opt):
    return fs.S3FileSystem(endpoint_override=opt.s3.removeprefix("http://"), scheme="http", access_key=opt.user, secret_key=opt.password,
                           region="us-east-1")


def keys(opt, name, of_ledger):
    found = store(opt).get_file_info(fs.FileSelector(f"{opt.bucket}/bench/{name}", recursive=True, allow_not_found=True))
    return [info.path for info in found if info.is_file and ("/ledger/v1/" in info.path if of_ledger else "/.kpipe/" not in info.path)]


def requests(opt):
    """Requests of a run that commits 40 sets, by protocol; less those of a run that commits 10."""
    for protocol in ["deterministic", "ledger"]:
        counts = []
        for records in [1_000, 4_000]:
            name, way = f"bench-requests-{time.time_ns()}", Counted(opt.s3)
            given(opt, name, records)
            finished(apply(opt, written(opt, name, protocol=protocol, rows=100, s3=way.endpoint), "--until-caught-up"))
            counts.append(way.methods)
            way.listener.close()
        more = counts[1] - counts[0]
        by_method = ", ".join(f"{method} {count / 30:.2f}" for method, count in sorted(more.items()))
        print(f"- requests a set of one file, {protocol}: {sum(more.values()) / 30:.2f} ({by_method})")


def recovery(opt):
    """Seconds from the start until all files are visible that a killed process had committed and not completed."""
    name = f"bench-recovery-{time.time_ns()}"
    given(opt, name, FOLDERS)
    path = written(opt, name, rows=FOLDERS, partition="PARTITIONBY device")
    child = apply(opt, path)
    while len(keys(opt, name, True)) < 2:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    before = len(keys(opt, name, False))
    return seconds_until(opt, path, name, FOLDERS), FOLDERS - before


def long_ledger(opt):
    """Seconds from the start until the next set of a pipeline counts that has committed 1,000,000 of them; retention left the newest records."""
    name = f"bench-long-{time.time_ns()}"
    given(opt, name, 100)
    path = written(opt, name, rows=100)
    finished(apply(opt, path, "--until-caught-up"))
    files, client = store(opt), boto3.client("s3", endpoint_url=opt.s3)
    newest, *older = sorted(keys(opt, name, True))
    folder = newest.rsplit("/", 1)[0]
    with files.open_input_stream(newest) as stream:
        record = json.loads(stream.read())
    for old in [newest, *older]:
        client.delete_object(Bucket=opt.bucket, Key=old.removeprefix(f"{opt.bucket}/"))
    for n in range(SETS - KEPT + 1, SETS + 1):
        record |= {"n": n, "completed_through": n - 1, "start": record["end"], "sum": ""}
        record.pop("files", None)
        bare = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
        record["sum"] = hashlib.sha256(bare).hexdigest()[:16]
        key = f"{folder}/{2**64 - 1 - n:020}.json".removeprefix(f"{opt.bucket}/")
        client.put_object(Bucket=opt.bucket, Key=key, Body=json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode())
    producer = Producer({"bootstrap.servers": opt.kafka})
    for i in range(100):
        producer.produce(name, json.dumps({"id": i, "device": "d"}).encode())
    producer.flush()
    return seconds_until(opt, path, name, len(keys(opt, name, False)) + 1)


def seconds_until(opt, path, name, visible):
    """From the start of a process until so many objects are visible; then it drains."""
    start = time.monotonic()
    child = apply(opt, path)
    while len(keys(opt, name, False)) < visible:
        if child.poll() is not None or time.monotonic() - start > 60:
            sys.exit(f"{visible} objects did not become visible: see {opt.work}/bench.log")
        time.sleep(0.01)
    seconds = time.monotonic() - start
    child.terminate()
    child.wait()
    return seconds


def measure(opt):
    """Prints all of it."""
    print()
    requests(opt)
    recovered = [recovery(opt) for _ in range(3)]
    print(f"- start of the process until {FOLDERS} committed files are visible: " + ", ".join(
        f"{seconds:.2f} s ({left} were left)" for seconds, left in recovered))
    opened = sorted(long_ledger(opt) for _ in range(3))
    print(f"- start of the process until the next set is visible, {SETS} sets before it, {KEPT} records kept: {opened[1]:.2f} s "
          f"({opened[0]:.2f}-{opened[-1]:.2f})")
