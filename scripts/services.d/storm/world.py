"""The binary, the services, and kpipe processes that can be killed, stopped and started again."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from pyarrow import fs

ROOT = pathlib.Path(__file__).resolve().parents[3]


# The exit code of a process that found a system away.
UNREACHABLE = 10


class Failed(Exception):
    """A scenario cannot go on: what it says is the finding."""


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def payload(i):
    return (f'{{"id":{i},"device":"device-{i % 200:05d}","amount":{i % 90000 / 100},"ts":{1_700_000_000_000 + i},"site":"site-{i % 3}",'
            f'"firmware":"v1.{i % 9}.2","online":true}}').encode()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def services(*words):
    subprocess.run([ROOT / "scripts/services", *words], check=True, stdout=subprocess.DEVNULL)


def addresses():
    """What `services env` exports, without the words that all of them begin with."""
    exported = subprocess.run([ROOT / "scripts/services", "env"], capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"^export KPIPE_TEST_(\w+)=(.*)$", exported, re.M))


def until(condition, seconds, step=0.02):
    """Waits for it; whether it came true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(step)
    return True


class Worker:
    """A kpipe process. Its variables are the environment's and `env`."""

    def __init__(self, opt, name, pipeline, env=None):
        self.name, self.port, self.kills, self.process, self.env = name, free_port(), 0, None, env or {}
        self.is_leaving = False
        self.log = open(opt.work / f"{name}.log", "ab")
        self.command = [opt.kpipe, "apply", str(pipeline), "--yes", "--log-format", "json", "--http", f"127.0.0.1:{self.port}"]

    def start(self, **env):
        if self.process and self.process.poll() not in (-signal.SIGKILL, UNREACHABLE) and not (self.is_leaving and self.process.returncode == 0):
            raise self.failed(f"ended by itself with {self.process.returncode}")
        self.is_leaving = False
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
                                        env=os.environ | self.env | env)

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return answer.read().decode()
        except (urllib.error.URLError, OSError):
            return None

    def failed(self, what):
        return Failed(f"{self.name} {what}: see {self.log.name}")

    def ready(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.runs():
                raise self.failed(f"ended with {self.process.returncode}")
            if self.get("/readyz") is not None:
                return
            time.sleep(0.1)
        raise self.failed(f"is not ready after {seconds} s")

    def metric(self, name):
        found = re.findall(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", self.get("/metrics") or "", re.M)
        return sum(float(value) for value in found)

    def partitions(self):
        """How many it has and reads."""
        return len(re.findall(r"^kpipe_lag_records\{", self.get("/metrics") or "", re.M))

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def keep_up(self):
        """Starts it again if it ended because a system was away, as a supervisor does."""
        if not self.runs():
            if self.process.returncode != UNREACHABLE:
                raise self.failed(f"ended by itself with {self.process.returncode}")
            self.start()
        return True

    def died_at_step(self):
        """Whether it killed itself; any other end of its own is a finding."""
        if self.runs():
            return False
        if self.process.returncode != -signal.SIGKILL:
            raise self.failed(f"ended by itself with {self.process.returncode}")
        self.kills += 1
        return True

    def is_stopped(self):
        """Whether the process stands still (SIGSTOP)."""
        try:
            return pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1][0] == "T"
        except OSError:
            return False

    def kill(self):
        if not self.runs():
            raise self.failed(f"ended by itself with {self.process.returncode}")
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.kills += 1

    def signal(self, number):
        self.process.send_signal(number)

    def leave(self):
        """Tells it to drain. Once: a second signal would stop it at once."""
        if not self.is_leaving:
            self.is_leaving = True
            self.process.send_signal(signal.SIGTERM)

    def drain(self, seconds=120):
        self.leave()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise self.failed(f"did not drain within {seconds} s") from None
        if code != 0:
            raise self.failed(f"did not drain: exit code {code}")

    def end(self):
        """Whatever it does: nothing stays behind."""
        if self.runs():
            self.process.kill()
            self.process.wait()


def settings(args):
    """The arguments with what every scenario needs: the binary, a folder to work in, the services."""
    args.add_argument("--kpipe", help="the binary; default: built with cargo, with the feature kill-points")
    opt = args.parse_args()
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    if not opt.kpipe:
        subprocess.run(["cargo", "build", "-q", "--workspace", "--features", "kpipe/kill-points"], cwd=ROOT, check=True)
        opt.kpipe = str(target / "debug" / "kpipe")
    opt.work = target / "soak"
    opt.work.mkdir(parents=True, exist_ok=True)
    given = addresses()
    opt.kafka, opt.mqtt, opt.s3, opt.bucket = (given.get(key) for key in ["KAFKA", "MQTT", "S3", "S3_BUCKET"])
    os.environ |= {"AWS_ACCESS_KEY_ID": given["USER"], "AWS_SECRET_ACCESS_KEY": given["PASSWORD"], "AWS_REGION": "us-east-1",
                   "KAFKA_BROKERS": opt.kafka, "S3_ENDPOINT": opt.s3, "MQTT_USERNAME": "", "MQTT_PASSWORD": ""}
    if opt.mqtt:
        os.environ["MQTT_URL"] = f"mqtt://{opt.mqtt}"
    opt.store = fs.S3FileSystem(endpoint_override=opt.s3.removeprefix("http://"), scheme="http", access_key=given["USER"],
                                secret_key=given["PASSWORD"], region="us-east-1")
    return opt
