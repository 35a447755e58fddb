# SPDX-License-Identifier: Apache-2.0
"""What the machines are given to work on: programs of this host with their libraries, as a container image, and a tree of small files."""
import gzip
import hashlib
import http.client
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'tests' / 'vm'))
from machine import busybox_tar

FOLDERS, FILES = 200, 100  # 20,000 files
APPLETS = ('cp', 'cut', 'dd', 'find', 'grep', 'mkdir', 'rm', 'stat', 'tar', 'touch', 'wc')  # besides those of busybox_tar
PACK = 5  # folders that are packed and unpacked: 500 files


def parts_of(*programs):
    """The programs, the libraries that they load, and their loader."""
    paths = {}
    for program in programs:
        path = shutil.which(program)
        if not path:
            raise SystemExit(f'bench: no {program}; tools/bootstrap bench installs what is measured with')
        loaded = subprocess.run(['ldd', path], capture_output=True, text=True, check=True).stdout
        paths |= dict.fromkeys([path, *re.findall(r'(?:=> |^\s*)(/\S+) \(0x', loaded, re.MULTILINE)])
    return list(paths)


def tools_tar(*programs):
    """The tree of a container image as a tar: busybox and these programs."""
    stream = io.BytesIO(busybox_tar())
    with tarfile.open(fileobj=stream, mode='a', dereference=True) as tar:
        for path in parts_of(*programs):
            tar.add(path)
        for applet in APPLETS:
            link = tarfile.TarInfo(f'bin/{applet}')
            link.type, link.linkname = tarfile.SYMTYPE, 'busybox'
            tar.addfile(link)
        for name, mode in (('tmp', 0o1777), ('www', 0o755)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            tar.addfile(folder)
    return stream.getvalue()


def digest(data):
    return f'sha256:{hashlib.sha256(data).hexdigest()}'


class Image:
    """A container image of one layer, made here: packing it in an emulated processor would take minutes."""

    def __init__(self, name, tree):
        self.name, self.tree = name, tree
        self.config = json.dumps({'architecture': 'amd64', 'os': 'linux', 'config': {'Cmd': ['/bin/sh'], 'Env': ['PATH=/bin:/usr/bin']},
                                  'rootfs': {'type': 'layers', 'diff_ids': [digest(tree)]}}).encode()
        self.layer = gzip.compress(tree, 6)

    def archive(self, path):
        """What `docker save` would write of it."""
        manifest = [{'Config': 'config.json', 'RepoTags': [f'{self.name}:latest'], 'Layers': ['layer.tar']}]
        with tarfile.open(path, 'w') as tar:
            for name, data in (('layer.tar', self.tree), ('config.json', self.config), ('manifest.json', json.dumps(manifest).encode())):
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))

    def push(self, port):
        """Into a registry on this host, by the protocol of registries."""
        def part(data, kind):
            return {'mediaType': f'application/vnd.docker.{kind}', 'size': len(data), 'digest': digest(data)}

        def send(method, path, data=b'', kind='application/octet-stream'):
            connection.request(method, path, data, {'Content-Type': kind})
            answer = connection.getresponse()
            answer.read()
            if answer.status not in (201, 202):
                raise SystemExit(f'bench: the registry answers {answer.status} to {method} {path}')
            return answer.getheader('Location')

        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=60)
        for data in (self.config, self.layer):
            place = send('POST', f'/v2/{self.name}/blobs/uploads/')
            send('PUT', f'{place}&digest={digest(data)}', data)
        kind = 'application/vnd.docker.distribution.manifest.v2+json'
        manifest = {'schemaVersion': 2, 'mediaType': kind, 'config': part(self.config, 'container.image.v1+json'),
                    'layers': [part(self.layer, 'image.rootfs.diff.tar.gzip')]}
        send('PUT', f'/v2/{self.name}/manifests/latest', json.dumps(manifest).encode(), kind)
        connection.close()


def small_files(tree, folders=FOLDERS):
    """20,000 files of some 600 bytes, as a git repository; all may write in the folder around it."""
    for folder in range(folders):
        (tree / f'd{folder}').mkdir(parents=True)
        for number in range(FILES):
            (tree / f'd{folder}' / f'f{number}.c').write_text(f'/* {folder} {number} */\n' * 36)
    time.sleep(1.1)  # git looks again into files as young as its index
    git = ('git', '-C', str(tree), '-c', 'user.name=bench', '-c', 'user.email=bench@localhost', '-c', 'gc.auto=0')
    for words in (('init', '-q'), ('add', '.'), ('commit', '-q', '-m', 'all')):
        subprocess.run([*git, *words], check=True)
    subprocess.run(['chmod', '-R', 'a+rwX', tree.parent], check=True)
