#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in the world: interrupted commands, two at once, hostile files, full disks, machines that hang."""
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from store import COMMAND, Fakes, Store, alive
from tap import PATIENCE, Story, contains, equal, finish, note

story = Story()


def pid_or_none(store, name):
    try:
        return store.pid(name)
    except (OSError, ValueError):
        return None


@story.test('create, interrupted at 20 points, leaves a whole machine or none')
def interrupted(store):
    begin = time.monotonic()
    store.run('create', 'measure')
    whole = time.monotonic() - begin
    store.run('rm', '-y', 'measure')
    outcomes = []
    for point in range(20):
        process = store.start('create', 'halfway')
        time.sleep(whole * point / 19)
        process.send_signal((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[point % 3])
        pid = pid_or_none(store, 'halfway')
        printed, said = process.communicate(timeout=60 * PATIENCE)
        if process.returncode == 0:
            equal(store.out('status', 'halfway'), 'Running\n', f'point {point}: {printed}')
            store.run('rm', '-y', 'halfway')
            outcomes.append('whole')
        else:
            assert process.returncode in (1, -signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP), f'{process.returncode} {said}'
            assert not store.machine('halfway').exists(), f'point {point}: something half-made stays: {said}'
            assert not (pid and alive(pid)), f'point {point}: QEMU runs on'
            outcomes.append('none')
    note(' '.join(outcomes))
    assert 'none' in outcomes, 'no create was interrupted'


@story.test('create, killed at 6 points: rm takes away what is left, or start makes it whole')
def killed(store):
    begin = time.monotonic()
    store.run('create', 'measure')
    whole = time.monotonic() - begin
    store.run('rm', '-y', 'measure')
    for point in range(6):
        process = store.start('create', 'halfway')
        time.sleep(whole * (point + 0.5) / 6)
        process.kill()
        process.communicate()
        if not store.machine('halfway').exists():
            continue
        pid = pid_or_none(store, 'halfway')
        store.run('rm', '-f', 'halfway')
        assert not store.machine('halfway').exists() and not (pid and alive(pid)), f'point {point}: something is left'


@story.test('two creates of one name at once: one machine, and one who is told')
def two_creates(store):
    processes = [store.start('create', 'twin') for _ in range(2)]
    said = [process.communicate(timeout=60 * PATIENCE)[1] for process in processes]
    equal(sorted(process.returncode for process in processes), [0, 1], f'exit codes {said}')
    contains(''.join(said), 'Docker machine "twin" already exists', 'the other')
    equal(store.out('status', 'twin'), 'Running\n', 'status')
    store.run('rm', '-y', 'twin')


HANGING = '''
import socket, sys, time
sockets = []
for path in sys.argv[2::2]:
    s = socket.socket(socket.AF_UNIX)
    s.bind(path.replace('qemu.pid', 'qmp.sock'))
    s.listen()
    sockets.append(s)
print('ready', flush=True)
time.sleep(600)
'''


@story.test('ls of 50 machines of which half hang: one line each, within its timeout')
def hanging(store):
    store.run('create', 'pattern')
    store.run('kill', 'pattern')
    config = store.config('pattern')
    arguments = []
    for number in range(50):
        folder = store.machine(f'm{number}')
        folder.mkdir()
        (folder / 'config.json').write_text(json.dumps({**config, 'Name': f'm{number}'}))
        if number % 2:
            arguments += ['-pidfile', str(folder / 'qemu.pid')]
    with subprocess.Popen([sys.executable, '-c', HANGING, *arguments], stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        for path in arguments[1::2]:
            with open(path, 'w', encoding='utf-8') as stream:
                stream.write(f'{process.pid}\n')
        begin = time.monotonic()
        lines = store.out('ls', '-t', '1').splitlines()[1:]
        took = time.monotonic() - begin
        process.kill()
    states = [line.split()[3] for line in lines if line.startswith('m')]
    note(f'{took:.1f} s')
    equal((states.count('Timeout'), states.count('Stopped')), (25, 25), 'states')
    assert took < 3 * PATIENCE, f'{took:.1f} s'
    for number in range(50):
        shutil.rmtree(store.machine(f'm{number}'))


@story.test('a full disk: create says which file, and nothing half-made stays')
def full(store):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    environment = store.environ({})
    result = subprocess.run([COMMAND / 'docker-machine', 'create', 'full'], env=environment, capture_output=True, text=True,
                            preexec_fn=small_files, restore_signals=False, timeout=60, check=False)
    equal(result.returncode, 1, f'exit status: {result.stderr}')
    contains(result.stderr, 'File too large', 'reason')
    contains(result.stderr, str(store.path), 'file')
    assert not store.machine('full').exists(), 'something half-made stays'


@story.test('a store that may only be read: commands that look go on, those that write say so')
def read_only(store):
    place = Path(tempfile.mkdtemp(dir='/tmp'))  # where others may look
    place.chmod(0o755)
    program, copy = place / 'docker-machine', place / 'store'
    shutil.copy(COMMAND / 'boot2docker', program)
    shutil.copy(store.iso, place / 'image.iso')
    shutil.copytree(store.path, copy, symlinks=True, ignore=shutil.ignore_patterns('*.sock'))
    others = {'user': 65534, 'group': 65534, 'extra_groups': []} if os.geteuid() == 0 else {}
    for folder, _, files in os.walk(copy):
        os.chmod(folder, 0o555)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o444)

    def run(*words):
        return subprocess.run([program, '-s', copy, *words], capture_output=True, text=True, timeout=60, check=False,
                              env=store.environ({'B2D_ISO': str(place / 'image.iso'), 'QEMU_PROGRAM': '/bin/true'}), **others)
    listed = run('ls')
    equal((listed.returncode, listed.stdout.split('\n')[1].split()[:4]), (0, ['pattern', '-', 'qemu', 'Stopped']), 'ls')
    for words in (('create', 'new'), ('start', 'pattern'), ('rm', '-y', 'pattern')):
        refused = run(*words)
        equal(refused.returncode, 1, f'{words}: {refused.stdout} {refused.stderr}')
        contains(refused.stderr, 'Permission denied', str(words))
    for folder, _, _ in os.walk(copy):
        os.chmod(folder, 0o755)
    shutil.rmtree(place)


@story.test('a home folder with spaces and letters of other scripts')
def unicode_home(store):
    home = store.folder / 'Jörg 山田 ☃'
    home.mkdir()
    path = Fakes(store, 'scp').path
    environment = {'HOME': str(home), 'MACHINE_STORAGE_PATH': None}
    store.run('create', 'default', **environment)
    equal(store.out('status', **environment), 'Running\n', 'status')
    printed = store.out('env', **environment)
    shell = subprocess.run(['sh', '-c', 'eval "$1"; cat "$DOCKER_CERT_PATH/ca.pem"', 'sh', printed], capture_output=True, text=True,
                           check=True)
    contains(shell.stdout, 'BEGIN CERTIFICATE', 'what env prints')
    contains(store.out('scp', 'x', 'default:', status=42, PATH=path, **environment),
             f'IdentityFile "{home}/.docker/machine/machines/default/id_rsa"', 'scp')
    store.run('rm', '-y', 'default', **environment)


@story.test('ssh: words with spaces, quotes and $() reach ssh as they are')
def ssh_words(store):
    path = Fakes(store, 'ssh').path
    store.run('start', 'pattern')
    words = ['a b', '"q\'', '$(touch /tmp/pwned)', '`id`', '*', '', 'ä', '-o', 'x;y']
    printed = store.out('ssh', 'pattern', *words, status=42, PATH=path).split('\n')
    equal(printed[-len(words) - 1:-1], words, 'words')


def hostile(config):
    """What somebody may put into a config.json, and what is to be said of it (None: it is no error)."""
    def changed(**fields):
        return json.dumps({**config, 'Driver': {**config['Driver'], **fields}})
    yield 'empty', '', 'is damaged'
    yield 'null', 'null', 'is damaged'
    yield 'a list', '[{}]', 'is damaged'
    yield 'no Driver', '{"ConfigVersion": 3}', 'is damaged'
    yield 'Driver is text', '{"Driver": "qemu"}', 'is damaged'
    yield 'deep', '[' * 100000, 'is damaged'
    yield 'large', json.dumps({'Driver': {}, 'x': 'y' * (5 << 20)}), 'is damaged'
    yield 'NUL', json.dumps({'Driver': {}, 'x': 'a\0b'}), 'is damaged'
    yield 'no UTF-8', b'{"Driver": {"IPAddress": "\xff\xfe"}}', 'is damaged'
    yield 'twice', '{"Driver": {}, "Driver": {}}', 'is damaged'
    yield 'an option as user', changed(SSHUser='-oProxyCommand=touch /tmp/pwned'), 'Driver.SSHUser that cannot be one'
    yield 'lines in the user', changed(SSHUser='a\nProxyCommand touch /tmp/pwned'), 'Driver.SSHUser that cannot be one'
    yield 'an option as address', changed(IPAddress='-v'), 'Driver.IPAddress that cannot be one'
    yield 'lines in the key\'s path', changed(SSHKeyPath='/x"\nProxyCommand touch /tmp/pwned'), 'Driver.SSHKeyPath that cannot'
    yield 'numbers', changed(SSHPort=10**18, EnginePort=-5, Memory=-1, CPU=2**62, DiskSize='big'), None
    yield 'types', changed(SSHPort=[], EnginePort={}, IPAddress=5, Memory=None), None
    yield 'terminal', json.dumps({**config, 'DriverName': '\x1b]0;pwned\x07\x1b[2J'}), '?]0;pwned??[2J'
    yield 'options of other types', json.dumps({**config, 'HostOptions': {'EngineOptions': {'Labels': 'x', 'Env': [1, {}]},
                                                                           'AuthOptions': []}}), None


@story.test('a hostile config.json: an error that names it, or no harm; never a crash, a command or a control character')
def hostile_config(store):
    store.run('kill', 'pattern')
    path = store.machine('pattern') / 'config.json'
    good = path.read_bytes()
    for name, text, said in hostile(json.loads(good)):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        listed = store.out('ls', '-t', '2')
        equal(len(listed.splitlines()), 2, f'{name}: lines of {listed!r}')
        assert '\x1b' not in listed and '\a' not in listed, f'{name}: a control character'
        if said:
            contains(listed, said, name)
        for words in (('ssh', 'pattern', 'true'), ('env', 'pattern'), ('inspect', 'pattern'), ('url', 'pattern'), ('ip', 'pattern')):
            result = subprocess.run([COMMAND / 'docker-machine', *words], env=store.environ({}), capture_output=True, timeout=60,
                                    check=False)
            assert result.returncode in (0, 1), f'{name}: {words}: {result}'
    path.write_bytes(good)
    assert not os.path.exists('/tmp/pwned'), 'a command was run'


@story.test('an engine that shows another certificate is not taken for ours')
def other_certificate(store):
    store.run('start', 'pattern')
    authority = store.machine('pattern') / 'ca.pem'
    good = authority.read_bytes()
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj',
                    '/CN=stranger', '-keyout', store.folder / 'stranger.key', '-out', authority], check=True, capture_output=True)
    try:
        contains(store.error('version', 'pattern'), 'certificate', 'version')
        contains(store.out('ls'), 'Unable to query docker version: TLS with', 'ls')
    finally:
        authority.write_bytes(good)


@story.test('a clock that is a year off, or many: what cannot work says so and names the day, the rest goes on')
def wrong_clock(store):
    wrapper = store.folder / 'another-day'
    for days, reason in (('-400d', 'certificate is not yet valid'), ('+5000d', 'certificate has expired')):
        wrapper.write_text(f'#!/bin/sh\nexec faketime -f {days} {COMMAND}/docker-machine "$@"\n')
        wrapper.chmod(0o755)
        day = subprocess.run(['faketime', '-f', days, 'date', '-u', '+%F'], check=True, capture_output=True, text=True).stdout.strip()
        for verb in ('version', 'env'):
            said = store.error(verb, 'pattern', program=wrapper)
            contains(said, f'{reason} (by the date {day}; is the clock right?)', verb)
        contains(store.out('ls', program=wrapper), reason, 'ls')
        equal(store.out('status', 'pattern', program=wrapper), 'Running\n', 'status')
        equal(store.out('ip', 'pattern', program=wrapper), '127.0.0.1\n', 'ip')
    store.run('env', 'pattern')


@story.test('a port that is taken between choosing and using it: another one is tried')
def port_race(store):
    # The stand-in for QEMU finds the port taken although it was free a moment before.
    store.run('kill', 'pattern')
    wrapper = store.folder / 'late-qemu'
    used = store.config('pattern')['Driver']['EnginePort']
    wrapper.write_text(f'#!/bin/sh\ncase "$*" in *":{used}-:2376"*)\n'
                       'echo "qemu: -netdev user: Could not set up host forwarding rule" >&2; exit 1;; esac\n'
                       f'exec {store.environment["QEMU_PROGRAM"]} "$@"\n')
    wrapper.chmod(0o755)
    path = store.machine('pattern') / 'config.json'
    config = store.config('pattern')
    config['Driver']['Program'] = str(wrapper)
    path.write_text(json.dumps(config))
    with socket.socket() as late:
        late.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        store.error('start', 'pattern')  # as long as nobody listens, the port looks free: bounded tries, then an error
        late.bind(('127.0.0.1', used))
        late.listen()
        store.run('start', 'pattern')
    assert store.config('pattern')['Driver']['EnginePort'] != used, 'the port that was taken'


with tempfile.TemporaryDirectory() as temporary:
    status_ = story.run(Store(temporary))
finish(status_)
