# SPDX-License-Identifier: Apache-2.0
"""An Ethernet segment behind a machine's second card, with one host of the test's on it: it serves DHCP and the time, or is mute."""
import contextlib
import socket
import struct
import threading
import time

SERVER, CLIENT, MASK = '192.168.77.1', '192.168.77.50', '255.255.255.0'
SERVER_MAC = bytes.fromhex('525400777701')
COOKIE = bytes.fromhex('63825363')
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
NTP_EPOCH = 2208988800


def checksum(data):
    """Of an IPv4 header."""
    total = sum(struct.unpack(f'>{len(data) // 2}H', data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def udp_frame(to_mac, to_ip, ports, payload):
    """An Ethernet frame with a UDP packet of the server's; UDP's own checksum may be left out."""
    udp = struct.pack('>HHHH', *ports, 8 + len(payload), 0) + payload
    head = struct.pack('>BBHHHBBH', 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + socket.inet_aton(SERVER) + socket.inet_aton(to_ip)
    head = head[:10] + struct.pack('>H', checksum(head)) + head[12:]
    return to_mac + SERVER_MAC + b'\x08\x00' + head + udp


def dhcp_type(options):
    """The message type among DHCP's options."""
    while options and options[0] != 255:
        if options[0] == 53:
            return options[2]
        options = options[1:] if options[0] == 0 else options[2 + options[1]:]
    return None


class Lan:
    """The segment; OPTIONS of QEMU plug the machine in. Each service of the host is turned on and off by an attribute."""

    def __init__(self):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.dhcp = self.ntp = False
        self.ntp_offset = 0  # how far the server's clock is ahead
        self.dhcp_questions = self.ntp_questions = 0
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def options(self):
        return ['-netdev', f'socket,id=lan,connect=127.0.0.1:{self.listener.getsockname()[1]}',
                '-device', 'virtio-net-pci,netdev=lan']

    def _serve(self):
        """QEMU sends each frame behind its length."""
        self.plug, _ = self.listener.accept()
        with contextlib.suppress(OSError, struct.error), self.plug.makefile('rb') as stream:
            while True:
                size, = struct.unpack('>I', stream.read(4))
                answer = self._frame(stream.read(size))
                if answer:
                    self.plug.sendall(struct.pack('>I', len(answer)) + answer)

    def _frame(self, frame):
        mac, kind, body = frame[6:12], frame[12:14], frame[14:]
        if kind == b'\x08\x06' and body[24:28] == socket.inet_aton(SERVER):
            return mac + SERVER_MAC + kind + body[:6] + b'\0\2' + SERVER_MAC + body[24:28] + body[8:18]
        if kind != b'\x08\x00' or body[9] != 17:
            return None
        packet = body[(body[0] & 15) * 4:]
        ports, payload = struct.unpack('>HH', packet[:4]), packet[8:]
        if ports[1] == 67:
            return self._dhcp(mac, payload)
        if ports[1] == 123:
            return self._ntp(mac, ports, payload)
        return None

    def _dhcp(self, mac, payload):
        self.dhcp_questions += 1
        kind = dhcp_type(payload[240:])
        if not self.dhcp or kind not in (DISCOVER, REQUEST):
            return None
        server = socket.inet_aton(SERVER)
        options = b''.join(bytes([code, len(value)]) + value for code, value in (
            (53, bytes([OFFER if kind == DISCOVER else ACK])), (54, server), (51, struct.pack('>I', 3600)),
            (1, socket.inet_aton(MASK)), (42, server), (15, b'lan.test')))
        head = b'\2\1\6\0' + payload[4:8] + bytes(4) + bytes(4) + socket.inet_aton(CLIENT) + server + bytes(4) + payload[28:44]
        answer = head + bytes(192) + COOKIE + options + b'\xff'
        return udp_frame(b'\xff' * 6, '255.255.255.255', (67, 68), answer.ljust(300, b'\0'))

    def _ntp(self, mac, ports, payload):
        self.ntp_questions += 1
        if not self.ntp:
            return None
        now = time.time() + self.ntp_offset + NTP_EPOCH
        stamp = struct.pack('>II', int(now), int(now % 1 * 2**32))
        answer = bytes([0x24, 2]) + bytes(22) + payload[40:48] + stamp + stamp
        return udp_frame(mac, CLIENT, (ports[1], ports[0]), answer)
