# SPDX-License-Identifier: Apache-2.0
"""What the kernel must have, as the machine that it runs shows it. Docker's own check is of each kernel; the rest is what ours is
for: modules on demand, what boots built in, hardening."""
import base64
import glob
import os
import re
import struct

from machine import IMAGE, run
from tap import contains, equal

CHECK = '/usr/share/docker.io/contrib/check-config.sh'
# MEMCG_SWAP went into MEMCG with Linux 5.8; ZFS is no part of Linux.
CANNOT_EXIST = {'CONFIG_MEMCG_SWAP', '/dev/zfs', 'zfs command', 'zpool command'}
tests = []


def debian_kernel():
    """The name of the Debian package with the configuration of the image's kernel; None when it is ours, built from source."""
    found = re.search(r'^(linux-(?:image|base)-(?!boot2docker)\S+)', (IMAGE / 'packages.txt').read_text(), re.MULTILINE)
    return found and found.group(1)


def debian_config():
    """The configuration of Debian's kernel, which is in its package alone; ours has it in /proc/config.gz."""
    cache = os.environ.get('B2D_CACHE', os.path.expanduser('~/.cache/boot2docker'))
    packages = sorted(glob.glob(f'{cache}/debs/{debian_kernel()}_*.deb'))
    assert packages, f'there is no package {debian_kernel()} in {cache}/debs'
    tree = run('dpkg-deb', '--fsys-tarfile', packages[-1], input=b'')
    place = './usr/lib/modules/*/config' if debian_kernel().startswith('linux-base') else './boot/config-*'  # Debian 14, and 13
    return run('tar', '-x', '-O', '--wildcards', place, input=tree.stdout).stdout


def add_tests(story):
    """Those for the kernel that the image has."""
    for name, function, of_each in tests:
        if of_each or not debian_kernel():
            story.test(name)(function)


def ours(name, of_each=False):
    """Decorator: a test for our own kernel alone, or `of_each`."""
    def add(function):
        tests.append((name, function, of_each))
        return function
    return add


@ours('what boots is built in: on the way to the engine nothing is loaded that it would wait for')
def no_modules(qemu):
    log = qemu.ssh('cat /boot.log').stdout  # with boot2docker.debug, PID 1 names each module that is loaded
    before, answers, after = log.partition('Docker answers')
    equal(answers, 'Docker answers', '/boot.log has the engine\'s answer')
    loaded = re.compile(r'module (\S+) was loaded')
    assert loaded.search(after), 'no module was loaded after the engine answered: is boot2docker.debug given?'
    equal(set(loaded.findall(before)), set(), 'modules that were loaded before the engine answered')


@ours('all control groups\' controllers are handed on', of_each=True)
def controllers(qemu):
    there, delegated = (set(line.split()) for line in qemu.ssh(
        'cat /sys/fs/cgroup/cgroup.controllers /sys/fs/cgroup/cgroup.subtree_control').stdout.splitlines())
    equal(delegated, there, 'controllers in cgroup.subtree_control')
    equal({'cpuset', 'cpu', 'io', 'memory', 'pids', 'hugetlb'} - there, set(), 'controllers that are missing')


@ours('check-config.sh misses nothing that can exist', of_each=True)
def config_is_complete(qemu):
    config = ''
    if debian_kernel():
        qemu.ssh('gzip >/tmp/config.gz', input=debian_config())
        config = 'CONFIG=/tmp/config.gz'
    told = re.sub(r'\x1b\[[0-9;]*m', '', qemu.ssh(f'sudo env {config} bash {CHECK}', check=False, timeout=180).stdout)
    contains(told, 'Generally Necessary', 'output of check-config.sh')
    missing = re.findall(r'^\s*- (.*): missing', told, re.MULTILINE)
    equal(set(missing) - CANNOT_EXIST, set(), 'what is missing')


@ours('network interfaces of every kind load their module by themselves')
def interfaces(qemu):
    for kind in ('wireguard', 'vxlan id 7 dstport 4789', 'dummy', 'ipip remote 10.9.8.7', 'bond', 'ifb', 'vrf table 7', 'geneve id 7 remote 10.9.8.7'):
        qemu.ssh(f'sudo ip link add t0 type {kind} && sudo ip link del t0')
    for kind in ('macvlan mode bridge', 'ipvlan mode l2'):
        qemu.ssh(f'sudo ip link add link eth0 name t0 type {kind} && sudo ip link del t0')


@ours('file systems load their module when they are named')
def file_systems(qemu):
    qemu.ssh('sudo modprobe -a btrfs xfs nfsv4 cifs ceph exfat ntfs3 udf', timeout=180)
    known = qemu.ssh('cat /proc/filesystems').stdout.split()
    equal({'btrfs', 'xfs', 'nfs4', 'cifs', 'ceph', 'exfat', 'ntfs3', 'udf'} - set(known), set(), 'file systems that are missing')


@ours('every module that is in the image can be loaded by the kernel that is in it')
def modules_fit(qemu):
    qemu.ssh('sudo modprobe -a ip_vs xt_ipvs esp4 nf_conntrack_ftp cls_u32 sch_netem ip_set_hash_ip ftdi_sio igb r8169 megaraid_sas '
             'mpt3sas dm-crypt xts', timeout=180)


@ours('iptables in its older and in its newer form')
def iptables(qemu):
    rule = 'INPUT -m hashlimit --hashlimit-above 1/s --hashlimit-name t -j DROP -s 10.9.8.7'
    qemu.ssh('sudo iptables -t nat -S && sudo ip6tables -t filter -S')
    qemu.ssh(f'sudo iptables -A {rule} && sudo iptables -D {rule}')


def elf32_exit(status):
    """A whole i386 program: exit(status)."""
    code = b'\xb8\x01\x00\x00\x00\xbb' + struct.pack('<I', status) + b'\xcd\x80'
    base, offset = 0x08048000, 52 + 32
    header = struct.pack('<16sHHIIIIIHHHHHH', b'\x7fELF\x01\x01\x01', 2, 3, 1, base + offset, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    size = offset + len(code)
    return header + struct.pack('<IIIIIIII', 1, 0, base, base, size, size, 5, 0x1000) + code


@ours('a program of i386 runs')
def i386(qemu):
    text = base64.b64encode(elf32_exit(42)).decode()
    found = qemu.ssh(f'echo {text} | base64 -d >/tmp/i386; chmod 755 /tmp/i386; /tmp/i386', check=False)
    equal(found.returncode, 42, 'exit status')


@ours('what is not needed is closed')
def closed(qemu):
    equal(qemu.ssh('cat /proc/sys/kernel/unprivileged_bpf_disabled').stdout.strip(), '2', 'unprivileged BPF')
    equal(qemu.ssh('ls /dev/mem /dev/port /proc/kcore /sys/kernel/debug/x 2>/dev/null; true').stdout, '', 'doors to memory')
    lsm = 'sudo cat /sys/kernel/security/lsm'
    contains(qemu.ssh(f'{lsm} 2>/dev/null || sudo mount -t securityfs none /sys/kernel/security && {lsm}').stdout, 'apparmor', 'LSMs')


@ours('user namespaces, time namespaces and control groups of every kind are there')
def namespaces(qemu):
    equal(sorted(qemu.ssh('ls /proc/self/ns').stdout.split()),
          sorted('cgroup ipc mnt net pid pid_for_children time time_for_children user uts'.split()), 'namespaces')
    equal(set(qemu.ssh('cat /sys/fs/cgroup/cgroup.controllers').stdout.split()),
          set('cpuset cpu io memory hugetlb pids rdma misc'.split()), 'controllers')
