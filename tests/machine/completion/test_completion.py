#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Completion in bash, zsh and fish, the `use` wrapper and the prompt of bash, and the manual page."""
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent.parent
sys.path.insert(0, str(TOP / 'tests' / 'vm'))
from tap import Story, contains, equal, finish  # noqa: E402

BUILD = Path(os.environ['B2D_BUILD']).resolve()
PROGRAMS = BUILD / 'src' / 'machine'
SCRIPTS = TOP / 'completions'
story = Story()


class Home:
    """A home with three machines, and one more in another store."""

    def __init__(self, folder):
        self.folder = Path(folder)
        for path in ('.docker/machine/machines/m1', '.docker/machine/machines/m2', '.docker/machine/machines/m10',
                     'other/machines/elsewhere'):
            machine = self.folder / path
            machine.mkdir(parents=True)
            (machine / 'config.json').write_text(json.dumps({'Name': machine.name, 'DriverName': 'qemu', 'Driver': {}}))
        self.environment = {'HOME': folder, 'PATH': f'{PROGRAMS}:{os.environ["PATH"]}', 'LANG': 'C.UTF-8'}

    def run(self, *command, status=0, **extra):
        result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, check=False,
                                stdin=subprocess.DEVNULL, cwd=self.folder, env={**self.environment, **extra})
        assert result.returncode == status, f'{command}: exit {result.returncode}: {result.stdout!r} {result.stderr!r}'
        return result

    def complete(self, *words):
        """The candidates, without their descriptions."""
        return [line.partition('\t')[0] for line in self.run(PROGRAMS / 'boot2docker', '__complete', *words).stdout.splitlines()]


@story.test('commands, machines, flags and the values of flags are completed, each where it can stand')
def candidates(home):
    equal(home.complete('sta'), ['start', 'status'], 'commands')
    commands = home.complete('')
    assert 'create' in commands and '__complete' not in commands, commands
    equal(home.complete('start', ''), ['m1', 'm2', 'm10'], 'machines')
    equal(home.complete('start', 'm1', ''), ['m2', 'm10'], 'further machines')
    equal(home.complete('start', 'm1', 'm1'), ['m10'], 'the beginning of a further one')
    equal(home.complete('ip', 'm'), ['m1', 'm2', 'm10'], 'ip')
    equal(home.complete('env', 'm1', ''), [], 'a command of one machine')
    equal(home.complete('env', '--shell', 'fish', ''), ['m1', 'm2', 'm10'], 'behind a value')
    equal(home.complete('env', '--shell', 'ba'), ['bash'], 'shells')
    equal(home.complete('ls', '--filter', ''), ['driver=', 'label=', 'name=', 'state=', 'swarm='], 'filters')
    equal(home.complete('create', ''), [], 'a new name')
    equal(home.complete('create', '-d', ''), ['qemu', 'virtualbox', 'generic', 'none'], 'drivers')
    equal(home.complete('create', '--virtualbox-ui-type', 'h'), ['headless'], 'a value of a driver')
    equal(home.complete('create', '--qemu-mem'), ['--qemu-memory'], 'flags of a driver')
    equal(home.complete('rm', '-'), ['--force', '--yes', '--help'], 'flags')
    equal(home.complete('ssh', 'm1', '-'), [], 'what belongs to ssh')
    equal(home.complete('ssh', ''), ['m1', 'm2', 'm10'], 'ssh')
    equal(home.complete('scp', 'file', 'm1'), ['m1:', 'm10:'], 'scp')
    equal(home.complete('system', ''), ['df', 'prune'], 'system')
    equal(home.complete('system', 'df', ''), [], 'system df')
    equal(home.complete('help', 'res'), ['restart', 'reset'], 'help')
    equal(home.complete('--deb'), ['--debug'], 'global flags')
    equal(home.complete('-D', 'kil'), ['kill'], 'behind a global flag')
    equal(home.complete('-s', 'other', 'start', ''), ['elsewhere'], 'another store')
    equal(home.complete('nonsense', ''), [], 'an unknown command')


@story.test('a description stands behind a tab')
def descriptions(home):
    line = home.run(PROGRAMS / 'docker-machine', '__complete', 'kil').stdout
    assert re.fullmatch(r'kill\tKill a machine[^\n]*\n', line), line


@story.test('the command is not listed among those for people')
def hidden(home):
    assert '__' not in home.run(PROGRAMS / 'boot2docker', 'help').stdout, 'help shows __complete'


def bash(home, program, *words):
    script = (f'source {SCRIPTS}/boot2docker.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _boot2docker; '
              'printf "%s\\n" "${COMPREPLY[@]}"; complete -p "$1"')
    return home.run('bash', '-c', script, 'bash', program, *words).stdout.splitlines()


@story.test('bash asks the program, under both names')
def in_bash(home):
    equal(bash(home, 'docker-machine', 'stop', 'm1'), ['m1', 'm10', 'complete -o default -F _boot2docker docker-machine'], 'bash')
    equal(bash(home, 'boot2docker', 'sto')[:1], ['stop'], 'bash')


@story.test('zsh asks the program and describes what it says')
def in_zsh(home):
    script = ('_describe() { print -rl -- "${(@P)4}" }; _files() { print -r -- files }; '
              'words=("$@"); CURRENT=$#; PREFIX=$words[-1]; source ' + str(SCRIPTS / '_boot2docker'))
    equal(home.run('zsh', '-fc', script, 'zsh', 'boot2docker', 'start', 'm1').stdout.split(), ['m1', 'm10'], 'machines')
    contains(home.run('zsh', '-fc', script, 'zsh', 'boot2docker', 'kil').stdout, 'kill:Kill a machine\\: end it', 'commands')
    equal(home.run('zsh', '-fc', script, 'zsh', 'boot2docker', '-s', '').stdout, 'files\n', 'files')


@story.test('fish asks the program, under both names')
def in_fish(home):
    for program in ('boot2docker', 'docker-machine'):
        script = f'source {SCRIPTS}/boot2docker.fish; complete -C "{program} start m1"'
        equal(home.run('fish', '--no-config', '-c', script).stdout.split(), ['m1', 'm10'], program)
    script = f'source {SCRIPTS}/boot2docker.fish; complete -C "boot2docker kil"'
    contains(home.run('fish', '--no-config', '-c', script).stdout, 'kill\tKill a machine', 'description')


def stub_machine(home, body):
    """Puts a docker-machine first on PATH; returns that PATH."""
    stubs = home.folder / 'stubs'
    stubs.mkdir(exist_ok=True)
    (stubs / 'docker-machine').write_text(f'#!/bin/sh\n{body}\n')
    (stubs / 'docker-machine').chmod(0o755)
    return f'{stubs}:{home.environment["PATH"]}'


@story.test('use sets the variables of the shell, and nothing when env fails; other commands go through')
def wrapper(home):
    path = stub_machine(home, 'echo "called: $*" >&2; [ "$1" = env ] || exit 7\n[ "$4" != bad ] || { echo "false; touch evil"; exit 1; }\n'
                        'echo "export DOCKER_HOST=\\"tcp://192.0.2.1:2376\\""; echo "export DOCKER_MACHINE_NAME=\\"$4\\""')
    source = f'source {SCRIPTS}/docker-machine-wrapper.bash; '
    equal(home.run('bash', '-c', source + 'docker-machine use m1 && echo "$DOCKER_HOST"', PATH=path).stdout,
          'Active machine: m1\ntcp://192.0.2.1:2376\n', 'use')
    home.run('bash', '-c', source + 'docker-machine use bad', PATH=path, status=1)
    assert not (home.folder / 'evil').exists(), 'the output of a failed env was run'
    contains(home.run('bash', '-c', source + 'docker-machine ls -q', PATH=path, status=7).stderr, 'called: ls -q', 'ls')
    contains(home.run('bash', '-c', source + 'docker-machine use --help', PATH=path).stdout, 'Usage: docker-machine use', 'help')
    plain = home.run('bash', '-c', source + 'type -t docker-machine', PATH=path, DOCKER_MACHINE_WRAPPED='false').stdout
    equal(plain, 'file\n', 'switched off')


@story.test('the prompt shows the machine in use, and its state when it is asked to')
def prompt(home):
    path = stub_machine(home, 'echo Running')
    source = f'source {SCRIPTS}/docker-machine-prompt.bash; __docker_machine_ps1 " (%s)"'
    equal(home.run('bash', '-c', source).stdout, '', 'none')
    equal(home.run('bash', '-c', source, DOCKER_MACHINE_NAME='m1').stdout, ' (m1)', 'the name')
    equal(home.run('bash', '-c', source, DOCKER_MACHINE_NAME='m1', DOCKER_MACHINE_PS1_SHOWSTATUS='true', PATH=path).stdout,
          ' (m1 R)', 'the state')


@story.test('the manual page has every command and flag that --help has, and groff takes it without a warning')
def manual(home):
    page = (BUILD / 'man' / 'boot2docker.1').read_text()
    plain = page.replace('\\-', '-')
    for command in home.complete(''):
        contains(plain, f'\n.SS "{command}', 'commands')
        for flag in home.complete(command, '--'):
            if flag != '--help':
                contains(plain, f'\\fB{flag}\\fR', f'flags of {command}')
    assert '@' not in re.sub(r'\S+@\S+\.', '', plain), 'a mark is left'
    warnings = home.run('groff', '-k', '-man', '-ww', '-z', BUILD / 'man' / 'boot2docker.1').stderr
    equal(warnings, '', 'warnings of groff')


with tempfile.TemporaryDirectory() as temporary:
    status_ = story.run(Home(temporary))
finish(status_)
