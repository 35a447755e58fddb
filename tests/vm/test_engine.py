#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Docker can do in the machine: confinement, limits, networks of every kind, registries, builds, compose, storage drivers."""
import io
import os
import shutil
import tarfile

from machine import busybox_tar, run
from qemu import KERNEL, Qemu
from registry import GATEWAY, Registry
from tap import Skip, Story, contains, equal, finish, note, within

story = Story()


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


@story.test('a machine that was given a registry\'s CA boots to its engine', vital=True)
def boots(qemu):
    own = qemu.folder
    qemu.trusted, qemu.strange = Registry(own, 'trusted', tls=True), Registry(own, 'strange', tls=True)
    qemu.plain = Registry(own, 'plain')
    qemu.mirror = Registry(own, 'mirror', of=qemu.plain)
    (own / 'provision.tar').write_bytes(make_tar({'certs/registry.pem': qemu.trusted.certificate.read_text()}))
    btrfs = qemu.add_disk('btrfs', 512 << 20)
    run('mkfs.btrfs', '-q', btrfs)
    qemu.start(*KERNEL, '-fw_cfg', f'name=opt/boot2docker/provision.tar,file={own}/provision.tar')
    note(f'docker answers after {qemu.wait_engine(300):.1f} s')
    qemu.ssh('docker import - bb', input=busybox_tar(), timeout=180)


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


@story.test('limits of memory and of swap hold')
def limits(qemu):
    equal(container(qemu, '-m', '64m', '--memory-swap', '96m', command='cd /sys/fs/cgroup; cat memory.max memory.swap.max').split(),
          [str(64 << 20), str(32 << 20)], 'limits in the container')
    equal(qemu.ssh('docker run --rm -m 24m --memory-swap 24m bb /bin/busybox dd if=/dev/zero of=/dev/null bs=64M count=1',
                   check=False, timeout=120).returncode, 137, 'exit status of a container that takes more')


@story.test('a container\'s log is bounded without being told so')
def log_bound(qemu):
    qemu.ssh('docker run --name logs bb /bin/true')
    contains(qemu.ssh('docker inspect --format "{{.HostConfig.LogConfig}}" logs; docker rm logs').stdout, 'max-size:100m', 'log options')


@story.test('macvlan and ipvlan: a container is on the machine\'s own network')
def lan_drivers(qemu):
    for driver, address in (('macvlan', '10.0.2.99'), ('ipvlan', '10.0.2.98')):
        qemu.ssh(f'docker network create -d {driver} --subnet 10.0.2.0/24 --gateway {GATEWAY} -o parent=eth0 lan')
        try:
            equal(container(qemu, '--network lan --ip', address, command=f'wget -qO- http://{GATEWAY}:{qemu.plain.port}/v2/'),
                  '{}', f'answer of the host over {driver}')
        finally:
            qemu.ssh('docker network rm lan')


@story.test('swarm: a service answers at its virtual address, by IPVS, on an encrypted overlay network')
def swarm(qemu):
    qemu.ssh('docker swarm init --advertise-addr eth0 && docker network create -d overlay --opt encrypted --attachable over', timeout=180)
    try:
        qemu.ssh('docker service create -d --no-resolve-image --name web --network over bb /bin/sh -c '
                 '"echo served >/index.html; exec /bin/httpd -f -p 80 -h /"', timeout=180)
        equal(within(120, 'the service answers', lambda: qemu.ssh(
            'docker run --rm --network over bb /bin/wget -T 5 -qO- http://web/', check=False, timeout=120).stdout, pause=1),
              'served\n', 'answer')
        contains(qemu.ssh('cat /proc/modules').stdout + qemu.ssh('sudo ls /proc/net/ip_vs', check=False).stdout, 'ip_vs', 'IPVS')
    finally:
        qemu.ssh('docker swarm leave --force', timeout=120)


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


@story.test('a container with the machine\'s client and socket sees volumes; one with its /proc mounts things in the machine')
def helpers(qemu):
    # The samba container of the README, and the automounter. The client may need the machine's libraries.
    libraries = '-v /usr/lib/x86_64-linux-gnu:/lib/x86_64-linux-gnu:ro -v /usr/lib64:/lib64:ro'
    qemu.ssh('docker volume create my-data')
    contains(qemu.ssh(f'docker run --rm {libraries} -v /usr/local/bin/docker:/docker -v /var/run/docker.sock:/docker.sock bb '
                      '/docker -H unix:///docker.sock inspect my-data', timeout=180).stdout, '/volumes/my-data/_data', 'inspect')
    qemu.ssh('sudo mkdir /mnt/auto && docker run --rm --privileged -v /proc:/hproc bb '
             '/bin/busybox nsenter --mount=/hproc/1/ns/mnt /bin/mount -t tmpfs auto /mnt/auto', timeout=180)
    contains(qemu.ssh('cat /proc/mounts; sudo umount /mnt/auto').stdout, 'auto /mnt/auto tmpfs', 'mounts of the machine')


@story.test('compose on the host starts services in the machine, over TLS')
def compose(qemu):
    program = shutil.which('docker-compose')
    if not program:
        raise Skip('docker-compose is not installed')
    project = qemu.folder / 'project'
    project.mkdir()
    for name in ('ca', 'cert', 'key'):
        (project / f'{name}.pem').write_text(qemu.ssh(f'cat ~/.docker/{name}.pem').stdout)
    (project / 'docker-compose.yml').write_text(
        'version: "3"\nservices:\n  web:\n    image: bb\n    command: '
        '["/bin/sh", "-c", "echo composed >/index.html; exec httpd -f -p 80 -h /"]\n'
        '  ask:\n    image: bb\n    depends_on: [web]\n    command: ["/bin/sh", "-c", "until wget -qO- http://web/; do sleep 1; done"]\n')
    environment = dict(os.environ, DOCKER_HOST=f'tcp://127.0.0.1:{qemu.engine_port}', DOCKER_TLS_VERIFY='1',
                       DOCKER_CERT_PATH=str(project), NO_PROXY='127.0.0.1', COMPOSE_HTTP_TIMEOUT='180')
    run(program, 'up', '-d', cwd=project, env=environment, timeout=240)
    contains(within(60, 'one asks the other', lambda: run(program, 'logs', 'ask', cwd=project, env=environment).stdout, pause=1),
             'composed', 'logs')
    run(program, 'down', '-t', '1', cwd=project, env=environment, timeout=240)


@story.test('a registry without TLS is refused, until the profile names it; a mirror is asked; users are remapped')
def insecure(qemu):
    name = f'{qemu.plain.address}/library/hello'
    refused = qemu.ssh(f'docker tag bb {name} && docker push {name}', check=False, timeout=180)
    assert refused.returncode != 0, 'the push went through'
    contains(refused.stdout + refused.stderr, 'HTTP response to HTTPS client', 'the error')
    qemu.restart_engine(f"EXTRA_ARGS='\n--insecure-registry {qemu.plain.address}\n--registry-mirror http://{qemu.mirror.address}\n"
                        "--userns-remap=default\n'\n")
    qemu.ssh(f'docker import - {name}', input=busybox_tar(), timeout=180)
    qemu.ssh(f'docker push {name} && docker rmi {name} && docker pull hello', timeout=240)
    contains(qemu.mirror.log(), '/v2/library/hello/manifests/latest', 'requests to the mirror')
    contains(qemu.ssh('docker info --format "{{.SecurityOptions}}"').stdout, 'name=userns', 'security options')
    inside, outside, _ = container(qemu, command='cat /proc/self/uid_map', image='hello').split()
    assert inside == '0' and int(outside) >= 100000, f'root of a container is {outside}'


@story.test('on btrfs, the storage driver btrfs is taken')
def btrfs(qemu):
    qemu.ssh('sudo mkdir -p /mnt/b && sudo mount -t btrfs /dev/vdb /mnt/b')
    qemu.restart_engine('DOCKER_DIR=/mnt/b/docker\n')
    equal(qemu.ssh('docker info --format "{{.Driver}} {{.DockerRootDir}}"').stdout.split(), ['btrfs', '/mnt/b/docker'], 'docker info')
    qemu.ssh('docker import - bb', input=busybox_tar(), timeout=180)
    equal(container(qemu, command='echo on btrfs'), 'on btrfs\n', 'output')


@story.test('the power button ends it')
def power_button(qemu):
    qemu.power_button()


if __name__ == '__main__':
    with Qemu() as subject:
        subject.add_key_disk()
        finish(story.run(subject, subject.tail))
