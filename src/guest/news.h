// SPDX-License-Identifier: Apache-2.0
// Waiting for network addresses that come and go, through the kernel's routing socket.
#pragma once

// A socket for news_wait; -1 when there is none, and news_wait then only waits.
int news_open(void);
// Waits until an address has changed, at most so long.
void news_wait(int fd, int timeout_ms);
