#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ways to the engine and to PID 1, in turn, so that what the host does meanwhile meets all of them.

    bench/paths.py iso [--runs N]                  the ISO on an AHCI CD against a direct kernel boot, until the engine answers
    bench/paths.py kernel VMLINUZ... [--runs N]    kernels against each other, until PID 1, with a program of one line as that

The image is $B2D_IMAGE. All of it is on QEMU's q35 under TCG; run it below tools/with-vms.
"""
import argparse
import gzip
import re
import shutil
import ssl
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'tests' / 'vm'))
from machine import BUSYBOX, IMAGE  # noqa: E402
from machines import asked_until_answered  # noqa: E402
from qemu import CD, KERNEL, Qemu  # noqa: E402

ISO = ['-drive', f'file={IMAGE}/boot2docker.iso,format=raw,readonly=on,if=none,id=medium', *CD]
PATIENCE_S = 120
WAYS = {'kernel': KERNEL, 'ISO by BIOS': ISO}
INIT = '#!/busybox sh\n/busybox mount -t proc proc /proc\nread up rest </proc/uptime\necho at-init $up\n/busybox poweroff -f\n'


def engine_answers(port):
    """Whether it goes through a TLS handshake: QEMU accepts a connection long before the guest does."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(('127.0.0.1', port), 10) as plain, context.wrap_socket(plain):
            return True
    except OSError:
        return False


def until_engine(way, disks):
    with Qemu() as qemu:
        qemu.disks, qemu.memory = disks, 2048
        qemu.start(*WAYS[way])
        try:
            asked_until_answered(lambda: engine_answers(qemu.engine_port), PATIENCE_S)
        except SystemExit as error:
            sys.exit(f'{way}: {error}; the end of the console:\n{qemu.tail()}')
        took = time.monotonic() - qemu.began
        qemu.power_button()
        return took


def compare_ways(runs):
    """Seconds of each way, on one data disk, which a boot before the first has made."""
    found = {way: [] for way in WAYS}
    with Qemu() as first:
        first.add_key_disk()
        first.start(*KERNEL)
        first.wait_engine(300)
        first.power_button()
        for _ in range(runs):
            for way, values in found.items():
                values.append(until_engine(way, first.disks))
                print(f'{way}: {values[-1]:.2f} s', file=sys.stderr, flush=True)
    return found


def small_initrd(folder):
    """A file tree of busybox and a script that says how old the kernel is and turns the power off."""
    (folder / 'init').write_text(INIT)
    (folder / 'init').chmod(0o755)
    (folder / 'proc').mkdir()
    shutil.copy(BUSYBOX, folder / 'busybox')
    tree = subprocess.run(['cpio', '-o', '-H', 'newc', '--quiet'], cwd=folder, input=b'init\nbusybox\nproc\n', stdout=subprocess.PIPE, check=True)
    path = folder / 'initrd'
    path.write_bytes(gzip.compress(tree.stdout, 1))
    return path


def until_init(kernel, initrd):
    """Seconds from QEMU's start to PID 1, and the age of the kernel's clock then."""
    with Qemu() as qemu:
        qemu.start('-kernel', kernel, '-initrd', str(initrd), '-append', 'console=ttyS0 loglevel=4 no_timer_check')
        while not (match := re.search(rb'at-init ([0-9.]+)', qemu.log)):
            time.sleep(0.005)
        return time.monotonic() - qemu.began, float(match.group(1))


def compare_kernels(kernels, runs):
    found = {f'{kernel}, {what}': [] for kernel in kernels for what in ('from QEMU\'s start', 'by its clock')}
    with tempfile.TemporaryDirectory() as folder:
        initrd = small_initrd(Path(folder))
        for _ in range(runs):
            for kernel in kernels:
                for what, value in zip(('from QEMU\'s start', 'by its clock'), until_init(str(Path(kernel).resolve()), initrd)):
                    found[f'{kernel}, {what}'].append(value)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('what', choices=['iso', 'kernel'])
    parser.add_argument('kernels', nargs='*')
    parser.add_argument('--runs', type=int, default=3)
    options = parser.parse_args()
    found = compare_ways(options.runs) if options.what == 'iso' else compare_kernels(options.kernels, options.runs)
    for name, values in found.items():
        print(f'{name}: {statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})')


if __name__ == '__main__':
    main()
