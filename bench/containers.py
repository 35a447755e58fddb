#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Containers, images, disk and published ports of a stock Debian machine and of ours; called by bench/run.

Both machines run meanwhile, and each measurement is taken of both in turn before the next, so that what the host does meets
both; the one that is not asked idles. A measurement beside which others used more than --max-busy processors makes its figures
noisy; one that fails is named, and the others go on. Images come from a file and from a registry on this host, without TLS.
"""
import argparse
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import Figure, comparison, listing, write
from host import host as this_host
from machines import Debian, Ours
from payload import Image, tools_tar
from quiet import busy_seconds, process_seconds, wait_for_quiet

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'tests' / 'vm'))
from registry import Registry
from tap import within

NAMES = {'debian': 'stock Debian', 'boot2docker': 'Boot2Docker'}
NETWORK = '10.0.2.0/24'  # the registry's, as the machines see it
IMAGE, BIG_MB, GETS, PATIENCE_S, AT_ONCE, FEWEST = 'bench', 64, 50, 600, 10, 20
RUN_D = ('`docker run -d`', 's')
DOCKERFILE = f"""FROM {IMAGE}
COPY data /data
RUN mkdir -p /srv/a/b/c && cp /bin/busybox /srv/a
RUN cd /srv && tar -cf all.tar a
RUN rm -r /srv/a && touch /srv/done
CMD ["/bin/sh"]
"""
FIO = {'written in turn, blocks of 1 MiB': ('write', '1M', 8, 'bw_bytes', '--end_fsync=1'),
       'read in turn, blocks of 1 MiB': ('read', '1M', 8, 'bw_bytes', '--time_based', '--runtime=5'),
       'reads of 4 KiB at random, 8 at a time': ('randread', '4k', 8, 'iops', '--time_based', '--runtime=5'),
       'writes of 4 KiB at random, each synchronised': ('randwrite', '4k', 1, 'iops', '--fdatasync=1', '--time_based', '--runtime=5')}


# What a measurement may fail with: a command, an answer, or a machine that is not there any more.
FAILURES = (AssertionError, OSError, http.client.HTTPException, subprocess.SubprocessError, ValueError, LookupError)


def say(text):
    print(text, file=sys.stderr, flush=True)


def expect(found, wanted, what):
    if found != wanted:
        raise ValueError(f'{what}: {found!r} instead of {wanted!r}')


class Host:
    """A machine with the host's docker client."""

    def __init__(self, machine, pid, folder):
        self.machine, self.pid, self.name, self.folder = machine, pid, machine.name, folder
        self.environment = dict(os.environ, **machine.docker(), DOCKER_CONFIG=str(folder / 'client'), DOCKER_BUILDKIT='0')

    def docker(self, *words, **options):
        result = subprocess.run(['docker', *map(str, words)], env=self.environment, capture_output=True, check=False, timeout=PATIENCE_S,
                                **options)
        if result.returncode:
            raise ValueError(f'docker {" ".join(map(str, words))}: {result.stderr.decode()}')
        return result.stdout.decode()

    def restore(self):
        """As it was before a measurement that failed: without containers, with the image."""
        self.remove_containers()
        self.docker('load', '-i', self.folder / 'image.tar')

    def remove_containers(self):
        """A few at a time: the client asks for each on a connection of its own, and QEMU's forward does not take a hundred at once."""
        left = self.docker('ps', '-aq').split()
        for start in range(0, len(left), AT_ONCE):
            self.docker('rm', '-f', *left[start:start + AT_ONCE])

    def seconds(self, *words):
        start = time.monotonic()
        self.docker(*words)
        return time.monotonic() - start

    def memory(self):
        """MiB in use."""
        found = dict(re.findall(r'^(\w+): +(\d+)', self.docker('run', '--rm', '--network', 'none', IMAGE, 'cat', '/proc/meminfo'), re.MULTILINE))
        return (int(found['MemTotal']) - int(found['MemAvailable'])) / 1024


def loads(host, _registry):
    host.docker('rmi', IMAGE)
    return {('`docker load`', 's'): [host.seconds('load', '-i', host.folder / 'image.tar')]}


def pulls(host, registry):
    remote = f'{registry.address}/{IMAGE}'
    host.docker('rmi', IMAGE)
    took = host.seconds('pull', remote)
    host.docker('tag', remote, IMAGE)
    host.docker('rmi', remote)
    return {('`docker pull`', 's'): [took]}


def builds(host, _registry):
    context = host.folder / 'context'
    if not context.exists():
        context.mkdir()
        (context / 'data').write_bytes(os.urandom(20 << 20))
        (context / 'Dockerfile').write_text(DOCKERFILE)
    took = host.seconds('build', '-q', '--no-cache', '-t', 'built', context)
    host.docker('rmi', 'built')
    return {('`docker build` of five steps, 20 MiB sent', 's'): [took]}


def runs(host, _registry):
    """Containers in the foreground and in the background, on the network that a container has by default."""
    foreground = [host.seconds('run', '--rm', IMAGE, '/bin/true') for _ in range(3)]
    background = [host.seconds('run', '-d', '--name', f'r{n}', IMAGE, 'sleep', '1000') for n in range(3)]
    host.docker('rm', '-f', *(f'r{n}' for n in range(3)))
    return {('`docker run --rm` of busybox', 's'): foreground, RUN_D: background}


def disk(host, _registry):
    """fio on a volume, which is on the machine's disk, past the guest's page cache."""
    found = {}
    for title, (kind, size, depth, key, *more) in FIO.items():
        report = json.loads(host.docker('run', '--rm', '-v', 'disk:/disk', IMAGE, 'fio', '--name=f', '--filename=/disk/file', '--size=256M',
                                        '--direct=1', '--ioengine=libaio', f'--rw={kind}', f'--bs={size}', f'--iodepth={depth}',
                                        '--output-format=json', *more))
        value = report['jobs'][0]['write' if 'write' in kind else 'read'][key]
        found[title, 'MB/s' if key == 'bw_bytes' else '/s'] = [value / 1e6 if key == 'bw_bytes' else value]
    return found


def get(port, path):
    """Seconds of one GET on a connection of its own, and the bytes of the body."""
    start, total = time.monotonic(), 0
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=60)
    try:
        connection.request('GET', path)
        answer = connection.getresponse()
        expect(answer.status, 200, f'GET {path}')
        while block := answer.read(1 << 20):
            total += len(block)
    finally:
        connection.close()
    return time.monotonic() - start, total


def answers(port):
    try:
        return get(port, '/small')[1] == 2
    except FAILURES:
        return False


def ports(host, _registry):
    """busybox's httpd in a container, from this host."""
    port = host.machine.published
    command = f'echo 1 >/www/small; dd if=/dev/zero of=/www/big bs=1M count={BIG_MB}; exec busybox httpd -f -p 80 -h /www'
    host.docker('run', '-d', '--name', 'web', '-p', f'{port}:80', IMAGE, '/bin/sh', '-c', command)
    within(60, 'the published port answers', lambda: answers(port))
    latency = [get(port, '/small')[0] * 1000 for _ in range(GETS)]
    rates = []
    for _ in range(2):
        seconds, size = get(port, '/big')
        expect(size, BIG_MB << 20, 'bytes that came')
        rates.append(size / seconds / 1e6)
    host.docker('rm', '-f', 'web')
    return {('a GET from a published port, on a new connection', 'ms'): latency, ('read from a published port', 'MB/s'): rates}


def many(host, counts):
    """Containers, one after another, all of which stay: for each of these counts, what it takes to have that many. Each one's time, and
    what all of them take of the processor and of the guest's memory."""
    found, each, processor, before = {}, [], 0, host.memory()
    for count in counts:
        processor -= process_seconds(host.pid)
        while len(each) < count:
            each.append(host.seconds('run', '-d', '--network', 'none', IMAGE, 'sleep', '10000'))
        processor += process_seconds(host.pid)
        expect(len(host.docker('ps', '-q').split()), count, 'containers that run')
        found |= {(f'one of {count} by `docker run -d --network none`', 's'): each[:], (f'all {count} of them', 's'): [sum(each)],
                  (f'processor time of QEMU for the {count}', 's'): [processor],
                  (f'memory in use more with the {count}', 'MiB'): [host.memory() - before]}
    return found


class Figures:
    """What was measured, with whether others used the host meanwhile; what failed; and what was left out, and why."""

    def __init__(self, options, pids):
        self.options, self.pids, self.found, self.failures, self.remarks = options, pids, {}, [], []

    def used(self):
        """Seconds of processor time of both machines, of the registry, of this process and of the clients that it ran."""
        return sum(map(process_seconds, self.pids)) + sum(os.times()[:4])

    def attempt(self, what, system, function, *arguments):
        """Calls it; what it returns, or None when it failed, which is noted."""
        try:
            return function(*arguments)
        except FAILURES as error:
            self.failures.append(f'{system}: {what} failed: {str(error).strip()[-600:]}')
            say(f'  {self.failures[-1]}')
            return None

    def take(self, host, measure, *arguments):
        wait_for_quiet(self.options.max_busy, self.options.patience, say)
        result = self.attempt(measure.__name__, host.name, self.watched, host, measure, *arguments)
        if result is None:
            self.attempt('putting it in order', host.name, host.restore)
            return
        values, processor, others = result
        say(f'  {host.name}: ' + ', '.join(f'{name} {sum(v) / len(v):.2f} {unit}' for (name, unit), v in values.items()) +
            f'; QEMU {processor:.1f} s of processor time, others {max(0, others):.2f} processors')
        self.add(host.name, values, others > self.options.max_busy)

    def watched(self, host, measure, *arguments):
        """What is measured, the processor time that it took QEMU, and how many processors others used meanwhile."""
        before, used, start, processor = busy_seconds(), self.used(), time.monotonic(), process_seconds(host.pid)
        values = measure(host, *arguments)
        processor = process_seconds(host.pid) - processor
        return values, processor, (busy_seconds() - before - self.used() + used) / (time.monotonic() - start)

    def add(self, system, values, busy):
        """Values by name and unit, of one system."""
        for (name, unit), those in values.items():
            figure = self.found.setdefault(name, Figure(name, unit, digits={'/s': 0, 'MiB': 0, 'MB/s': 0, 'ms': 1}.get(unit, 2)))
            figure.values.setdefault(system, []).extend(those)
            figure.busy = figure.busy or busy

    def list(self):
        return list(self.found.values())

    def finish(self, name, markdown):
        """Writes and prints all; fails when a part of it did."""
        text = '\n\n'.join([markdown, *self.remarks, *self.failures])
        self.options.output.mkdir(parents=True, exist_ok=True)
        write(self.options.output, name, self.list(), text, this_host())
        print((self.options.output / f'{name}.md').read_text())
        return 1 if self.failures else 0


def in_time(found, options):
    """How many containers both machines are given: the slower one's have to be started in --seconds."""
    figure = found.found.get(RUN_D[0])
    slower = max(map(figure.median, figure.values)) if figure else 1
    return max(FEWEST, min(options.containers, int(options.seconds / slower)))


def measure_all(found, hosts, registry, options):
    for host in hosts:
        host.restore()
        host.docker('run', '--rm', IMAGE, '/bin/true')  # the first one fills caches
    for number in range(options.runs):
        say(f'round {number + 1} of {options.runs}')
        for part in (loads, pulls, builds, runs, disk, ports):
            for host in hosts:
                found.take(host, part, registry)
    both = in_time(found, options)
    for host in hosts:
        counts = sorted({both, options.containers if host.name == Ours.name else both})
        say(f'{counts[-1]} containers')
        found.take(host, many, counts)
        found.pids.remove(host.pid)
        host.machine.power_off()


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument('--debian', type=Path, required=True, help='folder that bench/debian/build made')
    parse.add_argument('--image', type=Path, required=True)
    parse.add_argument('--output', type=Path, required=True, help='folder for containers.csv, .md and charts')
    parse.add_argument('--runs', type=int, default=2)
    parse.add_argument('--containers', type=int, default=100, help='containers that stay in ours, and in both when the other is as quick')
    parse.add_argument('--seconds', type=float, default=120, help='how long the slower one may take for those that both are given')
    parse.add_argument('--max-busy', type=float, default=0.5, help='processors that others may use')
    parse.add_argument('--patience', type=float, default=60, help='seconds to wait for quiet before going on anyway')
    options = parse.parse_args()
    if not shutil.which('docker'):
        say('bench: no docker client on this host, so no containers are measured')
        return 0

    folder = Path(tempfile.mkdtemp(prefix='bench-'))
    registry, image = Registry(folder, 'registry'), Image(IMAGE, tools_tar('fio', 'git'))
    image.push(registry.port)
    image.archive(folder / 'image.tar')
    about = f'The image of `load` and `pull` has {len(image.tree) / 1e6:.0f} MB in one layer, {len(image.layer) / 1e6:.0f} to pull.'
    debian, ours = Debian(options.debian), Ours(options.image, '--qemu-share', 'none', '--engine-insecure-registry', NETWORK)
    _, own = ours.start()
    hosts = [Host(debian, debian.start_on(folder / 'debian.qcow2'), folder), Host(ours, own, folder)]
    found = Figures(options, [host.pid for host in hosts] + [registry.process.pid])
    measure_all(found, hosts, registry, options)
    figures = found.list()
    tables = (comparison(figures, 'boot2docker', 'debian', NAMES), listing(figures, 'boot2docker', 'debian'))
    return found.finish('containers', '\n\n'.join([*filter(None, tables), about]))


if __name__ == '__main__':
    sys.exit(main())
