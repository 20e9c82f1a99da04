"""Exactly once on real services while everything around it breaks; a report in Markdown is written below target/soak.

Every scenario produces records into a topic of its own, lets kpipe write them into S3 while processes and servers are killed, stopped, cut off,
and then compares what is visible with the topic, offset by offset, read with pyarrow. `kpipe verify` must agree.

Needs: scripts/services up (kafka, mosquitto, s3). kpipe is built with --features kpipe/kill-points unless --kpipe names one.
"""

import argparse
import random
import shlex
import subprocess
import sys
import time
import traceback
import types

from storm import group, kills, network, relay, report, steps
from storm.world import ROOT, Failed, say, settings

# The whole, and the form for every change. What a scenario does not name it does not use.
SCENARIOS = {
    "kills": (kills.run, dict(records=2_000_000, kills=300, rate=20_000, rows=20_000, rotation="interval", protocol="ledger"),
              dict(records=150_000, kills=20, rate=8_000, rows=20_000, rotation="interval", protocol="ledger")),
    "steps": (steps.run, dict(times=5, rate=5_000, protocol="ledger"), dict(times=1, rate=4_000, protocol="ledger")),
    "zombie": (group.zombie, dict(rounds=24, rate=6_000, protocol="ledger"), dict(rounds=2, rate=4_000, protocol="ledger")),
    # The same where the group's offsets say which records count.
    "kills-offsets": (kills.run, dict(records=1_000_000, kills=150, rate=20_000, rows=20_000, rotation="interval", protocol="kafka"),
                      dict(records=60_000, kills=8, rate=8_000, rows=20_000, rotation="interval", protocol="kafka")),
    "steps-offsets": (steps.run, dict(times=3, rate=5_000, protocol="kafka"), dict(times=1, rate=4_000, protocol="kafka")),
    "zombie-offsets": (group.zombie, dict(rounds=24, rate=6_000, protocol="kafka"), dict(rounds=2, rate=4_000, protocol="kafka")),
    "rebalance": (group.rebalance, dict(seconds=300, rate=5_000), dict(seconds=15, rate=4_000)),
    "outages": (network.outages, dict(rounds=12, seconds=10, rate=5_000), dict(rounds=2, seconds=3, rate=3_000)),
    "network": (network.faulty, dict(seconds=180, rate=5_000), dict(seconds=18, rate=4_000)),
    "canary": (steps.canary, dict(kills=10, rate=5_000), dict(kills=2, rate=4_000)),
    "relay": (relay.run, dict(kills=200, restarts=6, rate=3_000), dict(kills=12, restarts=1, rate=2_000)),
}


def run(opt, name):
    scenario, whole, short = SCENARIOS[name]
    size = types.SimpleNamespace(**(short if opt.short else whole))
    given = {key: value for key, value in vars(opt).items() if key in vars(size) and value is not None}
    vars(size).update(given)
    say(f"{name}: {', '.join(f'{key} {value}' for key, value in vars(size).items())}")
    begun = time.monotonic()
    try:
        finding = scenario(opt, size, random.Random(f"{opt.seed}/{name}"))
        finding.scenario = name
    except Exception as error:  # the others go on, and the report says it
        if not isinstance(error, Failed):
            traceback.print_exc()
        finding = report.Finding(name, opt.seed, 0, time.monotonic() - begun, failures=[str(error) or repr(error)])
    for line in report.lines(finding):
        say(f"  {line}")
    return finding


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--short", action="store_true", help="every scenario, a few minutes in all")
    args.add_argument("--scenario", choices=list(SCENARIOS), action="append", help="default: all; can be repeated")
    args.add_argument("--seed", type=int, default=int(time.time()))
    args.add_argument("--report", help="the file; default: target/soak/report-SEED.md")
    for number in ["records", "kills", "rate", "rows", "times", "restarts", "rounds", "seconds"]:
        args.add_argument(f"--{number}", type=int, help="another number than the form's, where a scenario has it")
    args.add_argument("--rotation", choices=["interval", "schedule"], help="what closes files by time, where a scenario has it")
    opt = settings(args)
    revision = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    findings = [run(opt, name) for name in opt.scenario or SCENARIOS]
    path = opt.report or opt.work / f"report-{opt.seed}.md"
    with open(path, "w", encoding="utf-8") as out:
        out.write(report.markdown(findings, shlex.join(["scripts/soak", *sys.argv[1:]]), revision or "an unknown revision"))
    bad = [finding.scenario for finding in findings if not finding.is_good()]
    say(f"{len(findings)} scenarios, {'all as they must be' if not bad else 'FAILED: ' + ', '.join(bad)}; report: {path}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
