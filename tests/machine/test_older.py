#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The verbs of the older boot2docker tool, and its profile."""
import json
import re
import tempfile

from store import Fakes, Store, alive
from tap import Story, contains, equal, finish

story = Story()


def b2d(store, *words, **options):
    return store.out(*words, program='boot2docker', **options)


@story.test('config and cfg print the profile in use, as TOML that is read again')
def profile(store):
    printed = b2d(store, 'config')
    equal(re.findall(r'^(\w+) = ', printed, re.MULTILINE),
          ['VM', 'Driver', 'ISO', 'ISOURL', 'SSHKey', 'DiskSize', 'Memory', 'CPUs', 'SSHPort', 'DockerPort', 'HostIP', 'LowerIP',
           'UpperIP', 'NetMask', 'DHCPIP', 'DHCPEnabled'], 'keys')
    path = store.folder / 'elsewhere'
    path.write_text(b2d(store, 'cfg', '--memory=3000', '--iso', 'C:\\a "b"'))
    changed = b2d(store, 'cfg', BOOT2DOCKER_PROFILE=str(path))
    contains(changed, 'Memory = 3000\n', 'a number')
    contains(changed, 'ISO = "C:\\\\a \\"b\\""\n', 'a string with quotes')
    equal(changed, path.read_text(), 'read and written again')
    # docker-machine has another config.
    contains(store.error('config'), 'Error: No machine name(s) specified', 'docker-machine config')


@story.test('the profile is looked for in $BOOT2DOCKER_PROFILE, $BOOT2DOCKER_DIR, ~/.boot2docker; sections and unknown keys are no error')
def places(store):
    home, folder = store.folder / '.boot2docker', store.folder / 'dir'
    for number, place in enumerate((home, folder)):
        place.mkdir()
        (place / 'profile').write_text(f'# mine\nVM = "vm{number}"  # a comment\nClobber = true\nWaittime = 300\nRest = [1, 2]\n\n'
                                       '[DriverCfg]\n  [DriverCfg.virtualbox]\n    VM = "no"\n')
    contains(b2d(store, 'config'), 'VM = "vm0"\n', 'home')
    contains(b2d(store, 'config', BOOT2DOCKER_DIR=str(folder)), 'VM = "vm1"\n', 'BOOT2DOCKER_DIR')
    contains(b2d(store, '--vm', 'x', 'config'), 'VM = "x"\n', '--vm')
    equal(store.error('ip', program='boot2docker'), 'Error: No machine name(s) specified and no "vm0" machine exists', 'its VM')
    contains(store.error('ip'), 'no "default" machine', 'docker-machine knows no profile')


@story.test('a profile that cannot be read: its place and line; other commands go on')
def bad_profile(store):
    bad = store.folder / 'bad'
    for text, said in (('VM = "a\n', 'line 1: VM: the string has no closing "'), ('\n\nMemory\n', 'line 3: it is KEY = VALUE'),
                       ('Memory = much', 'not a number'), ('VM = "a" b', 'line 1: VM: something follows'), ('CPUs = ', 'line 1: CPUs')):
        bad.write_text(text)
        contains(store.error('cfg', program='boot2docker', BOOT2DOCKER_PROFILE=str(bad)), said, text)
    contains(store.run('ls', program='boot2docker', BOOT2DOCKER_PROFILE=str(bad)).stdout, 'NAME', 'ls')


@story.test('init makes the machine of the profile without starting it; up starts it with all it is given')
def init(store):
    (store.folder / '.boot2docker' / 'profile').write_text('VM = "mine"\nDriver = "qemu"\nMemory = 512\nDiskSize = 3000\n')
    contains(b2d(store, 'init', '--cpus', '2'), 'Initialization of virtual machine "mine" complete.\nUse `boot2docker up` to start it.\n',
             'init')
    driver = store.config('mine')['Driver']
    equal((driver['Memory'], driver['DiskSize'], driver['CPU']), (512, 3000, 2), 'memory, disk, processors')
    equal(b2d(store, 'status'), 'Stopped\n', 'status')
    equal(b2d(store, 'init'), 'Virtual machine mine already exists\n', 'init again')
    printed = b2d(store, 'up')
    contains(printed, 'To connect the Docker client to the Docker daemon, please set:\n    export DOCKER_HOST=tcp://127.0.0.1:', 'up')
    equal((store.machine('mine') / 'fake-guest/etc/hostname').read_text(), 'mine\n', 'host name')
    assert 'AwaitsProvision' not in store.config('mine')['Driver'], 'it would be provisioned again'
    contains(b2d(store, 'up'), 'already running', 'up again')


@story.test('info is JSON, with the older tool\'s words')
def info(store):
    told = json.loads(b2d(store, 'info'))
    equal((told['Name'], told['State'], told['Memory'], told['CPUs']), ('mine', 'running', 512, 2), 'info')
    equal(told['SSHPort'], store.config('mine')['Driver']['SSHPort'], 'SSHPort')


@story.test('shellinit and socket print lines for a shell, quoted where there is need')
def shellinit(store):
    url = b2d(store, 'url').strip()
    expected = (f'    export DOCKER_HOST={url}\n    export DOCKER_CERT_PATH={store.machine("mine")}\n'
                '    export DOCKER_TLS_VERIFY=1\n')
    equal(b2d(store, 'shellinit'), expected, 'shellinit')
    equal(b2d(store, 'socket'), expected, 'socket')


@story.test('reset, down, boot, poweroff, halt and resume do what they say; --vm may stand behind the verb')
def power(store):
    before = store.pid('mine')
    b2d(store, 'reset')
    assert store.pid('mine') != before and not alive(before), 'the same QEMU runs'
    for verb, state in (('down', 'Stopped'), ('boot', 'Running'), ('poweroff', 'Stopped'), ('resume', 'Running'), ('halt', 'Stopped')):
        b2d(store, verb, '--vm=mine')
        equal(b2d(store, '--vm', 'mine', 'status'), f'{state}\n', verb)
    contains(store.error('stop', '--vm', 'nobody', program='boot2docker'), 'no "nobody" machine exists', '--vm')


@story.test('the older ssh has its command at once, unless a machine has that name')
def ssh(store):
    path = Fakes(store, 'ssh').path
    b2d(store, 'up')
    equal(b2d(store, 'ssh', 'uname', '-a', PATH=path, status=42).splitlines()[-3:], ['docker@127.0.0.1', 'uname', '-a'], 'a command')
    equal(b2d(store, 'ssh', 'mine', 'uname', PATH=path, status=42).splitlines()[-2:], ['docker@127.0.0.1', 'uname'], 'a machine')


@story.test('destroy and delete remove the one machine, after asking')
def destroy(store):
    contains(b2d(store, 'destroy', stdin='n\n'), 'About to remove mine\n', 'the question')
    contains(store.error('rm', program='docker-machine'), 'Expected to get one or more machine names', 'docker-machine rm')
    contains(b2d(store, 'delete', '-y'), 'Successfully removed mine\n', 'delete')


with tempfile.TemporaryDirectory() as temporary:
    status_ = story.run(Store(temporary))
finish(status_)
