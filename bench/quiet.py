# SPDX-License-Identifier: Apache-2.0
"""How busy the host is, so that a measurement does not happen beside other work."""
import os
import time
from pathlib import Path

TICK = os.sysconf('SC_CLK_TCK')


def busy_seconds():
    """Seconds of processor time that the whole host has spent since it started, idling left out."""
    user, nice, system, _idle, _iowait, irq, softirq = map(int, Path('/proc/stat').read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / TICK


def process_seconds(pid):
    """Seconds of processor time of one process with its threads."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def started_at(pid):
    """When a process was started, in seconds of CLOCK_BOOTTIME (a hundredth exact)."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return int(fields[19]) / TICK


def boot_clock():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wait_for_quiet(max_busy, patience, say):
    """Waits until others use less than max_busy processors, or patience is over; returns what they use."""
    end = time.monotonic() + patience
    while True:
        before, start = busy_seconds(), time.monotonic()
        time.sleep(2)
        cores = (busy_seconds() - before) / (time.monotonic() - start)
        if cores < max_busy or time.monotonic() > end:
            return round(cores, 2)
        say(f'  waiting for quiet: others use {cores:.2f} processors')
        time.sleep(5)
