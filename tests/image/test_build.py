#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds small images with b2d-image from a repository that the test makes, and gives it what it must refuse."""
import fcntl
import hashlib
import json
import lzma
import os
import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from repository import GRUB_CORE, GRUB_MENU, RELEASE, Repository, fill, grub_files, run
from tap import Story, contains, equal, finish

BUILDER = Path(os.environ['B2D_BUILD']) / 'src' / 'image' / 'b2d-image'
PROFILE = '''kernel linux-image-amd64
version-from engine
layer base 10-base -comp gzip
layer cold 20-cold -comp xz
slices main
modules initrd early
modules base net
volume Test-v@VERSION@
cmdline quiet
boot-packages isolinux syslinux-common grub-efi-amd64-bin
'''
SLICE = '''link /bin usr/bin
link /lib64 usr/lib64
dir /tmp 1777
dir /home/docker 0750 docker staff
package engine
file /usr/bin/engine /usr/bin/engine-* /etc/*.conf
libraries libfoo1 libc6
links engine /usr/bin engine-link sh
overlay overlay
mode /etc/secret 0600
users
layer cold
package client
file /usr/bin/client
layer initrd
program init /init
'''
FILES = {
    'profiles/dev': PROFILE,
    'slices/main.slice': SLICE,
    'modules/early.list': 'loop ext4\n',
    'modules/net.list': 'virtio-net\n',
    'users': 'group root 0\ngroup staff 50\nuser root 0 root /root /bin/sh *\nuser docker 1000 staff /home/docker /bin/sh *\n',
    'boot/isolinux.cfg': 'APPEND @CMDLINE@\n',
    'boot/grub.cfg': 'linux @CMDLINE@\n',
    'overlay/etc/version.in': '@VERSION@ @DATE@\n',
    'overlay/etc/secret': 'x\n',
}
# A stand-in: GRUB's modules of this repository are none. What it makes says what it was given.
GRUB_MKIMAGE = '''#!/bin/sh
while [ $# -gt 0 ]; do
	case $1 in -d) modules=$2 ;; -c) start=$2 ;; -o) output=$2 ;; -*) ;; *) break ;; esac
	shift 2
done
[ -s "$modules/kernel.img" ] && [ -s "$modules/linux.mod" ] && { printf MZ; cat "$start"; echo "modules $*"; } >"$output"
'''
story = Story()


class World:
    """A repository, a distro folder, the guest programs, and places for cache and results."""

    def __init__(self, root):
        self.root = Path(root)
        self.repository = Repository(self.root / 'repository')
        work = self.root / 'work'
        work.mkdir()
        fill(self.repository, work)
        self.distro, self.programs = self.root / 'distro', self.root / 'programs'
        self.cache, self.output = self.root / 'cache', self.root / 'output'
        for name, text in FILES.items():
            self.write(name, text)
        self.programs.mkdir()
        (self.programs / 'init').write_bytes(b'#!/bin/true\n')
        grub = self.root / 'stand-ins' / 'grub-mkimage'
        grub.parent.mkdir()
        grub.write_text(GRUB_MKIMAGE)
        grub.chmod(0o755)

    def write(self, name, text):
        path = self.distro / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def command(self, *more, output=None, cache=None):
        return [str(word) for word in (
            BUILDER, 'build', '--distro', self.distro, '--programs', self.programs, '--output', output or self.output,
            *self.places(cache), *more)]

    def places(self, cache=None):
        """Options of every command: where packages come from and are kept."""
        repository = self.repository
        return [str(word) for word in (
            '--cache', cache or self.cache, '--suite', repository.suite, '--mirror', f'file:{repository.root}',
            '--security-mirror', 'none', '--keyring', repository.keyring)]

    def build(self, *more, check=True, env=None, prefix=(), **places):
        environment = {**os.environ, 'PATH': f'{self.root}/stand-ins:{os.environ["PATH"]}', 'SOURCE_DATE_EPOCH': '1700000000', **(env or {})}
        result = subprocess.run([*prefix, *self.command(*more, **places)], capture_output=True, text=True, check=False,
                                env=environment, timeout=300)
        if check:
            equal(result.returncode, 0, f'exit status ({result.stderr.strip()})')
        return result

    def refuses(self, message, *more, **options):
        """The build fails with one line that has `message`; the former results are as they were, and nothing else is there."""
        before = self.results()
        result = self.build(*more, check=False, **options)
        equal(result.returncode, 1, f'exit status ({result.stdout} {result.stderr})')
        complaints = [line for line in result.stderr.splitlines() if line.startswith('b2d-image: ')]
        equal(len(complaints), 1, f'lines of complaint in {result.stderr!r}')
        contains(complaints[0], message, 'the complaint')
        equal(self.results(), before, 'results after the failure')

    def results(self, output=None):
        folder = output or self.output
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else 'folder'
                for path in folder.iterdir()} if folder.exists() else {}

    def unpack_initrd(self):
        target = self.root / 'initrd'
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        with open(self.output / 'initrd.img', 'rb') as stream:
            run('cpio', '-id', '--quiet', cwd=target, stdin=stream)
        return target

    def list_layer(self, name):
        layer = self.unpack_initrd() / 'layers' / f'{name}.squashfs'
        lines = subprocess.run(['unsquashfs', '-lln', str(layer)], check=True, capture_output=True, text=True).stdout
        return {line.split()[5].removeprefix('squashfs-root'): line.split() for line in lines.splitlines() if 'squashfs-root' in line}


def tree_state(*folders):
    """Names, sizes and times of all files below."""
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
            for folder in folders for path in Path(folder).rglob('*')}


@story.test('an image is built from a signed repository, and the host\'s apt stays as it was', vital=True)
def builds(world):
    before = tree_state('/etc/apt', '/var/lib/apt', '/var/lib/dpkg/info')
    result = world.build()
    equal(tree_state('/etc/apt', '/var/lib/apt', '/var/lib/dpkg/info'), before, 'the host\'s apt')
    equal(sorted(world.results()), ['boot2docker.iso', 'initrd.img', 'packages.spdx.json', 'packages.txt', 'vmlinuz'], 'results')
    equal((world.output / 'vmlinuz').read_bytes(), b'kernel', 'vmlinuz')
    contains((world.output / 'packages.txt').read_text(), 'engine 1:26.1.5+dfsg1-9 ', 'packages.txt')
    spdx = json.loads((world.output / 'packages.spdx.json').read_text())
    equal(spdx['spdxVersion'], 'SPDX-2.3', 'the kind of document')
    equal(spdx['creationInfo']['created'], '2023-11-14T22:13:20Z', 'the time of the document')
    listed = {f'{p["name"]} {p["versionInfo"]} {p["checksums"][0]["checksumValue"]}' for p in spdx['packages']}
    equal(listed, set((world.output / 'packages.txt').read_text().splitlines()), 'packages of the document')
    contains([p['externalRefs'][0]['referenceLocator'] for p in spdx['packages']],
             'pkg:deb/debian/engine@1%3A26.1.5%2Bdfsg1-9?arch=amd64', 'package URLs')
    contains(result.stdout, '20-cold', 'the size table')
    contains(result.stdout, f'linux-image-{RELEASE}-amd64', 'the size table')


@story.test('the initrd holds PID 1, the early modules in order, and the layers')
def initrd(world):
    tree = world.unpack_initrd()
    equal((tree / 'boot' / 'modules').read_text(), '/boot/loop.ko\n', '/boot/modules (ext4 is built in)')
    assert (tree / 'boot' / 'loop.ko').read_bytes().startswith(b'\x7fELF'), 'loop.ko is not an unpacked module'
    equal((tree / 'init').stat().st_mode & 0o777, 0o755, 'mode of /init')
    equal(sorted(p.name for p in (tree / 'layers').iterdir()), ['10-base.squashfs', '20-cold.squashfs'], 'layers')


@story.test('GRUB\'s core has what finds the ISO and unpacks; the modules of the menu are in the ISO, packed, with lists of no others')
def grub(world):
    core, tree = world.root / 'core.efi', world.root / 'grub'
    iso = world.output / 'boot2docker.iso'
    report = subprocess.run(['xorriso', '-indev', iso, '-report_el_torito', 'plain'], capture_output=True, text=True, check=True).stdout
    start, = re.findall(r'UEFI .* (\d+)\n', report)
    (world.root / 'esp.img').write_bytes(iso.read_bytes()[int(start) * 2048:])
    subprocess.run(['mcopy', '-n', '-i', world.root / 'esp.img', '::EFI/BOOT/BOOTX64.EFI', core], check=True)
    text = core.read_text()
    contains(text, 'insmod efi_gop\n', 'the start')
    equal(sorted(re.search(r'^modules (.*)', text, re.M)[1].split()), sorted(GRUB_CORE), 'modules of the core')
    subprocess.run(['xorriso', '-osirrox', 'on', '-indev', iso, '-extract', '/boot/grub/x86_64-efi', tree], capture_output=True, check=True)
    equal(sorted(path.name for path in tree.glob('*.mod')), sorted(f'{name}.mod' for name in GRUB_MENU), 'modules in the ISO')
    for name, data in grub_files().items():
        if name.removesuffix('.mod') in GRUB_MENU:
            packed = subprocess.run(['xz', '-dc', tree / name], capture_output=True, check=True).stdout
            equal(packed, data, name)
    equal((tree / 'command.lst').read_text(), '*cat: cat\nlinux: linux\n[: test\n', 'commands')
    equal((tree / 'terminal.lst').read_text(), 'oserial: serial\n', 'terminals')


@story.test('a profile can have the initrd packed as a whole, which says the same when it is unpacked')
def packed(world):
    world.write('profiles/packed', PROFILE.replace('-comp', '-noI -noD -noF -comp') + 'initrd-pack xz --check=crc32\n')
    output = world.root / 'packed'
    world.build('--profile', 'packed', output=output)
    initrd = lzma.decompress((output / 'initrd.img').read_bytes())
    names = subprocess.run(['cpio', '-it', '--quiet'], input=initrd, check=True, capture_output=True).stdout.decode().split()
    equal(sorted(set(names) & {'init', 'layers/10-base.squashfs', 'layers/20-cold.squashfs'}),
          ['init', 'layers/10-base.squashfs', 'layers/20-cold.squashfs'], 'members')
    equal(subprocess.run(['cpio', '-i', '--quiet', '--to-stdout', 'init'], input=initrd, check=True,
                         capture_output=True).stdout, b'#!/bin/true\n', '/init')


@story.test('a layer has the owners and modes of the manifest, by the word of unsquashfs')
def layers(world):
    base, cold = world.list_layer('10-base'), world.list_layer('20-cold')
    equal(base['/home/docker'][:2], ['drwxr-x---', '1000/50'], '/home/docker')
    equal(base[''][:2], ['drwxr-xr-x', '0/0'], 'the root')
    equal(base['/tmp'][0], 'drwxrwxrwt', '/tmp')
    equal(base['/etc/secret'][0], '-rw-------', '/etc/secret')
    equal(base['/bin'][5:], ['squashfs-root/bin', '->', 'usr/bin'], '/bin')
    equal(base['/usr/bin/engine'][:2], ['-rwxr-xr-x', '0/0'], '/usr/bin/engine')
    equal(base['/usr/bin/sh'][-1], 'engine', 'the link sh')
    equal(sorted(cold), ['', '/usr', '/usr/bin', '/usr/bin/client'], 'the cold layer')


@story.test('libraries and modules come by need: what is asked for, what that needs, and no more')
def closure(world):
    base = world.list_layer('10-base')
    for path in ('libfoo.so.1', 'libfoo.so.1.0'):
        assert f'/usr/lib/x86_64-linux-gnu/{path}' in base, f'{path} is missing'
    assert '/usr/lib/x86_64-linux-gnu/libunused.so.1' not in base, 'libunused.so.1 was not asked for'
    assert '/usr/lib64/ld-linux-x86-64.so.2' in base, 'the loader is missing'
    modules = f'/usr/lib/modules/{RELEASE}'
    for path in ('kernel/drivers/virtio_net.ko', 'kernel/drivers/net-core.ko', 'modules.dep.bin', 'modules.alias.bin'):
        assert f'{modules}/{path}' in base, f'{path} is missing'


@story.test('an extension has all of its packages below /usr but their documentation, and the libraries that it needs')
def extension(world):
    path = world.root / 'tools.squashfs'
    result = subprocess.run([BUILDER, 'extension', *world.places(), '--output', path, 'engine'], capture_output=True, text=True,
                            check=False, timeout=120)
    equal(result.returncode, 0, f'exit status ({result.stderr.strip()})')
    contains(result.stderr, 'engine has 1 files outside /usr', 'messages')
    listed = subprocess.run(['unsquashfs', '-lln', path], check=True, capture_output=True, text=True).stdout
    names = {line.split()[5].removeprefix('squashfs-root') for line in listed.splitlines() if 'squashfs-root/' in line}
    files = {name for name in names if not any(other.startswith(name + '/') for other in names)}
    equal(files, {'/usr/bin/engine', '/usr/bin/engine-link', '/usr/lib/x86_64-linux-gnu/libfoo.so.1',
                  '/usr/lib/x86_64-linux-gnu/libfoo.so.1.0'}, 'files')


@story.test('an extension of a package that is nowhere is refused, by name of the release')
def no_extension(world):
    result = subprocess.run([BUILDER, 'extension', *world.places(), '--output', world.root / 'x.squashfs', 'nowhere'],
                            capture_output=True, text=True, check=False, timeout=120)
    equal((result.returncode, (world.root / 'x.squashfs').exists()), (1, False), 'exit status, file')
    contains(result.stderr, 'not all of these packages are in Debian test: nowhere', 'the complaint')


@story.test('two builds give the same bytes, whatever folder, umask, time zone and number of jobs')
def reproducible(world):
    first, other = world.results(), world.root / 'elsewhere'
    world.build('--jobs', '1', output=other / 'output', cache=other / 'cache', env={'TZ': 'Asia/Tokyo', 'LC_ALL': 'C.UTF-8'},
                prefix=['sh', '-c', 'umask 077; exec "$0" "$@"'])
    equal(world.results(other / 'output'), first, 'results')
    shutil.rmtree(other)


@story.test('a layer of packages alone stays as it is, and cached, when only the date changes')
def layer_cache(world):
    layers_before = {p.name for p in (world.cache / 'layers').iterdir()}
    result = world.build(env={'SOURCE_DATE_EPOCH': '1710000000'})
    contains(result.stderr, 'Making layer 10-base', 'messages (it has files of ours)')
    assert 'Making layer 20-cold' not in result.stderr, 'the cold layer was made again'
    assert layers_before < {p.name for p in (world.cache / 'layers').iterdir()}, 'no layer was added'
    world.build()


@story.test('a warm cache needs no network: with the mirror gone, the same bytes come out')
def offline(world):
    before, away = world.results(), world.root / 'away'
    repository = world.repository
    (repository.root / 'pool').rename(away)
    dists = repository.root / 'dists'
    dists.rename(world.root / 'dists-away')
    try:
        world.build()
        equal(world.results(), before, 'results with fresh lists')
        os.utime(world.cache / 'apt' / 'lists.stamp', (1, 1))
        contains(world.build().stderr, 'could not be refreshed, the old ones serve', 'messages with old lists')
        equal(world.results(), before, 'results with old lists')
        world.refuses('suite', '--update')
    finally:
        away.rename(repository.root / 'pool')
        (world.root / 'dists-away').rename(dists)


@story.test('a damaged package in the cache is noticed and fetched again')
def damaged_cache(world):
    before, deb = world.results(), next((world.cache / 'debs').glob('engine_*.deb'))
    data = bytearray(deb.read_bytes())
    data[len(data) // 2] ^= 1
    deb.write_bytes(data)
    contains(world.build().stderr, f'{deb} is damaged; it is fetched again', 'messages')
    equal(world.results(), before, 'results')


@story.test('a package that is not what the signed list says is refused')
def tampered_pool(world):
    deb = next(world.repository.pool.glob('client_*.deb'))
    good = deb.read_bytes()
    next((world.cache / 'debs').glob('client_*.deb')).unlink()
    deb.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    world.refuses('client')
    deb.write_bytes(good)
    world.build()


@story.test('a list whose signature does not hold is refused')
def tampered_list(world):
    signed = world.repository.root / 'dists' / 'test' / 'InRelease'
    good = signed.read_text()
    signed.write_text(good.replace('Label: Debian', 'Label: Evil'))
    world.refuses('sign', '--update', cache=world.root / 'cache-2')
    signed.write_text(good)


@story.test('a suite that the mirror does not have is named')
def wrong_suite(world):
    world.refuses('nosuch', '--suite', 'nosuch', cache=world.root / 'cache-3')


@story.test('no network is said as such')
def no_network(world):
    world.refuses('no network?', '--mirror', 'http://127.0.0.1:9/debian', cache=world.root / 'cache-4')


MISTAKES = {
    'a package that is gone': ('slices/main.slice', SLICE + 'package vanished\n', 'package vanished is not in Debian test'),
    'a path that matches nothing': ('slices/main.slice', SLICE + 'package engine\nfile /usr/bin/nothing*\n',
                                    'main.slice:18: package engine (1:26.1.5+dfsg1-9) has nothing that matches /usr/bin/nothing*'),
    'an unknown kernel module': ('modules/net.list', 'virtio-net\nno_such_module\n',
                                 'net.list:2: the kernel linux-image-1.0-test-amd64 has no module no_such_module'),
    'a shared library that is missing': ('slices/main.slice', SLICE.replace('libfoo1 ', ''),
                                         'libfoo.so.1 (needed by /usr/bin/engine)'),
    'symbolic links that go round': ('slices/main.slice', SLICE + 'layer base\nfile /usr/bin/round /usr/bin/around\n',
                                     'is a symbolic link that leads back to itself'),
    'a guest program that was not built': ('slices/main.slice', SLICE + 'program missing /usr/bin/missing\n', 'build it first'),
    'a user that nobody defined': ('slices/main.slice', SLICE + 'dir /x 0755 eve staff\n', 'user eve is not in the table'),
    'a boot loader that the profile does not name': ('profiles/dev', PROFILE.replace(' grub-efi-amd64-bin', ''),
                                                     'the profile\'s boot-packages must name grub-efi-amd64-bin'),
    'compression that mksquashfs does not know': ('profiles/dev', PROFILE.replace('-comp xz', '-comp nonsense'), 'mksquashfs'),
}


def add_mistake(name, path, text, message):
    @story.test(f'{name} is named, and nothing half-written is left')
    def mistake(world):
        world.write(path, text)
        try:
            world.refuses(message)
        finally:
            world.write(path, FILES[path])


for what, (where, wrong, said) in MISTAKES.items():
    add_mistake(what, where, wrong, said)


@story.test('the missing library\'s package is suggested')
def suggestion(world):
    world.write('slices/main.slice', SLICE.replace('libfoo1 ', ''))
    world.refuses('(perhaps: libraries libfoo1)')
    world.write('slices/main.slice', SLICE)


@story.test('a host program that is missing is named with its package')
def missing_program(world):
    tools = world.root / 'tools'
    tools.mkdir()
    for name in ('apt-get', 'apt-config', 'depmod', 'strip', 'xorriso', 'mformat', 'mksquashfs'):
        (tools / name).symlink_to(shutil.which(name, path=os.environ['PATH'] + ':/usr/sbin:/sbin'))
    world.refuses('the program grub-mkimage is missing; install the package grub-common', env={'PATH': str(tools)})
    (tools / 'grub-mkimage').symlink_to(world.root / 'stand-ins' / 'grub-mkimage')
    world.refuses('the program xz is missing; install the package xz-utils', env={'PATH': str(tools)})
    (tools / 'mksquashfs').unlink()
    world.refuses('the program mksquashfs is missing; install the package squashfs-tools', env={'PATH': str(tools)})


@story.test('xorriso is asked a second time, not a third; what it says at last is told')
def moody_xorriso(world):
    folder, real = world.root / 'moody', shutil.which('xorriso')
    folder.mkdir()

    def fail(times):
        (folder / 'calls').write_text('')
        (folder / 'xorriso').write_text(f'#!/bin/sh\necho >>{folder}/calls\n[ $(wc -l <{folder}/calls) -gt {times} ] && exec {real} "$@"\n'
                                        'echo out of sorts >&2\nexit 1\n')
        (folder / 'xorriso').chmod(0o755)
        return {'PATH': f'{folder}:{world.root}/stand-ins:{os.environ["PATH"]}'}
    whole = world.results()
    contains(world.build(env=fail(1)).stderr, 'xorriso failed with exit status 1: out of sorts; once more', 'the warning')
    equal(world.results(), whole, 'results of the second attempt')
    world.refuses('xorriso failed with exit status 1: out of sorts', env=fail(9))
    equal((folder / 'calls').read_text().count('\n'), 2, 'calls')


@story.test('a full disk is said as such, and leaves nothing behind')
def full_disk(world):
    mount = world.root / 'full'
    mount.mkdir()
    script = f'mount -t tmpfs -o size=16k none {mount} && "$0" "$@"; status=$?; ls -A {mount}/out >&2; exit $status'
    result = world.build(check=False, output=mount / 'out', prefix=['unshare', '-rm', 'sh', '-c', script])
    equal(result.returncode, 1, f'exit status ({result.stderr})')
    contains(result.stderr, 'No space left on device', 'the complaint')
    assert result.stderr.splitlines()[-1].startswith('b2d-image: '), f'left behind: {result.stderr.splitlines()[-1]}'


@story.test('a build waits for another one with the same cache, and says so')
def one_at_a_time(world):
    whole = world.results()
    lock = open(world.cache / 'lock', 'w', encoding='ascii')
    fcntl.flock(lock, fcntl.LOCK_EX)
    threading.Timer(2, lock.close).start()
    result = world.build()
    contains(result.stdout + result.stderr, f'Waiting for another build, which holds {world.cache}/lock', 'output')
    equal(world.results(), whole, 'results')


@story.test('the command line adds packages, files and extensions to a profile')
def additions(world):
    world.repository.package('extra', {'/usr/bin/extra': b'#!/bin/sh\n', '/usr/bin/nowhere': '/run/nowhere', '/etc/extra.conf': b'1\n',
                                       '/usr/share/doc/extra/copyright': b'free\n', '/var/lib/extra/x': b'x'})
    world.repository.package('tool', {'/usr/bin/tool': b'#!/bin/sh\n'})
    world.repository.publish()
    mine, extension = world.root / 'mine.sh', world.root / 'tool.squashfs'
    mine.write_text('#!/bin/sh\n')
    mine.chmod(0o700)
    run(BUILDER, 'extension', 'tool', '--update', '--output', extension, *world.places())
    world.build('--no-iso', '--add-package', 'extra', '--add-file', f'{mine}:/usr/bin/mine', '--add-file', f'{mine}:/etc/secret',
                '--extension', extension)
    base, cold = world.list_layer('10-base'), world.list_layer('20-cold')
    added = {'/usr/bin/extra', '/usr/bin/nowhere', '/etc/extra.conf', '/usr/bin/mine', '/etc/secret'}
    equal(added - set(cold), set(), 'what the last layer lacks')
    assert '/etc/secret' not in base, 'the file that was replaced is still there'
    equal({path for path in cold if path.startswith(('/usr/share/doc', '/var'))}, set(), 'what nobody wants of a package')
    equal(cold['/usr/bin/mine'][:2], ['-rwxr-xr-x', '0/0'], 'mode of what was added')
    layer = world.root / 'initrd' / 'layers' / '05-added-1.squashfs'
    equal(layer.read_bytes(), extension.read_bytes(), 'the layer of the extension')
    contains((world.output / 'packages.txt').read_text(), 'extra 1.0 ', 'packages.txt')


@story.test('a profile\'s extension is a file beside the image, with what its slices and module lists place there')
def profile_extension(world):
    world.write('profiles/dev', PROFILE.replace('slices main\n', 'extension more more-of-it -comp gzip\nslices main\nslices-in more more\n')
                .replace('modules base net\n', 'modules more net\n'))
    world.write('slices/more.slice', 'package extra\nfile /usr/bin/extra\n')
    world.build('--no-iso', '--add-package', 'tool')
    listing = subprocess.run(['unsquashfs', '-ls', str(world.output / 'more-of-it.squashfs')], check=True, capture_output=True, text=True).stdout
    for path in ('usr/bin/extra', 'virtio_net.ko', 'net-core.ko'):
        contains(listing, path, 'the extension')
    layers = {path.name for path in (world.unpack_initrd() / 'layers').iterdir()}
    equal(layers, {'10-base.squashfs', '20-cold.squashfs'}, 'the initrd\'s layers')
    base, cold = world.list_layer('10-base'), world.list_layer('20-cold')
    index = f'/usr/lib/modules/{RELEASE}/modules.dep'
    assert index in base, 'the image has no index of the modules'
    assert '/usr/bin/tool' in cold, 'what is added does not go to the image'
    assert not any('virtio_net' in path or path == '/usr/bin/extra' for path in (*base, *cold)), 'the image has what the extension has'
    contains((world.output / 'packages.txt').read_text(), 'extra 1.0 ', 'packages.txt')
    world.write('slices/more.slice', 'package extra\nfile /etc/extra.conf\n')
    world.refuses('/etc/extra.conf is not below /usr, so it cannot be in the extension more')
    for name in ('profiles/dev', 'slices/main.slice'):
        world.write(name, FILES[name])


@story.test('additions that are wrong are refused by name')
def wrong_additions(world):
    world.refuses('SRC:DST', '--add-file', '/etc/passwd')
    world.refuses('SRC:DST', '--add-file', '/etc/passwd:etc/x')
    world.refuses('SRC:DST', '--add-file', '/etc/passwd:/../x')
    world.refuses('/nonexistent', '--add-file', '/nonexistent:/etc/x')
    world.refuses('no-such-package', '--add-package', 'no-such-package')
    world.refuses('no squashfs', '--extension', '/etc/passwd')
    world.build()


if __name__ == '__main__':
    with tempfile.TemporaryDirectory(prefix='b2d-image-') as folder:
        finish(story.run(World(folder)))
