"""Several workers in one group: one that stands still and goes on, and workers that come and go all the time."""

import signal
import time

from .lake import Lake
from .report import Finding
from .steps import at, is_met, names
from .world import Failed, until

SESSION_MS = 4_000
# Where a zombie does the most harm: with everything ready to be written, or half written.
# Some are met only where a record counts by being there, or only where the group's offset names it.
STOPS = ["upload.part.stored", "upload.set.staged", "ledger.record.before", "ledger.record.written", "ledger.file.completed", "ledger.set.visible",
         "offset.before", "ledger.fence.before", "ledger.record.lies"]


def zombie(opt, size, chance):
    """Three workers; one stands still past its session (at a named step, or anywhere), the others take over, it goes on."""
    names(opt)
    finding, begun, refused = Finding("zombie", opt.seed, 0, 0), time.monotonic(), 0
    with Lake(opt, "zombie", rate=size.rate, partitions=6, rows=5_000, is_static=True, session_ms=SESSION_MS,
              protocol=size.protocol) as lake:
        stops = [step for step in STOPS if is_met(step, size.protocol)]
        workers = [lake.worker(f"w{i}") for i in range(3)]
        lake.feed()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.ready()
        stopped_at = []
        for turn in range(size.rounds):
            worker = workers[turn % 3]
            step = chance.choice(stops) if turn % 4 else None
            if step:
                worker.kill()
                worker.start(KPIPE_TEST_KILL_AT=f"{at(chance, step, 2)}:STOP")
                if not until(worker.is_stopped, 30):
                    raise Failed(f"{worker.name} did not meet {step}")
            else:
                time.sleep(chance.uniform(0.5, 3))
                worker.signal(signal.SIGSTOP)
            taken_over(lake, [other for other in workers if other is not worker])
            worker.signal(signal.SIGCONT)
            stopped_at.append(step or "anywhere")
            # It has to find its way back by itself.
            if not until(lambda worker=worker: worker.partitions() > 0, 60, 0.1):
                raise worker.failed("has no partition 60 s after it went on")
        finding.verdict = lake.finish()
        finding.kills = sum(worker.kills for worker in workers)
    finding.notes = [f"stopped past the session of {SESSION_MS} ms and continued: {', '.join(stopped_at)}"]
    finding.wall = time.monotonic() - begun
    return finding


def taken_over(lake, others):
    """Waits until the others have all partitions."""
    if not until(lambda: sum(other.partitions() for other in others) >= lake.partitions, 60, 0.1):
        raise Failed("nobody took the partitions of a worker that stands still")


def rebalance(opt, size, chance):
    """Workers join, drain and are killed, about one of these a second; none has a name, so each of them moves partitions."""
    finding, begun, done = Finding("rebalance", opt.seed, 0, 0), time.monotonic(), dict.fromkeys(["joined", "drained", "killed"], 0)
    with Lake(opt, "rebalance", rate=size.rate, partitions=6, rows=5_000, session_ms=SESSION_MS) as lake:
        slots = [lake.worker(f"w{i}") for i in range(5)]
        lake.feed()
        slots[0].start()
        slots[0].ready()
        leaving = []
        while time.monotonic() - begun < size.seconds:
            time.sleep(chance.uniform(0.6, 1.4))
            for worker in [worker for worker in leaving if not worker.runs()]:
                if worker.process.returncode != 0:
                    raise worker.failed(f"did not drain: exit code {worker.process.returncode}")
                leaving.remove(worker)
            away = [worker for worker in slots if not worker.runs()]
            # Who was told to leave before it was ready would not hear of it.
            there = [worker for worker in slots if worker.runs() and worker not in leaving and worker.get("/readyz")]
            if away and (len(there) < 2 or chance.random() < 0.5):
                chance.choice(away).start()
                done["joined"] += 1
            elif len(there) > 1 and chance.random() < 0.7:
                leaving.append(chance.choice(there))
                leaving[-1].leave()
                done["drained"] += 1
            elif len(there) > 1:
                chance.choice(there).kill()
                done["killed"] += 1
        committed = len(lake.eyes.seen)
        finding.verdict = lake.finish()
        finding.kills = sum(worker.kills for worker in slots)
    finding.notes = [", ".join(f"{count} {what}" for what, count in done.items()) + f"; {committed} objects were visible before it ended"]
    finding.wall = time.monotonic() - begun
    if not committed:
        finding.failures.append("nothing became visible during the storm")
    finding.failures += [f"no worker was {what}" for what, count in done.items() if not count]
    return finding
