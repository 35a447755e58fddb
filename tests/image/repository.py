# SPDX-License-Identifier: Apache-2.0
"""A Debian repository made by the test: a few tiny packages, an index of them, and a signature by a key of its own."""
import gzip
import hashlib
import lzma
import os
import shutil
import subprocess
from pathlib import Path

RELEASE = '1.0-test'
# A kernel module as far as the builder and depmod look: an object file with a .modinfo section.
MODULE = '''#define INFO(n, s) __attribute__((section(".modinfo"), used)) static const char n[] = s
INFO(a, "license=GPL"); INFO(b, "name=%s"); INFO(c, "depends=%s");
'''


def run(*command, **options):
    """Runs a command that must succeed."""
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)


class Repository:
    """The folder `root` with packages, dists/SUITE and keyring.gpg. Change it, then call publish() again."""

    def __init__(self, root, suite='test'):
        self.root, self.suite = Path(root), suite
        self.pool = self.root / 'pool'
        self.keyring = self.root / 'keyring.gpg'
        self.gpg_home = self.root / 'gpg'
        self.gpg_home.mkdir(parents=True, mode=0o700)
        self.pool.mkdir()
        self.gpg('--quick-gen-key', 'builder test', 'ed25519', 'sign', 'never')
        self.gpg('--output', self.keyring, '--export')

    def gpg(self, *arguments):
        run('gpg', '--homedir', self.gpg_home, '--batch', '--quiet', '--yes', '--passphrase', '', *arguments)

    def package(self, name, files, version='1.0', depends=None):
        """Makes a package of {path: bytes, or str for a symbolic link's target}; executable when in a bin folder."""
        tree = self.root / 'tree'
        shutil.rmtree(tree, ignore_errors=True)
        for path, content in files.items():
            full = tree / path.lstrip('/')
            full.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                full.symlink_to(content)
            else:
                full.write_bytes(content)
                full.chmod(0o755 if 'bin/' in path else 0o644)
        control = tree / 'DEBIAN' / 'control'
        control.parent.mkdir(parents=True)
        control.write_text(f'Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: test <t@example.com>\n'
                           + (f'Depends: {depends}\n' if depends else '') + 'Description: made by a test\n')
        for stale in self.pool.glob(f'{name}_*.deb'):
            stale.unlink()
        run('dpkg-deb', '--root-owner-group', '--build', tree, self.pool / f'{name}_{version}_amd64.deb',
            env={**os.environ, 'SOURCE_DATE_EPOCH': '1600000000'})

    def index(self):
        """The text of Packages."""
        paragraphs = []
        for deb in sorted(self.pool.glob('*.deb')):
            control = subprocess.run(['dpkg-deb', '-f', str(deb)], check=True, capture_output=True, text=True).stdout
            data = deb.read_bytes()
            paragraphs.append(f'{control.strip()}\nFilename: pool/{deb.name}\nSize: {len(data)}\n'
                              f'SHA256: {hashlib.sha256(data).hexdigest()}\n')
        return '\n'.join(paragraphs)

    def publish(self):
        """Writes and signs dists/SUITE."""
        dist = self.root / 'dists' / self.suite
        shutil.rmtree(dist, ignore_errors=True)
        binary = dist / 'main' / 'binary-amd64'
        binary.mkdir(parents=True)
        (binary / 'Packages').write_text(self.index())
        (binary / 'Packages.gz').write_bytes(gzip.compress((binary / 'Packages').read_bytes(), mtime=0))
        lines = [f'Origin: Debian\nLabel: Debian\nSuite: {self.suite}\nCodename: {self.suite}\n'
                 'Date: Thu, 01 Jan 2026 00:00:00 UTC\nArchitectures: amd64\nComponents: main\nSHA256:']
        for path in sorted(binary.iterdir()):
            data = path.read_bytes()
            lines.append(f' {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/{path.name}')
        (dist / 'Release').write_text('\n'.join(lines) + '\n')
        self.gpg('--output', dist / 'InRelease', '--clearsign', dist / 'Release')


def compile_object(source, *arguments, work):
    """Compiles a C text; returns the bytes of what comes out."""
    out = Path(work) / 'out.o'
    run('gcc', '-x', 'c', '-', '-x', 'none', '-nostdlib', '-o', out, *arguments, input=source.encode())
    return out.read_bytes()


def module(name, depends, work):
    return lzma.compress(compile_object(MODULE % (name, depends), '-c', work=work))


# GRUB's modules as far as the builder looks: what each needs.
GRUB_CORE = {'part_msdos': '', 'part_gpt': '', 'iso9660': 'fshelp', 'search_fs_uuid': '', 'xzio': 'crypto', 'fshelp': '', 'crypto': ''}
GRUB_MENU = {'efi_gop': 'video', 'normal': 'net boot', 'linux': 'boot video', 'configfile': 'normal', 'serial': 'terminfo', 'terminal': '',
             'echo': '', 'test': '', 'sleep': '', 'minicmd': '', 'reboot': '', 'halt': '', 'ls': 'fshelp', 'cat': '', 'video': '', 'net': '',
             'boot': '', 'terminfo': ''}


def grub_files():
    modules = {**GRUB_CORE, **GRUB_MENU, 'zfs': ''}
    files = {f'{name}.mod': f'module {name} '.encode() * 1000 for name in modules}
    files['moddep.lst'] = ''.join(f'{name}: {needs}\n' for name, needs in modules.items()).encode()
    files['command.lst'] = b'*cat: cat\nlinux: linux\nzfskey: zfs\n[: test\n'
    files['terminal.lst'] = b'oserial: serial\nospkmodem: spkmodem\n'
    return {**files, 'kernel.img': b'core'}


def fill(repository, work):
    """The packages that the test's distribution is made of: a kernel, an engine, a library, a boot's odds and ends."""
    drivers = f'/usr/lib/modules/{RELEASE}/kernel/drivers'
    repository.package('linux-image-amd64', {}, depends=f'linux-image-{RELEASE}-amd64 (= 1.0)')
    repository.package(f'linux-image-{RELEASE}-amd64', {
        f'/boot/vmlinuz-{RELEASE}': b'kernel',
        f'/usr/lib/modules/{RELEASE}/modules.builtin': b'kernel/fs/ext4/ext4.ko\n',
        f'/usr/lib/modules/{RELEASE}/modules.order': b'',
        f'{drivers}/net-core.ko.xz': module('net_core', '', work),
        f'{drivers}/virtio_net.ko.xz': module('virtio_net', 'net-core', work),
        f'{drivers}/loop.ko.xz': module('loop', '', work),
    })
    library = compile_object('int foo(void) { return 1; }', '-shared', '-fPIC', '-Wl,-soname,libfoo.so.1', work=work)
    shared = Path(work) / 'libfoo.so'
    shared.write_bytes(library)
    program = compile_object('int foo(void); void _start(void) { foo(); }', shared, work=work)
    repository.package('engine', {'/usr/bin/engine': program, '/usr/bin/engine-link': 'engine', '/etc/engine.conf': b'on\n',
                                  '/usr/share/doc/engine/copyright': b'free\n'}, version='1:26.1.5+dfsg1-9', depends='libfoo1, libc6, client')
    repository.package('client', {'/usr/bin/client': b'#!/bin/sh\n' * 1000, '/usr/bin/round': 'around', '/usr/bin/around': 'round'})
    repository.package('libfoo1', {'/usr/lib/x86_64-linux-gnu/libfoo.so.1': 'libfoo.so.1.0',
                                   '/usr/lib/x86_64-linux-gnu/libfoo.so.1.0': library,
                                   '/usr/lib/x86_64-linux-gnu/libunused.so.1': library})
    # Boot loaders as far as xorriso looks: their sizes, and isolinux's mark that it can start from a disk.
    repository.package('isolinux', {'/usr/lib/ISOLINUX/isolinux.bin': bytes(0x40) + b'\xfb\xc0\x78\x70' + bytes(38844),
                                    '/usr/lib/ISOLINUX/isohdpfx.bin': bytes(432)})
    repository.package('syslinux-common', {'/usr/lib/syslinux/modules/bios/ldlinux.c32': bytes(5000)})
    repository.package('grub-efi-amd64-bin', {f'/usr/lib/grub/x86_64-efi/{name}': data for name, data in grub_files().items()})
    repository.package('libc6', {'/usr/lib64/ld-linux-x86-64.so.2': library})
    repository.publish()
