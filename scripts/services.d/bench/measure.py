"""What a process and its output cost: CPU, memory, threads, files."""

import hashlib
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")


def calibrate():
    block, best = bytes(50_000_000), 9.0
    for _ in range(3):
        start = time.process_time()
        hashlib.sha256(block).digest()
        best = min(best, time.process_time() - start)
    return best


class Watch(threading.Thread):
    """CPU by thread name and peak memory of a process, as long as it lives."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.proc, self.by_thread, self.peak_kib = pathlib.Path(f"/proc/{pid}"), {}, 0
        self.stop = threading.Event()

    def look(self):
        for task in (self.proc / "task").iterdir():
            name = (task / "comm").read_text().strip()
            self.by_thread[task.name] = (name, int((task / "schedstat").read_text().split()[0]))
        self.peak_kib = max(self.peak_kib, int(re.search(r"VmHWM:\s+(\d+)", (self.proc / "status").read_text()).group(1)))

    def run(self):
        while not self.stop.wait(0.02):
            try:
                self.look()
            except (FileNotFoundError, ProcessLookupError, AttributeError):
                continue

    def threads(self):
        sums = {}
        for name, ns in self.by_thread.values():
            name = re.sub(r"[-:#]?\d+$", "", name)
            sums[name] = sums.get(name, 0) + ns
        return sums

    def cpu_s(self):
        user, system = (self.proc / "stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / TICK


def to_end(opt, command, environment=None):
    """Runs a command to its end: CPU seconds, peak MiB, CPU by thread."""
    calibration = calibrate()
    with open(opt.work / "bench.log", "ab") as log:
        start = time.monotonic()
        child = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | (environment or {}))
        watch = Watch(child.pid)
        watch.start()
        _, status, used = os.wait4(child.pid, 0)
        watch.stop.set()
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {os.waitstatus_to_exitcode(status)}: see {opt.work}/bench.log")
    return {"cpu": used.ru_utime + used.ru_stime, "mib": used.ru_maxrss / 1024, "wall": time.monotonic() - start, "calibration": calibration,
            "threads": watch.threads()}


def objects(opt, prefix):
    """Files and bytes below a prefix, and their rows if they are Parquet or plain JSON lines."""
    from pyarrow import fs, parquet
    store = fs.S3FileSystem(endpoint_override=opt.s3.removeprefix("http://"), scheme="http", access_key=opt.user, secret_key=opt.password,
                            region="us-east-1")
    found = [info for info in store.get_file_info(fs.FileSelector(f"{opt.bucket}/{prefix}", recursive=True, allow_not_found=True))
             if info.is_file and "/.kpipe/" not in info.path]
    rows = 0
    for info in found:
        if info.path.endswith(".parquet"):
            rows += parquet.ParquetFile(info.path, filesystem=store).metadata.num_rows
        elif info.path.endswith(".json") or info.path.endswith(".jsonl"):
            with store.open_input_stream(info.path) as stream:
                while block := stream.read(1 << 20):
                    rows += block.count(b"\n")
    return len(found), sum(info.size for info in found), rows
