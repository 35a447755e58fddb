# SPDX-License-Identifier: Apache-2.0
"""Registries on the host, which a machine reaches through its NAT gateway."""
import shutil
import socket
import subprocess

from machine import free_port, run
from tap import within

GATEWAY = '10.0.2.2'


class Registry:
    """Debian's docker-registry (tools/with-vms ends it) in a folder of the test's: plain, with TLS, or as a mirror that pulls through another."""

    def __init__(self, folder, name, tls=False, of=None):
        assert shutil.which('docker-registry'), 'no docker-registry: tools/bootstrap test installs what tests need'
        self.folder, self.port = folder / name, free_port()
        self.address = f'{GATEWAY}:{self.port}'
        self.certificate = self.folder / 'certificate.pem'
        self.folder.mkdir()
        extra = ''
        if tls:
            key = self.folder / 'key.pem'
            run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj',
                f'/CN={name}', '-addext', f'subjectAltName=IP:{GATEWAY}', '-keyout', key, '-out', self.certificate)
            extra += f'  tls:\n    certificate: {self.certificate}\n    key: {key}\n'
        if of:
            extra += f'proxy:\n  remoteurl: http://127.0.0.1:{of.port}\n'
        config = self.folder / 'config.yml'
        config.write_text(f'version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {self.folder}/data\n'
                          f'http:\n  addr: 127.0.0.1:{self.port}\n{extra}')
        self.process = subprocess.Popen(['docker-registry', 'serve', config], stdin=subprocess.DEVNULL,
                                        stdout=open(self.folder / 'log', 'wb'), stderr=subprocess.STDOUT)
        within(10, f'{name} listens', self._listens, pause=0.05)

    def _listens(self):
        assert self.process.poll() is None, f'docker-registry ended: {self.log()}'
        with socket.socket() as probe:
            return probe.connect_ex(('127.0.0.1', self.port)) == 0

    def log(self):
        """What it has printed: a line for each request."""
        return (self.folder / 'log').read_text(errors='replace')
