"""What a scenario found, as lines and as a table in Markdown."""

import dataclasses
import statistics


@dataclasses.dataclass
class Finding:
    """One scenario. `again`: seconds from a start to the first record, after kills."""

    scenario: str
    seed: int
    kills: int
    wall: float
    verdict: object = None
    again: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)
    failures: list = dataclasses.field(default_factory=list)
    # For the one that shows that repetitions are seen.
    wants_twice: bool = False

    def is_good(self):
        if self.wants_twice:
            return self.verdict is not None and self.verdict.twice > 0 and not self.verdict.missing
        return self.verdict is not None and self.verdict.is_exact() and not self.failures

    def cells(self):
        v = self.verdict
        again = f"median {statistics.median(self.again):.2f}, worst {max(self.again):.2f} (of {len(self.again)})" if self.again else "-"
        counts = [v.records, v.objects, v.missing, v.twice, v.unknown, v.changed,
                  f"{v.dead_letters} ({v.dead_letters_again} again)" if v.dead_letters else "-"] if v else ["-"] * 7
        return [self.scenario, "ok" if self.is_good() else "FAILED", self.seed, self.kills, *counts, v.verify if v else "-", again,
                f"{self.wall:.0f}"]


HEAD = ["scenario", "result", "seed", "kills", "records", "objects", "missing", "twice", "unknown", "changed", "dead letters",
        "`kpipe verify`", "start to first record, s", "wall, s"]


def lines(finding):
    yield "; ".join(f"{head} {cell}" for head, cell in zip(HEAD, finding.cells()) if cell != "-")
    yield from (f"  {note}" for note in finding.notes)
    yield from (f"  FAILED: {failure}" for failure in finding.failures)


def markdown(findings, command, revision):
    rows = [HEAD, ["---"] * len(HEAD), *(finding.cells() for finding in findings)]
    out = ["# Soak", "", f"`{command}` at {revision}.", "",
           "Missing: offsets of the topic that are in no visible object (of a bad record: in no dead letter); twice: in more than one; unknown: in an "
           "object and not in the topic, or bad; changed: objects that were seen and changed or went. Dead letters are at least once.", ""]
    out += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    for finding in findings:
        if finding.notes or finding.failures:
            out += ["", f"## {finding.scenario}", ""]
            out += [f"- {note}" for note in finding.notes] + [f"- **FAILED:** {failure}" for failure in finding.failures]
    return "\n".join(out) + "\n"
