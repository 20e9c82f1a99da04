"""Eyes on every visible object, and what is said at the end. Objects are read with pyarrow, which knows nothing of kpipe."""

import contextlib
import dataclasses
import os
import subprocess
import threading

import pyarrow
from pyarrow import fs, parquet


@dataclasses.dataclass
class Verdict:
    """What is visible at the end, compared with the topic."""

    records: int
    objects: int
    missing: int
    twice: int
    unknown: int
    changed: int
    verify: str
    is_verified: bool
    dead_letters: int = 0
    # At least once: these are no failure.
    dead_letters_again: int = 0

    def is_exact(self):
        return not (self.missing or self.twice or self.unknown or self.changed) and self.is_verified


class Eyes:
    """Sees objects come; one that was seen must neither change nor go."""

    def __init__(self, opt, prefix):
        self.store, self.prefix, self.seen, self.changed = opt.store, prefix, {}, set()
        self.closed, self.thread = threading.Event(), threading.Thread(target=self.watch, daemon=True)

    def open(self):
        self.thread.start()

    def close(self):
        self.closed.set()
        if self.thread.is_alive():
            self.thread.join()

    def watch(self):
        while not self.closed.wait(max(1.0, len(self.seen) / 1_000)):
            with contextlib.suppress(OSError):  # the store may be away: that is somebody's scenario
                self.look()

    def objects(self):
        """Keys of data with what tells one content from another."""
        found = self.store.get_file_info(fs.FileSelector(self.prefix, recursive=True, allow_not_found=True))
        return {info.path: (info.size, info.mtime) for info in found if info.is_file and "/.kpipe/" not in info.path}

    def look(self):
        """Remembers what is there, and says how many."""
        now = self.objects()
        self.changed |= {path for path, was in self.seen.items() if now.get(path) != was}
        self.seen.update(now)
        return len(now)

    def rows(self, columns):
        """These columns of everything that is visible."""
        read = [parquet.read_table(path, columns=columns, filesystem=self.store, partitioning=None) for path in self.objects()]
        return pyarrow.concat_tables(read)


def verify(opt, path):
    """Whether `kpipe verify` finds everything right, and its last word."""
    done = subprocess.run([opt.kpipe, "verify", str(path)], env=os.environ | {"KPIPE_WORKER": "verify"}, capture_output=True, text=True,
                          timeout=900, check=False)
    if done.returncode != 0:
        print(done.stdout + done.stderr, flush=True)
    said = (done.stdout.strip() or done.stderr.strip() or "nothing").splitlines()
    return done.returncode == 0, said[-1].strip()
