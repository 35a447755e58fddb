#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boots the ISO from one medium up to a running container, then takes the medium away: test_media.py BUS FIRMWARE [MB of memory].

Firmware is bios or uefi; the bus is one of the table BUSES. `make test SUITE=media` runs those that are not in the usual run.
"""
import sys

from machine import IMAGE, busybox_tar
from qemu import CD, Qemu
from tap import Story, contains, equal, finish, note, within

story = Story()
CDROM = f'file={IMAGE}/boot2docker.iso,format=raw,readonly=on,if=none,id=medium'
# The guest may write to a disk; what it writes is thrown away.
DISK = f'file={IMAGE}/boot2docker.iso,format=raw,snapshot=on,if=none,id=medium'
PORT = ['-device', 'pcie-root-port,id=root-port-1,chassis=1,slot=1']
SCSI = ['-device', 'scsi-hd,bus=scsi.0,drive=medium,id=medium,bootindex=1']
USB = ['-device', 'usb-storage,bus=usb.0,drive=medium,id=medium,bootindex=1']
CMDLINE = 'console=tty0 console=ttyS0,115200 loglevel=4 no_timer_check'
IPXE = f'#!ipxe\nkernel vmlinuz initrd=initrd.img {CMDLINE}\ninitrd initrd.img\nboot\n'


class Bus:
    """How the medium is attached, and how it goes away: `eject`, `unplug`, or not while the machine runs."""

    def __init__(self, *devices, machine='q35', drive=DISK, leaves='unplug'):
        self.devices, self.machine, self.drive, self.leaves = devices, machine, drive, leaves


BUSES = {
    'ide-cd': Bus(*CD, machine='pc', drive=CDROM, leaves='eject'),
    'ahci-cd': Bus(*CD, drive=CDROM, leaves='eject'),
    'ahci': Bus('-device', 'ide-hd,drive=medium,id=medium,bootindex=1', leaves='stays'),
    'virtio': Bus(*PORT, '-device', 'virtio-blk-pci,bus=root-port-1,drive=medium,id=medium,bootindex=1'),
    'nvme': Bus(*PORT, '-device', 'nvme,bus=root-port-1,drive=medium,id=medium,serial=medium,bootindex=1'),
    'xhci': Bus('-device', 'qemu-xhci,id=usb', *USB),
    'ehci': Bus('-device', 'usb-ehci,id=usb', *USB),
    'virtio-scsi': Bus('-device', 'virtio-scsi-pci,id=scsi', *SCSI),
    # These controllers of QEMU have no hot-plug of their disks.
    'lsi': Bus('-device', 'lsi53c895a,id=scsi', *SCSI, leaves='stays'),
    'megasas': Bus('-device', 'megasas,id=scsi', *SCSI, leaves='stays'),
    'mpt': Bus('-device', 'mptsas1068,id=scsi', *SCSI, leaves='stays'),
    'pvscsi': Bus('-device', 'pvscsi,id=scsi', *SCSI),
    # No medium: kernel and initrd come from QEMU's TFTP server, by the network card's iPXE.
    'pxe': Bus('-boot', 'n', drive=None, leaves='stays'),
}
name, firmware = sys.argv[1:3]
memory = int(sys.argv[3]) if len(sys.argv) > 3 else 1024
bus = BUSES[name]
title = f'{name} by {firmware.upper()}, {memory} MB'


def serve_tftp(qemu):
    """Lets the network card's firmware fetch what iPXE's script names."""
    folder = qemu.folder / 'tftp'
    folder.mkdir()
    (folder / 'boot.ipxe').write_text(IPXE)
    for file in ('vmlinuz', 'initrd.img'):
        (folder / file).symlink_to(IMAGE / file)
    qemu.network += f',tftp={folder},bootfile=boot.ipxe'


@story.test(f'{title}: the ISO boots to an engine that answers', vital=True)
def boots(qemu):
    qemu.machine, qemu.memory = bus.machine, memory
    options = [*bus.devices, *(qemu.uefi() if firmware == 'uefi' else [])]
    if bus.drive:
        options += ['-drive', bus.drive]
    else:
        serve_tftp(qemu)
    # The medium may be the first disk: the guest must find its data disk by what is on it, not by its place.
    qemu.start(*options)
    note(f'docker answers after {qemu.wait_engine(300):.1f} s')
    assert b'Unknown command' not in qemu.log, f'GRUB has not all that its menu needs: {qemu.log[:3000]!r}'


@story.test(f'{title}: the data disk that asked for it was prepared and is in use')
def data_disk(qemu):
    contains(qemu.ssh('sudo blkid').stdout, 'boot2docker-data', 'blkid')
    mounted = qemu.ssh('readlink -f /var/lib/docker').stdout.strip()
    assert mounted.startswith('/mnt/vd'), f'/var/lib/docker is {mounted}'


@story.test(f'{title}: a container runs and its output comes back')
def container(qemu):
    qemu.ssh('docker import - busybox-local', input=busybox_tar(), timeout=180)
    equal(qemu.ssh('docker run --rm busybox-local /bin/echo from the medium').stdout, 'from the medium\n', 'output')


def eject(qemu):
    qemu.qmp('eject', id='medium', force=True)


def unplug(qemu):
    before = set(qemu.ssh('ls /sys/block').stdout.split())
    has_driver = 'iso9660' in qemu.ssh('sudo blkid').stdout
    qemu.qmp('device_del', id='medium')
    within(30, 'the medium is gone', lambda: all(device['name'] != 'medium' for device in qemu.qmp('qom-list', path='/machine/peripheral')))
    if has_driver:
        within(30, 'the guest has seen it go', lambda: len(before - set(qemu.ssh('ls /sys/block').stdout.split())) == 1)
    else:
        note(f'this kernel has no driver for {name}, which the system in memory does not need')


if bus.leaves != 'stays':
    @story.test(f'{title}: with the medium gone, the container of before and a new one run')
    def pulled(qemu):
        qemu.ssh('docker run -d --name before busybox-local /bin/sleep 3600')
        globals()[bus.leaves](qemu)
        equal(qemu.ssh('docker exec before /bin/echo still there').stdout, 'still there\n', 'output')
        equal(qemu.ssh('sudo sync; docker run --rm busybox-local /bin/echo without the medium').stdout, 'without the medium\n', 'output')
        equal(qemu.ssh('ls /usr/local/bin/docker').stdout, '/usr/local/bin/docker\n', 'output')


@story.test(f'{title}: the power button ends it')
def power_button(qemu):
    qemu.power_button()


if __name__ == '__main__':
    with Qemu() as subject:
        subject.add_key_disk()
        finish(story.run(subject, subject.tail))
