"""SIGKILL at every named step (`runtime/engine/src/kill.rs`): the process kills itself when it passes it."""

import pathlib
import re
import signal
import time

from .lake import Lake
from .report import Finding
from .world import ROOT, Failed, until

# Steps that come once in the life of a process, or so often; the others are met at a turn up to 6.
TURNS = {"ledger.probe.written": 1, "ledger.claim.written": 1, "ledger.sweep.before": 1, "ledger.sweep.removed": 1, "ledger.fence.before": 4,
         "ledger.fence.written": 4, "task.revoke": 1, "task.drain": 1}
# Those of the other pipeline, from MQTT into Kafka.
RELAY = ("mqtt.", "produce.")
# Those of one protocol: where the group's offset names the record that counts, nothing is probed, and no offset moves afterwards.
LEDGER_ALONE, OFFSETS_ALONE = ("ledger.probe.", "offset."), ("ledger.record.lies",)


def is_met(step, protocol):
    """Whether a pipeline into files passes this step."""
    return not step.startswith(RELAY + (OFFSETS_ALONE if protocol == "ledger" else LEDGER_ALONE))


def names(opt):
    """All steps. The binary must know them: else nothing would be killed, and all would be well."""
    if b"KPIPE_TEST_KILL_AT" not in pathlib.Path(opt.kpipe).read_bytes():
        raise Failed(f"{opt.kpipe} was built without the feature kill-points: cargo build --workspace --features kpipe/kill-points")
    text = (ROOT / "runtime/engine/src/kill.rs").read_text()
    return re.findall(r'^    "([a-z.]+)",$', text, re.M)


def at(chance, step, turns_max=6):
    """A value of KPIPE_TEST_KILL_AT for this step."""
    return f"{step}:{chance.randint(1, min(turns_max, TURNS.get(step, turns_max)))}"


def run(opt, size, chance):
    finding, begun = Finding("steps", opt.seed, 0, 0), time.monotonic()
    steps = [step for step in names(opt) if is_met(step, size.protocol)]
    died = dict.fromkeys(steps, 0)
    with Lake(opt, "steps", rate=size.rate, rows=5_000, is_static=True, protocol=size.protocol) as lake:
        worker, other = lake.worker(), lake.worker("other")
        lake.feed()
        jobs = steps * size.times
        chance.shuffle(jobs)
        for step in jobs:
            for _ in range(3):
                if meet(lake, worker, other, step, chance):
                    died[step] += 1
                    break
        worker.start()
        finding.verdict, finding.kills = lake.finish(), worker.kills + other.kills
    finding.notes = [f"killed at {step}: {count}" for step, count in died.items()]
    finding.failures = [f"{step} was met {count} times of {size.times}" for step, count in died.items() if count < size.times]
    finding.wall = time.monotonic() - begun
    return finding


def meet(lake, worker, other, step, chance):
    """One life that is to end at a step; whether it did. If not, it ends all the same."""
    if step.startswith("ledger.sweep."):
        # Something has to be left behind.
        worker.start(KPIPE_TEST_KILL_AT=at(chance, "upload.set.staged"))
        until(worker.died_at_step, 20) or worker.kill()
    worker.start(KPIPE_TEST_KILL_AT=at(chance, step))
    if step == "task.drain":
        worker.ready()
        worker.signal(signal.SIGTERM)
    if step == "task.revoke":
        # Who joins gets partitions of the one that has all.
        until(lambda: worker.metric("kpipe_records_read_total") or not worker.runs(), 30)
        other.start()
    met = until(worker.died_at_step, 20)
    if not met:
        worker.kill()
    if other.runs():
        other.ready()
        other.drain()
    return met


def canary(opt, size, chance):
    """The same without the ledger: killed between the files and the offset, it writes records twice, and that must be found."""
    names(opt)
    finding, begun = Finding("canary", opt.seed, 0, 0, wants_twice=True), time.monotonic()
    with Lake(opt, "canary", rate=size.rate, rows=5_000, is_static=True, protocol="deterministic") as lake:
        worker = lake.worker()
        lake.feed()
        while worker.kills < size.kills:
            worker.start(KPIPE_TEST_KILL_AT=at(chance, "offset.before"))
            if not until(worker.died_at_step, 20):
                raise worker.failed("never came to its offset")
        finding.verdict, finding.kills = lake.finish(), worker.kills
    finding.notes = ["`commit.protocol: deterministic` under files that close by the clock: at least once, so records must be there twice"]
    finding.wall = time.monotonic() - begun
    return finding
