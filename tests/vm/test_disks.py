#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks that cannot be the data disk: foreign ones, a read-only, a dying and a damaged one. The machine runs from RAM, without a
network card, used by its console, and says why; it does not write to what is not its own."""
import io
import random
import subprocess
import tarfile

from machine import run
from qemu import KERNEL, MAGIC, Qemu, magic_tar, plain, sha256
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


def add_unusable(qemu):
    """Disks that were meant as data disks: ours but read-only, one that gives errors, ours but beyond repair."""
    for name in ('read-only', 'damaged'):
        path = qemu.folder / f'{name}.raw'
        with open(path, 'wb') as disk:
            disk.truncate(64 * MIB)
        run('mkfs.ext4', '-q', '-F', '-L', 'boot2docker-data', path)
    # No root directory, and not marked clean: nothing that e2fsck repairs without asking.
    subprocess.run(['debugfs', '-w', '-f', '-', qemu.folder / 'damaged.raw'], input='clri <2>\nssv state 2\n', text=True,
                   check=True, capture_output=True)
    (qemu.folder / 'errors').write_text('[inject-error]\nevent = "read_aio"\nerrno = "5"\n')
    with open(qemu.folder / 'dying.raw', 'wb') as disk:
        disk.write(magic_tar('key'))
        disk.truncate(64 * MIB)
    for drive in ('file=read-only.raw,readonly=on', 'file=blkdebug:errors:dying.raw', 'file=damaged.raw'):
        qemu.disks += ['-drive', f'{drive},format=raw,if=virtio']
    for name in ('read-only', 'dying'):
        qemu.paths[name] = qemu.folder / f'{name}.raw'


@story.test('a machine without a disk of its own boots to its console, logged in', vital=True)
def boots(qemu):
    qemu.paths = {name: qemu.add_disk(name, 64 * MIB, start) for name, start in DISKS.items()}
    add_unusable(qemu)
    qemu.before = {name: sha256(path) for name, path in qemu.paths.items()}
    qemu.network = None
    qemu.start(*KERNEL)
    qemu.wait_console(r'docker@boot2docker', 120)
    equal(qemu.type('id -un')[1].strip(), 'docker', 'who is logged in')


@story.test('its engine runs from RAM')
def engine(qemu):
    status, printed = qemu.type('for i in $(seq 60); do docker version >/dev/null 2>&1 && break; sleep 1; done; '
                                'docker version --format "{{.Server.Version}}"', 120)
    equal(status, 0, f'exit status of docker version, which printed {printed!r}')
    equal(qemu.type('grep -c ^/dev/vd /proc/mounts')[1].strip(), '0', 'mounts of disks')


@story.test('without a network card SSH and the engine\'s TLS port answer on loopback')
def loopback(qemu):
    equal(qemu.type('ls /sys/class/net')[1].split().count('eth0'), 0, 'network cards')
    contains(qemu.type('echo | busybox nc -w 5 127.0.0.1 22')[1], 'SSH-2.0-OpenSSH', 'what port 22 says')
    status, printed = qemu.type('docker --tlsverify -H tcp://127.0.0.1:2376 version --format "{{.Server.Version}}"', 120)
    equal(status, 0, f'exit status of docker version over TLS, which printed {printed!r}')


@story.test('the log says of each disk why it is not used')
def log_says_so(qemu):
    log = qemu.type('for i in $(seq 60); do grep -q "vdf is left alone" /boot.log && break; sleep 1; done; cat /boot.log', 90)[1]
    for line in ('disk vda is left alone: it holds nothing, and does not ask to be formatted',
                 'disk vdb is left alone: it holds what we do not know',
                 'disk vdf is left alone: its label is boot2docker-data, but it is read-only',
                 'disk vdg is left alone: read', 'data disk vdh: its label is boot2docker-data', 'e2fsck of /dev/vdh',
                 'could not be repaired'):
        contains(log, line, 'the log')


@story.test('a data disk beyond repair is told on the console and in the login banner')
def told(qemu):
    contains(plain(qemu.log), 'The data disk is not used, running from memory', 'the console')
    contains(qemu.type('cat /etc/motd')[1], 'THE DATA DISK IS NOT USED', 'the banner')


@story.test('without a swap partition there is compressed memory')
def zram(qemu):
    contains(qemu.type('for i in $(seq 60); do grep -q zram /proc/swaps && break; sleep 1; done; cat /proc/swaps', 90)[1],
             '/dev/zram0', 'swaps')


@story.test('the power button ends it')
def power_button(qemu):
    qemu.power_button()


for _disk in [*DISKS, 'read-only', 'dying']:
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
