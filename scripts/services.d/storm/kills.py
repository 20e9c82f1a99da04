"""One process, killed again and again at random moments, while records come and sets close by number and by time: by their age, or by the clock
on the wall (--rotation schedule).

Now and then its file says another rotation when it starts again: where sets end is no function of the records.
"""

import time

from .lake import Lake
from .report import Finding
from .world import until


def run(opt, size, chance):
    finding, begun = Finding("kills", opt.seed, 0, 0), time.monotonic()
    with Lake(opt, "kills", rate=size.rate, rows=size.rows, is_static=True, protocol=size.protocol) as lake:
        lake.write(rotation(size, chance))
        worker = lake.worker()
        lake.feed(size.records)
        worker.start()
        while worker.kills < size.kills:
            # Kills fall into starts, takeovers, uploads and commits alike.
            time.sleep(chance.choice([chance.uniform(0, 0.6), chance.uniform(0.3, 3.0)]))
            worker.kill()
            if chance.random() < 0.3:
                lake.write(rotation(size, chance))
            worker.start()
        lake.feeder.join()
        finding.again = [works_again(lake, worker) for _ in range(3)]
        finding.verdict, finding.kills = lake.finish(), worker.kills
    finding.wall = time.monotonic() - begun
    return finding


def rotation(size, chance):
    """What closes sets, as `flush` in the file says it: how old they are, or the clock on the wall."""
    if size.rotation == "schedule":
        zone = chance.choice(["UTC", "Asia/Kathmandu", "America/St_Johns"])
        return chance.choice([
            f"records: {chance.randint(size.rows // 4, size.rows)}, schedule: 2s, timezone: {zone}",
            f"schedule: 3s, timezone: {zone}",
            f"bytes: 1MiB, schedule: 5s, timezone: {zone}, idle: 2s",
        ])
    return chance.choice([f"records: {chance.randint(size.rows // 4, size.rows)}, interval: 2s, idle: 1s", "interval: 3s", "bytes: 1MiB, idle: 1s"])


def works_again(lake, worker):
    """Seconds from a start to the first record that is read, as the metrics say. Records come meanwhile, so that one is there."""
    worker.kill()
    lake.produce(lake.produced + 40 * lake.partitions)
    begun = time.monotonic()
    worker.start()
    if not until(lambda: worker.metric("kpipe_records_read_total"), 60):
        raise worker.failed("read nothing for 60 s after a start")
    return time.monotonic() - begun
