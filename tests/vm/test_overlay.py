#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two machines on one cable: a swarm of both, and an encrypted overlay network over it."""
from machine import busybox_tar, free_port
from qemu import KERNEL, Qemu
from tap import Story, contains, equal, finish, note, within

story = Story()
SECRET = 'nobody on the cable reads this'
# Debian 12's static wget ends by SIGSEGV when it is given -T.
FETCH = '/bin/busybox timeout 10 /bin/wget -qO-'
ADDRESSES = ('192.168.66.1', '192.168.66.2')


@story.test('two machines boot, and reach each other at addresses that they were given by hand', vital=True)
def boots(pair):
    port = free_port()
    for number, (qemu, end) in enumerate(zip(pair, ('listen', 'connect'))):
        qemu.cable = qemu.folder / 'cable.pcap'
        qemu.start(*KERNEL[:-1], f'console=tty0 {KERNEL[-1]}', '-netdev', f'socket,id=cable,{end}=127.0.0.1:{port}', '-device',
                   f'virtio-net-pci,netdev=cable,mac=52:54:00:66:66:0{number}', '-object',
                   f'filter-dump,id=dump,netdev=cable,file={qemu.cable}')
        qemu.qmp('query-status')  # by then the first one listens
    for number, qemu in enumerate(pair):
        note(f'docker answers after {qemu.wait_engine(400):.1f} s')
        qemu.ssh(f'sudo sethostname m{number} && sudo kill $(cat /var/run/udhcpc.eth1.pid); '
                 f'sudo ip addr add {ADDRESSES[number]}/24 dev eth1')
        qemu.ssh('docker import - bb', input=busybox_tar(), timeout=180)
    within(30, 'an answer to ping', lambda: pair[1].ssh(f'ping -c 1 -W 2 {ADDRESSES[0]}', check=False).returncode == 0)


@story.test('a serial port that is not there costs nothing: nobody keeps trying it, and the other console has its login')
def no_serial_port(pair):
    for qemu, lines in zip(pair, (['tty1', 'ttyS0'], ['tty1'])):
        shells = qemu.ssh('for p in $(pidof bash); do sudo readlink /proc/$p/fd/0; done | sort').stdout.split()
        equal([line[5:] for line in shells if line.startswith('/dev/tty')], lines, 'terminals that have a login')
    log = pair[1].ssh('grep console- /boot.log').stdout
    equal(log.count('console-ttyS0: started'), 1, f'starts of the login on ttyS0 in {log!r}')


@story.test('they form a swarm', vital=True)
def swarm(pair):
    told = pair[0].ssh('docker swarm init --advertise-addr eth0', check=False, timeout=180)
    contains(told.stdout + told.stderr, 'interface eth0 has more than one IPv6 address', 'what docker says, by doc/WORKAROUNDS.md')
    pair[0].ssh(f'docker swarm init --advertise-addr {ADDRESSES[0]}', timeout=180)
    token = pair[0].ssh('docker swarm join-token -q worker').stdout.strip()
    pair[1].ssh(f'docker swarm join --advertise-addr {ADDRESSES[1]} --token {token} {ADDRESSES[0]}:2377', timeout=180)
    equal(sorted(pair[0].ssh('docker node ls --format "{{.Hostname}} {{.Status}}"').stdout.splitlines()), ['m0 Ready', 'm1 Ready'],
          'nodes')


@story.test('a container of one is reached by name from the other, and on the cable is nothing but ESP of it')
def encrypted(pair):
    pair[0].ssh('docker network create -d overlay --opt encrypted --attachable over', timeout=180)
    pair[0].ssh(f'docker run -d --name web --network over bb /bin/sh -c "echo {SECRET} >/index.html; exec /bin/httpd -f -p 80 -h /"',
                timeout=180)
    equal(within(120, 'web answers the other machine', lambda: pair[1].ssh(
        f'docker run --rm --network over bb {FETCH} http://web/', check=False, timeout=180).stdout, pause=1),
          SECRET + '\n', 'answer')
    contains(pair[1].ssh('sudo ip xfrm state').stdout, 'proto esp', 'states of IPsec')
    # In the pcap of either, no packet has the text; ESP is IP protocol 50.
    seen = pair[1].cable.read_bytes()
    assert SECRET.encode() not in seen, 'the text was on the cable'
    assert any(seen[at + 9] == 50 for at in positions(seen, b'\x08\x00\x45')), 'no ESP was on the cable'


@story.test('a service answers at its virtual address, by IPVS')
def service(pair):
    pair[0].ssh('docker service create -d --no-resolve-image --name served --network over bb /bin/sh -c '
                '"echo served >/index.html; exec /bin/httpd -f -p 80 -h /"', timeout=180)
    equal(within(120, 'the service answers', lambda: pair[0].ssh(
        f'docker run --rm --network over bb {FETCH} http://served/', check=False, timeout=120).stdout, pause=1),
          'served\n', 'answer')
    contains(pair[0].ssh('cat /proc/modules; sudo ls /proc/net/ip_vs', check=False).stdout, 'ip_vs', 'IPVS')


def positions(data, part):
    """Where the IP headers begin that follow an EtherType of IPv4."""
    at = data.find(part)
    while 0 <= at < len(data) - 12:
        yield at + 2
        at = data.find(part, at + 1)


if __name__ == '__main__':
    with Qemu() as first, Qemu() as second:
        for machine in (first, second):
            machine.add_key_disk()
        second.has_serial = False
        finish(story.run((first, second), first.tail))
