"""Servers that go away, and a network that cuts, loses, truncates and delays."""

import collections
import contextlib
import time

from proxy import Proxy

from .lake import Lake
from .report import Finding
from .world import addresses, services, until


def outages(opt, size, chance):
    """Random kills while the Kafka broker and the S3 server are killed and started again, in turns."""
    finding, begun, away = Finding("outages", opt.seed, 0, 0), time.monotonic(), []
    with Lake(opt, "outages", rate=size.rate, rows=5_000, is_static=True) as lake:
        worker = lake.worker()
        lake.feed()
        worker.start()
        for turn in range(size.rounds):
            some_kills(worker, chance, chance.randint(1, 3))
            server, seconds = ["kafka", "s3"][turn % 2], chance.uniform(0, size.seconds)
            services("kill", server)
            # Met by a process that is at work, or by one that starts: that one may say that a system is away (10), as a supervisor expects.
            if chance.random() < 0.5:
                some_kills(worker, chance, 1)
            time.sleep(seconds)
            services("up", server)
            away.append(f"{server} {seconds:.1f} s")
            if not until(lambda before=len(lake.eyes.seen): worker.keep_up() and len(lake.eyes.seen) > before, 90, 0.2):
                raise worker.failed(f"wrote nothing for 90 s after {server} came back")
        finding.verdict, finding.kills = lake.finish(), worker.kills
    finding.notes = [f"killed and started again after: {', '.join(away)}"]
    finding.wall = time.monotonic() - begun
    return finding


def some_kills(worker, chance, count):
    for _ in range(count):
        time.sleep(chance.choice([chance.uniform(0, 0.6), chance.uniform(0.3, 3.0)]))
        worker.keep_up()
        worker.kill()
        worker.start()


# Per chunk. A fetch from Kafka is many chunks, a request to the store is one or two.
TO_S3 = {"cut": 0.01, "lose": 0.02, "truncate": 0.01, "delay": 0.05}
TO_KAFKA = {"cut": 0.004, "lose": 0.004, "truncate": 0.004, "delay": 0.02}


def kafka_behind_proxies():
    """Where proxies go to, and where they listen, as the brokers tell clients. A broker that was started without such a listener starts anew."""
    if "KAFKA_PROXIED" not in addresses():
        services("down", "kafka")
        services("up", "kafka")
    given = addresses()
    return given["KAFKA_PROXIED"], given["KAFKA_PROXY"]


def faulty(opt, size, chance):
    """All connections of kpipe go through proxies that cut, lose, truncate and delay; the process is killed now and then."""
    finding, begun = Finding("network", opt.seed, 0, 0), time.monotonic()
    with contextlib.ExitStack() as stack:
        proxied, advertised = kafka_behind_proxies()
        pairs = zip(proxied.split(","), advertised.split(","))
        kafka = [stack.enter_context(Proxy(to, opt.seed, TO_KAFKA, 300, int(listen.rsplit(":", 1)[1]))) for to, listen in pairs]
        s3 = stack.enter_context(Proxy(opt.s3.removeprefix("http://"), opt.seed, TO_S3, 300))
        lake = stack.enter_context(Lake(opt, "network", rate=size.rate, rows=5_000, is_static=True, kafka=advertised,
                                        s3=f"http://{s3.address}"))
        worker = lake.worker()
        lake.feed()
        worker.start()
        # Each fault comes at least once, if it takes longer.
        while (elapsed := time.monotonic() - begun) < size.seconds or (missing(kafka, s3) and elapsed < 4 * size.seconds):
            time.sleep(chance.uniform(4, 10))
            worker.keep_up()
            worker.kill()
            worker.start()
        for proxy in [*kafka, s3]:
            proxy.calm()
        finding.verdict, finding.kills = lake.finish(), worker.kills
    for name, proxies in [("Kafka", kafka), ("S3", [s3])]:
        faults = sum((proxy.faults for proxy in proxies), start=collections.Counter())
        finding.notes.append(f"on the way to {name}: {', '.join(f'{kind} {count}' for kind, count in sorted(faults.items()))}")
    finding.failures = [f"no {kind}" for kind in missing(kafka, s3)]
    finding.wall = time.monotonic() - begun
    return finding


def missing(kafka, s3):
    """Faults that have not come, on the way to Kafka or to the store."""
    ways = {"Kafka": sum((proxy.faults for proxy in kafka), start=collections.Counter()), "S3": s3.faults}
    return [f"{kind} on the way to {way}" for way, faults in ways.items() for kind in TO_S3 if not faults[kind]]
