# SPDX-License-Identifier: Apache-2.0
"""The two machines that are compared. Each boots, is asked until its engine answers, and ends."""
import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from quiet import boot_clock, busy_seconds, process_seconds, started_at

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'tests' / 'vm'))
import machine as vm
from machine import BOOT2DOCKER, Machine, free_port, resident_memory, run

MEMORY, CPUS = 2048, 2


def asked_until_answered(attempt, seconds=300, ended=lambda: False):
    """Starts an attempt every 0.2 s, each with a time of its own, since a port may take a connection long before anybody
    reads it. Returns the boot clock at the first answer; None when what is asked has ended before."""
    answered = []

    def one():
        if attempt():
            answered.append(boot_clock())

    end = time.monotonic() + seconds
    while not answered:
        if time.monotonic() > end:
            raise SystemExit(f'bench: the engine did not answer within {seconds} s')
        if ended():
            return None
        threading.Thread(target=one, daemon=True).start()
        time.sleep(0.2)
    return min(answered)


def ping(port, context=None):
    """Whether GET /_ping is answered with 200."""
    make = http.client.HTTPSConnection if context else http.client.HTTPConnection
    connection = make('127.0.0.1', port, timeout=10, **({'context': context} if context else {}))
    try:
        connection.request('GET', '/_ping')
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Debian:
    """Stock Debian with systemd and docker.io. It has been booted and shut down once before it is measured."""

    name = 'debian'

    def __init__(self, folder):
        self.folder = folder
        self.sizes = json.loads((folder / 'sizes.json').read_text())
        self.port, self.published = free_port(), free_port()
        self.process = None
        if not (folder / 'used.qcow2').exists():
            self._use_once()

    def _use_once(self):
        fresh, used = self.folder / 'fresh.qcow2', self.folder / 'used.qcow2'
        fresh.unlink(missing_ok=True)
        run('qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', self.folder / 'disk.qcow2', fresh)
        self._boot(fresh, snapshot=False)
        self._wait_memory()
        self.stop()
        fresh.rename(used)

    def _launch(self, disk, snapshot):
        self.log = tempfile.NamedTemporaryFile(prefix='bench-console-')
        self.process = subprocess.Popen(
            ['qemu-system-x86_64', '-accel', 'tcg', '-M', 'q35', '-cpu', 'max', '-smp', str(CPUS), '-m', str(MEMORY),
             '-display', 'none', '-nodefaults', '-no-reboot', '-serial', f'file:{self.log.name}',
             '-qmp', f'unix:{self.log.name}.qmp,server=on,wait=off',
             '-nic', f'user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{self.port}-:2375,'
                     f'hostfwd=tcp:127.0.0.1:{self.published}-:{self.published}',
             '-drive', f'file={disk},if=virtio,format=qcow2' + (',snapshot=on' if snapshot else ''),
             '-kernel', str(self.folder / 'vmlinuz'), '-initrd', str(self.folder / 'initrd.img'),
             '-append', 'root=/dev/vda rw console=ttyS0 quiet no_timer_check panic=1'], stdin=subprocess.DEVNULL)

    def _boot(self, disk, snapshot):
        """Returns the boot clock at the first answer. A kernel that patches itself may panic in an emulated processor on a busy host:
        then it ends, and is started again."""
        for _ in range(3):
            self._launch(disk, snapshot)
            answered = asked_until_answered(lambda: ping(self.port), ended=lambda: self.process.poll() is not None)
            if answered:
                return answered
        raise SystemExit(f'bench: the stock machine ended thrice: {Path(self.log.name).read_text(errors="replace")[-1000:]}')

    def start(self):
        """Boots it; returns the seconds from QEMU's exec to the first answer and the pid of QEMU."""
        answered = self._boot(self.folder / 'used.qcow2', snapshot=True)
        return answered - started_at(self.process.pid), self.process.pid

    def start_on(self, disk):
        """Boots it with a disk of its own, which is made: QEMU writes back what the guest asks it to, which it does not with one that
        is thrown away."""
        run('qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', self.folder / 'used.qcow2', disk)
        self._boot(disk, snapshot=False)
        return self.process.pid

    def _wait_memory(self):
        end = time.monotonic() + 120
        while time.monotonic() < end:
            found = dict(re.findall(r'BENCH (\w+): +(\d+)', Path(self.log.name).read_text(errors='replace')))
            if len(found) >= 3:
                return (int(found['MemTotal']) - int(found['MemAvailable'])) / 1024
            time.sleep(0.5)
        raise SystemExit('bench: the stock machine did not report its memory')

    def details(self):
        """What is known after the start: MiB of memory in use."""
        return {'memory_mib': self._wait_memory()}

    def docker(self):
        """Environment for the host's docker client."""
        return {'DOCKER_HOST': f'tcp://127.0.0.1:{self.port}'}

    def stop(self):
        with socket.socket(socket.AF_UNIX) as plug:
            plug.connect(self.log.name + '.qmp')
            with plug.makefile('rw') as stream:
                stream.readline()
                for word in ('qmp_capabilities', 'system_powerdown'):
                    stream.write(json.dumps({'execute': word}) + '\n')
                    stream.flush()
                    stream.readline()
        self._ended()

    def power_off(self):
        self.process.kill()
        self._ended()

    def _ended(self):
        self.process.wait(120)
        Path(self.log.name + '.qmp').unlink(missing_ok=True)


class Ours:
    """Our own machine, made and driven by our own command. It has been booted and shut down once as well."""

    name = 'boot2docker'

    def __init__(self, image, *flags):
        vm.IMAGE = image.resolve()  # what `create` makes it of
        self.machine, self.published = Machine(), free_port()
        self.sizes = {name: (image / name).stat().st_size for name in ('vmlinuz', 'initrd.img', 'boot2docker.iso')}
        start = time.monotonic()
        self.machine.create('--qemu-memory', str(MEMORY), *flags)
        self.create_seconds = time.monotonic() - start
        self.machine.command('stop', 'default')

    def _exec_time(self):
        """When QEMU was started: the process whose command line names the machine's folder. None before that."""
        for path in Path('/proc').glob('[0-9]*/cmdline'):
            try:
                words = path.read_bytes().split(b'\0')
            except OSError:
                continue
            if words[0].endswith(b'qemu-system-x86_64') and any(str(self.machine.folder).encode() in w for w in words):
                return started_at(path.parent.name)
        return None

    def start(self):
        """Boots it; returns the seconds from QEMU's exec to the first answer and the pid of QEMU."""
        command = subprocess.Popen([BOOT2DOCKER, 'start', 'default'], env=self.machine.environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            while not (began := self._exec_time()):
                if command.poll() is not None:
                    raise SystemExit('bench: boot2docker start ended before QEMU was seen')
                time.sleep(0.01)
            port = self._port()
            context = self.machine.tls(self.machine.folder / 'cert.pem', self.machine.folder / 'key.pem')
            answered = asked_until_answered(lambda: ping(port, context))
        finally:
            command.wait(300)
        return answered - began, int((self.machine.folder / 'qemu.pid').read_text())

    def _port(self):
        """The engine's port, which the machine's configuration has as soon as QEMU runs."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            result = self.machine.command('url', 'default', check=False)
            if result.returncode == 0:
                return int(result.stdout.rsplit(':', 1)[1])
        raise SystemExit(f'bench: boot2docker url: {result.stderr}')

    @staticmethod
    def _until_ping(port, context, end):
        while not ping(port, context):
            if time.monotonic() > end:
                raise SystemExit('bench: the engine of the resumed machine did not answer within 300 s')
            time.sleep(0.005)

    def save_and_resume(self):
        """Saves it and starts it again. How long `save` took, MB of its state, seconds from `start` typed until the engine
        answers, QEMU's processor time until then, MB of the guest's memory that the host has given, and how many
        processors others used meanwhile."""
        port, folder = self._port(), self.machine.folder
        context = self.machine.tls(folder / 'cert.pem', folder / 'key.pem')
        begin = time.monotonic()
        self.machine.command('save', 'default')
        saved = time.monotonic()
        state = (folder / 'machine.state').stat().st_size / 1e6
        since, typed = busy_seconds(), time.monotonic()
        command = subprocess.Popen([BOOT2DOCKER, 'start', 'default'], env=self.machine.environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            self._until_ping(port, context, typed + 300)
            seconds, pid = time.monotonic() - typed, int((folder / 'qemu.pid').read_text())
            processor = process_seconds(pid)
            others = (busy_seconds() - since - processor) / seconds
            resident = resident_memory(pid)
        finally:
            command.wait(300)
        return saved - begin, state, seconds, processor, resident, others

    def be_born(self):
        """Makes another machine of the same kind, and removes it. Seconds from `create` typed until its engine answers, the same until
        `create` has ended, QEMU's processor time until the answer, and how many processors others used meanwhile."""
        name, port = 'born', free_port()
        folder = self.machine.store / 'machines' / name
        since, typed = busy_seconds(), time.monotonic()
        command = subprocess.Popen(
            [BOOT2DOCKER, 'create', '-d', 'qemu', '--qemu-cpu-count', str(CPUS), '--qemu-memory', str(MEMORY), '--qemu-docker-port',
             str(port), '--qemu-boot2docker-url', vm.IMAGE / 'boot2docker.iso', name], env=self.machine.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            while not (folder / 'qemu.pid').exists():
                if command.poll() is not None:
                    raise SystemExit('bench: boot2docker create ended before QEMU was there')
                time.sleep(0.005)
            context = self.machine.tls(folder / 'cert.pem', folder / 'key.pem')
            self._until_ping(port, context, typed + 300)
            seconds, pid = time.monotonic() - typed, int((folder / 'qemu.pid').read_text())
            processor = process_seconds(pid)
            others = (busy_seconds() - since - processor) / seconds
        finally:
            command.wait(300)
        ended = time.monotonic() - typed
        if command.returncode:
            raise SystemExit(f'bench: boot2docker create of one more ended with {command.returncode}')
        if 'born from a template' not in self.machine.command('ssh', name, 'cat', '/boot.log').stdout:
            print('  that machine was booted, not born', file=sys.stderr)
        self.machine.command('rm', '-f', name)
        return seconds, ended, processor, others

    def details(self):
        """What is known after the start: MiB of memory in use, and where the time went."""
        rows = json.loads(self.machine.ssh('boot-timeline --json'))
        time.sleep(10)
        memory = dict(re.findall(r'^(\w+): +(\d+)', self.machine.ssh('cat /proc/meminfo'), re.MULTILINE))
        return {'memory_mib': (int(memory['MemTotal']) - int(memory['MemAvailable'])) / 1024,
                'timeline': rows, **split(rows)}

    def docker(self):
        """Environment for the host's docker client."""
        return self.machine.variables()

    def stop(self):
        self.machine.command('stop', 'default')

    def power_off(self):
        self.machine.command('kill', 'default')


def split(rows):
    """Where the guest's time went, in seconds: the kernel until PID 1; ours until dockerd could be started, which counts
    what containerd did beside it as ours; the engine from then until it answered."""
    start = {row['name']: row['start'] for row in reversed(rows)}
    kernel = next(row['end'] for row in rows if row['kind'] == 'kernel')
    dockerd, answered = start['dockerd-exec'], start['engine-answers']
    return {'kernel_s': kernel, 'ours_s': dockerd - kernel, 'engine_s': answered - dockerd, 'guest_s': answered}
