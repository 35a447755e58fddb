#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stores that Docker Machine wrote: config.json of versions 0 to 3, with its certificates and keys."""
import json
import os
import socket
import subprocess
import tempfile
import threading

from store import Fakes, Store
from tap import Story, contains, equal, finish

story = Story()
FOREIGN = '/Users/ann/.docker/machine'  # where the store was when it was written


def openssl(*words):
    subprocess.run(['openssl', *map(str, words)], check=True, capture_output=True)


def greet(server):
    """What a machine's SSH says first."""
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        client.sendall(b'SSH-2.0-old\r\n')
        client.close()


def write_keys(store, folder):
    """RSA keys and certificates as Docker Machine made them: a CA, a client's, a server's for the address and localhost."""
    certs = store.path / 'certs'
    certs.mkdir(parents=True, exist_ok=True)
    if not (certs / 'ca.pem').exists():
        openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', 1080, '-subj', '/O=ann', '-keyout', certs / 'ca-key.pem',
                '-out', certs / 'ca.pem')
        sign(certs, certs / 'cert.pem', certs / 'key.pem', 'extendedKeyUsage=clientAuth')
    sign(certs, folder / 'server.pem', folder / 'server-key.pem',
         'extendedKeyUsage=serverAuth\nsubjectAltName=IP:127.0.0.1,DNS:localhost')
    for name in ('ca.pem', 'cert.pem', 'key.pem'):
        (folder / name).write_bytes((certs / name).read_bytes())
    subprocess.run(['ssh-keygen', '-q', '-t', 'rsa', '-N', '', '-f', folder / 'id_rsa'], check=True)


def sign(certs, certificate, key, extensions):
    request, file = certs / 'request', certs / 'extensions'
    openssl('req', '-new', '-newkey', 'rsa:2048', '-nodes', '-subj', '/O=ann', '-keyout', key, '-out', request)
    file.write_text(extensions)
    openssl('x509', '-req', '-in', request, '-CA', certs / 'ca.pem', '-CAkey', certs / 'ca-key.pem', '-CAcreateserial', '-days', 1080,
            '-extfile', file, '-out', certificate)


def auth(key_name):
    return {'StorePath': f'{FOREIGN}/machines/old', 'CaCertPath': f'{FOREIGN}/certs/ca.pem', key_name: f'{FOREIGN}/certs/ca-key.pem',
            'ServerCertPath': f'{FOREIGN}/machines/old/server.pem', 'ServerKeyPath': f'{FOREIGN}/machines/old/server-key.pem',
            'ClientCertPath': f'{FOREIGN}/certs/cert.pem'}


def engine():
    return {'Dns': None, 'GraphDir': '', 'Ipv6': False, 'InsecureRegistry': ['r.example'], 'Labels': ['who=ann'], 'LogLevel': '',
            'StorageDriver': 'aufs', 'SelinuxEnabled': False, 'TlsVerify': True, 'RegistryMirror': [], 'InstallURL': 'https://get.docker.com'}


def config(version, port):
    """A config.json with the fields that Docker Machine documents for its version."""
    driver = {'IPAddress': '127.0.0.1', 'SSHUser': 'docker', 'SSHPort': port, 'MachineName': 'old', 'SwarmMaster': False,
              'SwarmHost': 'tcp://0.0.0.0:3376', 'SwarmDiscovery': 'token://abc', 'EnginePort': 2376, 'SSHKey': f'{FOREIGN}/k',
              'StorePath': f'{FOREIGN}/machines/old' if version < 2 else FOREIGN}
    if version == 0:
        return {'DriverName': 'generic', 'Driver': driver, **auth('PrivateKeyPath'), 'SwarmHost': 'tcp://0.0.0.0:3376',
                'SwarmMaster': True, 'SwarmDiscovery': 'token://abc'}
    options = {'Driver': '', 'Memory': 0, 'Disk': 0, 'EngineOptions': engine(),
               'SwarmOptions': {'IsSwarm': True, 'Address': '', 'Discovery': 'token://abc', 'Master': True, 'Host': 'tcp://0.0.0.0:3376'},
               'AuthOptions': auth('PrivateKeyPath' if version == 1 else 'CaPrivateKeyPath')}
    written = {'ConfigVersion': version, 'Driver': driver, 'DriverName': 'generic', 'HostOptions': options}
    if version == 1:
        written['StorePath'] = f'{FOREIGN}/machines/old'
    if version >= 2:
        written['Name'] = 'old'
        options['AuthOptions'].update({'CertDir': f'{FOREIGN}/certs', 'ServerCertSANs': []})
    if version == 3:
        driver['SSHKeyPath'] = f'{FOREIGN}/machines/old/id_rsa'
        written['RawDriver'] = 'eyJJUEFkZHJlc3MiOiAiIn0='
    return written


def test_of(version):
    @story.test(f'a machine of config version {version}: listed, reached, inspected as version 3')
    def check(subject):
        store, port = subject
        folder = store.machine('old')
        (folder / 'config.json').write_text(json.dumps(config(version, port)))
        line = store.out('ls', '-t', '3').splitlines()[1]
        contains(line, 'old    -        generic   Running   tcp://127.0.0.1:2376', 'ls')
        contains(line, 'old (master)', 'its swarm')
        contains(store.out('env', 'old'), f'export DOCKER_CERT_PATH="{folder}"', 'env')
        words = store.out('ssh', 'old', 'true', status=42, PATH=Fakes(store, 'ssh').path).split('\n')
        assert str(folder / 'id_rsa') in words, f'the key where it is now: {words}'
        inspected = json.loads(store.out('inspect', 'old'))
        equal((inspected['ConfigVersion'], inspected['Name']), (3, 'old'), 'version and name')
        equal(inspected['Driver']['StorePath'], str(store.path) if version < 3 else FOREIGN, 'Driver.StorePath')
        options = inspected['HostOptions']
        equal(options['AuthOptions']['CaPrivateKeyPath'], f'{FOREIGN}/certs/ca-key.pem', 'CaPrivateKeyPath')
        equal(options['AuthOptions']['CertDir'], f'{FOREIGN}/certs', 'CertDir')
        equal((options['SwarmOptions']['Master'], options['SwarmOptions']['Discovery']), (True, 'token://abc'), 'SwarmOptions')
        equal(options['EngineOptions'].get('Labels'), ['who=ann'] if version else None, 'labels')
        for gone in ('CaCertPath', 'PrivateKeyPath', 'SwarmHost'):
            assert gone not in inspected, f'{gone} is still at the top'
        if version == 3:
            equal(inspected['RawDriver'], 'eyJJUEFkZHJlc3MiOiAiIn0=', 'a field that is not ours')
    return check


for version_ in range(4):
    test_of(version_)


@story.test('a version that is newer than ours is taken as it is')
def newer(subject):
    store, port = subject
    written = {**config(3, port), 'ConfigVersion': 9, 'Future': {'x': 1}}
    (store.machine('old') / 'config.json').write_text(json.dumps(written))
    equal(json.loads(store.out('inspect', 'old')), written, 'inspect')


def main():
    with tempfile.TemporaryDirectory() as temporary, socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        server.listen()
        threading.Thread(target=greet, args=(server,), daemon=True).start()
        store = Store(temporary)
        store.machine('old').mkdir(parents=True)
        write_keys(store, store.machine('old'))
        os.chmod(store.path, 0o700)
        return story.run((store, server.getsockname()[1]))


finish(main())
