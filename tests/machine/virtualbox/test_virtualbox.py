#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The VirtualBox driver as scripts see it, with stand-ins for VBoxManage and ssh that say what the real ones say."""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / 'vm'))
from tap import Story, contains, equal, finish, within  # noqa: E402

COMMAND = Path(os.environ['B2D_BUILD']).resolve() / 'src' / 'machine' / 'docker-machine'
IP = f'127.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250}.100'  # nobody else's on this host
CREATE = ('create', '-d', 'virtualbox', '--virtualbox-no-vtx-check')
story = Story()


class Host:
    """A host with VirtualBox: a store, an ISO, a home, and the stand-ins first on PATH."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.store = self.folder / 'store'
        self.stub = self.folder / 'vbox'
        (self.folder / 'home' / '.ssh').mkdir(parents=True)
        self.stub.mkdir()
        self.iso = self.folder / 'boot2docker.iso'
        self.iso.write_bytes(os.urandom(100000))
        self.set({'vms': {}, 'interfaces': {}, 'dhcp': {}, 'quirks': {'banner': True}})
        self.environment = {'PATH': f'{HERE}:{os.environ["PATH"]}', 'HOME': str(self.folder / 'home'), 'VBOX_STUB': str(self.stub),
                            'VBOX_STUB_IP': IP, 'MACHINE_STORAGE_PATH': str(self.store), 'B2D_ISO': str(self.iso), 'LANG': 'de_DE'}

    def run(self, *words, status=0, **extra):
        """Runs the command; another exit status than `status` fails the test."""
        result = subprocess.run([str(COMMAND), *map(str, words)], capture_output=True, text=True, timeout=120, check=False,
                                stdin=subprocess.DEVNULL, env={**self.environment, **extra})
        assert result.returncode == status, f'{words}: exit {result.returncode}: {result.stdout!r} {result.stderr!r}'
        return result

    def out(self, *words, **options):
        return self.run(*words, **options).stdout

    def error(self, *words, status=1, **options):
        return self.run(*words, status=status, **options).stderr.rstrip('\n')

    def get(self):
        return json.loads((self.stub / 'state.json').read_text())

    def set(self, state):
        (self.stub / 'state.json').write_text(json.dumps(state))

    def quirk(self, **quirks):
        state = self.get()
        state['quirks'].update(quirks)
        self.set(state)

    def vm(self, name='m'):
        return self.get()['vms'][name]

    def calls(self):
        """What VBoxManage was told since the last time."""
        log = self.stub / 'calls.log'
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def config(self, name='m'):
        return json.loads((self.store / 'machines' / name / 'config.json').read_text())

    def guest(self, name='m'):
        return self.stub / f'guest-{name}'


@story.test('pre-create checks fail with 3: no VBoxManage, one too old, no VT-x, a flag that makes no sense')
def precreate(host):
    bare = str(host.folder / 'bare')
    os.makedirs(bare)
    contains(host.error('create', '-d', 'virtualbox', 'm', status=3, PATH=bare), 'VBoxManage is not installed', 'none')
    host.quirk(old=True)
    contains(host.error(*CREATE, 'm', status=3), 'VirtualBox 4.3.40r110317 is too old: version 5 or newer', 'old')
    host.quirk(old=False)
    if not re.search(r'^flags\s*:.*\b(vmx|svm)\b', Path('/proc/cpuinfo').read_text(), re.M):
        contains(host.error('create', '-d', 'virtualbox', 'm', status=3),
                 "This computer doesn't have VT-X/AMD-v enabled. Enabling it in the BIOS is mandatory", 'VT-x')
    for flag, value, part in (('ui-type', 'curses', 'it is one of gui, sdl, headless, separate'),
                              ('hostonly-nicpromisc', 'yes', 'it is one of deny, allow-vms, allow-all'),
                              ('hostonly-cidr', '192.168.99.1', 'give the host\'s address and a prefix'),
                              ('hostonly-cidr', '192.168.99.0/24', 'not a network address'),
                              ('hostonly-cidr', '192.168.99.1/33', 'give the host\'s address and a prefix')):
        contains(host.error(*CREATE, f'--virtualbox-{flag}', value, 'm', status=3), part, flag)
    assert not (host.store / 'machines' / 'm').exists(), 'a machine was made'


@story.test('no driver named: VirtualBox where it is installed and QEMU is not, else QEMU')
def default_driver(host):
    bare = str(host.folder / 'bare')
    contains(host.error('create', '--virtualbox-ui-type', 'curses', 'm', status=3, PATH=f'{HERE}:{bare}'), '--virtualbox-ui-type',
             'VirtualBox alone')
    contains(host.error('create', 'm', status=3, PATH=bare), 'qemu-system-x86_64 is not installed', 'neither')
    (host.folder / 'bare' / 'qemu-system-x86_64').symlink_to('/bin/true')
    contains(host.error('create', '--qemu-network', 'none', 'm', status=3, PATH=f'{HERE}:{bare}'), '--qemu-network', 'both')


@story.test('create makes the VM as Docker Machine does, and ends when its engine answers over TLS', vital=True)
def create(host):
    host.calls()
    share = host.folder / 'shared folder'
    share.mkdir()
    result = host.run(*CREATE, '--virtualbox-memory', '2048', '--virtualbox-cpu-count', '2', '--virtualbox-share-folder',
                      f'{share}:work', '--engine-label', 'a=b', 'm')
    contains(result.stdout + result.stderr, 'run: docker-machine env m', 'hint')
    vm = host.vm()
    for key, value in {'memory': '2048', 'cpus': '2', 'ostype': 'Linux26_64', 'nic1': 'nat', 'nic2': 'hostonly', 'boot1': 'dvd',
                       'nictype1': '82540EM', 'nicpromisc2': 'deny', 'natdnsproxy1': 'on', 'natdnshostresolver1': 'off',
                       'controller': 'SATA', 'hpet': 'on', 'ioapic': 'on', 'rtcuseutc': 'on'}.items():
        equal(vm['settings'].get(key), value, key)
    folder = host.store / 'machines' / 'm'
    equal(vm['media'], {'0': str(folder / 'boot2docker.iso'), '1': str(folder / 'disk.vmdk')}, 'media')
    equal(vm['shares'], {'work': [str(share), True]}, 'shares')
    equal(vm['extra'], {'VBoxInternal2/SharedFoldersEnableSymlinksCreate/work': '1'}, 'symbolic links')
    equal(vm['properties'], {'/VirtualBox/GuestAdd/SharedFolders/MountPrefix': '/',
                             '/VirtualBox/GuestAdd/SharedFolders/MountDir': '/'}, 'guest properties')
    equal(vm['type'], 'headless', 'user interface')
    disk = (folder / 'disk.vmdk').read_bytes()
    assert disk.startswith(b'boot2docker, please format-me\0'), 'the disk has no magic'
    contains(disk.decode('latin-1'), (folder / 'id_rsa.pub').read_text(), 'disk')
    equal((folder / 'disk.vmdk.size').read_text(), str(20000 << 20), 'size of the disk')
    equal((folder / 'boot2docker.iso').read_bytes(), host.iso.read_bytes(), 'ISO')
    assert not (folder / 'provision.tar').exists(), 'a key is left in a file'


@story.test('a network that VirtualBox does not allow: 192.168.59.1/24 instead, said and remembered; its DHCP server fits')
def fallback(host):
    equal(host.get()['interfaces'], {'vboxnet0': ['192.168.59.1', '255.255.255.0']}, 'interfaces')
    equal(host.get()['dhcp'], {'HostInterfaceNetworking-vboxnet0': [
        '--netname', 'HostInterfaceNetworking-vboxnet0', '--ip', '192.168.59.2', '--netmask', '255.255.255.0', '--lowerip',
        '192.168.59.100', '--upperip', '192.168.59.254', '--enable']}, 'DHCP servers')
    equal(host.config()['Driver']['HostOnlyCIDR'], '192.168.59.1/24', 'config.json')
    equal(host.vm()['settings']['hostonlyadapter2'], 'vboxnet0', 'adapter')


@story.test('the guest is given certificates for its own address, profile and name, and its engine is restarted with them')
def provisioned(host):
    guest = host.guest()
    contains((guest / 'profile').read_text(), '--label a=b', 'profile')
    contains((guest / 'profile').read_text(), 'provider=virtualbox', 'profile')
    equal((guest / 'etc' / 'hostname').read_text(), 'm\n', 'hostname')
    names = subprocess.run(['openssl', 'x509', '-in', guest / 'server.pem', '-noout', '-ext', 'subjectAltName'], check=True,
                           capture_output=True, text=True).stdout
    contains(names, f'IP Address:{IP}', 'names of the certificate')
    assert (guest / 'restarted').exists(), 'the engine was not restarted'
    last = [json.loads(line)[-1] for line in (host.stub / 'ssh.log').read_text().splitlines()][-1]
    contains(last, 'sudo /usr/bin/sethostname m &&', 'command')


@story.test('ip, url, status, ls, config, env and ssh know the two ways to the machine')
def queries(host):
    equal(host.out('ip', 'm'), f'{IP}\n', 'ip')
    equal(host.out('url', 'm'), f'tcp://{IP}:2376\n', 'url')
    equal(host.out('status', 'm'), 'Running\n', 'status')
    equal(host.out('ls', '--format', '{{.Name}} {{.DriverName}} {{.State}} {{.URL}} {{.DockerVersion}}'),
          f'm virtualbox Running tcp://{IP}:2376 v26.1.5\n', 'ls')
    contains(host.out('env', 'm'), f'export DOCKER_HOST="tcp://{IP}:2376"\n', 'env')
    port = host.vm()['forwards']['ssh'].split(',')[3]
    equal(host.vm()['forwards'], {'ssh': f'ssh,tcp,127.0.0.1,{port},,22'}, 'forward')
    equal(host.out('ssh', 'm', 'uname -a'), 'docker@127.0.0.1: uname -a\n', 'ssh')
    equal(host.config()['Driver']['SSHPort'], int(port), 'port in config.json')


@story.test('a machine that runs is not started twice')
def twice(host):
    contains(host.out('start', 'm'), 'Machine "m" is already running.', 'start')


@story.test('stop presses the power button, again when the guest does not hear it, and waits')
def stop(host):
    host.quirk(deaf=1)
    host.calls()
    host.run('stop', 'm')
    equal(host.vm()['VMState'], 'poweroff', 'state')
    equal(host.vm()['presses'], 2, 'presses')
    assert not any(call[:1] == ['controlvm'] and call[2] == 'poweroff' for call in host.calls()), 'the power was cut'
    host.quirk(deaf=0)
    contains(host.out('stop', 'm'), 'Machine "m" is already stopped.', 'stop again')
    equal(host.error('ip', 'm'), 'Host is not running', 'ip')


@story.test('start makes a lost network again, moves from a port that is taken, and keeps the certificate that still fits')
def restart(host):
    state = host.get()
    state['interfaces'] = {}
    host.set(state)
    certificate = (host.store / 'machines' / 'm' / 'server.pem').read_bytes()
    port = host.config()['Driver']['SSHPort']
    (host.guest() / 'profile').write_text('# mine\n')
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(('127.0.0.1', port))
        taken.listen()
        result = host.run('start', 'm')
    contains(result.stdout + result.stderr, f'port {port} of 127.0.0.1 is taken', 'start')
    equal(list(host.get()['interfaces']), ['vboxnet0'], 'interfaces')
    assert host.config()['Driver']['SSHPort'] != port, 'the port is the old one'
    equal(host.vm()['forwards'], {'ssh': f'ssh,tcp,127.0.0.1,{host.config()["Driver"]["SSHPort"]},,22'}, 'forwards')
    equal((host.store / 'machines' / 'm' / 'server.pem').read_bytes(), certificate, 'certificate')
    equal((host.guest() / 'profile').read_text(), '# mine\n', 'the profile')
    equal(len(host.get()['dhcp']), 1, 'DHCP servers')


@story.test('a port that is taken just before the forward is made: VirtualBox says nothing, we see it and move')
def stolen(host):
    host.run('stop', 'm')
    host.quirk(steal=1)
    port = host.config()['Driver']['SSHPort']
    result = host.run('start', 'm')
    contains(result.stdout + result.stderr, f'VirtualBox does not listen on port {port}', 'start')
    assert host.config()['Driver']['SSHPort'] > port, 'the port is the old one'
    equal(host.out('status', 'm'), 'Running\n', 'status')


@story.test('another address at the next start: a new certificate from the same CA, in the machine and here; the profile stays')
def readdressed(host):
    host.run('stop', 'm')
    other = IP.rsplit('.', 1)[0] + '.101'
    host.environment['VBOX_STUB_IP'] = other
    host.run('start', 'm')
    equal(host.out('ip', 'm'), f'{other}\n', 'ip')
    equal((host.guest() / 'server.pem').read_bytes(), (host.store / 'machines' / 'm' / 'server.pem').read_bytes(), 'certificate')
    equal((host.guest() / 'profile').read_text(), '# mine\n', 'the profile')
    host.run('env', 'm')


@story.test('paused and saved are told, and start takes the machine up again')
def resume(host):
    for verb, state in (('pause', 'Paused'), ('savestate', 'Saved')):
        subprocess.run([HERE / 'VBoxManage', 'controlvm', 'm', verb], env=host.environment, check=True, capture_output=True)
        equal(host.out('status', 'm'), f'{state}\n', 'status')
        if state == 'Saved':
            contains(host.error('stop', 'm'), 'is saved', 'stop of a saved one')
        host.calls()
        host.run('start', 'm')
        equal(host.out('status', 'm'), 'Running\n', 'status')
        assert not any(call[0] == 'hostonlyif' for call in host.calls()), 'the network of a frozen machine was changed'
    equal(host.out('save', 'm'), 'Saving "m"...\nMachine "m" was saved.\n', 'save')
    equal(host.out('status', 'm'), 'Saved\n', 'status')
    host.run('start', 'm')
    host.quirk(assertion='saved')
    contains(host.run('save', 'm').stderr, 'has saved machine "m", but says: ', 'a failure when all is done')
    equal(host.out('status', 'm'), 'Saved\n', 'status')
    host.run('start', 'm')
    host.quirk(assertion='aborted')
    contains(host.error('save', 'm'), 'start m" boots it from its disk', 'a machine that is lost')
    host.run('start', 'm')
    host.quirk(assertion='running')
    contains(host.error('save', 'm'), 'machine "m" is not saved; look at it with', 'a machine that runs on')


@story.test('a paused machine can be stopped')
def stop_paused(host):
    subprocess.run([HERE / 'VBoxManage', 'controlvm', 'm', 'pause'], env=host.environment, check=True, capture_output=True)
    host.run('stop', 'm')
    equal(host.out('status', 'm'), 'Stopped\n', 'status')


@story.test('kill cuts the power, and rm unregisters the VM even when it is still locked for a moment')
def remove(host):
    host.run('start', 'm')
    host.run('kill', 'm')
    equal(host.vm()['VMState'], 'poweroff', 'state')
    host.quirk(locked=2)
    host.run('rm', '-y', 'm')
    equal([host.get()['vms'], host.get()['discs']], [{}, []], 'VMs and discs')
    assert not (host.store / 'machines' / 'm').exists(), 'the folder is left'


@story.test("a VM of the same name that is somebody else's is not touched")
def stranger(host):
    subprocess.run([HERE / 'VBoxManage', 'createvm', '--basefolder', host.folder / 'elsewhere', '--name', 'theirs', '--register'],
                   env=host.environment, check=True, capture_output=True)
    message = host.error(*CREATE, 'theirs')
    contains(message, 'already exists', 'create')
    assert 'theirs' in host.get()['vms'], 'a stranger was removed'
    assert not (host.store / 'machines' / 'theirs').exists(), 'the folder is left'
    damaged = host.store / 'machines' / 'theirs'
    damaged.mkdir()
    (damaged / 'config.json').write_text('{')
    host.run('rm', '-f', 'theirs')
    assert 'theirs' in host.get()['vms'], 'rm -f of a damaged machine removed a stranger'


@story.test('a VM that is gone from VirtualBox: said, with what to do, and rm works')
def gone(host):
    host.run(*CREATE, '--virtualbox-no-share', 'lost')
    equal(host.vm('lost')['shares'], {}, 'shares')
    state = host.get()
    del state['vms']['lost']
    host.set(state)
    contains(host.error('status', 'lost'), 'VirtualBox has no VM of machine "lost" (any more); "docker-machine rm lost"', 'status')
    contains(host.out('ls', '--format', '{{.Name}} {{.State}} {{.Error}}'), 'lost Error VirtualBox has no VM', 'ls')
    host.run('rm', '-y', 'lost')


@story.test('two machines share a network; one without DHCP turns the server off; networks that are allowed are taken')
def networks(host):
    host.quirk(**{'all-allowed': True})
    host.run(*CREATE, '--virtualbox-hostonly-cidr', '10.77.1.5/16', '--virtualbox-hostonly-no-dhcp', 'a')
    host.run('kill', 'a')  # both guests have the same address here
    host.run(*CREATE, '--virtualbox-hostonly-cidr', '10.77.1.5/16', '--virtualbox-hostonly-nictype', 'virtio', 'b')
    adapters = {host.vm(name)['settings']['hostonlyadapter2'] for name in 'ab'}
    equal(len(adapters), 1, 'adapters')
    equal(host.get()['interfaces'][adapters.copy().pop()], ['10.77.1.5', '255.255.0.0'], 'address')
    server = host.get()['dhcp'][f'HostInterfaceNetworking-{adapters.pop()}']
    equal(server[-1], '--enable', 'the second machine wants DHCP')
    contains(' '.join(server), '--ip 10.77.0.2 --netmask 255.255.0.0 --lowerip 10.77.0.100 --upperip 10.77.255.254', 'range')
    equal(host.vm('b')['settings']['nictype2'], 'virtio', 'card')
    host.run('rm', '-f', 'a', 'b')
    equal(host.get()['vms'].keys(), {'theirs'}, 'VMs')


@story.test('an old boot2docker-vm is imported: its disk, key, memory and processors; it must be off')
def imported(host):
    disk = host.folder / 'old.vmdk'
    disk.write_bytes(b'old data')
    for ending in ('', '.pub'):
        (host.folder / 'home' / '.ssh' / f'id_boot2docker{ending}').write_text(f'old key{ending}\n')
    state = host.get()
    state['vms']['boot2docker-vm'] = dict(state['vms']['theirs'], VMState='running', media={'1': str(disk)},
                                          settings={'memory': '4096', 'cpus': '3', 'nic1': 'nat', 'nic2': 'none'})
    host.set(state)
    flags = ('--virtualbox-import-boot2docker-vm', 'boot2docker-vm')
    contains(host.error(*CREATE, *flags, 'new'), 'the VM "boot2docker-vm" is not powered off', 'a running one')
    state = host.get()
    state['vms']['boot2docker-vm']['VMState'] = 'poweroff'
    host.set(state)
    host.run(*CREATE, *flags, 'new')
    folder = host.store / 'machines' / 'new'
    equal((folder / 'disk.vmdk').read_bytes(), b'old data', 'disk')
    equal((folder / 'id_rsa').read_text(), 'old key\n', 'key')
    equal((folder / 'id_rsa').stat().st_mode & 0o777, 0o600, 'mode of the key')
    equal([host.vm('new')['settings'][key] for key in ('memory', 'cpus')], ['4096', '3'], 'size')
    host.run('rm', '-f', 'new')
    equal(disk.read_bytes(), b'old data', 'the old disk')


@story.test('an error while the VM is made leaves nothing behind')
def undone(host):
    message = host.error(*CREATE, '--virtualbox-share-folder', '/nowhere/at/all:x', 'half')
    contains(message, 'share the folder /nowhere/at/all', 'create')
    assert 'half' not in host.get()['vms'], 'a VM is left'
    assert not (host.store / 'machines' / 'half').exists(), 'a folder is left'


@story.test('a machine that Docker Machine made is known')
def migrated(host):
    folder = host.store / 'machines' / 'old'
    folder.mkdir()
    subprocess.run([HERE / 'VBoxManage', 'createvm', '--basefolder', folder, '--name', 'old', '--register'], env=host.environment,
                   check=True, capture_output=True)
    (folder / 'config.json').write_text(json.dumps({
        'ConfigVersion': 3, 'Name': 'old', 'DriverName': 'virtualbox', 'HostOptions': {},
        'Driver': {'IPAddress': '192.168.99.100', 'MachineName': 'old', 'SSHUser': 'docker', 'SSHPort': 50022, 'VBoxManager': {},
                   'HostInterfaces': {}, 'CPU': 1, 'Memory': 1024, 'DiskSize': 20000, 'HostOnlyCIDR': '192.168.99.1/24',
                   'SSHKeyPath': str(folder / 'id_rsa'), 'StorePath': str(host.store)}}))
    equal(host.out('status', 'old'), 'Stopped\n', 'status')
    equal(host.out('inspect', '-f', '{{.Driver.HostOnlyCIDR}}', 'old'), '192.168.99.1/24\n', 'inspect')
    host.run('rm', '-y', 'old')
    assert 'old' not in host.get()['vms'], 'the VM is left'


with tempfile.TemporaryDirectory() as temporary:
    status_ = story.run(Host(temporary))
finish(status_)
