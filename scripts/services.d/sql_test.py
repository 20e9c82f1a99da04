"""WHERE and expressions of a pipeline against DuckDB: the same SQL over the same records, value for value.

Records go into a topic of real Kafka, a pipeline writes Parquet files to real S3, pyarrow reads them back, and DuckDB computes the rows
from the JSON text that was sent. Ends with 1 if a row is missing, too many, or differs in any value.

Needs: scripts/services up (kafka, s3), and a build of kpipe.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import duckdb
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from pyarrow import fs, parquet

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE / "bench"))
from generate import records  # noqa: E402

SCHEMA = ("{ id: bigint not null, device: string, ts: bigint, temperature: double, humidity: double, pressure: double, voltage: double, "
          "online: boolean, meta: { firmware: string, mode: string, site: string }, country: string }")
COLUMNS = """
id,
upper(device) AS device,
lower(country) || '/' || meta.mode AS place,
CAST(pressure AS DECIMAL(9,3)) AS pressure,
CAST(CAST(pressure AS DECIMAL(9,3)) * 2 + 1 AS DECIMAL(12,3)) AS doubled,
temperature * 9 / 5 + 32 AS fahrenheit,
round(humidity) AS humidity,
split_part(meta.firmware, '.', 1) AS major,
CAST(split_part(meta.firmware, '.', 2) AS BIGINT) + 1 AS minor,
to_timestamp_millis(ts) AS instant,
date_trunc('hour', to_timestamp_millis(ts)) AS hour,
date_part('minute', to_timestamp_millis(ts)) AS minute,
CASE WHEN temperature > 30 THEN 'hot' WHEN temperature < 0 THEN 'cold' ELSE 'ok' END AS state,
CASE meta.mode WHEN 'auto' THEN 1 WHEN 'eco' THEN 2 END AS mode,
coalesce(nullif(meta.mode, 'auto'), 'none') AS manual,
length(meta.site) AS length,
substr(meta.site, 6, 4) AS number,
replace(meta.site, '-', '_') AS site,
id % 7 AS bucket,
TRY_CAST(meta.firmware AS BIGINT) AS nothing,
md5(device) AS hash
"""
CONDITION = """
online AND temperature BETWEEN -15 AND 40.5 AND country IN ('DE', 'FR', 'IT', 'ES') AND meta.site LIKE '%-hall'
AND NOT (humidity < 5 OR meta.mode = 'standby') AND to_timestamp_millis(ts) >= TIMESTAMP '2023-11-14 22:13:21' AND voltage IS NOT NULL
"""
PIPELINE = """version: 1
pipeline: {name}
source:
  kafka:
    brokers: ["{kafka}"]
    value: {{ format: json, schema: {schema} }}
sink:
  s3: {{ endpoint: "{s3}", region: us-east-1, format: parquet }}
kcql: |
  INSERT INTO {bucket}:{prefix}
  SELECT {columns}
  FROM {name}
  WHERE {condition}
"""


def given_records(opt, name):
    admin = AdminClient({"bootstrap.servers": opt.kafka})
    admin.create_topics([NewTopic(name, 3, 1)])[name].result()
    producer = Producer({"bootstrap.servers": opt.kafka, "linger.ms": 20, "enable.idempotence": True})
    lines = []
    for key, value in records(opt.records):
        lines.append(value)
        producer.produce(name, value.encode(), key=key)
        producer.poll(0)
    producer.flush()
    return lines


def of_kpipe(opt, name, prefix, work):
    path = work / "pipeline.yaml"
    lines = lambda text: " ".join(text.split())  # noqa: E731
    path.write_text(PIPELINE.format(name=name, prefix=prefix, schema=SCHEMA, columns=lines(COLUMNS), condition=lines(CONDITION), **opt.given))
    subprocess.run([opt.kpipe, "apply", path, "--yes", "--until-caught-up", "-q"], check=True)
    store = fs.S3FileSystem(endpoint_override=opt.s3.removeprefix("http://"), scheme="http", access_key=opt.user, secret_key=opt.password,
                            region="us-east-1")
    return parquet.read_table(f"{opt.bucket}/{prefix}", filesystem=store, partitioning=None)


def differences(ours, lines, work):
    """How many rows both sides have, and the first of those that only one has."""
    source = work / "records.jsonl"
    source.write_text("\n".join(lines) + "\n")
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    # The one name that DuckDB spells differently.
    db.execute("CREATE MACRO to_timestamp_millis(ms) AS make_timestamp(ms * 1000)")
    types = ("{id: 'BIGINT', device: 'VARCHAR', ts: 'BIGINT', temperature: 'DOUBLE', humidity: 'DOUBLE', pressure: 'DOUBLE', voltage: 'DOUBLE', "
             "online: 'BOOLEAN', meta: 'STRUCT(firmware VARCHAR, mode VARCHAR, site VARCHAR)', country: 'VARCHAR'}")
    db.execute(f"CREATE VIEW t AS SELECT * FROM read_json('{source}', format = 'newline_delimited', columns = {types})")
    db.execute(f"CREATE TABLE theirs AS SELECT {COLUMNS} FROM t WHERE {CONDITION}")
    db.register("read", ours)
    # An instant is one whether or not its type has a zone.
    columns = [name for name, *_ in db.execute("DESCRIBE theirs").fetchall()]
    mine = ", ".join(f"CAST({name} AS TIMESTAMP) AS {name}" if name in ("instant", "hour") else name for name in columns)
    db.execute(f"CREATE TABLE ours AS SELECT {mine} FROM read")
    count = lambda table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: E731
    only = lambda one, other: db.execute(f"SELECT * FROM {one} EXCEPT ALL SELECT * FROM {other} ORDER BY id LIMIT 3").fetchall()  # noqa: E731
    return count("ours"), count("theirs"), only("ours", "theirs"), only("theirs", "ours")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--records", type=int, default=100_000)
    args.add_argument("--kpipe", help="default: built with cargo")
    opt = args.parse_args()
    if not opt.kpipe:
        subprocess.run(["cargo", "build", "-q", "-p", "kpipe"], cwd=ROOT, check=True)
        opt.kpipe = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "kpipe"
    exported = subprocess.run([ROOT / "scripts/services", "env"], capture_output=True, text=True, check=True).stdout
    given = dict(re.findall(r"^export KPIPE_TEST_(\w+)=(.*)$", exported, re.M))
    opt.kafka, opt.s3, opt.bucket, opt.user, opt.password = (given[key] for key in ["KAFKA", "S3", "S3_BUCKET", "USER", "PASSWORD"])
    opt.given = {"kafka": opt.kafka, "s3": opt.s3, "bucket": opt.bucket}
    os.environ |= {"AWS_ACCESS_KEY_ID": opt.user, "AWS_SECRET_ACCESS_KEY": opt.password, "AWS_REGION": "us-east-1"}
    name = f"sql-{time.time_ns()}"
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        lines = given_records(opt, name)
        ours, theirs, extra, missing = differences(of_kpipe(opt, name, f"sql/{name}", work), lines, work)
    print(f"{opt.records} records: {ours} rows of kpipe, {theirs} of DuckDB, {len(COLUMNS.strip().splitlines())} columns")
    for title, rows in [("only kpipe has", extra), ("only DuckDB has", missing)]:
        for row in rows:
            print(f"{title}: {row}")
    if extra or missing or ours != theirs or ours == 0:
        sys.exit(1)
    print("every value is the same")


if __name__ == "__main__":
    main()
