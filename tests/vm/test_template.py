#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Machines that are born from a template: what they have in common with a booted one, and what none shares with another. The
development image's engine is restarted for it, so --qemu-template always.

    test_template.py [MACHINES]   how many are compared with each other; 3 if not given
"""
import json
import os
import signal
import subprocess
import sys
import threading
import time

from machine import BOOT2DOCKER, IMAGE, Machine, run
from tap import Story, contains, equal, finish, note, within

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 3
NOBODY_ELSES = '''
sudo cat /var/lib/boot2docker/ssh/ssh_host_*_key.pub | cut -d' ' -f2
sudo cat /var/lib/docker/engine-id; echo
docker info --format '{{.ID}}'
sudo blkid $(grep -m1 ' ext4 ' /proc/mounts | cut -d' ' -f1)
sudo blkid -s UUID $(grep -o '^/dev/vd[^ ]*' /proc/swaps)
sudo sfdisk --dump /dev/vda | grep -oE '(uuid=|label-id: )[0-9A-F-]{36}'
docker network inspect --format '{{.Id}}' host none
cat /proc/sys/kernel/random/boot_id
head -c 32 /dev/urandom | md5sum
openssl rand -hex 32
sudo sha256sum /var/lib/boot2docker/server.pem /var/lib/boot2docker/server-key.pem | cut -d' ' -f1
docker network inspect --format '{{.Id}}' bridge
cat /sys/class/net/docker0/address
docker network create one
docker create --name two busybox-local /bin/true
docker inspect --format '{{.Name}}' $(docker create busybox-local /bin/true) $(docker create busybox-local /bin/true) | tr -d '\\n'; echo
hostname
'''
story = Story()


class Born(Machine):
    """A machine in the store of another."""

    def __init__(self, first, name):
        self.name, self.store, self.environment = name, first.store, first.environment
        self.folder = self.store / 'machines' / name

    def create(self, *flags, template='always'):
        return super().create('--qemu-template', template, *flags)

    def is_born(self):
        return 'born from a template' in self.ssh('cat /boot.log')


class Store(Machine):
    """The store of all, with a home folder that is shared."""

    def __init__(self):
        super().__init__()
        self.home = self.store / 'home'
        self.home.mkdir()
        self.environment.update(HOME=str(self.home), QEMU_SHARE=f'{self.home}:/shared')
        self.machines = []

    def __exit__(self, *error):
        for machine in self.machines:
            machine.command('kill', machine.name, check=False)
        super().__exit__(*error)

    def add(self, name):
        machine = Born(self, name)
        self.machines.append(machine)
        return machine

    def templates(self):
        return sorted((self.store / 'cache' / 'templates').glob('*-*'))

    def tail(self):
        return self.machines[-1].console() if self.machines else ''


@story.test('a create that is killed while it makes the template leaves no QEMU, and does not stand in another\'s way')
def killed(store):
    process = subprocess.Popen([BOOT2DOCKER, 'create', '-d', 'qemu', '--qemu-cpu-count', '2', '--qemu-template', 'always',
                                '--qemu-boot2docker-url', IMAGE / 'boot2docker.iso', 'gone'], env=store.environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pid_file = store.store / 'cache' / 'templates' / 'unfinished' / 'qemu.pid'
    within(60, 'the template\'s QEMU', lambda: pid_file.exists() and pid_file.read_text().strip())
    pid = int(pid_file.read_text())
    process.send_signal(signal.SIGKILL)
    process.wait()
    within(10, 'its end', lambda: not os.path.exists(f'/proc/{pid}/exe'))
    store.command('rm', '-f', 'gone')
    equal(store.templates(), [], 'templates')


@story.test('the first machine makes the template, and is born from it', vital=True)
def first(store):
    (store.home / 'file').write_text('of the host\n')
    machine = store.add('first')
    result = machine.create()
    contains(result.stdout + result.stderr, 'Making a template', 'create')
    assert machine.is_born(), machine.ssh('cat /boot.log')
    folder, = store.templates()
    equal(sorted(path.name for path in folder.iterdir()), ['disk.qcow2', 'machine.state', 'saved.json'], 'what is kept of it')
    equal([path.stat().st_mode & 0o777 for path in (folder, folder / 'machine.state')], [0o700, 0o600], 'modes')
    machine.import_busybox('busybox-local')
    contains(machine.docker('run', '--rm', 'busybox-local', '/bin/echo', 'it runs'), 'it runs', 'a container')


@story.test(f'of {COUNT} machines no two share a key, an identifier, a name or a random number', vital=True)
def identities(store):
    seen = {}
    for number in range(COUNT):
        machine = store.machines[0] if number == 0 else store.add(f'm{number}')
        if number:
            start = time.monotonic()
            result = machine.create()
            note(f'create took {time.monotonic() - start:.2f} s')
            assert 'template' not in result.stdout + result.stderr, result
            assert machine.is_born(), f'{machine.name} was booted'
            machine.import_busybox('busybox-local')
        lines = machine.ssh(NOBODY_ELSES).split('\n')[:-1]
        equal(lines[-1], machine.name, 'host name')
        for line in set(lines):
            assert line not in seen, f'{machine.name} and {seen[line]} share {line!r}'
            seen[line] = machine.name
        if 1 < number < COUNT - 1:
            machine.command('rm', '-f', machine.name)
            store.machines.remove(machine)
    assert len(seen) > 18 * COUNT, f'only {len(seen)} things were compared'


@story.test('a born machine has the right time, the share, its user\'s key alone, and an engine that wants its certificates')
def whole(store):
    machine = store.machines[1]
    assert abs(int(machine.ssh('date +%s')) - time.time()) < 3, machine.ssh('date')
    equal(machine.ssh('cat /shared/file'), 'of the host\n', 'the share')
    equal(machine.ssh('cut -d" " -f2 /home/docker/.ssh/authorized_keys').split(), [(machine.folder / 'id_rsa.pub').read_text().split()[1]],
          'keys that may log in')
    equal(machine.ssh('sudo ls /var/lib/boot2docker').split().count('random-seed'), 0, 'seeds that lie about')
    try:
        machine.ask('/version', machine.tls())
    except OSError:
        pass
    else:
        raise AssertionError('it answers without a client certificate')
    machine.engine_version()


@story.test('it reboots from within, in the QEMU that it was born in')
def reboots(store):
    store.machines[0].check_reboot()


@story.test('it is saved and goes on, and it is stopped and boots, with what it has and is')
def later(store):
    machine = store.machines[1]
    before = machine.ssh(NOBODY_ELSES.split('cat /proc')[0])
    machine.ssh('echo mine | sudo tee /var/lib/boot2docker/mine')
    machine.command('save', machine.name)
    machine.command('start', machine.name)
    equal(machine.ssh('cat /var/lib/boot2docker/mine /shared/file'), 'mine\nof the host\n', 'after it was saved')
    machine.command('restart', machine.name, timeout=400)
    equal(machine.ssh('cat /var/lib/boot2docker/mine /shared/file'), 'mine\nof the host\n', 'after it was booted')
    equal(machine.ssh(NOBODY_ELSES.split('cat /proc')[0]), before, 'its keys and identifiers')
    assert not machine.is_born(), 'it was not booted'
    contains(machine.docker('ps', '-a'), 'two', 'its containers')


@story.test('a template that cannot be loaded is removed, with a word, and the machine boots')
def damaged(store):
    folder, = store.templates()
    with open(folder / 'machine.state', 'r+b') as state:
        state.truncate(1 << 20)
    machine = store.add('boots')
    result = machine.create()
    contains(result.stderr, 'machine "boots" boots, because it cannot be born from a template', 'create')
    assert not machine.is_born(), 'it is born'
    machine.engine_version()
    equal(store.templates(), [], 'templates')
    machine.command('rm', '-f', machine.name)
    store.machines.remove(machine)


def boots_instead(store, name, change, reason):
    """A machine whose QEMU's command line is changed by some lines of bash boots, and says why it is not born."""
    wrapper = store.store / f'qemu-{name}'
    wrapper.write_text('#!/bin/bash\nargs=("$@")\nfor i in "${!args[@]}"; do\n' + change +
                       '\ndone\nexec qemu-system-x86_64 "${args[@]}"\n')
    wrapper.chmod(0o755)
    machine = store.add(name)
    result = machine.create('--qemu-program', wrapper)
    contains(result.stderr, f'machine "{name}" boots, because it cannot be born from a template: ', 'create')
    contains(result.stderr, reason, 'the reason')
    assert not machine.is_born(), 'it is born'
    machine.engine_version()
    equal([path.name for path in machine.folder.glob('disk*')], ['disk.qcow2'], 'disks')
    equal(store.templates(), [], 'templates')
    machine.command('rm', '-f', name)
    store.machines.remove(machine)


@story.test('a template whose kernel panics is given up, with a word, and the machine boots')
def panicking(store):
    boots_instead(store, 'panics', 'case "${args[i]}" in *boot2docker.template*) args[i]+=" rdinit=/none";; esac', 'its kernel panicked')


@story.test('a machine that cannot make use of what it is given at its birth says so, and boots')
def misborn(store):
    boots_instead(store, 'misborn', 'case "$* ${args[i]}" in *" -incoming "*,file=*provision.tar) file=${args[i]#*,file=};'
                  'head -c "$(stat -c %s "$file")" /dev/urandom >"$file.other"; mv "$file.other" "$file";; esac', 'provision.tar')


@story.test('two that are made at once, and of which one makes the template')
def at_once(store):
    two = [store.add('left'), store.add('right')]
    errors, said = [], []

    def make(machine):
        try:
            result = machine.create()
            said.append(result.stdout + result.stderr)
        except AssertionError as error:
            errors.append(str(error))
    threads = [threading.Thread(target=make, args=[machine]) for machine in two]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(errors, [], 'errors')
    equal(sum('Making a template' in text for text in said), 1, 'who made a template')
    assert all(machine.is_born() for machine in two), 'one was booted'
    contains(store.command('system', 'df').stdout, '\nTemplates      1 ', 'system df')
    equal(len(store.templates()), 1, 'templates')
    for machine in two:
        machine.command('rm', '-f', machine.name)
        store.machines.remove(machine)


@story.test('a birth that was cut short is begun anew, with the disk that was made for the machine')
def cut_short(store):
    machine = store.add('cut')
    machine.create('--no-start')
    own = machine.folder / 'disk.qcow2'
    own.rename(machine.folder / 'disk.fresh.qcow2')
    own.write_text('half a copy of the template\'s')
    result = machine.command('start', machine.name, timeout=400)
    contains(result.stderr, 'its birth from a template was cut short', 'start')
    machine.engine_version()
    assert machine.is_born(), 'it was booted'
    equal([path.name for path in machine.folder.glob('disk*')], ['disk.qcow2'], 'disks')
    machine.command('rm', '-f', machine.name)
    store.machines.remove(machine)


@story.test('a machine that was born although its command was killed keeps what was written since')
def cut_late(store):
    machine = store.add('late')
    machine.create()
    machine.ssh('echo mine | sudo tee /var/lib/boot2docker/mine; sync')
    machine.command('kill', machine.name)
    (machine.folder / 'disk.fresh.qcow2').write_text('the disk that was put aside')
    config = machine.folder / 'config.json'
    told = json.loads(config.read_text())
    told['Driver']['AwaitsProvision'] = True
    config.write_text(json.dumps(told))
    machine.command('start', machine.name, timeout=400)
    equal(machine.ssh('cat /var/lib/boot2docker/mine'), 'mine\n', 'what it had')
    equal([path.name for path in machine.folder.glob('disk*')], ['disk.qcow2'], 'disks')
    machine.command('rm', '-f', machine.name)
    store.machines.remove(machine)


@story.test('auto: born where the image says that its engine can, else booted')
def auto(store):
    can = bool(list((store.store / 'cache' / 'systems').glob('*/templates')))
    machine = store.add('auto')
    machine.create(template='auto')
    equal(machine.is_born(), can, 'is it born')
    machine.command('rm', '-f', machine.name)
    store.machines.remove(machine)


@story.test('never: no template; and a value that there is not is refused')
def never(store):
    refused = store.command('create', '-d', 'qemu', '--qemu-template', 'sometimes', 'x', check=False)
    equal(refused.returncode, 3, 'exit status')
    contains(refused.stderr, 'there are auto, always and never', 'create')
    made = run(BOOT2DOCKER, 'create', '-d', 'qemu', '--no-start', '--qemu-template', 'never', '--qemu-boot2docker-url',
               IMAGE / 'boot2docker.iso', 'plain', env=store.environment)
    equal(made.returncode, 0, 'create')
    equal(json.loads((store.store / 'machines' / 'plain' / 'config.json').read_text())['Driver']['Template'], 'never', 'config.json')
    store.command('rm', '-f', 'plain')


if __name__ == '__main__':
    with Store() as subject:
        finish(story.run(subject, subject.tail))
