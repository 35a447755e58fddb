#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boots the ISO from one medium up to a running container: test_media.py bios-cd|uefi-cd|bios-disk|uefi-disk."""
import sys

from machine import IMAGE, busybox_tar
from qemu import CD, Qemu
from tap import Story, contains, equal, finish, note

story = Story()
ISO = f'file={IMAGE}/boot2docker.iso,format=raw,readonly=on,if=none,id=medium'
MEDIA = {
    'bios-cd': lambda qemu: [*CD],
    'uefi-cd': lambda qemu: [*CD, *qemu.uefi()],
    'bios-disk': lambda qemu: ['-device', 'virtio-blk-pci,drive=medium,bootindex=1'],
    'uefi-disk': lambda qemu: ['-device', 'virtio-blk-pci,drive=medium,bootindex=1', *qemu.uefi()],
}
medium = sys.argv[1]


@story.test(f'{medium}: the ISO boots to an engine that answers', vital=True)
def boots(qemu):
    # The medium is the first disk but for the CD: the guest must find its data disk by what is on it, not by its place.
    qemu.start('-drive', ISO, *MEDIA[medium](qemu))
    note(f'docker answers after {qemu.wait_engine(300):.1f} s')


@story.test(f'{medium}: the data disk that asked for it was prepared and is in use')
def data_disk(qemu):
    contains(qemu.ssh('sudo blkid').stdout, 'boot2docker-data', 'blkid')
    mounted = qemu.ssh('readlink -f /var/lib/docker').stdout.strip()
    assert mounted.startswith('/mnt/vd'), f'/var/lib/docker is {mounted}'


if 'cd' in medium:
    @story.test(f'{medium}: with the medium pulled, the machine goes on')
    def pulled(qemu):
        qemu.ssh('umount /dev/sr0 2>/dev/null; true')
        qemu.qmp('eject', id='medium', force=True)
        equal(qemu.ssh('docker ps -q && ls /usr/local/bin/docker').stdout, '/usr/local/bin/docker\n', 'output')


@story.test(f'{medium}: a container runs and its output comes back')
def container(qemu):
    qemu.ssh('docker import - busybox-local', input=busybox_tar(), timeout=180)
    equal(qemu.ssh('docker run --rm busybox-local /bin/echo from the medium').stdout, 'from the medium\n', 'output')


@story.test(f'{medium}: the power button ends it')
def power_button(qemu):
    qemu.power_button()


if __name__ == '__main__':
    with Qemu() as subject:
        subject.add_key_disk()
        finish(story.run(subject, subject.tail))
