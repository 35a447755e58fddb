# SPDX-License-Identifier: Apache-2.0
"""A store with a fake QEMU, for the tests of the host command: no machine is ever booted."""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'vm'))
COMMAND = Path(os.environ['B2D_BUILD']).resolve() / 'src' / 'machine'


def make_iso(path, tree, *options):
    """Writes an ISO of a folder. xorriso is asked a second time when it fails, and what it said is shown either way: it
    did so once, in thousands of calls, and nobody knows why."""
    command = ['xorriso', '-as', 'mkisofs', '-quiet', '-R', '-J', *options, '-o', path, tree]
    for attempt in ('first', 'second'):
        result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if result.returncode == 0:
            return
        print(f'# xorriso, {attempt} attempt: exit status {result.returncode}\n{result.stdout}{result.stderr}',
              file=sys.stderr)
        Path(path).unlink(missing_ok=True)
    raise RuntimeError(f'xorriso does not make {path}: what it says is above')


class Store:
    """A store of its own, an image that nothing would boot, and the command under both its names."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.path = self.folder / 'store'
        tree = self.folder / 'tree' / 'boot'
        tree.mkdir(parents=True)
        (tree / 'vmlinuz').write_bytes(b'kernel' * 1000)
        (tree / 'initrd.img').write_bytes(os.urandom(300000))
        self.iso = self.folder / 'boot2docker.iso'
        make_iso(self.iso, tree.parent)
        self.environment = {'PATH': os.environ['PATH'], 'HOME': str(self.folder), 'SHELL': '/bin/bash',
                            'MACHINE_STORAGE_PATH': str(self.path), 'B2D_ISO': str(self.iso),
                            'QEMU_PROGRAM': str(HERE / 'fake-qemu')}

    def environ(self, extra):
        return {key: value for key, value in {**self.environment, **extra}.items() if value is not None}

    def run(self, *words, program='docker-machine', status=0, stdin='', **extra):
        """Runs the command; `extra` goes to its environment. Another exit status than `status` fails the test."""
        result = subprocess.run([str(COMMAND / program), *map(str, words)], capture_output=True, text=True, timeout=60,
                                input=stdin, env=self.environ(extra), check=False)
        assert result.returncode == status, f'{words}: exit {result.returncode}: {result.stdout!r} {result.stderr!r}'
        return result

    def start(self, *words, **extra):
        return subprocess.Popen([str(COMMAND / 'docker-machine'), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=self.environ(extra))

    def out(self, *words, **options):
        return self.run(*words, **options).stdout

    def error(self, *words, status=1, **options):
        return self.run(*words, status=status, **options).stderr.rstrip('\n')

    def machine(self, name):
        return self.path / 'machines' / name

    def config(self, name):
        return json.loads((self.machine(name) / 'config.json').read_text())

    def pid(self, name):
        return int((self.machine(name) / 'qemu.pid').read_text())


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):  # the latter where it ends between open and read
        return False


class Fakes:
    """Programs that print their arguments, before the others on PATH."""

    def __init__(self, store, *names):
        self.folder = Path(tempfile.mkdtemp(dir=store.folder))
        self.path = f'{self.folder}:{os.environ["PATH"]}'
        for name in names:
            # What -F names is there only while the program runs.
            (self.folder / name).write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@"\nwhile [ $# -gt 0 ]; do\n'
                                            'case $1 in -F) cat "$2";; "ssh -F"*) cat "${1#ssh -F }";; esac; shift; done\nexit 42\n')
            (self.folder / name).chmod(0o755)
