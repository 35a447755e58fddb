#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The profile that starts the engine, and the certificates that the guest makes for it, when nobody has provisioned it; what goes
wrong with them, and what helps (doc/WORKAROUNDS.md)."""
import os
import re
import socket
import ssl
import time
import warnings

from machine import busybox_tar, run
from qemu import KERNEL, Qemu
from tap import PATIENCE, Story, contains, equal, finish, note, within
from terminal import answer

story = Story()
TLS = '/var/lib/boot2docker/tls'
FIXED_ADDRESS, RESOLVER = '## How do I give the machine a fixed address?', '## Which DNS servers are used?'
CRON = '## Scripts of yours'
LOG = '/var/lib/boot2docker/docker.log'
PROFILE, DAEMON_JSON = '/var/lib/boot2docker/profile', '/etc/docker/daemon.json'
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
    # Made before the machine is there: its clock, of whole seconds at first, has to be past the beginning.
    run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=stranger',
        '-keyout', qemu.folder / 'stranger-key.pem', '-out', qemu.folder / 'stranger.pem')
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
    stranger = context(qemu, certificate=False)
    stranger.load_cert_chain(str(qemu.folder / 'stranger.pem'), str(qemu.folder / 'stranger-key.pem'))
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
    told = qemu.ssh('docker --tlsverify -H tcp://10.0.2.77:2376 version', check=False)
    contains(told.stdout + told.stderr, 'x509: certificate is valid for', 'what docker says')
    log = qemu.restart_engine('')
    qemu.ssh('docker --tlsverify -H tcp://10.0.2.77:2376 version')
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


def check_port_closed(qemu):
    equal(qemu.ssh('echo | busybox nc -w 5 127.0.0.1 2376', check=False).returncode, 1, 'exit status of a connection to port 2376')


# A profile, a daemon.json, what the engine says of them, and what helps.
ENGINE_FAULTS = (
    ("EXTRA_ARGS='--no-such-option'", '{}', 'unknown flag: --no-such-option', f'mv {PROFILE} /tmp/'),
    ("EXTRA_ARGS='--label c=d'", '{"labels": ["a=b"]}', 'specified both as a flag and in the configuration file: labels',
     f'mv {PROFILE} /tmp/'),
    ('', '{"labels": [', f'unable to configure the Docker daemon with file {DAEMON_JSON}', f'rm {DAEMON_JSON}'),
)


@story.test('an engine that may not start says why at the end of its log; with the profile moved away, or daemon.json mended, it starts')
def engine_does_not_start(qemu):
    for profile, daemon_json, reason, cure in ENGINE_FAULTS:
        qemu.ssh(f'sudo tee {PROFILE}', input=f'{profile}\n')
        qemu.ssh(f'sudo tee {DAEMON_JSON}', input=daemon_json)
        qemu.ssh(f'sudo truncate -s 0 {LOG}; sudo /etc/init.d/docker restart', check=False, timeout=90)
        within(30, f'the log says {reason!r}', lambda what=reason: what in qemu.ssh(f'tail -n 5 {LOG}').stdout)
        equal(qemu.ssh('docker version', check=False).returncode, 1, 'exit status of docker version')
        qemu.ssh(f'sudo {cure} && sudo /etc/init.d/docker restart', timeout=90)
        within(30, 'docker answers', lambda: qemu.ssh('docker version', check=False).returncode == 0)
    contains(qemu.ssh(f'grep {DAEMON_JSON} /boot.log').stdout, 'line 1', '/boot.log')


@story.test('a profile that names certificates which are not there: the engine answers on its socket, and says why not on the network')
def missing_certificates(qemu):
    log = qemu.restart_engine('CACERT=/var/lib/boot2docker/nowhere.pem\n')
    contains(log, 'the engine answers on its socket only, not on the network', 'the log')
    contains(log, 'not all of /var/lib/boot2docker/nowhere.pem', 'the log')
    check_port_closed(qemu)


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


def try_ssh(qemu):
    """Logs in as a user of ssh does who has known hosts."""
    return run('ssh', '-i', qemu.folder / 'key', '-p', qemu.ssh_port, '-o', f'UserKnownHostsFile={qemu.folder}/known', '-o',
               'StrictHostKeyChecking=accept-new', '-F', 'none', 'docker@127.0.0.1', 'echo in', check=False)


@story.test('years later and at another address, the certificates are renewed by the same CA', vital=True)
def years_later(qemu):
    qemu.ssh('echo \'NTP_SERVER=" "\' | sudo tee /var/lib/boot2docker/profile')
    # The FAQ's way to an address of one's own; beside it, a script that takes long, and a resolver that the next lease may not take away.
    qemu.ssh('sudo tee /var/lib/boot2docker/bootsync.sh', input=answer('FAQ.md', FIXED_ADDRESS) + 'sleep 12\necho slept >/run/slept\n')
    # The line for cron of guest.md has its time changed to when the test makes it that time.
    cron = re.sub(r"'\S+ \S+ \* \* \*", "'17 3 * * *", answer('guest.md', CRON))
    qemu.ssh('sudo tee /var/lib/boot2docker/bootlocal.sh', input=answer('FAQ.md', RESOLVER) + cron)
    before = fingerprints(qemu)
    equal(try_ssh(qemu).stdout, 'in\n', 'output over SSH with a known_hosts of its own')
    qemu.ssh('sudo rm /var/lib/boot2docker/ssh/ssh_host_*')  # as on a new machine at the same address
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


@story.test('a host key that has changed is refused by ssh, until the old one is forgotten by ssh-keygen -R')
def changed_host_key(qemu):
    refused = try_ssh(qemu)
    equal(refused.returncode, 255, 'exit status')
    contains(refused.stderr, 'REMOTE HOST IDENTIFICATION HAS CHANGED', 'what ssh says')
    run('ssh-keygen', '-f', qemu.folder / 'known', '-R', f'[127.0.0.1]:{qemu.ssh_port}')
    equal(try_ssh(qemu).stdout, 'in\n', 'output')


@story.test('cron runs what it is given: the line of guest.md, and the image\'s own, which trims the data disk')
def cron(qemu):
    def used():
        return os.stat(qemu.data).st_blocks * 512
    qemu.ssh('docker import - bb && docker run --name left bb /bin/true && docker run -d --name runs bb /bin/sleep 1000',
             input=busybox_tar(), timeout=180)
    # Blocks are not given back when they are freed, so what is seen is fstrim's doing.
    qemu.ssh('sudo mount -o remount,nodiscard /mnt/vda1 && sudo dd if=/dev/urandom of=/mnt/vda1/big bs=1M count=100 2>/dev/null && sync && '
             'sudo rm /mnt/vda1/big && sync', timeout=180)
    before = used()
    qemu.ssh('sudo date -s 03:16:50 && sudo kill $(pidof crond)')  # it is started again, and sees that time
    within(60, 'the file of the disk is smaller', lambda: used() < before - (80 << 20))
    within(30, 'the container that had ended is gone', lambda: qemu.ssh('docker ps -a --format "{{.Names}}"').stdout == 'runs\n')
    contains(qemu.ssh('sudo cat /var/lib/boot2docker/log/crond.log').stdout, 'fstrim /var/lib/docker/', 'the log of cron')
    qemu.ssh('docker rm -f runs')


@story.test('certificates that have expired are told so by the docker client, and a restart of the engine renews them, the CA\'s for its key')
def expired(qemu):
    secure = 'docker --tlsverify -H tcp://localhost:2376 version'
    key = f'sudo openssl x509 -noout -pubkey -in {TLS}/ca.pem'
    before, ca_key = fingerprints(qemu), qemu.ssh(key).stdout
    qemu.ssh('sudo date -s "2037-12-01 12:00:00"')
    told = qemu.ssh(secure, check=False)
    contains(told.stdout + told.stderr, 'x509: certificate has expired or is not yet valid', 'what docker says')
    contains(qemu.restart_engine('NTP_SERVER=" "\n'), "renewed the CA's certificate, for the same key", 'the log')
    after = fingerprints(qemu)
    equal([name for name in before if before[name] == after[name]], [], 'certificates that are the old ones')
    equal(qemu.ssh(key).stdout, ca_key, 'key of the CA')
    qemu.ssh(secure)


@story.test('the power button ends it')
def power_button(qemu):
    qemu.power_button()
    contains(qemu.tail(), 'The system is going down: poweroff', 'the console')


if __name__ == '__main__':
    with Qemu() as subject:
        subject.data = subject.add_key_disk()
        finish(story.run(subject, subject.tail))
