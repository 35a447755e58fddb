#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What takes too long for the usual run (make test SUITE=long): a container that prints a gigabyte, a machine that is stopped for ten
minutes, an extension of packages that are on a mirror."""
import io
import shlex
import tarfile
import threading

from machine import BUILD, busybox_tar, run
from qemu import KERNEL, Qemu
from tap import Story, contains, equal, finish, note
from terminal import answer
from test_engine import LOG_LIMIT, check_log_bound
from test_time import stop_for

story = Story()
PLUGINS = '## Can I use docker build and compose?'
GIGABYTE = 1 << 30
LINE = 'a line of a program that has much to say, ' * 24  # short ones take a processor that is emulated a quarter of an hour
USED = 'sudo du -sb /var/lib/docker/containers | cut -f 1'


@story.test('a machine boots to its engine', vital=True)
def boots(qemu):
    qemu.start(*KERNEL)
    note(f'docker answers after {qemu.wait_engine(300):.1f} s')
    qemu.ssh('docker import - bb', input=busybox_tar(), timeout=180)


@story.test('a container prints a gigabyte; its log is bounded, at the end and at every moment before')
def gigabyte(qemu):
    most, done = [0], threading.Event()

    def watch():
        while not done.wait(2):
            most[0] = max(most[0], int(qemu.ssh(USED).stdout))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        check_log_bound(qemu, f'busybox yes "{LINE}" | busybox head -c {GIGABYTE}')
    finally:
        done.set()
        watcher.join()
    note(f'never more than {most[0]} bytes')
    assert LOG_LIMIT // 2 < most[0] <= LOG_LIMIT + (2 << 20), f'{most[0]} bytes of logs'
    last = qemu.ssh('docker logs --tail 2 noisy').stdout
    contains(last, LINE[:80], 'the end of what docker logs has')
    equal(qemu.ssh('docker rm noisy').stdout, 'noisy\n', 'docker rm')


@story.test('a machine that was stopped for ten minutes has the right time within 5 s, and its TLS goes on')
def ten_minutes(qemu):
    stop_for(qemu, (600,))


@story.test('the FAQ\'s extension with buildx and compose is laid over the system at the next boot')
def plugins(qemu):
    program, *words = shlex.split(answer('FAQ.md', PLUGINS))
    equal(program, 'b2d-image', 'what is to be typed')
    run(BUILD / 'src' / 'image' / program, *words, cwd=qemu.folder, timeout=600)
    data = (qemu.folder / 'docker-plugins.squashfs').read_bytes()
    note(f'{len(data)} bytes')
    qemu.ssh('sudo mkdir -p /var/lib/boot2docker/extensions && sudo tee /var/lib/boot2docker/extensions/docker-plugins.squashfs >/dev/null',
             input=data, timeout=180)
    qemu.power_button()
    qemu.start(*KERNEL)
    note(f'docker answers after {qemu.wait_engine(300):.1f} s')


@story.test('docker buildx builds with the engine\'s BuildKit, and docker compose starts services, in the machine itself')
def plugins_work(qemu):
    files = {'Dockerfile': 'FROM bb\nRUN --mount=type=cache,target=/cache echo built >/made\nCMD ["/bin/cat", "/made"]\n',
             'docker-compose.yml': 'services:\n  one:\n    build: .\n'}
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode='w') as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    qemu.ssh('mkdir project && tar -xf - -C project', input=context.getvalue())
    qemu.ssh('docker buildx build -t made project', timeout=300)
    equal(qemu.ssh('docker run --rm made').stdout, 'built\n', 'output of the image')
    contains(qemu.ssh('cd project && docker compose up 2>&1', timeout=300).stdout, 'built', 'output of docker compose')


@story.test('the power button ends it')
def power_button(qemu):
    qemu.power_button()


if __name__ == '__main__':
    with Qemu() as subject:
        subject.add_key_disk()
        finish(story.run(subject, subject.tail))
