#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boots a stock Debian machine and ours in turn and compares them; called by bench/run.

Both have two processors, 2 GiB and TCG, were booted and shut down cleanly once before, and boot their kernel directly. The
time counts from QEMU's exec until GET /_ping is answered on the forwarded port: plain HTTP for Debian, TLS with client
certificates for ours. Before each boot it waits until others use less than --max-busy processors; a boot beside which
others used more on average is done again, at most --again times in all.
"""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machines import Debian, Ours
from quiet import busy_seconds, process_seconds, wait_for_quiet

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'tests' / 'vm'))
from machine import busybox_tar


def say(text):
    print(text, file=sys.stderr, flush=True)


def docker_runs(environment, count):
    """Seconds of `docker run --rm` of busybox's true, after one that is not counted; none without a docker client."""
    if not shutil.which('docker'):
        return []
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, **environment, DOCKER_CONFIG=folder)
        subprocess.run(['docker', 'import', '-', 'bench'], input=busybox_tar(), env=environment, check=True,
                       stdout=subprocess.DEVNULL)
        times = []
        for _ in range(count + 1):
            start = time.monotonic()
            subprocess.run(['docker', 'run', '--rm', 'bench', '/bin/true'], env=environment, check=True)
            times.append(time.monotonic() - start)
    return times[1:]


def measure(machine, options):
    """One boot of one machine."""
    before = wait_for_quiet(options.max_busy, options.patience, say)
    since, clock = busy_seconds(), time.monotonic()
    seconds, pid = machine.start()
    own, passed = process_seconds(pid), time.monotonic() - clock
    others = max(0, busy_seconds() - since - own) / passed
    result = {'ready_s': seconds, 'qemu_cpu_s': own, 'others_before': before, 'others_during': round(others, 2)}
    try:
        result |= machine.details()
        result['docker_run_s'] = docker_runs(machine.docker(), options.docker_runs)
    finally:
        machine.stop()
    say(f'  {machine.name}: {seconds:.2f} s to the first answer; others used {others:.2f} processors')
    return result


def measure_all(machines, options):
    """The boots of all machines, in turn; those beside which others were too busy are repeated."""
    results, again = {machine.name: [] for machine in machines}, options.again
    for number in range(options.runs):
        say(f'boot {number + 1} of {options.runs}')
        for machine in machines:
            result = measure(machine, options)
            while result['others_during'] > options.max_busy and again > 0:
                again -= 1
                say('  set aside: others were busy')
                result = measure(machine, options)
            results[machine.name].append(result)
    return results


def median(results, key):
    values = [value for result in results for value in (result[key] if isinstance(result[key], list) else [result[key]])]
    return statistics.median(values) if values else None


def spread(results, key):
    values = [value for result in results for value in (result[key] if isinstance(result[key], list) else [result[key]])]
    return f'{min(values):.2f} to {max(values):.2f}'


def table(report):
    """The report as markdown."""
    debian, ours = report['debian'], report['boot2docker']
    lines = ['| | stock Debian | Boot2Docker | ratio |', '|---|---|---|---|']

    def row(name, key, unit, digits=2):
        theirs, own = median(debian, key), median(ours, key)
        if theirs is not None and own is not None:
            lines.append(f'| {name} | {theirs:.{digits}f} {unit} ({spread(debian, key)}) | '
                         f'{own:.{digits}f} {unit} ({spread(ours, key)}) | {own / theirs:.2f} |')

    row('start to the engine\'s first answer', 'ready_s', 's')
    row('processor time of QEMU until then', 'qemu_cpu_s', 's')
    row('memory in use, idle', 'memory_mib', 'MiB', 0)
    row('`docker run --rm` of busybox', 'docker_run_s', 's')
    sizes = report['sizes']
    theirs = sizes['debian']['kernel'] + sizes['debian']['initrd'] + sizes['debian']['disk_compressed']
    own = sizes['boot2docker']['vmlinuz'] + sizes['boot2docker']['initrd.img']
    lines.append(f'| to download (kernel, initrd, compressed disk) | {theirs / 1e6:.1f} MB | {own / 1e6:.1f} MB | '
                 f'{own / theirs:.2f} |')
    ready = median(ours, 'ready_s')
    lines += ['', 'Where our time goes (medians):', '', '| part | seconds | share |', '|---|---|---|']
    guest = median(ours, 'guest_s')
    parts = (('QEMU, firmware, and the way to the host', ready - guest), ('kernel', median(ours, 'kernel_s')),
             ('ours: from PID 1 until dockerd is started', median(ours, 'ours_s')), ('containerd and dockerd', median(ours, 'engine_s')))
    lines += [f'| {name} | {seconds:.2f} | {100 * seconds / ready:.0f} % |' for name, seconds in parts]
    lines += ['', '| command | ms, median |', '|---|---|']
    lines += [f'| `boot2docker {verb}` | {statistics.median(times):.1f} |'
              for verb, times in report['command_ms'].items()]
    lines += ['', f'Kernel {sizes["boot2docker"]["vmlinuz"] / 1e6:.1f} MB, initrd '
              f'{sizes["boot2docker"]["initrd.img"] / 1e6:.1f} MB, ISO {sizes["boot2docker"]["boot2docker.iso"] / 1e6:.1f} MB. '
              f'A first `create`, with its disk and keys, took {report["create_s"]:.1f} s.', '', report['host'], '']
    return '\n'.join(lines)


def host():
    """What it was measured on, in one line."""
    cpu = next((line.split(':')[1].strip() for line in Path('/proc/cpuinfo').read_text().splitlines()
                if line.startswith('model name')), platform.machine())
    qemu = subprocess.run(['qemu-system-x86_64', '--version'], capture_output=True, text=True, check=True).stdout.split('\n')[0]
    return f'Measured on {os.cpu_count()} processors of {cpu}, {qemu}, TCG.'


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument('--debian', type=Path, required=True, help='folder that bench/debian/build made')
    parse.add_argument('--build', type=Path, required=True)
    parse.add_argument('--image', type=Path, required=True)
    parse.add_argument('--output', type=Path, required=True, help='folder for results.json and results.md')
    parse.add_argument('--runs', type=int, default=3)
    parse.add_argument('--docker-runs', type=int, default=3, help='docker run --rm per boot')
    parse.add_argument('--max-busy', type=float, default=0.5, help='processors that others may use')
    parse.add_argument('--patience', type=float, default=180, help='seconds to wait for quiet before going on anyway')
    parse.add_argument('--again', type=int, default=3, help='boots to repeat because others were busy')
    options = parse.parse_args()

    ours, debian = Ours(options.image), Debian(options.debian)
    results = measure_all((debian, ours), options)
    ours.start()
    commands = ours.command_times()
    ours.stop()
    report = results | {'sizes': {'debian': debian.sizes, 'boot2docker': ours.sizes}, 'command_ms': commands,
                        'create_s': ours.create_seconds, 'host': host()}
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / 'results.json').write_text(json.dumps(report, indent=1) + '\n')
    (options.output / 'results.md').write_text(table(report))
    print(table(report))


if __name__ == '__main__':
    main()
