#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The profile that starts the engine, and the certificates that the guest makes for it, when nobody has provisioned it."""
import re
import socket
import ssl
import time
import warnings

from machine import run
from qemu import KERNEL, Qemu
from tap import PATIENCE, Story, contains, equal, finish, note, within
from terminal import answer

story = Story()
TLS = '/var/lib/boot2docker/tls'
FIXED_ADDRESS, RESOLVER = '## How do I give the machine a fixed address?', '## Which DNS servers are used?'
LOG = '/var/lib/boot2docker/docker.log'
MACHINE_PROFILE = '''EXTRA_ARGS='
--label provider=qemu
--insecure-registry registry.example.com

'
CACERT=/var/lib/boot2docker/tls/ca.pem
DOCKER_HOST='-H tcp://0.0.0.0:2376'
DOCKER_STORAGE=overlay2
DOCKER_TLS=auto
SERVERKEY=/var/lib/boot2docker/tls/serverkey.pem
SERVERCERT=/var/lib/boot2docker/tls/server.pem
CAKEY=/var/lib/boot2docker/tls/cakey.pem
DOCKER_ULIMITS=4096
DOCKER_LOGFILE=/var/lib/boot2docker/other.log
export "TEST=a 'quoted' VALUE"
export "HTTP_PROXY=http://proxy.example:3128" NO_PROXY=10.0.0.0/8
'''


def arguments(qemu):
    return qemu.ssh('tr "\\0" "\\n" </proc/$(pidof dockerd)/cmdline').stdout.splitlines()


def fingerprints(qemu):
    """What openssl tells of each certificate of the guest's own."""
    return {name: qemu.ssh(f'sudo openssl x509 -noout -fingerprint -in {TLS}/{name}.pem').stdout for name in ('ca', 'server', 'cert')}


def server_names(qemu):
    return qemu.ssh(f'sudo openssl x509 -noout -ext subjectAltName -in {TLS}/server.pem').stdout


def context(qemu, certificate=True):
    """A client's context with the guest's CA and, if it shall, its client certificate."""
    result = ssl.create_default_context(cafile=str(qemu.folder / 'ca.pem'))
    if certificate:
        result.load_cert_chain(str(qemu.folder / 'cert.pem'), str(qemu.folder / 'key.pem'))
    return result


def ask(qemu, how):
    """The status line of GET /version over TLS; OSError when the engine does not let us in."""
    with socket.create_connection(('127.0.0.1', qemu.engine_port), timeout=20) as plain, \
            how.wrap_socket(plain, server_hostname='localhost') as secure:
        secure.sendall(b'GET /version HTTP/1.0\r\n\r\n')
        answer = secure.recv(64)
        if not answer:
            raise ConnectionError('closed')
        return secure.version(), answer.split(b'\r\n')[0].decode()


def refused(qemu, how, what):
    try:
        answer = ask(qemu, how)
    except OSError as error:
        note(f'{what}: {error}')
    else:
        raise AssertionError(f'{what}: the engine answered {answer}')


@story.test('a machine that nobody has provisioned starts its engine with TLS', vital=True)
def boots(qemu):
    qemu.start(*KERNEL)
    note(f'docker answers after {qemu.wait_engine(300):.1f} s')
    for name in ('ca', 'cert', 'key'):
        (qemu.folder / f'{name}.pem').write_text(qemu.ssh(f'cat ~/.docker/{name}.pem').stdout)
    contains(' '.join(arguments(qemu)), '--tlsverify', 'arguments of dockerd')


@story.test('its port answers TLS 1.2 and 1.3 to its client certificate, and nothing else to anybody')
def port(qemu):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        how = context(qemu)
        how.minimum_version = how.maximum_version = version
        contains(ask(qemu, how)[1], '200 OK', f'answer over {version.name}')
    old = context(qemu)
    old.set_ciphers('ALL:@SECLEVEL=0')
    warnings.simplefilter('ignore', DeprecationWarning)
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    refused(qemu, old, 'TLS 1.1')
    refused(qemu, context(qemu, certificate=False), 'no certificate')
    key, certificate = qemu.folder / 'stranger-key.pem', qemu.folder / 'stranger.pem'
    run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
        '-subj', '/CN=stranger', '-keyout', key, '-out', certificate)
    stranger = context(qemu, certificate=False)
    stranger.load_cert_chain(str(certificate), str(key))
    refused(qemu, stranger, 'a certificate of another CA')


@story.test('keys are for root alone, the client\'s for docker alone, and no key is in a log')
def permissions(qemu):
    printed = qemu.ssh(f'sudo sh -c \'stat -c "%a %U %n" {TLS} {TLS}/* ~docker/.docker/*\'').stdout
    modes = {line.split()[2]: line.split()[:2] for line in printed.splitlines()}
    for path, (mode, owner) in modes.items():
        if 'key' in path.rsplit('/', 1)[1] or path == TLS:
            equal(mode[1:], '00', f'what others may do with {path}')
        equal(owner, 'docker' if path.startswith('/home') else 'root', f'owner of {path}')
    assert f'{TLS}/cakey.pem' in modes and f'{TLS}/serverkey.pem' in modes, f'keys are not among {sorted(modes)}'
    equal(qemu.ssh(f'sudo grep -l "PRIVATE KEY" /boot.log {LOG} /var/log/*.log', check=False).stdout, '', 'logs with a key')


@story.test('the server certificate names all addresses, and is made anew from the same CA when there is another')
def another_address(qemu):
    before = fingerprints(qemu)
    names = server_names(qemu)
    for name in ('DNS:boot2docker', 'DNS:localhost', 'IP Address:127.0.0.1', 'IP Address:10.0.2.15', 'IP Address:0:0:0:0:0:0:0:1'):
        contains(names, name, 'names of the server certificate')
    qemu.ssh('sudo ip addr add 10.0.2.77/24 dev eth0')
    log = qemu.restart_engine('')
    after = fingerprints(qemu)
    contains(log, f'making {TLS}/server.pem: ', 'the log')
    contains(server_names(qemu), 'IP Address:10.0.2.77', 'names of the server certificate')
    equal({name for name in before if before[name] != after[name]}, {'server'}, 'certificates that changed')
    contains(ask(qemu, context(qemu))[1], '200 OK', 'answer to the same client')


@story.test('Docker Machine\'s profile: lines within quotes, exports and proxies reach dockerd')
def machine_profile(qemu):
    qemu.restart_engine(MACHINE_PROFILE)
    told = qemu.ssh('docker info --format "{{json .Labels}} {{json .RegistryConfig.InsecureRegistryCIDRs}} {{.HTTPProxy}} {{.NoProxy}} '
                    '{{json .RegistryConfig.IndexConfigs}}"').stdout
    for part in ('provider=qemu', 'registry.example.com', 'http://proxy.example:3128', '10.0.0.0/8'):
        contains(told, part, 'docker info')
    environment = qemu.ssh('sudo cat /proc/$(pidof dockerd)/environ | tr "\\0" "\\n"').stdout.splitlines()
    assert "TEST=a 'quoted' VALUE" in environment, f'environment of dockerd: {environment}'
    contains(ask(qemu, context(qemu))[1], '200 OK', 'answer over TLS')
    contains(qemu.ssh('grep files /proc/$(pidof dockerd)/limits').stdout.split(), '4096', 'limits of dockerd')
    contains(qemu.ssh('sudo cat /var/lib/boot2docker/other.log').stdout, 'API listen on /var/run/docker.sock', 'DOCKER_LOGFILE')
    qemu.ssh('sudo rm /var/lib/boot2docker/other.log')


@story.test('a syntax error in the profile is logged with its line, and the engine starts with the defaults')
def syntax_error(qemu):
    log = qemu.restart_engine('EXTRA_ARGS="--label a=b"\n\nif true; then\n')
    contains(log, 'is not used, defaults are taken instead', 'the log')
    assert re.search(r'profile.*line [34].*(syntax error|unexpected)', log), f'no line number in {log[-2000:]}'
    assert 'a=b' not in arguments(qemu), 'a part of it was used'
    contains(qemu.ssh('grep files /proc/$(pidof dockerd)/limits').stdout.split(), '1048576', 'limits of dockerd')


@story.test('DOCKER_TLS=no opens port 2375 without TLS, and 2376 is closed')
def no_tls(qemu):
    qemu.restart_engine('DOCKER_TLS=no\n', 'docker -H tcp://127.0.0.1:2375 version')
    refused(qemu, context(qemu), 'TLS on port 2376')


@story.test('a CA given by the user is used and never overwritten; TLS flags, another port and a second socket')
def given_ca(qemu):
    folder = qemu.folder / 'given'
    folder.mkdir()
    new_key = ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes')
    run('openssl', 'req', '-x509', *new_key, '-days', '2', '-subj', '/CN=given', '-keyout', folder / 'ca-key.pem', '-out', folder / 'ca.pem')
    run('openssl', 'req', *new_key, '-subj', '/CN=server', '-addext', 'subjectAltName=DNS:localhost', '-keyout',
        folder / 'server-key.pem', '-out', folder / 'server.csr')
    run('openssl', 'x509', '-req', '-in', folder / 'server.csr', '-CA', folder / 'ca.pem', '-CAkey', folder / 'ca-key.pem', '-days', '2',
        '-copy_extensions', 'copy', '-out', folder / 'server.pem')
    for name in ('ca', 'server', 'server-key'):
        qemu.ssh(f'sudo tee /var/lib/boot2docker/{name}.pem', input=(folder / f'{name}.pem').read_text())
    qemu.restart_engine(''.join(f'{name}=/var/lib/boot2docker/{file}.pem\n' for name, file in (
        ('CACERT', 'ca'), ('SERVERCERT', 'server'), ('SERVERKEY', 'server-key'))) + 'DOCKER_TLS="--tls --tlsverify=false"\n'
        'DOCKER_HOST="-H tcp://0.0.0.0:2376 -H tcp://127.0.0.1:2390 -H unix:///run/second.sock"\n',
        'docker --tls -H tcp://127.0.0.1:2390 version')
    contains(ask(qemu, ssl.create_default_context(cafile=str(folder / 'ca.pem')))[1], '200 OK', 'answer to no certificate')
    equal(qemu.ssh('sudo cat /var/lib/boot2docker/ca.pem').stdout, (folder / 'ca.pem').read_text(), 'the CA')
    qemu.ssh('sudo docker -H unix:///run/second.sock version')


@story.test('the profile says where certificates lie, what they name and who they are')
def other_certificates(qemu):
    qemu.restart_engine('CERTDIR=/var/lib/boot2docker/mine\nCERT_INTERFACES=lo\nORG=Mine\nSERVERORG=Served\nCAORG="Our CA"\n'
                        'SERVERCERT=/var/lib/boot2docker/mine-server.pem\n')
    printed = qemu.ssh('cd /var/lib/boot2docker && for name in mine/ca mine-server mine/cert; do sudo openssl x509 -noout -subject '
                       '-nameopt RFC2253 -in $name.pem; done; sudo openssl x509 -noout -ext subjectAltName -in mine-server.pem').stdout
    for line, organisation in zip(printed.splitlines(), ('Our CA', 'Served', 'Mine')):
        contains(line, f'O={organisation}', 'the subject')
    contains(printed, 'DNS:localhost', 'names of the server certificate')
    assert '10.0.2.15' not in printed, f'the address of eth0 is in {printed}'
    qemu.ssh('docker --tlsverify -H tcp://localhost:2376 version')


@story.test('/etc/init.d/docker: reload reads daemon.json, restart starts what is down, stop of an engine that hangs is bounded')
def init_script(qemu):
    before = qemu.ssh('pidof dockerd').stdout
    qemu.ssh('sudo tee /etc/docker/daemon.json', input='{"labels": ["kept=yes"]}')
    qemu.ssh('sudo /usr/local/etc/init.d/docker reload')
    within(20, 'the label is there', lambda: 'kept=yes' in qemu.ssh('docker info --format "{{json .Labels}}"').stdout)
    equal(qemu.ssh('pidof dockerd').stdout, before, 'pid of dockerd after reload')
    qemu.ssh('sudo /etc/init.d/docker stop && sudo /etc/init.d/docker restart', timeout=90)
    within(60, 'docker answers', lambda: qemu.ssh('docker version', check=False).returncode == 0)
    qemu.ssh('sudo kill -STOP $(pidof dockerd)')
    start = time.monotonic()
    told = qemu.ssh('sudo /etc/init.d/docker stop', check=False, timeout=90)
    note(f'stop took {time.monotonic() - start:.1f} s')
    assert 20 < time.monotonic() - start < 40 * PATIENCE, 'stop of an engine that hangs'
    if told.returncode != 0:
        contains(told.stderr, 'the daemon did not end within 30 s', 'the error')
    within(10, 'dockerd is killed', lambda: qemu.ssh('pidof dockerd', check=False).stdout == '')
    qemu.ssh('sudo /etc/init.d/docker start')
    within(60, 'docker answers again', lambda: qemu.ssh('docker version', check=False).returncode == 0)


@story.test('years later and at another address, the certificates are renewed by the same CA', vital=True)
def years_later(qemu):
    qemu.ssh('echo \'NTP_SERVER=" "\' | sudo tee /var/lib/boot2docker/profile')
    # The FAQ's way to an address of one's own; beside it, a script that takes long, and a resolver that the next lease may not take away.
    qemu.ssh('sudo tee /var/lib/boot2docker/bootsync.sh', input=answer('FAQ.md', FIXED_ADDRESS) + 'sleep 12\necho slept >/run/slept\n')
    qemu.ssh('sudo tee /var/lib/boot2docker/bootlocal.sh', input=answer('FAQ.md', RESOLVER))
    before = fingerprints(qemu)
    qemu.ssh('sudo shutdown -r now', check=False)
    qemu.process.wait(90 * PATIENCE)
    contains(qemu.tail(), 'The system is going down: reboot', 'the console')
    qemu.network = 'user,model=virtio-net-pci,net=10.9.8.0/24'
    qemu.start(*KERNEL, '-rtc', 'base=2031-06-01T00:00:00', '-netdev', 'user,id=more,net=10.7.7.0/24', '-device',
               'virtio-net-pci,netdev=more')
    note(f'docker answers after {qemu.wait_engine(300):.1f} s')
    contains(qemu.ssh('date').stdout, '2031', 'date')
    after = fingerprints(qemu)
    equal({name for name in before if before[name] != after[name]}, {'server', 'cert'}, 'certificates that changed')
    names = server_names(qemu)
    contains(names, 'IP Address:10.9.8.15', 'names of the server certificate')
    assert '10.0.2.15' not in names, f'old address in {names}'
    qemu.ssh('docker --tlsverify -H tcp://localhost:2376 version')


@story.test('a bootsync.sh that takes long is named on the console, and waited for')
def slow_bootsync(qemu):
    contains(qemu.tail(200), 'Still waiting for bootsync', 'the console')
    log = qemu.ssh('test -f /run/slept && cat /boot.log').stdout
    assert log.index('bootsync.sh ended with exit status 0') < log.index('docker: started'), 'the engine did not wait'


@story.test('an address and a resolver that are given by the FAQ\'s scripts hold, and the server certificate has the address')
def fixed_address(qemu):
    addresses = qemu.ssh('ip -4 -o addr show eth1').stdout
    contains(addresses, '192.168.99.50/24', 'addresses of eth1')
    assert '10.7.7.' not in addresses, f'DHCP gave one more: {addresses}'
    contains(server_names(qemu), 'IP Address:192.168.99.50', 'names of the server certificate')
    within(20, 'the resolver', lambda: qemu.ssh('cat /etc/resolv.conf').stdout == 'nameserver 10.0.0.53\n')


@story.test('/etc/docker survived, and daemon.json goes with the profile')
def daemon_json(qemu):
    contains(qemu.ssh('docker info --format "{{json .Labels}}"').stdout, 'kept=yes', 'labels of the engine')


@story.test('the power button ends it')
def power_button(qemu):
    qemu.power_button()
    contains(qemu.tail(), 'The system is going down: poweroff', 'the console')


if __name__ == '__main__':
    with Qemu() as subject:
        subject.add_key_disk()
        finish(story.run(subject, subject.tail))
