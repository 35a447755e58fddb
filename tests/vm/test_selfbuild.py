#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The system builds itself: our Dockerfile, built by the engine of one of our own machines, makes an ISO, which boots. Emulated, this
takes the better part of an hour (make test SUITE=long)."""
import re
import subprocess
import tempfile
from pathlib import Path

from machine import Machine, run
from qemu import CD, Qemu, sha256
from tap import Story, contains, equal, finish, note, within

ROOT = Path(__file__).resolve().parent.parent.parent
TAG = 'boot2docker-build'
HOUR = 3600
story = Story()


def needed_packages():
    """What tools/bootstrap would install, so that a trial with an emulated processor is not spent on unpacking compilers."""
    lines = [line.split('#')[0].split() for line in (ROOT / 'tools' / 'packages.txt').read_text().splitlines()]
    return ['make', *(words[0] for words in lines if words)]


@story.test('a machine with 4 GB of memory and 20 GB of disk starts', vital=True)
def create(subject):
    subject.create('--qemu-memory', '4096', '--qemu-disk-size', '20000')


@story.test('Debian\'s base image goes in without a registry, as doc/BUILD.md has it', vital=True)
def base(subject):
    sources = run(ROOT / 'tools' / 'debian-sources', 'trixie').stdout
    with tempfile.TemporaryDirectory() as folder:
        tar = Path(folder) / 'base.tar'
        run('mmdebstrap', '--variant=minbase', '--include=' + ','.join(needed_packages()), 'trixie', tar, '-', input=sources,
            timeout=1200)
        note(f'{tar.stat().st_size >> 20} MiB')
        with open(tar, 'rb') as stream:
            made = subprocess.run(['ssh', *ssh_words(subject), 'docker import - debian:trixie-slim'], stdin=stream, check=False,
                                  capture_output=True, timeout=1200)
    equal(made.returncode, 0, f'docker import: {made.stderr!r}')


def ssh_words(subject):
    """Options, port and user of a plain ssh, which can read a gigabyte from a file."""
    port = subject.command('inspect', '--format', '{{.Driver.SSHPort}}', subject.name).stdout.strip()
    return ['-i', subject.folder / 'id_rsa', '-p', port, '-o', 'IdentitiesOnly=yes', '-o', 'StrictHostKeyChecking=no', '-o',
            'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR', 'docker@127.0.0.1']


@story.test('docker build makes the ISO in the machine', vital=True)
def build(subject):
    with tempfile.TemporaryDirectory() as folder:
        run('git', 'clone', '-q', '--depth', '1', f'file://{ROOT}', f'{folder}/src')
        tree = run('tar', '-C', f'{folder}/src', '-c', '.', input=b'').stdout
    subject.ssh('sudo mkdir /mnt/vda1/src && sudo chown docker /mnt/vda1/src && tar -x -C /mnt/vda1/src', input=tree,
                timeout=300)
    # Not at the end of one connection: that would have to last for an hour.
    subject.ssh(f'setsid sh -c "docker build -t {TAG} /mnt/vda1/src; echo \\$? >/tmp/status" >/tmp/build.log 2>&1 </dev/null &')
    status = within(3 * HOUR, 'the build ends', lambda: subject.ssh('cat /tmp/status 2>/dev/null || true').strip(), pause=20)
    said = subject.ssh('tail -n 30 /tmp/build.log')
    equal(status, '0', f'exit status of docker build, which said: {said}')
    note(said.strip().splitlines()[-1])


@story.test('the ISO comes out of the image, has our volume id, and boots to an engine that answers')
def boots(subject):
    with tempfile.TemporaryDirectory() as folder:
        iso = Path(folder) / 'boot2docker.iso'
        with open(iso, 'wb') as stream:
            subprocess.run(['ssh', *ssh_words(subject), f'docker run --rm {TAG} cat build/image/boot2docker.iso'], stdout=stream, check=True,
                           timeout=900)
        note(f'{iso.stat().st_size} bytes, sha256 {sha256(iso)}')
        with open(iso, 'rb') as stream:
            stream.seek(0x8028)
            volume = stream.read(32).decode().strip()
        assert re.fullmatch(r'Boot2Docker-v[0-9.]+', volume), f'volume id {volume!r}'
        with Qemu() as qemu:
            qemu.add_key_disk()
            qemu.start(*CD, '-drive', f'file={iso},format=raw,readonly=on,if=none,id=medium')
            note(f'docker answers after {qemu.wait_engine(300):.1f} s')
            contains(qemu.ssh('docker version').stdout, 'Server', 'docker version')
            qemu.power_button()


@story.test('the machine is removed')
def remove(subject):
    subject.command('rm', '-f', subject.name)


if __name__ == '__main__':
    with Machine() as only:
        finish(story.run(only, only.console))
