#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a person sees who does not know what to do: `boot2docker` alone, and `boot2docker doctor`."""
import os
import re
import tempfile

from store import Fakes, Store
from tap import Story, contains, equal, finish

story = Story()
FINDING = re.compile(r'^  (ok|note|WRONG) +(\S.{17}) (.*)$', re.MULTILINE)


def doctor(store, *names, status=0, **extra):
    """What the doctor finds: what was looked at -> (finding, text)."""
    printed = store.run('doctor', *names, program='boot2docker', status=status, **extra).stdout
    return {what.strip(): (finding, text) for finding, what, text in FINDING.findall(printed)}, printed


@story.test('boot2docker alone, without a machine: how to make one; docker-machine alone is the help, as it always was')
def alone(store):
    equal(store.out(program='boot2docker'), 'There is no machine yet.\n\nNext:\n'
          '    boot2docker create default          make one, with a Docker engine in it\n'
          '    boot2docker help                    all commands\n'
          '    boot2docker doctor                  what is wrong, if something is\n', 'boot2docker')
    contains(store.out(), 'Commands:', 'docker-machine')


@story.test('boot2docker alone says where each machine stands and what the next step is')
def next_step(store):
    store.run('create', 'default')
    url = store.out('url').strip()
    contains(store.out(program='boot2docker'), f'default   Running   {url}', 'running')
    contains(store.out(program='boot2docker'), 'eval "$(boot2docker env default)"', 'connect')
    contains(store.out(program='boot2docker', DOCKER_HOST=url), 'this shell\n\nNext:\n    docker run --rm hello-world', 'connected')
    store.run('use')
    contains(store.out(program='boot2docker'), 'docker context\n\nNext:\n    docker run --rm hello-world', 'by its context')
    store.run('stop')
    contains(store.out(program='boot2docker'), 'boot2docker start default', 'stopped')


@story.test('doctor: a stopped machine is no fault; its certificate is looked at')
def stopped(store):
    found, printed = doctor(store)
    equal(found['state'], ('ok', 'Stopped'), 'state')
    equal(found['certificate'][0], 'ok', 'certificate')
    equal(found['permissions'][0], 'ok', 'permissions')
    contains(printed, 'Nothing is wrong.\n', 'the end')


@story.test('doctor: what is wrong is named with what to do, and the exit status is 1')
def wrong(store):
    key = store.machine('default') / 'id_rsa'
    key.chmod(0o644)
    found, printed = doctor(store, status=1)
    equal(found['permissions'], ('WRONG', f'{key} can be read by others: chmod 600 {key}'), 'a key')
    contains(printed, '1 thing is wrong.\n', 'the end')
    key.chmod(0o600)
    (store.machine('default') / 'server.pem').write_bytes((store.path / 'certs' / 'cert.pem').read_bytes())
    found, _ = doctor(store, 'default', status=1)
    equal(found['certificate'][0], 'WRONG', 'certificate')
    contains(found['certificate'][1], 'boot2docker regenerate-certs default', 'what to do')
    found, _ = doctor(store, 'nobody', status=1)
    contains(found['config.json'][1], 'does not exist', 'unknown machine')


@story.test('doctor: programs that are missing, each with what it is for')
def programs(store):
    empty = store.folder / 'empty'
    empty.mkdir()
    found, _ = doctor(store, 'default', status=1, PATH=str(empty))
    # /usr/sbin is looked at besides PATH, where none of these is.
    for name, finding in (('qemu-system-x86_64', 'WRONG'), ('ssh', 'WRONG'), ('docker', 'note'), ('sshfs', 'note')):
        equal(found[name][0], finding, name)
        contains(found[name][1], 'not installed: ', name)


@story.test('doctor: a running machine is asked about engine, clock, disk and log; control characters are made harmless')
def inside(store):
    store.run('start')
    fakes = Fakes(store)
    ssh = fakes.folder / 'ssh'
    for text, clock, disk, log in ((r'echo $(($(date +%s) - 500)); echo 97%; printf "level=error bad\033[31m\n"', 'WRONG', 'WRONG', 'note'),
                                   (r'date +%s; echo 12%', 'ok', 'ok', 'ok')):
        ssh.write_text(f'#!/bin/sh\n{text}\n')
        ssh.chmod(0o755)
        found, printed = doctor(store, status=1 if clock == 'WRONG' else 0, PATH=fakes.path)
        equal((found['clock'][0], found['its disk'][0], found['engine log'][0]), (clock, disk, log), 'findings')
        contains(found['engine'][1], '26.1.5, answers in ', 'engine')
        assert '\033' not in printed, 'a control character came through'
    contains(doctor(store, status=1, PATH=os.environ['PATH'])[0]['SSH'][1], 'on machine "default"', 'an SSH that does not go on')


with tempfile.TemporaryDirectory() as temporary:
    status_ = story.run(Store(temporary))
finish(status_)
