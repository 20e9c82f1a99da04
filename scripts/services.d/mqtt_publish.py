"""Publishes numbered QoS 1 messages and waits until the broker acknowledged each one. Reconnects, and sends again what it got no answer for."""

import socket
import struct
import threading
import time


def packet(kind, body):
    length, rest = b"", len(body)
    while True:
        length += bytes([rest % 128 | (128 if rest >= 128 else 0)])
        rest //= 128
        if not rest:
            return bytes([kind]) + length + body


def text(value):
    return struct.pack(">H", len(value)) + value.encode()


class Publisher(threading.Thread):
    """Message i goes to the topic `prefix/(i % topics)` with `payload(i)`, at most `rate` a second."""

    WINDOW = 500

    def __init__(self, address, prefix, topics, count, rate, payload):
        super().__init__(daemon=True)
        self.host, port = address.rsplit(":", 1)
        self.port, self.prefix, self.topics, self.count, self.rate, self.payload = int(port), prefix, topics, count, rate, payload
        self.acknowledged = 0
        self.repeated = 0
        self.error = None

    def stop(self):
        """No more messages than those that are sent, or nearly: `count` says how many it will be."""
        self.count = self.acknowledged + 2 * self.WINDOW

    def run(self):
        try:
            start = time.monotonic()
            while self.acknowledged < self.count:
                try:
                    self.session(start)
                except OSError:
                    self.repeated += self.WINDOW
                    time.sleep(0.5)
        except Exception as error:  # shown by whoever waits for this thread
            self.error = error

    def session(self, start):
        sock = socket.create_connection((self.host, self.port), timeout=30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(packet(0x10, text("MQTT") + bytes([4, 2]) + struct.pack(">H", 600) + text(f"publisher-{id(self)}")))
        if sock.recv(4)[3] != 0:
            raise RuntimeError("the broker refuses the publisher")
        # Acknowledgements come in order, so counting them tells what is safe.
        first, sent, pending = self.acknowledged, self.acknowledged, 0
        while self.acknowledged < self.count:
            chunk = []
            while sent < self.count and sent - self.acknowledged < self.WINDOW and len(chunk) < 100:
                body = text(f"{self.prefix}/{sent % self.topics}") + struct.pack(">H", sent % 65535 + 1) + self.payload(sent)
                chunk.append(packet(0x32, body))
                sent += 1
            ahead = sent / self.rate - (time.monotonic() - start)
            if ahead > 0:
                time.sleep(ahead)
            if chunk:
                sock.sendall(b"".join(chunk))
            data = sock.recv(65536)
            if not data:
                raise OSError("the broker closed the connection")
            pending += len(data)
            self.acknowledged = first + pending // 4
        sock.sendall(packet(0xE0, b""))
        sock.close()
