#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What PID 1 has to stand: memory that runs out, devices that come and go, a shutdown with much to end, a boot that was stopped."""
import subprocess
import time

from machine import busybox_tar, check_clean
from qemu import KERNEL, Qemu, sha256
from tap import Story, contains, equal, finish, note, within

story = Story()
CONTAINERS, MOUNTS = 50, 300
PORTS = [word for number in (1, 2) for word in ('-device', f'pcie-root-port,id=port{number},chassis={number}')]


def processes(qemu):
    """The pids of those that must not die."""
    return qemu.ssh('echo $(pidof dockerd) $(pidof containerd) $(pidof sshd | tr " " "\\n" | sort -n | head -n1)').stdout.split()


@story.test('a machine with room for devices boots to its engine', vital=True)
def boots(qemu):
    qemu.start(*KERNEL, *PORTS)
    note(f'docker answers after {qemu.wait_engine(300):.1f} s')
    qemu.ssh('docker import - bb', input=busybox_tar(), timeout=180)


@story.test('sshd is spared when memory runs out, its sessions are not')
def oom_scores(qemu):
    equal(qemu.ssh('cat /proc/$(pidof sshd | tr " " "\\n" | sort -n | head -n1)/oom_score_adj /proc/self/oom_score_adj').stdout.split(),
          ['-1000', '0'], 'oom_score_adj of sshd and of a session')


@story.test('a container that takes all memory is killed, and nothing else')
def out_of_memory(qemu):
    before = processes(qemu)
    qemu.ssh('sudo swapoff -a')  # the way there is long enough without
    start = time.monotonic()
    ended = qemu.ssh('docker run --rm bb /bin/busybox dd if=/dev/zero of=/dev/null bs=3000M count=1', check=False, timeout=300)
    note(f'ended with {ended.returncode} after {time.monotonic() - start:.1f} s')
    equal(ended.returncode, 137, 'exit status')
    equal(processes(qemu), before, 'dockerd, containerd, sshd')
    equal(qemu.ssh('docker run --rm bb /bin/echo fine').stdout, 'fine\n', 'another container')


@story.test('a network card that is plugged in is asked for an address, keeps one that it is given by hand, and can be pulled out')
def hot_plug_card(qemu):
    qemu.qmp('netdev_add', type='user', id='more', net='10.7.7.0/24')
    qemu.qmp('device_add', driver='virtio-net-pci', netdev='more', id='card', bus='port1')
    within(60, 'eth1 has an address', lambda: '10.7.7.15' in qemu.ssh('ip -4 -o addr show eth1', check=False).stdout, pause=1)
    # The way to an address of one's own.
    qemu.ssh('sudo kill $(cat /var/run/udhcpc.eth1.pid) && sudo ip addr flush dev eth1 && sudo ip addr add 10.7.7.99/24 dev eth1; sleep 3')
    contains(qemu.ssh('ip -4 -o addr show eth1; pgrep -fa "[u]dhcpc.*eth1"', check=False).stdout, '10.7.7.99', 'address of eth1')
    equal(qemu.ssh('pgrep -f "[u]dhcpc.*eth1"', check=False).stdout, '', 'DHCP client of eth1')
    qemu.qmp('device_del', id='card')
    within(30, 'eth1 is gone', lambda: qemu.ssh('ip link show eth1', check=False).returncode != 0, pause=1)


@story.test('a disk that is plugged in appears')
def hot_plug_disk(qemu):
    path = qemu.folder / 'more.raw'
    path.write_bytes(bytes(1 << 20))
    qemu.qmp('blockdev-add', **{'driver': 'raw', 'node-name': 'more', 'file': {'driver': 'file', 'filename': str(path)}})
    qemu.qmp('device_add', driver='virtio-blk-pci', drive='more', id='disk', bus='port2')
    within(30, '/dev/vdb is there', lambda: qemu.ssh('test -b /dev/vdb', check=False).returncode == 0)


@story.test('IPv6 comes by router advertisement, though the machine forwards packets')
def ipv6(qemu):
    contains(qemu.ssh('ip -6 -o addr show eth0').stdout, 'fec0::', 'addresses of eth0')
    contains(qemu.ssh('ip -6 route').stdout, 'default via fe80::', 'routes')


@story.test(f'{CONTAINERS} containers that do not listen and {MOUNTS} mounts are ended within 60 s, and the disk is clean')
def shutdown(qemu):
    start = time.monotonic()
    qemu.ssh(f'for side in 1 2 3 4 5; do (for i in $(seq {CONTAINERS // 5}); do docker run -d --network none bb /bin/sleep 100000 >/dev/null || '
             'exit; done) & done; wait', timeout=540)
    equal(qemu.ssh('docker ps -q | wc -l').stdout.strip(), str(CONTAINERS), 'containers that run')
    note(f'started in {time.monotonic() - start:.1f} s')
    qemu.ssh(f'sudo sh -c "mkdir -p /mnt/many; cd /mnt/many; for i in \\$(seq {MOUNTS}); do mkdir \\$i; mount -t tmpfs t \\$i || exit; done"')
    start = time.monotonic()
    qemu.power_button(60)
    note(f'off after {time.monotonic() - start:.1f} s')
    assert 'stays mounted' not in qemu.tail(), qemu.tail()
    check_clean(qemu.data)


def start_with(qemu, option):
    """Boots with one more word on the kernel's command line; returns where its console begins."""
    where = len(qemu.log)
    qemu.start(*KERNEL[:-1], f'{KERNEL[-1]} {option}')
    return where


@story.test('boot2docker.rescue gives a root shell on the console, and halt turns the power off there')
def rescue(qemu):
    where = start_with(qemu, 'boot2docker.rescue')
    qemu.wait_console('a root shell is on the console', 120, where)
    equal(qemu.type('id -u')[1].strip(), '0', 'who has the console')
    contains(qemu.tail(), 'The boot stops at rescue-wish', 'the console')
    equal(qemu.type('grep -c /mnt/ /proc/mounts')[1].strip(), '0', 'disks that are mounted')
    qemu.serial.sendall(b'halt\n')
    qemu.process.wait(60)


@story.test('with boot2docker.nodisk the data disk is left alone, so that it can be repaired by hand')
def repair(qemu):
    offset = 1 << 20  # of the data partition
    subprocess.run(['debugfs', '-w', '-f', '-', f'{qemu.data}?offset={offset}'], input='clri <2>\nssv state 2\n', text=True, check=True,
                   capture_output=True)
    before = sha256(qemu.data)
    where = start_with(qemu, 'boot2docker.nodisk')
    qemu.wait_console(r'docker@boot2docker', 120, where)
    contains(qemu.type('grep "no data disk" /boot.log')[1], 'boot2docker.nodisk was given', '/boot.log')
    equal(qemu.type('grep -c /dev/vda /proc/mounts /proc/swaps')[1].split(), ['/proc/mounts:0', '/proc/swaps:0'], 'uses of the disk')
    equal(sha256(qemu.data), before, 'SHA-256 of the disk')
    qemu.type('sudo e2fsck -f -y /dev/vda1', 120)
    # The prompt comes before the drivers: a button that is pressed before it has one is not heard.
    qemu.type('until grep -A4 "Power Button" /proc/bus/input/devices | grep -q event; do sleep 0.1; done')
    qemu.power_button()
    check_clean(qemu.data)


if __name__ == '__main__':
    with Qemu() as subject:
        subject.data = subject.add_key_disk()
        finish(story.run(subject, subject.tail))
