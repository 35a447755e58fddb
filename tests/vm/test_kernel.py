#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The kernel of the release, as the machine that it runs shows it: Docker's own check, modules on demand, hardening."""
import base64
import glob
import os
import re
import struct

from machine import Machine, run
from tap import Skip, Story, contains, equal, finish, note

story = Story()


def ours(name):
    """A test of the story that is skipped on an image with another kernel."""
    def add(function):
        def test(machine):
            release = machine.ssh('uname -r').strip()
            if not release.endswith('-boot2docker'):
                raise Skip('the image has Debian\'s stock kernel')
            function(machine)
        story.test(name)(test)
        return function
    return add


@story.test('create boots a machine to an engine that answers', vital=True)
def create(machine):
    machine.create()
    machine.engine_version()
    note(machine.ssh('uname -rv').strip())


@ours('nothing is loaded on the way to the engine: what boots is built in')
def no_modules(machine):
    equal(machine.ssh('cat /proc/modules'), '', '/proc/modules after the boot')


def check_config():
    """Docker's check-config.sh, out of the docker.io package in the cache."""
    cache = os.environ.get('B2D_CACHE', os.path.expanduser('~/.cache/boot2docker'))
    packages = sorted(glob.glob(f'{cache}/debs/docker.io_*.deb'))
    assert packages, f'there is no docker.io package in {cache}/debs'
    tree = run('dpkg-deb', '--fsys-tarfile', packages[-1], input=b'')
    return run('tar', '-x', '-O', './usr/share/docker.io/contrib/check-config.sh', input=tree.stdout).stdout.decode()


@ours('check-config.sh misses nothing that can exist')
def config_is_complete(machine):
    told = machine.ssh('sudo', 'bash', '-s', input=check_config(), check=False)
    told = re.sub(r'\x1b\[[0-9;]*m', '', told)
    contains(told, 'Generally Necessary', 'output of check-config.sh')
    missing = re.findall(r'^\s*- (.*): missing', told, re.MULTILINE)
    # MEMCG_SWAP went into MEMCG with Linux 5.8; ZFS is no part of Linux.
    equal([name for name in missing if name not in ('CONFIG_MEMCG_SWAP', '/dev/zfs', 'zfs command', 'zpool command')], [],
          'what is missing')


@ours('network interfaces of every kind load their module by themselves')
def interfaces(machine):
    for kind in ('wireguard', 'vxlan id 7 dstport 4789', 'dummy', 'ipip', 'bond', 'ifb', 'vrf table 7', 'geneve id 7 remote 10.9.8.7'):
        machine.ssh(f'sudo ip link add t0 type {kind} && sudo ip link del t0')
    for kind in ('macvlan mode bridge', 'ipvlan mode l2'):
        machine.ssh(f'sudo ip link add link eth0 name t0 type {kind} && sudo ip link del t0')


@ours('file systems load their module when they are named')
def file_systems(machine):
    for module, name in (('btrfs', 'btrfs'), ('xfs', 'xfs'), ('nfsv4', 'nfs4'), ('cifs', 'cifs'), ('ceph', 'ceph'),
                         ('exfat', 'exfat'), ('ntfs3', 'ntfs3'), ('udf', 'udf')):
        machine.ssh(f'sudo modprobe {module}')
        contains(machine.ssh('cat /proc/filesystems'), f'\t{name}\n', '/proc/filesystems')


@ours('every module that is in the image can be loaded by the kernel that is in it')
def modules_fit(machine):
    for module in ('ip_vs', 'xt_ipvs', 'esp4', 'nf_conntrack_ftp', 'cls_u32', 'sch_netem', 'ip_set_hash_ip', 'ftdi_sio', 'igb',
                   'r8169', 'megaraid_sas', 'mpt3sas', 'dm-crypt', 'xts'):
        machine.ssh(f'sudo modprobe {module}')


@ours('iptables in its older and in its newer form')
def iptables(machine):
    machine.ssh('sudo iptables -t nat -S && sudo ip6tables -t filter -S')
    machine.ssh('sudo iptables -A INPUT -m hashlimit --hashlimit-above 1/s --hashlimit-name t -j DROP -s 10.9.8.7 && '
                'sudo iptables -D INPUT -m hashlimit --hashlimit-above 1/s --hashlimit-name t -j DROP -s 10.9.8.7')


def elf32_exit(status):
    """A whole i386 program: exit(status)."""
    code = b'\xb8\x01\x00\x00\x00\xbb' + struct.pack('<I', status) + b'\xcd\x80'
    base, offset = 0x08048000, 52 + 32
    header = struct.pack('<16sHHIIIIIHHHHHH', b'\x7fELF\x01\x01\x01', 2, 3, 1, base + offset, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    size = offset + len(code)
    return header + struct.pack('<IIIIIIII', 1, 0, base, base, size, size, 5, 0x1000) + code


@ours('a program of i386 runs')
def i386(machine):
    text = base64.b64encode(elf32_exit(42)).decode()
    found = machine.command('ssh', machine.name, f'echo {text} | base64 -d >/tmp/i386; chmod 755 /tmp/i386; /tmp/i386', check=False)
    equal(found.returncode, 42, 'exit status')


@ours('what is not needed is closed')
def closed(machine):
    equal(machine.ssh('cat /proc/sys/kernel/unprivileged_bpf_disabled').strip(), '2', 'unprivileged BPF')
    equal(machine.ssh('ls /dev/mem /dev/port /proc/kcore /sys/kernel/debug/x 2>/dev/null; true'), '', 'doors to memory')
    contains(machine.ssh('sudo cat /sys/kernel/security/lsm 2>/dev/null || sudo mount -t securityfs none /sys/kernel/security && '
                         'sudo cat /sys/kernel/security/lsm'), 'apparmor', 'LSMs')


@ours('user namespaces, time namespaces and control groups of every kind are there')
def namespaces(machine):
    equal(sorted(machine.ssh('ls /proc/self/ns').split()),
          sorted('cgroup ipc mnt net pid pid_for_children time time_for_children user uts'.split()), 'namespaces')
    equal(set(machine.ssh('cat /sys/fs/cgroup/cgroup.controllers').split()),
          set('cpuset cpu io memory hugetlb pids rdma misc'.split()), 'controllers')


if __name__ == '__main__':
    with Machine() as subject:
        finish(story.run(subject, subject.console))
