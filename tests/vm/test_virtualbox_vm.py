#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A machine in the real VirtualBox, from create to rm: our ISO boots, and SSH, engine, shares, guest properties, save and resume,
and the power button work. test_virtualbox_vm.py [as-is]

Without its kernel driver VirtualBox interprets each instruction, some ten million a second: unpacking the release's initrd alone
would take half an hour. So the ISO's initrd is unpacked beforehand, and nothing else of it changed; "as-is" leaves it.

The image is the release's where there is one in build/release, else the development image. How long each stage took is told as it passes."""
import os
import subprocess
import sys
import time

from machine import BUILD, IMAGE, run
from tap import Skip, Story, contains, equal, finish, note, within
from vbox import GUEST, VirtualBox, enter

HOUR = 3600
XZ = b'\xfd7zXZ\0'
RELEASE = BUILD / 'release' / 'boot2docker.iso'
STAGES = {'loader': b'ISOLINUX', 'kernel and initrd are loaded': b'initrd.img...ok', "the kernel's first words": b'[   ',
          'the console': b'Boot2Docker ', }
story = Story()


def unpacked(iso, folder):
    """The ISO with its initrd not compressed as a whole; the same ISO where it is not."""
    packed, plain, result = folder / 'packed', folder / 'plain', folder / 'unpacked.iso'
    run('xorriso', '-osirrox', 'on', '-indev', iso, '-extract', '/boot/initrd.img', packed)
    with open(packed, 'rb') as stream:
        if stream.read(len(XZ)) != XZ:
            return iso
    with open(plain, 'wb') as stream:
        subprocess.run(['xz', '-dc', packed], stdout=stream, check=True)
    run('xorriso', '-indev', iso, '-outdev', result, '-boot_image', 'any', 'replay', '-rm', '/boot/initrd.img', '--', '-map', plain,
        '/boot/initrd.img')
    for path in (packed, plain):
        path.unlink()
    return result


def ssh(host, command, timeout=600, check=True):
    return host.command('ssh', 'm', command, timeout=timeout, status=0 if check else None)


def property_of(host, name):
    return host.manage('guestproperty', 'get', 'm', f'/VirtualBox/GuestInfo/{name}').strip().removeprefix('Value: ')


class Watch:
    """Tells how long after its beginning the console says what."""

    def __init__(self, console):
        self.console, self.begun, self.left = console, time.monotonic(), dict(STAGES)

    def look(self):
        text = self.console.read_bytes() if self.console.exists() else b''
        for name in [name for name, mark in self.left.items() if mark in text]:
            self.tell(name)
            del self.left[name]

    def tell(self, what):
        note(f'{time.monotonic() - self.begun:6.0f} s  {what}')


@story.test('create boots the ISO, gets its address over SSH through the forward, gives it its certificates; the engine answers',
            vital=True)
def create(host):
    host.command('create', '-d', 'virtualbox', '--virtualbox-no-vtx-check', '--no-start', '--virtualbox-boot2docker-url', host.iso,
                 '--virtualbox-disk-size', '3000', '--virtualbox-share-folder', f'{host.shared}:project', 'm')
    watch = Watch(host.console)
    with open(host.folder / 'start.log', 'w', encoding='utf-8') as log:
        starting = host.start('start', 'm', stdout=log)
        said = ''
        while starting.poll() is None:
            watch.look()
            text = (host.folder / 'start.log').read_text()
            for line in text.removeprefix(said).splitlines():
                if not line.startswith('Still'):
                    watch.tell(line)
            said = text
            assert time.monotonic() < watch.begun + 2 * HOUR, 'it took two hours'
            time.sleep(0.5)
    equal(starting.returncode, 0, f'start: {said[-1000:]}')
    watch.tell('start is over')
    equal(host.command('ip', 'm').stdout.strip(), GUEST, 'address')
    equal(host.command('status', 'm').stdout, 'Running\n', 'status')


@story.test('ls asks the engine over TLS, with the certificate of the address')
def engine(host):
    printed = within(300, 'the engine answers', lambda: host.command('ls', '-t', '60', '--format', '{{.URL}} {{.DockerVersion}}',
                                                                     timeout=90).stdout)
    contains(printed, f'tcp://{GUEST}:2376 v', 'ls')


@story.test('the share is mounted by vboxsf where its name says; files and links go both ways')
def share(host):
    contains(ssh(host, 'grep /project /proc/mounts').stdout, 'project /project vboxsf ', 'mount')
    content = os.urandom(200000).hex()
    (host.shared / 'from host').write_text(content)
    equal(ssh(host, 'cat "/project/from host"').stdout, content, 'what the guest reads')
    ssh(host, 'cp "/project/from host" /project/from-guest && mkdir /project/sub && echo hällo >/project/sub/ünïcode && '
              'ln -s sub/ünïcode /project/link && sync')
    equal((host.shared / 'from-guest').read_text(), content, 'what the host reads')
    equal((host.shared / 'sub' / 'ünïcode').read_text(), 'hällo\n', 'a name beyond ASCII')
    equal(os.readlink(host.shared / 'link'), 'sub/ünïcode', 'link')
    equal(ssh(host, 'stat -c %U /project/from-guest && rm /project/from-guest').stdout, 'docker\n', 'owner in the guest')
    assert not (host.shared / 'from-guest').exists(), 'the guest did not remove it'


@story.test('guest properties: addresses and MACs of both cards, and the system')
def properties(host):
    within(600, 'the address as a property', lambda: property_of(host, 'Net/0/V4/IP') == '10.0.2.15', pause=5)
    within(600, 'the other address', lambda: property_of(host, 'Net/1/V4/IP') == GUEST, pause=5)
    info = host.info('m')
    for card in (0, 1):
        equal(property_of(host, f'Net/{card}/MAC'), info[f'macaddress{card + 1}'], 'MAC')
        equal(property_of(host, f'Net/{card}/Status'), 'Up', 'status')
    equal(property_of(host, 'OS/Product'), 'Linux', 'product')
    equal(property_of(host, 'OS/Release'), ssh(host, 'uname -r').stdout.strip(), 'release')


@story.test("a saved machine goes on where it was: what ran runs, shares and SSH work, and its clock is the host's")
def save(host):
    ssh(host, 'nohup sleep 86400 >/dev/null 2>&1 & echo $! >/tmp/sleeper; cat /proc/sys/kernel/random/boot_id >/tmp/boot')
    begun = time.monotonic()
    host.command('save', 'm', timeout=600)
    note(f'{time.monotonic() - begun:.0f} s to save')
    equal(host.info('m')['VMState'], 'saved', 'state')
    (host.shared / 'while it slept').write_text('news')
    time.sleep(20)
    begun = time.monotonic()
    host.command('start', 'm', timeout=HOUR)
    note(f'{time.monotonic() - begun:.0f} s until start was over')
    ssh(host, 'test $(cat /tmp/boot) = $(cat /proc/sys/kernel/random/boot_id) && kill -0 $(cat /tmp/sleeper)')
    equal(ssh(host, 'cat "/project/while it slept"').stdout, 'news', 'the share')
    within(300, 'the clock is right', lambda: abs(int(ssh(host, 'date +%s').stdout) - time.time()) < 8, pause=5)


@story.test('stop presses the power button, and the machine powers off in order', vital=True)
def stop(host):
    begun = time.monotonic()
    host.command('stop', 'm', timeout=HOUR)
    note(f'{time.monotonic() - begun:.0f} s to power off')
    equal(host.info('m')['VMState'], 'poweroff', 'state')
    contains(host.console.read_text(errors='replace'), 'The system is going down: poweroff', 'console')


@story.test('rm leaves nothing')
def remove(host):
    host.command('rm', '-y', 'm')
    equal([host.names(), list((host.store / 'machines').iterdir())], [[], []], 'what is left')


def main():
    try:
        enter()
    except Skip as reason:
        print(f'1..1\nok 1 - a machine in the real VirtualBox # SKIP {reason}')
        return 0
    host = VirtualBox()
    host.iso = RELEASE if RELEASE.exists() else IMAGE / 'boot2docker.iso'
    if sys.argv[1:] != ['as-is']:
        host.iso = unpacked(host.iso, host.folder)
    host.console = host.store / 'machines' / 'm' / 'console.log'
    host.environment['B2D_READY_TIMEOUT'] = str(2 * HOUR)
    host.shared = host.folder / 'shared'
    host.shared.mkdir()
    return story.run(host, lambda: host.console.read_text(errors='replace')[-3000:])


finish(main())
