# SPDX-License-Identifier: Apache-2.0
"""Servers of files: Debian's samba as a container image, and an NFS server on the host whose files are in its memory."""
import io
import os
import re
import shutil
import subprocess
import tarfile

from machine import BUSYBOX, free_port, run
from tap import within

SMBD = '/usr/sbin/smbd'
SAMBA = 'svendowideit/samba'  # the name that its image is to have
SMB_CONF = '''[global]
map to guest = bad user
guest account = root
log file = /dev/null
disable netbios = yes
load printers = no
[data]
path = /data
guest ok = yes
read only = no
force user = root
'''
# As the image of that name works: the one that is called looks the volumes up and starts the one that serves them.
ENTRY = '''#!/bin/sh -e
if [ "$1" = --start ]; then
	[ "$2" = /data ]
	exec smbd --foreground --no-process-group
fi
docker="/docker -H unix:///docker.sock"
volumes=$($docker inspect --format '{{range .Mounts}}{{.Destination}} {{end}}' "$1")
$docker run -d --name samba-server -p 445:445 --volumes-from "$1" ''' + SAMBA + ''' --start $volumes
'''


def samba_image(path):
    """Writes the tree of a container image, as a packed tar: smbd and what it is linked with, out of this host's packages."""
    assert os.path.exists(SMBD), 'no samba: tools/bootstrap test installs what tests need'
    libraries = re.findall(r'(/\S+) \(0x', run('ldd', SMBD).stdout)
    texts = {'etc/samba/smb.conf': SMB_CONF, 'entry': ENTRY, 'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
             'etc/passwd': 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n'}
    with tarfile.open(path, 'w:gz', compresslevel=1) as tar:
        for source in {SMBD, BUSYBOX, *libraries}:
            tar.add(os.path.realpath(source), source)
        link = tarfile.TarInfo('bin/sh')
        link.type, link.linkname = tarfile.SYMTYPE, 'busybox'
        tar.addfile(link)
        for name, text in texts.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
        for name in ('data', 'run/samba', 'var/lib/samba/private', 'var/cache/samba', 'var/log/samba'):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)


class Nfs:
    """nfs-ganesha (tools/with-vms ends it) serves NFSv4 on loopback: /files, empty at first."""

    def __init__(self, folder):
        assert shutil.which('ganesha.nfsd'), 'no nfs-ganesha: tools/bootstrap test installs what tests need'
        self.port = free_port()
        (folder / 'nfs-state').mkdir()
        config, self.log = folder / 'ganesha.conf', folder / 'ganesha.log'
        config.write_text(f'''
NFS_CORE_PARAM {{ NFS_Port = {self.port}; MNT_Port = {free_port()}; Protocols = 4; Bind_addr = 127.0.0.1; Enable_NLM = false;
    Enable_RQUOTA = false; Enable_UDP = false; }}
NFSv4 {{ Graceless = true; RecoveryBackend = fs; RecoveryRoot = {folder}/nfs-state; Only_Numeric_Owners = true; }}
NFS_KRB5 {{ Active_krb5 = false; }}
MEM {{ Inode_Size = 65536; }}
EXPORT {{ Export_Id = 7; Path = /files; Pseudo = /files; Access_Type = RW; Squash = No_Root_Squash; SecType = sys;
    Protocols = 4; FSAL {{ Name = MEM; }} }}
''')
        self.process = subprocess.Popen(['ganesha.nfsd', '-F', '-f', config, '-L', self.log, '-p', folder / 'ganesha.pid'],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        within(30, 'the NFS server is ready', self._is_ready)

    def _is_ready(self):
        log = self.log.read_text() if self.log.exists() else ''
        assert self.process.poll() is None, f'nfs-ganesha ended: {log[-500:]}'
        return 'NFS SERVER INITIALIZED' in log
