#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a machine keeps, over two boots: a blank disk of VMware becomes the data disk and grows with its file; shared folders,
extensions, certificates and the scripts of the user."""
import http.server
import os
import random
import re
import ssl
import subprocess
import tarfile
import threading
import time
from pathlib import Path

from machine import busybox_tar, run
from qemu import KERNEL, Qemu, sha256
from tap import Story, contains, equal, finish, note, within

story = Story()
MIB = 1 << 20
VIRTIOFSD = ('/usr/lib/qemu/virtiofsd', '/usr/libexec/virtiofsd')
GATEWAY = '10.0.2.2'  # where QEMU's NAT has the host
TAGS = {'files': 'host files', 'users': 'c:/Users', 'umlaut': 'Grüße', 'hidden': 'usr', 'up': '../up', 'long': 'b2d.share.1', 'fast': 'fast'}
LONG_NAME = 'home/somebody/a folder whose name does not fit into a tag'
PLACES = {'files': '/host files', 'users': '/c/Users', 'umlaut': '/Grüße', 'long': f'/{LONG_NAME}', 'fast': '/fast'}
COMMENT = 'no tar, no image'
SWAP_TYPE = '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F'


class Host(Qemu):
    """The machine's disk, its shares, and what the host puts into them."""

    def prepare(self):
        self.shares = {name: self.folder / f'share-{name}' for name in TAGS}
        for share in self.shares.values():
            share.mkdir(mode=0o777)
            share.chmod(0o777)
        self.disk = self.folder / 'vmware.raw'
        with open(self.disk, 'wb') as disk:
            disk.truncate(1200 * MIB)
        self.swaps = make_swaps(self.folder)
        (self.folder / 'names').write_text(f'b2d.share.1 {LONG_NAME}\n')
        self.make_files(self.shares['files'])

    def boot(self, virtiofs):
        """Boots with these shares by virtiofs and the others by 9p."""
        options = ['-device', 'virtio-scsi-pci,id=scsi', '-drive', f'file={self.disk},format=raw,if=none,id=vmware,discard=unmap',
                   '-device', 'scsi-hd,bus=scsi.0,drive=vmware,vendor=VMware,product=VMware Virtual S',
                   '-drive', f'file={self.swaps},format=raw,if=virtio',
                   '-fw_cfg', f'name=opt/boot2docker/shares,file={self.folder}/names',
                   '-object', 'memory-backend-memfd,id=memory,size=1024M,share=on', '-machine', 'memory-backend=memory']
        self.servers = []
        for name, tag in TAGS.items():
            options += self.by_virtiofs(name, tag) if name in virtiofs else [
                '-fsdev', f'local,id={name},path={self.shares[name]},security_model=none',
                '-device', f'virtio-9p-pci,fsdev={name},mount_tag={tag}']
        start = len(self.log)
        self.start(*KERNEL, *options)
        self.wait_console(r'docker@\w+', 150, start)

    def by_virtiofs(self, name, tag):
        """QEMU's options for a share by virtiofs; its server, which this starts, is QEMU's own or the one in Rust, by what is installed."""
        program = next((path for path in VIRTIOFSD if os.path.exists(path)), None)
        assert program, 'no virtiofsd: install qemu-system-common or virtiofsd'
        path = self.folder / f'virtiofs-{name}'
        path.unlink(missing_ok=True)
        self.servers.append(subprocess.Popen(
            [program, f'--socket-path={path}', '-o', f'source={self.shares[name]}'], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=open(self.folder / f'virtiofsd-{name}.log', 'wb')))
        within(10, f'virtiofsd listens for {name}', path.exists)
        return ['-chardev', f'socket,id={name},path=virtiofs-{name}', '-device', f'vhost-user-fs-pci,chardev={name},tag={tag}']

    def make_files(self, folder):
        """What the test gives the machine to keep, as a user would copy it there."""
        make_certificates(folder)
        (folder / 'bb.tar').write_bytes(busybox_tar())
        (folder / 'bootsync.sh').write_text('#!/bin/sh\npidof dockerd && echo "dockerd runs already"\n'
                                            'echo "bootsync $(from-squashfs)" >/run/bootsync\necho a line of bootsync\n')
        (folder / 'bootlocal.sh').write_text('docker version >/dev/null && echo "bootlocal saw docker"\nsleep 1000\n')
        (folder / 'marker').write_bytes(random.Random(7).randbytes(8 * MIB))
        for kind in ('squashfs', 'erofs', 'tar.gz'):
            tree = make_tree(self.folder / f'tree-{kind}', kind.partition('.')[0])
            pack(tree, folder / f'20-{kind.partition(".")[0]}.{kind}')
        other = make_tree(self.folder / 'tree-first', 'first')
        (other / 'usr/bin/from-tar').write_text('#!/bin/sh\necho the first by name is on top\n')
        (other / 'usr/bin/from-tar').chmod(0o755)
        pack(other, folder / '10-first.squashfs')
        outside = make_tree(self.folder / 'tree-outside', 'outside')
        (outside / 'etc').mkdir()
        pack(outside, folder / '30-outside.squashfs')
        (folder / '40-broken.squashfs').write_text(COMMENT)
        (folder / '50-broken.tar.gz').write_text(COMMENT)

    def serve(self):
        """An HTTPS server of the host with a certificate of the test's own CA; returns its port."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / 'server.pem', self.folder / 'server-key.pem')
        server = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_address[1]

    def end(self):
        self.power_button()
        for server in self.servers:
            server.wait(10)

    def shell(self, command, seconds=60):
        """Runs a command at the console and returns what it printed; it must succeed."""
        status, printed = self.type(command, seconds)
        equal(status, 0, f'exit status of {command!r}, which printed {printed!r}')
        return printed.strip()


def typed(path):
    """A path as the shell's line editor takes it in any locale."""
    return "$'" + ''.join(chr(byte) if byte < 128 else f'\\{byte:03o}' for byte in path.encode()) + "'"


def make_swaps(folder):
    """A disk of swap: a partition as ours is, one that is not labelled, one whose type says nothing of swap, and one that is typed as
    swap but has never been made it, which is not ours to write to."""
    disk = folder / 'swaps.raw'
    with open(disk, 'wb') as stream:
        stream.truncate(100 * MIB)
    run('sfdisk', '-q', disk, input=f'label: gpt\nsize=20MiB, type={SWAP_TYPE}\nsize=20MiB, type={SWAP_TYPE}\nsize=20MiB\n'
        f'size=20MiB, type={SWAP_TYPE}\n')
    part = folder / 'swap-partition'
    with open(disk, 'r+b') as stream:
        for number, label in enumerate((['-L', 'boot2dockerswap'], [], ['-L', 'other'])):
            part.write_bytes(bytes(20 * MIB))
            run('mkswap', '-q', *label, part)
            stream.seek((1 + 20 * number) * MIB)
            stream.write(part.read_bytes())
    return disk


def make_certificates(folder):
    """A CA, and a server's certificate of it for the host; files of certificates as people have them."""
    def openssl(*words):
        run('openssl', *words)
    own = folder.parent
    key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '20']
    openssl('req', '-x509', *key, '-subj', '/CN=test CA', '-keyout', own / 'ca-key.pem', '-out', own / 'ca.pem')
    openssl('req', '-x509', *key, '-subj', '/CN=other CA', '-keyout', own / 'other-key.pem', '-out', own / 'other.pem')
    openssl('req', '-x509', *key, '-subj', '/CN=host', '-addext', f'subjectAltName=IP:{GATEWAY}', '-addext',
            'basicConstraints=critical,CA:FALSE', '-CA', own / 'ca.pem', '-CAkey', own / 'ca-key.pem',
            '-keyout', own / 'server-key.pem', '-out', own / 'server.pem')
    (folder / 'two.crt').write_text((own / 'other.pem').read_text() + (own / 'ca.pem').read_text())
    (folder / 'broken.pem').write_text('-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n')


def make_tree(folder, name):
    """The tree of an extension: one program that says where it is from."""
    program = folder / 'usr' / 'bin' / f'from-{name}'
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\necho from {name}\n')
    program.chmod(0o755)
    return folder


def pack(tree, path):
    if path.suffix == '.squashfs':
        run('mksquashfs', tree, path, '-quiet', '-all-root')
    elif path.suffix == '.erofs':
        run('mkfs.erofs', path, tree)
    else:
        with tarfile.open(path, 'w:gz') as tar:
            tar.add(tree / 'usr', 'usr')


@story.test('a blank disk of VMware is made the data disk', vital=True)
def blank_disk(host):
    host.prepare()
    host.boot(virtiofs=['fast'])
    host.shell('for i in $(seq 90); do docker version >/dev/null 2>&1 && break; sleep 1; done; docker version >/dev/null', 150)
    equal(host.shell('readlink /var/lib/docker'), '/mnt/sda1/var/lib/docker', '/var/lib/docker')
    contains(host.shell('grep "data disk" /boot.log'), 'data disk sda: it is a blank disk of VMware', 'the log')
    contains(host.shell('sudo blkid'), '/dev/sda1: LABEL="boot2docker-data"', 'blkid')
    host.size = int(host.shell('df -k /mnt/sda1 | tail -1').split()[1])


@story.test('every swap partition that there is is used, of whatever disk and label, and nothing is made one')
def swap(host):
    expected = ['/dev/sda2', '/dev/vda1', '/dev/vda2', '/dev/vda3']
    within(30, 'swap is on', lambda: sorted(re.findall(r'^/dev/\S+', host.shell('cat /proc/swaps'), re.MULTILINE)) == expected, pause=1)


def check_places(host, kinds):
    """Each share is at its place, by the kind of file system that is given; those that must not be mounted are not."""
    mounts = [line.split()[1:3] for line in host.shell('grep -E " (9p|virtiofs) " /proc/mounts').splitlines()]
    equal(sorted(mounts), sorted([place.replace(' ', '\\040'), kinds[name]] for name, place in PLACES.items()), 'mounted shares')
    log = host.shell('grep share /boot.log')
    contains(log, "share usr is not mounted: it would hide the system's /usr", 'the log')
    contains(log, 'share ../up is not mounted: its name does not lead', 'the log')


def check_files(host):
    """Each share is read and written by the host, the machine and a container, and its files belong to whom they should."""
    for name, place in PLACES.items():
        folder = host.shares[name]
        (folder / 'of höst').write_text('from the host\n')
        if os.getuid() == 0:
            os.chown(folder, 1000, 50)
            os.chown(folder / 'of höst', 1000, 50)
            equal(host.shell(f'stat -c %U:%G {typed(place + "/of höst")}'), 'docker:staff', 'owner')
        equal(host.shell(f'cat {typed(place + "/of höst")}'), 'from the host', f'{place} read by the guest')
        host.shell(f'echo from the guest >{typed(place + "/of guest")}')
        equal((folder / 'of guest').read_text(), 'from the guest\n', f'{place} read by the host')
        (folder / 'of höst').write_text('changed\n')
        equal(within(10, 'the change is seen', lambda: host.shell(f'cat {typed(place + "/of höst")}') == 'changed'), True, place)
    volumes = ' '.join(f'-v {typed(f"{place}:/{name}")}' for name, place in PLACES.items())
    copy = 'cat /$name/of?h* /$name/of?guest >"/$name/of container"'
    host.shell(f"docker run --rm --network none {volumes} bb /bin/sh -ec 'for name in {' '.join(PLACES)}; do {copy}; done'", 120)
    for name in PLACES:
        equal((host.shares[name] / 'of container').read_text(), 'changed\nfrom the guest\n', f'{name} written by a container')


@story.test('shared folders are at their places, and what would hide the system is not mounted')
def shares(host):
    check_places(host, {name: 'virtiofs' if name == 'fast' else '9p' for name in PLACES})


@story.test('files of a share are written by host, machine and container, and belong to whom they should')
def share_files(host):
    host.shell('docker import "/host files/bb.tar" bb', 120)
    check_files(host)


@story.test('files, scripts and extensions are put on the data disk; the machine goes off and its disk is enlarged', vital=True)
def keep(host):
    host.shell('cd "/host files" && sudo mkdir -p /var/lib/boot2docker/certs /var/lib/boot2docker/extensions '
               '/var/lib/boot2docker/etc && sudo cp *.pem *.crt /var/lib/boot2docker/certs/ && '
               'sudo cp *.squashfs *.erofs *.tar.gz /var/lib/boot2docker/extensions/ && '
               'sudo cp bootsync.sh bootlocal.sh marker /var/lib/boot2docker/ && '
               'echo keeper | sudo tee /var/lib/boot2docker/etc/hostname && cd && sync', 120)
    equal(host.shell('sha256sum /var/lib/boot2docker/marker').split()[0], sha256(host.shares['files'] / 'marker'), 'marker')
    host.end()
    os.truncate(host.disk, 3000 * MIB)


@story.test('the data disk has grown with its file', vital=True)
def grown(host):
    host.boot(virtiofs=[name for name in TAGS if name != 'fast'])
    size = int(host.shell('df -k /mnt/sda1 | tail -1').split()[1])
    note(f'{host.size} KiB before, {size} KiB after')
    assert size > host.size + 1500 * 1024, f'{size} KiB after {host.size}'
    log = host.shell('grep grown /boot.log')
    contains(log, 'disk sda has grown: so has its partition 1', 'the log')
    contains(log, 'the file system of sda1 has grown', 'the log')


@story.test('and what was on it is still there')
def marker(host):
    equal(host.shell('sha256sum /var/lib/boot2docker/marker').split()[0], sha256(host.shares['files'] / 'marker'), 'marker')


@story.test('what was shared by 9p is at its place by virtiofs, and the other way round')
def shares_exchanged(host):
    check_places(host, {name: '9p' if name == 'fast' else 'virtiofs' for name in PLACES})


@story.test('the hostname is the one that was kept, and sethostname changes it')
def hostname(host):
    equal(host.shell('hostname'), 'keeper', 'hostname')
    host.shell('sudo sethostname other; grep other /etc/hosts /etc/hostname')
    equal(host.shell('hostname'), 'other', 'hostname')


@story.test('extensions are laid over the system, the first by name on top')
def extensions(host):
    equal(host.shell('from-squashfs; from-erofs; from-tar; from-first'),
          'from squashfs\nfrom erofs\nthe first by name is on top\nfrom first', 'their programs')
    host.shell('sudo touch /usr/local/bin/still-writable')
    log = host.shell('grep extension /boot.log')
    for line in ('30-outside.squashfs is left out: it holds /etc', '40-broken.squashfs is left out', '50-broken.tar.gz is left out'):
        contains(log, line, 'the log')
    equal(host.type('from-outside')[0], 127, 'exit status of a program of the refused one')


@story.test('bootsync.sh ran before the engine, with the extensions; bootlocal.sh after it')
def scripts(host):
    host.shell('for i in $(seq 90); do docker version >/dev/null 2>&1 && break; sleep 1; done; docker version >/dev/null', 150)
    equal(host.shell('cat /run/bootsync'), 'bootsync from squashfs', 'what bootsync.sh left')
    log = host.shell('cat /boot.log')
    contains(log, 'a line of bootsync', 'the log')
    assert 'dockerd runs already' not in log, 'bootsync.sh ran after dockerd was started'
    within(30, 'bootlocal.sh saw docker', lambda: 'bootlocal saw docker' in host.shell('cat /var/log/bootlocal.log'), pause=1)


@story.test('files of the shares are written by all three, with the kinds exchanged')
def share_files_exchanged(host):
    for name in PLACES:
        for path in host.shares[name].glob('of *'):
            path.unlink()
    check_files(host)


@story.test('the CA in certs/ is trusted, beside another in its file and a broken one')
def certificates(host):
    port = host.serve()
    host.shell(f'curl -sS --max-time 20 -o /dev/null https://{GATEWAY}:{port}/')
    note(host.shell('boot-timeline | grep -E "storage|shares|extensions|certificates|bootsync"'))
    log = host.shell('grep certificates: /boot.log')
    contains(log, 'two.crt: 2 certificates', 'the log')
    contains(log, 'skipped: ', 'the log')
    contains(log, 'broken.pem', 'the log')


@story.test('crond runs and keeps its log on the data disk')
def cron(host):
    within(20, 'crond has a log', lambda: host.type('pidof crond && sudo test -s /var/lib/boot2docker/log/crond.log')[0] == 0, pause=1)


@story.test('with all of this the machine goes off and leaves its disk clean')
def clean(host):
    start = time.monotonic()
    host.end()
    note(f'{time.monotonic() - start:.1f} s')
    run('sfdisk', '--verify', host.disk)
    checked = run('e2fsck', '-f', '-n', f'{host.disk}?offset={MIB}', check=False)
    equal(checked.returncode, 0, f'e2fsck: {checked.stdout[-500:]}')
    header = run('dumpe2fs', '-h', f'{host.disk}?offset={MIB}').stdout
    assert 'needs_recovery' not in header, 'the journal was not written back'
    assert 'orphan_file' not in header, 'each mount reads an orphan file block by block'
    inodes, blocks, size = (int(re.search(rf'^{name}: *(\d+)$', header, re.MULTILINE).group(1))
                            for name in ('Inode count', 'Block count', 'Block size'))
    note(f'{inodes} inodes for {blocks * size >> 20} MiB')
    assert abs(inodes * 8192 / (blocks * size) - 1) < 0.06, f'{inodes} inodes for {blocks} blocks of {size} bytes'
    with open(host.swaps, 'rb') as disk:
        disk.seek(61 * MIB)
        equal(disk.read(20 * MIB).strip(b'\0'), b'', 'what was written to a partition that was never made swap')


if __name__ == '__main__':
    with Host() as subject:
        finish(story.run(subject, subject.tail))
