#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the QEMU driver adds to a machine: folders of the host, published ports, and a machine that is saved and goes on from
there. Run by root, the machine belongs to the user nobody: nothing of this needs root."""
import os
import pwd
import socket
import subprocess
import time
import urllib.request

from machine import BOOT2DOCKER, Machine, free_port, resident_memory, run
from tap import PATIENCE, Story, contains, equal, finish, note, within

story = Story()
MEMORY = 2048  # MB
SERVER = ('/bin/sh', '-c', 'mkdir /www; echo still here >/www/index.html; exec /bin/httpd -f -p 80 -h /www')


class UserMachine(Machine):
    """A machine of an unprivileged user with one folder shared under two names: a long one and a short one."""

    inside = '/home/a user with a rather long name'

    def __init__(self):
        super().__init__()
        self.owner = os.getuid()
        self.prefix = []
        if self.owner == 0:
            entry = pwd.getpwnam('nobody')
            self.owner = entry.pw_uid
            self.prefix = ['setpriv', f'--reuid={entry.pw_uid}', f'--regid={entry.pw_gid}', '--clear-groups']
            os.chmod(self.store.parent, 0o711)
        self.home = self.store / 'home'
        self.home.mkdir()
        self.environment.update(HOME=str(self.home), QEMU_SHARE='')
        if self.prefix:
            run('chown', '-R', self.owner, self.store)

    def command(self, *words, **options):
        return run(*self.prefix, BOOT2DOCKER, *words, env=self.environment, cwd='/', **options)

    def fetch(self, port):
        """What the web server in the container says through a published port; None when there is no answer."""
        try:
            with urllib.request.urlopen(f'http://127.0.0.1:{port}/', timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return None


def until_answer(attempt, limit):
    """Seconds until attempt() gives something true."""
    start = time.monotonic()
    within(limit, 'an answer', attempt, pause=0.01)
    return time.monotonic() - start


@story.test('a machine with two shares, one with a name longer than a mount tag', vital=True)
def create(machine):
    # Ports that no other test's machine looks for: this one keeps them while it is saved.
    machine.create('--qemu-docker-port', str(free_port()), '--qemu-ssh-port', str(free_port()), '--qemu-memory', str(MEMORY),
                   '--qemu-share', f'{machine.home}:{machine.inside}', '--qemu-share', f'{machine.home}:/shared')
    machine.import_busybox('busybox-local')


@story.test('the machine and a container see the host\'s files; what a container writes belongs to the host\'s user', vital=True)
def share(machine):
    (machine.home / 'from the host').write_text('hello\n')
    if machine.prefix:
        os.chown(machine.home / 'from the host', machine.owner, -1)
    equal(machine.ssh('cat "/shared/from the host"'), 'hello\n', 'by its other name')
    machine.docker('run', '--rm', '-v', f'{machine.inside}:/mine', 'busybox-local', '/bin/sh', '-c',
                   'cat "/mine/from the host" >"/mine/from a container"; echo more >>"/mine/from the host"')
    made = machine.home / 'from a container'
    equal(made.read_text(), 'hello\n', 'what the container wrote')
    equal(made.stat().st_uid, machine.owner, 'its owner on the host')
    assert made.stat().st_mode & 0o600 == 0o600, f'its mode is {made.stat().st_mode:o}'
    equal((machine.home / 'from the host').read_text(), 'hello\nmore\n', 'a file that a container changed')
    machine.ssh('echo mine | sudo tee /shared/from-the-machine')
    equal((machine.home / 'from-the-machine').stat().st_uid, machine.owner, 'owner of what the machine wrote')
    if run(*machine.prefix, 'unshare', '--user', '--map-user=1000', 'true', check=False).returncode:
        note('this host allows no user namespaces: files keep its numbers')
        return
    equal(machine.ssh('echo mine >/shared/of-docker && cd /shared && stat -c %U:%G of-docker && stat -c %U "from the host"'),
          'docker:staff\ndocker\n', 'whose the files are in the machine')
    equal((machine.home / 'of-docker').stat().st_uid, machine.owner, 'owner of what docker wrote')


@story.test('memory that the machine has used goes back to the host: 1 GB within 30 s')
def memory(machine):
    pid = (machine.folder / 'qemu.pid').read_text()
    idle = resident_memory(pid)
    machine.ssh('sudo mkdir /mnt/filled && sudo mount -t tmpfs -o size=1100m filled /mnt/filled && '
                'sudo dd if=/dev/zero of=/mnt/filled/file bs=1M count=1024', timeout=300)
    full = resident_memory(pid)
    assert full > idle + 900, f'{idle} MB before, {full} MB after 1 GB was filled'
    machine.ssh('sudo umount /mnt/filled')
    start = time.monotonic()
    within(30, 'the memory is back', lambda: resident_memory(pid) < 1.3 * idle)
    note(f'{idle} MB idle, {full} MB filled, {resident_memory(pid)} MB {time.monotonic() - start:.0f} s after')


@story.test('a published port answers on 127.0.0.1, tcp and udp, and no longer than its container runs', vital=True)
def published(machine):
    machine.port, other = free_port(), free_port()
    machine.container = machine.docker('run', '-d', '-p', f'{machine.port}:80', '-v', '/kept', 'busybox-local', *SERVER).strip()
    note(f'a published port answers {until_answer(lambda: machine.fetch(machine.port), 20):.2f} s after docker run')
    equal(machine.fetch(machine.port), 'still here\n', 'the page')
    brief = machine.docker('run', '-d', '-p', f'{other}:80', '-p', f'{other}:53/udp', 'busybox-local', *SERVER).strip()
    within(20, 'the udp port', lambda: not can_bind(socket.SOCK_DGRAM, other))
    within(20, 'the other page', lambda: machine.fetch(other))
    machine.docker('rm', '-f', brief)
    within(20, 'the ports are free', lambda: can_bind(socket.SOCK_STREAM, other) and can_bind(socket.SOCK_DGRAM, other))
    equal(machine.fetch(machine.port), 'still here\n', 'the first page')


def can_bind(kind, port):
    with socket.socket(type=kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1 if kind == socket.SOCK_STREAM else 0)
        try:
            probe.bind(('127.0.0.1', port))
        except OSError:
            return False
        return True


@story.test('a container waits on a connection to the host', vital=True)
def waiter(machine):
    with socket.create_server(('127.0.0.1', 0)) as listener:
        listener.settimeout(20)
        port = str(listener.getsockname()[1])
        machine.waiter = machine.docker('run', '-d', '-i', 'busybox-local', '/bin/busybox', 'nc', '10.0.2.2', port).strip()
        machine.peer, _ = listener.accept()
    machine.peer.settimeout(20)


@story.test('a container that holds a share keeps the machine from being saved, and is named; the share stays')
def holder(machine):
    contains(machine.check_held(machine.inside, 'busybox-local', 'from-the-machine'), 'mine', 'the share in it')
    contains(machine.ssh('cat /shared/from-the-machine'), 'mine', 'the share')


@story.test('save keeps the machine in a private file and ends QEMU', vital=True)
def save(machine):
    machine.started = machine.docker('inspect', '-f', '{{.State.StartedAt}}', machine.container)
    address = machine.address()
    start = time.monotonic()
    machine.command('save', machine.name)
    note(f'save took {time.monotonic() - start:.2f} s')
    state = machine.folder / 'machine.state'
    note(f'{state.stat().st_blocks * 512 >> 20} MB of state for {MEMORY} MB of memory')
    equal(state.stat().st_mode & 0o777, 0o600, 'mode of the state')
    assert state.stat().st_size <= (MEMORY + 64) << 20, 'the state is larger than the memory'
    equal(machine.command('status', machine.name).stdout, 'Saved\n', 'status')
    equal(machine.fetch(machine.port), None, 'what the published port says')
    equal(machine.peer.recv(1), b'', 'what a peer on the host hears')
    machine.saved_at = time.time()
    machine.address = lambda: address  # it keeps its port


@story.test('start goes on from there in an instant: the engine answers, and its containers never stopped', vital=True)
def resume(machine):
    # Long enough for the clock to be seen wrong.
    time.sleep(max(0, 8 - (time.time() - machine.saved_at)))
    start = time.monotonic()
    process = subprocess.Popen([*map(str, machine.prefix), BOOT2DOCKER, 'start', machine.name], env=machine.environment, cwd='/',
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        seconds = until_answer(lambda: engine_answers(machine), 30)
    except AssertionError:
        process.kill()
        note(f'start said {process.communicate()!r}, QEMU said {(machine.folder / "qemu.log").read_text()!r}')
        raise
    out, err = process.communicate(timeout=60 * PATIENCE)
    note(f'the engine answers {seconds:.2f} s after start was typed; start took {time.monotonic() - start:.2f} s')
    equal((process.returncode, err), (0, ''), f'exit status and errors of start; it said {out!r}')
    equal(machine.docker('inspect', '-f', '{{.State.StartedAt}}', machine.container), machine.started, 'start of the container')
    assert not (machine.folder / 'machine.state').exists(), 'the state could be used again'
    resident = resident_memory((machine.folder / 'qemu.pid').read_text())
    note(f'{resident} MB of the machine\'s {MEMORY} are the host\'s memory')
    assert resident < 850, 'pages that the guest does not use take memory of the host'


def engine_answers(machine):
    try:
        return machine.engine_version()
    except (OSError, AssertionError):
        return None


@story.test('after a resume the published port answers, the shares are back, the clock is right')
def after(machine):
    within(10, 'the page', lambda: machine.fetch(machine.port) == 'still here\n')
    equal(machine.ssh('cat /shared/from-the-machine'), 'mine\n', 'the share')
    equal(machine.docker('run', '--rm', '-v', f'{machine.inside}:/mine', 'busybox-local', '/bin/cat', '/mine/from a container'),
          'hello\n', 'the other share, in a container')
    within(5, 'the clock', lambda: abs(int(machine.ssh('date +%s')) - time.time()) < 3)


@story.test('who waits on a connection that was open is told that it is gone')
def told(machine):
    within(15, 'nc ends', lambda: machine.docker('inspect', '-f', '{{.State.Running}}', machine.waiter) == 'false\n')


@story.test('a resumed machine that reboots from within does so in the QEMU that it has')
def reboots(machine):
    machine.check_reboot()
    equal(machine.ssh('cat /shared/from-the-machine'), 'mine\n', 'the share')


@story.test('what was written after a resume is on the disk, and the next start is a boot')
def boot_again(machine):
    machine.ssh('echo after | sudo tee /var/lib/boot2docker/after')
    machine.command('restart', machine.name, timeout=500)
    equal(machine.ssh('cat /var/lib/boot2docker/after'), 'after\n', 'the file')
    equal(machine.ssh('cat /shared/from-the-machine'), 'mine\n', 'the share')


if __name__ == '__main__':
    with UserMachine() as subject:
        finish(story.run(subject, subject.console))
