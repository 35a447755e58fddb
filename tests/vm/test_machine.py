#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A machine's life, driven by our own command: create, use, stop, start, a power cut, remove."""
import json
import re
import socket
import time
from xml.etree import ElementTree

from machine import IMAGE, Machine, check_clean, run
from tap import Story, contains, equal, finish, note, within

story = Story()

# What runs in an idle machine (nine processes; busybox is DHCP and cron, bash the consoles), and what our question adds to that.
RUNNING = {'init', 'busybox', 'containerd', 'dockerd', 'docker-engine', 'bash', 'sshd', 'b2d-sntp'}
ASKING = {'sshd-session', 'sudo'}
PROCESSES_MAX = 11
# Bytes, with some room above what a build has today.
SIZES_MAX = {'vmlinuz': 13_500_000, 'initrd.img': 97_000_000, 'boot2docker.iso': 110_000_000}
if (IMAGE / 'boot2docker-hardware.squashfs').exists():  # the release
    SIZES_MAX = {'vmlinuz': 7_100_000, 'initrd.img': 29_000_000, 'boot2docker.iso': 36_500_000}


@story.test('create boots a machine to an engine that answers, and says how to connect', vital=True)
def create(machine):
    start = time.monotonic()
    printed = machine.create()
    note(f'create took {time.monotonic() - start:.1f} s')
    contains(printed.stdout + printed.stderr, 'To see how to connect your Docker Client to the Docker Engine running on '
             'this virtual machine, run:', 'the hint')
    equal(machine.command('status', machine.name).stdout, 'Running\n', 'status')
    note(f'engine {machine.engine_version()}')
    equal(machine.ssh('ps | grep "[e]xt4lazyinit" || true'), '', 'what still writes inode tables to the new disk')


@story.test('env gives a docker client all it needs')
def env(machine):
    variables = machine.variables()
    host, port = machine.address()
    equal(variables['DOCKER_HOST'], f'tcp://{host}:{port}', 'DOCKER_HOST')
    equal(variables['DOCKER_TLS_VERIFY'], '1', 'DOCKER_TLS_VERIFY')
    contains(machine.docker('version', '--format', '{{.Server.Version}}'), machine.engine_version(), 'docker version')


@story.test('the engine refuses a client that shows no certificate')
def no_certificate(machine):
    refused(machine, machine.tls())


@story.test('the engine refuses a client certificate of another authority')
def other_authority(machine):
    key, certificate = machine.store / 'stranger-key.pem', machine.store / 'stranger.pem'
    run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
        '-subj', '/CN=stranger', '-keyout', key, '-out', certificate)
    refused(machine, machine.tls(certificate, key))


def refused(machine, context):
    """Asserts that the engine's TLS port does not let this client through, while it lets ours."""
    try:
        status, _ = machine.ask('/version', context)
    except OSError as error:
        note(f'refused: {error}')
    else:
        raise AssertionError(f'the engine answered with status {status}')
    machine.engine_version()


@story.test('the engine does not speak plain HTTP on its port')
def no_plain_http(machine):
    with socket.create_connection(machine.address(), timeout=20) as plain:
        plain.sendall(b'GET /version HTTP/1.0\r\n\r\n')
        answer = plain.recv(4096)
    assert b'ApiVersion' not in answer and b' 200 ' not in answer, f'it answered {answer!r}'


@story.test('ssh logs in as docker with the machine\'s key, and passes the exit status on')
def ssh(machine):
    equal(machine.ssh('id -un; id -u; id -gn').split(), ['docker', '1000', 'staff'], 'who one is')
    equal(machine.command('ssh', machine.name, 'exit 7', check=False).returncode, 7, 'exit status')
    equal(machine.ssh('sudo id -u').strip(), '0', 'sudo without password')


@story.test('connections that are broken off do not shut SSH for all who come through the same NAT')
def ssh_penalties(machine):
    port = json.loads((machine.folder / 'config.json').read_text())['Driver']['SSHPort']
    for _ in range(25):
        with socket.create_connection((machine.address()[0], port), timeout=20) as broken_off:
            broken_off.recv(64)
            broken_off.sendall(b'SSH-2.0-impatient\r\n')
            broken_off.recv(64)
    time.sleep(1)
    for _ in range(3):
        equal(machine.ssh('echo let in'), 'let in\n', 'output')


@story.test('the machine\'s PID 1 is ours, and its files say what it is')
def pid_1(machine):
    equal(machine.ssh('cat /proc/1/comm').strip(), 'init', 'name of PID 1')
    told = dict(line.split('=', 1) for line in machine.ssh('cat /etc/os-release').splitlines() if not line.startswith('#'))
    version = machine.engine_version().partition('+')[0]  # without Debian's own part
    equal((told['ID'], told['NAME'], told['VERSION'], told['VERSION_ID']), ('boot2docker', 'Boot2Docker', version, version), 'os-release')
    equal(machine.ssh('cat /etc/version'), f'{version}\n', '/etc/version')
    assert re.fullmatch(rf'Boot2Docker version {re.escape(version)}, build [0-9a-f.g-]+\S*, \d{{4}}-\d\d-\d\d.*\n',
                        machine.ssh('cat /etc/boot2docker')), machine.ssh('cat /etc/boot2docker')
    banner = machine.ssh('cat /etc/motd')
    for part in ('\\___/ ===', f' Boot2Docker {version}, build '):
        contains(banner, part, 'the banner')
    equal(machine.ssh('cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/panic'), '1\n10\n', 'what sysctl.conf says')


@story.test('who docker is, what SSH is told, and the PATH of a command, as the contract has them')
def people(machine):
    equal(set(machine.ssh('id -Gn').split()), {'staff', 'sudo', 'docker'}, 'groups of docker')
    equal(machine.ssh('echo ~; echo $PATH').split(), ['/home/docker', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
          'home and PATH')
    equal(machine.ssh('echo "id -un; pwd" | sudo -s'), 'root\n/home/docker\n', 'sudo -s')
    told = machine.ssh('sudo sshd -T').splitlines()
    for line in ('port 22', 'usedns no', 'permitrootlogin without-password', 'passwordauthentication yes'):
        assert line in told, f'sshd does not have "{line}"'


@story.test('clients of other versions: what speaks API 1.24 works, what insists on a newer one is told so')
def clients(machine):
    contains(machine.ssh('DOCKER_API_VERSION=1.24 docker version --format {{.Client.APIVersion}}'), '1.24', 'version')
    refused = machine.command('ssh', machine.name, 'DOCKER_API_VERSION=1.99 docker version', check=False)
    contains(refused.stdout + refused.stderr, 'client version 1.99 is too new', 'the error')
    equal(machine.command('version', machine.name).stdout.strip(), machine.engine_version().partition('+')[0], 'boot2docker version')


@story.test('a container runs and its output comes back')
def container(machine):
    machine.import_busybox('busybox-local')
    equal(machine.docker('run', '--rm', 'busybox-local', '/bin/echo', 'hello from a container'),
          'hello from a container\n', 'output')


@story.test('a container gets its standard input and gives its exit status')
def container_pipes(machine):
    equal(machine.docker('run', '--rm', '-i', 'busybox-local', '/bin/cat', input='through a pipe'), 'through a pipe',
          'output')
    try:
        machine.docker('run', '--rm', 'busybox-local', '/bin/sh', '-c', 'exit 42')
    except AssertionError as error:
        contains(str(error), 'exit 42', 'exit status')
    else:
        raise AssertionError('the exit status was lost')


@story.test('containers reach each other by name on a network of their own')
def network(machine):
    machine.docker('network', 'create', 'net')
    machine.docker('run', '-d', '--name', 'web', '--network', 'net', 'busybox-local', '/bin/sh', '-c',
                   'echo served >/index.html; exec /bin/httpd -f -p 80 -h /')
    try:
        answer = within(30, 'the web container answers', lambda: machine.command(
            'ssh', machine.name, 'docker run --rm --network net busybox-local /bin/wget -qO- http://web/', check=False)
            .stdout)
        equal(answer, 'served\n', 'what the web container serves')
    finally:
        machine.docker('rm', '-f', 'web')
        machine.docker('network', 'rm', 'net')


@story.test('a published port is reached inside the machine')
def published(machine):
    machine.docker('run', '-d', '--name', 'published', '-p', '8080:80', 'busybox-local', '/bin/sh', '-c',
                   'echo outside >/index.html; exec /bin/httpd -f -p 80 -h /')
    try:
        equal(within(30, 'the port answers', lambda: machine.command(
            'ssh', machine.name, 'curl -s --max-time 5 http://127.0.0.1:8080/ || wget -qO- http://127.0.0.1:8080/',
            check=False).stdout), 'outside\n', 'what the port serves')
    finally:
        machine.docker('rm', '-f', 'published')


@story.test('docker info has nothing to warn of')
def no_warnings(machine):
    printed = machine.ssh('docker info 2>&1')
    warnings = [line for line in printed.splitlines() if 'WARNING' in line]
    equal(warnings, [], 'warnings')


@story.test('PID 1 leaves no zombies of 300 orphans')
def orphans(machine):
    # The shell that starts each of them is gone long before its child ends, and PID 1 inherits the child.
    machine.ssh('for i in $(seq 300); do sh -c "sleep 0.2 &" </dev/null >/dev/null 2>&1; done; sleep 1')
    within(20, 'all orphans are reaped', lambda: machine.ssh(
        'cat /proc/[0-9]*/stat 2>/dev/null | grep -c ") Z " || true').strip() == '0', pause=1)


@story.test('dockerd that was killed is back within seconds')
def engine_killed(machine):
    before = machine.ssh('pidof dockerd').split()
    equal(len(before), 1, 'number of dockerd processes')
    machine.ssh('sudo kill -9 ' + before[0])
    start = time.monotonic()
    within(30, 'another dockerd answers', lambda: machine.command(
        'ssh', machine.name, f'[ "$(pidof dockerd)" != {before[0]} ] && docker version >/dev/null 2>&1 && pidof dockerd',
        check=False).stdout.strip())
    note(f'back after {time.monotonic() - start:.1f} s')
    equal(machine.docker('run', '--rm', 'busybox-local', '/bin/echo', 'again'), 'again\n', 'output')


@story.test('/etc/init.d/docker stops, starts and tells the state of the engine')
def init_script(machine):
    equal(machine.ssh('sudo /etc/init.d/docker status').strip(), 'Docker daemon is running', 'status')
    machine.ssh('sudo /etc/init.d/docker stop', timeout=60)
    equal(machine.ssh('pidof dockerd || true').strip(), '', 'dockerd after stop')
    stopped = machine.command('ssh', machine.name, 'sudo /etc/init.d/docker status', check=False)
    equal((stopped.returncode, stopped.stdout.strip()), (1, 'Docker daemon is not running'), 'status when stopped')
    machine.ssh('sudo /etc/init.d/docker start', timeout=60)
    within(30, 'the engine answers again', lambda: machine.command(
        'ssh', machine.name, 'docker version', check=False).returncode == 0)


@story.test('a boot that stands still would begin anew; once the engine has answered nothing does')
def stall(machine):
    contains(machine.ssh('cat /proc/cmdline'), ' panic=1 sysctl.kernel.panic_on_rcu_stall=1', 'the kernel\'s command line')
    equal(machine.ssh('cat /proc/sys/kernel/panic_on_rcu_stall'), '0\n', 'the parameter')


@story.test('the kernel leaves an instruction alone that QEMU before 8.0 emulates wrongly (doc/kernel.md); programs find it still')
def emulated_instruction(machine):
    equal(machine.ssh('grep -c cx16 /proc/cpuinfo || true'), '0\n', 'processors on which the kernel would run it')
    contains(machine.ssh('/lib64/ld-linux-x86-64.so.2 --help'), 'x86-64-v2 (supported', 'what programs find')


@story.test('boot-timeline tells the boot as text and as JSON')
def timeline(machine):
    text = machine.ssh('boot-timeline')
    data = json.loads(machine.ssh('boot-timeline --json'))
    note(text)
    named = {row['name']: row for row in data}
    assert len(data) >= 10, f'only {len(data)} rows'
    for row in data:
        contains(text, row['name'], 'the text has every row')
        assert row['end'] is None or 0 <= row['start'] <= row['end'], f'{row} ends before it starts'
    for name in ('kernel', 'storage', 'containerd', 'docker', 'engine-answers'):
        assert name in named, f'{name} is not among {sorted(named)}'
    contains(named['containerd']['after'], 'storage', 'what containerd waits for')


@story.test('boot-chart draws each row of the boot, and what the engine waited for')
def boot_chart(machine):
    path = machine.store / 'boot.svg'
    note(machine.command('boot-chart', machine.name, '--output', path).stdout)
    groups = ElementTree.parse(path).getroot().findall('{*}g')
    drawn = {group.find('{*}text').text: group.find('{*}rect').get('class') for group in groups}
    for row in json.loads(machine.ssh('boot-timeline --json')):
        assert row['name'] in drawn, f'{row["name"]} is not among {sorted(drawn)}'
    critical = {name for name, drawn_as in drawn.items() if drawn_as == 'critical'}
    assert {'kernel', 'layers', 'dockerd-exec', 'engine-answers'} <= critical, f'the chain is {critical}'


@story.test('/boot.log has the whole boot, each line with its time')
def boot_log(machine):
    lines = machine.ssh('cat /boot.log').splitlines()
    assert len(lines) > 10, f'it has only {len(lines)} lines'
    timeless = [line for line in lines if not re.match(r'^\[? *\d+\.\d+', line)]
    equal(timeless, [], 'lines without time')
    equal([line for line in lines if 'is left alone' in line], [], 'layers that were taken for data disks')
    equal(machine.ssh('cat /var/log/boot2docker.log').splitlines()[:10], lines[:10], '/var/log/boot2docker.log')


@story.test('an idle machine runs what it needs and nothing else; the image is no larger than it was')
def idle(machine):
    def programs():
        paths = machine.ssh('for p in /proc/[0-9]*; do sudo readlink $p/exe; done; true').split()
        return [path.rsplit('/', 1)[-1] for path in paths]
    # What the boot leaves for later (the other host keys, modules) is over soon.
    within(120, 'only what is known runs', lambda: not set(programs()) - RUNNING - ASKING, pause=3)
    running = [name for name in programs() if name in RUNNING]
    note(' '.join(running))
    assert len(running) <= PROCESSES_MAX, f'{len(running)} processes: {running}'
    for name, limit in SIZES_MAX.items():
        size = (IMAGE / name).stat().st_size
        assert size <= limit, f'{name} has {size} bytes, over {limit}: what has come into the image?'


@story.test('stop is a press of the power button and leaves the data disk clean')
def stop(machine):
    machine.docker('volume', 'create', 'kept')
    machine.docker('run', '--rm', '-v', 'kept:/kept', 'busybox-local', '/bin/sh', '-c', 'echo kept >/kept/file')
    machine.ssh('echo mine | sudo tee /var/lib/boot2docker/mine')
    machine.ssh('echo LoginGraceTime 77 | sudo tee /var/lib/boot2docker/ssh/sshd_config')
    machine.size = data_size(machine)
    machine.docker('run', '-d', '--name', 'stopped-by-signal', '-v', 'kept:/kept', 'busybox-local', '/bin/sh', '-c',
                   'trap "echo asked to stop >/kept/signal; exit 0" TERM; while :; do sleep 0.1; done')
    machine.host_key = machine.ssh('cat /var/lib/boot2docker/ssh/ssh_host_ed25519_key.pub')
    start = time.monotonic()
    machine.command('stop', machine.name, timeout=90)
    note(f'stop took {time.monotonic() - start:.1f} s')
    equal(machine.command('status', machine.name).stdout, 'Stopped\n', 'status')
    check_data_disk(machine)


def data_size(machine):
    """Of the file system with the engine's data, in MiB."""
    return int(machine.ssh('df -m /var/lib/docker/ | tail -n 1').split()[1])


def check_data_disk(machine):
    """The data disk is clean."""
    disks = list(machine.folder.glob('disk.*'))
    equal(len(disks), 1, 'disks in the machine\'s folder')
    raw = machine.store / 'disk-copy.raw'
    run('qemu-img', 'convert', '-O', 'raw', disks[0], raw)
    try:
        check_clean(raw)
    finally:
        raw.unlink()


@story.test('ip and url say that a stopped machine is not running')
def stopped(machine):
    for verb in ('ip', 'url'):
        result = machine.command(verb, machine.name, check=False)
        equal(result.returncode, 1, f'exit status of {verb}')
        contains(result.stderr, 'Host is not running', verb)


@story.test('start brings the machine back with its image, its volume, its file, its host key and its sshd_config', vital=True)
def start_again(machine):
    run('qemu-img', 'resize', machine.folder / 'disk.qcow2', '+20G')  # as the FAQ has it
    start = time.monotonic()
    machine.command('start', machine.name, timeout=400)
    note(f'start took {time.monotonic() - start:.1f} s')
    equal(machine.docker('run', '--rm', '-v', 'kept:/kept', 'busybox-local', '/bin/cat', '/kept/file', '/kept/signal'),
          'kept\nasked to stop\n', 'files of the volume')
    equal(machine.ssh('cat /var/lib/boot2docker/mine'), 'mine\n', 'file in /var/lib/boot2docker')
    equal(machine.ssh('cat /var/lib/boot2docker/ssh/ssh_host_ed25519_key.pub'), machine.host_key, 'SSH host key')
    contains(machine.ssh('sudo sshd -T').splitlines(), 'logingracetime 77', 'what sshd is told')
    equal(machine.ssh('grep -c "Docker answers" /boot.log').strip(), '1', 'boots in /boot.log')


@story.test('the disk, enlarged meanwhile by qemu-img, is used whole')
def enlarged(machine):
    size = data_size(machine)
    note(f'{machine.size} MiB before, {size} MiB after')
    assert size > machine.size + 19 * 1024, f'{size} MiB'


@story.test('a power cut loses nothing that was synced, and a port taken meanwhile gives way to the next free one')
def power_cut(machine):
    machine.ssh('echo synced | sudo tee /var/lib/boot2docker/synced; sync')
    host, port = machine.address()
    machine.command('kill', machine.name)
    within(10, 'the port is free', lambda: can_bind(host, port))
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((host, port))
        squatter.listen()
        machine.command('start', machine.name, timeout=400)
        _, other = machine.address()
        assert other != port, f'the machine has port {port}, which was taken'
        machine.engine_version()
        contains(machine.docker('run', '--rm', '-v', 'kept:/kept', 'busybox-local', '/bin/cat', '/kept/file'), 'kept',
                 'file of the volume')
        equal(machine.ssh('cat /var/lib/boot2docker/synced'), 'synced\n', 'file that was synced')


def can_bind(host, port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


@story.test('poweroff in the machine ends it')
def poweroff(machine):
    machine.command('ssh', machine.name, 'sudo poweroff', check=False)
    within(60, 'the machine is off', lambda: machine.command('status', machine.name).stdout == 'Stopped\n', pause=0.5)
    check_data_disk(machine)


@story.test('rm removes the machine and everything of it')
def remove(machine):
    machine.command('rm', '-y', machine.name)
    assert not machine.folder.exists(), f'{machine.folder} is still there'
    unknown = machine.command('status', machine.name, check=False)
    equal(unknown.returncode, 1, 'exit status')
    contains(unknown.stderr, f'Docker machine "{machine.name}" does not exist.', 'status of a removed machine')


if __name__ == '__main__':
    with Machine() as subject:
        finish(story.run(subject, subject.console))
