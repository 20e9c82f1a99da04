"""What kpipe costs on real services, beside a Python script that does the same job (python_sink.py).

Each round runs every job once, so that a slow phase of the machine hits all of them. Printed per job: the median and the spread of CPU
seconds per million records (user + system of the whole process), peak memory, files, bytes, and CPU by thread; then, once per round, what
life.py measures (memory with 200 files open, CPU of a pipeline that waits, time from start to the first record) and ledger.py (requests,
recovery, a long ledger).
`normalised` divides by this machine's calibration (CPU seconds for 50 MB of SHA-256, taken before each run) over 0.027 s.

Needs: scripts/services up (kafka, mosquitto, s3), cargo build --release, and nothing else running.
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time
import urllib.request

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parent))
import ledger  # noqa: E402
import life  # noqa: E402
from measure import Watch, calibrate, objects, to_end  # noqa: E402
from mqtt_publish import Publisher  # noqa: E402

SCHEMA = ("{ id: bigint, device: string, ts: bigint, temperature: double, humidity: double, pressure: double, voltage: double, "
          "online: boolean, meta: { firmware: string, mode: string, site: string }, country: string }")
FILES = """version: 1
pipeline: {name}
source:
  kafka:
    brokers: ["{kafka}"]
    value: {value}
sink:
  s3:
    endpoint: {s3}
    region: us-east-1
    flush: {{ records: {rows}, bytes: 1GiB }}
    commit: {{ protocol: {protocol} }}
    format: {format}
kcql: |
  INSERT INTO {bucket}:{prefix} SELECT * FROM {topic}
"""
MQTT = """version: 1
pipeline: {name}
source:
  mqtt: {{ url: "mqtt://{mqtt}", qos: 1 }}
sink:
  kafka: {{ brokers: ["{kafka}"] }}
kcql: |
  INSERT INTO {topic} SELECT * FROM {name}/+
"""


def files_job(opt, name, value, form, protocol="ledger"):
    run = f"bench-{name}-{time.time_ns()}"
    path = opt.work / f"{run}.yaml"
    path.write_text(FILES.format(name=run, value=value, format=form, protocol=protocol, rows=opt.rows, prefix=f"bench/{run}", topic=opt.topic, **opt.given))
    result = to_end(opt, [opt.kpipe, "apply", path, "--yes", "--until-caught-up", "-q"])
    result["files"], result["bytes"], rows = objects(opt, f"bench/{run}")
    if "zstd" not in form and rows != opt.records:
        sys.exit(f"{name}: {rows} rows were written, not {opt.records}")
    return result


def python_job(opt, name, form):
    run = f"bench-{name}-{time.time_ns()}"
    command = [sys.executable, HERE / "python_sink.py", "--topic", opt.topic, "--records", str(opt.records), "--rows", str(opt.rows),
               "--format", form, "--group", run, "--prefix", f"bench/{run}"]
    result = to_end(opt, command, {"BROKERS": opt.kafka, "S3_ENDPOINT": opt.s3, "S3_BUCKET": opt.bucket})
    result["files"], result["bytes"], _ = objects(opt, f"bench/{run}")
    return result


def mqtt_job(opt):
    run = f"bench-mqtt-{time.time_ns()}"
    path = opt.work / f"{run}.yaml"
    path.write_text(MQTT.format(name=run, topic=run, **opt.given))
    admin = AdminClient({"bootstrap.servers": opt.kafka})
    admin.create_topics([NewTopic(run, 1, 1)])[run].result()
    calibration = calibrate()
    with open(opt.work / "bench.log", "ab") as log:
        child = subprocess.Popen([opt.kpipe, "apply", path, "--yes", "--http", "127.0.0.1:28479"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    watch = Watch(child.pid)
    try:
        while True:
            try:
                urllib.request.urlopen("http://127.0.0.1:28479/readyz", timeout=1).read()
                break
            except OSError:
                if child.poll() is not None:
                    sys.exit(f"the MQTT job ended with {child.returncode}: see {opt.work}/bench.log")
                time.sleep(0.05)
        time.sleep(1)
        before, start = watch.cpu_s(), time.monotonic()
        payload = (b'"device":"device-00042","ts":1700000000000,"temperature":21.4,"humidity":40.2,"pressure":951.125,"online":true,'
                   b'"firmware":"v1.2.2","site":"north-assembly-hall","country":"DE"}')
        publisher = Publisher(opt.mqtt, run, 200, opt.messages, opt.rate, lambda i: b'{"seq":%d,' % i + payload)
        publisher.start()
        publisher.join()
        consumer = Consumer({"bootstrap.servers": opt.kafka, "group.id": "bench-look", "log_level": 0})
        end = time.monotonic() + 60
        while consumer.get_watermark_offsets(TopicPartition(run, 0), timeout=5)[1] < opt.messages:
            if time.monotonic() > end:
                sys.exit("the messages did not arrive")
            time.sleep(0.1)
        watch.look()
        cpu, wall = watch.cpu_s() - before, time.monotonic() - start
        consumer.close()
    finally:
        child.terminate()
        child.wait()
    return {"cpu": cpu, "mib": watch.peak_kib / 1024, "wall": wall, "calibration": calibration, "threads": watch.threads(), "files": 0, "bytes": 0}


def show(name, results, count):
    per_million = sorted(result["cpu"] / count * 1e6 for result in results)
    normal = sorted(result["cpu"] / count * 1e6 / (result["calibration"] / 0.027) for result in results)
    last = results[-1]
    print(f"| {name} | {statistics.median(per_million):.2f} ({per_million[0]:.2f}-{per_million[-1]:.2f}) | {statistics.median(normal):.2f} "
          f"| {statistics.median(result['calibration'] for result in results):.4f} | {max(result['mib'] for result in results):.0f} "
          f"| {last['files']} | {last['bytes'] / 1e6:.0f} | {statistics.median(result['wall'] for result in results):.1f} |")
    total = sum(last["threads"].values()) or 1
    threads = sorted(last["threads"].items(), key=lambda item: -item[1])
    return f"{name}: " + ", ".join(f"{thread} {ns / count:.0f} ns ({100 * ns / total:.0f} %)" for thread, ns in threads[:8] if ns / count >= 1)


def prepare(opt):
    admin = AdminClient({"bootstrap.servers": opt.kafka})
    if opt.topic not in admin.list_topics(timeout=10).topics:
        subprocess.run([sys.executable, HERE / "generate.py", "--brokers", opt.kafka, "--topic", f"{opt.topic}:1", "--records", str(opt.records)],
                       check=True)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--records", type=int, default=2_000_000)
    args.add_argument("--rows", type=int, default=200_000, help="records a file")
    args.add_argument("--messages", type=int, default=200_000, help="MQTT messages")
    args.add_argument("--rate", type=float, default=20_000, help="MQTT messages a second at most")
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--only", action="append", help="a job's name, life or ledger; can be repeated")
    args.add_argument("--kpipe", default=None, help="default: target/release/kpipe")
    opt = args.parse_args()
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    opt.kpipe = opt.kpipe or target / "release" / "kpipe"
    opt.work, opt.topic = target / "bench", f"bench-json-{opt.records}"
    opt.work.mkdir(parents=True, exist_ok=True)
    exported = subprocess.run([ROOT / "scripts/services", "env"], capture_output=True, text=True, check=True).stdout
    given = dict(re.findall(r"^export KPIPE_TEST_(\w+)=(.*)$", exported, re.M))
    opt.kafka, opt.mqtt, opt.s3, opt.bucket, opt.user, opt.password = (given[key] for key in ["KAFKA", "MQTT", "S3", "S3_BUCKET", "USER", "PASSWORD"])
    opt.given = {"kafka": opt.kafka, "mqtt": opt.mqtt, "s3": opt.s3, "bucket": opt.bucket}
    os.environ |= {"AWS_ACCESS_KEY_ID": opt.user, "AWS_SECRET_ACCESS_KEY": opt.password, "AWS_REGION": "us-east-1"}
    prepare(opt)
    typed = f"{{ format: json, schema: {SCHEMA} }}"
    jobs = {
        "kpipe JSON -> Parquet snappy": (lambda: files_job(opt, "parquet", typed, "{ parquet: { compression: snappy } }"), opt.records),
        "kpipe JSON -> Parquet snappy, commit by names": (
            lambda: files_job(opt, "parquet", typed, "{ parquet: { compression: snappy } }", "deterministic"), opt.records),
        "python JSON -> Parquet snappy": (lambda: python_job(opt, "python-parquet", "parquet"), opt.records),
        "kpipe JSON -> JSON lines": (lambda: files_job(opt, "jsonl", "{ format: json }", "json"), opt.records),
        "python JSON -> JSON lines": (lambda: python_job(opt, "python-jsonl", "jsonl"), opt.records),
        "kpipe JSON -> JSON lines zstd": (lambda: files_job(opt, "jsonl-zstd", "{ format: json }", "{ json: { compression: zstd } }"), opt.records),
        "kpipe MQTT QoS 1 -> Kafka": (lambda: mqtt_job(opt), opt.messages),
    }
    chosen = {name: job for name, job in jobs.items() if not opt.only or any(word in name for word in opt.only)}
    results = {name: [] for name in chosen}
    for turn in range(opt.rounds):
        for name, (job, _) in chosen.items():
            print(f"round {turn + 1}: {name}", file=sys.stderr, flush=True)
            results[name].append(job())
    print("| job | CPU s per million, median (spread) | normalised | calibration s | peak MiB | files | MB | wall s |\n|---|---|---|---|---|---|---|---|")
    threads = [show(name, results[name], chosen[name][1]) for name in chosen]
    print("\nCPU by thread, per record, last round:")
    print("\n".join(f"- {line}" for line in threads))
    if not opt.only or "life" in opt.only:
        life.measure(opt, typed)
    if not opt.only or "ledger" in opt.only:
        ledger.measure(opt)


if __name__ == "__main__":
    main()
