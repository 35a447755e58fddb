#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Images from the web and upgrades, with a web server of the test's own and a fake QEMU."""
import contextlib
import hashlib
import http.server
import json
import os
import tempfile
import threading
from pathlib import Path

from store import Store, make_iso
from tap import Story, contains, equal, finish

story = Story()


class Web:
    """A web server: its files by path, what it was asked for, and where it breaks off."""

    def __init__(self):
        self.files, self.asked, self.cut = {}, [], None
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), self.handler())
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return f'http://127.0.0.1:{self.port}{path}'

    def put(self, path, content, digest=True):
        self.files[path] = content
        if digest:
            self.files[f'{path}.sha256'] = f'{hashlib.sha256(content).hexdigest()}  {path.rsplit("/", 1)[-1]}\n'.encode()

    def ranges(self):
        """Path and range of what was asked for, without the digests; forgets it."""
        found = [(path, headers.get('Range')) for path, headers in self.asked if not path.endswith('.sha256')]
        self.asked.clear()
        return found

    def handler(self):
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                web.answer(self)

            def log_message(self, *_):
                pass
        return Handler

    def answer(self, request):
        self.asked.append((request.path, request.headers))
        content = self.files.get(request.path)
        if content is None:
            request.send_error(404)
            return
        tag = f'"{hashlib.sha256(content).hexdigest()[:12]}"'
        start = 0
        if request.headers.get('If-None-Match') == tag:
            request.send_response(304)
            request.end_headers()
            return
        if request.headers.get('Range') and request.headers.get('If-Range') == tag:
            start = int(request.headers['Range'].removeprefix('bytes=').rstrip('-'))
        request.send_response(206 if start else 200)
        request.send_header('ETag', tag)
        request.send_header('Content-Length', str(len(content) - start))
        request.end_headers()
        end = len(content) if self.cut is None or request.path.endswith('.sha256') else min(self.cut, len(content))
        with contextlib.suppress(OSError):
            request.wfile.write(content[start:end])
        request.close_connection = True


def iso(folder, version, kernel=b'kernel'):
    """The bytes of an image of that version."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        boot = Path(temporary) / 'tree' / 'boot'
        boot.mkdir(parents=True)
        (boot / 'vmlinuz').write_bytes(kernel * 1000)
        (boot / 'initrd.img').write_bytes(os.urandom(300000))
        path = Path(temporary) / 'image.iso'
        make_iso(path, boot.parent, '-V', f'Boot2Docker-v{version}')
        return path.read_bytes()


class Images(Store):
    """A store, and images on the web."""

    def __init__(self, folder):
        super().__init__(folder)
        self.environment['QEMU_SHARE'] = 'none'
        self.web = Web()
        self.one, self.two = iso(folder, '1.0.0'), iso(folder, '2.0.0')

    def image(self, name='default'):
        return (self.machine(name) / 'boot2docker.iso').read_bytes()

    def left_over(self):
        """Names in the cache of what was not fetched to its end."""
        return [path.name for path in (self.path / 'cache' / 'downloads').glob('*.part*')]


@story.test('create fetches its image, tells how far it is, and checks its digest')
def fetched(store):
    store.web.put('/one.iso', store.one)
    said = store.out('create', '--qemu-boot2docker-url', store.web.url('/one.iso'), 'x')
    contains(said, 'Downloading one.iso...', 'create')
    contains(said, 'one.iso: 100 % of ', 'create')
    equal(store.image('x') == store.one, True, 'the same bytes')
    equal(store.left_over(), [], 'left over')
    store.run('rm', '-y', 'x')
    store.web.asked.clear()
    store.run('create', '--qemu-boot2docker-url', store.web.url('/one.iso'), 'x')
    equal([headers.get('If-None-Match') is not None for _, headers in store.web.asked], [True], 'asked whether it is new')
    equal(store.image('x') == store.one, True, 'the same bytes, from the cache')
    store.run('rm', '-y', 'x')


@story.test('a transfer that broke off goes on where it was; when there is another version by now, it begins anew')
def resumed(store):
    url = store.web.url('/broken.iso')
    store.web.put('/broken.iso', store.one)
    store.web.cut = 200000
    contains(store.error('download', url), f'fetch {url}: ', 'download')
    assert not (store.path / 'cache' / 'boot2docker.iso').exists() or \
        (store.path / 'cache' / 'boot2docker.iso').read_bytes() != store.one[:200000], 'half an image is used'
    store.web.cut = None
    store.web.ranges()
    contains(store.out('download', url), 'boot2docker.iso is v1.0.0', 'download')
    equal(store.web.ranges(), [('/broken.iso', 'bytes=200000-')], 'what was asked for')
    equal((store.path / 'cache' / 'boot2docker.iso').read_bytes() == store.one, True, 'the same bytes')
    store.web.put('/broken.iso', store.two)
    store.web.cut = 100000
    store.error('download', url)
    store.web.put('/broken.iso', store.one)
    store.web.cut = None
    store.run('download', url)
    equal((store.path / 'cache' / 'boot2docker.iso').read_bytes() == store.one, True, 'the bytes of the new version')
    equal(store.left_over(), [], 'left over')


@story.test('a file that has not its digest is refused, from the web and from a path, and nothing of it stays')
def bad_digest(store):
    url = store.web.url('/bad.iso')
    store.web.put('/bad.iso', store.one)
    store.web.files['/bad.iso.sha256'] = b'0' * 64 + b'\n'
    contains(store.error('create', '--qemu-boot2docker-url', url, 'x'), 'is damaged, or another: its SHA-256 is ', 'create')
    equal(store.left_over(), [], 'left over')
    store.web.files['/bad.iso.sha256'] = b'<html>not a digest</html>'
    contains(store.error('create', '--qemu-boot2docker-url', url, 'x'), 'does not begin with a SHA-256 digest', 'create')
    path = store.folder / 'local.iso'
    path.write_bytes(store.one)
    path.with_name('local.iso.sha256').write_text('f' * 64)
    contains(store.error('create', '--qemu-boot2docker-url', path, 'x'), 'is damaged, or another', 'create')
    path.with_name('local.iso.sha256').write_text(hashlib.sha256(store.one).hexdigest().upper())
    store.run('create', '--qemu-boot2docker-url', path, 'x')
    store.run('rm', '-y', 'x')


@story.test('what is not there, and what cannot be fetched, says so')
def refused(store):
    url = store.web.url('/nowhere.iso')
    contains(store.error('create', '--qemu-boot2docker-url', url, 'x'), f'fetch {url}: the server answers with status 404', '404')
    contains(store.error('create', '--qemu-boot2docker-url', 'ftp://host/b.iso', 'x', status=3), 'cannot fetch ftp://host/b.iso', 'ftp')
    contains(store.error('create', '--qemu-boot2docker-url', 'http://127.0.0.1:1/b.iso', 'x'), 'fetch http://127.0.0.1:1/b.iso: ', 'closed')
    contains(store.error('download'), 'name one image', 'download')
    assert not store.machine('x').exists(), 'something half-made stays'


@story.test('a list of releases leads to the newest one that is none of drafts and pre-releases')
def releases(store):
    store.web.put('/own/er/releases/download/v1.0.0/boot2docker.iso', store.one)
    api = '/api/v3/repos/own/er/releases'
    store.web.put(api, json.dumps([{'tag_name': 'v3', 'draft': True}, {'tag_name': 'v2', 'prerelease': True},
                                   {'tag_name': 'v1.0.0'}, {'tag_name': 'v0'}]).encode(), digest=False)
    store.web.put(f'{api}/latest', json.dumps({'tag_name': 'v1.0.0'}).encode(), digest=False)
    for path in (api, f'{api}/latest'):
        said = store.out('download', store.web.url(path))
        contains(said, f'Latest release for 127.0.0.1:{store.web.port}/own/er is v1.0.0\n', path)
        contains(said, 'boot2docker.iso is v1.0.0', path)
    for answer in (b'[]', b'{', b'[{"tag_name": "../../x"}]', b'5'):
        store.web.put(api, answer, digest=False)
        store.error('download', store.web.url(api))


@story.test('upgrade: another image, the same disk, and the machine runs', vital=True)
def upgrade(store):
    store.web.put('/latest.iso', store.one)
    store.run('create', '--qemu-boot2docker-url', store.web.url('/latest.iso'), 'default')
    disk = store.machine('default') / 'disk.qcow2'
    before = disk.stat().st_ino
    store.web.put('/latest.iso', store.two)
    said = store.out('upgrade')
    for line in ('Stopping machine to do the upgrade...', 'Upgrading machine "default"...',
                 'The image of machine "default": v2.0.0 instead of v1.0.0', 'Starting machine back up...'):
        contains(said, line + '\n', 'upgrade')
    equal(store.image() == store.two, True, 'the new image')
    equal(disk.stat().st_ino, before, 'the disk')
    equal(store.out('status'), 'Running\n', 'status')
    equal(list(store.machine('default').glob('*.old')), [], 'what stays of the old image')
    contains(store.out('upgrade'), 'Machine "default" has this image already: v2.0.0', 'upgrade again')


@story.test('upgrade to a path; a stopped machine runs afterwards; a saved one is refused')
def upgrade_path(store):
    path = store.folder / 'other.iso'
    path.write_bytes(store.one)
    store.run('stop')
    store.run('upgrade', '--image', path)
    equal(store.image() == store.one, True, 'the image')
    equal(store.out('status'), 'Running\n', 'status')
    store.run('save')
    contains(store.error('upgrade', '--image', path), 'is saved, with what ran in it', 'upgrade')
    store.run('start')


@story.test('an image that is none, or whose engine never answers: the machine gets its old one back and runs')
def upgrade_back(store):
    path = store.folder / 'bad.iso'
    for content, reason in ((b'no image at all', 'not an ISO image'),
                            (iso(store.folder, '3.0.0', kernel=b'never answers'), 'did not answer within')):
        path.write_bytes(content)
        said = store.error('upgrade', '--image', path, B2D_READY_TIMEOUT='4')
        contains(said, 'machine "default" gets its old image back', 'upgrade')
        contains(said, reason, 'upgrade')
        equal(store.image() == store.one, True, 'the old image')
        equal(store.out('status'), 'Running\n', 'status')
        equal(list(store.machine('default').glob('*.old')), [], 'what stays')
    contains(store.error('upgrade', '--image', '/nowhere.iso'), 'no image at /nowhere.iso', 'upgrade')


with tempfile.TemporaryDirectory() as temporary_:
    status_ = story.run(Images(temporary_))
finish(status_)
