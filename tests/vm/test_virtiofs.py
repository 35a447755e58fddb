#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shares by virtiofs, with the virtiofsd that this host has: files, owners, a machine that is saved, and the end of each server."""
import contextlib
import os
import signal
import stat
import time
from pathlib import Path

from machine import BOOT2DOCKER, Machine, run
from tap import Story, contains, equal, finish, note, within

story = Story()
PLACE, LONG = '/my files, all', '/home/somebody/a folder whose name is no tag'


class FastMachine(Machine):
    """A machine with two folders of the host, one by a name that is longer than a tag."""

    def __init__(self):
        super().__init__()
        self.shared, self.other = self.store / 'shared, all', self.store / 'other'
        for folder in (self.shared, self.other):
            folder.mkdir(mode=0o777)
            folder.chmod(0o777)

    def servers(self):
        """The processes of virtiofsd, by the folder that they serve: a sandbox makes them two."""
        found = {self.shared: [], self.other: []}
        for path in Path('/proc').glob('[0-9]*/cmdline'):
            with contextlib.suppress(OSError):
                words = [word.replace('\\', '') for word in path.read_text().split('\0')]
                for folder, pids in found.items():
                    if {f'source={folder}', f'--shared-dir={folder}'} & set(words):
                        pids.append(int(path.parent.name))
        return found

    def check_served(self):
        assert all(self.servers().values()), f'{self.servers()}'

    def check_ended(self):
        within(10, 'each virtiofsd ends', lambda: not any(self.servers().values()))

    def in_container(self, command, *flags):
        return self.docker('run', '--rm', '-v', f'{PLACE}:/a', '-v', f'{LONG}:/b', *flags, 'bb', '/bin/sh', '-ec', command)


def owner(path):
    return path.lstat().st_uid, path.lstat().st_gid


@story.test('a machine with shares by virtiofs', vital=True)
def create(machine):
    machine.create('--qemu-share-type', 'virtiofs', '--qemu-share', f'{machine.shared}:{PLACE}',
                   '--qemu-share', f'{machine.other}:{LONG}')
    machine.import_busybox('bb')
    machine.check_served()
    equal(machine.ssh("grep -c ' virtiofs ' /proc/mounts"), '2\n', 'shares by virtiofs')
    equal([path.name for path in machine.folder.glob('virtiofs*')], ['virtiofsd.log'], 'files in its folder')


@story.test('files go both ways, through machine and container: contents, changes, links, names, modes', vital=True)
def files(machine):
    (machine.shared / 'of höst').write_text('from the host\n')
    (machine.shared / 'of höst').chmod(0o666)
    equal(machine.ssh(f'cat "{PLACE}/of höst"'), 'from the host\n', 'read by the machine')
    machine.in_container('cat /a/of?h* >/b/copy; for f in /a/of?h*; do echo more >>"$f"; done; /bin/busybox ln -s copy /b/symbolic; /bin/busybox ln /b/copy /b/hard; '
                         '/bin/busybox mkdir -p /a/deep/er; /bin/busybox mv /b/hard /b/moved; /bin/busybox chmod 755 /b/moved')
    equal((machine.other / 'copy').read_text(), 'from the host\n', 'copied by a container')
    equal((machine.shared / 'of höst').read_text(), 'from the host\nmore\n', 'changed by a container')
    equal(os.readlink(machine.other / 'symbolic'), 'copy', 'symbolic link')
    assert (machine.other / 'moved').samefile(machine.other / 'copy'), 'the hard link is another file'
    equal(stat.S_IMODE((machine.other / 'moved').stat().st_mode), 0o755, 'mode')
    assert (machine.shared / 'deep' / 'er').is_dir(), 'the folder is not there'
    (machine.other / 'copy').write_text('changed by the host\n')
    within(10, 'the change is seen', lambda: machine.ssh(f'cat "{LONG}/symbolic"') == 'changed by the host\n')
    (machine.other / 'symbolic').unlink()
    within(10, 'the link is gone', lambda: 'symbolic' not in machine.ssh(f'ls "{LONG}"'))


@story.test('whose the files are: run by root, whoever writes them in the machine; else the user, who is docker there')
def owners(machine):
    machine.in_container('echo root >/a/of-root; echo given >/a/given; /bin/busybox chown 33:33 /a/given')
    machine.ssh(f'echo docker >"{PLACE}/of-docker"')
    is_root, own = os.getuid() == 0, (os.getuid(), os.getgid())
    for name, numbers in {'of-root': (0, 0), 'of-docker': (1000, 50), 'given': (33, 33)}.items():
        equal(owner(machine.shared / name), numbers if is_root else own, f'owner of {name} on the host')
    equal(machine.ssh(f'stat -c %u:%g "{PLACE}/given"'), '33:33\n' if is_root else '1000:50\n', 'owner in the machine')


@story.test('a container that holds a share keeps the machine from being saved, and is named; the share stays')
def holder(machine):
    equal(machine.check_held(PLACE, 'bb', 'of-docker'), 'docker\n', 'the share in it')


@story.test('a machine is saved without its shares, and has them again when it goes on', vital=True)
def save(machine):
    container = machine.docker('run', '-d', 'bb', '/bin/sleep', '1000').strip()
    started = machine.docker('inspect', '-f', '{{.State.StartedAt}}', container)
    begin = time.monotonic()
    machine.command('save', machine.name)
    note(f'save took {time.monotonic() - begin:.1f} s')
    machine.check_ended()
    begin = time.monotonic()
    machine.command('start', machine.name)
    note(f'start took {time.monotonic() - begin:.1f} s')
    equal(machine.docker('inspect', '-f', '{{.State.StartedAt}}', container), started, 'start of the container')
    machine.check_served()
    equal(machine.in_container('cat /a/of-docker /b/copy; echo back >/a/back'), 'docker\nchanged by the host\n', 'files')
    equal((machine.shared / 'back').read_text(), 'back\n', 'a new file')


@story.test('each virtiofsd ends with its machine, and the next start has the shares again', vital=True)
def stop(machine):
    machine.command('stop', machine.name, timeout=90)
    machine.check_ended()
    machine.command('start', machine.name, timeout=400)
    machine.check_served()
    equal(machine.ssh(f'cat "{PLACE}/of-docker" "{LONG}/copy"'), 'docker\nchanged by the host\n', 'files')


@story.test('a virtiofsd that is killed is told of by status; a QEMU that is killed leaves none')
def killed(machine):
    equal(machine.command('status', machine.name).stderr, '', 'stderr of status')
    for pid in machine.servers()[machine.other]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    told = within(5, 'status tells', lambda: machine.command('status', machine.name).stderr)
    contains(told, f'the virtiofsd that serves {machine.other} has ended', 'status')
    os.kill(int((machine.folder / 'qemu.pid').read_text()), signal.SIGKILL)
    machine.check_ended()
    stopped = machine.command('status', machine.name)
    equal(stopped.stdout, 'Stopped\n', 'status')
    contains(stopped.stderr, 'QEMU crashed: ', 'stderr of status')  # its log has a word on the connection that it lost


@story.test('an ordinary user is told what to do where virtiofsd can serve files for root only')
def ordinary_user(_):
    program = run('/bin/sh', '-c', 'PATH=$PATH:/usr/libexec:/usr/lib:/usr/lib/qemu; virtiofsd --help')
    if os.getuid() != 0 or 'translate-uid' in program.stdout:
        note('the virtiofsd of this host is good for everybody')
        return
    user = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', 'env', 'MACHINE_STORAGE_PATH=/nowhere']
    refused = run(*user, BOOT2DOCKER, 'create', '--driver', 'qemu', '--qemu-share-type', 'virtiofs', '--qemu-share', '/srv:/x', 'x',
                  check=False, cwd='/')
    equal(refused.returncode, 3, 'exit status')
    for part in ('can serve files for root only', '--qemu-share-type 9p'):
        contains(refused.stderr, part, 'create')


if __name__ == '__main__':
    with FastMachine() as subject:
        finish(story.run(subject, subject.console))
