# SPDX-License-Identifier: Apache-2.0
"""The host's side of QEMU's guest agent."""
import json
import socket

NAME, PORT = 'org.qemu.guest_agent.0', 'agent-port'
OPTIONS = ['-device', 'virtio-serial-pci', '-chardev', 'socket,id=agent,path=agent,server=on,wait=off',
           '-device', f'virtserialport,chardev=agent,id={PORT},name={NAME}']


class Agent:
    """One connection to a machine's agent, which has OPTIONS; `with` closes it."""

    def __init__(self, qemu):
        self.plug = qemu.connect('agent')
        self.plug.settimeout(60)
        self.ids = 0

    def __enter__(self):
        self.synchronise()
        return self

    def __exit__(self, *exception):
        self.plug.close()

    def send(self, execute, **arguments):
        self.plug.sendall(json.dumps({'execute': execute, 'arguments': arguments}).encode() + b'\n')

    def receive(self):
        line = b''
        while not line.endswith(b'\n'):
            byte = self.plug.recv(1)
            assert byte, 'the agent\'s port is closed'
            line += byte
        return json.loads(line.rpartition(b'\xff')[2])

    def synchronise(self):
        """Drops what is there of earlier answers."""
        self.ids += 1
        self.plug.sendall(b'{"half":\xff')
        self.send('guest-sync-delimited', id=self.ids)
        while self.receive().get('return') != self.ids:
            pass

    def ask(self, execute, **arguments):
        self.send(execute, **arguments)
        answer = self.receive()
        assert 'return' in answer, f'{execute}: {answer}'
        return answer['return']

    def error(self, execute, **arguments):
        """The class of the error that a command must have."""
        self.send(execute, **arguments)
        return self.receive()['error']['class']

    def is_silent(self, seconds):
        self.plug.settimeout(seconds)
        try:
            return not self.plug.recv(1)
        except socket.timeout:
            return True
        finally:
            self.plug.settimeout(60)
