# SPDX-License-Identifier: Apache-2.0
"""A machine as its user has it: made and driven by our own boot2docker command, in a store of the test's own."""
import http.client
import io
import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tap import PATIENCE, contains, equal, within

BUILD = Path(os.environ.get('B2D_BUILD', 'build')).resolve()
IMAGE = Path(os.environ.get('B2D_IMAGE', BUILD / 'image')).resolve()
BOOT2DOCKER = BUILD / 'src' / 'machine' / 'boot2docker'
BUSYBOX = '/bin/busybox'


def run(*command, check=True, timeout=120, **options):
    """Runs a command; returns what subprocess.run does, with text output. A failure shows what it printed."""
    command = [str(word) for word in command]
    options.setdefault('stdin', subprocess.DEVNULL) if 'input' not in options else None
    text = not isinstance(options.get('input'), bytes)
    try:
        result = subprocess.run(command, capture_output=True, text=text, timeout=timeout * PATIENCE,
                                check=False, **options)
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f'{" ".join(command)}: still running after {timeout} s: '
                             f'{late.stdout!r} {late.stderr!r}') from None
    if check and result.returncode != 0:
        raise AssertionError(f'{" ".join(command)}: exit {result.returncode}: {result.stdout!r} {result.stderr!r}')
    return result


def busybox_tar():
    """A container image's tree as a tar: Debian's static busybox and links to the applets that the tests use."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as tar:
        entry = tar.gettarinfo(BUSYBOX, 'bin/busybox')
        entry.mode, entry.uid, entry.gid = 0o755, 0, 0
        with open(BUSYBOX, 'rb') as stream:
            tar.addfile(entry, stream)
        for name in ('sh', 'echo', 'cat', 'sleep', 'true', 'wget', 'httpd', 'sync'):
            entry = tarfile.TarInfo(f'bin/{name}')
            entry.type, entry.linkname = tarfile.SYMTYPE, 'busybox'
            tar.addfile(entry)
    return out.getvalue()


def check_clean(raw, kind=None):
    """e2fsck, which changes nothing, finds the data partition of a raw disk clean: no journal to replay, no error. It is the
    first one, or the one of this type."""
    table = json.loads(run('sfdisk', '--json', raw).stdout)['partitiontable']
    data = next(partition for partition in table['partitions'] if kind in (None, partition['type']))
    offset = data['start'] * table.get('sectorsize', 512)
    header = run('dumpe2fs', '-h', f'{raw}?offset={offset}').stdout
    contains(header, 'boot2docker-data', 'label of the data partition')
    state = re.search(r'^Filesystem state: *(.*)$', header, re.MULTILINE)
    equal(state and state.group(1), 'clean', 'state of the file system')
    assert 'needs_recovery' not in header, 'the journal was not written back'
    checked = run('e2fsck', '-f', '-n', f'{raw}?offset={offset}', check=False)
    equal(checked.returncode, 0, f'e2fsck: {checked.stdout[-500:]}')


def free_port():
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def resident_memory(pid):
    """MB of a guest's memory, which is its QEMU's largest mapping, that the host has given."""
    text = Path(f'/proc/{int(pid)}/smaps').read_text()
    mappings = re.findall(r'^Size: +(\d+) kB\n(?:.*\n)*?Rss: +(\d+) kB', text, re.MULTILINE)
    return max((int(size), int(rss)) for size, rss in mappings)[1] >> 10


class Machine:
    """One machine in a store below a temporary folder; `with` removes both."""

    def __init__(self, name='default'):
        self.name = name
        self.store = Path(tempfile.mkdtemp(prefix='b2d-vm-'))
        self.folder = self.store / 'machines' / name
        # The docker contexts that create makes are the test's own, too.
        self.environment = dict(os.environ, MACHINE_STORAGE_PATH=str(self.store), DOCKER_CONFIG=str(self.store / 'docker'))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # tools/with-vms, which every VM test runs below, ends the machine itself.
        self.command('kill', self.name, check=False)
        shutil.rmtree(self.store, ignore_errors=True)

    def command(self, *words, **options):
        """Runs `boot2docker WORDS…`."""
        return run(BOOT2DOCKER, *words, env=self.environment, **options)

    def create(self, *flags):
        """Makes the machine from the image that was built."""
        return self.command('create', '--driver', 'qemu', '--qemu-cpu-count', '2', '--qemu-boot2docker-url',
                            IMAGE / 'boot2docker.iso', *flags, self.name, timeout=400)

    def ssh(self, *words, **options):
        """Runs a command in the machine, over SSH, and returns its output."""
        return self.command('ssh', self.name, *words, **options).stdout

    def check_held(self, folder, image, name):
        """A container that was given a shared folder keeps the machine from being saved, and is named. Returns what it then reads from
        a file in it."""
        held = self.docker('run', '-d', '-v', f'{folder}:/held', image, '/bin/sleep', '1000').strip()
        refused = self.command('save', self.name, check=False)
        assert refused.returncode == 1 and f'used by container {held[:12]}' in refused.stderr, f'save: {refused}'
        assert self.command('status', self.name).stdout == 'Running\n', 'it runs no more'
        content = self.docker('exec', held, '/bin/cat', f'/held/{name}')
        self.docker('rm', '-f', held)
        return content

    def check_reboot(self):
        """Reboots it from within and waits for its engine; it stays the same process of the host's."""
        identifier = 'cat /proc/sys/kernel/random/boot_id'
        process, boot = (self.folder / 'qemu.pid').read_text(), self.ssh(identifier)
        self.ssh('sudo reboot', check=False)
        within(120, 'another boot', lambda: self.ssh(identifier, check=False) not in ('', boot))
        equal((self.folder / 'qemu.pid').read_text(), process, 'process of the host')
        within(60, 'the engine', lambda: self.docker('info', '--format', '{{.ID}}', check=False).strip())

    def variables(self):
        """What `env` sets, by name."""
        lines = self.command('env', '--shell', 'sh', self.name).stdout
        return dict(re.findall(r'^export (\w+)="(.*)"$', lines, re.MULTILINE))

    def docker(self, *words, **options):
        """Runs a docker command against the engine: the host's client over TLS, or the guest's own over SSH."""
        if shutil.which('docker'):
            environment = dict(os.environ, **self.variables(), DOCKER_CONFIG=str(self.store))
            return run('docker', *words, env=environment, **options).stdout
        return self.ssh('docker', *map(shlex.quote, words), **options)

    def import_busybox(self, tag):
        """Makes a container image of busybox, without any registry."""
        self.docker('import', '-', tag, input=busybox_tar(), timeout=180)

    def address(self):
        """Host and port of the engine."""
        url = self.command('url', self.name).stdout.strip()
        match = re.fullmatch(r'tcp://([0-9.]+):(\d+)', url)
        assert match, f'url printed {url!r}'
        return match.group(1), int(match.group(2))

    def tls(self, certificate=None, key=None):
        """A context that trusts the machine's CA and shows the given client certificate, if any."""
        context = ssl.create_default_context(cafile=str(self.folder / 'ca.pem'))
        if certificate:
            context.load_cert_chain(str(certificate), str(key))
        return context

    def ask(self, path, context):
        """GET over TLS: the HTTP status and the body. Raises OSError when there is no answer."""
        host, port = self.address()
        connection = http.client.HTTPSConnection(host, port, timeout=20, context=context)
        try:
            connection.request('GET', path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f'no HTTP answer: {error!r}') from error
        finally:
            connection.close()

    def engine_version(self):
        """The engine's version, asked for with the machine's own client certificate."""
        status, body = self.ask('/version', self.tls(self.folder / 'cert.pem', self.folder / 'key.pem'))
        equal(status, 200, 'status of GET /version')
        return json.loads(body)['Version']

    def console(self, lines=40):
        """The last lines of the console's log."""
        path = self.folder / 'console.log'
        if not path.exists():
            return f'there is no {path}'
        return '\n'.join(path.read_text(errors='replace').splitlines()[-lines:])
