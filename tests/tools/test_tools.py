#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tools of this tree, each tried in a small tree or with stubs of its own."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / 'tests' / 'vm'))
from tap import Story, contains, equal, finish, within

story = Story()
SPDX = '// SPDX-License-Identifier: Apache-2.0\n'


class Tree:
    """A git tree with copies of our tools, and a folder of stubs that comes first on PATH."""

    def __init__(self):
        self.top = Path(tempfile.mkdtemp(prefix='b2d-tools-'))
        self.stubs = self.top / 'stubs'
        self.stubs.mkdir()
        shutil.copytree(TOP / 'tools', self.top / 'tools', ignore=shutil.ignore_patterns('__pycache__'))
        self.write('.gitignore', 'stubs/\n__pycache__/\n')
        others = {name: value for name, value in os.environ.items() if name not in ('BUILD', 'IMAGE', 'PROFILE', 'RELEASE')}
        self.environment = dict(others, PATH=f'{self.stubs}:{os.environ["PATH"]}', SOURCE_DATE_EPOCH='1')
        self.run('git', 'init', '-q')

    def write(self, name, text, mode=0o644):
        """Writes a file of the tree."""
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def stub(self, name, body):
        """Puts a shell script on PATH in place of a program."""
        self.write(f'stubs/{name}', f'#!/bin/sh\n{body}\n', 0o755)

    def run(self, *command, **variables):
        """Runs a command in the tree, with everything in it tracked; returns status and all output."""
        if command[0] != 'git':
            subprocess.run(['git', 'add', '.'], cwd=self.top, check=True)
        result = subprocess.run([str(word) for word in command], cwd=self.top, capture_output=True, text=True,
                                check=False, timeout=60, env=dict(self.environment, **variables))
        return result.returncode, result.stdout + result.stderr


def expect(result, status, *parts):
    """Asserts an exit status and parts of the output."""
    equal(result[0], status, f'exit status, with the output {result[1]!r}')
    for part in parts:
        contains(result[1], part, 'output')


@story.test('check-includes finds a program that includes another, and the library that includes a program')
def includes(tree):
    tree.write('src/lib/a.h', SPDX)
    tree.write('src/guest/b.h', SPDX)
    tree.write('src/guest/good.c', SPDX + '#include "b.h"\n#include "lib/a.h"\n#include <stdio.h>\n')
    expect(tree.run('tools/check-includes'), 0)
    tree.write('src/machine/bad.c', SPDX + '#include "guest/b.h"\n')
    tree.write('src/lib/bad.c', SPDX + '#include "../guest/b.h"\n')
    expect(tree.run('tools/check-includes'), 1, 'src/machine/bad.c', 'src/lib/bad.c', 'src/lib must not know src/guest')
    shutil.rmtree(tree.top / 'src')


@story.test('check-banned finds the functions that we do without, and only calls of them')
def banned(tree):
    tree.write('src/lib/number.c', SPDX + 'long f(const char *s) { return strtol(s, 0, 10); }\n')
    tree.write('src/lib/good.c', SPDX + '// strcpy(a, b) is not used\nvoid my_strcpy(void);\nint file_system(int x);\n')
    expect(tree.run('tools/check-banned'), 0)
    for call in ('strcpy(a, b)', 'x = atoi(s)', 'system("ls")', 'strtoul(s, 0, 10)', 'sprintf(b, "%d", 1)'):
        tree.write('src/lib/bad.c', SPDX + f'void g(void)\n{{\n\t{call};\n}}\n')
        expect(tree.run('tools/check-banned'), 1, 'src/lib/bad.c:4')
    shutil.rmtree(tree.top / 'src')


@story.test('check-lengths fails on a function over 100 lines and on a file over 800')
def lengths(tree):
    body = '\tx();\n'
    tree.write('src/a.c', SPDX + 'static int f(void)\n{\n' + body * 100 + '}\n\nstruct s\n{\n' + body * 120 + '};\n')
    expect(tree.run('tools/check-lengths'), 0, '1 functions', 'longest 100 (f)')
    tree.write('src/a.c', SPDX + 'static int f(void)\n{\n' + body * 101 + '}\n')
    expect(tree.run('tools/check-lengths'), 1, 'f() has 101 lines')
    tree.write('src/a.c', SPDX + '\n' * 800)
    expect(tree.run('tools/check-lengths'), 1, 'src/a.c: 801 lines')
    shutil.rmtree(tree.top / 'src')


@story.test('check-text finds a file without its SPDX line, and the path of the machine that it was written on')
def text(tree):
    tree.write('src/a.c', SPDX + 'int a;\n')
    expect(tree.run('tools/check-text'), 0)
    tree.write('src/a.c', 'int a;\n')
    expect(tree.run('tools/check-text'), 1, 'src/a.c: no')
    tree.write('src/a.c', SPDX + f'// see {tree.top.resolve()}/other\n')
    expect(tree.run('tools/check-text'), 1, 'src/a.c:2', 'belongs to this machine')
    shutil.rmtree(tree.top / 'src')


@story.test('bootstrap does nothing when all is there, and names and installs what is missing')
def bootstrap(tree):
    log = tree.top / 'stubs' / 'log'
    # dpkg-query knows every package that it is asked for, but for those in $ABSENT.
    tree.stub('dpkg-query', 'shift 3; for p; do case " $ABSENT " in *" $p "*) ;; *) echo "$p installed" ;; esac; done')
    tree.stub('apt-get', f'echo "$@" >>{log}')
    tree.stub('id', 'echo 0')
    expect(tree.run('tools/bootstrap', 'test', ABSENT=''), 0)
    assert not log.exists(), f'apt-get was called: {log.read_text()}'
    expect(tree.run('tools/bootstrap', '--check', ABSENT='meson'), 1, 'missing Debian packages: meson;')
    assert not log.exists(), f'--check called apt-get: {log.read_text()}'
    expect(tree.run('tools/bootstrap', ABSENT='meson xorriso'), 0, 'installing meson xorriso\n')
    calls = log.read_text().splitlines()
    equal([line.split()[2] for line in calls], ['update', 'install'], 'what apt-get was asked for')
    equal(calls[1].split()[-2:], ['meson', 'xorriso'], 'packages')


@story.test('bootstrap fails with one line that has the reason when apt does')
def bootstrap_fails(tree):
    tree.stub('dpkg-query', 'exit 1')
    tree.stub('apt-get', 'echo "Reading lists"; echo "E: no network"; exit 100')
    status, printed = tree.run('tools/bootstrap')
    equal(status, 1, 'exit status')
    contains(printed.splitlines()[-1], 'E: no network', 'the last line')
    equal(len(printed.splitlines()), 2, 'number of lines')


@story.test('build-image builds when an input has changed, and only then')
def build_image(tree):
    for name in ('dpkg-query', 'apt-get', 'id'):
        (tree.stubs / name).unlink()
    shutil.copytree(TOP / 'distro' / 'apparmor', tree.top / 'distro' / 'apparmor')
    tree.write('distro/profiles/dev', 'one\n')
    tree.write('build/src/guest/init', 'init\n', 0o755)
    tree.write('tools/build-iptables', '#!/bin/sh\necho built >"$1/xtables-legacy-multi"\n', 0o755)
    tree.write('build/src/image/b2d-image', '#!/bin/sh\ncat build/programs-dev/engine/xtables-legacy-multi || exit 1\nmkdir -p build/image\ndate >build/image/boot2docker.iso\n', 0o755)
    expect(tree.run('tools/build-image'), 0)
    expect(tree.run('tools/build-image'), 0, 'up to date')
    tree.write('distro/profiles/dev', 'two\n')
    assert 'up to date' not in tree.run('tools/build-image')[1], 'a changed manifest was not seen'
    tree.write('build/src/guest/init', 'another init\n', 0o755)
    assert 'up to date' not in tree.run('tools/build-image')[1], 'a changed program was not seen'
    profile = (TOP / 'distro' / 'apparmor' / 'docker-default').read_text()
    assert (tree.top / 'build/programs-dev/docker-default.apparmor').stat().st_size > 1000, 'there is no policy'
    tree.write('distro/apparmor/docker-default', profile + '# another\n')
    assert 'up to date' not in tree.run('tools/build-image')[1], 'a changed AppArmor profile was not seen'
    tree.write('distro/apparmor/docker-default', profile + 'nonsense\n')
    assert tree.run('tools/build-image')[0] != 0, 'an AppArmor profile that does not compile was taken'
    tree.write('distro/apparmor/docker-default', profile)
    assert 'up to date' not in tree.run('tools/build-image', SOURCE_DATE_EPOCH='2')[1], 'another date was not seen'
    tree.write('build/src/image/b2d-image', '#!/bin/sh\nexit 1\n', 0o755)
    expect(tree.run('tools/build-image'), 1)
    expect(tree.run('tools/build-image'), 1)


RUN_NEEDS = ('bash', 'sh', 'cat', 'cmp', 'cp', 'dirname', 'ln', 'mkdir', 'mktemp', 'rm', 'tar')


@story.test('run on a host without a docker client has the machine\'s, word for word')
def run_through_ssh(tree):
    for name in RUN_NEEDS:  # and no docker
        (tree.top / 'few').mkdir(exist_ok=True)
        (tree.top / 'few' / name).symlink_to(shutil.which(name))
    tree.write('few/curl', '#!/bin/sh\nprintf 000\n', 0o755)
    tree.write('guest/docker', '#!/bin/sh\nfor word; do printf "[%s]" "$word"; done >>"$GUEST/log"; echo >>"$GUEST/log"\ncat >/dev/null\n',
               0o755)
    # As ssh does it: one line, taken apart by a shell at the other end.
    tree.write('build/src/machine/boot2docker', '#!/bin/sh\ncase $1 in\nstatus) echo Running ;;\nenv) echo DOCKER_HOST=tcp://x ;;\n'
               'ssh) shift 2; export PATH="$GUEST:$PATH"; exec sh -c "$*" ;;\nesac\n', 0o755)
    expect(tree.run('tools/run', PATH=tree.top / 'few', HOME=tree.top, GUEST=tree.top / 'guest'), 0, 'To go on')
    log = (tree.top / 'guest' / 'log').read_text().splitlines()
    equal(log[1], '[import][--change][CMD ["/bin/sh"]][-][boot2docker-hello]', 'words of docker import')
    contains(log[2], '[boot2docker-hello][/bin/sh][-c][echo "Hello from a container: $(/bin/busybox uname -sr), PID $$', 'docker run')


def summary(tree, *tests, checks=()):
    """The result of test-summary on a test log with these tests: (result, output)."""
    tree.write('testlog.json', ''.join(
        json.dumps({'name': f't{number}', 'result': result, 'stdout': output}) + '\n'
        for number, (result, output) in enumerate(tests)))
    status, printed = tree.run('tools/test-summary', 'testlog.json', *checks)
    return status, printed.splitlines()[-1]


@story.test('test-summary counts TAP lines, plain tests and outside checks')
def counts(tree):
    equal(summary(tree, ('OK', '1..2\nok 1 - a\nok 2 - b\n'), ('OK', '')), (0, '3 passed, 0 failed'), 'all good')
    equal(summary(tree, ('FAIL', '1..2\nok 1 - a\nnot ok 2 - b\n'), ('OK', '')), (1, '2 passed, 1 failed'), 'one bad')
    equal(summary(tree, ('OK', ''), checks=['lint=1']), (1, '1 passed, 1 failed'), 'a check outside')
    equal(summary(tree, ('OK', ''), checks=['lint=0']), (0, '2 passed, 0 failed'), 'a good check outside')


@story.test('test-summary does not miss a test that crashed, timed out, or never ran')
def crashes(tree):
    equal(summary(tree, ('ERROR', '1..2\nok 1 - a\n')), (1, '1 passed, 1 failed'), 'crashed within its TAP')
    equal(summary(tree, ('TIMEOUT', '')), (1, '0 passed, 1 failed'), 'timed out')
    equal(summary(tree), (1, '0 passed, 0 failed'), 'nothing ran')
    (tree.top / 'testlog.json').unlink()
    expect(tree.run('tools/test-summary', 'testlog.json'), 1, '0 passed, 1 failed')


@story.test('test-summary takes a skip only for a reason that is on the list')
def skips(tree):
    skipped = ('OK', '1..2\nok 1 - a\nok 2 - b # SKIP no such hardware\n')
    equal(summary(tree, skipped), (1, '1 passed, 1 failed'), 'a reason that is not listed')
    tree.write('tests/skips-allowed', '# a comment\nno such hardware\n')
    equal(summary(tree, skipped), (0, '1 passed, 0 failed, 1 skipped'), 'a reason that is listed')


def alive(marker):
    """Whether a process with this word on its command line exists."""
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            if marker.encode() in path.read_bytes().split(b'\0'):
                return True
        except OSError:
            continue
    return False


@story.test('with-vms ends what its command left behind, and passes the exit status on')
def daemon(tree):
    number = f'1{os.getpid()}.1'
    expect(tree.run('tools/with-vms', 'sh', '-c', f'setsid sh -c "sleep {number} & sleep {number}" & sleep 0.3; exit 5'), 5)
    assert not alive(number), 'the daemon is still there'
    kept = tree.run('tools/with-vms', 'sh', '-c', 'touch "$TMPDIR/file" && echo "$TMPDIR"')[1].strip()
    assert kept and not os.path.exists(kept), f'the temporary folder {kept!r} is still there'


@story.test('with-vms names a daemon that died of a fault of its own, and fails; one that was killed is none')
def fault(tree):
    def end_daemon(name, status):
        return tree.run('tools/with-vms', 'sh', '-c', f"(sh -c 'sleep 0.1; kill -{name} $$' &); sleep 0.5; exit {status}")
    expect(end_daemon('SEGV', 0), 70, 'with-vms: sh (', ') died of SIGSEGV')
    expect(end_daemon('SEGV', 3), 3, 'died of SIGSEGV')
    equal(end_daemon('KILL', 0), (0, ''), 'one that was killed')


@story.test('with-vms ends everything when it is killed itself, asked to or not')
def killed(tree):
    for how in (signal.SIGKILL, signal.SIGTERM):
        number = f'2{os.getpid()}.{int(how)}'
        with subprocess.Popen([tree.top / 'tools' / 'with-vms', 'sh', '-c', f'setsid sleep {number} & sleep {number}'],
                              cwd=tree.top) as guard:
            within(10, 'the daemon runs', lambda: alive(number))
            time.sleep(0.1)
            guard.send_signal(how)
        within(10, f'the daemon is gone after signal {int(how)}', lambda: not alive(number))


if __name__ == '__main__':
    subject = Tree()
    try:
        finish(story.run(subject))
    finally:
        shutil.rmtree(subject.top, ignore_errors=True)
