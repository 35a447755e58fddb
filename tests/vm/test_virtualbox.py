#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The VirtualBox driver with the real VirtualBox, as far as it needs no guest: what create makes, the traps that the stand-in of
tests/machine/virtualbox has from it, start, save, kill and rm of VMs that run from an empty disc, and the import of an old VM."""
import json
import socket

from machine import run
from tap import Skip, Story, contains, equal, finish, within
from vbox import VirtualBox, enter

CREATE = ('create', '-d', 'virtualbox', '--virtualbox-no-vtx-check', '--no-start')
ADAPTER = 'HostInterfaceNetworking-vboxnet0'
MAGIC = b'boot2docker, please format-me'
story = Story()


def lines_of(result):
    return result.stdout + result.stderr


def start_without_guest(host, name, **extra):
    """Nothing answers from an empty disc, which start says after a second; the VM runs on."""
    result = host.command('start', name, status=1, B2D_READY_TIMEOUT='1', **extra)
    contains(lines_of(result), 'did not answer within', 'start')
    equal(host.info(name)['VMState'], 'running', 'state')
    return result


def port_of(host, name):
    config = json.loads((host.store / 'machines' / name / 'config.json').read_text())
    return config['Driver']['SSHPort']


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) == 0


@story.test('create makes the whole VM with the real VBoxManage: hardware, NAT, disc, disk, share, properties', vital=True)
def create(host):
    contains(host.manage('--version'), '7.', 'version')
    wrapped = run('VBoxManage', '--version', env=host.environment).stdout
    contains(wrapped, 'WARNING: The character device /dev/vboxdrv does not exist.', 'what Debian puts before it')
    shared = host.folder / 'two words'
    shared.mkdir()
    result = host.command(*CREATE, '--virtualbox-boot2docker-url', host.iso, '--virtualbox-memory', '512', '--virtualbox-cpu-count',
                          '2', '--virtualbox-disk-size', '3000', '--virtualbox-share-folder', f'{shared}:project', 'm')
    contains(lines_of(result), 'Creating VirtualBox VM...', 'create')
    info, folder = host.info('m'), host.store / 'machines' / 'm'
    for key, value in {'ostype': 'Linux 2.6 / 3.x / 4.x / 5.x (64-bit)', 'memory': '512', 'cpus': '2', 'firmware': 'BIOS',
                       'hpet': 'on', 'pae': 'on', 'acpi': 'on', 'ioapic': 'on', 'rtcuseutc': 'on', 'boot1': 'dvd', 'nic1': 'nat',
                       'nictype1': '82540EM', 'cableconnected1': 'on', 'VMState': 'poweroff', 'storagecontrollername0': 'SATA',
                       'storagecontrollertype0': 'IntelAhci', 'SATA-0-0': str(folder / 'boot2docker.iso'),
                       'SATA-1-0': str(folder / 'disk.vmdk'), 'CfgFile': str(folder / 'm' / 'm.vbox'),
                       'SharedFolderNameMachineMapping1': 'project', 'SharedFolderPathMachineMapping1': str(shared),
                       'uartmode1': f'file,{folder / "console.log"}'}.items():
        equal(info.get(key), value, key)
    for name in ('MountPrefix', 'MountDir'):
        equal(host.manage('guestproperty', 'get', 'm', f'/VirtualBox/GuestAdd/SharedFolders/{name}'), 'Value: /\n', name)
    equal(host.manage('getextradata', 'm', 'VBoxInternal2/SharedFoldersEnableSymlinksCreate/project'), 'Value: 1\n', 'symlinks')
    contains((folder / 'm' / 'm.vbox').read_text(), 'autoMount="true"', 'the share')
    equal(host.command('status', 'm').stdout, 'Stopped\n', 'status')


@story.test('the disk that is made of the magic tar has its size, and the tar with the key at its beginning')
def disk(host):
    folder, raw = host.store / 'machines' / 'm', host.folder / 'disk.raw'
    contains(host.manage('showmediuminfo', 'disk', folder / 'disk.vmdk'), 'Capacity:       3000 MBytes', 'its size')
    host.manage('clonemedium', 'disk', folder / 'disk.vmdk', raw, '--format', 'RAW')
    with open(raw, 'rb') as stream:
        start = stream.read(65536)
    host.manage('closemedium', 'disk', raw, '--delete')
    equal(start[:len(MAGIC)], MAGIC, 'magic')
    contains(start, (folder / 'id_rsa.pub').read_bytes().strip(), 'key')


@story.test('start makes the host-only network where VirtualBox allows it, with its DHCP server, and forwards a port to SSH')
def network(host):
    result = start_without_guest(host, 'm')
    contains(lines_of(result), 'VirtualBox does not allow the host-only network 192.168.99.1/24', 'what was refused')
    adapter, = host.records('hostonlyifs')
    equal([adapter[key] for key in ('Name', 'IPAddress', 'NetworkMask', 'Status')],
          ['vboxnet0', '192.168.59.1', '255.255.255.0', 'Up'], 'adapter')
    server, = [record for record in host.records('dhcpservers') if record['NetworkName'] == ADAPTER]
    equal([server[key] for key in ('Dhcpd IP', 'LowerIPAddress', 'UpperIPAddress', 'NetworkMask', 'Enabled')],
          ['192.168.59.2', '192.168.59.100', '192.168.59.254', '255.255.255.0', 'Yes'], 'DHCP server')
    info = host.asked('m')
    equal([info.get(key) for key in ('nic2', 'nictype2', 'cableconnected2', 'hostonlyadapter2')], ['hostonly', '82540EM', 'on', 'vboxnet0'], 'card')
    equal(host.forwards('m'), [f'ssh,tcp,127.0.0.1,{port_of(host, "m")},,22'], 'forward')
    assert answers(port_of(host, 'm')), 'nobody listens on the port'
    equal(host.command('status', 'm').stdout, 'Running\n', 'status')


@story.test('save, status, start from saved: the VM goes on where it was, and its network is not touched')
def save(host):
    host.command('save', 'm')
    equal([host.info('m')['VMState'], host.command('status', 'm').stdout], ['saved', 'Saved\n'], 'saved')
    contains(lines_of(host.command('stop', 'm', status=1)), 'is saved', 'stop of a saved one')
    result = start_without_guest(host, 'm')
    assert 'host-only' not in lines_of(result), result.stderr


@story.test('a saved machine whose port was taken meanwhile gets another one')
def saved_port(host):
    # Booted anew: one that was taken up is not saved again. VirtualBox 7.2 without its driver fails, and the VM is lost.
    host.command('kill', 'm')
    start_without_guest(host, 'm')
    host.command('save', 'm')
    port = port_of(host, 'm')
    with socket.create_server(('127.0.0.1', port)):
        start_without_guest(host, 'm')
        assert port_of(host, 'm') != port, 'the port is the old one'
        equal(host.forwards('m'), [f'ssh,tcp,127.0.0.1,{port_of(host, "m")},,22'], 'forward')
    assert answers(port_of(host, 'm')), 'nobody listens on the new port'


@story.test('a port that is taken while the VM starts: VirtualBox would start it without a word; we move')
def stolen_port(host):
    host.command('kill', 'm')
    port = port_of(host, 'm')
    thief = host.folder / 'thief'
    thief.write_text(f'#!/bin/sh\npython3 -c "import socket, time; s = socket.create_server((\'127.0.0.1\', {port})); time.sleep(60)"'
                     ' >/dev/null 2>&1 &\nsleep 1\n')
    thief.chmod(0o755)
    result = start_without_guest(host, 'm', B2D_VBOX_BEFORE_START=str(thief))
    contains(lines_of(result), f'port {port} of 127.0.0.1 is taken', 'start')
    assert port_of(host, 'm') > port, 'the port is the old one'
    equal(host.forwards('m'), [f'ssh,tcp,127.0.0.1,{port_of(host, "m")},,22'], 'forward')
    assert answers(port_of(host, 'm')), 'nobody listens on the new port'


@story.test('a VM that was paused goes on with start')
def paused(host):
    # This one was booted. One that was taken up from its saved state dies after one of thirty pauses, in VirtualBox 7.2 without its
    # driver: VBoxVMM.so writes to memory that it has not.
    host.manage('controlvm', 'm', 'pause')
    equal(host.command('status', 'm').stdout, 'Paused\n', 'status')
    start_without_guest(host, 'm')
    equal(host.command('status', 'm').stdout, 'Running\n', 'status')


@story.test('kill cuts the power')
def kill(host):
    host.command('kill', 'm')
    equal([host.info('m')['VMState'], host.command('status', 'm').stdout], ['poweroff', 'Stopped\n'], 'state')


@story.test('an adapter that is gone, as after the host booted, is made anew; a DHCP server that VirtualBox still has is taken')
def lost_adapter(host):
    run('ip', 'link', 'delete', 'dev', 'vboxnet0')
    equal(host.records('hostonlyifs'), [], 'adapters')
    host.manage('dhcpserver', 'modify', '--netname', ADAPTER, '--ip', '192.168.59.9', '--netmask', '255.255.255.0', '--lowerip',
                '192.168.59.10', '--upperip', '192.168.59.20', '--disable')
    start_without_guest(host, 'm')
    equal([record['IPAddress'] for record in host.records('hostonlyifs')], ['192.168.59.1'], 'adapters')
    server, = [record for record in host.records('dhcpservers') if record['NetworkName'] == ADAPTER]
    equal([server['LowerIPAddress'], server['Enabled']], ['192.168.59.100', 'Yes'], 'DHCP server')


@story.test('rm of a running and of a saved machine leaves nothing in VirtualBox and on the disk, but the network')
def remove(host):
    contains(host.manage('unregistervm', 'm', '--delete', check=False).stderr, 'while it is locked', 'the real one, while it runs')
    host.command('rm', '-y', 'm')
    equal(host.names(), [], 'VMs')
    equal([host.manage('list', 'hdds'), host.manage('list', 'dvds')], ['', ''], 'disks and discs')
    assert not (host.store / 'machines' / 'm').exists(), 'the folder is left'
    host.command(*CREATE, '--virtualbox-boot2docker-url', host.iso, '--virtualbox-no-share', 'm')
    assert 'SharedFolderNameMachineMapping1' not in host.info('m'), 'a share'
    start_without_guest(host, 'm')
    host.command('save', 'm')
    host.command('rm', '-y', 'm')
    equal([host.names(), list((host.store / 'machines').iterdir())], [[], []], 'what is left')


@story.test('networks.conf allows more: the network that was asked for, which two machines share, one without DHCP')
def allowed(host):
    (host.root / 'etc' / 'vbox').mkdir(exist_ok=True)
    (host.root / 'etc' / 'vbox' / 'networks.conf').write_text('* 10.77.0.0/16 192.168.56.0/21\n')
    flags = ('--virtualbox-boot2docker-url', host.iso, '--virtualbox-hostonly-cidr', '10.77.1.5/24')
    for name, more in (('a', ()), ('b', ('--virtualbox-hostonly-no-dhcp', '--virtualbox-hostonly-nictype', 'virtio'))):
        host.command(*CREATE, *flags, *more, name)
        result = start_without_guest(host, name)
        assert 'does not allow' not in lines_of(result), result.stderr
        adapter, = [record for record in host.records('hostonlyifs') if record['IPAddress'] == '10.77.1.5']
        equal(host.asked(name)['hostonlyadapter2'], adapter['Name'], 'adapter')
        server, = [record for record in host.records('dhcpservers') if record['NetworkName'] == adapter['VBoxNetworkName']]
        equal(server['Enabled'], 'No' if more else 'Yes', 'DHCP')
    equal(host.asked('b')['nictype2'], 'virtio', 'card')
    host.command('rm', '-y', '-f', 'a', 'b')
    equal(host.names(), [], 'VMs')


@story.test("a VM of the same name that is somebody else's is not touched")
def stranger(host):
    host.manage('createvm', '--basefolder', host.folder / 'elsewhere', '--name', 'theirs', '--register')
    result = host.command(*CREATE, '--virtualbox-boot2docker-url', host.iso, 'theirs', status=1)
    contains(lines_of(result), 'already exists', 'create')
    equal(host.names(), ['theirs'], 'VMs')
    assert not (host.store / 'machines' / 'theirs').exists(), 'a folder is left'


@story.test('an error while the VM is made leaves nothing behind; nor does a VM that VirtualBox has lost')
def undone(host):
    result = host.command(*CREATE, '--virtualbox-boot2docker-url', host.iso, '--virtualbox-nat-nictype', 'nosuch', 'half', status=1)
    contains(lines_of(result), 'VBoxManage modifyvm half: ', 'create')
    equal(host.names(), ['theirs'], 'VMs')
    assert not (host.store / 'machines' / 'half').exists(), 'a folder is left'
    host.command(*CREATE, '--virtualbox-boot2docker-url', host.iso, '--virtualbox-no-share', 'lost')
    host.manage('unregistervm', 'lost')
    contains(lines_of(host.command('status', 'lost', status=1)), 'VirtualBox has no VM of machine "lost" (any more)', 'status')
    host.command('rm', '-y', 'lost')
    assert not (host.store / 'machines' / 'lost').exists(), 'the folder is left'


@story.test('an old boot2docker-vm is imported: its disk, key, memory and processors; it must be off, and stays')
def imported(host):
    raw, old, key = host.folder / 'old.raw', host.folder / 'old.vmdk', host.folder / 'home' / '.ssh' / 'id_boot2docker'
    raw.write_bytes(b'old data'.ljust(1 << 20, b'\0'))
    host.manage('convertfromraw', raw, old, '--format', 'VMDK')
    for ending in ('', '.pub'):
        key.with_name(key.name + ending).write_text(f'old key{ending}\n')
    host.manage('createvm', '--name', 'boot2docker-vm', '--basefolder', host.folder / 'elsewhere', '--register')
    host.manage('modifyvm', 'boot2docker-vm', '--memory', '640', '--cpus', '3')
    host.manage('storagectl', 'boot2docker-vm', '--name', 'SATA', '--add', 'sata')
    host.manage('storageattach', 'boot2docker-vm', '--storagectl', 'SATA', '--port', '1', '--device', '0', '--type', 'hdd',
                '--medium', old)
    flags = ('--virtualbox-boot2docker-url', host.iso, '--virtualbox-import-boot2docker-vm', 'boot2docker-vm')
    run('VBoxManage', 'startvm', 'boot2docker-vm', '--type', 'headless', env=host.environment)
    contains(lines_of(host.command(*CREATE, *flags, 'new', status=1)), 'the VM "boot2docker-vm" is not powered off', 'a running one')
    host.manage('controlvm', 'boot2docker-vm', 'poweroff')
    # It stays locked for a moment.
    within(10, 'the old VM is off', lambda: host.info('boot2docker-vm')['VMState'] == 'poweroff')
    host.command(*CREATE, *flags, 'new')
    folder = host.store / 'machines' / 'new'
    info = host.info('new')
    equal([info[key] for key in ('memory', 'cpus', 'SATA-1-0')], ['640', '3', str(folder / 'disk.vmdk')], 'the VM')
    equal([(folder / 'id_rsa').read_text(), oct((folder / 'id_rsa').stat().st_mode & 0o777)], ['old key\n', '0o600'], 'key')
    host.manage('clonemedium', 'disk', folder / 'disk.vmdk', host.folder / 'new.raw', '--format', 'RAW')
    equal((host.folder / 'new.raw').read_bytes()[:8], b'old data', 'disk')
    start_without_guest(host, 'new')
    host.command('rm', '-y', '-f', 'new')
    assert old.exists(), 'the old disk is gone'
    equal(host.info('boot2docker-vm')['SATA-1-0'], str(old), 'the old VM')


def main():
    try:
        enter()
    except Skip as reason:
        print(f'1..1\nok 1 - the real VirtualBox # SKIP {reason}')
        return 0
    host = VirtualBox()
    host.iso = host.folder / 'empty.iso'
    host.iso.write_bytes(bytes(1 << 20))
    return story.run(host)


finish(main())
