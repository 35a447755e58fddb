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
import sys
import time
from pathlib import Path

from figures import Figure, comparison, listing, write
from host import host
from machines import Debian, Ours
from quiet import busy_seconds, process_seconds, wait_for_quiet


def say(text):
    print(text, file=sys.stderr, flush=True)


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


def values(results, key):
    """What each boot of one machine measured of one thing."""
    return [result[key] for result in results]


BOTH = (('start to the engine\'s first answer', 'ready_s', 's', 2), ('processor time of QEMU until then', 'qemu_cpu_s', 's', 2),
        ('memory in use, idle', 'memory_mib', 'MiB', 0))
PARTS = (('kernel', 'kernel_s'), ('ours: from PID 1 until dockerd is started', 'ours_s'), ('containerd and dockerd', 'engine_s'))


def figures_of(report, max_busy):
    """The report as figures."""
    debian, ours, sizes = report['debian'], report['boot2docker'], report['sizes']
    busy = any(result['others_during'] > max_busy for result in debian + ours)
    found = [Figure(name, unit, {'debian': values(debian, key), 'boot2docker': values(ours, key)}, busy and unit == 's', digits)
             for name, key, unit, digits in BOTH]
    theirs = sum(sizes['debian'][name] for name in ('kernel', 'initrd', 'disk_compressed'))
    own = sum(sizes['boot2docker'][name] for name in ('vmlinuz', 'initrd.img'))
    found.append(Figure('to download (kernel, initrd, compressed disk)', 'MB',
                        {'debian': [theirs / 1e6], 'boot2docker': [own / 1e6]}, digits=1))
    around = [result['ready_s'] - result['guest_s'] for result in ours]
    found.append(Figure('QEMU, firmware, and the way to the host', 's', {'boot2docker': around}, busy))
    found += [Figure(name, 's', {'boot2docker': values(ours, key)}, busy) for name, key in PARTS]
    found += [Figure(f'size of {name}', 'MB', {'boot2docker': [size / 1e6]}, digits=1)
              for name, size in sizes['boot2docker'].items()]
    return [*found, Figure('a first `create`, with its disk and keys', 's', {'boot2docker': [report['create_s']]}, busy, 1)]


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument('--debian', type=Path, required=True, help='folder that bench/debian/build made')
    parse.add_argument('--build', type=Path, required=True)
    parse.add_argument('--image', type=Path, required=True)
    parse.add_argument('--output', type=Path, required=True, help='folder for results.json, .csv, .md and charts')
    parse.add_argument('--runs', type=int, default=3)
    parse.add_argument('--max-busy', type=float, default=0.5, help='processors that others may use')
    parse.add_argument('--patience', type=float, default=180, help='seconds to wait for quiet before going on anyway')
    parse.add_argument('--again', type=int, default=3, help='boots to repeat because others were busy')
    options = parse.parse_args()

    ours, debian = Ours(options.image), Debian(options.debian)
    results = measure_all((debian, ours), options)
    report = results | {'sizes': {'debian': debian.sizes, 'boot2docker': ours.sizes}, 'create_s': ours.create_seconds, 'host': host()}
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / 'results.json').write_text(json.dumps(report, indent=1) + '\n')
    figures = figures_of(report, options.max_busy)
    markdown = (comparison(figures, 'boot2docker', 'debian', {'debian': 'stock Debian', 'boot2docker': 'Boot2Docker'}) +
                '\n\n' + listing(figures, 'boot2docker', 'debian'))
    write(options.output, 'results', figures, markdown, report['host'])
    print((options.output / 'results.md').read_text())


if __name__ == '__main__':
    main()
