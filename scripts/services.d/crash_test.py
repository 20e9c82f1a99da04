"""MQTT -> Kafka -> S3 on real services with a fixed number of messages, while one thing goes wrong.

Publishes --messages with an id each (QoS 1, 200 topics), runs the two pipelines of `pipelines/` as processes of their own, disturbs
them, then reads the Parquet files back with pyarrow and counts: every id must be there, and every record exactly as often as in the topic.

Needs: scripts/services up (kafka, mosquitto, s3), and a built kpipe. `scripts/soak --scenario relay` kills at named steps as well.
"""

import argparse
import sys
import time

from storm.relay import Relay
from storm.report import Finding, lines
from storm.world import Failed, say, services, settings, until


def kill(opt, relay):
    """Both processes, again and again, evenly over the messages."""
    for turn in range(opt.kills):
        wait_for(relay, opt.messages / (opt.kills + 1) * (turn + 1))
        for worker, gauge in [(relay.to_kafka, "kpipe_records_read_total"), (relay.to_files, "kpipe_open_files")]:
            if not until(lambda worker=worker, gauge=gauge: worker.metric(gauge), 40):
                raise worker.failed("does nothing 40 s after a start")
            worker.kill()
            worker.start()
    return f"each process was killed {opt.kills} times"


def broker(opt, relay):
    wait_for(relay, opt.messages / 3)
    services("kill", "kafka")
    time.sleep(3)
    services("up", "kafka")
    return "kafka was killed and started again"


def store(opt, relay):
    wait_for(relay, opt.messages / 3)
    services("kill", "s3")
    time.sleep(opt.outage)
    services("up", "s3")
    return f"the S3 server was away for {opt.outage} s"


def rebalance(opt, relay):
    wait_for(relay, opt.messages / 3)
    second = relay.worker("second", relay.second)
    for leave in [second.kill, second.drain]:
        second.start()
        second.ready()
        time.sleep(5)
        leave()
    return "a second worker joined, was killed, joined again and drained"


SCENARIOS = {"kill": kill, "broker": broker, "store": store, "rebalance": rebalance}


def wait_for(relay, messages):
    while relay.under_way() and relay.publisher.acknowledged < messages:
        time.sleep(0.02)
    if not relay.under_way():
        raise relay.publisher.error or Failed("all messages were published before it was over: publish more, or slower")


def run(opt, scenario):
    finding, begun = Finding(scenario, 0, 0, 0), time.monotonic()
    try:
        with Relay(opt, f"crash-{scenario}", messages=opt.messages, rate=opt.rate, rows=opt.rows) as relay:
            finding.notes.append(SCENARIOS[scenario](opt, relay))
            finding.notes.append(f"{relay.publisher.acknowledged} messages were acknowledged by then")
            finding.verdict, repeated = relay.finish()
            finding.notes.append(f"{repeated} records in the topic beyond once a message (MQTT is at least once); all of them, and nothing more, "
                                 "are in files")
            finding.kills = sum(worker.kills for worker in relay.workers)
    except Failed as failed:
        finding.failures.append(str(failed))
    finding.wall = time.monotonic() - begun
    for line in lines(finding):
        say(line)
    return finding.is_good()


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--messages", type=int, default=1_000_000)
    args.add_argument("--kills", type=int, default=10, help="of each process")
    args.add_argument("--rate", type=float, default=6_000, help="messages a second at most")
    args.add_argument("--rows", type=int, default=20_000, help="records a file set")
    args.add_argument("--outage", type=float, default=60, help="seconds that the S3 server is away")
    args.add_argument("--scenario", choices=list(SCENARIOS), action="append", help="default: kill; can be repeated")
    opt = settings(args)
    results = [run(opt, scenario) for scenario in opt.scenario or ["kill"]]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
