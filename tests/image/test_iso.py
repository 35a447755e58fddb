#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Looks at the image that was built: the ISO by the word of xorriso, sfdisk and mtools, and the files a guest promises."""
import os
import re
import subprocess
import tempfile
from pathlib import Path

from tap import Story, contains, equal, finish

IMAGE = Path(os.environ.get('B2D_IMAGE') or Path(os.environ['B2D_BUILD']) / 'image')
ISO = IMAGE / 'boot2docker.iso'
PACKERS = {b'\xfd7zXZ\0': 'xz', b'\x28\xb5\x2f\xfd': 'zstd'}
story = Story()


def output(*command):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert result.returncode == 0, f'{command[0]}: exit {result.returncode}: {result.stdout} {result.stderr}'
    return result.stdout + result.stderr


class Image:
    """The image's parts, taken out of the ISO into a folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.version = re.search(r'^docker\.io (?:\d+:)?([0-9.]+)', (IMAGE / 'packages.txt').read_text(), re.M)

    def initrd(self):
        tree = self.folder / 'initrd'
        if not tree.exists():
            tree.mkdir()
            with open(IMAGE / 'initrd.img', 'rb') as stream:
                start = stream.read(6)
            # The profile says whether it is packed as a whole (initrd-pack), and by what.
            unpack = next((program for magic, program in PACKERS.items() if start.startswith(magic)), 'cat')
            # By way of a file: cpio stops reading where the archive ends, and what follows there would break the pipe.
            with open(self.folder / 'initrd.cpio', 'w+b') as archive:
                subprocess.run([unpack, *['-dc'] * (unpack != 'cat'), IMAGE / 'initrd.img'], stdout=archive, check=True)
                archive.seek(0)
                subprocess.run(['cpio', '-id', '--quiet'], cwd=tree, stdin=archive, check=True)
        return tree

    def cat(self, path):
        """A file of the root, from the first layer that has it."""
        for layer in sorted((self.initrd() / 'layers').iterdir()):
            found = subprocess.run(['unsquashfs', '-cat', str(layer), path.lstrip('/')], capture_output=True, text=True, check=False)
            if found.returncode == 0 and found.stdout:
                return found.stdout
        raise AssertionError(f'no layer has {path}')

    def paths(self):
        return {line.removeprefix('squashfs-root') for layer in (self.initrd() / 'layers').iterdir()
                for line in output('unsquashfs', '-ls', layer).splitlines()}


@story.test('xorriso sees a boot image for BIOS and one for UEFI', vital=True)
def el_torito(_):
    report = output('xorriso', '-indev', ISO, '-report_el_torito', 'plain', '-report_system_area', 'plain')
    assert re.search(r'boot img : +1 +BIOS', report), report
    assert re.search(r'boot img : +2 +UEFI', report), report
    contains(report, 'MBR isohybrid', 'xorriso\'s report')


@story.test('the partition table holds, by the word of sfdisk: the ISO, and an EFI partition')
def partitions(_):
    contains(output('sfdisk', '--verify', ISO), 'No errors detected', 'sfdisk')
    dump = output('sfdisk', '-d', ISO)
    equal(len(re.findall(r'type=', dump)), 2, 'number of partitions')
    assert re.search(r'type=ef\b', dump), dump


@story.test('the volume is named for the Docker version, where Docker Machine reads it')
def volume(image):
    with open(ISO, 'rb') as stream:
        stream.seek(0x8028)
        equal(stream.read(32).decode().rstrip(), f'Boot2Docker-v{image.version[1]}', 'the volume name at 0x8028')


@story.test('kernel and initrd on the ISO are those beside it')
def same_files(image):
    for name in ('vmlinuz', 'initrd.img'):
        output('xorriso', '-osirrox', 'on', '-indev', ISO, '-extract', f'/boot/{name}', image.folder / name)
        output('cmp', image.folder / name, IMAGE / name)


@story.test('the EFI partition has the boot loader where firmware looks for it')
def esp(image):
    start, size = map(int, re.search(r'start= *(\d+), size= *(\d+), type=ef', output('sfdisk', '-d', ISO)).groups())
    with open(ISO, 'rb') as stream:
        stream.seek(start * 512)
        (image.folder / 'esp').write_bytes(stream.read(size * 512))
    output('mcopy', '-n', '-i', image.folder / 'esp', '::EFI/BOOT/BOOTX64.EFI', image.folder / 'loader')
    loader = (image.folder / 'loader').read_bytes()
    equal(loader[:2], b'MZ', 'the loader\'s first bytes')
    with open(ISO, 'rb') as stream:
        stream.seek(0x8000 + 830)
        made = stream.read(16).decode()
    name = '-'.join((made[:4], *re.findall('..', made[4:])))
    assert f'search.fs_uuid {name} root\n'.encode() in loader, f'the loader does not look for the ISO of {name}'


@story.test('the boot menus do not wait')
def menus(image):
    for path in ('/boot/isolinux/isolinux.cfg', '/boot/grub/grub.cfg'):
        output('xorriso', '-osirrox', 'on', '-indev', ISO, '-extract', path, image.folder / 'menu')
        text = (image.folder / 'menu').read_text()
        (image.folder / 'menu').unlink()
        contains(text, 'console=ttyS0', path)
        assert '@' not in text, f'{path} has a mark that was not filled in'
        contains(text, 'PROMPT 0' if 'isolinux' in path else 'set timeout=0', path)
        for option in ('loglevel=7', 'boot2docker.nodisk', 'boot2docker.rescue', 'boot2docker.install'):
            equal(text.count(option), 1, f'entries of {path} with {option}')


@story.test('the system says who it is, with the Docker version')
def identity(image):
    contains(image.cat('/etc/os-release'), 'ID=boot2docker\n', '/etc/os-release')
    contains(image.cat('/etc/os-release'), f'VERSION_ID={image.version[1]}\n', '/etc/os-release')
    identifier = output('blkid', '-p', '-s', 'UUID', '-o', 'value', ISO)
    contains(image.cat('/etc/os-release'), f'IMAGE_VERSION={identifier}', '/etc/os-release')
    equal(image.cat('/etc/version'), f'{image.version[1]}\n', '/etc/version')
    contains(image.cat('/etc/passwd'), 'docker:x:1000:50:', '/etc/passwd')
    assert re.search(r'^docker:x:\d+:docker$', image.cat('/etc/group'), re.M), 'user docker is not in group docker'
    contains(image.cat('/etc/subuid'), 'dockremap:', '/etc/subuid')


@story.test('the programs that people and programs count on are there')
def programs(image):
    missing = {f'/usr/{name}' for name in (
        'bin/docker', 'sbin/dockerd', 'bin/containerd', 'bin/crun', 'bin/runc', 'local/bin/docker', 'local/bin/dockerd',
        'sbin/sshd', 'lib/openssh/sftp-server', 'bin/ssh-keygen', 'bin/sudo', 'bin/bash', 'bin/sh', 'bin/busybox', 'bin/ip',
        'sbin/iptables', 'sbin/ip6tables', 'sbin/mkfs.ext4', 'sbin/e2fsck', 'sbin/resize2fs', 'sbin/sfdisk', 'sbin/modprobe',
        'bin/openssl', 'bin/rsync', 'bin/ss', 'bin/pgrep', 'bin/which', 'bin/tee', 'bin/printf', 'bin/netstat', 'bin/vi',
        'bin/less', 'bin/wget', 'bin/tar', 'bin/gzip', 'bin/xz', 'bin/ps', 'bin/top', 'bin/crond', 'sbin/init',
        'sbin/poweroff', 'sbin/reboot', 'bin/sethostname', 'bin/nice', 'bin/nohup', 'bin/printenv', 'bin/split', 'bin/flock',
        'bin/mountpoint')} - image.paths()
    equal(missing, set(), 'programs that are missing')


if __name__ == '__main__':
    with tempfile.TemporaryDirectory(prefix='b2d-iso-') as place:
        finish(story.run(Image(place)))
