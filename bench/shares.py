#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Folders of the host in our machine, by 9p with other options, by virtiofs and by sshfs, side by side; called by bench/run.

A container works in the folder: it writes and reads one large file, has git look at small ones, packs and unpacks some. The
guest's caches are empty before each of these, the host's are warm. Times are the guest's. sshfs is the host's own program with its
libraries, brought into the machine; an sftp-server on the host serves it through `boot2docker ssh`. What fails is named, and the others go on.
"""
import argparse
import contextlib
import io
import os
import resource
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from containers import Figures, expect, say
from figures import side_by_side
from payload import FILES, FOLDERS, PACK, parts_of, small_files, tools_tar
from quiet import busy_seconds, process_seconds, wait_for_quiet

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'tests' / 'vm'))
import machine as vm
from machine import BOOT2DOCKER, Machine
from tap import within

PLACE, IMAGE, BIG_MB, PATIENCE_S = '/bench', 'bench', 200, 900
BASE = 'trans=virtio,version=9p2000.L,access=any,dfltuid=1000,dfltgid=50'
# The default comes first, with the options that the guest mounts it with.
OPTIONS_9P = {'9p': None, '9p, msize 128 KiB': f'{BASE},msize=131072,cache=mmap', '9p, no cache': f'{BASE},msize=512000,cache=none',
              '9p, loose cache': f'{BASE},msize=512000,cache=loose'}
SFTP_SERVER, GUEST_SSHFS = '/usr/lib/openssh/sftp-server', '/tmp/sshfs'
FILE_COUNT, PACKED = FOLDERS * FILES, PACK * FILES
SMALL = f'/s/tree/d[0-{PACK - 1}]'

# The index is the host's, whose numbers of files and owners the guest need not see: without this, git would read all files once.
GIT = "git -c safe.directory='*' -c core.checkStat=minimal -c core.trustctime=false"

GIT_STATUS = f'git status of {FILE_COUNT} files'

# What it is called; its unit; what the container runs; what it has to print.
WORK = (('write, large file', 'MB/s', f'dd if=/dev/zero of=/s/big bs=1M count={BIG_MB} conv=fsync 2>/dev/null', ''),
        ('read, large file', 'MB/s', 'dd if=/s/big of=/dev/null bs=1M 2>/dev/null; stat -c %s /s/big', str(BIG_MB << 20)),
        (GIT_STATUS, 's', f'{GIT} -C /s/tree status --porcelain', ''),
        (f'tar of {PACKED} files', 's', f"tar -cf - {SMALL} 2>/dev/null >/tmp/t.tar; tar -tf /tmp/t.tar | grep -c 'c$'", str(PACKED)),
        (f'untar of {PACKED} files', 's', "tar -xf /tmp/t.tar -C /s/out; sync; find /s/out -name '*.c' | wc -l", str(PACKED)))


class Sharing:
    """A machine with one folder of the host, in which a container works."""

    def __init__(self, kind):
        self.machine = Machine()
        self.folder = self.machine.store / 'shared'
        self.folder.mkdir()
        small_files(self.folder / 'tree')
        (self.folder / 'out').mkdir()
        (self.folder / 'out').chmod(0o777)
        self.machine.create('--qemu-memory', '2048', '--qemu-share-type', kind, '--qemu-share', f'{self.folder}:{PLACE}')
        self.machine.docker('import', '-', IMAGE, input=tools_tar('git'))
        self.pid = int((self.machine.folder / 'qemu.pid').read_text())
        self.server = None
        self.left_out = []
        found, self.tag = self.mounted_as()
        expect(found, kind, f'what is mounted at {PLACE}')

    def virtiofsd(self):
        """The processes that serve the folder by virtiofs: their command lines by pid."""
        found = {}
        for path in Path('/proc').glob('[0-9]*/cmdline'):
            with contextlib.suppress(OSError):
                line = path.read_bytes()
                if b'virtiofsd' in line.split(b'\0')[0] and str(self.folder).encode() in line.replace(b'\\', b''):
                    found[int(path.parent.name)] = line
        return found

    def used(self):
        """Seconds of processor time of QEMU, of what serves the folder beside it, of this process and of the clients that it ran."""
        pids = [self.pid, *self.virtiofsd(), *(process.pid for process in self.server or ())]
        total = sum(os.times()[:4])
        for pid in pids:
            with contextlib.suppress(OSError):
                total += process_seconds(pid)
        return total

    def root(self, command):
        return self.machine.ssh('sudo', 'sh', '-ec', f"'{command}'")

    def mounted_as(self):
        """The kind and the source of what is mounted at the place; empty when nothing is."""
        for line in self.machine.ssh('cat', '/proc/mounts').splitlines():
            source, place, kind, _ = line.split(' ', 3)
            if place == PLACE:
                return kind, source
        return '', ''

    def unmount(self):
        if self.mounted_as()[0]:
            self.root(f'umount {PLACE}')

    def mount_9p(self, options):
        """Mounts the folder anew with other options."""
        self.unmount()
        self.root(f'mount -t 9p -o {options} {self.tag} {PLACE}')

    def mount_sshfs(self):
        """In the place of the share, by sshfs whose server is started here: `boot2docker ssh` carries what they say."""
        self.unmount()
        self.root(f'modprobe fuse || :; mkdir -p {GUEST_SSHFS}')
        stream = io.BytesIO()
        loader = None
        with tarfile.open(fileobj=stream, mode='w', dereference=True) as tar:
            for path in parts_of('sshfs'):
                tar.add(path, Path(path).name)
                loader = Path(path).name if Path(path).name.startswith('ld-') else loader
        self.machine.ssh('sudo', 'tar', '-xf', '-', '-C', GUEST_SSHFS, input=stream.getvalue())
        here, there = socket.socketpair()
        client = [BOOT2DOCKER, 'ssh', self.machine.name, 'sudo', f'{GUEST_SSHFS}/{loader}', '--library-path', GUEST_SSHFS,
                  f'{GUEST_SSHFS}/sshfs', '-f', '-o', 'passive,allow_other', f':{self.folder}', PLACE]
        self.server = (subprocess.Popen([SFTP_SERVER], stdin=here, stdout=here),
                       subprocess.Popen(client, stdin=there, stdout=there, env=self.machine.environment))
        here.close()
        there.close()
        within(60, 'sshfs is mounted', lambda: self.mounted_as()[0] == 'fuse.sshfs')

    def work(self, found, name, runs):
        """Each piece of WORK in turn, that many times."""
        held = self.machine.docker('run', '-d', '-v', f'{PLACE}:/s', IMAGE, '/bin/sleep', '10000').strip()
        for _ in range(runs):
            for what in WORK:
                if what[0] in self.left_out:
                    continue
                wait_for_quiet(found.options.max_busy, found.options.patience, say)
                before, start = busy_seconds() - self.used(), time.monotonic()
                seconds = found.attempt(what[0], name, self.timed, held, what)
                others = (busy_seconds() - self.used() - before) / (time.monotonic() - start)
                if seconds is not None:
                    value = BIG_MB * 1.048576 / seconds if what[1] == 'MB/s' else seconds
                    say(f'  {name}: {what[0]} {value:.2f} {what[1]}; others used {max(0, others):.2f} processors')
                    found.add(name, {what[:2]: [value]}, others > found.options.max_busy)
            subprocess.run(f'rm -rf {self.folder}/out/* {self.folder}/big', shell=True, check=True)
        self.machine.docker('rm', '-f', held)

    def timed(self, container, what):
        """Seconds of the guest's clock that a piece of work takes in the container, with the guest's caches empty."""
        name, _, command, wanted = what
        self.root('sync; echo 3 >/proc/sys/vm/drop_caches')
        up = 'cut -d" " -f1 /proc/uptime'
        words = self.machine.docker('exec', container, '/bin/busybox', 'sh', '-c', f'{up}; {command}; {up}', timeout=PATIENCE_S).split()
        expect(words[1:-1], wanted.split(), name)
        return float(words[-1]) - float(words[0])

    def end(self):
        if self.server:
            for process in self.server:
                process.terminate()
                process.wait(30)
        self.machine.command('kill', 'default')


def by_9p_and_sshfs(found, order, runs):
    sharing = Sharing('9p')
    ways = {name: (lambda mount=mount: mount and sharing.mount_9p(mount)) for name, mount in OPTIONS_9P.items()}
    if Path(SFTP_SERVER).exists():
        ways['sshfs'] = sharing.mount_sshfs
    for name, mount in ways.items():
        order.append(name)
        found.attempt('all', name, lambda: (mount(), sharing.work(found, name, runs)))
    sharing.end()


def by_virtiofs(found, order, runs):
    sharing = Sharing('virtiofs')
    order.append('virtiofs')
    files = FILE_COUNT + FOLDERS  # each of which virtiofsd holds open as long as the guest knows it, unless it was told to use file handles
    pid, line = next(iter(sharing.virtiofsd().items()))
    limit, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    if limit <= files and b'--inode-file-handles' not in line:
        sharing.left_out.append(GIT_STATUS)
        found.remarks.append(f'virtiofs: no {GIT_STATUS}: virtiofsd would hold {files:,} files open, and may have {limit:,} here.')
    sharing.work(found, 'virtiofs', runs)
    sharing.end()


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument('--image', type=Path, required=True)
    parse.add_argument('--output', type=Path, required=True, help='folder for shares.csv, .md and charts')
    parse.add_argument('--runs', type=int, default=1, help='rounds; with one, nothing tells how far values lie apart')
    parse.add_argument('--max-busy', type=float, default=0.5, help='processors that others may use')
    parse.add_argument('--patience', type=float, default=60, help='seconds to wait for quiet before going on anyway')
    options = parse.parse_args()

    vm.IMAGE = options.image.resolve()
    found, order = Figures(options, []), []
    for name, way in (('9p', by_9p_and_sshfs), ('virtiofs', by_virtiofs)):
        found.attempt('the machine', name, way, found, order, options.runs)
    return found.finish('shares', side_by_side(found.list(), order))


if __name__ == '__main__':
    sys.exit(main())
