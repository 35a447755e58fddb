#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The clock: servers of DHCP and of the profile, a machine that was stopped; and servers that never answer hold up nothing.
QEMU's guest agent, which sets the clock among other things."""
import queue
import re
import socket
import ssl
import threading
import time

from agent import NAME, OPTIONS as AGENT, PORT, Agent
from lan import CLIENT, SERVER, Lan
from qemu import KERNEL, Qemu
from tap import Story, contains, equal, finish, note, within

story = Story()
CLOSE = 1.6  # the RTC counts whole seconds


class Clock:
    """The guest's clock as a running command in it tells it, so that no login comes into what is measured."""

    def __init__(self, qemu):
        self.errors, self.ahead = queue.Queue(), 0
        self.process = qemu.ssh_process('while date +%s; do sleep 0.2; done')
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()

    def _read(self):
        for line in self.process.stdout:
            now = time.time() + self.ahead
            self.errors.put(min(0, int(line) + 1 + CLOSE - now) or max(0, int(line) - CLOSE - now))

    def error(self):
        """How many seconds the clock is outside of what it has to be, `ahead` of the host's: 0 when it is right."""
        while not self.errors.empty():
            self.errors.get()
        return self.errors.get(timeout=60)

    def right_within(self, seconds, ahead=0):
        """How long it took until the clock was right; fails after so many seconds."""
        self.ahead, start = ahead, time.monotonic()
        while (error := self.error()) != 0:
            assert time.monotonic() - start < seconds, f'the clock is {error:.1f} s off after {seconds} s'
        return time.monotonic() - start


class Events:
    """The engine's events as a client of the host sees them, over one TLS connection that stays open; `with` closes it."""

    def __init__(self, qemu):
        for name in ('ca', 'cert', 'key'):
            (qemu.folder / f'{name}.pem').write_text(qemu.ssh(f'cat ~/.docker/{name}.pem').stdout)
        context = ssl.create_default_context(cafile=str(qemu.folder / 'ca.pem'))
        context.load_cert_chain(str(qemu.folder / 'cert.pem'), str(qemu.folder / 'key.pem'))
        plain = socket.create_connection(('127.0.0.1', qemu.engine_port), timeout=20)
        self.plug = context.wrap_socket(plain, server_hostname='localhost')
        self.plug.sendall(b'GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n')
        self.text = self.plug.recv(65536)
        contains(self.text, b'200 OK', 'answer to GET /events')

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.plug.close()

    def wait(self, text):
        """Until an event has this text; the connection's own deadline ends it."""
        while text.encode() not in self.text:
            chunk = self.plug.recv(65536)
            assert chunk, f'the connection was closed before {text!r} came'
            self.text += chunk


@story.test('a DHCP server that never answers and time servers that never answer hold up nothing', vital=True)
def mute_servers(qemu):
    qemu.start(*KERNEL, *qemu.lan.options, *AGENT)
    note(f'docker answers after {qemu.wait_engine(300):.1f} s')
    within(30, 'eth1 was asked for', lambda: qemu.lan.dhcp_questions > 0)
    equal(qemu.ssh('ip -4 -o addr show eth1').stdout, '', 'address of eth1')
    contains(qemu.ssh('cat /boot.log').stdout, 'ntp: started', '/boot.log')
    with Clock(qemu) as clock:
        clock.right_within(5)


@story.test('an address that comes late is taken, with its time server and its domain')
def late_lease(qemu):
    qemu.lan.dhcp = True
    within(60, 'eth1 has its address', lambda: CLIENT in qemu.ssh('ip -4 -o addr show eth1').stdout, pause=1)
    contains(qemu.ssh('cat /etc/resolv.conf').stdout, 'search lan.test', '/etc/resolv.conf')
    within(20, 'the time server of the lease is asked', lambda: qemu.lan.ntp_questions > 0)


@story.test('the clock follows the time server, and is right again within 5 s when somebody sets it')
def follows_server(qemu):
    qemu.lan.ntp = True
    with Clock(qemu) as clock:
        for date, ahead in (('2031-05-06 07:08:09', 3600), ('2001-05-06 07:08:09', 0)):
            qemu.lan.ntp_offset = ahead
            qemu.ssh(f'sudo date -s "{date}"')
            note(f'right {clock.right_within(5, ahead):.1f} s after it was set')
    contains(qemu.ssh('cat /var/log/ntp.log').stdout, SERVER, '/var/log/ntp.log')


def stop_for(qemu, stops):
    """Stops the machine for so many seconds each time: its clock is right soon, and a TLS connection goes on."""
    with Clock(qemu) as clock, Events(qemu) as events:
        for seconds in stops:
            clock.right_within(5)
            qemu.qmp('stop')
            time.sleep(seconds)
            qemu.qmp('cont')
            note(f'right {clock.right_within(5):.1f} s after a stop of {seconds} s')
            qemu.ssh(f'docker volume create after-{seconds}')
            events.wait(f'after-{seconds}')
    found = re.findall(r'the machine was stopped for ([0-9.]+) s', qemu.ssh('cat /boot.log').stdout)
    equal(len(found), len(stops), 'lines in /boot.log')
    for told, seconds in zip(found, stops):
        assert abs(float(told) - seconds) < CLOSE + 1, f'/boot.log says {told} s of a stop of {seconds} s'
    with Events(qemu):
        note('a new connection over TLS is let in')


@story.test('a machine that was stopped has the right time within 5 s, without a network, and its TLS goes on')
def stopped(qemu):
    qemu.lan.ntp = False
    stop_for(qemu, (15, 4))


@story.test('PID 1 does not wake up often to keep the time, and a guest agent whom nobody asks not at all')
def wakeups(qemu):
    count = 'for p in 1 $(pidof b2d-qemu-agent); do grep ^voluntary /proc/$p/status | tr -dc 0-9; echo; done'
    found = qemu.ssh(f'{count}; sleep 20; {count}').stdout.split()
    equal(len(found), 4, 'counts of PID 1 and the agent')
    before, agent_before, after, agent_after = map(int, found)
    note(f'{after - before} times in 20 s')
    assert 1 <= after - before <= 12, f'{after - before} wake-ups in 20 s'
    equal(agent_after, agent_before, 'wake-ups of the agent')


@story.test('NTP_SERVER in the profile is asked instead, and a blank one turns it off')
def by_profile(qemu):
    equal(qemu.ssh('tr "\\0" " " </proc/$(pidof b2d-sntp)/cmdline').stdout.split()[1:], [SERVER], 'servers by DHCP')
    for value, servers in ((' ', []), ('10.0.2.2 ntp.example', ['10.0.2.2', 'ntp.example'])):
        qemu.restart_engine(f"NTP_SERVER='{value}'\n")
        within(30, f'the servers are {servers}', lambda want=servers: qemu.ssh(
            'p=$(pidof b2d-sntp) && tr "\\0" " " </proc/$p/cmdline', check=False).stdout.split()[1:] == want)


@story.test('the guest agent tells name, addresses and system, and runs no programs')
def agent_facts(qemu):
    with Agent(qemu) as agent:
        equal(agent.ask('guest-ping'), {}, 'guest-ping')
        names = [row['name'] for row in agent.ask('guest-info')['supported_commands']]
        equal('guest-exec' in names, False, 'guest-exec among the commands')
        equal(agent.error('guest-exec', path='/bin/true'), 'CommandNotFound', 'guest-exec')
        equal(agent.ask('guest-get-osinfo')['id'], 'boot2docker', 'os id')
        equal(agent.ask('guest-get-host-name'), {'host-name': 'boot2docker'}, 'host name')
        nets = {net['name']: net for net in agent.ask('guest-network-get-interfaces')}
        contains([(a['ip-address'], a['prefix']) for a in nets['eth0']['ip-addresses']], ('10.0.2.15', 24), 'eth0')
        equal(nets['eth1']['hardware-address'], qemu.ssh('cat /sys/class/net/eth1/address').stdout.strip(), 'eth1')
        assert nets['eth0']['statistics']['rx-bytes'] > 0, nets['eth0']


@story.test('the guest agent sets the clock, by a time that the host gives and by the hardware clock')
def agent_clock(qemu):
    with Agent(qemu) as agent, Clock(qemu) as clock:
        agent.ask('guest-set-time', time=(int(time.time()) + 7200) * 1000000000)
        clock.right_within(5, 7200)
        assert abs(agent.ask('guest-get-time') / 1e9 - time.time() - 7200) < 5, 'guest-get-time'
        qemu.ssh('sudo date -s 2020-01-01')
        agent.ask('guest-set-time')
        clock.right_within(5, 7200)
        agent.ask('guest-set-time', time=int(time.time()) * 1000000000)
        clock.right_within(5)


@story.test('frozen disks take nothing until they are thawed, also when the agent dies')
def agent_freeze(qemu):
    for let_go in (lambda agent: equal(agent.ask('guest-fsfreeze-thaw'), 1, 'thawed'),
                   lambda agent: qemu.ssh('sudo kill -KILL $(pidof b2d-qemu-agent)')):
        with Agent(qemu) as agent:
            equal(agent.ask('guest-fsfreeze-freeze'), 1, 'frozen')
            equal(agent.ask('guest-fsfreeze-status'), 'frozen', 'status')
            writer = qemu.ssh_process('sudo dd if=/dev/zero of=/mnt/vda1/frozen bs=4k count=1 conv=fsync && echo written')
            time.sleep(3)
            equal(writer.poll(), None, 'exit status of a writer while frozen')
            let_go(agent)
            equal(writer.communicate(timeout=60)[0], 'written\n', 'the writer')
    with Agent(qemu) as agent:
        equal(agent.ask('guest-fsfreeze-status'), 'thawed', 'status of the agent after it')


@story.test('the guest agent ends with its port, and comes back when one is plugged in')
def agent_plug(qemu):
    qemu.qmp('device_del', id=PORT)
    within(30, 'the agent has ended', lambda: qemu.ssh('pidof b2d-qemu-agent', check=False).returncode != 0)
    qemu.qmp('device_add', driver='virtserialport', chardev='agent', id=PORT, name=NAME)
    for _ in range(40):  # what is asked may be there before the guest knows that somebody is
        with Agent(qemu) as agent:
            equal(agent.ask('guest-ping'), {}, 'guest-ping')


@story.test('the guest agent shuts the machine down')
def agent_shutdown(qemu):
    with Agent(qemu) as agent:
        agent.send('guest-shutdown')
        equal(agent.is_silent(60), True, 'no answer')
    within(90, 'the machine is off', lambda: qemu.process.poll() is not None)


if __name__ == '__main__':
    with Qemu() as subject:
        subject.lan = Lan()
        subject.add_key_disk()
        finish(story.run(subject, subject.tail))
