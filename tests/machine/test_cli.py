#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The host command as scripts see it: strings, exit codes and the store, with a fake QEMU instead of machines."""
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

from store import COMMAND, Fakes, Store, alive, make_iso
from tap import Story, contains, equal, finish, within

story = Story()


def listener(port):
    """Holds the port; one that another test's machine holds already is as good as taken, too."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with contextlib.suppress(OSError):
        server.bind(('127.0.0.1', port))
        server.listen()
    return server


@story.test('the command is under 2 MB, and loads what starts quickly and nothing else')
def small(store):
    stripped = store.folder / 'stripped'
    subprocess.run(['strip', '-o', stripped, COMMAND / 'boot2docker'], check=True)
    assert stripped.stat().st_size < 2_000_000, f'{stripped.stat().st_size} bytes'
    dynamic = subprocess.run(['readelf', '-d', stripped], check=True, capture_output=True, text=True).stdout
    needed = set(re.findall(r'Shared library: \[lib(\w+)\.so', dynamic))
    assert needed <= {'c', 'crypto', 'jansson', 'ssl', 'z'}, f'it needs {sorted(needed)}'


@story.test('without a machine: ls has its header, and no name means a default that does not exist')
def empty(store):
    equal(store.out('ls'), 'NAME   ACTIVE   DRIVER   STATE   URL   SWARM   DOCKER   ERRORS\n', 'ls')
    for verb in ('ip', 'status', 'url', 'env', 'config', 'start', 'stop', 'kill', 'restart', 'inspect', 'ssh'):
        equal(store.error(verb), 'Error: No machine name(s) specified and no "default" machine exists', verb)
    equal(store.error('active'), 'No active host found', 'active')


@story.test('an unknown machine is named, with what to do, by the name the program was called')
def unknown(store):
    for verb in ('ip', 'status', 'url', 'env', 'config', 'start', 'stop', 'kill', 'inspect', 'ssh'):
        equal(store.error(verb, 'nobody'), 'Docker machine "nobody" does not exist. Use "docker-machine ls" to list '
              'machines. Use "docker-machine create" to add a new one.', verb)
    contains(store.error('ip', 'nobody', program='boot2docker'), 'Use "boot2docker ls" to list', 'boot2docker')
    contains(store.error('status', '../certs'), 'Docker machine "../certs" does not exist.', 'a name with ..')


@story.test('names with / or .. or strange characters are refused, and nothing is made')
def names(store):
    for name in ('a/b', '..', '../x', '.hidden', '-x', 'a b', 'ä', ''):
        equal(store.error('create', '--', name), 'Error creating machine: Invalid hostname specified. Allowed hostname '
              'chars are: 0-9a-zA-Z . -', name)
    assert not store.path.exists(), 'the store was made'


@story.test('pre-create checks fail with 3: no QEMU, no image; an unknown driver lists those there are')
def precreate(store):
    contains(store.error('create', 'm', status=3, QEMU_PROGRAM='qemu-nowhere'), 'qemu-nowhere is not installed', 'program')
    contains(store.error('create', 'm', status=3, B2D_ISO='/nowhere.iso'), 'no image at /nowhere.iso', 'image')
    contains(store.error('create', '-d', 'amazonec2', 'm'), 'Driver "amazonec2" not found: this version has qemu', 'driver')
    contains(store.error('create', '--qemu-memory', 'much', 'm'), '--qemu-memory', 'a number')
    contains(store.error('create', '--no-such-flag', 'm'), 'no-such-flag', 'a flag')
    assert not store.machine('m').exists(), 'a machine was made'


@story.test('help and version, and an unknown verb')
def verbs(store):
    contains(store.error('frobnicate'), "'frobnicate' is not a command", 'unknown')
    contains(store.out('help'), 'Create a machine', 'help')
    contains(store.out('create', '--help'), '--qemu-disk-size MB', 'create --help')
    contains(store.out('help', 'create'), '[$QEMU_MEMORY]', 'help create')
    contains(store.out('-v'), 'docker-machine version ', '-v')


@story.test('create makes the machine, provisions it before its first start, and ends with the hint', vital=True)
def create(store):
    printed = store.run('create', '--engine-label', "it's=me", '--engine-env', 'A=$(touch /tmp/pwned)"`', '--engine-opt',
                        'log-level=debug', '--engine-insecure-registry', 'r.example', '--engine-registry-mirror',
                        'https://m.example', '--tls-san', 'b2d.example', 'default')
    contains(printed.stdout, 'To see how to connect your Docker Client to the Docker Engine running on this virtual '
             'machine, run: docker-machine env default\n', 'hint')
    # Another test may have been quicker with a port.
    equal([line for line in printed.stderr.splitlines() if 'of 127.0.0.1 is taken' not in line], [], 'stderr')
    guest = store.machine('default') / 'fake-guest'
    equal((guest / 'etc' / 'hostname').read_text(), 'default\n', 'hostname')
    shell = subprocess.run(['sh', '-c', f'. {guest}/profile; printf "%s|" $EXTRA_ARGS "$DOCKER_HOST" "$CACERT" "$A"'],
                           capture_output=True, text=True, check=True)
    equal(shell.stdout, "--label|provider=qemu|--label|it's=me|--insecure-registry|r.example|--registry-mirror|"
          '|https://m.example|--log-level=debug|'.replace('||', '|') +
          '-H tcp://0.0.0.0:2376|/var/lib/boot2docker/ca.pem|$(touch /tmp/pwned)"`|', 'profile')
    assert not (store.machine('default') / 'provision.tar').exists(), 'the key stays in provision.tar'


@story.test('the store has the contract\'s files, the keys for their owner alone')
def files(store):
    for path in ('certs/ca.pem', 'certs/ca-key.pem', 'certs/cert.pem', 'certs/key.pem', 'cache/boot2docker.iso'):
        assert (store.path / path).is_file(), path
    for name in ('config.json', 'id_rsa', 'id_rsa.pub', 'ca.pem', 'cert.pem', 'key.pem', 'server.pem', 'server-key.pem',
                 'boot2docker.iso', 'disk.qcow2'):
        assert (store.machine('default') / name).is_file(), name
    for path in ('certs/ca-key.pem', 'certs/key.pem', 'machines/default/id_rsa', 'machines/default/key.pem',
                 'machines/default/server-key.pem', 'machines/default/config.json'):
        equal(oct((store.path / path).stat().st_mode & 0o777), '0o600', path)
    config = store.config('default')
    equal((config['ConfigVersion'], config['DriverName'], config['Name']), (3, 'qemu', 'default'), 'config.json')
    equal(config['HostOptions']['AuthOptions']['ServerCertSANs'], ['b2d.example'], 'SANs')
    equal(config['Driver']['SSHUser'], 'docker', 'SSHUser')


@story.test('the server certificate verifies for every name it was asked for')
def certificate(store):
    for name in ('-verify_hostname b2d.example', '-verify_hostname localhost', '-verify_ip 127.0.0.1'):
        subprocess.run(['openssl', 'verify', '-CAfile', store.path / 'certs/ca.pem', '-purpose', 'sslserver', *name.split(),
                        store.machine('default') / 'server.pem'], check=True, capture_output=True)


@story.test('the disk begins with the magic tar and both keys, within 4096 bytes, and is sparse')
def disk(store):
    image = store.machine('default') / 'disk.qcow2'
    info = json.loads(subprocess.run(['qemu-img', 'info', '-U', '--output=json', image], check=True, capture_output=True).stdout)
    equal(info['virtual-size'], 20000 << 20, 'virtual size')
    assert image.stat().st_size < 1 << 20, f'{image.stat().st_size} bytes on disk'
    head = store.folder / 'head'
    subprocess.run(['qemu-img', 'dd', '-U', '-f', 'qcow2', '-O', 'raw', 'bs=4096', 'count=1', f'if={image}', f'of={head}'],
                   check=True)
    equal(head.read_bytes()[:30], b'boot2docker, please format-me\0', 'magic')
    key = (store.machine('default') / 'id_rsa.pub').read_bytes()
    with tarfile.open(head) as tar:
        equal(tar.getnames(), ['boot2docker, please format-me', '.ssh', '.ssh/authorized_keys', '.ssh/authorized_keys2'],
              'members')
        for name in ('.ssh/authorized_keys', '.ssh/authorized_keys2'):
            equal(tar.extractfile(name).read(), key, name)


@story.test('ip, url, status, config, version, ls and active, to the letter')
def outputs(store):
    url = f"tcp://127.0.0.1:{store.config('default')['Driver']['EnginePort']}"
    folder = store.machine('default')
    equal(store.out('ip'), '127.0.0.1\n', 'ip')
    equal(store.out('url', 'default'), url + '\n', 'url')
    equal(store.out('status'), 'Running\n', 'status')
    equal(store.out('version', 'default'), '26.1.5\n', 'version')
    equal(store.out('config'), f'--tlsverify\n--tlscacert="{folder}/ca.pem"\n--tlscert="{folder}/cert.pem"\n'
          f'--tlskey="{folder}/key.pem"\n-H={url}\n', 'config')
    gap = ' ' * (len(url) + 3 - 3)
    equal(store.out('ls'), f'NAME      ACTIVE   DRIVER   STATE     URL{gap}SWARM   DOCKER    ERRORS\n'
          f'default   -        qemu     Running   {url}           v26.1.5   \n', 'ls')
    contains(store.out('ls', DOCKER_HOST=url), 'default   *  ', 'ls of an active machine')
    equal(store.out('active', DOCKER_HOST=url), 'default\n', 'active')
    equal(store.out('ls', '-q'), 'default\n', 'ls -q')
    equal(store.out('ls', '-f', '{{.Name}}\\t{{ .DriverName }}'), 'default\tqemu\n', 'ls -f')
    equal(store.out('ls', '-f', 'table {{.Name}}\t{{.State}}'), 'NAME      STATE\ndefault   Running\n', 'ls -f table')
    equal(json.loads(store.out('inspect')), store.config('default'), 'inspect')


SHELLS = {
    'bash': ('export {}="{}"\n', 'unset {}\n', '# ', 'eval $({})'),
    'fish': ('set -gx {} "{}";\n', 'set -e {};\n', '# ', 'eval ({})'),
    'powershell': ('$Env:{} = "{}"\n', 'Remove-Item Env:\\\\{}\n', '# ', '& {} | Invoke-Expression'),
    'cmd': ('SET {}={}\n', 'SET {}=\n', 'REM ', '\t@FOR /f "tokens=*" %i IN (\'{}\') DO @%i'),
    'tcsh': ('setenv {} "{}";\n', 'unsetenv {};\n', ': ', 'eval `{}`'),
    'emacs': ('(setenv "{}" "{}")\n', '(setenv "{}" nil)\n', ';; ',
              '(with-temp-buffer (shell-command "{}" (current-buffer)) (eval-buffer))'),
}


@story.test('env in every shell: set, unset, and how to evaluate it')
def env(store):
    url = store.out('url').strip()
    names = ('DOCKER_TLS_VERIFY', 'DOCKER_HOST', 'DOCKER_CERT_PATH', 'DOCKER_MACHINE_NAME')
    values = ('1', url, str(store.machine('default')), 'default')
    for shell, (to_set, to_unset, comment, evaluate) in SHELLS.items():
        for words, line, given in (((f'--shell={shell}', 'default'), to_set, values),
                                   ((f'--shell={shell}', '-u'), to_unset, names)):
            call = 'docker-machine env ' + ' '.join(words)
            expected = ''.join(line.format(name, value) for name, value in zip(names, given))
            expected += f'{comment}Run this command to configure your shell: \n{comment}{evaluate.format(call)}\n'
            equal(store.out('env', *words), expected, f'{shell} {words}')
    contains(store.out('env', SHELL='/usr/bin/fish'), 'set -gx DOCKER_HOST', 'fish from $SHELL')
    contains(store.out('env', SHELL=None), 'export DOCKER_HOST', 'no $SHELL')
    equal(store.error('env', '-u', 'default'), 'Error: Expected no machine name when the -u flag is present', '-u NAME')


@story.test('env --no-proxy adds the address once, to the variable that is in use')
def no_proxy(store):
    def line(**environment):
        return store.out('env', '--no-proxy', **environment).splitlines()[4]
    equal(line(), 'export NO_PROXY="127.0.0.1"', 'none')
    equal(line(no_proxy='a.example'), 'export no_proxy="a.example,127.0.0.1"', 'lower case')
    equal(line(NO_PROXY='a.example,127.0.0.1'), 'export NO_PROXY="a.example,127.0.0.1"', 'already there')
    equal(line(NO_PROXY='127.0.0.12'), 'export NO_PROXY="127.0.0.12,127.0.0.1"', 'a longer address')


@story.test('a store path with quotes and dollars comes through the shell unharmed')
def quoting(store):
    odd = store.folder / 'a "b" $HOME `x` \\ ,c'
    os.symlink(store.path, odd)
    printed = store.out('-s', odd, 'env', 'default')
    shell = subprocess.run(['sh', '-c', 'eval "$1"; printf %s "$DOCKER_CERT_PATH"', 'sh', printed], capture_output=True,
                           text=True, check=True)
    equal(shell.stdout, f'{odd}/machines/default', 'DOCKER_CERT_PATH')


@story.test('an existing name is refused, and the machine stays as it is')
def existing(store):
    before = (store.machine('default') / 'config.json').read_bytes()
    equal(store.error('create', 'default'), 'Docker machine "default" already exists', 'create')
    equal((store.machine('default') / 'config.json').read_bytes(), before, 'config.json')
    equal(store.out('status'), 'Running\n', 'status')


@story.test('a certificate that does not verify: env names the host and regenerate-certs')
def bad_certificate(store):
    path = store.machine('default') / 'server.pem'
    good = path.read_bytes()
    store.run('env')
    assert (store.machine('default') / 'certs.checked').exists(), 'that it passed is not remembered'
    path.write_bytes((store.path / 'certs' / 'cert.pem').read_bytes())
    try:
        said = store.error('env')
    finally:
        path.write_bytes(good)
    contains(said, 'There was an error validating certificates for host "127.0.0.1:', 'host')
    contains(said, "docker-machine regenerate-certs default", 'what to do')
    store.run('env')


@story.test('a certificate that passed today is looked at again when the clock says another day')
def another_day(store):
    checked = store.machine('default') / 'certs.checked'
    now, _, files = checked.read_text().partition(' ')
    for when in (int(now) - 86400, int(now) + 3600):
        checked.write_text(f'{when} {files}')
        store.run('env')
        assert int(checked.read_text().split()[0]) >= int(now), f'not looked at again: it passed at {when}, and now is {now}'
    for rubbish in ('', 'x', f'{now}', f'{now} 127.0.0.1', '9' * 5000):
        checked.write_text(rubbish)
        store.run('env')
        contains(checked.read_text(), files, 'certs.checked')


@story.test('stop presses the button; stopped twice, and what then does not work, says so')
def stop(store):
    equal(store.out('stop'), 'Stopping "default"...\nMachine "default" was stopped.\n', 'stop')
    equal(store.out('stop'), 'Stopping "default"...\nMachine "default" is already stopped.\n', 'stop again')
    equal(store.out('status'), 'Stopped\n', 'status')
    for verb in ('ip', 'url'):
        equal(store.error(verb), 'Host is not running', verb)
    for verb in ('env', 'config'):
        equal(store.error(verb), 'Error checking TLS connection: Host is not running', verb)
    equal(store.error('ssh', 'default', 'true'), 'Error: Cannot run SSH command: Host "default" is not running', 'ssh')
    contains(store.out('ls'), 'default   -        qemu     Stopped                 Unknown   \n', 'ls')


@story.test('start brings it back on the same ports and keeps the last console; started twice says so')
def start(store):
    before = store.config('default')
    contains(store.out('start'), 'Machine "default" was started.\n', 'start')
    contains(store.out('start'), 'Machine "default" is already running.\n', 'start again')
    equal(store.config('default'), before, 'config.json')
    assert (store.machine('default') / 'console.log.1').exists(), 'the previous console is gone'


@story.test('ssh passes everything after the name on, with the machine\'s key, and its exit status')
def ssh(store):
    fake = store.folder / 'bin'
    fake.mkdir()
    (fake / 'ssh').write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 42\n')
    (fake / 'ssh').chmod(0o755)
    path = f'{fake}:{os.environ["PATH"]}'
    equal(store.out('ssh', 'ls', '-l', program='boot2docker', status=42, PATH=path).split('\n')[-4:],
          ['docker@127.0.0.1', 'ls', '-l', ''], 'the older tool\'s ssh: a command at once')
    words = store.out('ssh', 'default', '-t', '--', 'ls', '-l', 'a b', '--help', status=42, PATH=path).split('\n')
    equal(words[-8:], ['docker@127.0.0.1', '-t', '--', 'ls', '-l', 'a b', '--help', ''], 'arguments')
    assert str(store.machine('default') / 'id_rsa') in words and 'IdentitiesOnly=yes' in words, words


@story.test('fields of config.json that we do not know are kept when it is written')
def unknown_fields(store):
    path = store.machine('default') / 'config.json'
    store.run('stop')
    config = store.config('default')
    config['Driver']['FromTheFuture'] = {'a': [1, None]}
    config['RawDriver'] = 'e30='
    path.write_text(json.dumps(config))
    store.run('start')
    equal(store.config('default'), config, 'config.json')


@story.test('scp: names stay words, either side may be a machine, the program\'s exit status is ours')
def scp(store):
    path = Fakes(store, 'scp', 'rsync').path
    ours = store.config('default')['Driver']
    words = store.out('scp', '-r', '-q', '--', 'default:a b $(touch x)"', './-odd:name', PATH=path, status=42).splitlines()
    contains('\n'.join(words), '\n-3\n-F\n', 'through this host')
    contains('\n'.join(words), '\n-r\n-q\n--\ndefault:a b $(touch x)"\n./-odd:name\nHost default\n', 'words')
    contains('\n'.join(words), f'\tIdentityFile "{store.machine("default")}/id_rsa"\n\tPort {ours["SSHPort"]}\n\tUser docker\n'
             '\tHostName 127.0.0.1', 'ssh_config')
    said = store.out('scp', '-d', '/etc/passwd', 'me@default:/tmp/x', PATH=path, status=42)
    contains(said, '\n--progress\n--\n/etc/passwd\nme@default:/tmp/x\nHost default\n', 'rsync')
    equal(store.error('scp', 'a'), 'Improper number of arguments: scp [-r] [-d] [-q] SRC DST', 'one word')
    contains(store.error('scp', 'a', 'b'), 'neither a nor b names a machine', 'no machine')
    contains(store.error('scp', 'a', 'nobody:b'), 'Docker machine "nobody" does not exist', 'unknown')
    contains(store.error('scp', '-d', 'default:a', 'default:b'), 'rsync (--delta) cannot copy from machine to machine', 'delta')


@story.test('mount: sshfs with the machine\'s key; -u unmounts; without a machine default is meant')
def mount(store):
    path = Fakes(store, 'sshfs', 'fusermount3').path
    words = store.out('mount', '/home/docker/a b', '/mnt/x y', PATH=path, status=42)
    contains(words, '\n--\ndefault:/home/docker/a b\n/mnt/x y\nHost default\n', 'sshfs')
    contains(store.out('mount', 'default:/data', PATH=path, status=42), '\ndefault:/data\n/data\n', 'the same place here')
    equal(store.out('mount', '-u', 'default:/data', '/mnt', PATH=path, status=42).splitlines()[1:], ['-u', '--', '/mnt'], '-u')
    contains(store.error('mount', 'nobody:/data'), '"nobody" does not exist', 'unknown')
    contains(store.error('mount', '/data', PATH=str(store.folder / 'bin')), 'sshfs is not installed', 'no sshfs')


def meta_of(store, context):
    folder = store.folder / '.docker' / 'contexts' / 'meta' / hashlib.sha256(context.encode()).hexdigest()
    return folder / 'meta.json'


@story.test('create makes a docker context that the docker client reads; default\'s is named boot2docker')
def docker_context(store):
    meta = json.loads(meta_of(store, 'boot2docker').read_text())
    equal(meta['Endpoints']['docker']['Host'], store.out('url').strip(), 'Host')
    tls = store.folder / '.docker/contexts/tls' / meta_of(store, 'boot2docker').parent.name / 'docker'
    equal(sorted(entry.name for entry in tls.iterdir()), ['ca.pem', 'cert.pem', 'key.pem'], 'files')
    equal(oct((tls / 'key.pem').stat().st_mode & 0o777), '0o600', 'mode of the key')
    if shutil.which('docker'):
        said = subprocess.run(['docker', 'context', 'inspect', 'boot2docker'], env=store.environ({}), check=True,
                              capture_output=True, text=True).stdout
        contains(said, '"key.pem"', 'docker context inspect')


@story.test('use makes it the current context, keeps the client\'s other settings, and says when a variable overrides it')
def use(store):
    config = store.folder / '.docker' / 'config.json'
    config.write_text('{"auths": {"r.example": {"auth": "c2VjcmV0"}}}')
    printed = store.run('use', DOCKER_HOST='tcp://elsewhere:2376')
    equal(printed.stdout, 'Current context is now "boot2docker"\n', 'stdout')
    contains(printed.stderr, 'DOCKER_HOST environment variable overrides', 'stderr')
    equal(json.loads(config.read_text()), {'auths': {'r.example': {'auth': 'c2VjcmV0'}}, 'currentContext': 'boot2docker'}, 'config')
    if shutil.which('docker'):
        equal(subprocess.run(['docker', 'context', 'show'], env=store.environ({}), check=True, capture_output=True,
                             text=True).stdout, 'boot2docker\n', 'docker context show')
    store.run('use', '-u')
    equal(json.loads(config.read_text()), {'auths': {'r.example': {'auth': 'c2VjcmV0'}}}, 'config after -u')


@story.test('rm removes the machine\'s context, also the current one; a context that is not ours is never touched')
def context_removed(store):
    foreign = meta_of(store, 'work')
    foreign.parent.mkdir(parents=True)
    foreign.write_text('{"Name":"work","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://a:1"}}}')
    contains(store.out('create', 'work'), 'there is a docker context "work" that is not this machine\'s', 'create')
    contains(store.error('use', 'work'), 'that is not this machine\'s', 'use')
    store.run('create', 'mine')
    store.run('use', 'mine')
    store.run('rm', '-y', 'work', 'mine')
    contains(foreign.read_text(), 'tcp://a:1', 'the foreign one')
    assert not meta_of(store, 'mine').parent.exists(), 'the context stays'
    assert 'currentContext' not in json.loads((store.folder / '.docker/config.json').read_text()), 'it is still current'


@story.test('driver none: an engine somewhere; only its URL is known, nothing is started or ended')
def none(store):
    equal(store.run('create', '-d', 'none', 'x', status=3).stderr,
          'Error with pre-create check: "--url option is required when no driver is selected"\n', 'no --url')
    contains(store.error('create', '-d', 'none', '--url', 'http://a:1', 'far', status=3), 'only tcp://HOST[:PORT]', 'scheme')
    printed = store.out('create', '-d', 'none', '--url', 'tcp://192.0.2.7:2377', 'far')
    assert 'up and running' not in printed, 'nobody asked it'
    contains(printed, 'docker-machine env far\n', 'hint')
    equal(store.out('url', 'far'), 'tcp://192.0.2.7:2377\n', 'url')
    equal(store.out('status', 'far'), 'Running\n', 'status')
    contains(store.out('env', 'far'), 'export DOCKER_HOST="tcp://192.0.2.7:2377"', 'env')
    contains(store.out('ls', '-t', '1', '--filter', 'name=far'), 'none     ', 'ls')
    for verb, said in (('stop', 'stopped'), ('kill', 'killed')):
        equal(store.error(verb, 'far'), f'hosts without a driver cannot be {said}', verb)
    contains(store.error('provision', 'far'), 'has no driver', 'provision')
    equal(store.out('rm', '-y', 'far').splitlines()[-1], 'Successfully removed far', 'rm')


@story.test('driver generic: what it needs, and what it does not do')
def generic(store):
    equal(store.run('create', '-d', 'generic', 'x', status=3).stderr,
          'Error with pre-create check: "generic driver requires the --generic-ip-address option"\n', 'no address')
    contains(store.error('create', '-d', 'generic', '--generic-ip-address', '127.0.0.1', '--generic-ssh-key', '/nowhere', 'x',
                         status=3), '/nowhere', 'key')
    port = store.config('default')['Driver']['SSHPort']  # greets as SSH does and closes
    said = store.error('create', '-d', 'generic', '--generic-ip-address', '127.0.0.1', '--generic-ssh-port', port,
                       '--generic-ssh-key', store.machine('default') / 'id_rsa', 'x')
    contains(said, 'Error creating machine: on machine "x"', 'SSH that does not go on')
    assert not store.machine('x').exists(), 'something half-made stays'


@story.test('regenerate-certs asks; a no changes nothing; provision and it tell what is wrong with SSH')
def regenerate(store):
    before = (store.machine('default') / 'server.pem').read_bytes()
    equal(store.out('regenerate-certs', stdin='n\n'),
          'Regenerate TLS machine certs?  Warning: this is irreversible. (y/n): ', 'question')
    equal((store.machine('default') / 'server.pem').read_bytes(), before, 'server.pem')
    authority = (store.path / 'certs' / 'ca.pem').read_bytes()
    contains(store.error('regenerate-certs', '-f', '--client-certs', 'nobody'), '"nobody" does not exist', 'unknown')
    equal((store.path / 'certs' / 'ca.pem').read_bytes(), authority, 'ca.pem')
    contains(store.error('provision'), 'on machine "default"', 'provision')


@story.test('a port that is taken: the next free one, at create and at start')
def ports(store):
    used = store.config('default')['Driver']
    with listener(used['EnginePort'] + 1):
        store.run('create', '--qemu-docker-port', used['EnginePort'], 'second')
    second = store.config('second')['Driver']
    # Not the two that are taken; how much further depends on what else runs on this host.
    assert used['EnginePort'] + 2 <= second['EnginePort'] < used['EnginePort'] + 50, second
    assert second['SSHPort'] != used['SSHPort'], second
    store.run('stop', 'second')
    with listener(second['EnginePort']):
        contains(store.run('start', 'second').stderr, f"port {second['EnginePort']} of 127.0.0.1 is taken", 'start')
    assert store.config('second')['Driver']['EnginePort'] > second['EnginePort']
    contains(store.out('url', 'second'), str(store.config('second')['Driver']['EnginePort']), 'url')


@story.test('a stopped machine\'s ports are not given to another')
def reserved_ports(store):
    store.run('kill', 'second')
    store.run('create', 'third')
    mine = store.config('third')['Driver']
    others = [store.config(name)['Driver'][port] for name in ('default', 'second') for port in ('SSHPort', 'EnginePort')]
    assert mine['EnginePort'] not in others and mine['SSHPort'] not in others, (mine, others)


@story.test('ls in natural order, filters by name, driver, state and label')
def filters(store):
    for name in ('m10', 'm2', 'M1'):
        store.run('create', '--engine-label', f'who={name}', name)
    store.run('kill', 'm10')
    equal(store.out('ls', '-q').split(), ['default', 'M1', 'm2', 'm10', 'second', 'third'], 'order')
    equal(store.out('ls', '-q', '--filter', 'name=^m[0-9]').split(), ['m2', 'm10'], 'name')
    equal(store.out('ls', '-q', '--filter', 'name=m2', '--filter', 'name=M1').split(), ['M1', 'm2'], 'two names')
    equal(store.out('ls', '-q', '--filter', 'state=stopped', '--filter', 'name=m').split(), ['m10'], 'state')
    equal(store.out('ls', '-q', '--filter', 'label=who=m2').split(), ['m2'], 'label')
    equal(store.out('ls', '-q', '--filter', 'driver=virtualbox'), '', 'driver')
    equal(store.error('ls', '--filter', 'colour=red'), "Unsupported filter key 'colour'", 'key')
    contains(store.error('ls', '--filter', 'name=['), '--filter name=[', 'regular expression')


@story.test('a command works on several machines at the same time; an unknown one among them: nothing is done')
def several(store):
    contains(store.error('stop', 'm2', 'nobody'), '"nobody" does not exist', 'an unknown one')
    equal(store.out('status', 'm2'), 'Running\n', 'status')
    lines = store.out('stop', 'm2', 'M1').splitlines()
    equal(sorted(lines), sorted(['Stopping "m2"...', 'Stopping "M1"...', 'Machine "m2" was stopped.',
                                 'Machine "M1" was stopped.']), 'stop')
    equal(store.out('ip', 'default', 'third'), '127.0.0.1\n' * 2, 'ip')


@story.test('a damaged config.json is shown in ERRORS and hurts no other machine')
def damaged(store):
    (store.machine('m2') / 'config.json').write_text('{"ConfigVersion": 3, "Driv')
    (store.machine('M1') / 'config.json').unlink()
    lines = {line.split()[0]: line for line in store.out('ls').splitlines()}
    contains(lines['m2'], 'Error', 'state')
    contains(lines['m2'], 'machine "m2" is damaged', 'ERRORS')
    contains(lines['M1'], 'machine "M1" is damaged', 'ERRORS of a machine without config.json')
    contains(lines['default'], 'Running', 'another machine')
    contains(store.error('status', 'm2'), 'rm -f m2', 'status')
    contains(store.error('rm', '-y', 'm2'), 'is damaged', 'rm without -f')
    assert store.machine('m2').exists()


@story.test('rm -f removes a damaged machine, and ends the QEMU that it left running')
def remove_damaged(store):
    equal(store.out('rm', '-f', 'm2', 'M1'), 'Successfully removed m2\nSuccessfully removed M1\n', 'rm -f')
    pid = store.pid('third')
    (store.machine('third') / 'config.json').write_text('[]')
    store.run('rm', '-f', 'third')
    assert not alive(pid), 'QEMU runs on'
    equal([name for name in ('m2', 'M1', 'third') if store.machine(name).exists()], [], 'folders')


@story.test('a driver that we do not have is named; the machine can be listed, and removed with -f')
def foreign_driver(store):
    config = store.config('m10')
    config['DriverName'] = 'parallels'
    (store.machine('m10') / 'config.json').write_text(json.dumps(config))
    contains(store.error('start', 'm10'), 'Driver "parallels" not found', 'start')
    contains(store.out('ls'), 'Driver "parallels" not found', 'ls')
    store.run('rm', '-f', 'm10')


@story.test('rm asks; only a yes removes; delete is the same')
def remove(store):
    printed = store.run('rm', 'second', stdin='n\n').stdout
    equal(printed, 'About to remove second\nWARNING: This action will delete both local reference and remote instance.\n'
          'Are you sure? (y/n): ', 'question')
    assert store.machine('second').exists(), 'removed after a no'
    contains(store.out('rm', 'second', stdin='y\n'), 'Successfully removed second\n', 'yes')
    assert not store.machine('second').exists(), 'still there after a yes'
    contains(store.error('delete', '-y', 'second'), 'Docker machine "second" does not exist.', 'delete')


@story.test('kill never hits a stranger that has the pid now')
def stranger(store):
    store.run('kill')
    with subprocess.Popen(['sleep', '600']) as bystander:
        (store.machine('default') / 'qemu.pid').write_text(f'{bystander.pid}\n')
        equal(store.out('status'), 'Stopped\n', 'status')
        contains(store.out('kill'), 'is already stopped', 'kill')
        assert alive(bystander.pid), 'the stranger was killed'
        bystander.kill()


@story.test('a stale pid file of a dead process, or rubbish in it, means stopped')
def stale_pid(store):
    for text in ('4194303\n', 'rubbish', '', '-1\n', '1\n'):
        (store.machine('default') / 'qemu.pid').write_text(text)
        equal(store.out('status'), 'Stopped\n', repr(text))
    store.run('start')


@story.test('a QEMU that hears nothing is killed all the same')
def stubborn(store):
    store.run('kill')
    store.run('start', FAKE_QEMU='stubborn')
    pid = store.pid('default')
    store.run('kill')
    assert not alive(pid), 'it lives'


@story.test('a QMP socket that is silent: Timeout in bounded time, and kill works')
def silent(store):
    (store.machine('default') / 'qmp.sock').unlink(missing_ok=True)  # of the one before
    process = store.start('start', FAKE_QEMU='silent')
    within(30, 'QEMU', lambda: (store.machine('default') / 'qmp.sock').exists())
    process.kill()
    process.communicate()

    def line():
        return next(line for line in store.out('ls', '-t', '1').splitlines() if line.startswith('default'))
    within(30, 'silence', lambda: 'Timeout' in line())
    begin = time.monotonic()
    contains(line(), 'Timeout', 'ls')
    took = time.monotonic() - begin
    assert took < 10, f'ls took {took:.1f} s, and its timeout is 1 s'
    pid = store.pid('default')
    store.run('kill')
    assert not alive(pid), 'it lives'


@story.test('a socket that speaks something else: Error, and kill works')
def garbage(store):
    store.run('start', FAKE_QEMU='garbage')
    equal(store.out('status'), 'Error\n', 'status')
    store.run('kill')
    equal(store.out('status'), 'Stopped\n', 'status after kill')


@story.test('a machine that stops while it boots: create fails at once, shows the console, leaves nothing')
def dies(store):
    begin = time.monotonic()
    said = store.error('create', 'mayfly', FAKE_QEMU='no-engine')
    contains(said, 'machine "mayfly" stopped by itself', 'error')
    contains(said, 'the guest says hello', 'console')
    assert time.monotonic() - begin < 20, 'it waited in vain'
    assert not store.machine('mayfly').exists(), 'something half-made stays'


@story.test('a guest whose kernel panics: create says so at once')
def panics(store):
    contains(store.error('create', 'mayfly', FAKE_QEMU='panic'), 'the kernel of machine "mayfly" panicked', 'error')
    assert not store.machine('mayfly').exists(), 'something half-made stays'


@story.test('a QEMU that does not start: its reason, exit 1, nothing left')
def does_not_start(store):
    contains(store.error('create', 'broken', FAKE_QEMU='fail'), 'cannot do that here', 'error')
    assert not store.machine('broken').exists(), 'something half-made stays'


@story.test('an image that is none, or has no kernel, is refused; nothing is left')
def bad_image(store):
    empty_iso = store.folder / 'empty.iso'
    (store.folder / 'nothing').mkdir()
    (store.folder / 'nothing' / 'readme').write_text('hello')
    make_iso(empty_iso, store.folder / 'nothing')
    contains(store.error('create', '--qemu-boot2docker-url', empty_iso, 'x'), 'has no /boot/vmlinuz', 'no kernel')
    contains(store.error('create', '--qemu-boot2docker-url', '/etc/passwd', 'x'), 'not an ISO image', 'no ISO')
    contains(store.error('create', '--qemu-boot2docker-url', 'ftp://x.example/b.iso', 'x', status=3), 'cannot fetch', 'URL')
    assert not store.machine('x').exists(), 'something half-made stays'


@story.test('an image may be a folder with kernel and initrd, or a file:// URL')
def folder_image(store):
    store.run('create', '--qemu-boot2docker-url', store.folder / 'tree' / 'boot', 'plain')
    equal((store.machine('plain') / 'system' / 'initrd.img').read_bytes(), (store.folder / 'tree/boot/initrd.img').read_bytes(), 'initrd')
    store.run('rm', '-y', 'plain')
    store.run('create', '--qemu-boot2docker-url', f'file://{store.iso}', 'plain')
    equal((store.machine('plain') / 'system' / 'vmlinuz').read_bytes(), (store.folder / 'tree/boot/vmlinuz').read_bytes(), 'kernel')
    store.run('rm', '-y', 'plain')


def creating(store, name):
    """A create that waits for an engine that never answers."""
    process = store.start('create', '--qemu-docker-port', '0', name, FAKE_QEMU='silent-engine')
    # The file is there, empty, before QEMU is.
    path = store.machine(name) / 'qemu.pid'
    within(20, 'QEMU of the machine', lambda: path.exists() and path.read_text().strip())
    return process, store.pid(name)


@story.test('an engine that never answers: a bounded wait, then what was waited for, and nothing is left')
def never_answers(store):
    said = store.error('create', 'mute', FAKE_QEMU='silent-engine', B2D_READY_TIMEOUT='2')
    contains(said, 'the engine of machine "mute" did not answer within ', 'error')
    contains(said, 'the guest says hello', 'console')
    assert not store.machine('mute').exists(), 'something half-made stays'


@story.test('Ctrl-C during create: QEMU is ended and nothing half-made stays')
def interrupted(store):
    process, pid = creating(store, 'halfway')
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    equal(process.returncode, 1, 'exit status')
    contains(said, 'interrupted', 'error')
    assert not store.machine('halfway').exists(), 'something half-made stays'
    assert not alive(pid), 'QEMU runs on'


@story.test('create killed outright: rm removes what is left, with its QEMU')
def killed(store):
    process, pid = creating(store, 'halfway')
    process.kill()
    process.communicate()
    store.run('rm', '-y', 'halfway')
    assert not store.machine('halfway').exists() and not alive(pid), 'something is left'


@story.test('two starts at once start one QEMU; the lock of a killed command does not stay')
def lock(store):
    processes = [store.start('start', 'default') for _ in range(3)]
    outputs_ = [process.communicate(timeout=60)[0] for process in processes]
    equal([process.returncode for process in processes], [0, 0, 0], 'exit codes')
    equal(sum('was started' in text for text in outputs_), 1, 'how many started it')
    equal(store.out('status'), 'Running\n', 'status')


@story.test('a store path longer than a socket address may be, with commas, works')
def long_path(store):
    deep = store.folder / ('d' * 60 + ',x=y') / ('e' * 60)
    store.run('-s', deep, 'create', 'far')
    equal(store.out('-s', deep, 'status', 'far'), 'Running\n', 'status')
    store.run('-s', deep, 'stop', 'far')
    store.run('-s', deep, 'rm', '-y', 'far')


@story.test('-D prints every command that is run, so a test can see QEMU\'s command line')
def debug(store):
    store.run('stop')
    said = store.run('-D', 'start').stderr
    contains(said, 'hostfwd=tcp:127.0.0.1:', 'QEMU')
    contains(said, '-append ', 'kernel command line')
    assert 'PRIVATE KEY' not in said, 'a secret is printed'


@story.test('a certificate that is about to expire is renewed by start, with the same CA, and the profile stays')
def renewal(store):
    store.run('stop')
    folder = store.machine('default')
    (folder / 'server.pem').write_bytes((store.path / 'certs' / 'cert.pem').read_bytes())
    profile = folder / 'fake-guest' / 'profile'
    profile.write_text('# mine\n')
    contains(store.out('start'), 'Renewing the server certificate', 'start')
    equal(profile.read_text(), '# mine\n', 'profile')
    equal(store.out('version', 'default'), '26.1.5\n', 'the engine over TLS')


with tempfile.TemporaryDirectory() as temporary:
    status_ = story.run(Store(temporary))
finish(status_)
