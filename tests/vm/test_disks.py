#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks that do not ask to be prepared are not touched; the machine runs from RAM, used by its console."""
import io
import random
import tarfile

from qemu import KERNEL, MAGIC, Qemu, magic_tar, sha256
from tap import Story, contains, equal, finish, note

story = Story()
MIB = 1 << 20


def late_magic():
    """A tar whose second member has the magic name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=tarfile.USTAR_FORMAT) as tar:
        for name in ('first', MAGIC):
            tar.addfile(tarfile.TarInfo(name))
    return out.getvalue()


# What the first bytes of each disk are. The blank one is no disk of VMware, so it is nobody's to take.
DISKS = {
    'blank': b'',
    'noise': random.Random(1).randbytes(4 * MIB),
    'late-magic': late_magic(),
    'cut-magic': magic_tar('key')[:20],
    'magic-in-sector-1': bytes(512) + magic_tar('key'),
}


@story.test('a machine without a disk of its own boots to its console, logged in', vital=True)
def boots(qemu):
    qemu.paths = {name: qemu.add_disk(name, 64 * MIB, start) for name, start in DISKS.items()}
    qemu.before = {name: sha256(path) for name, path in qemu.paths.items()}
    qemu.start(*KERNEL)
    qemu.wait_console(r'docker@boot2docker', 120)
    equal(qemu.type('id -un')[1].strip(), 'docker', 'who is logged in')


@story.test('its engine runs from RAM')
def engine(qemu):
    status, printed = qemu.type('for i in $(seq 60); do docker version >/dev/null 2>&1 && break; sleep 1; done; '
                                'docker version --format "{{.Server.Version}}"', 120)
    equal(status, 0, f'exit status of docker version, which printed {printed!r}')
    equal(qemu.type('grep -c ^/dev/vd /proc/mounts')[1].strip(), '0', 'mounts of disks')


@story.test('the log says that there is no data disk')
def log_says_so(qemu):
    status, printed = qemu.type('grep -i "data disk" /boot.log')
    equal(status, 0, 'exit status of grep')
    note(printed)


@story.test('the power button ends it')
def power_button(qemu):
    qemu.power_button()


for _disk in DISKS:
    @story.test(f'the disk that holds {_disk} was not touched')
    def untouched(qemu, disk=_disk):
        equal(sha256(qemu.paths[disk]), qemu.before[disk], 'SHA-256 of the disk')


@story.test('nothing of the kernel or of PID 1 went wrong on the console')
def console(qemu):
    text = qemu.log.decode(errors='replace')
    for bad in ('Kernel panic', 'Oops', 'segfault'):
        assert bad not in text, f'the console has {bad!r}'
    contains(text, 'docker@boot2docker', 'the console')


if __name__ == '__main__':
    with Qemu() as subject:
        finish(story.run(subject, subject.tail))
