#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What goes to a machine over SSH: files, provisioning, certificates, docker contexts, and the generic driver, which takes one
machine of ours for a host of the network."""
import json
import os
import shutil
import socket
import subprocess

from fileserver import SAMBA, samba_image
from machine import BOOT2DOCKER, IMAGE, Machine, free_port, run
from tap import Skip, Story, contains, equal, finish, within
from terminal import Terminal, answer, matches, transcript

story = Story()
ODD = 'with space, "quotes", \'single\', $(touch pwned) and ünïcode'


@story.test('the first five minutes of a new user, typed into a terminal, are as doc/first-minutes.md has them')
def first_minutes(machine):
    if not shutil.which('docker'):
        raise Skip('no docker client here')
    path = f'{BOOT2DOCKER.parent}:{os.environ["PATH"]}'
    environment = {**machine.environment, 'PATH': path, 'B2D_ISO': str(IMAGE / 'boot2docker.iso'), 'MACHINE_DRIVER': 'qemu',
                   'QEMU_CPU_COUNT': '2', 'ENGINE_LABEL': 'which=first'}
    for name in ('DOCKER_HOST', 'DOCKER_CONTEXT', 'DOCKER_MACHINE_NAME'):
        environment.pop(name, None)
    with Terminal(machine.store, environment) as terminal:
        for line, expected in transcript('first-minutes.md'):
            if line.startswith('docker run'):
                machine.import_busybox('busybox')
            printed = terminal.type(line, seconds=400)
            assert matches(printed, expected), f'{line}: expected {expected}, found {printed}'


@story.test('a machine to work with', vital=True)
def create(machine):
    if machine.command('status', check=False).returncode != 0:
        machine.create('--engine-label', 'which=first')


@story.test('env --no-proxy keeps a client from asking the proxy for the machine')
def no_proxy(machine):
    program = shutil.which('docker-compose')
    assert program, 'no docker-compose: tools/bootstrap test installs what tests need'
    (machine.store / 'docker-compose.yml').write_text('version: "3"\nservices:\n  one:\n    image: none\n')
    names = ('REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'NO_PROXY', 'no_proxy')
    environment = {name: value for name, value in machine.environment.items() if name not in names}
    environment.update({name: f'http://127.0.0.1:{free_port()}' for name in ('HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy')})

    def ps(*flags):
        lines = run(BOOT2DOCKER, 'env', '--shell', 'sh', *flags, env=environment).stdout
        return run('sh', '-c', f'{lines}\nexec {program} ps', env=environment, cwd=machine.store, check=False)
    asked = ps()
    equal(asked.returncode, 1, 'exit status without it')
    contains(asked.stdout + asked.stderr, 'proxy', 'what compose says')
    equal(ps('--no-proxy').returncode, 0, 'exit status with it')


def check_samba(machine, port):
    """The host by smbclient, the machine by cifs and containers by the volume and by -v of what is mounted see each other's files."""
    def client(command):
        return run('smbclient', '-N', '-p', port, '//127.0.0.1/data', '-c', command, check=False, cwd=machine.store).returncode
    (machine.store / 'of host').write_text('from the host\n')
    within(60, 'smbclient writes a file', lambda: client('put "of host"') == 0, pause=1)
    equal(machine.docker('run', '--rm', '--volumes-from', 'my-data', 'busybox', 'cat', '/data/of host'), 'from the host\n',
          'read by a container')
    machine.ssh('sudo mkdir -p /mnt/smb && sudo mount -t cifs -o guest //127.0.0.1/data /mnt/smb && '
                'echo from the machine | sudo tee /mnt/smb/back')
    equal(machine.docker('run', '--rm', '-v', '/mnt/smb:/in', 'busybox', 'cat', '/in/of host'), 'from the host\n', 'read with -v')
    machine.ssh('sudo umount /mnt/smb')
    equal(client('get back'), 0, 'exit status of smbclient')
    equal((machine.store / 'back').read_text(), 'from the machine\n', 'read by the host')


@story.test('the proxies of the docker client\'s own configuration are those of the containers that it starts')
def client_proxy(machine):
    folder = machine.store / 'client'
    folder.mkdir()
    (folder / 'config.json').write_text('{"proxies": {"default": {"httpProxy": "http://proxy.example:3128"}}}')
    machine.import_busybox('busybox')
    if not shutil.which('docker'):
        raise Skip('no docker client here')
    environment = {**os.environ, **machine.variables(), 'DOCKER_CONFIG': str(folder)}
    told = run('docker', 'run', '--rm', 'busybox', 'sh', '-c', 'echo $HTTP_PROXY', env=environment)
    equal(told.stdout, 'http://proxy.example:3128\n', 'HTTP_PROXY in the container')


@story.test('a volume is shared by samba as README and FAQ have it, through a port forwarded by ssh: host, machine and container write to it')
def samba(machine):
    tree = machine.store / 'samba.tar.gz'
    samba_image(tree)
    machine.docker('import', '-c', 'ENTRYPOINT ["/entry"]', '-', SAMBA, input=tree.read_bytes(), timeout=300)
    for line in answer('FAQ.md', '## How do I share a volume by samba?').splitlines():
        program, *words = line.split()
        equal(program, 'docker', 'what is to be typed')
        machine.docker(*words, timeout=180)
    port = free_port()
    with subprocess.Popen([BOOT2DOCKER, 'ssh', machine.name, '-N', '-L', f'{port}:127.0.0.1:445'], env=machine.environment) as tunnel:
        try:
            check_samba(machine, port)
        finally:
            tunnel.terminate()
    machine.docker('rm', '-f', '-v', 'samba-server', 'my-data')


@story.test('doctor finds nothing wrong, inside and out')
def doctor(machine):
    printed = machine.command('doctor', machine.name, check=False)
    for what in ('engine             ', 'clock              ', 'its disk           ', 'engine log         ', 'SSH                docker@'):
        contains(printed.stdout, what, 'what it looks at')
    assert 'WRONG' not in printed.stdout.partition('Machine "')[2], printed.stdout


@story.test('scp takes a file with an odd name there and back, unharmed, and folders with -r')
def scp(machine):
    folder = machine.store / 'files'
    (folder / 'sub').mkdir(parents=True)
    content = os.urandom(300000)
    (folder / ODD).write_bytes(content)
    (folder / 'sub' / ODD).write_bytes(content[::-1])
    machine.command('scp', '-q', folder / ODD, f'{machine.name}:{ODD}')
    equal(machine.ssh('ls pwned 2>/dev/null | wc -l; echo with*').splitlines(), ['0', ODD], 'what is there')
    machine.command('scp', '-q', f'docker@{machine.name}:{ODD}', machine.store / 'back')
    equal((machine.store / 'back').read_bytes() == content, True, 'the same bytes')
    machine.command('scp', '-q', '-r', folder, f'{machine.name}:/tmp/tree')
    machine.command('scp', '-q', '-r', f'{machine.name}:/tmp/tree', machine.store / 'tree')
    equal((machine.store / 'tree' / 'sub' / ODD).read_bytes() == content[::-1], True, 'the same bytes in a folder')


@story.test('scp from machine to machine goes through this host')
def scp_through(machine):
    machine.ssh('echo over >here.txt')
    machine.command('scp', '-q', f'{machine.name}:here.txt', f'{machine.name}:/tmp/there.txt')
    equal(machine.ssh('cat /tmp/there.txt'), 'over\n', 'content')


@story.test('scp -d sends only differences')
def rsync(machine):
    path = machine.store / 'big'
    path.write_bytes(os.urandom(2 << 20))
    for extra in (b'', b'more'):
        path.write_bytes(path.read_bytes() + extra)
        machine.command('scp', '-d', '-q', path, f'{machine.name}:/tmp/{ODD}')
    machine.command('scp', '-d', '-q', f'{machine.name}:/tmp/{ODD}', machine.store / 'big.back')
    equal((machine.store / 'big.back').read_bytes() == path.read_bytes(), True, 'the same bytes')


@story.test('mount shows a folder of the machine here, and -u takes it away')
def mount(machine):
    if not os.access('/dev/fuse', os.W_OK):
        raise Skip('no FUSE here')
    point = machine.store / 'mount point'
    point.mkdir()
    machine.ssh('mkdir -p data && echo mounted >data/file')
    mounted = machine.command('mount', f'{machine.name}:/home/docker/data', point, check=False)
    if 'Operation not permitted' in mounted.stderr:
        raise Skip('no FUSE here')
    equal((mounted.returncode, mounted.stderr), (0, ''), 'mount')
    try:
        equal((point / 'file').read_text(), 'mounted\n', 'read')
        (point / 'written').write_text('from here\n')
        equal(machine.ssh('cat data/written'), 'from here\n', 'written')
    finally:
        machine.command('mount', '-u', f'{machine.name}:/home/docker/data', point)
    equal(list(point.iterdir()), [], 'what is there after -u')


def docker_by_context(machine, *words):
    return run('docker', *words, env=machine.environment)


@story.test('the docker client reaches the machine by its context')
def context(machine):
    if not shutil.which('docker'):
        raise Skip('no docker client here')
    equal(docker_by_context(machine, '--context', 'boot2docker', 'info', '-f', '{{.Name}}').stdout, 'default\n', '--context')
    machine.command('use')
    equal(docker_by_context(machine, 'info', '-f', '{{.Name}}').stdout, 'default\n', 'after use')


def serial(machine):
    """The serial number of the certificate that the engine shows."""
    host, port = machine.address()
    shown = run('openssl', 's_client', '-connect', f'{host}:{port}', check=False, input='').stdout
    return run('openssl', 'x509', '-noout', '-serial', input=shown).stdout


@story.test('regenerate-certs: the engine answers with a new certificate, of the same authority')
def regenerate(machine):
    before, authority = serial(machine), (machine.folder / 'ca.pem').read_bytes()
    started = machine.ssh('cat /var/run/docker.pid')
    machine.command('regenerate-certs', '-f')
    if machine.ssh('test -e /usr/libexec/docker/docker-engine && echo own || true'):
        equal(machine.ssh('cat /var/run/docker.pid'), started, 'the engine that runs')
    assert serial(machine) != before, 'it is the same certificate'
    equal(machine.command('version', machine.name).stdout.strip(), machine.engine_version().partition('+')[0], 'version')
    equal((machine.folder / 'ca.pem').read_bytes(), authority, 'authority')


@story.test('regenerate-certs --client-certs: a new authority; the old client certificate is refused, the context works on')
def regenerate_all(machine):
    old = [shutil.copy(machine.folder / name, machine.store / f'old-{name}') for name in ('cert.pem', 'key.pem')]
    authority = (machine.folder / 'ca.pem').read_bytes()
    machine.command('regenerate-certs', '-f', '--client-certs')
    assert (machine.folder / 'ca.pem').read_bytes() != authority, 'it is the same authority'
    machine.engine_version()
    try:
        status, _ = machine.ask('/version', machine.tls(*old))
    except OSError:
        status = None
    equal(status, None, 'answer to the old certificate')
    if shutil.which('docker'):
        docker_by_context(machine, 'info')


@story.test('provision writes host name and profile again')
def provision(machine):
    machine.ssh("sudo sh -c 'echo >/var/lib/boot2docker/profile; sethostname elsewhere'")
    machine.command('provision')
    equal(machine.ssh('hostname; cat /var/lib/boot2docker/etc/hostname').split(), ['default', 'default'], 'host name')
    contains(machine.docker('info', '-f', '{{.Labels}}'), 'which=first', 'labels')


def forward(machine, port):
    """Forwards a port of this host to the same one of the machine, through its QEMU's monitor."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.settimeout(20)
        monitor.connect(str(machine.folder / 'qmp.sock'))
        stream = monitor.makefile('rw')
        stream.readline()
        line = {'command-line': f'hostfwd_add nat tcp:127.0.0.1:{port}-:{port}'}
        for command in ({'execute': 'qmp_capabilities'}, {'execute': 'human-monitor-command', 'arguments': line}):
            stream.write(json.dumps(command) + '\n')
            stream.flush()
            equal(json.loads(stream.readline()).get('return'), {} if 'arguments' not in command else '', 'QMP')


@story.test('the generic driver takes a running Boot2Docker over: key, host name, certificates, profile, engine port')
def generic(machine):
    ssh_port = json.loads((machine.folder / 'config.json').read_text())['Driver']['SSHPort']
    port = free_port()
    forward(machine, port)
    machine.command('create', '-d', 'generic', '--generic-ip-address', '127.0.0.1', '--generic-ssh-port', ssh_port,
                    '--generic-ssh-user', 'docker', '--generic-ssh-key', machine.folder / 'id_rsa', '--generic-engine-port', port,
                    '--engine-label', 'which=second', 'taken', timeout=200)
    equal(machine.command('url', 'taken').stdout, f'tcp://127.0.0.1:{port}\n', 'url')
    equal(machine.command('ssh', 'taken', 'hostname').stdout, 'taken\n', 'host name')
    contains((machine.store / 'machines/taken/known_hosts').read_text(), 'taken ', 'the host key that is kept')
    line = machine.command('ls', '--filter', 'name=taken').stdout.splitlines()[1]
    contains(line, f'Running   tcp://127.0.0.1:{port}', 'ls')
    if shutil.which('docker'):
        contains(docker_by_context(machine, '--context', 'taken', 'info', '-f', '{{.Labels}}').stdout, 'which=second', 'labels')


@story.test('generic: what it does not do, and another host key at its address is refused')
def generic_refuses(machine):
    equal(machine.command('stop', 'taken', check=False).stderr, 'generic driver does not support stop\n', 'stop')
    contains(machine.command('start', 'taken').stdout, 'already running', 'start')
    known = machine.store / 'machines' / 'taken' / 'known_hosts'
    key = known.read_text()
    try:
        run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', machine.store / 'stranger')
        known.write_text('taken ' + (machine.store / 'stranger.pub').read_text())
        refused = machine.command('ssh', 'taken', 'true', check=False)
        equal(refused.returncode, 255, 'exit status')
        contains(refused.stderr, 'Host key verification failed', 'what ssh says')
    finally:
        known.write_text(key)


@story.test('generic: restart reboots the host and waits for its engine; rm leaves it running')
def generic_restart(machine):
    before = machine.ssh('cat /proc/sys/kernel/random/boot_id')
    machine.command('restart', 'taken', timeout=400)
    assert machine.ssh('cat /proc/sys/kernel/random/boot_id') != before, 'it did not boot anew'
    machine.command('rm', '-y', 'taken')
    equal(machine.command('status').stdout, 'Running\n', 'the machine itself')


with Machine() as machine_:
    status_ = story.run(machine_, machine_.console)
finish(status_)
