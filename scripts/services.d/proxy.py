"""A TCP proxy that disturbs what passes: cuts, delays and truncates connections, from a seed.

    proxy.py --to 127.0.0.1:29000 --seed 7 [--listen 0] [--cut 0.02] [--lose 0.02] [--truncate 0.01] [--delay 0.1] [--delay-ms-max 500]

Prints its address, then one line for each fault, and the seed. A Kafka client goes to the addresses that its brokers advertise: listen where
`KPIPE_TEST_KAFKA_PROXY` says and go to `KPIPE_TEST_KAFKA_PROXIED`, a listener that advertises the former.

The odds are per chunk of up to 64 KiB in one direction:

    cut       the connection is reset before the chunk is handed on
    lose      an answer is swallowed and the connection reset: the request had its effect, and nobody was told
    truncate  half of the chunk is handed on, then the connection is reset
    delay     the chunk waits

In a test: `with Proxy(to, seed, odds) as proxy: proxy.address`; `proxy.calm()` ends the faults, `proxy.faults` counts them by kind.
"""

import argparse
import collections
import contextlib
import random
import socket
import struct
import sys
import threading
import time

CHUNK_BYTES = 64 * 1024
ODDS = {"cut": 0.02, "lose": 0.02, "truncate": 0.01, "delay": 0.1}


class Proxy:
    """Listens until it is closed. The same seed gives the same faults for the same chunks of the same connections."""

    def __init__(self, to, seed, odds=None, delay_ms_max=500, listen=0, say=lambda _: None):
        host, port = to.rsplit(":", 1)
        self.to, self.seed, self.odds, self.delay_ms_max, self.say = (host, int(port)), seed, dict(ODDS if odds is None else odds), delay_ms_max, say
        self.faults, self.lock, self.connections = collections.Counter(), threading.Lock(), 0
        self.listener = socket.create_server(("127.0.0.1", listen))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def calm(self):
        """From now on everything passes."""
        self.odds = {}

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            number = self.connections
            try:
                server = socket.create_connection(self.to, timeout=5)
            except OSError:
                reset(client)
                continue
            server.settimeout(None)
            for name, source, target in [("request", client, server), ("answer", server, client)]:
                chance = random.Random(f"{self.seed}/{number}/{name}")
                threading.Thread(target=self.pass_on, args=(number, name, source, target, chance), daemon=True).start()

    def pass_on(self, number, name, source, target, chance):
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                fault = self.fault(name, chance)
                if fault:
                    with self.lock:
                        self.faults[fault] += 1
                    self.say(f"connection {number}: {fault} of {name}, {len(chunk)} bytes")
                if fault == "delay":
                    time.sleep(chance.random() * self.delay_ms_max / 1000)
                elif fault:
                    if fault == "truncate":
                        target.sendall(chunk[: len(chunk) // 2])
                    break
                target.sendall(chunk)
            else:
                target.shutdown(socket.SHUT_WR)
                return
        reset(source)
        reset(target)

    def fault(self, name, chance):
        """One draw a chunk, whatever the odds are: they can change without changing what comes after."""
        drawn = chance.random()
        for fault, odds in self.odds.items():
            if fault == "lose" and name != "answer":
                continue
            if drawn < odds:
                return fault
            drawn -= odds
        return None


def reset(connection):
    """Closes without saying goodbye, as a broken network does."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The other thread may wait in it: a shutdown wakes it, where a close alone does not.
        connection.shutdown(socket.SHUT_RD)
    connection.close()


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--to", required=True, help="host:port of the server")
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--listen", type=int, default=0, help="port; 0: any")
    parse.add_argument("--delay-ms-max", type=int, default=500)
    for fault, odds in ODDS.items():
        parse.add_argument(f"--{fault}", type=float, default=odds)
    opt = parse.parse_args()
    odds = {fault: getattr(opt, fault) for fault in ODDS}
    with Proxy(opt.to, opt.seed, odds, opt.delay_ms_max, opt.listen, lambda line: print(line, flush=True)) as proxy:
        print(f"{proxy.address} -> {opt.to}, seed {opt.seed}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        print(f"seed {opt.seed}: {dict(proxy.faults)}")


if __name__ == "__main__":
    sys.exit(main())
