// SPDX-License-Identifier: Apache-2.0
// Connections over a time that was missed: real ones over the loopback device, held by a process apart.
#include "../unit/test.h"

#include "connections.h"
#include "lib/clock.h"
#include "lib/file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static const struct guest guest = { .root = "" };
static struct error err;

struct pair {
	int listener, near, far;
};

static struct pair make_pair(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	struct pair p = { .listener = socket(AF_INET, SOCK_STREAM, 0), .near = socket(AF_INET, SOCK_STREAM, 0) };

	assert_return_code(bind(p.listener, (struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(listen(p.listener, 1), errno);
	assert_return_code(getsockname(p.listener, (struct sockaddr *)&address, &len), errno);
	assert_return_code(connect(p.near, (struct sockaddr *)&address, sizeof(address)), errno);
	p.far = accept(p.listener, NULL, NULL);
	assert_return_code(p.far, errno);
	return p;
}

static void close_pair(const struct pair *p)
{
	close(p->listener);
	close(p->near);
	if (p->far >= 0)
		close(p->far);
}

// A process that has all files that we have, and the far end not.
static pid_t holder(const struct pair *p)
{
	int ready[2];

	assert_return_code(pipe(ready), errno);
	pid_t pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(p->far);
		close(ready[1]);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], (char[1]){ 0 }, 1), 0);
	close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int number(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_return_code(getsockopt(fd, level, name, &value, &len), errno);
	return value;
}

static void set(int fd, int level, int name, int value)
{
	assert_return_code(setsockopt(fd, level, name, &value, sizeof(value)), errno);
}

static void check_options(int fd, int keepalive, int idle_s, int interval_s, int count)
{
	assert_int_equal(number(fd, SOL_SOCKET, SO_KEEPALIVE), keepalive);
	assert_int_equal(number(fd, IPPROTO_TCP, TCP_KEEPIDLE), idle_s);
	assert_int_equal(number(fd, IPPROTO_TCP, TCP_KEEPINTVL), interval_s);
	assert_int_equal(number(fd, IPPROTO_TCP, TCP_KEEPCNT), count);
}

static void one_that_lives_stays_and_gets_its_options_back(void **state)
{
	struct pair plain = make_pair(), own = make_pair();
	struct connections c = CONNECTIONS_INIT;
	int idle_s = number(plain.near, IPPROTO_TCP, TCP_KEEPIDLE);
	int interval_s = number(plain.near, IPPROTO_TCP, TCP_KEEPINTVL);
	int count = number(plain.near, IPPROTO_TCP, TCP_KEEPCNT);

	(void)state;
	set(own.near, IPPROTO_TCP, TCP_KEEPIDLE, 40);
	set(own.near, IPPROTO_TCP, TCP_KEEPINTVL, 7);
	set(own.near, IPPROTO_TCP, TCP_KEEPCNT, 3);
	set(own.near, SOL_SOCKET, SO_KEEPALIVE, 1);
	close(plain.far);
	plain.far = -1; // its near end is half-closed, and not established any more
	pid_t pid = holder(&own);
	connections_probe(&c, &guest, pid);
	connections_probe(&c, &guest, pid);
	assert_int_equal(c.count, 1);
	check_options(own.near, 1, 1, 1, 127);
	check_options(plain.near, 0, idle_s, interval_s, count);
	clock_sleep_ms(2500);
	connections_restore(&c, &guest);
	check_options(own.near, 1, 40, 7, 3);
	assert_int_equal(write(own.near, "x", 1), 1);
	assert_int_equal(read(own.far, (char[1]){ 0 }, 1), 1);
	end(pid);
	connections_done(&c);
	close_pair(&plain);
	close_pair(&own);
}

static void one_without_keepalive_has_none_afterwards(void **state)
{
	struct pair p = make_pair();
	struct connections c = CONNECTIONS_INIT;
	int idle_s = number(p.near, IPPROTO_TCP, TCP_KEEPIDLE);
	pid_t pid = holder(&p);

	(void)state;
	connections_probe(&c, &guest, pid);
	assert_int_equal(number(p.near, SOL_SOCKET, SO_KEEPALIVE), 1);
	connections_restore(&c, &guest);
	assert_int_equal(number(p.near, SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(number(p.near, IPPROTO_TCP, TCP_KEEPIDLE), idle_s);
	end(pid);
	connections_done(&c);
	close_pair(&p);
}

// The number of a file may be another socket's by then.
static void another_socket_in_its_place_is_left_alone(void **state)
{
	struct pair p = make_pair();
	struct connections c = CONNECTIONS_INIT;
	pid_t pid = holder(&p);

	(void)state;
	connections_probe(&c, &guest, pid);
	assert_int_equal(c.count, 1);
	c.items[0].inode++;
	connections_restore(&c, &guest);
	assert_int_equal(number(p.near, SOL_SOCKET, SO_KEEPALIVE), 1);
	end(pid);
	connections_probe(&c, &guest, pid); // gone
	assert_int_equal(c.count, 1);
	connections_restore(&c, &guest);
	connections_done(&c);
	close_pair(&p);
}

// A network of our own, in which we may end a socket without a word to its peer.
static void enter_network(void)
{
	unsigned int uid = getuid();
	cleanup_free char *uids = xasprintf("0 %u 1", uid);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		_exit(91);
	if (file_write_existing("/proc/self/uid_map", uids, &err) < 0)
		_exit(92);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		_exit(93);
	close(fd);
}

// What read says at the near end after the far one has vanished, with a probe or without; 0: nothing within five seconds.
static int told(bool probed)
{
	struct pair p = make_pair();
	struct connections c = CONNECTIONS_INIT;
	pid_t pid = holder(&p);

	set(p.far, IPPROTO_TCP, TCP_REPAIR, 1);
	close(p.far);
	if (probed)
		connections_probe(&c, &guest, pid);
	struct pollfd wait = { .fd = p.near, .events = POLLIN };
	int ready = poll(&wait, 1, 5000);
	int code = ready > 0 && read(p.near, (char[1]){ 0 }, 1) < 0 ? errno : 0;
	end(pid);
	connections_done(&c);
	return code;
}

static int in_network(bool probed)
{
	int status = 0;
	pid_t pid = fork();

	assert_return_code(pid, errno);
	if (pid == 0) {
		enter_network();
		_exit(told(probed) == (probed ? ECONNRESET : 0) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void who_waits_for_a_dead_peer_is_told(void **state)
{
	(void)state;
	assert_int_equal(in_network(true), 0);
	assert_int_equal(in_network(false), 0); // else it would wait on
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_lives_stays_and_gets_its_options_back),
		cmocka_unit_test(one_without_keepalive_has_none_afterwards),
		cmocka_unit_test(another_socket_in_its_place_is_left_alone),
		cmocka_unit_test(who_waits_for_a_dead_peer_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
