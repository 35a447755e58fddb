#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ISO written to a disk with dd, and data kept behind it on the same disk: made when the boot menu is asked for it, by BIOS;
found without asking, by UEFI. test_installed.py [BUS], a disk's of test_media.py."""
import re
import sys
import time

from machine import IMAGE, busybox_tar, check_clean, run
from qemu import Qemu
from tap import Story, contains, equal, finish, note, within

story = Story()
BUSES = {
    'ahci': ['-device', 'ide-hd,drive=disk,bootindex=1'],
    'virtio': ['-device', 'virtio-blk-pci,drive=disk,bootindex=1'],
    'nvme': ['-device', 'nvme,drive=disk,serial=disk,bootindex=1'],
    'xhci': ['-device', 'qemu-xhci,id=usb', '-device', 'usb-storage,bus=usb.0,drive=disk,bootindex=1'],
}
bus = sys.argv[1] if len(sys.argv) > 1 else 'ahci'
ISO = IMAGE / 'boot2docker.iso'
DISK_SIZE = 3 << 30
OUR_ENTRIES = slice(446 + 32, 510)  # the third and the fourth of the partition table


class Installed:
    """One disk, and the machine that it is in at the time."""

    def __init__(self, first, second):
        self.disk = first.folder / 'disk.raw'
        self.first, self.second = first, second

    def tail(self):
        return '\n'.join(machine.tail() for machine in (self.first, self.second) if machine.process)

    def drive(self):
        return ['-drive', f'file={self.disk},format=raw,if=none,id=disk', *BUSES[bus]]


def hold_shift(qemu, down):
    """The right one: the left one is not asked for by isolinux."""
    qemu.qmp('input-send-event', events=[{'type': 'key', 'data': {'down': down, 'key': {'type': 'qcode', 'data': 'shift_r'}}}])


def choose_in_menu(qemu, entry):
    """Holds the key until isolinux asks what to boot, then types the entry's name."""
    def asks():
        hold_shift(qemu, True)
        return b'boot:' in qemu.log
    within(60, 'isolinux asks what to boot', asks, pause=0.05)
    hold_shift(qemu, False)
    qemu.serial.sendall(f'{entry}\r'.encode())


def iso_part(disk):
    """The disk's bytes as far as the ISO reaches, without the entries that are for data."""
    with open(disk, 'rb') as stream:
        data = bytearray(stream.read(ISO.stat().st_size))
    data[OUR_ENTRIES] = bytes(32)
    return data


@story.test('BIOS: the boot menu has an entry that keeps data on the disk', vital=True)
def install(on):
    run('cp', ISO, on.disk)
    with open(on.disk, 'r+b') as stream:
        stream.truncate(DISK_SIZE)
    on.first.start(*on.drive())
    choose_in_menu(on.first, 'install')
    on.first.wait_console(r'docker@boot2docker', 300)
    note(f'the console is there after {time.monotonic() - on.first.began:.1f} s')
    contains(on.first.type('cat /proc/cmdline')[1], 'boot2docker.install', 'the kernel\'s command line')


@story.test('BIOS: data is on the fourth partition, and a key for SSH is kept there', vital=True)
def in_use(on):
    run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', on.first.folder / 'key')
    assert re.fullmatch(r'/mnt/\w+4/var/lib/docker', place := on.first.type('readlink -f /var/lib/docker')[1].strip()), place
    public = (on.first.folder / 'key.pub').read_text().strip()
    keep = f'mkdir -p -m 700 ~/.ssh && echo {public} >~/.ssh/authorized_keys && sudo tar -cf /var/lib/boot2docker/userdata.tar -C ~ .ssh'
    equal(on.first.type(keep)[0], 0, 'exit status')
    on.first.wait_engine(300)


@story.test('BIOS: a container runs, and its image and a volume are kept')
def container(on):
    on.first.ssh('docker import - busybox-local', input=busybox_tar(), timeout=180)
    on.first.ssh('docker run --rm -v kept:/v busybox-local /bin/sh -c "echo of the first boot >/v/file"')


@story.test('BIOS: the power button ends it, and the file system is clean')
def off(on):
    on.first.power_button()
    check_clean(on.disk, '83')


@story.test('the image on the disk is the ISO, byte for byte but for two entries of the partition table')
def image_stays(on):
    assert iso_part(on.disk) == iso_part(ISO), 'the image was written to'
    contains(run('sfdisk', '--verify', on.disk).stdout, 'No errors detected', 'sfdisk')
    table = re.findall(r'start= *(\d+), size= *(\d+), type=(\w+)', run('sfdisk', '-d', on.disk).stdout)
    of_iso = re.findall(r'start= *(\d+), size= *(\d+), type=(\w+)', run('sfdisk', '-d', ISO).stdout)
    equal(table[:2], of_iso, 'the image\'s own partitions')
    equal([kind for _, _, kind in table[2:]], ['82', '83'], 'the types of the others')
    contains(run('xorriso', '-indev', on.disk, '-report_el_torito', 'plain').stdout, 'UEFI', 'xorriso')


@story.test('UEFI: the same disk boots, and its data is found without being asked for', vital=True)
def again(on):
    on.second.start(*on.drive(), *on.second.uefi())
    run('cp', on.first.folder / 'key', on.second.folder / 'key')
    note(f'docker answers after {on.second.wait_engine(300):.1f} s')
    assert 'boot2docker.install' not in on.second.ssh('cat /proc/cmdline').stdout, 'it was asked for'


@story.test('UEFI: the container\'s image and the volume are there')
def kept(on):
    equal(on.second.ssh('docker run --rm -v kept:/v busybox-local /bin/cat /v/file').stdout, 'of the first boot\n', 'output')
    contains(on.second.ssh('cat /proc/swaps').stdout, '3 ', 'the swap partition')


@story.test('UEFI: the power button ends it, and the image is still the ISO')
def off_again(on):
    on.second.power_button()
    check_clean(on.disk, '83')
    assert iso_part(on.disk) == iso_part(ISO), 'the image was written to'


if __name__ == '__main__':
    with Qemu() as bios, Qemu() as uefi:
        subject = Installed(bios, uefi)
        finish(story.run(subject, subject.tail))
