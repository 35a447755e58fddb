#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How sources of Debian are found, fetched and built, against a mirror of our own."""
import hashlib
import http.server
import io
import os
import shutil
import subprocess
import tarfile
import threading

from test_tools import Tree, contains, equal, expect
from tap import Story, finish, within

story = Story()
NAME = 'iptables_1.0.orig.tar.xz'


class Mirror(http.server.ThreadingHTTPServer):
    """Serves files out of memory, by path, and remembers what was asked for."""

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.files, self.asked = {}, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f'http://127.0.0.1:{self.server_port}/debian'


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        content = self.server.files.get(self.path)
        self.server.asked.append(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header('Content-Length', str(len(content or b'')))
        self.end_headers()
        self.wfile.write(content or b'')

    def log_message(self, *_):
        pass


def tar_xz(**files):
    """A tarball with one folder and these files in it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w:xz') as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f'folder/{name}')
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def cached(tree):
    """The names of all files in the tree's cache."""
    return sorted(str(path.relative_to(tree.top / 'cache')) for path in (tree.top / 'cache').rglob('*') if path.is_file())


def with_cache(tree, *command, **variables):
    return tree.run(*command, B2D_CACHE=str(tree.top / 'cache'), **variables)


@story.test("debian-sources names the suite before its updates, of the given mirror or of the host's own")
def sources(tree):
    options = '[arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
    status, printed = tree.run('tools/debian-sources', 'trixie', 'deb', 'deb-src', B2D_MIRROR='http://mirror/debian/')
    equal(status, 0, 'exit status')
    equal(printed.splitlines(), [f'{kind} {options} {line} main' for kind in ('deb', 'deb-src') for line in (
        'http://mirror/debian trixie', 'http://mirror/debian trixie-updates', 'http://mirror/debian-security trixie-security')],
        'sources of a mirror')
    tree.stub('apt-get', '''printf '%s\\n' 'Debian http://d/security bookworm-security main' 'Debian http://d/debian bookworm main' \\
        'Debian http://d/debian bookworm-backports main' 'Debian http://d/debian bookworm contrib' 'Other http://o stable main' ''')
    equal(tree.run('tools/debian-sources', 'trixie')[1].splitlines(), [
        f'deb {options} http://d/debian trixie main', f'deb {options} http://d/security trixie-security main'],
        "sources of the host's apt")
    tree.stub('apt-get', '')
    expect(tree.run('tools/debian-sources', 'trixie'), 1, 'knows no Debian mirror', 'B2D_MIRROR')
    (tree.stubs / 'apt-get').unlink()


@story.test('fetch-source fetches a file once, and again when it was damaged')
def fetch(tree):
    content = b'a source'
    tree.mirror.files['/debian/pool/main/x/x.tar.xz'] = content
    command = ('tools/fetch-source', 'pool/main/x/x.tar.xz', hashlib.sha256(content).hexdigest())
    for _ in range(2):
        equal(with_cache(tree, *command, B2D_MIRROR=tree.mirror.url), (0, f'{tree.top}/cache/sources/x.tar.xz\n'), 'result')
    equal(len(tree.mirror.asked), 1, 'number of requests')
    tree.write('cache/sources/x.tar.xz', 'damaged')
    expect(with_cache(tree, *command, B2D_MIRROR=tree.mirror.url), 0)
    equal((tree.top / 'cache/sources/x.tar.xz').read_bytes(), content, 'contents')


@story.test('fetch-source refuses other contents and says what is missing, and leaves nothing behind')
def fetch_fails(tree):
    command = ('tools/fetch-source', 'pool/main/x/y.tar.xz', hashlib.sha256(b'the right one').hexdigest())
    before = cached(tree)
    expect(with_cache(tree, *command, B2D_MIRROR=tree.mirror.url), 1, 'y.tar.xz could not be fetched', '404')
    tree.mirror.files['/debian/pool/main/x/y.tar.xz'] = b'a wrong one'
    expect(with_cache(tree, *command, B2D_MIRROR=tree.mirror.url), 1, 'y.tar.xz could not be fetched')
    equal(cached(tree), before, 'files in the cache')


@story.test('build-iptables keeps what it built, and builds anew for another source or recipe')
def build(tree):
    tree.write('distro/engine/iptables.mk', 'xtables-legacy-multi:\n\tcat source >$@\n')
    built = tree.top / 'out/xtables-legacy-multi'
    for content in (b'one', b'two'):
        tarball = tar_xz(source=content)
        tree.mirror.files[f'/debian/pool/{content.decode()}/{NAME}'] = tarball
        tree.write('distro/engine/iptables.source',
                   f'# a comment\npool/{content.decode()}/{NAME} {hashlib.sha256(tarball).hexdigest()}\n')
        expect(with_cache(tree, 'tools/build-iptables', 'out', B2D_MIRROR=tree.mirror.url), 0, 'building iptables_1.0')
        equal(built.read_bytes(), content, 'the program')
        equal(with_cache(tree, 'tools/build-iptables', 'out', B2D_MIRROR='http://nowhere.invalid/'), (0, ''), 'second time')
    tree.write('distro/engine/iptables.mk', 'xtables-legacy-multi:\n\techo three >$@\n')
    expect(with_cache(tree, 'tools/build-iptables', 'out', B2D_MIRROR='http://nowhere.invalid/'), 0)
    equal(built.read_bytes(), b'three\n', 'the program by the new recipe')


@story.test('build-iptables fails with one line when the compiler does, and puts nothing into the cache')
def build_fails(tree):
    before = cached(tree)
    tree.write('distro/engine/iptables.mk', 'xtables-legacy-multi:\n\techo "x.c:1: error: no such thing"; false\n')
    status, printed = with_cache(tree, 'tools/build-iptables', 'out')
    equal(status, 1, 'exit status')
    contains(printed.splitlines()[-1], 'no such thing', 'the last line')
    equal(cached(tree), before, 'files in the cache')


def mirror_of_engine(tree):
    """A mirror that lacks some sources of the suite, and an apt that names them. Returns the tarballs that a build takes."""
    wanted = {'docker.io': 'main', 'containerd': 'main', 'openssh': 'main', 'curl_1.debian': 'gone', 'curl_2': 'main', 'libzstd': 'main',
              'iputils.debian': 'gone', 'iputils.orig': 'main'}
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in wanted}
    for name, pool in wanted.items():
        if pool != 'gone':
            tree.mirror.files[f'/debian/pool/main/{name}.tar.xz'] = name.encode()
    line = {name: f"'{tree.mirror.url}/pool/main/{name}.tar.xz' {name}.tar.xz 1 SHA256:{hashes[name]}" for name in wanted}
    tree.stub('apt-get', f'''case "$APT_CONFIG $*" in
        *" update") ;;
        *source*docker.io*) printf '%s\\n' "{line['docker.io']}" "{line['containerd']}" "{line['openssh']}" ;;
        */apt-forky/*source*curl) echo "{line['curl_2']}" ;;
        */apt-forky/*source*iputils) printf '%s\\n' "{line['iputils.orig']}" "{line['iputils.debian']}" ;;
        *source*libzstd) echo "{line['libzstd']}" ;;
        *source*curl) echo "{line['curl_1.debian']}" ;;
        esac''')
    tree.write('distro/engine/iptables.source', f'pool/main/openssh.tar.xz {hashes["openssh"]}\n')
    return sorted(f'{name}.tar.xz' for name, pool in wanted.items() if pool != 'gone')


@story.test("build-engine takes the next suite's curl when the mirror lacks a tarball of this one's; iputils of upstream alone")
def later_curl(tree):
    tarballs = mirror_of_engine(tree)
    tree.stub('mmdebstrap', 'for word; do case $word in *copy-in*) eval "set -- ${word#*copy-in}"; ls "$2" >&2; exit 1;; esac; done')
    status, printed = with_cache(tree, 'tools/build-engine', 'out', B2D_MIRROR=tree.mirror.url)
    equal(status, 1, 'exit status without a build')
    contains(printed, 'lacks sources of curl in trixie; those of forky are taken', 'output')
    log = (tree.top / 'cache/engine/build.log').read_text()
    equal(log.split(), tarballs, 'sources for the build')
    (tree.stubs / 'apt-get').unlink()


@story.test('a second build-engine waits for the first, and says so; one that is killed takes its build along')
def one_at_a_time(tree):
    mirror_of_engine(tree)
    tree.stub('mmdebstrap', 'sleep 1000 & echo $! >>"$TMPDIR/building"; wait')
    building = tree.top / 'building'
    said = tree.top / 'said'
    environment = dict(tree.environment, B2D_CACHE=str(tree.top / 'cache'), B2D_MIRROR=tree.mirror.url, TMPDIR=str(tree.top))

    def start():
        with said.open('w') as out:
            return subprocess.Popen(['tools/build-engine', 'out'], cwd=tree.top, env=environment, stdout=out, stderr=out)

    def pids(count):
        found = building.read_text().split() if building.exists() else []
        return found if len(found) == count else None
    first = start()
    sleeper, = within(30, 'the first build', lambda: pids(1))
    second = start()
    try:
        within(30, 'the word of the second', lambda: 'another build is at work' in said.read_text())
        first.terminate()
        equal(first.wait(30), 143, 'exit status of the first')
        within(10, 'the end of its build', lambda: not os.path.exists(f'/proc/{sleeper}/exe'))
        within(30, 'the second build', lambda: pids(2))
    finally:
        second.terminate()
        second.wait(30)
    within(10, 'the end of all', lambda: not any(os.path.exists(f'/proc/{pid}/exe') for pid in pids(2)))
    equal([path.name for path in tree.top.glob('tmp.*')], [], 'folders that are left')
    (tree.stubs / 'apt-get').unlink()


if __name__ == '__main__':
    subject = Tree()
    subject.mirror = Mirror()
    try:
        finish(story.run(subject))
    finally:
        shutil.rmtree(subject.top, ignore_errors=True)
