#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Docker can do in the machine, and what people do in it: confinement, limits, networks of every kind, registries, builds,
compose, storage drivers, a file server, a terminal."""
import io
import os
import re
import shutil
import tarfile
import time

import kernel
from fileserver import Nfs
from machine import IMAGE, busybox_tar, run
from qemu import KERNEL, Qemu
from registry import GATEWAY, Registry
from tap import PATIENCE, Story, contains, equal, finish, note, within
from terminal import PROMPT, Terminal

story = Story()
LOG_LIMIT = 200 << 20
EXTENSIONS = sorted(IMAGE.glob('*.squashfs'))
# What the guest contract and people's scripts want on the PATH of a login that is no terminal.
TOOLS = ('docker bash vi less curl wget openssl iptables nft ip ss tar gzip xz zstd rsync scp sfdisk parted mkfs.ext4 mkfs.btrfs mount.nfs '
         'mount.cifs tcpdump strace ps top htop crond sudo netstat pgrep which tee printf ping')
TERMINALS = ('xterm-256color screen-256color tmux-256color linux vt100 rxvt-unicode-256color alacritty foot konsole-256color putty-256color '
             'st-256color wezterm xterm-ghostty xterm-kitty')


def container(qemu, *flags, command, image='bb'):
    return qemu.ssh(f'docker run --rm {" ".join(flags)} {image} /bin/sh -c \'{command}\'', timeout=180).stdout


def make_tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=tarfile.USTAR_FORMAT) as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


def lay_over(qemu, machine):
    """Boots again with what the release has beside its image: what follows finds there what other images have in them."""
    for extension in EXTENSIONS:
        shutil.copy(extension, qemu.folder / 'fixtures')
    qemu.ssh('cd /var/lib/boot2docker && sudo mkdir extensions && sudo cp /fixtures/*.squashfs extensions/', timeout=180)
    qemu.power_button()
    qemu.start(*machine)
    note(f'docker answers after {qemu.wait_engine(300):.1f} s with {len(EXTENSIONS)} extensions')


@story.test('a machine that was given a registry\'s CA boots to its engine', vital=True)
def boots(qemu):
    own = qemu.folder
    qemu.trusted, qemu.strange = Registry(own, 'trusted', tls=True), Registry(own, 'strange', tls=True)
    qemu.plain = Registry(own, 'plain')
    qemu.mirror = Registry(own, 'mirror', of=qemu.plain)
    (own / 'provision.tar').write_bytes(make_tar({'certs/registry.pem': qemu.trusted.certificate.read_text()}))
    btrfs = qemu.add_disk('btrfs', 512 << 20)
    run('mkfs.btrfs', '-q', btrfs)
    (own / 'fixtures').mkdir()
    (own / 'fixtures' / 'bb.tar').write_bytes(busybox_tar())
    machine = [*KERNEL[:-1], f'{KERNEL[-1]} boot2docker.debug', '-fw_cfg', f'name=opt/boot2docker/provision.tar,file={own}/provision.tar',
               '-virtfs', f'local,path={own}/fixtures,mount_tag=fixtures,security_model=none,readonly=on']
    qemu.start(*machine)
    note(f'docker answers after {qemu.wait_engine(300):.1f} s')
    if EXTENSIONS:
        lay_over(qemu, machine)
    qemu.ssh('docker import /fixtures/bb.tar bb', timeout=180)


kernel.add_tests(story)


if not kernel.debian_kernel():  # the release, whose engine is built from source
    @story.test('the engine\'s program begins with few objects, and collects none of them as garbage before main')
    def lean_start(qemu):
        said = qemu.ssh('GODEBUG=inittrace=1,gctrace=1 docker -v 2>&1').stdout
        allocated = sum(int(count) for count in re.findall(r'^init .* (\d+) bytes', said, re.MULTILINE))
        assert 0 < allocated < 4_000_000, f'its packages allocate {allocated} bytes; see late-address-pools.patch, late-regexps.patch'
        equal(re.findall(r'^gc .*', said, re.MULTILINE), [], 'collections; see first-collection.patch')


    @story.test('at a boot the engine removes no chains that are not there, and asks crun for its features once')
    def few_questions(qemu):
        # As at a boot: without rules of an engine before. Stand-ins note how the programs are called; the engine names crun by its path.
        qemu.ssh('sudo /etc/init.d/docker stop && sudo sh -es', input="""
            for tool in iptables ip6tables; do
                for table in filter nat; do $tool -t $table -F; $tool -t $table -X; done
                printf '#!/bin/sh\\necho "$0 $*" >>/run/asked\\nexec /usr/sbin/%s "$@"\\n' $tool >/usr/local/sbin/$tool
            done
            mv /usr/bin/crun /usr/bin/crun.own
            printf '#!/bin/sh\\necho "$0 $*" >>/run/asked\\nexec /usr/bin/crun.own "$@"\\n' >/usr/bin/crun
            chmod 755 /usr/local/sbin/iptables /usr/local/sbin/ip6tables /usr/bin/crun
            /etc/init.d/docker start""", timeout=180)
        try:
            qemu.wait_engine(120)
            contains(qemu.ssh('docker info --format "{{json .Runtimes}}"').stdout, 'potentiallyUnsafeConfigAnnotations', 'docker info')
            asked = qemu.ssh('cat /run/asked').stdout.splitlines()
            note(f'{len(asked)} programs')
            equal([line for line in asked if ' -X DOCKER' in line], [], 'what it removes; see missing-chains.patch')
            assert any('-N DOCKER' in line for line in asked), f'it did not make its chains: {asked}'
            equal([line for line in asked if 'crun features' in line], ['/usr/bin/crun features'], 'see late-questions.patch')
        finally:
            # The engine keeps the paths of the programs that it has found.
            qemu.ssh('sudo /etc/init.d/docker stop && sudo mv /usr/bin/crun.own /usr/bin/crun && '
                     'sudo rm /usr/local/sbin/iptables /usr/local/sbin/ip6tables && sudo /etc/init.d/docker start', timeout=180)
            qemu.wait_engine(120)


@story.test('the tools and the terminals that people use are there')
def tools(qemu):
    equal(qemu.ssh(f'for tool in {TOOLS}; do which $tool >/dev/null || echo $tool; done').stdout, '', 'tools that are missing')
    qemu.ssh(f'ping -c 1 -W 5 {GATEWAY} && ping6 -c 1 -W 5 ::1')  # without being root
    equal(qemu.ssh(f'for name in {TERMINALS}; do test -f /usr/share/terminfo/${{name%${{name#?}}}}/$name || echo $name; done').stdout, '',
          'terminals that are missing')


class Login:
    """What a user sees who types at a terminal, of TERM xterm-256color, into an ssh that asks for the password."""

    def __init__(self, screen, qemu):
        self.screen = screen
        self.ssh = (f'TERM=xterm-256color ssh -p {qemu.ssh_port} -F none -o PubkeyAuthentication=no -o StrictHostKeyChecking=no '
                    '-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -t docker@127.0.0.1 ')

    def keys(self, *names):
        self.screen.call('send-keys', *names)
        time.sleep(0.5)

    def line(self, text):
        self.keys('-l', text)
        self.keys('Enter')

    def sees(self, *texts):
        for text in texts:
            try:
                within(60, f'{text!r} is on the screen', lambda part=text: part in self.shown())
            except AssertionError as late:
                raise AssertionError(f'{late}; there is {self.shown()!r}') from None

    def shown(self):
        return '\n' + self.screen.call('capture-pane', '-p')

    def log_in(self, command):
        self.line(self.ssh + command)
        self.sees('password:')
        self.line('tcuser')

    def log_out(self):
        within(30, 'the prompt of this side', lambda: self.screen.lines()[-1] == PROMPT.rstrip())


@story.test('a terminal is a real one: login by password, vi as root, arrow keys, UTF-8')
def terminal(qemu):
    with Terminal(qemu.folder, dict(os.environ, LANG='C.UTF-8')) as screen:
        login = Login(screen, qemu)
        login.log_in('sudo vi /tmp/typed')
        login.sees('- /tmp/typed')
        login.keys('i')
        login.keys('-l', 'second')
        login.keys('Home')
        login.keys('Enter')
        login.keys('Up')
        login.keys('-l', 'first, grün')
        login.sees('first, grün')
        login.keys('Escape')
        login.line(':wq')
        login.log_out()
    equal(qemu.ssh('cat /tmp/typed; stat -c %U /tmp/typed').stdout, 'first, grün\nsecond\nroot\n', 'the file and its owner')


@story.test('less pages and searches, top and htop draw the whole terminal, and the shell has its history, in a session over SSH')
def full_screen(qemu):
    with Terminal(qemu.folder, dict(os.environ, LANG='C.UTF-8')) as screen:
        login = Login(screen, qemu)
        login.log_in('')
        login.sees('docker@boot2docker:~$')
        login.line('seq 1000 >/tmp/many; echo grün >>/tmp/many; less /tmp/many')
        login.sees('\n49\n')
        login.keys('Space')
        login.sees('\n98\n')
        login.line('/^77.$')
        login.sees('\n770\n')
        login.keys('-l', 'G')
        login.sees('\n1000\ngrün\n', '(END)')
        for _ in range(6):
            login.keys('Up')
        login.sees('\n950\n')
        login.keys('q')
        for program, texts in (('top', ('Mem', 'PID', 'dockerd')), ('htop', ('Tasks', 'PID', 'dockerd', 'F10'))):
            login.line(program)
            login.sees(*texts)
            login.keys('q')
        login.keys('Up')
        login.keys('Up')
        login.sees('$ top\n')
        login.keys('C-c')
        login.line('echo $TERM $(stty size); exit')
        login.sees('xterm-256color 50 150\n')
        login.log_out()


@story.test('programs that draw on the terminal know each that people use, and say so of one that there is not')
def known_terminals(qemu):
    def unknown(names):
        # htop asks ncurses, as bash does; it ends when it reads q.
        return qemu.ssh(f'for name in {names}; do echo q | TERM=$name htop >/dev/null 2>&1 || echo $name; done', timeout=180).stdout.split()
    equal(unknown(f'{TERMINALS} no-such-terminal'), ['no-such-terminal'], 'terminals that htop does not know')


@story.test('docker info warns of nothing, and names AppArmor and seccomp')
def info(qemu):
    told = qemu.ssh('docker info 2>&1').stdout
    assert 'WARNING' not in told, told
    options = qemu.ssh('docker info --format "{{.SecurityOptions}}"').stdout
    for name in ('apparmor', 'seccomp', 'cgroupns'):
        contains(options, f'name={name}', 'security options')


@story.test('a container is confined by AppArmor and by seccomp, a privileged one is not')
def confined(qemu):
    found = container(qemu, command='cat /proc/self/attr/current; busybox grep Seccomp: /proc/self/status; '
                      'echo 1 >/proc/sysrq-trigger || echo denied').split()
    equal(found, ['docker-default', '(enforce)', 'Seccomp:', '2', 'denied'], 'what the container sees')
    contains(container(qemu, '--privileged', command='cat /proc/self/attr/current'), 'unconfined', 'a privileged one')


@story.test('an AppArmor profile of one\'s own is loaded, and confines the container that it is given to')
def own_profile(qemu):
    qemu.ssh('sudo tee /var/lib/boot2docker/mine', input='#include <tunables/global>\nprofile mine flags=(attach_disconnected,'
             'mediate_deleted) {\n  #include <abstractions/base>\n  file,\n  deny /forbidden w,\n}\n')
    qemu.ssh('sudo apparmor_parser -r /var/lib/boot2docker/mine', timeout=180)
    write = 'cat /proc/self/attr/current; for file in /forbidden /allowed; do echo 1 >$file && echo $file; done; true'
    equal(container(qemu, '--security-opt', 'apparmor=mine', command=write).split(), ['mine', '(enforce)', '/allowed'], 'what it may write')
    equal(container(qemu, command=write).split(), ['docker-default', '(enforce)', '/forbidden', '/allowed'], 'what another may write')
    contains(container(qemu, '--security-opt', 'apparmor=unconfined', command=write), 'unconfined', 'without any profile')


@story.test('limits of memory and of swap hold')
def limits(qemu):
    equal(container(qemu, '-m', '64m', '--memory-swap', '96m', command='cd /sys/fs/cgroup; cat memory.max memory.swap.max').split(),
          [str(64 << 20), str(32 << 20)], 'limits in the container')
    equal(qemu.ssh('docker run --rm -m 24m --memory-swap 24m bb /bin/busybox dd if=/dev/zero of=/dev/null bs=64M count=1',
                   check=False, timeout=120).returncode, 137, 'exit status of a container that takes more')


def check_log_bound(qemu, command):
    """A container that prints more than its log may have has two files of it, full, and nothing else."""
    qemu.ssh(f'docker run --network none --name noisy bb /bin/sh -c \'{command}\' >/dev/null', timeout=900)
    sizes = qemu.ssh('sudo sh -c "stat -c %s /var/lib/docker/containers/$(docker inspect -f {{.Id}} noisy)/*-json.log*"').stdout.split()
    note(f'its logs have {" and ".join(sizes)} bytes')
    equal(len(sizes), 2, 'log files')
    assert LOG_LIMIT // 2 < sum(map(int, sizes)) <= LOG_LIMIT + (1 << 20), f'log files of {sizes} bytes'


@story.test('the log of a container that prints hundreds of megabytes is bounded without being told so')
def log_bound(qemu):
    # A NUL is six bytes in the log. test_long.py has a whole gigabyte.
    check_log_bound(qemu, 'busybox dd if=/dev/zero bs=1M count=60')
    qemu.ssh('docker rm noisy')


@story.test('templates call the methods of what they are given, and say what is not there; a log driver that cannot be had is named')
def templates(qemu):
    qemu.ssh("docker run --name templated -p 1234 --log-opt tag='{{.Name}} {{.ContainerCreated.Month.String}}' bb /bin/echo out", timeout=180)
    month = qemu.ssh('date -u +%B').stdout.strip()
    contains(qemu.ssh('docker logs --details templated').stdout.replace('+', ' '), f'tag=templated {month}', 'the tag of the log')
    equal(qemu.ssh("docker inspect templated -f '{{.HostConfig.NetworkMode.IsHost}} {{.HostConfig.RestartPolicy.IsNone}} "
                   "{{range $port, $_ := .HostConfig.PortBindings}}{{$port.Port}} {{$port.Proto}}{{end}}'").stdout, 'false true 1234 tcp\n',
          'what docker inspect tells')
    equal(qemu.ssh("docker ps -a --filter name=templated --format '{{.Names}} {{.Image}}'").stdout, 'templated bb\n', 'what docker ps tells')
    contains(qemu.ssh("docker inspect templated -f '{{.Nothing}}' 2>&1", check=False).stdout, 'Nothing', 'the error')
    contains(qemu.ssh('docker run --rm --log-driver awslogs bb /bin/true 2>&1', check=False).stdout, 'awslogs', 'the error')
    qemu.ssh('docker rm templated')


@story.test('macvlan and ipvlan: a container is on the machine\'s own network')
def lan_drivers(qemu):
    for driver, address in (('macvlan', '10.0.2.99'), ('ipvlan', '10.0.2.98')):
        qemu.ssh(f'docker network create -d {driver} --subnet 10.0.2.0/24 --gateway {GATEWAY} -o parent=eth0 lan')
        try:
            equal(container(qemu, '--network lan --ip', address, command=f'wget -qO- http://{GATEWAY}:{qemu.plain.port}/v2/'),
                  '{}', f'answer of the host over {driver}')
        finally:
            qemu.ssh('docker network rm lan')


@story.test('a registry whose CA lies in certs/ is trusted; one whose CA is unknown is refused, until certs.d has it')
def registries(qemu):
    qemu.ssh(f'docker tag bb {qemu.trusted.address}/bb && docker push {qemu.trusted.address}/bb', timeout=180)
    qemu.ssh(f'docker rmi {qemu.trusted.address}/bb && docker pull {qemu.trusted.address}/bb', timeout=180)
    name = f'{qemu.strange.address}/bb'
    refused = qemu.ssh(f'docker tag bb {name} && docker push {name}', check=False, timeout=180)
    assert refused.returncode != 0, 'the push went through'
    contains(refused.stdout + refused.stderr, 'certificate signed by unknown authority', 'the error')
    folder = f'/etc/docker/certs.d/{qemu.strange.address}'
    qemu.ssh(f'sudo mkdir -p {folder} && sudo tee {folder}/ca.crt', input=qemu.strange.certificate.read_text())
    qemu.ssh(f'docker push {name}', timeout=180)


@story.test('docker build makes an image of a Dockerfile')
def build(qemu):
    context = make_tar({'Dockerfile': 'FROM bb\nARG WHO=world\nCOPY file /copied\nRUN cat /copied | busybox tee /made && echo $WHO >>/made\n'
                        'CMD ["/bin/cat", "/made"]\n', 'file': 'from the context\n'})
    qemu.ssh('docker build --build-arg WHO=you -t built -', input=context, timeout=300)
    equal(qemu.ssh('docker run --rm built').stdout, 'from the context\nyou\n', 'output of the image')


@story.test('BuildKit makes an image of a Dockerfile that only it understands')
def buildkit(qemu):
    # The image has no buildx: the engine is asked as that would ask it.
    context = make_tar({'Dockerfile': 'FROM bb\nCOPY <<EOF /text\nfrom the Dockerfile\nEOF\nRUN --mount=type=cache,target=/cache '
                        '--mount=type=bind,source=file,target=/bound cat /text /bound >/made\nCMD ["/bin/cat", "/made"]\n',
                        'file': 'from the context\n'})
    told = qemu.ssh('curl -sS --unix-socket /var/run/docker.sock -H "Content-Type: application/x-tar" --data-binary @- '
                    '"http://docker/build?version=2&t=kit"', input=context, timeout=300).stdout.decode()
    contains(told, 'moby.image.id', 'what the engine told')
    equal(qemu.ssh('docker run --rm kit').stdout, 'from the Dockerfile\nfrom the context\n', 'output of the image')


@story.test('an NFS server of the host is mounted, and keeps what is written')
def nfs(qemu):
    qemu.nfs = Nfs(qemu.folder)
    mount = f'sudo mount -t nfs -o vers=4.1,port={qemu.nfs.port} {GATEWAY}:/files /mnt/nfs'
    qemu.ssh(f'sudo mkdir -p /mnt/nfs && {mount} && echo kept | sudo tee /mnt/nfs/file && sudo umount /mnt/nfs', timeout=180)
    equal(qemu.ssh(f'{mount} && cat /mnt/nfs/file', timeout=180).stdout, 'kept\n', 'content')
    container(qemu, '-v', '/mnt/nfs:/out', command='cat /out/file >/out/copy')
    equal(qemu.ssh('cat /mnt/nfs/copy; sudo umount /mnt/nfs').stdout, 'kept\n', 'written by a container with -v')


@story.test('a container with the machine\'s /proc mounts things in the machine')
def proc(qemu):
    qemu.ssh('sudo mkdir /mnt/auto && docker run --rm --privileged -v /proc:/hproc bb '
             '/bin/busybox nsenter --mount=/hproc/1/ns/mnt /bin/mount -t tmpfs auto /mnt/auto', timeout=180)
    contains(container(qemu, '-v', '/mnt/auto:/x:rslave', command='cat /proc/mounts'), 'auto /x tmpfs', 'mounts of another container')
    contains(qemu.ssh('cat /proc/mounts; sudo umount /mnt/auto').stdout, 'auto /mnt/auto tmpfs', 'mounts of the machine')


@story.test('compose on the host starts services in the machine, over TLS')
def compose(qemu):
    program = shutil.which('docker-compose')
    assert program, 'no docker-compose: tools/bootstrap test installs what tests need'
    project = qemu.folder / 'project'
    project.mkdir()
    for name in ('ca', 'cert', 'key'):
        (project / f'{name}.pem').write_text(qemu.ssh(f'cat ~/.docker/{name}.pem').stdout)
    (project / 'docker-compose.yml').write_text(
        'version: "3"\nservices:\n  web:\n    image: bb\n    command: '
        '["/bin/sh", "-c", "echo composed >/index.html; exec httpd -f -p 80 -h /"]\n'
        '  ask:\n    image: bb\n    depends_on: [web]\n    command: ["/bin/sh", "-c", "until wget -qO- http://web/; do sleep 1; done"]\n')
    environment = {**os.environ, 'REQUESTS_CA_BUNDLE': '/etc/ssl/certs/ca-certificates.crt'}
    environment.update(DOCKER_HOST=f'tcp://127.0.0.1:{qemu.engine_port}', DOCKER_TLS_VERIFY='1', DOCKER_CERT_PATH=str(project),
                       NO_PROXY='127.0.0.1', COMPOSE_HTTP_TIMEOUT='180')
    told = run(program, 'ps', cwd=project, env=environment, check=False)
    equal(told.returncode, 1, 'exit status of compose with REQUESTS_CA_BUNDLE')
    contains(told.stdout + told.stderr, 'unable to get local issuer certificate', 'what compose says')
    without = ['env', '-u', 'REQUESTS_CA_BUNDLE', '-u', 'CURL_CA_BUNDLE', program]  # as doc/WORKAROUNDS.md has it
    run(*without, 'up', '-d', cwd=project, env=environment, timeout=240)
    contains(within(60, 'one asks the other', lambda: run(*without, 'logs', 'ask', cwd=project, env=environment).stdout, pause=1),
             'composed', 'logs')
    run(*without, 'down', '-t', '1', cwd=project, env=environment, timeout=240)


@story.test('a registry without TLS is refused, until the profile names it')
def insecure(qemu):
    name = f'{qemu.plain.address}/library/hello'
    refused = qemu.ssh(f'docker tag bb {name} && docker push {name}', check=False, timeout=180)
    assert refused.returncode != 0, 'the push went through'
    contains(refused.stdout + refused.stderr, 'HTTP response to HTTPS client', 'the error')
    # The registry without TLS takes requests as a proxy gets them, too: so it serves as the proxy to one that nobody has heard of.
    qemu.restart_engine(f"EXTRA_ARGS='\n--insecure-registry {qemu.plain.address} --insecure-registry registry.test\n"
                        f"--registry-mirror http://{qemu.mirror.address}\n--userns-remap=default --dns 10.9.8.7\n'\n"
                        f'export HTTP_PROXY=http://{qemu.plain.address} NO_PROXY={GATEWAY}\n')
    qemu.ssh(f'docker import /fixtures/bb.tar {name}', timeout=180)
    qemu.ssh(f'docker push {name} && docker rmi {name}', timeout=180)


@story.test('Docker Hub is asked for through the mirror, another registry through the proxy')
def mirror(qemu):
    qemu.ssh('docker pull hello', timeout=180)
    contains(qemu.mirror.log(), '/v2/library/hello/manifests/latest', 'requests to the mirror')
    assert 'host=registry.test' not in qemu.plain.log(), 'the proxy was asked too early'
    qemu.ssh('docker pull registry.test/library/hello', timeout=180)
    contains(qemu.plain.log(), 'host=registry.test', 'requests to the proxy')


@story.test('users of containers are remapped, and their resolver is the one of the profile')
def remapped(qemu):
    contains(qemu.ssh('docker info --format "{{.SecurityOptions}}"').stdout, 'name=userns', 'security options')
    inside, outside, _ = container(qemu, command='cat /proc/self/uid_map', image='hello').split()
    assert inside == '0' and int(outside) >= 100000, f'root of a container is {outside}'
    contains(container(qemu, command='cat /etc/resolv.conf', image='hello'), 'nameserver 10.9.8.7', 'resolv.conf of a container')


@story.test('on btrfs, the storage driver btrfs is taken')
def btrfs(qemu):
    qemu.ssh('sudo mkdir -p /mnt/b && sudo mount -t btrfs /dev/vdb /mnt/b')
    qemu.restart_engine('DOCKER_DIR=/mnt/b/docker\n')
    equal(qemu.ssh('docker info --format "{{.Driver}} {{.DockerRootDir}}"').stdout.split(), ['btrfs', '/mnt/b/docker'], 'docker info')
    qemu.ssh('docker import /fixtures/bb.tar bb', timeout=180)
    equal(container(qemu, command='echo on btrfs'), 'on btrfs\n', 'output')


@story.test('blocks that are freed in the machine are given back by the disk of the host')
def discard(qemu):
    def used():
        return os.stat(qemu.data).st_blocks * 512
    qemu.ssh('cd /var/lib/boot2docker && sudo dd if=/dev/urandom of=big bs=1M count=200 2>/dev/null && sync', timeout=180)
    before = used()
    qemu.ssh('sudo rm /var/lib/boot2docker/big && sync')
    within(60, 'the file of the disk is smaller', lambda: used() < before - (150 << 20))


@story.test('shutdown -h now ends it')
def shutdown(qemu):
    qemu.ssh('sudo shutdown -h now', check=False)
    qemu.process.wait(90 * PATIENCE)


if __name__ == '__main__':
    with Qemu() as subject:
        subject.data = subject.add_key_disk()
        finish(story.run(subject, subject.tail))
