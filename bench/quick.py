#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sizes, counts, the host command's times, one boot of our machine and some starts of it saved, in a few minutes; called by
`make bench-quick`.

The commands' times are taken with a stand-in for QEMU, so that nothing runs beside them. Sizes and counts are the same on
every host; times are not, and one boot says little: `make bench` compares. With --check it fails when a size or a count is above
its limit; never for a time.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import Figure, listing, write
from host import host
from machines import BOOT2DOCKER, Ours
from quiet import busy_seconds, process_seconds

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'tests' / 'machine'))
from store import COMMAND, Store

RUNS, STOPPED, STARTS, MAX_BUSY = 30, 20, 5, 0.5
OURS = 'boot2docker'
# What an image may have at most: the release, which has a kernel of its own, and the development image. The units are the figures'.
OWN_KERNEL = 'linux-image-boot2docker'
LIMITS = {'release': {'size of the kernel': 6.4, 'size of the initrd': 26, 'size of the ISO': 33, 'packages in the image': 110,
                      'memory in use, idle': 130},
          'development': {'size of the kernel': 13, 'size of the initrd': 95, 'size of the ISO': 108, 'packages in the image': 150,
                          'memory in use, idle': 200},
          'both': {'size of the host command': 1, 'processes of the idle machine': 12, 'size of the saved state': 400}}
# Processes of user space: a kernel thread has no command line. Those of the question itself are left out.
COUNT_PROCESSES = 'n=0; for f in /proc/[0-9]*/cmdline; do [ -z "$(tr -d "\\0" <$f 2>/dev/null)" ] || n=$((n+1)); done; echo $n'


def say(text):
    print(text, file=sys.stderr, flush=True)


def own(name, unit, values, **more):
    return Figure(name, unit, {OURS: values}, **more)


def sizes(image):
    """What there is to download and to install, in MB."""
    with tempfile.NamedTemporaryFile() as stripped:
        subprocess.run(['strip', '-o', stripped.name, BOOT2DOCKER], check=True)
        command = Path(stripped.name).stat().st_size
    files = {'kernel': 'vmlinuz', 'initrd': 'initrd.img', 'ISO': 'boot2docker.iso'}
    found = [own(f'size of the {name}', 'MB', [(image / file).stat().st_size / 1e6]) for name, file in files.items()]
    packages = len((image / 'packages.txt').read_text().splitlines())
    return [*found, own('size of the host command', 'MB', [command / 1e6]), own('packages in the image', '', [packages], digits=0)]


def milliseconds(environment, *words):
    """How long the command takes as a whole process, each time."""
    times, sink = [], [(os.POSIX_SPAWN_OPEN, fd, '/dev/null', os.O_RDWR, 0) for fd in (0, 1, 2)]
    for _ in range(RUNS + 1):
        start = time.monotonic()
        pid = os.posix_spawn(COMMAND / 'boot2docker', ['boot2docker', *words], environment, file_actions=sink)
        _, status = os.waitpid(pid, 0)
        times.append((time.monotonic() - start) * 1000)
        if status:
            raise SystemExit(f'bench: boot2docker {" ".join(words)} failed: {status}')
    return times[1:]  # the first one fills the page cache


def commands():
    """Those that scripts and shells call again and again."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        for number in range(STOPPED):
            store.run('create', '--no-start', f'm{number}')
        stopped = milliseconds(store.environment, 'ls')
        store.run('create', 'default')
        figures = [own(f'`{verb}`', 'ms', milliseconds(store.environment, verb, 'default'), digits=1)
                   for verb in ('env', 'ip', 'status')]
        figures += [own(f'`ls` of {STOPPED} stopped machines', 'ms', stopped, digits=1),
                    own('`--version`', 'ms', milliseconds(store.environment, '--version'), digits=1)]
        store.run('kill', 'default')
        return figures


def resumes(machine, starts):
    """Starts of the machine that was saved, as they feel: from the typed word to the engine's answer over TLS."""
    say(f'{starts} starts of it saved')
    rows = [machine.save_and_resume() for _ in range(starts)]
    saves, states, seconds, processor, resident, others = map(list, zip(*rows))
    busy = statistics.median(others) > MAX_BUSY
    return [own('`save`', 's', saves, busy=busy), own('size of the saved state', 'MB', states, digits=0),
            own('`start` of it saved, to the engine\'s first answer', 's', seconds, busy=busy),
            own('of that processor time of QEMU', 's', processor, busy=busy),
            own('memory of the host that the resumed guest has', 'MiB', resident, digits=0)]


def births(machine, starts):
    """More machines of the kind of the one that is there: born from its template, where the image's engine can."""
    say(f'{starts} machines more')
    rows = [machine.be_born() for _ in range(starts)]
    seconds, ended, processor, others = map(list, zip(*rows))
    busy = statistics.median(others) > MAX_BUSY
    return [own('`create` of one more, to its engine\'s first answer', 's', seconds, busy=busy),
            own('the same until `create` has ended', 's', ended, busy=busy),
            own('of the first, processor time of QEMU', 's', processor, busy=busy)]


def boot(image, starts):
    """One boot, after the one of `create`: how long it takes, and what the idle machine needs."""
    machine = Ours(image)
    since, clock = busy_seconds(), time.monotonic()
    seconds, pid = machine.start()
    others = (busy_seconds() - since - process_seconds(pid)) / (time.monotonic() - clock)
    details = machine.details()
    # The shell that counts, what it runs, and sshd's processes for it.
    processes = int(machine.machine.ssh(COUNT_PROCESSES)) - int(machine.machine.ssh(
        'n=0; p=$$; while [ $p -gt 1 ]; do n=$((n+1)); p=$(awk "/^PPid/ { print \\$2 }" /proc/$p/status); done; echo $((n-1))'))
    warm = resumes(machine, starts)
    machine.stop()
    born = births(machine, starts)
    busy = others > MAX_BUSY
    times = [('a first `create`', machine.create_seconds), ('start to the engine\'s first answer', seconds),
             ('of that the kernel', details['kernel_s']), ('of that ours', details['ours_s']),
             ('of that containerd and dockerd', details['engine_s'])]
    return [*(own(name, 's', [value], busy=busy) for name, value in times),
            own('memory in use, idle', 'MiB', [details['memory_mib']], digits=0),
            own('processes of the idle machine', '', [processes], digits=0), *warm, *born]


def above_limits(figures, image):
    """A line for each size and count that is above its limit, or that was not measured at all."""
    kind = 'release' if OWN_KERNEL in (image / 'packages.txt').read_text() else 'development'
    found = {figure.name: figure for figure in figures}
    for name, limit in {**LIMITS[kind], **LIMITS['both']}.items():
        if name not in found:
            yield f'{name} was not measured'
        elif found[name].median(OURS) > limit:
            yield f'{name}: {found[name].cell(OURS)}, for the {kind} image at most {limit}'


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument('--image', type=Path, required=True)
    parse.add_argument('--output', type=Path, required=True, help='folder for quick.csv, quick.md and quick/*.svg')
    parse.add_argument('--no-boot', action='store_true', help='sizes and the commands\' times alone')
    parse.add_argument('--starts', type=int, default=STARTS, help='starts of a saved machine, and machines that are made')
    parse.add_argument('--check', action='store_true', help='fail when a size or a count is above its limit')
    options = parse.parse_args()

    figures = sizes(options.image)
    say('the commands')
    figures += commands()
    if not options.no_boot:
        say('two boots of our machine')
        figures += boot(options.image, options.starts)
    markdown = listing(figures, OURS)
    write(options.output, 'quick', figures, markdown, host())
    print((options.output / 'quick.md').read_text())
    above = list(above_limits(figures, options.image)) if options.check else []
    for line in above:
        say(f'bench: {line}')
    return 1 if above else 0


if __name__ == '__main__':
    sys.exit(main())
