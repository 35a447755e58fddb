# SPDX-License-Identifier: Apache-2.0
"""A bare QEMU that the test puts together itself: what our own command would not do, such as booting by a firmware."""
import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
from pathlib import Path

from machine import IMAGE, free_port, run
from tap import PATIENCE, note, within

MAGIC = 'boot2docker, please format-me'
UEFI_FIRMWARE = (('/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/share/OVMF/OVMF_VARS_4M.fd'),
                 ('/usr/share/OVMF/OVMF_CODE.fd', '/usr/share/OVMF/OVMF_VARS.fd'))
CD = ['-device', 'ide-cd,drive=medium,id=medium']
KERNEL = ['-kernel', str(IMAGE / 'vmlinuz'), '-initrd', str(IMAGE / 'initrd.img'), '-append', 'console=ttyS0 quiet no_timer_check']


def magic_tar(public_key):
    """What the host writes at the start of a disk that the guest shall prepare: a tar with the SSH key."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=tarfile.USTAR_FORMAT) as tar:
        for name, content in ((MAGIC, MAGIC), ('.ssh/authorized_keys', public_key), ('.ssh/authorized_keys2', public_key)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content.encode()))
    return out.getvalue()


def plain(console):
    """What a terminal's output says, without escape sequences and carriage returns."""
    return re.sub(r'\x1b\[[0-9;?]*[A-Za-z]|\r', '', console.decode(errors='replace'))


def sha256(path):
    with open(path, 'rb') as stream:
        return hashlib.file_digest(stream, 'sha256').hexdigest() if hasattr(hashlib, 'file_digest') \
            else hashlib.sha256(stream.read()).hexdigest()


class Qemu:
    """One QEMU process with a serial console, a monitor, forwarded ports (SSH, engine) and a temporary folder; `with` ends it."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix='b2d-qemu-'))
        self.disks = []
        self.log = b''
        self.resets = self.after_reset = 0
        self.process = self.master = None
        self.ssh_port, self.engine_port = free_port(), free_port()
        self.network = 'user,model=virtio-net-pci'  # None: no network card, and so no SSH
        self.has_serial = True
        self.machine, self.memory = 'q35', 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in filter(None, (self.master, self.process)):
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def add_disk(self, name, size, start=b''):
        """A raw virtio disk of so many bytes that begins with `start`; returns its path."""
        path = self.folder / f'{name}.raw'
        with open(path, 'wb') as disk:
            disk.write(start)
            disk.truncate(size)
        self.disks += ['-drive', f'file={path},format=raw,if=virtio,discard=unmap']
        return path

    def add_key_disk(self, size=2 << 30):
        """A disk with the magic and a fresh SSH key, with which ssh() logs in."""
        key = self.folder / 'key'
        run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', key)
        return self.add_disk('data', size, magic_tar((self.folder / 'key.pub').read_text()))

    def uefi(self):
        """Options for a UEFI firmware instead of the BIOS."""
        for code, variables in UEFI_FIRMWARE:
            if os.path.exists(code):
                own = shutil.copy(variables, self.folder / 'vars.fd')
                return ['-drive', f'if=pflash,format=raw,readonly=on,file={code}',
                        '-drive', f'if=pflash,format=raw,file={own}']
        raise AssertionError('no UEFI firmware: install the package ovmf')

    def start(self, *boot):
        """Starts it with what it boots from; the console is read into `log` from now on."""
        # Sockets have short names: the process runs inside the folder. Why without cx16: doc/kernel.md.
        self.process = subprocess.Popen(
            ['qemu-system-x86_64', '-accel', 'tcg', '-M', self.machine, '-cpu', 'max,-cx16', '-smp', '2', '-m', str(self.memory),
             '-display', 'none', '-nodefaults', '-vga', 'std', '-no-reboot',
             '-chardev', 'socket,id=console,path=console,server=on,wait=off', '-qmp', 'unix:monitor,server=on,wait=off',
             *(['-serial', 'chardev:console'] if self.has_serial else []), *self._card(), *self.disks, *boot],
            cwd=self.folder, stdin=subprocess.DEVNULL, stderr=open(self.folder / 'stderr', 'wb'))
        self.serial = self.connect('console')
        self.began = time.monotonic()
        threading.Thread(target=self._read, daemon=True).start()

    def _card(self):
        if not self.network:
            return ['-nic', 'none']
        return ['-nic', f'{self.network},hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22,hostfwd=tcp:127.0.0.1:{self.engine_port}-:2376']

    def connect(self, name):
        """A connection to one of QEMU's sockets in the folder."""
        path = os.path.relpath(self.folder / name)
        plug = socket.socket(socket.AF_UNIX)

        def attempt():
            with contextlib.suppress(OSError):
                plug.connect(path)
                return True
            assert self.process.poll() is None, f'QEMU: {(self.folder / "stderr").read_text()}'
            return False
        within(10, f'QEMU opens its {name}', attempt, pause=0.05)
        return plug

    def _read(self):
        with contextlib.suppress(OSError):
            while chunk := self.serial.recv(65536):
                self.log += chunk

    def tail(self, lines=40):
        """The last lines of the console."""
        return '\n'.join(plain(self.log).splitlines()[-lines:])

    def wait_console(self, pattern, seconds, start=0):
        """Waits until the console has a text, in what it printed since `start`; returns the match."""
        def attempt():
            text = plain(self.log[start:])
            match = re.search(pattern, text, re.MULTILINE)
            assert match or self.process.poll() is None, f'QEMU ended before the console had {pattern!r}'
            if not match:
                self._check_panic(f'the console had {pattern!r}', start)
            return match
        return within(seconds, f'{pattern!r} on the console', attempt)

    def _check_panic(self, what, start=0):
        if 'end Kernel panic' in plain(self.log[max(start, self.after_reset):]):
            assert self._reset_after_emulator_panic(), f'the kernel panicked before {what}'

    def _reset_after_emulator_panic(self):
        """QEMU before 8.1 makes an emulated kernel panic now and then (src/machine/console.c): twice it may start again."""
        if b'Oops: int3: 0000' not in self.log[self.after_reset:] or self.resets == 2:
            return False
        self.resets += 1
        self.after_reset = len(self.log)
        self.qmp('set-action', reboot='reset')  # from now on a reboot does not end QEMU
        self.qmp('system_reset')
        note('the kernel panicked in an instruction that the emulator should not have run; it starts again')
        return True

    def type(self, command, seconds=60):
        """Types a command at the console's shell; returns its exit status and output."""
        start = len(self.log)
        # The quotes keep the line that the terminal echoes from looking like the end of the output.
        self.serial.sendall(f"echo be''gin; {command}; echo en''d=$?\n".encode())
        match = self.wait_console(r'^begin\n((?:.*\n)*?)end=(\d+)$', seconds, start)
        # What the kernel and PID 1 say meanwhile is no output of the command.
        return int(match.group(2)), re.sub(r'^\[ *\d+\.\d+\] .*\n', '', match.group(1), flags=re.MULTILINE)

    def qmp(self, execute, **arguments):
        """Runs one monitor command and returns its answer."""
        with self.connect('monitor') as plug, plug.makefile('rw') as stream:
            plug.settimeout(20)
            stream.readline()
            answer = None
            for request in ({'execute': 'qmp_capabilities'}, {'execute': execute, 'arguments': arguments}):
                stream.write(json.dumps(request) + '\n')
                stream.flush()
                answer = json.loads(stream.readline())
                while 'event' in answer:
                    answer = json.loads(stream.readline())
            assert 'return' in answer, f'{execute}: {answer}'
            return answer['return']

    def _ssh(self, *words):
        return ['ssh', '-i', self.folder / 'key', '-p', str(self.ssh_port), '-o', 'IdentitiesOnly=yes', '-o',
                'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR', '-o',
                'ConnectTimeout=10', '-S', self.folder / 'ssh', '-F', 'none', 'docker@127.0.0.1', *words]

    def ssh(self, command, check=True, **options):
        """Runs a command in the guest as docker, with the key of add_key_disk(); through one connection once it is there."""
        return run(*self._ssh(command), check=check, **options)

    def ssh_process(self, command):
        """Starts a command in the guest; its output is to be read from the Popen that this returns."""
        return subprocess.Popen(self._ssh(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                text=True)

    def share_ssh(self):
        """Opens the one connection that all ssh() go through from now on: each of their own costs a second."""
        self.master = subprocess.Popen(self._ssh('-M', '-N'), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)

    def wait_engine(self, seconds):
        """Waits until the guest's docker answers over SSH; returns the seconds since start()."""
        def attempt():
            assert self.process.poll() is None, f'QEMU ended: {(self.folder / "stderr").read_text()}'
            self._check_panic('docker answered')
            return self.ssh('docker version', check=False, timeout=60).returncode == 0
        within(seconds, 'docker answers over ssh', attempt, pause=0.5)
        took = time.monotonic() - self.began
        self.share_ssh()
        return took

    def restart_engine(self, profile, answers='docker version'):
        """Gives it a profile and starts the engine again, until a command works; returns what both logged since."""
        log = '/var/lib/boot2docker/docker.log'
        return self.ssh('sudo tee /var/lib/boot2docker/profile >/dev/null && lines=$(wc -l </boot.log) && '
                        f'sudo truncate -s 0 {log} && sudo /etc/init.d/docker restart && for i in $(seq 150); do '
                        f'{answers} >/dev/null 2>&1 && break; sleep 0.2; done; tail -n +$((lines + 1)) /boot.log; cat {log}; '
                        f'{answers} >/dev/null', input=profile, timeout=150).stdout

    def power_button(self, seconds=90):
        """Presses it and waits until the machine is off."""
        self.qmp('system_powerdown')
        try:
            self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f'still running {seconds} s after the power button') from None
