#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Machines at addresses of their own: on a tap device, by DHCP, and on a bridge, by QEMU's helper and with an address that is
given. Devices, addresses and the DHCP server are in namespaces that end with the test."""
import os
import subprocess
import sys
from pathlib import Path

from machine import IMAGE, Machine, run
from tap import Story, contains, equal, finish, within

HOST, NETWORK = '10.98.7.1', '10.98.7'
INSIDE = 'B2D_NETWORKS_INSIDE'
RULES = Path('/etc/qemu/bridge.conf')  # the helper's
story = Story()


def enter():
    """The test anew, in a network and a file system that nobody else sees."""
    if INSIDE not in os.environ:
        os.execvpe('unshare', ['unshare', '--mount', '--net', sys.executable, *sys.argv], {**os.environ, INSIDE: '1'})


def device(name, kind, address):
    run('ip', *kind)
    run('ip', 'address', 'add', f'{address}/24', 'dev', name)
    run('ip', 'link', 'set', 'dev', name, 'up')


def serve_dhcp(machine, name):
    """A DHCP server that has one address to give."""
    leases = machine.store / 'leases'
    leases.touch()
    config = machine.store / 'udhcpd.conf'
    config.write_text(f'start {NETWORK}.50\nend {NETWORK}.50\ninterface {name}\nlease_file {leases}\npidfile {machine.store}/pid\n'
                      'option subnet 255.255.255.0\noption lease 3600\n')
    return subprocess.Popen(['busybox', 'udhcpd', '-f', str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def check_reached(machine, address):
    """Engine, published port and SSH, each where the documents say that it is."""
    equal(machine.command('ip', machine.name).stdout, f'{address}\n', 'ip')
    equal(machine.address(), (address, 2376), 'url')
    machine.engine_version()
    names = run('openssl', 'x509', '-in', machine.folder / 'server.pem', '-noout', '-ext', 'subjectAltName').stdout
    contains(names, f'IP Address:{address}', 'names of the certificate')
    machine.import_busybox('b')
    machine.docker('run', '-d', '--name', 'web', '-p', '8080:80', 'b', 'sh', '-c',
                   'echo here >/index.html; exec httpd -f -p 80 -h /')
    within(30, 'the published port answers',
           lambda: run('curl', '-s', '--max-time', '5', f'http://{address}:8080/', check=False).stdout == 'here\n')
    assert run('curl', '-s', '--max-time', '5', 'http://127.0.0.1:8080/', check=False).returncode, 'it is forwarded to 127.0.0.1'
    contains(machine.ssh('echo $SSH_CONNECTION'), '10.0.2.', 'the way of SSH')


@story.test('tap, by DHCP: engine and published ports are at the address of the machine, SSH goes by 127.0.0.1')
def tap(machine):
    device('tap7', ('tuntap', 'add', 'dev', 'tap7', 'mode', 'tap'), HOST)
    server = serve_dhcp(machine, 'tap7')
    try:
        machine.create('--qemu-network', 'tap', '--qemu-network-interface', 'tap7')
        check_reached(machine, f'{NETWORK}.50')
    finally:
        server.kill()
        server.wait()


@story.test('the address stays at the next start, by the lease')
def restarted(machine):
    server = serve_dhcp(machine, 'tap7')
    try:
        machine.command('restart', machine.name, timeout=400)
        equal(machine.command('ip', machine.name).stdout, f'{NETWORK}.50\n', 'ip')
        machine.engine_version()
    finally:
        server.kill()
        server.wait()
        machine.command('rm', '-y', machine.name)
        run('ip', 'link', 'delete', 'dev', 'tap7')


@story.test('bridge, with an address that is given: the same, by qemu-bridge-helper, which must allow it')
def bridge(machine):
    device('br7', ('link', 'add', 'br7', 'type', 'bridge'), HOST)
    above = machine.store / 'etc'
    above.mkdir()
    run('mount', '-t', 'tmpfs', 'tmpfs', above)
    for name in ('upper', 'work'):
        (above / name).mkdir()
    run('mount', '-t', 'overlay', '-o', f'lowerdir=/etc,upperdir={above}/upper,workdir={above}/work', 'overlay', '/etc')
    RULES.parent.mkdir(exist_ok=True)
    RULES.write_text('')
    flags = ('--qemu-network', 'bridge', '--qemu-network-bridge', 'br7', '--qemu-network-address', f'{NETWORK}.60/24')
    refused = machine.command('create', '-d', 'qemu', '--qemu-boot2docker-url', IMAGE / 'boot2docker.iso', *flags, machine.name,
                              check=False)
    equal(refused.returncode, 1, f'without leave: {refused.stderr}')
    contains(refused.stderr, 'bridge helper failed', 'what it says')
    RULES.write_text('allow br7\n')
    machine.create(*flags)
    check_reached(machine, f'{NETWORK}.60')


enter()
run('ip', 'link', 'set', 'dev', 'lo', 'up')
with Machine() as machine_:
    status_ = story.run(machine_, machine_.console)
finish(status_)
