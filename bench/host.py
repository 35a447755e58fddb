# SPDX-License-Identifier: Apache-2.0
"""What something was measured on, in words."""
import os
import platform
import re
import subprocess
from pathlib import Path


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split('\n')[0]
    except (OSError, subprocess.CalledProcessError):
        return f'no {command[0]}'


def host():
    """Processor, memory, kernel, QEMU, and which version of ours, in one line."""
    cpu = next((line.split(':')[1].strip() for line in Path('/proc/cpuinfo').read_text().splitlines()
                if line.startswith('model name')), platform.machine())
    memory = int(re.search(r'MemTotal: +(\d+)', Path('/proc/meminfo').read_text()).group(1)) / (1 << 20)
    version = first_line('git', '-C', str(Path(__file__).resolve().parent), 'describe', '--always', '--dirty')
    return (f'Measured on {os.cpu_count()} processors of {cpu}, {memory:.1f} GiB, Linux {platform.release()}, '
            f'{first_line("qemu-system-x86_64", "--version")}, TCG; version {version}.')
