# SPDX-License-Identifier: Apache-2.0
"""The real VirtualBox, from a Debian root of its own (tools/virtualbox-root), for one test and for nobody else: its files, its
network and the host-only adapters are in namespaces that end with the test."""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import BOOT2DOCKER, run
from tap import Skip

HERE = Path(__file__).resolve().parent
TOOL = HERE.parent.parent / 'tools' / 'virtualbox-root'
EX_TEMPFAIL = 75
NO_VIRTUALBOX = 'no VirtualBox here'
GUEST = '192.168.59.15'  # see virtualbox/VBoxManage
INSIDE = 'B2D_VBOX_INSIDE'


def enter():
    """Starts the test that runs anew in namespaces of its own, with the root's folder in the environment; inside of them,
    returns. Raises Skip where it cannot be had."""
    if INSIDE in os.environ:
        return
    made = run(TOOL, check=False, timeout=900)
    if made.returncode == EX_TEMPFAIL:
        print('\n'.join(f'# {line}' for line in made.stderr.splitlines()))
        raise Skip(NO_VIRTUALBOX)
    assert made.returncode == 0, made.stderr
    environment = {**os.environ, INSIDE: made.stdout.strip()}
    os.execvpe('unshare', ['unshare', '--mount', '--net', sys.executable, *sys.argv], environment)


def by_key(text):
    """The lines of `showvminfo --machinereadable`; of a key that is there more than once, the first."""
    return dict(reversed(re.findall(r'^"?([^"=\n]+)"?="?(.*?)"?$', text, re.MULTILINE)))


class VirtualBox:
    """A host with VirtualBox: a folder below which everything lies (store, homes), seen by VirtualBox at the same place."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix='b2d-vbox-'))
        self.root = self.folder / 'root'
        self.store = self.folder / 'store'
        self.mount_root(os.environ[INSIDE])
        run('ip', 'link', 'set', 'dev', 'lo', 'up')
        (self.folder / 'home' / '.ssh').mkdir(parents=True)
        self.environment = {'PATH': f'{HERE / "virtualbox"}:{os.environ["PATH"]}', 'HOME': str(self.folder / 'home'),
                            'MACHINE_STORAGE_PATH': str(self.store), 'DOCKER_CONFIG': str(self.folder / 'docker'),
                            'B2D_VBOX_ROOT': str(self.root), 'VBOX_USER_HOME': str(self.folder / 'vbox'), 'LANG': 'de_DE.UTF-8',
                            'TMPDIR': '/tmp'}

    def mount_root(self, lower):
        """The root with what is written on top in memory, and this host's devices and our folder in it."""
        above = self.folder / 'above'
        seen = self.root / str(self.folder).lstrip('/')
        for folder in (self.root, above):
            folder.mkdir()
        run('mount', '-t', 'tmpfs', 'tmpfs', above)
        for name in ('upper', 'work'):
            (above / name).mkdir()
        run('mount', '-t', 'overlay', '-o', f'lowerdir={lower},upperdir={above / "upper"},workdir={above / "work"}', 'overlay',
            self.root)
        for name in ('proc', 'dev', 'sys'):
            run('mount', '--rbind', f'/{name}', self.root / name)
        seen.mkdir(parents=True)
        run('mount', '--bind', self.folder, seen)

    def command(self, *words, status=0, timeout=120, **extra):
        """Runs `boot2docker WORDS…`; another exit status than `status` fails the test; None: any."""
        result = run(BOOT2DOCKER, *words, check=False, timeout=timeout, env={**self.environment, **extra})
        assert status in (None, result.returncode), f'{words}: exit {result.returncode}: {result.stdout!r} {result.stderr!r}'
        return result

    def start(self, *words, stdout, **extra):
        """The same in the background; all that it says goes into a file."""
        return subprocess.Popen([str(word) for word in (BOOT2DOCKER, *words)], env={**self.environment, **extra}, text=True,
                                stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.STDOUT)

    def manage(self, *words, **options):
        """Runs the real VBoxManage and returns what it printed, without the warning about the driver."""
        result = run('chroot', self.root, '/usr/lib/virtualbox/VBoxManage', *words, env=self.environment, **options)
        return result.stdout if options.get('check', True) else result

    def info(self, name):
        """What VirtualBox says of a VM, by key."""
        return by_key(self.manage('showvminfo', name, '--machinereadable'))

    def asked(self, name):
        """The same, as it was before the stand-in's changes at its last start."""
        return by_key((self.folder / 'vbox' / f'asked-{name}').read_text())

    def forwards(self, name):
        """The rules of all its NATs, without those of the stand-in."""
        rules = re.findall(r'^Forwarding\(\d+\)="(.*)"$', self.manage('showvminfo', name, '--machinereadable'), re.MULTILINE)
        return [rule for rule in rules if not rule.startswith('docker,')]

    def names(self):
        """The names of all VMs."""
        return re.findall(r'^"(.*)" \{', self.manage('list', 'vms'), re.MULTILINE)

    def records(self, what):
        """What `list` prints as records of "Key: value" lines."""
        return [dict(re.findall(r'^(\S.*?): +(.*)$', record, re.MULTILINE))
                for record in re.split(r'\n\n|(?=^NetworkName:)', self.manage('list', what), flags=re.MULTILINE) if record.strip()]
