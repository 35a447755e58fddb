#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The QEMU driver with a fake QEMU: saved machines, shares, published ports, crashes."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from store import COMMAND, Fakes, Store, alive
from tap import Story, contains, equal, finish, note, within

story = Story()


def listener(port):
    """Holds the port; one that another test's machine holds already is as good as taken, too."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with contextlib.suppress(OSError):
        server.bind(('127.0.0.1', port))
        server.listen()
    return server


def arguments_of(pid):
    return Path(f'/proc/{pid}/cmdline').read_text().split('\0')


@story.test('a machine is made', vital=True)
def create(store):
    store.run('create', 'default')
    equal(store.out('status'), 'Running\n', 'status')
    asked = (store.machine('default') / 'fake-guest' / 'asked').read_text().split('\n')
    equal([path for path in asked if path == '/version'], [], 'what makes the engine run programs')
    assert '/_ping' in asked, f'the engine was asked {asked}'


def tunables_of(pid):
    variables = Path(f'/proc/{pid}/environ').read_text().split('\0')
    return [variable for variable in variables if variable.startswith('GLIBC_TUNABLES=')]


@story.test('QEMU\'s heap is in huge pages, unless the user has tuned it')
def heap(store):
    contains(str(tunables_of(store.pid('default'))), 'glibc.malloc.hugetlb=1', 'of QEMU')
    own = 'GLIBC_TUNABLES=glibc.malloc.check=0'
    store.run('create', 'tuned', **dict([own.split('=', 1)]))
    equal(tunables_of(store.pid('tuned')), [own], 'of QEMU, with the user\'s')
    store.run('rm', '-f', 'tuned')


@story.test('save keeps the machine and frees its QEMU; start goes on from there, once')
def save(store):
    folder, pid = store.machine('default'), store.pid('default')
    equal(store.out('save'), 'Saving "default"...\nMachine "default" was saved.\n', 'save')
    assert not alive(pid), 'QEMU runs on'
    equal(store.out('status'), 'Saved\n', 'status')
    contains(store.out('ls'), 'default   -        qemu     Saved ', 'ls')
    equal(oct((folder / 'machine.state').stat().st_mode & 0o777), '0o600', 'mode of the state')
    equal(store.error('ip'), 'Host is not running', 'ip')
    contains(store.out('save'), 'Machine "default" is already saved.\n', 'save again')
    contains(store.error('stop'), 'is saved, with what ran in it: start it', 'stop')
    started = store.run('start')
    contains(started.stdout, 'Machine "default" was started.\n', 'start')
    equal(started.stderr, '', 'stderr of start')
    equal(store.out('status'), 'Running\n', 'status')
    assert '-incoming' in arguments_of(store.pid('default')), 'it was booted'
    equal([path.name for path in folder.glob('*') if path.name in ('machine.state', 'saved.json')], [], 'what stays')


@story.test('a saved machine keeps its port, or gets the next free one when it is taken')
def save_port(store):
    port = store.config('default')['Driver']['EnginePort']
    store.run('suspend')
    store.run('start')
    equal(store.config('default')['Driver']['EnginePort'], port, 'port')
    store.run('save')
    with listener(port):
        contains(store.run('start').stderr, f'port {port} of 127.0.0.1 is taken', 'start')
    assert store.config('default')['Driver']['EnginePort'] != port, 'the port is taken'
    equal(store.out('version', 'default'), '26.1.5\n', 'the engine')


@story.test('a state that fits no more is discarded with a word, and the machine boots')
def save_misfit(store):
    folder = store.machine('default')

    def with_more_memory():
        config = store.config('default')
        config['Driver']['Memory'] += 1
        (folder / 'config.json').write_text(json.dumps(config))
    for damage, reason, mode in ((with_more_memory, 'made differently', ''),
                                 (lambda: (folder / 'saved.json').write_text('{'), 'saved.json', ''),
                                 (lambda: None, 'QEMU is another version', 'newer')):
        store.run('save')
        damage()
        said = store.run('start', FAKE_QEMU=mode).stderr
        contains(said, 'the saved state of machine "default" is discarded, and it boots anew: ', 'start')
        contains(said, reason, 'why')
        assert '-incoming' not in arguments_of(store.pid('default')), 'it was resumed'
        assert not (folder / 'machine.state').exists(), 'the state stays'


@story.test('a state that fits but cannot be read is kept, and kill gives it up')
def save_unreadable(store):
    store.run('restart')
    store.run('save')
    said = store.error('start', FAKE_QEMU='bad-state')
    contains(said, 'the saved machine "default" cannot be taken up: qemu-system-x86_64: load of migration failed', 'start')
    equal(store.out('status'), 'Saved\n', 'status')
    contains(store.out('kill'), 'was killed', 'kill')
    equal(store.out('status'), 'Stopped\n', 'status after kill')
    assert not (store.machine('default') / 'machine.state').exists(), 'the state stays'
    store.run('start')


@story.test('a machine that QEMU will not save goes on running; one that is stopped cannot be saved')
def save_refused(store):
    store.run('restart', FAKE_QEMU='no-migration')
    contains(store.error('save'), 'saving machine "default": QEMU (QMP) refused "migrate": Migration is disabled', 'save')
    equal(store.out('status'), 'Running\n', 'status')
    assert not list(store.machine('default').glob('machine.state*')), 'a half-written state stays'
    store.run('stop')
    contains(store.error('save'), 'only one that runs can be saved', 'save of a stopped machine')
    store.run('start')


@story.test('a QEMU that has mapped-ram is given the file by its name')
def save_mapped(store):
    store.run('restart', FAKE_QEMU='mapped-ram')
    store.run('save')
    equal(json.loads((store.machine('default') / 'saved.json').read_text())['Format'], 'mapped-ram', 'format')
    equal(oct((store.machine('default') / 'machine.state').stat().st_mode & 0o777), '0o600', 'mode of the state')
    store.run('start', FAKE_QEMU='mapped-ram')
    equal(store.out('status'), 'Running\n', 'status')
    store.run('restart')


@story.test('save killed in the middle: the machine is found paused, and start lets it go on')
def save_halfway(store):
    pid = store.pid('default')
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(os.path.relpath(store.machine('default') / 'qmp.sock'))
        monitor.sendall(b'{"execute": "qmp_capabilities"}\n{"execute": "stop"}\n')
        within(5, 'it is stopped', lambda: monitor.recv(4096).count(b'return') and True)
        time.sleep(0.2)
    (store.machine('default') / 'machine.state.tmp').write_text('half')
    equal(store.out('status'), 'Paused\n', 'status')
    store.run('start')
    equal((store.out('status'), store.pid('default')), ('Running\n', pid), 'status')
    assert not (store.machine('default') / 'machine.state.tmp').exists(), 'the half-written state stays'


@story.test('rm of a saved machine removes what was saved')
def save_remove(store):
    store.run('create', 'bear')
    store.run('save', 'bear')
    store.run('rm', '-y', 'bear')
    assert not store.machine('bear').exists(), 'something is left'


@story.test('a store without room for a template: a word, and the machine boots')
def no_room(store):
    templates = store.path / 'cache' / 'templates'
    templates.mkdir(parents=True, exist_ok=True)
    as_root = [] if os.geteuid() == 0 else ['--map-root-user']
    result = subprocess.run(['unshare', '--mount', *as_root, 'sh', '-c', 'mount -t tmpfs -o size=16m tmpfs "$0" && exec "$@"', templates,
                             COMMAND / 'boot2docker', 'create', '--qemu-template', 'always', 'full'], env=store.environment,
                            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    equal(result.returncode, 0, f'exit status; {result.stderr}')
    contains(result.stderr, 'machine "full" boots, because it cannot be born from a template', 'stderr')
    contains(result.stderr, 'a template of its kind may need 1088 MB in', 'stderr')
    contains(result.stderr, ', which has 16: make room', 'stderr')
    equal(store.out('status', 'full'), 'Running\n', 'status')
    assert '-incoming' not in arguments_of(store.pid('full')), 'it was born'
    store.run('rm', '-f', 'full')


def shares_in(arguments):
    """Paths and mount tags of the shares in QEMU's command line."""
    path = dict(re.findall(r'\0-fsdev\0local,id=(\w+),path=((?:[^,\0]|,,)*),security_model=none', arguments))
    tag = dict(re.findall(r'\0-device\0virtio-9p-pci,fsdev=(\w+),mount_tag=([^\0]*)\0', arguments))
    return {path[name].replace(',,', ','): tag[name].replace(',,', ',') for name in path}


@story.test('shares: the home folder by default, DIR and DIR:NAME, long and odd names, none')
def shares(store):
    deep = store.folder / 'projects, all'
    deep.mkdir()
    long = 'home/somebody/a-rather-long-name-of-a-folder'
    for given, expected in (((None,), {Path('/srv'): 'srv'}),
                            (('/opt',), {Path('/opt'): 'opt'}),
                            ((f'{store.folder}:home/me',), {store.folder: 'home/me'}),
                            ((f'{store.folder}/:/c:/Users/',), {store.folder: 'c:/Users'}),
                            ((f'{deep}:{long}', f'{store.folder}:p, q'), {deep: 'b2d.share.0', store.folder: 'p, q'}),
                            (('none',), {})):
        flags = [word for one in given if one for word in ('--qemu-share', one)]
        store.run('create', *flags, 'sharing', QEMU_SHARE=None, HOME='/srv')
        arguments = Path(f'/proc/{store.pid("sharing")}/cmdline').read_text()
        equal(shares_in(arguments), {str(path): tag for path, tag in expected.items()}, f'shares of {given}')
        names = store.machine('sharing') / 'shares'
        if 'b2d.share.0' in expected.values():
            equal(names.read_text(), f'b2d.share.0 {long}\n', 'names for the guest')
            contains(arguments, f'name=opt/boot2docker/shares,file={names}', 'fw_cfg')
        store.run('rm', '-y', 'sharing')


@story.test('shares that are none, cover the guest\'s system or have no honest name are refused')
def bad_shares(store):
    for given, reason in (('/nowhere', 'there is no such folder'), (f'{store.folder}:', 'would hide a part'), ('/etc', "system at /etc"),
                          (f'{store.folder}', 'would hide a part'), (f'{store.folder}:home', 'system at /home'),
                          (f'{store.folder}:a/../b', 'must be a path without'), (f'{store.folder}:a\nb', 'must be a path without'),
                          (f'{store.folder}:a//b', 'must be a path without')):
        contains(store.error('create', '--qemu-share', given, 'x', status=3), reason, given)
    contains(store.error('create', '--qemu-share', f'{store.folder}:a', '--qemu-share', f'{store.iso.parent}:a', 'x', status=3),
             'a share of that name', 'twice')
    assert not store.machine('x').exists(), 'something was made'


@story.test('save has the guest let go of its shares, start gives them back; a container that holds one is named')
def save_shares(store):
    programs = store.folder / 'programs'
    programs.mkdir()
    log = store.folder / 'ssh.log'
    (programs / 'ssh').write_text(f'#!/bin/sh\ncat >>{log}\ntest -z "$SSH_SAYS" || {{ echo "$SSH_SAYS" >&2; exit 3; }}\n')
    (programs / 'ssh').chmod(0o755)
    path = {'PATH': f'{programs}:{os.environ["PATH"]}'}
    store.run('create', '--qemu-share', f'{store.folder}:mine', 'sharing', **path)
    said = store.error('save', 'sharing', SSH_SAYS='used by container 0123456789ab', **path)
    contains(said, 'machine "sharing" cannot be saved while a shared folder is in use: ', 'save')
    contains(said, 'used by container 0123456789ab', 'save')
    equal(store.out('status', 'sharing'), 'Running\n', 'status')
    log.write_text('')
    store.run('save', 'sharing', **path)
    contains(log.read_text(), 'umount -a -t 9p', 'what save says')
    log.write_text('')
    store.run('start', 'sharing', **path)
    contains(log.read_text(), 'mount -a -T', 'what start says')
    log.write_text('')
    store.run('restart', 'sharing', **path)
    equal(log.read_text(), '', 'what a start from the disk says')
    store.run('rm', '-y', 'sharing')


def servers(folder):
    """The processes of virtiofsd that serve a folder, with their words."""
    found = {}
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        with contextlib.suppress(OSError):
            words = path.read_text().split('\0')
            if f'--shared-dir={folder}' in words or f'source={folder}' in words:
                found[int(path.parent.name)] = words
    return found


class Virtiofs:
    """A folder to share, and the environment in which its virtiofsd and the guest's shell are fakes."""

    def __init__(self, store):
        self.folder = store.folder / 'shared, all'
        self.folder.mkdir(exist_ok=True)
        programs = store.folder / 'with-virtiofsd'
        if not programs.exists():
            programs.mkdir()
            (programs / 'virtiofsd').symlink_to(Path(__file__).resolve().parent / 'fake-virtiofsd')
            (programs / 'ssh').write_text(f'#!/bin/sh\ncat >>{store.folder}/ssh.log\n')
            (programs / 'ssh').chmod(0o755)
        self.extra = {'PATH': f'{programs}:{os.environ["PATH"]}'}
        self.flags = ('--qemu-share-type', 'virtiofs', '--qemu-share', f'{self.folder}:/a, b')

    def gone(self):
        within(5, 'its virtiofsd ends', lambda: not servers(self.folder))


@story.test('shares by virtiofs: a virtiofsd each, over a connection without a name, and the memory is shared')
def virtiofs(store):
    own = Virtiofs(store)
    store.run('create', *own.flags, 'fast', **own.extra)
    equal(store.config('fast')['Driver']['ShareType'], 'virtiofs', 'type in config.json')
    arguments = Path(f'/proc/{store.pid("fast")}/cmdline').read_text()
    for part in ('\0-object\0memory-backend-memfd,id=memory,size=1024M,share=on\0-machine\0memory-backend=memory\0',
                 '\0-device\0pcie-root-port,id=port0,chassis=1,slot=1\0-chardev\0socket,id=share0,fd=200\0-device\0'
                 'vhost-user-fs-pci,id=fs0,bus=port0,chardev=share0,queue-size=1024,tag=a,, b\0'):
        contains(arguments, part, 'command line of QEMU')
    equal(shares_in(arguments), {}, 'shares by 9p')
    equal(len(servers(own.folder)), 1, 'processes of virtiofsd')
    equal([path.name for path in store.machine('fast').glob('*') if path.name.startswith('virtiofs')], ['virtiofsd.log'], 'files')
    equal(oct((store.machine('fast') / 'virtiofsd.log').stat().st_mode & 0o777), '0o600', 'mode of its log')


@story.test('a virtiofsd lives as long as its QEMU: stop, start, a killed QEMU, rm')
def virtiofs_life(store):
    own = Virtiofs(store)
    store.run('stop', 'fast', **own.extra)
    own.gone()
    store.run('start', 'fast', FAKE_VIRTIOFSD='older', **own.extra)
    escaped = str(own.folder).replace(',', '\\,')
    equal([words[-3:-1] for words in servers(escaped).values()], [['-o', f'source={escaped}']], 'the older one\'s words')
    os.kill(store.pid('fast'), signal.SIGKILL)
    within(5, 'the older one ends', lambda: not servers(escaped))
    store.run('start', 'fast', **own.extra)
    store.run('rm', '-y', 'fast', **own.extra)
    own.gone()


@story.test('create that fails or is interrupted leaves no virtiofsd; what one said that failed is in the error')
def virtiofs_fails(store):
    own = Virtiofs(store)
    said = store.error('create', *own.flags, 'fast', FAKE_VIRTIOFSD='fail', **own.extra)
    contains(said, f'virtiofsd, which serves {own.folder}: the folder is on fire', 'create')
    said = store.error('create', *own.flags, 'fast', FAKE_QEMU='fail', **own.extra)
    contains(said, 'cannot do that here', 'create')
    own.gone()
    process = store.start('create', *own.flags, 'fast', FAKE_QEMU='silent-engine', **own.extra)
    within(10, 'a virtiofsd', lambda: servers(own.folder))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    own.gone()
    assert not store.machine('fast').exists(), 'something is left of the machine'


@story.test('without a virtiofsd that works, and of another type, nothing is made, and what to do is said')
def virtiofs_refused(store):
    own = Virtiofs(store)
    programs = store.folder / 'with-nonsense'
    programs.mkdir()
    (programs / 'virtiofsd').symlink_to('/bin/true')
    contains(store.error('create', '--qemu-share-type', 'nfs', 'fast', status=3), '--qemu-share-type nfs: there are 9p and virtiofs', 'nfs')
    if not any(os.path.exists(path) for path in ('/usr/libexec/virtiofsd', '/usr/lib/virtiofsd', '/usr/lib/qemu/virtiofsd')):
        said = store.error('create', *own.flags, 'fast', status=3, PATH=f'{programs}:{os.environ["PATH"]}')
        contains(said, 'is no virtiofsd; install virtiofsd', 'create')
        contains(said, '--qemu-share-type 9p', 'create')
    store.run('create', '--qemu-share-type', 'virtiofs', '--qemu-share', 'none', 'fast', PATH=f'{programs}:{os.environ["PATH"]}')
    store.run('rm', '-y', 'fast')


@story.test('a machine with virtiofs is saved without its devices and gets them back, also after a start that was killed')
def virtiofs_saved(store):
    own = Virtiofs(store)
    log = store.folder / 'ssh.log'
    store.run('create', *own.flags, 'fast', **own.extra)
    log.write_text('')
    said = store.error('save', 'fast', FAKE_QEMU='', PATH=f'{Fakes(store, "ssh").path}')
    contains(said, 'cannot be saved while a shared folder is in use', 'save that the guest refuses')
    equal(len(servers(own.folder)), 1, 'processes of virtiofsd')
    store.run('save', 'fast', **own.extra)
    contains(log.read_text(), 'umount -a -t 9p,virtiofs', 'what save says')
    own.gone()
    log.write_text('')
    store.run('start', 'fast', **own.extra)
    assert '-incoming' in arguments_of(store.pid('fast')), 'it was booted'
    contains(log.read_text(), 'mount -a -T', 'what start says')
    equal(len(servers(own.folder)), 1, 'processes of virtiofsd')
    store.run('save', 'fast', **own.extra)  # of one that was resumed
    said = store.error('start', 'fast', FAKE_VIRTIOFSD='fail', **own.extra)
    contains(said, f'virtiofsd, which serves {own.folder}: the folder is on fire', 'start')
    equal(store.out('status', 'fast'), 'Running\n', 'status')
    store.run('start', 'fast', **own.extra)
    equal(len(servers(own.folder)), 1, 'processes of virtiofsd')


@story.test('a virtiofsd that ends while its machine runs is told of by status and doctor')
def virtiofs_dead(store):
    own = Virtiofs(store)
    equal(store.run('status', 'fast').stderr, '', 'stderr of status')
    os.kill(next(iter(servers(own.folder))), signal.SIGKILL)
    own.gone()
    said = store.run('status', 'fast')
    equal(said.stdout, 'Running\n', 'status')
    contains(said.stderr, f'the virtiofsd that serves {own.folder} has ended', 'stderr of status')
    contains(said.stderr, 'restart fast', 'stderr of status')
    contains(store.run('doctor', 'fast', program='boot2docker', status=1, **own.extra).stdout, 'has ended', 'doctor')
    store.run('restart', 'fast', **own.extra)
    equal(store.run('status', 'fast').stderr, '', 'stderr of status')


@story.test('a machine that knows no type of shares, as older ones are, has them by 9p')
def older_shares(store):
    own = Virtiofs(store)
    store.run('stop', 'fast')
    config = store.config('fast')
    del config['Driver']['ShareType']
    (store.machine('fast') / 'config.json').write_text(json.dumps(config))
    store.run('start', 'fast', **own.extra)
    equal(shares_in(Path(f'/proc/{store.pid("fast")}/cmdline').read_text()), {str(own.folder): 'a, b'}, 'shares by 9p')
    equal(servers(own.folder), {}, 'processes of virtiofsd')
    store.run('rm', '-y', 'fast')


@story.test('boot-chart draws what the guest tells, and how long QEMU was there before; nonsense is named')
def boot_chart(store):
    programs = store.folder / 'guest'
    programs.mkdir()
    path = {'PATH': f'{programs}:{os.environ["PATH"]}'}
    rows = [{'kind': 'kernel', 'name': 'kernel', 'start': 0, 'end': 0.5, 'ok': True, 'after': []},
            {'kind': 'mark', 'name': 'engine-answers', 'start': 2.5, 'end': None, 'ok': True, 'after': ['kernel']}]

    def guest_says(text):
        (programs / 'ssh').write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
        (programs / 'ssh').chmod(0o755)

    guest_says(f'{json.dumps(rows)}\n0.00 0.00')
    chart = store.folder / 'boot.svg'
    said = store.out('boot-chart', '--output', chart, **path)
    assert re.fullmatch(rf'{chart}: the engine answered after [0-9.]+ s; of that .*engine-answers 2\.00 s.*\n', said), said
    contains(chart.read_text(), '>QEMU, firmware</text>', 'the chart')
    guest_says(f'{json.dumps(rows)}\n100000.00 0.00')  # longer up than QEMU: the clocks cannot be compared
    svg = store.out('boot-chart', '-o', '-', **path)
    contains(svg, '</svg>\n', 'the chart on stdout')
    assert '>QEMU, firmware<' not in svg, 'a time that is not known'
    for text in ('', 'no JSON\n1.0 1.0', '[]\n1.0 1.0', '[]\n0.0 0.0'):
        guest_says(text)
        contains(store.error('boot-chart', '-o', chart, **path), 'machine "default": the boot\'s timeline', 'nonsense')
    guest_says('')
    contains(store.error('boot-chart', '-o', '/nonexistent/x', 'nobody', **path), 'does not exist', 'an unknown machine')


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(type=kind) as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def is_taken(kind, port):
    with socket.socket(type=kind) as probe:
        try:
            probe.bind(('127.0.0.1', port))
        except OSError:
            return True
        return False


def publish(store, *ports, name='default'):
    """What the fake engine lists from now on."""
    rows = [{'IP': ip, 'PrivatePort': 80, 'PublicPort': port, 'Type': kind} for ip, port, kind in ports]
    path = store.machine(name) / 'fake-guest' / 'containers.json'
    path.with_suffix('.new').write_text(json.dumps([{'Id': 'a', 'Ports': rows}, {'Id': 'b', 'Ports': [{'PrivatePort': 1}]}]))
    path.with_suffix('.new').rename(path)


def forwarders(store, name):
    """The processes that forward a machine's ports."""
    found = []
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        with contextlib.suppress(OSError):
            words = path.read_text().split('\0')
            if words[2:5] == [str(store.path), '__forward-ports', name]:
                found.append(int(path.parent.name))
    return found


@story.test('published ports are forwarded within half a second, tcp and udp, and no longer than they are published')
def published(store):
    tcp, udp, inner = free_port(), free_port(socket.SOCK_DGRAM), free_port()
    begin = time.monotonic()
    publish(store, ('0.0.0.0', tcp, 'tcp'), ('::', tcp, 'tcp'), ('0.0.0.0', udp, 'udp'), ('127.0.0.1', inner, 'tcp'))
    within(5, 'the tcp port', lambda: is_taken(socket.SOCK_STREAM, tcp), pause=0.01)
    note(f'a published port is there after {time.monotonic() - begin:.2f} s')
    within(5, 'the udp port', lambda: is_taken(socket.SOCK_DGRAM, udp), pause=0.01)
    assert not is_taken(socket.SOCK_STREAM, inner), 'a port of the loopback in the machine is forwarded'
    publish(store, ('0.0.0.0', udp, 'udp'))
    within(5, 'the tcp port is free', lambda: not is_taken(socket.SOCK_STREAM, tcp), pause=0.01)
    assert is_taken(socket.SOCK_DGRAM, udp), 'the other one is gone, too'


@story.test('a port that is taken is told of once in ports.log, and hurts no other')
def taken_port(store):
    other, own = free_port(), store.config('default')['Driver']['SSHPort']
    log = store.machine('default') / 'ports.log'
    with socket.socket() as holder:
        holder.bind(('127.0.0.1', 0))
        holder.listen()
        held = holder.getsockname()[1]
        for extra in ((), (('0.0.0.0', free_port(), 'tcp'),)):
            publish(store, ('0.0.0.0', held, 'tcp'), ('0.0.0.0', own, 'tcp'), ('0.0.0.0', other, 'tcp'), *extra)
            within(5, 'the other port', lambda: is_taken(socket.SOCK_STREAM, (extra[0][1] if extra else other)))
        time.sleep(0.2)
        equal(log.read_text().count(f'tcp port {held} of 127.0.0.1 cannot be had'), 1, f'times in {log.read_text()}')
        contains(log.read_text(), f'tcp port {own} of 127.0.0.1 cannot be had (the machine\'s own', 'its own port')
    equal(oct(log.stat().st_mode & 0o777), '0o600', 'mode of ports.log')
    equal(store.out('status'), 'Running\n', 'status')


@story.test('ports come back when a saved machine does, and one process does the work; it ends with its machine')
def resumed_port(store):
    port = free_port()
    publish(store, ('0.0.0.0', port, 'tcp'))
    within(5, 'the port', lambda: is_taken(socket.SOCK_STREAM, port))
    within(6, 'one process', lambda: len(forwarders(store, 'default')) == 1)
    store.run('save')
    within(5, 'it ends', lambda: not forwarders(store, 'default'))
    assert not is_taken(socket.SOCK_STREAM, port), 'the port stays'
    store.run('start')
    within(5, 'the port again', lambda: is_taken(socket.SOCK_STREAM, port))
    store.run('start')
    within(6, 'one process', lambda: len(forwarders(store, 'default')) == 1)


@story.test('a forwarder that was killed is started again by the next start')
def forwarder_again(store):
    os.kill(forwarders(store, 'default')[0], signal.SIGKILL)
    port = free_port()
    publish(store, ('0.0.0.0', port, 'tcp'))
    store.run('start')
    within(5, 'the port', lambda: is_taken(socket.SOCK_STREAM, port))


@story.test('tap and bridge: a second card, an address of the machine\'s own for the engine, SSH by 127.0.0.1')
def second_card(store):
    programs = store.folder / 'programs'
    log = store.folder / 'ssh.log'
    (programs / 'ssh').write_text(f'#!/bin/sh\necho "$@" >{log}\ncat >/dev/null\necho 127.0.0.2\n')
    extra = {'PATH': f'{programs}:{os.environ["PATH"]}', 'FAKE_ADDRESS': '127.0.0.2'}
    for flags, netdev in ((('tap', '--qemu-network-interface', 'lo', '--qemu-network-address', '127.0.0.2/8'),
                           r'tap,id=lan,ifname=lo,script=no,downscript=no'),
                          (('bridge', '--qemu-network-bridge', 'lo', '--qemu-network-address', '127.0.0.2'), r'bridge,id=lan,br=lo')):
        store.run('create', '--qemu-network', *flags, 'lan', **extra)
        config = store.config('lan')['Driver']
        arguments = Path(f'/proc/{store.pid("lan")}/cmdline').read_text()
        contains(arguments, f'\0-netdev\0{netdev}\0-device\0virtio-net-pci,netdev=lan,romfile=,mac={config["MacAddress"]}\0', netdev)
        equal(re.findall(r'hostfwd=[^,\0]*', arguments), [f'hostfwd=tcp:127.0.0.1:{config["SSHPort"]}-:22'], 'forwards')
        equal(store.out('url', 'lan'), 'tcp://127.0.0.2:2376\n', 'url')
        equal(store.out('version', 'lan'), '26.1.5\n', 'the engine over TLS')
        contains(log.read_text(), '@127.0.0.1 ', 'where ssh goes')
        equal(forwarders(store, 'lan'), [], 'forwarders')
        store.run('save', 'lan')
        equal(store.run('start', 'lan', **extra).stderr, '', 'stderr of start of it saved')
        store.run('rm', '-y', 'lan')
    for flags, reason in ((('tap', '--qemu-network-interface', 'nowhere0'), 'this host has no such interface'),
                          (('bridge', '--qemu-network-bridge', 'a,b'), 'this host has no such interface'),
                          (('tap', '--qemu-network-interface', 'lo', '--qemu-network-address', 'x; id'), 'is no address'),
                          (('vde',), 'there are user, tap and bridge')):
        contains(store.error('create', '--qemu-network', *flags, 'lan', status=3), reason, f'{flags}')


@story.test('a QEMU that crashes: Stopped, with its last words in ls and status, and start says so and works')
def crash(store):
    (store.machine('default') / 'qemu.log').write_text('a first line\nqemu: hardware error: the card is on fire\n')
    os.kill(store.pid('default'), signal.SIGKILL)
    within(5, 'it is gone', lambda: not alive(store.pid('default')))
    stopped = store.run('status')
    equal(stopped.stdout, 'Stopped\n', 'status')
    reason = 'QEMU crashed: qemu: hardware error: the card is on fire'
    contains(stopped.stderr, reason, 'stderr of status')
    contains(store.out('ls'), reason, 'ls')
    contains(store.run('start').stderr, reason, 'start')
    equal(store.run('status').stderr, '', 'stderr of status when it runs')
    store.run('stop')
    equal(store.run('status').stderr, '', 'stderr of status after an orderly stop')
    store.run('start')
    store.run('kill', FAKE_QEMU='stubborn')
    equal(store.run('status').stderr, '', 'stderr of status after kill')
    store.run('start')


@story.test('a QEMU that outlived a crash of ours is found again, by whichever path the store is reached')
def found_again(store):
    process = store.start('start', 'default')
    process.kill()
    process.communicate()
    link = store.folder / 'link'
    link.symlink_to(store.path)
    equal(store.out('-s', link, 'status'), 'Running\n', 'status')


with tempfile.TemporaryDirectory() as temporary:
    subject = Store(temporary)
    subject.environment['QEMU_SHARE'] = 'none'
    status_ = story.run(subject)
finish(status_)
